-- views.sql - the interface: what queries ask.
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
  begun_bytes_since_collector
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
  last_collector_free_event, begun_bytes_since_collector
FROM profile_data;

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

-- One row is the name of a chunk of Lua code, or its text if that is the name.
CREATE VIEW chunk (
  -- The number of the chunk, unique in the database.
  chunk_id,
  -- The profile it occurs in.
  profile_id,
  -- The name as reports print it, function_alias_N for a text of lines.
  --
  -- Of a name longer than 64 KiB the middle is left out.
  name,
  -- The name or text in printable UTF-8, other bytes as \xNN, newlines kept.
  text,
  -- The name's bytes as recorded where text differs from them, else NULL.
  raw
) AS
SELECT
  name_id, profile_id,
  CASE
    WHEN alias IS NULL THEN coalesce(short, text)
    ELSE 'function_alias_' || alias
  END,
  text, raw
FROM name_data
WHERE is_symbol = 0;

-- One row is a place in the program that prints as one name, in one profile,
-- with everything it did.
CREATE VIEW site (
  -- The number of the site, unique in the database.
  site_id,
  -- The profile it belongs to.
  profile_id,
  -- The name as reports print it.
  name,
  -- One of internal, lua, c, unknown (an address without a symbol), trace.
  kind,
  -- The name of the chunk as reports print it, else NULL.
  chunk,
  -- The line in the chunk, or the line where a trace starts, else NULL.
  line,
  -- The name of the C function in printable UTF-8, else NULL.
  symbol,
  -- The address of the C function or of the unknown place, else NULL.
  address,
  -- The number of the trace of compiled code, else NULL.
  trace_number,
  -- The allocations by this site that succeeded.
  alloc_events,
  -- The bytes of the blocks that these allocations began.
  alloc_bytes,
  -- The reallocations by this site that succeeded.
  realloc_events,
  -- The new sizes of these reallocations.
  realloc_new_bytes,
  -- The old sizes of those whose old block's birth was recorded.
  realloc_old_bytes,
  -- The frees by this site of blocks whose birth was recorded.
  free_events,
  -- The bytes that these frees gave back.
  free_bytes,
  -- The frees by this site of blocks born before the recording.
  earlier_free_events,
  -- The bytes that those frees gave back.
  earlier_free_bytes,
  -- The reallocations, also in realloc_events, of blocks born earlier.
  earlier_realloc_events,
  -- The old sizes of the reallocations of blocks born earlier.
  earlier_realloc_bytes,
  -- The attempts by this site that got nothing.
  failed_events,
  -- The bytes that the failed attempts asked for.
  failed_bytes,
  -- The lives of blocks that this site began.
  born_blocks,
  -- The bytes of the lives that this site began.
  born_bytes,
  -- The lives begun by this site that ended, whoever ended them.
  ended_blocks,
  -- The bytes of the lives begun by this site that ended.
  ended_bytes,
  -- The blocks of this site alive at the end.
  live_blocks,
  -- The bytes of the blocks of this site alive at the end.
  live_bytes,
  -- The event at which this site first began a life, NULL if it never did.
  first_event,
  -- The event at which this site last began a life, NULL if it never did.
  last_event
) AS
SELECT
  s.site_id, s.profile_id,
  CASE
    WHEN s.kind != 'trace' THEN ''
    WHEN s.name_id IS NULL AND s.address IS NULL
      THEN printf('TRACE [%u]', s.trace_number)
    ELSE printf('TRACE [%u] started at ', s.trace_number)
  END || CASE
    WHEN n.is_symbol
      THEN coalesce(n.short, n.text) || printf(':%#x', s.address)
    WHEN n.alias THEN printf('function_alias_%u:%u', n.alias, s.line)
    WHEN s.name_id THEN coalesce(n.short, n.text) || printf(':%u', s.line)
    WHEN s.kind = 'internal' OR s.address = 0 AND s.kind = 'trace'
      THEN 'INTERNAL'
    WHEN s.address IS NOT NULL THEN printf('CFUNC %#x', s.address)
    ELSE ''
  END,
  s.kind,
  CASE
    WHEN n.is_symbol THEN NULL
    WHEN n.alias THEN 'function_alias_' || n.alias
    ELSE coalesce(n.short, n.text)
  END,
  s.line, CASE WHEN n.is_symbol THEN coalesce(n.short, n.text) END,
  s.address, s.trace_number, s.alloc_events, s.alloc_bytes, s.realloc_events,
  s.realloc_new_bytes, s.realloc_old_bytes, s.free_events, s.free_bytes,
  s.earlier_free_events, s.earlier_free_bytes, s.earlier_realloc_events,
  s.earlier_realloc_bytes, s.failed_events, s.failed_bytes, s.born_blocks,
  s.alloc_bytes + s.realloc_new_bytes, s.ended_blocks, s.ended_bytes,
  s.live_blocks, s.live_bytes, s.first_event, s.last_event
FROM site_data AS s LEFT JOIN name_data AS n ON n.name_id = s.name_id;

