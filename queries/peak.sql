-- peak - What was alive when the heap was at its largest?
--
-- Exactly: the bytes add up to the profile's peak. Of several streams it is
-- the peak of the last one. Needs the rows of single blocks.
--
-- site            the line that allocated, or last reallocated, the blocks
-- blocks          its blocks alive just after the event of the peak
-- bytes           their bytes
-- share_percent   their part of all bytes alive then
-- still_bytes     the bytes of these that are alive at the end, too
-- stack           the line and what called it, the innermost frame first
-- Callsites that differ in a trace of compiled code print alike. A stack is
-- long to tell: once for each.
WITH
told AS MATERIALIZED (
  SELECT
    s.name AS site,
    t.blocks,
    t.bytes,
    t.still_bytes,
    c.stack
  FROM (
    SELECT
      a.callsite_id,
      count(*) AS blocks,
      sum(a.size) AS bytes,
      coalesce(sum(a.size) FILTER (WHERE a.died_event IS NULL), 0)
        AS still_bytes
    FROM profile AS p
    JOIN allocation AS a ON a.profile_id = p.profile_id
    WHERE p.profile_id
        = coalesce(:profile, (SELECT max(profile_id) FROM profile))
      AND a.born_event > p.earlier_stream_events
      AND a.born_event <= p.peak_event
      AND (a.died_event > p.peak_event OR a.died_event IS NULL)
    GROUP BY a.callsite_id
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
  sum(still_bytes) AS still_bytes,
  stack
FROM told
GROUP BY site, stack
ORDER BY bytes DESC, blocks DESC, site, stack;
