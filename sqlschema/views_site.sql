-- views_site.sql - the interface: places in the program, and paths of calls.

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
  -- Its place, from 1, when each path comes right before all that lead on
  -- from it: what lies below a path are the places up to last_place.
  place,
  -- The place of the last path that leads on from it, its own without any.
  last_place,
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
  c.place, c.last_place, c.self_born_blocks, c.self_born_bytes,
  c.self_live_blocks, c.self_live_bytes, c.self_first_event,
  c.self_last_event
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
