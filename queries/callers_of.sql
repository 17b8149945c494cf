-- callers_of - Who called the lines that allocate?
--
-- :site is the name of a line as reports print it, or a pattern with % for
-- any text: '%/util.lua:12'; the default is all that have blocks alive at the
-- end. :levels is how many levels of callers to tell, the default is 3.
--
-- site           the line that allocated
-- level          1 for what called it, 2 for what called that, and so on
-- caller         the frame that called
-- live_blocks    the blocks alive at the end that the line allocated when
--                it was called so
-- live_bytes     their bytes
-- share_percent  their part of the line's bytes alive at the end
-- born_blocks    the blocks that the line began when it was called so
-- born_bytes     their bytes
WITH RECURSIVE
chosen AS (
  SELECT
    coalesce(:profile, (SELECT max(profile_id) FROM profile)) AS id,
    coalesce(:levels, 3) AS levels
),
wanted AS MATERIALIZED (
  SELECT site_id, name, live_bytes
  FROM site
  WHERE profile_id = (SELECT id FROM chosen)
    AND CASE WHEN :site IS NULL THEN live_blocks > 0 ELSE name LIKE :site END
),
-- level 0 is the line itself: what lies inside of it, a function of C that it
-- called, belongs to it.
path (callsite_id, site_id, kind, level, frame_id, parent_id) AS (
  SELECT
    c.callsite_id, c.site_id, f.kind,
    CASE WHEN f.kind IN ('lua', 'trace') THEN 0 END,
    c.frame_id, c.parent_id
  FROM callsite AS c
  CROSS JOIN frame AS f ON f.frame_id = c.frame_id
  WHERE c.profile_id = (SELECT id FROM chosen)
    AND c.site_id IN (SELECT site_id FROM wanted)
    AND c.self_born_blocks > 0
  UNION ALL
  SELECT
    p.callsite_id, p.site_id, f.kind,
    CASE
      WHEN p.level IS NOT NULL THEN p.level + 1
      WHEN f.kind IN ('lua', 'trace') THEN 0
    END,
    c.frame_id, c.parent_id
  FROM path AS p
  CROSS JOIN callsite AS c ON c.callsite_id = p.parent_id
  JOIN frame AS f ON f.frame_id = c.frame_id
  WHERE p.level IS NULL OR p.level < (SELECT levels FROM chosen)
)
SELECT
  w.name AS site,
  p.level,
  f.name AS caller,
  sum(c.self_live_blocks) AS live_blocks,
  sum(c.self_live_bytes) AS live_bytes,
  round(100.0 * sum(c.self_live_bytes) / nullif(w.live_bytes, 0), 1)
    AS share_percent,
  sum(c.self_born_blocks) AS born_blocks,
  sum(c.self_born_bytes) AS born_bytes
FROM path AS p
JOIN callsite AS c ON c.callsite_id = p.callsite_id
JOIN frame AS f ON f.frame_id = p.frame_id
JOIN wanted AS w ON w.site_id = p.site_id
WHERE p.level > 0
GROUP BY p.site_id, p.level, f.name
ORDER BY w.live_bytes DESC, site, p.site_id, p.level, live_bytes DESC,
  born_bytes DESC, caller;
