-- lifetimes - How long do the blocks of each line live?
--
-- The unit is the event: a block born at event 10 and freed at event 15 lived
-- for 5. Many in the first columns are temporaries; a line with blocks in all
-- columns but few alive has a cache; needs the rows of single blocks.
--
-- site     the line that allocated or reallocated
-- blocks   the blocks that it began
-- alive    those alive at the end
-- to_10    those that ended after at most 10 events
-- to_100, to_1000, to_10000, to_100000
--          those that ended later, but after at most that many events
-- longer   those that ended later still
-- mean     the mean lifetime of those that ended
-- longest  the longest lifetime of those that ended
SELECT
  s.name AS site,
  t.blocks,
  t.alive,
  t.to_10,
  t.to_100,
  t.to_1000,
  t.to_10000,
  t.to_100000,
  t.longer,
  t.mean,
  t.longest
FROM (
  SELECT
    site_id,
    count(*) AS blocks,
    count(*) - count(died_event) AS alive,
    count(*) FILTER (WHERE lifetime_events <= 10) AS to_10,
    count(*) FILTER (WHERE lifetime_events BETWEEN 11 AND 100) AS to_100,
    count(*) FILTER (WHERE lifetime_events BETWEEN 101 AND 1000) AS to_1000,
    count(*) FILTER (WHERE lifetime_events BETWEEN 1001 AND 10000)
      AS to_10000,
    count(*) FILTER (WHERE lifetime_events BETWEEN 10001 AND 100000)
      AS to_100000,
    count(*) FILTER (WHERE lifetime_events > 100000) AS longer,
    round(avg(lifetime_events), 1) AS mean,
    max(lifetime_events) AS longest
  FROM allocation
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
    AND born_event IS NOT NULL
  GROUP BY site_id
) AS t
JOIN site AS s ON s.site_id = t.site_id
ORDER BY t.blocks DESC, site, t.site_id;
