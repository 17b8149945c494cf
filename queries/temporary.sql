-- temporary - Which calls make blocks that are gone again at once?
--
-- At once: freed, or enlarged by a reallocation, within :events events of
-- birth; the default is 1000. Needs the rows of single blocks.
--
-- site           the line that allocated or reallocated
-- blocks         its blocks that were gone again at once
-- bytes          their bytes
-- share_percent  their part of all bytes that were gone again at once
-- of_own_percent their part of all bytes that this path began
-- reallocated    the blocks of these that ended in a reallocation
-- mean           the mean of their lifetimes, in events
-- stack          the line and what called it, the innermost frame first
SELECT
  s.name AS site,
  t.blocks,
  t.bytes,
  round(100.0 * t.bytes / nullif(sum(t.bytes) OVER (), 0), 1)
    AS share_percent,
  round(100.0 * t.bytes / nullif(c.self_born_bytes, 0), 1) AS of_own_percent,
  t.reallocated,
  t.mean,
  c.stack
FROM (
  SELECT
    callsite_id,
    count(*) AS blocks,
    sum(size) AS bytes,
    count(*) FILTER (WHERE died_by = 'realloc') AS reallocated,
    round(avg(lifetime_events), 1) AS mean
  FROM allocation
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
    AND lifetime_events <= coalesce(:events, 1000)
  GROUP BY callsite_id
) AS t
JOIN callsite AS c ON c.callsite_id = t.callsite_id
JOIN site AS s ON s.site_id = c.site_id
ORDER BY t.blocks DESC, t.bytes DESC, site, t.callsite_id;
