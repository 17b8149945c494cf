-- top_allocators - Which lines allocate most, whatever became of it?
--
-- site             the line that allocated or reallocated
-- blocks           the blocks that it began, a reallocation counts as one
-- bytes            their bytes
-- share_percent    their part of all bytes begun in the recording
-- running_percent  this row's part and that of the rows above it
-- mean_size        bytes a block
-- live_blocks      the blocks of these that are alive at the end
-- live_bytes       their bytes
SELECT
  name AS site,
  born_blocks AS blocks,
  born_bytes AS bytes,
  round(100.0 * born_bytes / nullif(sum(born_bytes) OVER (), 0), 1)
    AS share_percent,
  round(100.0 * sum(born_bytes) OVER (
    ORDER BY born_bytes DESC, born_blocks DESC, name, site_id
    ROWS UNBOUNDED PRECEDING
  ) / nullif(sum(born_bytes) OVER (), 0), 1) AS running_percent,
  round(1.0 * born_bytes / born_blocks, 1) AS mean_size,
  live_blocks,
  live_bytes
FROM site
WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
  AND born_blocks > 0
ORDER BY bytes DESC, blocks DESC, site, site_id;
