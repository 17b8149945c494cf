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
  last_event,
  -- The line where the function of the line begins, NULL if it is the main
  -- function of its chunk, not known, or one of several.
  first_line,
  -- What it is known by in other profiles, NULL if that was not found out.
  signature,
  -- What the signature is made of, behind the chunk of a Lua line: text (how
  -- its function is declared, the line's text, and which of its equals in the
  -- function it is), name (the function's name, the line from its first one
  -- on), relative (which of the chunk's functions with sites it is, the line
  -- from its first one on), line (the line in the chunk) or symbol (the name
  -- of a C function, or INTERNAL).
  signature_kind
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
  s.live_blocks, s.live_bytes, s.first_event, s.last_event, s.first_line,
  g.text, g.kind
FROM site_data AS s
LEFT JOIN name_data AS n ON n.name_id = s.name_id
LEFT JOIN signature_data AS g ON g.signature_id = s.signature_id;

-- One row is a place that called or allocated, as it occurs in stacks.
CREATE VIEW frame (
  -- The number of the frame, unique in the database.
  frame_id,
  -- The profile it belongs to.
  profile_id,
  -- The name as stacks print it, such as function (chunk:line).
  name,
  -- The function: its name, else where it begins, NULL if neither is known.
  function,
  -- One of internal, lua, c, trace, gap (frames that are not known).
  kind,
  -- The name of the Lua or C function, NULL if it is not known.
  function_name,
  -- The name of the chunk as reports print it, else NULL.
  chunk,
  -- The line where the Lua function begins, NULL if it is not known.
  first_line,
  -- The line that called or allocated, or where a trace starts, else NULL.
  line,
  -- The number of the trace of compiled code, else NULL.
  trace_number,
  -- The address of the C function, else NULL.
  address,
  -- What an internal frame was at, or why there is a gap, else NULL.
  what
) AS
SELECT
  f.frame_id, f.profile_id,
  CASE
    WHEN f.kind = 'internal' THEN
      CASE f.what
        WHEN 'other' THEN 'INTERNAL'
        ELSE printf('INTERNAL (%s)', f.what)
      END
    WHEN f.kind = 'gap' THEN printf('(frames left out: %s)', f.what)
    WHEN f.kind = 'c'
      THEN coalesce(n.short, n.text, printf('CFUNC %#x', f.address))
    WHEN f.kind = 'trace' THEN printf('TRACE [%u]', f.trace_number)
    WHEN n.name_id THEN coalesce(n.short, n.text) || ' ('
    ELSE ''
  END || CASE
    WHEN c.name_id IS NULL OR f.kind NOT IN ('lua', 'trace') THEN ''
    ELSE CASE f.kind WHEN 'trace' THEN ' started at ' ELSE '' END
      || coalesce('function_alias_' || c.alias, c.short, c.text)
      || printf(':%u', f.line)
  END || CASE WHEN f.kind = 'lua' AND n.name_id THEN ')' ELSE '' END,
  CASE
    WHEN n.name_id THEN coalesce(n.short, n.text)
    WHEN f.kind = 'lua' AND f.first_line > 0 THEN
      coalesce('function_alias_' || c.alias, c.short, c.text)
        || printf(':%u', f.first_line)
  END,
  f.kind, coalesce(n.short, n.text),
  coalesce('function_alias_' || c.alias, c.short, c.text),
  f.first_line, f.line, f.trace_number, f.address, f.what
FROM frame_data AS f
LEFT JOIN name_data AS c ON c.name_id = f.chunk_name_id
LEFT JOIN name_data AS n ON n.name_id = f.function_name_id;

