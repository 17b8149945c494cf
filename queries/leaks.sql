-- leaks - Which lines own the memory that is alive at the end?
--
-- site           the line that allocated, or last reallocated, the blocks
-- blocks         its blocks alive at the end
-- bytes          their bytes
-- share_percent  their part of all bytes alive at the end
-- mean_size      bytes a block
-- first_event    when the line first began a block, alive or not by now
-- last_event     when it last did
SELECT
  name AS site,
  live_blocks AS blocks,
  live_bytes AS bytes,
  round(100.0 * live_bytes / nullif(sum(live_bytes) OVER (), 0), 1)
    AS share_percent,
  round(1.0 * live_bytes / live_blocks, 1) AS mean_size,
  first_event,
  last_event
FROM site
WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
  AND live_blocks > 0
ORDER BY bytes DESC, blocks DESC, site, site_id;
