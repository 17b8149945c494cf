-- builds - What did each line hold in the builds before, and what now?
--
-- The builds before are the newest :builds, or 20, that were stored earlier:
-- of each the newest profile whose stream is complete and whose labels are the
-- same but for build. Lines are the same ones if their signatures are. Whether
-- chance explains a difference is what memparse --baseline judges.
--
-- site       the line, where it is now, or where it was; of several with one
--            signature the one that holds most
-- change     by how many bytes it holds more at the end than its mean
-- bytes      the bytes it holds
-- mean       the mean of what it held in the builds before
-- deviation  the standard deviation of that, NULL with less than two builds
-- least      the least that it held
-- most       the most
-- builds     how many builds there are before
-- signature  what the line is known by
WITH
judged AS MATERIALIZED (
  SELECT
    profile_id,
    (
      SELECT value FROM label AS l
      WHERE l.profile_id = p.profile_id AND key = 'build'
    ) AS build,
    (
      SELECT group_concat(quote(key) || quote(value))
      FROM (
        SELECT key, value
        FROM label AS l
        WHERE l.profile_id = p.profile_id AND key != 'build'
        ORDER BY key
      )
    ) AS labels
  FROM profile AS p
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
),
before AS MATERIALIZED (
  SELECT max(p.profile_id) AS profile_id
  FROM judged AS j
  JOIN profile AS p ON p.profile_id < j.profile_id AND p.complete
  LEFT JOIN label AS b ON b.profile_id = p.profile_id AND b.key = 'build'
  WHERE (b.value IS NULL OR b.value IS NOT j.build)
    AND (
      SELECT group_concat(quote(key) || quote(value))
      FROM (
        SELECT key, value
        FROM label AS l
        WHERE l.profile_id = p.profile_id AND key != 'build'
        ORDER BY key
      )
    ) IS j.labels
  GROUP BY b.value, CASE WHEN b.value IS NULL THEN p.profile_id END
  ORDER BY max(p.profile_id) DESC
  LIMIT coalesce(:builds, 20)
),
chosen AS (
  SELECT profile_id, 0 AS is_now, (SELECT count(*) FROM before) AS n
  FROM before
  UNION ALL
  SELECT profile_id, 1, (SELECT count(*) FROM before)
  FROM judged
),
held AS (
  SELECT
    coalesce(s.signature, s.name) AS signature,
    s.signature_kind,
    c.profile_id,
    c.is_now,
    c.n,
    -- Of lines with one signature the one that holds most.
    substr(max(printf('%019d', s.live_bytes) || s.name), 20) AS site,
    1.0 * sum(s.live_bytes) AS bytes
  FROM chosen AS c
  CROSS JOIN site AS s ON s.profile_id = c.profile_id
  WHERE s.live_blocks > 0
  GROUP BY coalesce(s.signature, s.name), s.signature_kind, c.profile_id
),
-- A build that has not the line held 0 bytes of it.
summed AS (
  SELECT
    *,
    first_value(site) OVER newest AS name,
    coalesce(sum(bytes) FILTER (WHERE NOT is_now) OVER line, 0)
      / nullif(n, 0) AS mean,
    count(*) FILTER (WHERE NOT is_now) OVER line AS with_it
  FROM held
  WINDOW
    line AS (PARTITION BY signature, signature_kind),
    newest AS (
      PARTITION BY signature, signature_kind ORDER BY profile_id DESC
    )
),
line AS (
  SELECT
    signature,
    n,
    name,
    mean,
    coalesce(sum(bytes) FILTER (WHERE is_now), 0) AS bytes,
    coalesce(sum((bytes - mean) * (bytes - mean)) FILTER (WHERE NOT is_now), 0)
      + (n - with_it) * mean * mean AS squares,
    CASE
      WHEN with_it = n THEN min(bytes) FILTER (WHERE NOT is_now)
      ELSE 0
    END AS least,
    coalesce(max(bytes) FILTER (WHERE NOT is_now), 0) AS most
  FROM summed
  GROUP BY signature, signature_kind
)
SELECT
  name AS site,
  CAST(round(bytes - mean) AS INTEGER) AS change,
  CAST(bytes AS INTEGER) AS bytes,
  CAST(round(mean) AS INTEGER) AS mean,
  CASE
    WHEN n > 1 THEN CAST(round(sqrt(squares / (n - 1))) AS INTEGER)
  END AS deviation,
  CAST(least AS INTEGER) AS least,
  CAST(most AS INTEGER) AS most,
  n AS builds,
  signature
FROM line
ORDER BY change DESC, bytes DESC, site, signature;
