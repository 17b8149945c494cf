-- leaks_by_stack - Which calls led to the memory that is alive at the end?
--
-- One row is a callsite: the line that allocated and all that called it. Rows
-- that print alike differ in the trace of compiled code they were on. The sum
-- of the rows is that of leaks.
--
-- bytes          the bytes of its blocks alive at the end
-- blocks         how many they are
-- share_percent  their part of all bytes alive at the end
-- first_event    when the path first began a block, alive or not by now
-- last_event     when it last did
-- stack          the path, the innermost frame first: function (chunk:line)
SELECT
  t.bytes,
  t.blocks,
  round(100.0 * t.bytes / nullif(sum(t.bytes) OVER (), 0), 1)
    AS share_percent,
  t.first_event,
  t.last_event,
  c.stack
FROM (
  SELECT
    callsite_id,
    self_live_bytes AS bytes,
    self_live_blocks AS blocks,
    self_first_event AS first_event,
    self_last_event AS last_event
  FROM callsite
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
    AND self_live_blocks > 0
) AS t
JOIN callsite AS c ON c.callsite_id = t.callsite_id
ORDER BY t.bytes DESC, t.blocks DESC, t.first_event, t.callsite_id;
