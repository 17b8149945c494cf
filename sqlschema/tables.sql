-- tables.sql - where the facts are kept.
--
-- Ask the views of views_*.sql, not these tables: the views stay, the tables
-- may change for speed. A line of a program is a site, a path of calls that
-- led to it a callsite, a block's life is a row of allocation_data, a
-- recording is a profile, and one file holds many profiles.
--
-- Sizes are bytes. Events are numbered from 1 within their profile. Addresses
-- are the 64 bits of the address as a signed integer: print them with
-- printf('%#x', address).
--
-- A CHECK with a list of three values or more, kind IN (...), would make a
-- temporary table for each row that is inserted.

PRAGMA application_id = 0x6c6a6d70; -- 'ljmp'
PRAGMA user_version = 6;

-- One row is one recording that was stored, and what was found in it.
CREATE TABLE profile_data (
  -- The number of the profile, which is never given to another one.
  profile_id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- The stream's file name as it was given to memparse.
  source TEXT NOT NULL,
  -- The version of memparse that stored the profile.
  memparse_version TEXT NOT NULL,
  -- When the profile was stored, in seconds since 1970 in UTC.
  stored_at_s INTEGER NOT NULL,
  -- The version of the stream's symbol table, NULL if none was read.
  symtab_version INTEGER,
  -- The version of the stream's events, NULL if none was read.
  events_version INTEGER,
  -- 1 if the stream was read up to its closing byte, else 0.
  complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
  -- The bytes of the stream that are stored here, decompressed.
  end_offset INTEGER NOT NULL,
  -- Why reading stopped at end_offset, NULL if the stream is complete.
  end_reason TEXT,
  -- 1 if the rows of single blocks were left out, else 0.
  summary INTEGER NOT NULL CHECK (summary IN (0, 1)),
  -- The first allocation_id of the profile, NULL with summary.
  first_allocation_id INTEGER,
  -- The first allocation_id of a block alive at the end, NULL with summary.
  first_live_id INTEGER,
  -- The allocation_id after the profile's last one, NULL with summary.
  end_allocation_id INTEGER,
  -- The allocations, reallocations and frees in the stream, failed ones too.
  events INTEGER NOT NULL,
  -- The allocations that succeeded.
  alloc_events INTEGER NOT NULL,
  -- The bytes of the blocks that the allocations began.
  alloc_bytes INTEGER NOT NULL,
  -- The reallocations that succeeded.
  realloc_events INTEGER NOT NULL,
  -- The new sizes of the reallocations, added up.
  realloc_new_bytes INTEGER NOT NULL,
  -- The old sizes of the reallocations of blocks whose birth was recorded.
  realloc_old_bytes INTEGER NOT NULL,
  -- The frees of blocks whose birth was recorded.
  free_events INTEGER NOT NULL,
  -- The bytes that these frees gave back.
  free_bytes INTEGER NOT NULL,
  -- The frees of blocks born before the recording.
  earlier_free_events INTEGER NOT NULL,
  -- The bytes that frees of blocks born before the recording gave back.
  earlier_free_bytes INTEGER NOT NULL,
  -- The reallocations, also in realloc_events, of blocks born earlier.
  earlier_realloc_events INTEGER NOT NULL,
  -- The old sizes of the reallocations of blocks born earlier.
  earlier_realloc_bytes INTEGER NOT NULL,
  -- The attempts to allocate or reallocate that got nothing.
  failed_events INTEGER NOT NULL,
  -- The bytes that the failed attempts asked for.
  failed_bytes INTEGER NOT NULL,
  -- The lives of blocks begun, by an allocation or a reallocation.
  born_blocks INTEGER NOT NULL,
  -- The lives begun in the recording that ended in it.
  ended_blocks INTEGER NOT NULL,
  -- The bytes of the lives that ended.
  ended_bytes INTEGER NOT NULL,
  -- The blocks alive at the end.
  live_blocks INTEGER NOT NULL,
  -- The bytes of the blocks alive at the end.
  live_bytes INTEGER NOT NULL,
  -- The most bytes of recorded blocks that were alive at once.
  peak_bytes INTEGER NOT NULL,
  -- The first event after which peak_bytes were alive, NULL if none were.
  peak_event INTEGER,
  -- The events that contradict earlier ones.
  conflict_events INTEGER NOT NULL,
  -- The first of the contradicting events, NULL if there is none.
  first_conflict_event INTEGER,
  -- The lives that ended because another block was born at their address.
  replaced_blocks INTEGER NOT NULL,
  -- The bytes of the replaced lives, part of ended_bytes.
  replaced_bytes INTEGER NOT NULL,
  -- The last free by the garbage collector, NULL if there was none.
  last_collector_free_event INTEGER,
  -- The bytes of the lives begun after the collector's last free.
  begun_bytes_since_collector INTEGER NOT NULL,
  -- The events that the recorder could not write down.
  lost_events INTEGER NOT NULL,
  -- The events of other streams before the last one, 0 if there was but one.
  earlier_stream_events INTEGER NOT NULL,
  -- When the recording began, in microseconds since 1970, NULL if not told.
  start_us INTEGER,
  -- The last time that the stream tells, in microseconds since its start.
  duration_us INTEGER,
  -- The process that was recorded, NULL if not told.
  process_id INTEGER,
  -- The most frames of a callsite, 0 without stacks, NULL if not told.
  stack_depth INTEGER,
  -- What the recorder says of the virtual machine, NULL if nothing.
  vm TEXT
) STRICT;

