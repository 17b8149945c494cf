-- largest_blocks - Which single blocks alive at the end are the largest?
--
-- The first 100; needs the rows of single blocks.
--
-- bytes        the size of the block
-- site         the line that allocated, or last reallocated, it
-- born_by      whether an alloc or a realloc gave it this size
-- born_event   the event that did
-- age_percent  the part of the recording that it has been alive for
-- address      where it lies
SELECT
  b.size AS bytes,
  s.name AS site,
  b.born_by,
  b.born_event,
  round(100.0 * (p.events - b.born_event) / p.events, 1) AS age_percent,
  printf('%#x', b.address) AS address
FROM (
  SELECT *
  FROM live_block
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
  ORDER BY size DESC, born_event
  LIMIT 100
) AS b
JOIN site AS s ON s.site_id = b.site_id
JOIN profile AS p ON p.profile_id = b.profile_id
ORDER BY bytes DESC, b.born_event;
