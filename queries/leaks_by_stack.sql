-- leaks_by_stack - Which calls led to the memory that is alive at the end?
--
-- One row is a path of calls: the line that allocated and all that called it,
-- interpreted or compiled. The sum of the rows is that of leaks.
--
-- bytes          the bytes of its blocks alive at the end
-- blocks         how many they are
-- share_percent  their part of all bytes alive at the end
-- first_event    when the path first began a block, alive or not by now: of
--                several callsites that print so, those that hold any
-- last_event     when it last did
-- stack          the path, the innermost frame first: function (chunk:line)
-- Callsites that differ in a trace of compiled code print alike. A stack is
-- long to tell: once for each.
WITH
told AS MATERIALIZED (
  SELECT
    stack,
    self_live_bytes,
    self_live_blocks,
    self_first_event,
    self_last_event
  FROM callsite
  WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile))
    AND self_live_blocks > 0
)
SELECT
  sum(self_live_bytes) AS bytes,
  sum(self_live_blocks) AS blocks,
  round(100.0 * sum(self_live_bytes) / nullif((
    SELECT sum(self_live_bytes) FROM told
  ), 0), 1) AS share_percent,
  min(self_first_event) AS first_event,
  max(self_last_event) AS last_event,
  stack
FROM told
GROUP BY stack
ORDER BY bytes DESC, blocks DESC, first_event, stack;
