-- views_profile.sql - the interface: what queries ask. Of whole profiles here,
-- of sites and stacks in views_site.sql, of times in views_time.sql, of single
-- blocks in views_block.sql.
--
-- A report speaks of one profile. Without a choice it is the newest:
--
--   WHERE profile_id =
--     coalesce(:profile, (SELECT max(profile_id) FROM profile))
--
-- Sizes are bytes, events are numbered from 1 within their profile, and a
-- site's or a profile's figures keep the balance that the view conservation
-- shows.

-- One row is one recording, with its totals.
CREATE VIEW profile (
  -- The number of the profile, which is never given to another one.
  profile_id,
  -- The stream's file name as it was given to memparse.
  source,
  -- The version of memparse that stored the profile.
  memparse_version,
  -- When the profile was stored, in seconds since 1970 in UTC.
  stored_at_s,
  -- The version of the stream's symbol table, NULL if none was read.
  symtab_version,
  -- The version of the stream's events, NULL if none was read.
  events_version,
  -- 1 if the stream was read up to its closing byte, else 0.
  complete,
  -- The bytes of the stream that are stored here, decompressed.
  end_offset,
  -- Why reading stopped at end_offset, NULL if the stream is complete.
  end_reason,
  -- 1 if the rows of single blocks were left out, else 0.
  summary,
  -- The allocations, reallocations and frees in the stream, failed ones too.
  events,
  -- The allocations that succeeded.
  alloc_events,
  -- The bytes of the blocks that the allocations began.
  alloc_bytes,
  -- The reallocations that succeeded.
  realloc_events,
  -- The new sizes of the reallocations, added up.
  realloc_new_bytes,
  -- The old sizes of the reallocations of blocks whose birth was recorded.
  realloc_old_bytes,
  -- The frees of blocks whose birth was recorded.
  free_events,
  -- The bytes that these frees gave back.
  free_bytes,
  -- The frees of blocks born before the recording.
  earlier_free_events,
  -- The bytes that frees of blocks born before the recording gave back.
  earlier_free_bytes,
  -- The reallocations, also in realloc_events, of blocks born earlier.
  earlier_realloc_events,
  -- The old sizes of the reallocations of blocks born earlier.
  earlier_realloc_bytes,
  -- The attempts to allocate or reallocate that got nothing.
  failed_events,
  -- The bytes that the failed attempts asked for.
  failed_bytes,
  -- The lives of blocks begun, by an allocation or a reallocation.
  born_blocks,
  -- The bytes of the lives begun: alloc_bytes and realloc_new_bytes.
  born_bytes,
  -- The lives begun in the recording that ended in it.
  ended_blocks,
  -- The bytes of the lives that ended.
  ended_bytes,
  -- The blocks alive at the end.
  live_blocks,
  -- The bytes of the blocks alive at the end.
  live_bytes,
  -- The most bytes of recorded blocks that were alive at once.
  --
  -- Of several streams in one profile, those of the last one.
  peak_bytes,
  -- The first event after which peak_bytes were alive, NULL if none were.
  peak_event,
  -- The events that contradict earlier ones.
  conflict_events,
  -- The first of the contradicting events, NULL if there is none.
  first_conflict_event,
  -- The lives that ended because another block was born at their address.
  replaced_blocks,
  -- The bytes of the replaced lives, part of ended_bytes.
  replaced_bytes,
  -- The last free by the garbage collector, NULL if there was none.
  last_collector_free_event,
  -- The bytes of the lives begun after the collector's last free.
  begun_bytes_since_collector,
  -- The events that the recorder could not write down.
  lost_events,
  -- The events of other streams before the last one, 0 if there was but one.
  earlier_stream_events,
  -- When the recording began, in microseconds since 1970, NULL if not told.
  start_us,
  -- The last time that the stream tells, in seconds since its start.
  duration_s,
  -- The process that was recorded, NULL if not told.
  process_id,
  -- The most frames of a callsite, 0 without stacks, NULL if not told.
  stack_depth,
  -- What the recorder says of the virtual machine, NULL if nothing.
  vm
) AS
SELECT
  profile_id, source, memparse_version, stored_at_s, symtab_version,
  events_version, complete, end_offset, end_reason, summary, events,
  alloc_events, alloc_bytes, realloc_events, realloc_new_bytes,
  realloc_old_bytes, free_events, free_bytes, earlier_free_events,
  earlier_free_bytes, earlier_realloc_events, earlier_realloc_bytes,
  failed_events, failed_bytes, born_blocks, alloc_bytes + realloc_new_bytes,
  ended_blocks, ended_bytes, live_blocks, live_bytes, peak_bytes, peak_event,
  conflict_events, first_conflict_event, replaced_blocks, replaced_bytes,
  last_collector_free_event, begun_bytes_since_collector, lost_events,
  earlier_stream_events, start_us, duration_us / 1e6, process_id,
  stack_depth, vm
FROM profile_data;

-- One row is a stream that a profile was made of.
CREATE VIEW stream (
  -- The profile that holds what the stream tells.
  profile_id,
  -- Its place among the streams of the profile, from 1.
  number,
  -- Its file name as it was given to memparse.
  source,
  -- The XXH3-128 of its bytes that were read, NULL if there were none.
  fingerprint,
  -- How many bytes that are, decompressed.
  end_offset
) AS
SELECT profile_id, number, source, fingerprint, end_offset
FROM stream_data;

-- One row is a label that a person gave to a profile.
CREATE VIEW label (
  -- The profile that bears the label.
  profile_id,
  -- What the label tells, such as build.
  key,
  -- What it says for this profile, such as 1234.
  value
) AS
SELECT profile_id, key, value
FROM label_data;

-- One row is a warning that was given when a profile was stored.
CREATE VIEW warning (
  -- The profile it is about.
  profile_id,
  -- Its place among the warnings of the profile, from 1.
  number,
  -- What it says.
  text
) AS
SELECT profile_id, number, text
FROM warning_data;

-- One row shows that no byte of a profile is lost or counted twice.
--
-- Bytes of blocks born before the recording and failed attempts stay outside.
CREATE VIEW conservation (
  -- The profile.
  profile_id,
  -- The bytes of the lives begun, by allocations and reallocations.
  born_bytes,
  -- The bytes of these lives that frees ended.
  freed_bytes,
  -- The bytes of these lives that reallocations ended.
  realloc_old_bytes,
  -- The bytes of these lives that ended as replaced.
  replaced_bytes,
  -- The bytes of these lives that are alive at the end.
  live_bytes,
  -- What is born but neither ended nor alive: 0.
  difference,
  -- What the sites born, ended and live miss of the totals: 0.
  site_difference
) AS
SELECT
  profile_id, alloc_bytes + realloc_new_bytes, free_bytes, realloc_old_bytes,
  replaced_bytes, live_bytes,
  alloc_bytes + realloc_new_bytes
    - free_bytes - realloc_old_bytes - replaced_bytes - live_bytes,
  (
    SELECT
      abs(p.alloc_bytes + p.realloc_new_bytes
        - coalesce(sum(s.alloc_bytes + s.realloc_new_bytes), 0))
      + abs(p.ended_bytes - coalesce(sum(s.ended_bytes), 0))
      + abs(p.live_bytes - coalesce(sum(s.live_bytes), 0))
    FROM site_data AS s
    WHERE s.profile_id = p.profile_id
  )
FROM profile_data AS p;
