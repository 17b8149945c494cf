-- flat_cumulative - What does each line hold itself, and with what it calls?
--
-- In use (live) and allocated (born), as go tool pprof -top has it: self is
-- what the line allocated itself, cumulative also what was allocated below it.
-- A frame that is on a stack more than once, by recursion, counts once.
-- :by 'function' puts the lines of a function together, and functions of
-- one name; the default is 'line'.
--
-- frame                 the line, or function
-- live_bytes            bytes alive at the end that it allocated itself
-- live_percent          their part of all bytes alive at the end
-- running_percent       this row's part and that of the rows above it
-- live_cum_bytes        bytes alive at the end, allocated by it or below it
-- live_cum_percent      their part of all bytes alive at the end
-- live_blocks, live_cum_blocks
--                       how many blocks these are
-- born_bytes, born_percent, born_cum_bytes, born_cum_percent, born_blocks,
-- born_cum_blocks       the same of all blocks that were begun
WITH
chosen AS (
  SELECT coalesce(:profile, (SELECT max(profile_id) FROM profile)) AS id
),
-- Names are numbered: they are long, and there are many pairs.
named AS MATERIALIZED (
  SELECT
    frame_id,
    CASE coalesce(:by, 'line')
      WHEN 'function' THEN coalesce(function, name)
      ELSE name
    END AS name
  FROM frame
  WHERE profile_id = (SELECT id FROM chosen)
),
name AS MATERIALIZED (
  SELECT min(frame_id) AS name_id, name
  FROM named
  GROUP BY name
),
numbered AS MATERIALIZED (
  SELECT named.frame_id, name.name_id
  FROM named
  JOIN name USING (name)
),
-- Below a path are the places up to its last one: what they hold is the
-- difference of two running sums, so no path is walked.
running AS (
  SELECT
    n.name_id, c.place, c.last_place, c.self_live_bytes, c.self_live_blocks,
    c.self_born_bytes, c.self_born_blocks,
    sum(c.self_live_bytes) OVER so_far AS live_bytes,
    sum(c.self_live_blocks) OVER so_far AS live_blocks,
    sum(c.self_born_bytes) OVER so_far AS born_bytes,
    sum(c.self_born_blocks) OVER so_far AS born_blocks
  FROM callsite AS c
  CROSS JOIN numbered AS n ON n.frame_id = c.frame_id
  WHERE c.profile_id = (SELECT id FROM chosen)
  WINDOW so_far AS (ORDER BY c.place ROWS UNBOUNDED PRECEDING)
),
path AS (
  SELECT
    name_id, place, last_place, self_live_bytes, self_live_blocks,
    self_born_bytes, self_born_blocks,
    nth_value(live_bytes, last_place) OVER places
      - live_bytes + self_live_bytes AS live_bytes,
    nth_value(live_blocks, last_place) OVER places
      - live_blocks + self_live_blocks AS live_blocks,
    nth_value(born_bytes, last_place) OVER places
      - born_bytes + self_born_bytes AS born_bytes,
    nth_value(born_blocks, last_place) OVER places
      - born_blocks + self_born_blocks AS born_blocks
  FROM running
  WINDOW places AS (
    ORDER BY place
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
  )
),
-- Of a name that called itself only the outermost counts.
ranked AS (
  SELECT
    path.*,
    coalesce(max(last_place) OVER (
      PARTITION BY name_id
      ORDER BY place
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) < place, 1) AS is_outermost
  FROM path
),
sums AS (
  SELECT
    name_id,
    sum(self_live_bytes) AS live_bytes,
    sum(self_live_blocks) AS live_blocks,
    sum(self_born_bytes) AS born_bytes,
    sum(self_born_blocks) AS born_blocks,
    sum(live_bytes) FILTER (WHERE is_outermost) AS live_cum_bytes,
    sum(live_blocks) FILTER (WHERE is_outermost) AS live_cum_blocks,
    sum(born_bytes) FILTER (WHERE is_outermost) AS born_cum_bytes,
    sum(born_blocks) FILTER (WHERE is_outermost) AS born_cum_blocks
  FROM ranked
  GROUP BY name_id
  HAVING born_cum_blocks > 0
)
SELECT
  name.name AS frame,
  s.live_bytes,
  round(100.0 * s.live_bytes / nullif(sum(s.live_bytes) OVER (), 0), 1)
    AS live_percent,
  round(100.0 * sum(s.live_bytes) OVER (
    ORDER BY s.live_bytes DESC, s.live_cum_bytes DESC, s.born_cum_bytes DESC,
      s.born_cum_blocks DESC, name.name
    ROWS UNBOUNDED PRECEDING
  ) / nullif(sum(s.live_bytes) OVER (), 0), 1) AS running_percent,
  s.live_cum_bytes,
  round(100.0 * s.live_cum_bytes / nullif(sum(s.live_bytes) OVER (), 0), 1)
    AS live_cum_percent,
  s.live_blocks,
  s.live_cum_blocks,
  s.born_bytes,
  round(100.0 * s.born_bytes / nullif(sum(s.born_bytes) OVER (), 0), 1)
    AS born_percent,
  s.born_cum_bytes,
  round(100.0 * s.born_cum_bytes / nullif(sum(s.born_bytes) OVER (), 0), 1)
    AS born_cum_percent,
  s.born_blocks,
  s.born_cum_blocks
FROM sums AS s
JOIN name USING (name_id)
ORDER BY s.live_bytes DESC, s.live_cum_bytes DESC, s.born_cum_bytes DESC,
  s.born_cum_blocks DESC, frame;
