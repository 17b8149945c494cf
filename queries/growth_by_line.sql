-- growth_by_line - By how much did each line make the heap grow?
--
-- As one would measure it with a debug hook on every line, but exact: what the
-- line allocated, less what it gave back itself. The garbage collector gives
-- back as INTERNAL, so the rows add up to the growth of the whole heap.
--
-- site       the line that did it
-- bytes      how much the heap grew by it, negative if it shrank
-- count      how often the line allocated, reallocated or freed
-- average    bytes a time
-- taken      the bytes that it allocated, and the new sizes of reallocations
-- given      the bytes that it freed, and the old sizes of reallocations,
--            those of blocks born before the recording as well
SELECT
  site,
  taken - given AS bytes,
  count,
  round(1.0 * (taken - given) / count, 1) AS average,
  taken,
  given
FROM (
  SELECT
    site_id,
    name AS site,
    born_bytes AS taken,
    free_bytes + earlier_free_bytes
      + realloc_old_bytes + earlier_realloc_bytes AS given,
    alloc_events + realloc_events + free_events + earlier_free_events AS count
  FROM site
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
)
WHERE count > 0
ORDER BY bytes DESC, count DESC, site, site_id;
