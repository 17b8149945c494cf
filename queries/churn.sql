-- churn - Which lines make the garbage: allocated, and gone again by the end?
--
-- site           the line that allocated or reallocated
-- blocks         the blocks that it began and that ended, by whoever's doing
-- bytes          their bytes
-- share_percent  their part of all bytes that came and went
-- gone_percent   their part of all bytes that this line began
-- mean_size      bytes a block
-- regrown        the blocks of these that ended in a reallocation
SELECT
  s.name AS site,
  s.ended_blocks AS blocks,
  s.ended_bytes AS bytes,
  round(100.0 * s.ended_bytes / nullif(sum(s.ended_bytes) OVER (), 0), 1)
    AS share_percent,
  round(100.0 * s.ended_bytes / nullif(s.born_bytes, 0), 1) AS gone_percent,
  round(1.0 * s.ended_bytes / s.ended_blocks, 1) AS mean_size,
  coalesce(sum(o.blocks), 0) AS regrown
FROM site AS s
LEFT JOIN site_override AS o
  ON o.profile_id = s.profile_id
    AND o.of_site_id = s.site_id
    AND o.by_kind = 'realloc'
WHERE s.profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
  AND s.ended_blocks > 0
GROUP BY s.site_id
ORDER BY bytes DESC, blocks DESC, site, s.site_id;