-- One row is a stream that a profile was made of.
CREATE TABLE stream_data (
  -- The profile that holds what the stream tells.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- Its place among the streams of the profile, from 1.
  number INTEGER NOT NULL,
  -- Its file name as it was given to memparse.
  source TEXT NOT NULL,
  -- The XXH3-128 of its bytes that were read, NULL if there were none.
  fingerprint TEXT UNIQUE,
  -- How many bytes that are, decompressed.
  end_offset INTEGER NOT NULL,
  PRIMARY KEY (profile_id, number)
) STRICT, WITHOUT ROWID;

-- One row is a label that a person gave to a profile.
CREATE TABLE label_data (
  -- The profile that bears the label.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- What the label tells, such as build.
  key TEXT NOT NULL,
  -- What it says for this profile, such as 1234.
  value TEXT NOT NULL,
  PRIMARY KEY (profile_id, key)
) STRICT, WITHOUT ROWID;

-- One row is a warning that was given when a profile was stored.
CREATE TABLE warning_data (
  -- The profile it is about.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- Its place among the warnings of the profile, from 1.
  number INTEGER NOT NULL,
  -- What it says.
  text TEXT NOT NULL,
  PRIMARY KEY (profile_id, number)
) STRICT, WITHOUT ROWID;

-- One row is the name of a chunk of Lua code or of a function, stored once
-- for all the sites and frames that bear it.
CREATE TABLE name_data (
  -- The number of the name, unique in the database.
  name_id INTEGER PRIMARY KEY,
  -- The profile it occurs in.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- 1 if it is the name of a function, 0 if it is that of a chunk.
  is_symbol INTEGER NOT NULL CHECK (is_symbol IN (0, 1)),
  -- N of function_alias_N for a text of several lines, else NULL.
  alias INTEGER,
  -- The text with its middle left out if it is longer than 64 KiB, else NULL.
  short TEXT,
  -- The name in printable UTF-8, other bytes as \xNN, newlines kept.
  text TEXT NOT NULL,
  -- The name's bytes as recorded where text differs from them, else NULL.
  raw BLOB
) STRICT;

-- One row is what a site is known by in other profiles, see the view site.
CREATE TABLE signature_data (
  -- The number of the signature.
  signature_id INTEGER PRIMARY KEY,
  -- The signature.
  text TEXT NOT NULL,
  -- What it is made of: text, name, relative, line or symbol.
  kind TEXT NOT NULL
    CHECK (kind = 'text' OR kind = 'name' OR kind = 'relative'
      OR kind = 'line' OR kind = 'symbol'),
  UNIQUE (text, kind)
) STRICT;

