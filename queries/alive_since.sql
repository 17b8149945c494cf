-- alive_since - Since when, and since which phase, are the leaks alive?
--
-- A mark of the program begins a phase. :since and :until are the labels of
-- marks between which a block was born, :collections is how many full garbage
-- collections it must have survived, of those that began after its birth; the
-- default is all. What survived none may be garbage, what survived one may
-- have waited for a finalizer. Needs the rows of single blocks.
--
-- phase        the last mark before the births, NULL before the first one
-- collections  the full collections that the blocks survived
-- site         the line that allocated, or last reallocated, the blocks
-- blocks       its blocks alive at the end
-- bytes        their bytes
-- first_event  the event at which the oldest of them was born
-- age_s        how long that one was alive, in seconds, NULL if not known
-- stack        the line and what called it, the innermost frame first
WITH
chosen AS (
  SELECT profile_id, duration_s
  FROM profile
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
),
-- Of several marks of one label the first counts, and behind it the first.
wanted AS (
  SELECT
    profile_id,
    duration_s,
    (
      SELECT count(*)
      FROM collection
      WHERE collection.profile_id = chosen.profile_id
    ) AS collections,
    (
      SELECT CASE WHEN :since IS NULL THEN 0 ELSE min(event) END
      FROM mark
      WHERE mark.profile_id = chosen.profile_id AND label = :since
    ) AS since_event,
    (
      SELECT
        CASE WHEN :until IS NULL THEN 9223372036854775807 ELSE min(event) END
      FROM mark
      WHERE mark.profile_id = chosen.profile_id
        AND label = :until
        AND number > coalesce((
          SELECT min(number)
          FROM mark AS first
          WHERE first.profile_id = chosen.profile_id AND label = :since
        ), 0)
    ) AS until_event
  FROM chosen
),
block AS (
  SELECT
    b.callsite_id,
    b.size,
    b.born_event,
    (
      SELECT number
      FROM mark
      WHERE mark.profile_id = w.profile_id AND event < b.born_event
      ORDER BY event DESC, number DESC
      LIMIT 1
    ) AS phase_number,
    -- The first that ended since, if it began since, and those behind it.
    coalesce((
      SELECT w.collections - number + (began_event >= b.born_event)
      FROM collection AS c
      WHERE c.profile_id = w.profile_id AND c.event >= b.born_event
      ORDER BY event, number
      LIMIT 1
    ), 0) AS collections
  FROM wanted AS w
  JOIN live_block AS b ON b.profile_id = w.profile_id
  WHERE b.born_event > w.since_event AND b.born_event <= w.until_event
),
grouped AS (
  SELECT
    phase_number,
    collections,
    callsite_id,
    count(*) AS blocks,
    sum(size) AS bytes,
    min(born_event) AS first_event
  FROM block
  WHERE collections >= coalesce(:collections, 0)
  GROUP BY phase_number, collections, callsite_id
),
-- Callsites that differ in a trace of compiled code print alike. A stack is
-- long to tell: once for each.
told AS MATERIALIZED (
  SELECT
    g.phase_number, g.collections, s.name AS site, g.blocks, g.bytes,
    g.first_event, c.stack
  FROM grouped AS g
  JOIN callsite AS c ON c.callsite_id = g.callsite_id
  JOIN site AS s ON s.site_id = c.site_id
),
merged AS (
  SELECT
    phase_number,
    collections,
    site,
    sum(blocks) AS blocks,
    sum(bytes) AS bytes,
    min(first_event) AS first_event,
    stack
  FROM told
  GROUP BY phase_number, collections, site, stack
)
SELECT
  m.label AS phase,
  g.collections,
  g.site,
  g.blocks,
  g.bytes,
  g.first_event,
  round(w.duration_s - (
    SELECT time_s
    FROM clock
    WHERE clock.profile_id = w.profile_id AND event < g.first_event
    ORDER BY event DESC
    LIMIT 1
  ), 3) AS age_s,
  g.stack
FROM wanted AS w
JOIN merged AS g
LEFT JOIN mark AS m
  ON m.profile_id = w.profile_id AND m.number = g.phase_number
ORDER BY g.phase_number, g.collections DESC, g.bytes DESC, g.blocks DESC,
  g.site, g.stack;
