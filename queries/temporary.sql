-- temporary - Which calls make blocks that are gone again at once?
--
-- At once: freed, or enlarged by a reallocation, within :events events of
-- birth; the default is 1000. Needs the rows of single blocks.
--
-- site           the line that allocated or reallocated
-- blocks         its blocks that were gone again at once
-- bytes          their bytes
-- share_percent  their part of all bytes that were gone again at once
-- of_own_percent their part of all bytes that the path began: of several
--                callsites that print so, those with any such block
-- reallocated    the blocks of these that ended in a reallocation
-- mean           the mean of their lifetimes, in events
-- stack          the line and what called it, the innermost frame first
-- Callsites that differ in a trace of compiled code print alike. A stack is
-- long to tell: once for each.
WITH
told AS MATERIALIZED (
  SELECT
    s.name AS site,
    t.blocks,
    t.bytes,
    c.self_born_bytes AS own_bytes,
    t.reallocated,
    t.events,
    c.stack
  FROM (
    SELECT
      callsite_id,
      count(*) AS blocks,
      sum(size) AS bytes,
      count(*) FILTER (WHERE died_by = 'realloc') AS reallocated,
      sum(lifetime_events) AS events
    FROM allocation
    WHERE profile_id
        = coalesce(:profile, (SELECT max(profile_id) FROM profile))
      AND lifetime_events <= coalesce(:events, 1000)
    GROUP BY callsite_id
  ) AS t
  JOIN callsite AS c ON c.callsite_id = t.callsite_id
  JOIN site AS s ON s.site_id = c.site_id
)
SELECT
  site,
  sum(blocks) AS blocks,
  sum(bytes) AS bytes,
  round(100.0 * sum(bytes) / nullif((SELECT sum(bytes) FROM told), 0), 1)
    AS share_percent,
  round(100.0 * sum(bytes) / nullif(sum(own_bytes), 0), 1) AS of_own_percent,
  sum(reallocated) AS reallocated,
  round(1.0 * sum(events) / sum(blocks), 1) AS mean,
  stack
FROM told
GROUP BY site, stack
ORDER BY blocks DESC, bytes DESC, site, stack;