-- One row is a place in the program that prints as one name, in one profile.
CREATE TABLE site_data (
  -- The number of the site, unique in the database.
  site_id INTEGER PRIMARY KEY,
  -- The profile it belongs to.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- One of internal, lua, c, unknown (an address without a symbol), trace.
  kind TEXT NOT NULL
    CHECK (kind = 'internal' OR kind = 'lua' OR kind = 'c'
      OR kind = 'unknown' OR kind = 'trace'),
  -- The chunk or C function of the site, or where a trace starts, else NULL.
  name_id INTEGER REFERENCES name_data,
  -- The line in the chunk, or the line where a trace starts, else NULL.
  line INTEGER,
  -- The address of the C function or of the unknown place, else NULL.
  address INTEGER,
  -- The number of the trace of compiled code, else NULL.
  trace_number INTEGER,
  -- The allocations by this site that succeeded.
  alloc_events INTEGER NOT NULL,
  -- The bytes of the blocks that these allocations began.
  alloc_bytes INTEGER NOT NULL,
  -- The reallocations by this site that succeeded.
  realloc_events INTEGER NOT NULL,
  -- The new sizes of these reallocations.
  realloc_new_bytes INTEGER NOT NULL,
  -- The old sizes of those whose old block's birth was recorded.
  realloc_old_bytes INTEGER NOT NULL,
  -- The frees by this site of blocks whose birth was recorded.
  free_events INTEGER NOT NULL,
  -- The bytes that these frees gave back.
  free_bytes INTEGER NOT NULL,
  -- The frees by this site of blocks born before the recording.
  earlier_free_events INTEGER NOT NULL,
  -- The bytes that those frees gave back.
  earlier_free_bytes INTEGER NOT NULL,
  -- The reallocations, also in realloc_events, of blocks born earlier.
  earlier_realloc_events INTEGER NOT NULL,
  -- The old sizes of the reallocations of blocks born earlier.
  earlier_realloc_bytes INTEGER NOT NULL,
  -- The attempts by this site that got nothing.
  failed_events INTEGER NOT NULL,
  -- The bytes that the failed attempts asked for.
  failed_bytes INTEGER NOT NULL,
  -- The lives of blocks that this site began.
  born_blocks INTEGER NOT NULL,
  -- The lives begun by this site that ended, whoever ended them.
  ended_blocks INTEGER NOT NULL,
  -- The bytes of the lives begun by this site that ended.
  ended_bytes INTEGER NOT NULL,
  -- The blocks of this site alive at the end.
  live_blocks INTEGER NOT NULL,
  -- The bytes of the blocks of this site alive at the end.
  live_bytes INTEGER NOT NULL,
  -- The event at which this site first began a life, NULL if it never did.
  first_event INTEGER,
  -- The event at which this site last began a life, NULL if it never did.
  last_event INTEGER,
  -- The line where the function of the line begins, NULL if it is the main
  -- function of its chunk, not known, or one of several.
  first_line INTEGER,
  -- What it is known by in other profiles, NULL if that was not found out.
  signature_id INTEGER REFERENCES signature_data
) STRICT;

-- One row is a place that called or allocated, as it occurs in stacks.
CREATE TABLE frame_data (
  -- The number of the frame, unique in the database.
  frame_id INTEGER PRIMARY KEY,
  -- The profile it belongs to.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- One of internal, lua, c, trace, gap (frames that are not known).
  kind TEXT NOT NULL
    CHECK (kind = 'internal' OR kind = 'lua' OR kind = 'c' OR kind = 'trace'
      OR kind = 'gap'),
  -- The chunk of a Lua line, or the one where a trace starts, else NULL.
  chunk_name_id INTEGER REFERENCES name_data,
  -- The name of the Lua or C function where it is known, else NULL.
  function_name_id INTEGER REFERENCES name_data,
  -- The line where the Lua function begins, NULL if it is not known.
  first_line INTEGER,
  -- The line in the chunk, or the line where a trace starts, else NULL.
  line INTEGER,
  -- The number of the trace of compiled code, else NULL.
  trace_number INTEGER,
  -- The address of the C function, else NULL.
  address INTEGER,
  -- What an internal frame was at, or why there is a gap, else NULL.
  what TEXT
) STRICT;

-- One row is a path of calls: a frame, and the callsite that called it.
CREATE TABLE callsite_data (
  -- The number of the callsite, unique in the database.
  callsite_id INTEGER PRIMARY KEY,
  -- The profile it belongs to.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- The path that called the frame, NULL for an outermost frame.
  parent_id INTEGER REFERENCES callsite_data CHECK (parent_id < callsite_id),
  -- The innermost frame of the path.
  frame_id INTEGER NOT NULL REFERENCES frame_data,
  -- The site that what this path does counts for.
  site_id INTEGER NOT NULL REFERENCES site_data,
  -- The frames on the path, from 1.
  depth INTEGER NOT NULL,
  -- Its place when each path comes right before all that lead on from it.
  place INTEGER NOT NULL,
  -- The place of the last path that leads on from it, its own without any.
  last_place INTEGER NOT NULL,
  -- The lives of blocks that exactly this path began.
  self_born_blocks INTEGER NOT NULL,
  -- The bytes of the lives that exactly this path began.
  self_born_bytes INTEGER NOT NULL,
  -- The blocks of exactly this path alive at the end.
  self_live_blocks INTEGER NOT NULL,
  -- The bytes of the blocks of exactly this path alive at the end.
  self_live_bytes INTEGER NOT NULL,
  -- The event at which this path first began a life, NULL if it never did.
  self_first_event INTEGER,
  -- The event at which this path last began a life, NULL if it never did.
  self_last_event INTEGER
) STRICT;

