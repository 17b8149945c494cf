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
SELECT
  s.name AS site,
  t.blocks,
  t.bytes,
  round(100.0 * t.bytes / nullif(sum(t.bytes) OVER (), 0), 1)
    AS share_percent,
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
ORDER BY t.bytes DESC, t.blocks DESC, site, t.callsite_id;
