-- verdicts - Which lines grow, and which hold a cache or what was made once?
--
-- The bytes that a line has alive are looked at after the last full collection
-- in each 64th of the recording, if every eighth of it has one; they are those
-- of blocks that were there when it began. Else at 64 even moments up to the
-- last block's birth. A straight line through them, since the first that is
-- not 0, has the slope, with 95 % confidence (Student's t, as if deviations
-- were independent). Blocks that a line ended are left out, such as the parts
-- of tables that are made anew to grow: of those that ended, it is about what
-- the collector freed.
--
-- At even moments some of these bytes may be garbage. What is alive at the end
-- and was born before a full collection is none, and has never been. So growth
-- is proven if such bytes, up to the end of each eighth of the time, are more
-- than all that was alive, or garbage, at a moment of the eighth before; both
-- without the largest block. A cache never does that from when it is full.
--
-- growing  low is above 0, every quarter of the time, on average, holds more
--          than the one before, the last by no less than a third of what the
--          second did; and that is proven, or at collections every eighth
--          holds more, always, than the one before ever did
-- one-off  there in the first quarter of the recording, no more since
-- plateau  neither: it comes and goes, or grows less and less, or no more; so
--          is all that the VM makes for itself, such as traces
-- unknown  it may grow, or be garbage that nothing collected; so are all lines
--          of a profile of several streams, whose events are of several heaps
-- unclear  there at less than 8 of the moments
--
-- site       the line that allocated, or last reallocated, the blocks
-- verdict    one of these
-- bytes      its bytes alive at the end
-- slope      by how many bytes it grows in 1,000 events, NULL if unclear
-- low        the slope is at least this, with the confidence said above
-- high       and at most this
-- quarter_1  its mean bytes alive in the first quarter of its time
-- quarter_2  in the second quarter
-- quarter_3  in the third quarter
-- quarter_4  in the last quarter
-- moments    at how many moments it was looked at, since the first not 0
-- basis      what these are: collections, or even moments; none if there are
--            several streams
WITH RECURSIVE
chosen AS (
  SELECT
    profile_id,
    events,
    (
      SELECT count(DISTINCT (event - 1) * 8 / p.events)
      FROM collection
      WHERE profile_id = p.profile_id AND event > 0
    ) AS eighths,
    (
      SELECT coalesce(max(last_event), 0)
      FROM site
      WHERE profile_id = p.profile_id
    ) AS last_birth,
    earlier_stream_events > 0 AS several
  FROM profile AS p
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
),
-- Moment k of n is after event ceil(k * total / n); or after the last
-- collection up to that event since moment k - 1, if there is one.
basis AS MATERIALIZED (
  SELECT profile_id, basis, total, min(64, total) AS n
  FROM (
    SELECT
      profile_id,
      CASE
        WHEN several THEN 'several streams'
        WHEN eighths = 8 THEN 'collections'
        ELSE 'even moments'
      END AS basis,
      CASE
        WHEN several THEN 0
        WHEN eighths = 8 THEN events
        ELSE last_birth
      END AS total
    FROM chosen
  )
),
nth (k) AS (
  VALUES (1)
  UNION ALL
  SELECT k + 1
  FROM nth, basis
  WHERE k < n
),
moment AS MATERIALIZED (
  SELECT k, (k * total + n - 1) / n AS event
  FROM basis, nth
  WHERE total > 0 AND basis <> 'collections'
  UNION ALL
  SELECT (event - 1) * n / total + 1, max(event)
  FROM basis AS b JOIN collection AS c ON c.profile_id = b.profile_id
  WHERE basis = 'collections' AND event > 0
  GROUP BY 1
),
collector AS MATERIALIZED (
  SELECT site_id
  FROM basis JOIN site USING (profile_id)
  WHERE kind = 'internal'
),
-- What the collector freed, by 64ths of the recording.
swept AS MATERIALIZED (
  SELECT
    (born_event - 1) * 64 / total AS born_k,
    (died_event - 1) * 64 / total AS died_k,
    max(died_event) AS died_event
  FROM basis JOIN allocation USING (profile_id)
  WHERE basis = 'even moments' AND died_by = 'free' AND born_event > 0
    AND died_site_id IN collector
  GROUP BY 1, 2
),
-- What was born before a 64th and freed in it was found to be garbage since.
-- Back through three such times without an overlap: what was garbage before
-- them has been freed, for between the first and the last a whole cycle lies.
cycle (nth, k) AS (
  SELECT 1, max(born_k) FROM swept
  UNION ALL
  SELECT nth + 1, (SELECT max(born_k) FROM swept WHERE died_k < k)
  FROM cycle
  WHERE nth < 3
),
-- What was born up to this event and is alive at the end is not garbage: there
-- was a full collection since, in the stream, or as above; or the collector
-- was at work after the last line that made anything, which is where the
-- program called it.
proof AS MATERIALIZED (
  SELECT
    max(
      coalesce((SELECT k * total / 64 FROM cycle WHERE nth = 3), 0),
      coalesce(
        (
          SELECT max(began_event)
          FROM collection AS c
          WHERE c.profile_id = b.profile_id
        ),
        0
      ),
      coalesce(
        (
          SELECT max(last_event)
          FROM site AS s
          WHERE s.profile_id = b.profile_id AND kind <> 'internal'
          HAVING max(last_event) < (SELECT max(died_event) FROM swept)
        ),
        0
      )
    ) AS proven_event
  FROM basis AS b
),
-- The first event or collection that is no earlier; for a birth the collection
-- must have begun no earlier, either.
life AS (
  SELECT
    a.site_id,
    a.size,
    CASE WHEN a.died_event IS NULL THEN a.size ELSE 0 END AS alive,
    CASE
      WHEN a.died_event IS NULL AND a.born_event <= proven_event THEN a.size
      ELSE 0
    END AS kept,
    CASE basis
      WHEN 'collections' THEN (
        SELECT event
        FROM collection AS c
        WHERE c.profile_id = b.profile_id AND c.event >= a.born_event
          AND began_event >= a.born_event
        ORDER BY c.event, number
        LIMIT 1
      )
      ELSE a.born_event
    END AS born,
    CASE basis
      WHEN 'collections' THEN (
        SELECT event
        FROM collection AS c
        WHERE c.profile_id = b.profile_id AND c.event >= a.died_event
        ORDER BY c.event, number
        LIMIT 1
      )
      ELSE a.died_event
    END AS died,
    total,
    n
  FROM basis AS b
  CROSS JOIN proof
  JOIN allocation AS a ON a.profile_id = b.profile_id
  WHERE a.born_event IS NOT NULL
    AND (a.died_event IS NULL OR a.died_site_id IN collector)
),
-- Alive at the moments from born_k up to the one before died_k.
placed AS MATERIALIZED (
  SELECT
    site_id,
    (born - 1) * n / total + 1 AS born_k,
    coalesce((died - 1) * n / total + 1, n + 1) AS died_k,
    sum(size) AS bytes,
    sum(alive) AS alive,
    sum(kept) AS kept,
    max(kept) AS largest
  FROM life
  WHERE born IS NOT NULL
  GROUP BY 1, 2, 3
),
change AS (
  SELECT site_id, born_k AS k, bytes, bytes AS rest, alive, kept
  FROM placed
  WHERE born_k < died_k
  UNION ALL
  SELECT site_id, died_k, -bytes, -bytes, 0, 0
  FROM placed
  WHERE born_k < died_k
  UNION ALL
  -- The largest block: a table that more is put into is made anew each time.
  SELECT site_id, born_k, 0, -max(largest), 0, -max(largest)
  FROM placed
  WHERE largest > 0
  GROUP BY site_id
  UNION ALL
  SELECT site_id, k, 0, 0, 0, 0
  FROM basis AS b
  JOIN site AS s ON s.profile_id = b.profile_id AND s.live_blocks > 0
  CROSS JOIN moment
),
-- The bytes of a site at each moment, from its first that is not 0 on; those
-- of them without the largest block, alive at the end, that are no garbage.
held AS (
  SELECT
    site_id,
    k,
    event / 1000.0 AS x,
    bytes AS y,
    rest,
    alive,
    kept,
    min(CASE WHEN bytes > 0 THEN k END) OVER (PARTITION BY site_id) AS first_k,
    max(CASE WHEN 4 * k <= n + 3 THEN k END) OVER (PARTITION BY site_id)
      AS quarter_k
  FROM (
    SELECT
      site_id,
      k,
      sum(sum(bytes)) OVER since AS bytes,
      sum(sum(rest)) OVER since AS rest,
      sum(sum(alive)) OVER since AS alive,
      sum(sum(kept)) OVER since AS kept
    FROM change
    GROUP BY site_id, k
    WINDOW since AS (PARTITION BY site_id ORDER BY k)
  )
  JOIN moment USING (k)
  CROSS JOIN basis
),
centred AS (
  SELECT
    site_id,
    k,
    y,
    rest,
    alive,
    kept,
    quarter_k,
    count(*) OVER site AS n,
    4 * (k - first_k) / (max(k) OVER site - first_k + 1) AS quarter,
    8 * (k - first_k) / (max(k) OVER site - first_k + 1) AS eighth,
    x - avg(x) OVER site AS dx,
    y - avg(y) OVER site AS dy
  FROM held
  WHERE k >= first_k
  WINDOW site AS (PARTITION BY site_id)
),
summed AS (
  SELECT
    site_id,
    n,
    sum(dx * dx) AS xx,
    sum(dx * dy) AS xy,
    sum(dy * dy) AS yy,
    avg(y) FILTER (WHERE quarter = 0) AS quarter_1,
    avg(y) FILTER (WHERE quarter = 1) AS quarter_2,
    avg(y) FILTER (WHERE quarter = 2) AS quarter_3,
    avg(y) FILTER (WHERE quarter = 3) AS quarter_4,
    coalesce(max(y) FILTER (WHERE k > quarter_k), 0)
      <= max(y) FILTER (WHERE k = quarter_k) AS once
  FROM centred
  GROUP BY site_id
),
-- Does each eighth hold more than the one before, has it blocks that are alive
-- at the end, is it proven to hold more?
compared AS (
  SELECT
    site_id,
    min(low > high_before) AS rising,
    min(alive > alive_before) AS lasting,
    min(kept > floor_before) AS proven
  FROM (
    SELECT
      site_id,
      min(y) AS low,
      max(alive) AS alive,
      max(kept) AS kept,
      lag(max(y)) OVER before AS high_before,
      lag(max(alive), 1, 0) OVER before AS alive_before,
      lag(min(rest), 1, 0) OVER before AS floor_before
    FROM centred
    GROUP BY site_id, eighth
    WINDOW before AS (PARTITION BY site_id ORDER BY eighth)
  )
  GROUP BY site_id
),
-- The 97.5 % quantiles of Student's t; between two the larger one.
student (freedom, t) AS (
  VALUES (6, 2.4469), (7, 2.3646), (8, 2.3060), (9, 2.2622), (10, 2.2281),
    (11, 2.2010), (12, 2.1788), (13, 2.1604), (14, 2.1448), (15, 2.1314),
    (16, 2.1199), (17, 2.1098), (18, 2.1009), (19, 2.0930), (20, 2.0860),
    (22, 2.0739), (24, 2.0639), (26, 2.0555), (28, 2.0484), (30, 2.0423),
    (35, 2.0301), (40, 2.0211), (45, 2.0141), (50, 2.0086), (55, 2.0040),
    (60, 2.0003)
),
fitted AS (
  SELECT
    *,
    CASE WHEN n >= 8 THEN xy / nullif(xx, 0) END AS slope,
    (SELECT max(freedom) FROM student WHERE freedom <= n - 2) AS freedom
  FROM summed
),
bounded AS (
  SELECT
    f.*,
    t * sqrt(max(yy - slope * xy, 0) / (n - 2) / nullif(xx, 0)) AS error
  FROM fitted AS f LEFT JOIN student USING (freedom)
)
SELECT
  s.name AS site,
  CASE
    WHEN basis.basis = 'several streams' THEN 'unknown'
    WHEN b.once THEN 'one-off'
    WHEN b.slope IS NULL THEN 'unclear'
    WHEN b.slope - b.error <= 0 OR quarter_1 >= quarter_2
      OR quarter_2 >= quarter_3 OR quarter_3 >= quarter_4
      OR 3 * (quarter_4 - quarter_3) < quarter_2 - quarter_1
      OR s.kind = 'internal' THEN 'plateau'
    WHEN proven OR rising AND basis.basis = 'collections' THEN 'growing'
    WHEN lasting AND basis.basis <> 'collections' THEN 'unknown'
    ELSE 'plateau'
  END AS verdict,
  s.live_bytes AS bytes,
  -- Not -0.0.
  round(b.slope, 3) + 0.0 AS slope,
  round(b.slope - b.error, 3) + 0.0 AS low,
  round(b.slope + b.error, 3) + 0.0 AS high,
  round(quarter_1) AS quarter_1,
  round(quarter_2) AS quarter_2,
  round(quarter_3) AS quarter_3,
  round(quarter_4) AS quarter_4,
  coalesce(b.n, 0) AS moments,
  basis.basis
FROM basis
JOIN site AS s ON s.profile_id = basis.profile_id AND s.live_blocks > 0
LEFT JOIN bounded AS b USING (site_id)
LEFT JOIN compared USING (site_id)
ORDER BY
  verdict = 'growing' DESC,
  verdict = 'unknown' DESC,
  b.slope DESC,
  bytes DESC,
  site,
  s.site_id;