-- One row is a path of calls: a frame, and the callsite that called it.
--
-- Streams without stacks have paths of one frame, a callsite for each site.
CREATE VIEW callsite (
  -- The number of the callsite, unique in the database.
  callsite_id,
  -- The profile it belongs to.
  profile_id,
  -- The path that called the frame, NULL for an outermost frame.
  parent_id,
  -- The innermost frame of the path.
  frame_id,
  -- The site that what this path does counts for.
  site_id,
  -- The frames on the path, from 1.
  depth,
  -- The names of its frames, the innermost first, with "<-" between.
  --
  -- A name longer than 400 characters is there without its middle.
  stack,
  -- The lives of blocks that exactly this path began.
  self_born_blocks,
  -- The bytes of the lives that exactly this path began.
  self_born_bytes,
  -- The blocks of exactly this path alive at the end.
  self_live_blocks,
  -- The bytes of the blocks of exactly this path alive at the end.
  self_live_bytes,
  -- The event at which this path first began a life, NULL if it never did.
  self_first_event,
  -- The event at which this path last began a life, NULL if it never did.
  self_last_event
) AS
SELECT
  c.callsite_id, c.profile_id,
  -- Parents come first: whoever edits the table makes no circle.
  CASE WHEN c.parent_id < c.callsite_id THEN c.parent_id END,
  c.frame_id, c.site_id, c.depth,
  (
    WITH RECURSIVE up (nth, callsite_id, frame_id, parent_id) AS (
      VALUES (1, c.callsite_id, c.frame_id, c.parent_id)
      UNION ALL
      SELECT u.nth + 1, p.callsite_id, p.frame_id, p.parent_id
      FROM up AS u
      CROSS JOIN callsite_data AS p ON p.callsite_id = u.parent_id
        AND u.parent_id < u.callsite_id
    )
    SELECT group_concat(name, ' <- ')
    FROM (
      SELECT
        CASE
          WHEN length(f.name) <= 400 THEN f.name
          ELSE substr(f.name, 1, 200) || '…' || substr(f.name, -199)
        END AS name
      FROM up
      CROSS JOIN frame AS f ON f.frame_id = up.frame_id
      ORDER BY up.nth
    )
  ),
  c.self_born_blocks, c.self_born_bytes, c.self_live_blocks,
  c.self_live_bytes, c.self_first_event, c.self_last_event
FROM callsite_data AS c;

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
CREATE VIEW collection (
  -- The profile that it happened in.
  profile_id,
  -- Its place among the full collections of the profile, from 1.
  number,
  -- The last event before its end, 0 if there was none.
  event,
  -- When it ended, in seconds since the start.
  time_s,
  -- Who asked for it: program, or the recorder at start, mark or stop.
  reason
) AS
SELECT profile_id, number, event, time_us / 1e6, reason
FROM collection_data;

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
  lifetime_events,
  -- The callsite that began the life, NULL if before the recording.
  callsite_id,
  -- The callsite that ended the life, NULL if the block is alive at the end.
  died_callsite_id
) AS
SELECT
  p.profile_id, a.allocation_id, b.site_id, a.address, a.size, a.born_event,
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
  d.site_id, a.realloc_of, a.died_event - a.born_event, a.callsite_id,
  a.died_callsite_id
FROM profile_data AS p
CROSS JOIN allocation_data AS a
  ON a.allocation_id >= p.first_allocation_id
    AND a.allocation_id < p.end_allocation_id
LEFT JOIN callsite_data AS b ON b.callsite_id = a.callsite_id
LEFT JOIN callsite_data AS d ON d.callsite_id = a.died_callsite_id;

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
  realloc_of,
  -- The callsite that owns the block.
  callsite_id
) AS
SELECT
  p.profile_id, a.allocation_id, b.site_id, a.address, a.size, a.born_event,
  CASE WHEN a.how & 1 THEN 'realloc' ELSE 'alloc' END, a.realloc_of,
  a.callsite_id
FROM profile_data AS p
CROSS JOIN allocation_data AS a
  ON a.allocation_id >= p.first_live_id
    AND a.allocation_id < p.end_allocation_id
LEFT JOIN callsite_data AS b ON b.callsite_id = a.callsite_id
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
