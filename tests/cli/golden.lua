-- golden.lua MEMPARSE GOLDEN_DIR - the command against recorded streams.
--
-- For every stream of the folder the default text, --leak-only, and SQL over
-- the database, with and without --summary, must have the figures of
-- NAME.truth.tsv; for streams of the newest build the sections of the text
-- must have those of NAME.txt, which Tarantool's own reader printed, after
-- adding up its lines that print alike and leaving out failed attempts.
--
-- Exit status 0; 1 when something differs; 77 when the folder is not there.

local memparse, golden = arg[1], arg[2]
local failures, streams, checks = 0, 0, 0
local current

local function fail(...)
  failures = failures + 1
  print(current .. ": " .. string.format(...))
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a command; returns its output and its exit status.
local function run(...)
  local pipe = io.popen(string.format(...) .. "; echo \"\n$?\"")
  local text = pipe:read("*a")
  pipe:close()
  local output, status = text:match("^(.*)\n(%d+)\n$")
  return output, tonumber(status)
end

local function lines(text)
  return text:gmatch("([^\n]*)\n")
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local function split(line)
  local fields = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do
    fields[#fields + 1] = field
  end
  return fields
end

-- Adds a row of numbers to figures[site].
local function add(figures, site, row)
  local sum = figures[site]
  if not sum then
    figures[site] = row
    return
  end
  for key, value in pairs(row) do
    sum[key] = (sum[key] or 0) + value
  end
end

local function same(what, got, wanted, columns)
  checks = checks + 1
  for site, row in pairs(wanted) do
    for _, column in ipairs(columns) do
      local value = got[site] and got[site][column] or 0
      if value ~= (row[column] or 0) then
        fail("%s: %s: %s is %.0f, not %.0f", what, site, column, value,
          row[column] or 0)
      end
    end
  end
  for site, row in pairs(got) do
    for _, column in ipairs(columns) do
      if not wanted[site] and (row[column] or 0) ~= 0 then
        fail("%s: %s is not in the truth", what, site)
        break
      end
    end
  end
end

-- truth.tsv: totals and figures by site.
local function read_truth(path)
  local totals, figures, columns = {}, {}, nil
  for line in lines(read(path)) do
    if line:sub(1, 1) == "#" then
      for key, value in line:gmatch("([%w_]+)=(%w+)") do
        totals[key] = tonumber(value) or value
      end
    elseif not columns then
      columns = split(line)
    else
      local fields, row = split(line), {}
      for i = 2, #columns do
        row[columns[i]] = tonumber(fields[i])
      end
      add(figures, fields[1], row)
    end
  end
  return totals, figures
end

local SECTIONS = {
  ALLOCATIONS = {"alloc_events", "alloc_bytes"},
  REALLOCATIONS = {"realloc_events", "realloc_new_bytes",
    "realloc_old_bytes"},
  DEALLOCATIONS = {"free_events", nil, "free_bytes"},
}

-- The default text, ours or theirs: figures by site, and the heap summary.
-- overrides["SECTION SITE"] is the sorted list that follows a line.
local function read_text(text)
  local figures, overrides, section, key = {}, {}, nil, nil
  for line in lines(text) do
    local site, events, got, gave =
      line:match("^(.*): (%d+) events\t%+(%d+)B\t%-(%d+)B$")
    local owner, bytes, allocs, frees =
      line:match("^(.*) holds (%d+)B: (%d+) allocs, (%d+) frees$")
    if SECTIONS[line] or line == "HEAP SUMMARY:" or line == "ALIASES:" then
      section = line
      if line == "ALIASES:" then break end
    elseif site and SECTIONS[section] then
      local columns, row = SECTIONS[section], {}
      row[columns[1]] = tonumber(events)
      if columns[2] then row[columns[2]] = tonumber(got) end
      if columns[3] then row[columns[3]] = tonumber(gave) end
      add(figures, site, row)
      key = section .. " " .. site
    elseif owner and section == "HEAP SUMMARY:" then
      add(figures, owner, {live_bytes = tonumber(bytes),
        live_blocks = tonumber(allocs) - tonumber(frees)})
    elseif line:match("^\t\t") and key then
      overrides[key] = overrides[key] or {}
      overrides[key][line:sub(3)] = true
    elseif line ~= "" and line ~= "\tOverrides:" then
      fail("a line that is nothing: %s", line)
    end
  end
  return figures, overrides
end

local ALL = {"alloc_events", "alloc_bytes", "realloc_events",
  "realloc_new_bytes", "realloc_old_bytes", "free_events", "free_bytes",
  "live_blocks", "live_bytes"}
local LIVE = {"live_blocks", "live_bytes"}

local function sql(db, query)
  local output, status = run("sqlite3 -batch -noheader -tabs %s %s",
    quote(db), quote(query))
  if status ~= 0 then fail("sqlite3 fails") end
  return output
end

local function check_number(what, got, wanted)
  checks = checks + 1
  if tonumber(got) ~= wanted then
    fail("%s is %s, not %s", what, tostring(got), tostring(wanted))
  end
end

local function check_database(what, db, truth, totals)
  local got = {}
  for line in lines(sql(db, [[
      SELECT name, alloc_events, alloc_bytes, realloc_events,
        realloc_new_bytes, realloc_old_bytes + earlier_realloc_bytes,
        free_events + earlier_free_events, free_bytes + earlier_free_bytes,
        live_blocks, live_bytes
      FROM site]])) do
    local fields, row = split(line), {}
    for i, column in ipairs(ALL) do
      row[column] = tonumber(fields[i + 1])
    end
    add(got, fields[1], row)
  end
  same(what, got, truth, ALL)
  local figures = split(sql(db, [[
    SELECT p.alloc_events, p.realloc_events,
      p.free_events + p.earlier_free_events, p.failed_events, p.live_blocks,
      p.live_bytes, p.complete, p.events - p.alloc_events - p.realloc_events
        - p.free_events - p.earlier_free_events - p.failed_events,
      c.difference, c.site_difference,
      p.born_blocks - p.ended_blocks - p.live_blocks,
      p.born_bytes - p.ended_bytes - p.live_bytes
    FROM profile AS p JOIN conservation AS c USING (profile_id)]]):
      match("^[^\n]*"))
  -- Its totals, unlike its rows, have the failed attempts with the others.
  check_number(what .. " events", figures[1] + figures[2] + figures[4],
    (totals.alloc or 0) + (totals.realloc or 0))
  for i, name in ipairs({false, false, "free", "failed", "live_blocks",
      "live_bytes"}) do
    if name then
      check_number(what .. " " .. name, figures[i], totals[name] or 0)
    end
  end
  check_number(what .. " complete", figures[7],
    totals["end"] == "epilogue" and 1 or 0)
  for i = 8, 12 do
    check_number(what .. " balance " .. i, figures[i], 0)
  end
end

-- The rows of blocks and the view event tell the same as the sites.
local function check_blocks(db)
  check_number("blocks against sites", sql(db, [[
    SELECT count(*) FROM site AS s LEFT JOIN (
      SELECT site_id, count(*) AS born, count(died_event) AS ended,
        sum(size) AS bytes,
        total(iif(died_event IS NULL, size, 0)) AS live
      FROM allocation WHERE born_event IS NOT NULL GROUP BY site_id
    ) AS a USING (site_id)
    WHERE (coalesce(born, 0), coalesce(ended, 0), coalesce(bytes, 0),
        coalesce(live, 0)) IS NOT
      (s.born_blocks, s.ended_blocks, s.born_bytes, s.live_bytes)]]), 0)
  check_number("live_block against sites", sql(db, [[
    SELECT count(*) FROM site AS s LEFT JOIN (
      SELECT site_id, count(*) AS blocks, sum(size) AS bytes
      FROM live_block GROUP BY site_id
    ) AS b USING (site_id)
    WHERE (coalesce(blocks, 0), coalesce(bytes, 0)) IS NOT
      (live_blocks, live_bytes)]]), 0)
  -- A free of no block is an event without a row.
  check_number("event against sites", sql(db, [[
    SELECT count(*) FROM site AS s LEFT JOIN (
      SELECT site_id,
        count(*) FILTER (WHERE kind = 'alloc') AS allocs,
        count(*) FILTER (WHERE kind = 'realloc') AS reallocs,
        count(*) FILTER (WHERE kind = 'free') AS frees,
        coalesce(sum(old_size) FILTER (WHERE kind = 'free'), 0) AS freed,
        coalesce(sum(old_size) FILTER (WHERE kind = 'realloc'), 0) AS old
      FROM event GROUP BY site_id
    ) AS e USING (site_id)
    WHERE (coalesce(allocs, 0), coalesce(reallocs, 0), coalesce(freed, 0),
        coalesce(old, 0)) IS NOT
      (alloc_events, realloc_events, free_bytes + earlier_free_bytes,
        realloc_old_bytes + earlier_realloc_bytes)
      OR coalesce(frees, 0) > free_events + earlier_free_events]]), 0)
end

-- Leaves out of Tarantool's figures what failed: it took it for done.
local function check_theirs(path, figures, overrides, db)
  local theirs, their_overrides = read_text(read(path))
  local failed = {}
  for line in lines(sql(db, [[
      SELECT name, failed_events, failed_bytes FROM site
      WHERE failed_events > 0]])) do
    local fields = split(line)
    failed[fields[1]] = true
    local row = theirs[fields[1]] or {}
    local ours = figures[fields[1]] or {}
    -- Which of the two kinds failed shows in the difference alone.
    local events = (row.alloc_events or 0) + (row.realloc_events or 0)
      - (ours.alloc_events or 0) - (ours.realloc_events or 0)
    local bytes = (row.alloc_bytes or 0) + (row.realloc_new_bytes or 0)
      - (ours.alloc_bytes or 0) - (ours.realloc_new_bytes or 0)
    check_number("failed events", fields[2], events)
    check_number("failed bytes", fields[3], bytes)
    theirs[fields[1]], figures[fields[1]] = nil, nil
  end
  same("Tarantool's text", figures, theirs, {"alloc_events", "alloc_bytes",
    "realloc_events", "realloc_new_bytes", "realloc_old_bytes",
    "free_events", "free_bytes"})
  for key, list in pairs(their_overrides) do
    for name in pairs(list) do
      if not failed[key:match(" (.*)$")] and
          not (overrides[key] and overrides[key][name]) then
        fail("%s: overrides: %s is missing", key, name)
      end
    end
  end
  for key, list in pairs(overrides) do
    for name in pairs(list) do
      if not (their_overrides[key] and their_overrides[key][name]) then
        fail("%s: overrides: %s is too much", key, name)
      end
    end
  end
end

local function check_stream(directory, name, file)
  local base = golden .. "/" .. directory .. "/" .. name
  local stream = golden .. "/" .. directory .. "/" .. file
  local totals, truth = read_truth(base .. ".truth.tsv")
  local wanted = totals["end"] == "epilogue" and 0 or 3
  local db = os.tmpname()

  current = directory .. "/" .. name
  streams = streams + 1
  local text, status = run("%s %s 2>/dev/null", quote(memparse),
    quote(stream))
  check_number("exit status", status, wanted)
  local figures, overrides = read_text(text)
  same("text", figures, truth, ALL)
  local leaks
  leaks, status = run("%s --leak-only %s 2>/dev/null", quote(memparse),
    quote(stream))
  check_number("exit status of --leak-only", status, wanted)
  same("--leak-only", read_text(leaks), truth, LIVE)
  if text:match("HEAP SUMMARY:.*$") ~= leaks then
    fail("--leak-only is not the end of the text")
  end
  for _, summary in ipairs({"--summary", ""}) do
    os.remove(db)
    local output
    output, status = run("%s %s -o %s %s 2>/dev/null", quote(memparse),
      quote(stream), quote(db), summary)
    check_number("exit status of -o", status, wanted)
    if output ~= "" then fail("-o prints: %s", output) end
    check_database("-o " .. summary, db, truth, totals)
    output = run("%s %s 2>/dev/null", quote(memparse), quote(db))
    if output ~= text then fail("the text of the database differs") end
  end
  check_blocks(db)
  if (directory == "master-gc32" or directory == "big") and
      name ~= "b_trace" and name ~= "e_loadstring" and
      read(base .. ".txt") then
    check_theirs(base .. ".txt", figures, overrides, db)
  end
  os.remove(db)
end

local list = run("cd %s 2>/dev/null && ls */*.bin */*.bin.zst 2>/dev/null",
  quote(golden))
if not list:find("%S") then
  print("SKIPPED: no streams in " .. golden)
  os.exit(77)
end
for directory, file in list:gmatch("([^/\n]+)/([^\n]+)\n") do
  check_stream(directory, file:gsub("%.bin.*", ""), file)
end
print(string.format("%d streams, %d checks, %d differences", streams, checks,
  failures))
os.exit(failures == 0 and 0 or 1)
