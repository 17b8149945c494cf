-- views_time.sql - the interface: the heap as time went on, and its moments.

-- One row is the state of the heap at one moment, at most 1,024 a profile.
CREATE VIEW heap_sample (
  -- The profile whose heap it is.
  profile_id,
  -- The event just after which this was the state.
  event,
  -- The time in seconds since the start, NULL if it is not known.
  time_s,
  -- The recorded blocks that were alive.
  live_blocks,
  -- The bytes of the recorded blocks that were alive.
  live_bytes,
  -- The bytes of all lives begun so far.
  begun_bytes
) AS
SELECT
  profile_id, event, time_us / 1e6, live_blocks, live_bytes, begun_bytes
FROM heap_sample_data;

-- One row is a moment whose time the stream tells, at most 65,536 and those
-- of its marks and collections.
CREATE VIEW clock (
  -- The profile whose time it is.
  profile_id,
  -- The last event before that moment, 0 if there was none.
  event,
  -- The time in seconds since the start.
  time_s
) AS
SELECT profile_id, event, time_us / 1e6
FROM clock_data;

-- One row is a mark that the program set: there a new phase began.
CREATE VIEW mark (
  -- The profile that it was set in.
  profile_id,
  -- Its place among the marks of the profile, from 1.
  number,
  -- The last event before the mark, 0 if there was none.
  event,
  -- The time in seconds since the start.
  time_s,
  -- What the program called it, in printable UTF-8.
  label
) AS
SELECT profile_id, number, event, time_us / 1e6, label
FROM mark_data;

-- One row is a full garbage collection, of those that the stream tells.
--
-- What the program could not reach after began_event was freed up to event, if
-- no finalizer held it. The collector works by and by: of what was born
-- between the two nothing is known. One ends before the next one begins.
CREATE VIEW collection (
  -- The profile that it happened in.
  profile_id,
  -- Its place among the full collections of the profile, from 1.
  number,
  -- The last event before its end, 0 if there was none.
  event,
  -- The last event before it began at the earliest, 0 if there was none.
  began_event,
  -- When it ended, in seconds since the start.
  time_s,
  -- Whose it is: the program's, also when the VM began it by itself, or the
  -- recorder's at start, mark or stop.
  reason
) AS
SELECT profile_id, number, event, began_event, time_us / 1e6, reason
FROM collection_data;
