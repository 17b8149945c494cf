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
WITH RECURSIVE
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
path (callsite_id, frame_id, parent_id) AS (
  SELECT callsite_id, frame_id, parent_id
  FROM callsite
  WHERE profile_id = (SELECT id FROM chosen)
    AND self_born_blocks > 0
  UNION ALL
  SELECT p.callsite_id, c.frame_id, c.parent_id
  FROM path AS p
  CROSS JOIN callsite AS c ON c.callsite_id = p.parent_id
),
pair AS (
  SELECT p.callsite_id, n.name_id
  FROM path AS p
  JOIN numbered AS n ON n.frame_id = p.frame_id
  GROUP BY p.callsite_id, n.name_id
),
sums AS (
  SELECT
    pair.name_id,
    sum(c.self_live_bytes) FILTER (WHERE n.name_id = pair.name_id)
      AS live_bytes,
    sum(c.self_live_bytes) AS live_cum_bytes,
    sum(c.self_live_blocks) FILTER (WHERE n.name_id = pair.name_id)
      AS live_blocks,
    sum(c.self_live_blocks) AS live_cum_blocks,
    sum(c.self_born_bytes) FILTER (WHERE n.name_id = pair.name_id)
      AS born_bytes,
    sum(c.self_born_bytes) AS born_cum_bytes,
    sum(c.self_born_blocks) FILTER (WHERE n.name_id = pair.name_id)
      AS born_blocks,
    sum(c.self_born_blocks) AS born_cum_blocks
  FROM pair
  JOIN callsite AS c ON c.callsite_id = pair.callsite_id
  JOIN numbered AS n ON n.frame_id = c.frame_id
  GROUP BY pair.name_id
)
SELECT
  name.name AS frame,
  coalesce(s.live_bytes, 0) AS live_bytes,
  round(100.0 * coalesce(s.live_bytes, 0)
    / nullif(sum(s.live_bytes) OVER (), 0), 1) AS live_percent,
  round(100.0 * sum(s.live_bytes) OVER (
    ORDER BY coalesce(s.live_bytes, 0) DESC, s.live_cum_bytes DESC,
      s.born_cum_bytes DESC, s.born_cum_blocks DESC, name.name
    ROWS UNBOUNDED PRECEDING
  ) / nullif(sum(s.live_bytes) OVER (), 0), 1) AS running_percent,
  s.live_cum_bytes,
  round(100.0 * s.live_cum_bytes / nullif(sum(s.live_bytes) OVER (), 0), 1)
    AS live_cum_percent,
  coalesce(s.live_blocks, 0) AS live_blocks,
  s.live_cum_blocks,
  coalesce(s.born_bytes, 0) AS born_bytes,
  round(100.0 * coalesce(s.born_bytes, 0)
    / nullif(sum(s.born_bytes) OVER (), 0), 1) AS born_percent,
  s.born_cum_bytes,
  round(100.0 * s.born_cum_bytes / nullif(sum(s.born_bytes) OVER (), 0), 1)
    AS born_cum_percent,
  coalesce(s.born_blocks, 0) AS born_blocks,
  s.born_cum_blocks
FROM sums AS s
JOIN name USING (name_id)
ORDER BY coalesce(s.live_bytes, 0) DESC, s.live_cum_bytes DESC,
  s.born_cum_bytes DESC, s.born_cum_blocks DESC, frame;