-- One row counts the lives begun by one site that another, or the same, ended.
CREATE VIEW site_override (
  -- The profile of both sites.
  profile_id,
  -- The site that ended the lives.
  by_site_id,
  -- The site that had begun them.
  of_site_id,
  -- What ended them: free or realloc.
  by_kind,
  -- How many lives it were.
  blocks,
  -- Their bytes.
  bytes
) AS
SELECT
  profile_id, by_site_id, of_site_id,
  CASE by_realloc WHEN 1 THEN 'realloc' ELSE 'free' END, blocks, bytes
FROM site_override_data;

-- One row is the state of the heap at one moment, at most 1,024 a profile.
CREATE VIEW heap_sample (
  -- The profile whose heap it is.
  profile_id,
  -- The event just after which this was the state.
  event,
  -- The recorded blocks that were alive.
  live_blocks,
  -- The bytes of the recorded blocks that were alive.
  live_bytes,
  -- The bytes of all lives begun so far.
  begun_bytes
) AS
SELECT profile_id, event, live_blocks, live_bytes, begun_bytes
FROM heap_sample_data;

-- One row is the life of one block, from a birth to an end.
--
-- Not stored by memparse --summary.
CREATE VIEW allocation (
  -- The profile the life belongs to.
  profile_id,
  -- The number of the life, unique in the database.
  allocation_id,
  -- The site that began the life, NULL if that was before the recording.
  site_id,
  -- The address of the block.
  address,
  -- The size of the block.
  size,
  -- The event that began the life, NULL if that was before the recording.
  born_event,
  -- What began it: alloc or realloc, NULL if before the recording.
  born_by,
  -- The event that ended the life, NULL if the block is alive at the end.
  died_event,
  -- What ended it: free, realloc, or replaced by a block at its address.
  died_by,
  -- The site that ended the life, NULL if the block is alive at the end.
  died_site_id,
  -- The born_event of the life that a reallocation continued here, or NULL.
  realloc_of,
  -- The events from birth to end, NULL if one of them is not known.
  lifetime_events
) AS
SELECT
  p.profile_id, a.allocation_id, a.site_id, a.address, a.size, a.born_event,
  CASE
    WHEN a.born_event IS NULL THEN NULL
    WHEN a.how & 1 THEN 'realloc'
    ELSE 'alloc'
  END,
  a.died_event,
  CASE
    WHEN a.died_event IS NULL THEN NULL
    WHEN a.how & 4 THEN 'replaced'
    WHEN a.how & 2 THEN 'realloc'
    ELSE 'free'
  END,
  a.died_site_id, a.realloc_of, a.died_event - a.born_event
FROM profile_data AS p
CROSS JOIN allocation_data AS a
  ON a.allocation_id >= p.first_allocation_id
    AND a.allocation_id < p.end_allocation_id;

-- One row is a block alive at the end of its profile: what may be a leak.
--
-- Not stored by memparse --summary.
CREATE VIEW live_block (
  -- The profile the block belongs to.
  profile_id,
  -- The number of its life, unique in the database.
  allocation_id,
  -- The site that owns the block.
  site_id,
  -- The address of the block.
  address,
  -- The size of the block.
  size,
  -- The event that began its life.
  born_event,
  -- What began it: alloc or realloc.
  born_by,
  -- The born_event of the life that a reallocation continued here, or NULL.
  realloc_of
) AS
SELECT
  p.profile_id, a.allocation_id, a.site_id, a.address, a.size, a.born_event,
  CASE WHEN a.how & 1 THEN 'realloc' ELSE 'alloc' END, a.realloc_of
FROM profile_data AS p
CROSS JOIN allocation_data AS a
  ON a.allocation_id >= p.first_live_id
    AND a.allocation_id < p.end_allocation_id
-- A profile made of several streams has ended lives behind live ones.
WHERE a.died_event IS NULL;

-- One row is an event of the stream that succeeded, made from the lives that
-- it began and ended.
--
-- An event that did neither, such as a free of address 0, is in no life and
-- is counted at its site only. Not stored by memparse --summary.
CREATE VIEW event (
  -- The profile the event belongs to.
  profile_id,
  -- Its number in the profile, from 1.
  event,
  -- What it did: alloc, realloc or free.
  kind,
  -- The site that did it.
  site_id,
  -- The address of the new block, NULL if there is none.
  address,
  -- The size of the new block, NULL if there is none.
  size,
  -- The address of the old block, NULL if there is none.
  old_address,
  -- The size of the old block, NULL if there is none.
  old_size
) AS
SELECT
  profile_id, born_event, born_by, site_id, address, size, NULL, NULL
FROM allocation
WHERE born_by = 'alloc'
UNION ALL
SELECT
  profile_id, died_event, died_by, died_site_id, NULL, NULL, address, size
FROM allocation
WHERE died_by = 'free'
UNION ALL
-- A realloc is the end of one life, the birth of another, or both.
SELECT
  profile_id, event, 'realloc', max(site_id), max(address), max(size),
  max(old_address), max(old_size)
FROM (
  SELECT
    profile_id, died_event AS event, died_site_id AS site_id,
    NULL AS address, NULL AS size, address AS old_address, size AS old_size
  FROM allocation
  WHERE died_by = 'realloc'
  UNION ALL
  SELECT profile_id, born_event, site_id, address, size, NULL, NULL
  FROM allocation
  WHERE born_by = 'realloc'
)
GROUP BY profile_id, event;

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