-- One row counts the lives begun by one site that another, or the same, ended.
CREATE TABLE site_override_data (
  -- The profile of both sites.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- The site that ended the lives.
  by_site_id INTEGER NOT NULL REFERENCES site_data,
  -- The site that had begun them.
  of_site_id INTEGER NOT NULL REFERENCES site_data,
  -- 1 if reallocations ended the lives, 0 if frees did.
  by_realloc INTEGER NOT NULL CHECK (by_realloc IN (0, 1)),
  -- How many lives it were.
  blocks INTEGER NOT NULL,
  -- Their bytes.
  bytes INTEGER NOT NULL,
  PRIMARY KEY (profile_id, by_site_id, of_site_id, by_realloc)
) STRICT, WITHOUT ROWID;

-- One row is the state of the heap at one moment, at most 1,024 a profile.
CREATE TABLE heap_sample_data (
  -- The profile whose heap it is.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- The event just after which this was the state.
  event INTEGER NOT NULL,
  -- The time in microseconds since the start, NULL if it is not known.
  time_us INTEGER,
  -- The recorded blocks that were alive.
  live_blocks INTEGER NOT NULL,
  -- The bytes of the recorded blocks that were alive.
  live_bytes INTEGER NOT NULL,
  -- The bytes of all lives begun so far.
  begun_bytes INTEGER NOT NULL,
  PRIMARY KEY (profile_id, event)
) STRICT, WITHOUT ROWID;

-- One row is a moment whose time the stream tells.
CREATE TABLE clock_data (
  -- The profile whose time it is.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- The last event before that moment, 0 if there was none.
  event INTEGER NOT NULL,
  -- The time in microseconds since the start.
  time_us INTEGER NOT NULL,
  PRIMARY KEY (profile_id, event)
) STRICT, WITHOUT ROWID;

-- One row is a mark that the program set: there a new phase began.
CREATE TABLE mark_data (
  -- The profile that it was set in.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- The last event before the mark, 0 if there was none.
  event INTEGER NOT NULL,
  -- Its place among the marks of the profile, from 1.
  number INTEGER NOT NULL,
  -- The time in microseconds since the start.
  time_us INTEGER NOT NULL,
  -- What the program called it, in printable UTF-8.
  label TEXT NOT NULL,
  PRIMARY KEY (profile_id, event, number)
) STRICT, WITHOUT ROWID;

-- One row is a full garbage collection that is known to be one.
CREATE TABLE collection_data (
  -- The profile that it happened in.
  profile_id INTEGER NOT NULL REFERENCES profile_data,
  -- The last event before its end, 0 if there was none.
  event INTEGER NOT NULL,
  -- Its place among the full collections of the profile, from 1.
  number INTEGER NOT NULL,
  -- The last event before it began at the earliest, 0 if there was none.
  began_event INTEGER NOT NULL,
  -- When it ended, in microseconds since the start.
  time_us INTEGER NOT NULL,
  -- Whose it is: the program's, also when the VM began it by itself, or the
  -- recorder's at start, mark or stop.
  reason TEXT NOT NULL,
  PRIMARY KEY (profile_id, event, number)
) STRICT, WITHOUT ROWID;

-- One row is the life of one block, from a birth to an end.
--
-- The rows of a profile stand together, lives in the order of their ends and
-- those alive at the end last: profile_data has the ranges, which makes a
-- column for the profile and an index on it unnecessary.
CREATE TABLE allocation_data (
  -- The number of the life, unique in the database.
  allocation_id INTEGER PRIMARY KEY,
  -- The callsite that began the life, NULL if before the recording.
  callsite_id INTEGER,
  -- The callsite that ended the life, NULL if the block is alive at the end.
  died_callsite_id INTEGER,
  -- The event that began the life, NULL if that was before the recording.
  born_event INTEGER,
  -- The event that ended the life, NULL if the block is alive at the end.
  died_event INTEGER,
  -- The born_event of the life that a reallocation continued here, or NULL.
  realloc_of INTEGER,
  -- The address of the block.
  address INTEGER NOT NULL,
  -- The size of the block.
  size INTEGER NOT NULL,
  -- The sum of 1: born by a realloc, 2: died by a realloc, 4: was replaced.
  how INTEGER NOT NULL
) STRICT;
