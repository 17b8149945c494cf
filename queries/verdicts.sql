-- verdicts - Which lines grow, and which hold a cache or what was made once?
--
-- The bytes that a line has alive are looked at after the last full collection
-- in each 64th of the recording, if every eighth of it has one; they are those
-- of blocks that were there when it began. Else after the program's marks, at
-- most 64 of them evenly chosen, if there are 8, else at 64 even moments. A
-- straight line through them, since the first that is not 0, has the slope,
-- with 95 % confidence (Student's t, as if deviations were independent).
--
-- growing  low is above 0, and every quarter of the time, on average, holds
--          more than the one before
-- one-off  there in the first quarter of the recording, no more since
-- plateau  neither: it comes and goes, or has stopped to grow
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
-- basis      what these are: collections, marks, or even moments
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
    (SELECT count(*) FROM mark WHERE profile_id = p.profile_id) AS marks
  FROM profile AS p
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
),
-- Moment k of n is the one with the number ceil(k * total / n); or the last
-- collection up to that event since moment k - 1, if there is one.
basis AS MATERIALIZED (
  SELECT profile_id, basis, total, min(64, total) AS n
  FROM (
    SELECT
      profile_id,
      CASE
        WHEN eighths = 8 THEN 'collections'
        WHEN marks >= 8 THEN 'marks'
        ELSE 'even moments'
      END AS basis,
      CASE WHEN eighths < 8 AND marks >= 8 THEN marks ELSE events END AS total
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
  SELECT
    k,
    CASE basis
      WHEN 'marks' THEN (
        SELECT event
        FROM mark
        WHERE mark.profile_id = b.profile_id
          AND number = (k * total + n - 1) / n
      )
      ELSE (k * total + n - 1) / n
    END AS event
  FROM basis AS b, nth
  WHERE total > 0 AND basis <> 'collections'
  UNION ALL
  SELECT (event - 1) * n / total + 1, max(event)
  FROM basis AS b JOIN collection AS c ON c.profile_id = b.profile_id
  WHERE basis = 'collections' AND event > 0
  GROUP BY 1
),
-- The first event or collection, or the number of the first mark, that is no
-- earlier; for a birth the collection must have begun no earlier, either.
life AS (
  SELECT
    a.site_id,
    a.size,
    a.died_event IS NULL AS alive,
    CASE basis
      WHEN 'collections' THEN (
        SELECT event
        FROM collection AS c
        WHERE c.profile_id = b.profile_id AND c.event >= a.born_event
          AND began_event >= a.born_event
        ORDER BY c.event, number
        LIMIT 1
      )
      WHEN 'marks' THEN (
        SELECT number
        FROM mark AS m
        WHERE m.profile_id = b.profile_id AND m.event >= a.born_event
        ORDER BY m.event, number
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
      WHEN 'marks' THEN (
        SELECT number
        FROM mark AS m
        WHERE m.profile_id = b.profile_id AND m.event >= a.died_event
        ORDER BY m.event, number
        LIMIT 1
      )
      ELSE a.died_event
    END AS died,
    total,
    n
  FROM basis AS b
  JOIN allocation AS a ON a.profile_id = b.profile_id
  WHERE a.born_event IS NOT NULL
),
-- Alive at the moments from born_k up to the one before died_k.
span AS MATERIALIZED (
  SELECT site_id, born_k, died_k, sum(size) AS bytes
  FROM (
    SELECT
      site_id,
      size,
      (born - 1) * n / total + 1 AS born_k,
      coalesce((died - 1) * n / total + 1, n + 1) AS died_k
    FROM life
    WHERE born IS NOT NULL
  )
  WHERE born_k < died_k
  GROUP BY site_id, born_k, died_k
),
change AS (
  SELECT site_id, born_k AS k, bytes FROM span
  UNION ALL
  SELECT site_id, died_k, -bytes FROM span
  UNION ALL
  SELECT site_id, k, 0
  FROM basis AS b
  JOIN site AS s ON s.profile_id = b.profile_id AND s.live_blocks > 0
  CROSS JOIN moment
),
-- The bytes of a site at each moment, from its first that is not 0 on.
held AS (
  SELECT
    site_id,
    k,
    event / 1000.0 AS x,
    bytes AS y,
    min(CASE WHEN bytes > 0 THEN k END) OVER (PARTITION BY site_id) AS first_k,
    max(CASE WHEN 4 * k <= n + 3 THEN k END) OVER (PARTITION BY site_id)
      AS quarter_k
  FROM (
    SELECT
      site_id,
      k,
      sum(sum(bytes)) OVER (PARTITION BY site_id ORDER BY k) AS bytes
    FROM change
    GROUP BY site_id, k
  )
  JOIN moment USING (k)
  CROSS JOIN basis
),
centred AS (
  SELECT
    site_id,
    k,
    y,
    quarter_k,
    count(*) OVER site AS n,
    4 * (k - first_k) / (max(k) OVER site - first_k + 1) AS quarter,
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
    WHEN b.once THEN 'one-off'
    WHEN b.slope IS NULL THEN 'unclear'
    WHEN b.slope - b.error > 0 AND quarter_1 < quarter_2
      AND quarter_2 < quarter_3 AND quarter_3 < quarter_4 THEN 'growing'
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
ORDER BY verdict = 'growing' DESC, b.slope DESC, bytes DESC, site, s.site_id;
