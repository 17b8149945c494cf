-- check.lua - does a function leak? For tests, within the process.
--
--   local check = require "ljmemprof.check"
--   check(f [, {runs = 5, warmup = 1, max_bytes = 0}])
--
-- Calls f warmup times, then runs times, collects all garbage after each run,
-- and looks at what each line holds of the blocks that were made since the
-- check began. Raises, at the caller's level, when lines leak: with a line of
-- text for each, the largest first. A line leaks when it holds more than
-- max_bytes * runs bytes more than after the warm-up, and either every run
-- left it with more blocks, or it never held less than before and grew in two
-- runs at least (in one, if that is all), one of them in the later half.
--
-- Returns a table of what all lines hold more than after the warm-up: bytes,
-- blocks, bytes_per_run, blocks_per_run, runs. An error of f is raised again
-- as it is. See check.c for how the module is found.
local watch = ...

local MAX_LINES = 10
local MAX_RUNS = 10000

local has_jit, jit = pcall(require, "jit")
if has_jit then
  -- No trace shall begin here and go on in what is checked.
  jit.off(true, true)
end

-- What an option must be, and what it is if it is not given.
local known = {
  runs = {default = 5, least = 1, most = MAX_RUNS, whole = true,
    text = "a whole number from 1 to " .. MAX_RUNS},
  warmup = {default = 1, least = 0, most = MAX_RUNS, whole = true,
    text = "a whole number from 0 to " .. MAX_RUNS},
  max_bytes = {default = 0, least = 0, most = math.huge,
    text = "a number of bytes, 0 or more"},
}

-- At the level of check's caller; depth: of check's functions above it.
local function fail(depth, text)
  error("ljmemprof.check: " .. text, depth + 2)
end

local function is_valid(option, value)
  return type(value) == "number" and value >= option.least and
    value <= option.most and not (option.whole and value % 1 ~= 0)
end

local function read_options(given)
  local options = {}
  if given ~= nil and type(given) ~= "table" then
    fail(2, "the options are a table, not a " .. type(given))
  end
  for name, value in pairs(given or {}) do
    local option = known[name]
    if not option then
      fail(2, "there is no option '" .. tostring(name) ..
        "', only 'runs', 'warmup' and 'max_bytes'")
    end
    if not is_valid(option, value) then
      fail(2, "option '" .. name .. "' is " .. option.text)
    end
    options[name] = value
  end
  for name, option in pairs(known) do
    if options[name] == nil then options[name] = option.default end
  end
  return options
end

local function check_callable(f)
  local meta = getmetatable(f)
  if type(f) == "function" or type(meta) == "table" and meta.__call then
    return
  end
  fail(2, "what is checked is a function, not a " .. type(f))
end

-- As Lua's own messages name chunks, but whole.
local function chunk_name(name)
  local first = name:sub(1, 1)
  if first == "@" or first == "=" then return name:sub(2) end
  return '[string "' .. name:match("^[^\n]*") .. '"]'
end

local function place_name(place)
  -- A C function that nobody but the check called.
  if place.name == "=ljmemprof.check" then return "the function itself" end
  if place.kind == "function" then return place.name end
  if place.kind == "unknown" then return "unknown" end
  local at = chunk_name(place.name) .. ":" .. place.line
  return place.kind == "trace" and "TRACE started at " .. at or at
end

local function describe(place, runs)
  local blocks = "larger blocks"
  if place.blocks > 0 then
    blocks = place.blocks .. (place.blocks == 1 and " block" or " blocks")
  end
  return ("  %s: %.0f B in %s over %d %s"):format(place_name(place),
    place.bytes, blocks, runs, runs == 1 and "run" or "runs")
end

local function is_before(a, b)
  if a.bytes ~= b.bytes then return a.bytes > b.bytes end
  if a.name ~= b.name then return a.name < b.name end
  return a.line < b.line
end

local function message_of(leaks, runs)
  local lines, rest = {}, 0
  table.sort(leaks, is_before)
  lines[1] = #leaks == 1 and "1 line leaks:" or #leaks .. " lines leak:"
  for i, place in ipairs(leaks) do
    if i <= MAX_LINES then
      lines[#lines + 1] = describe(place, runs)
    else
      rest = rest + place.bytes
    end
  end
  if rest > 0 then
    lines[#lines + 1] = ("  and %d more lines: %.0f B"):format(
      #leaks - MAX_LINES, rest)
  end
  return table.concat(lines, "\n")
end

-- One line for all runs: what is alive of its own at the end is so each time.
local function end_run(handle)
  local ok, message = watch.run_ended(handle)
  return ok, message
end

-- No garbage of its own: what is made here while watched would be counted.
local function run_all(handle, f, options)
  local ok, message
  for i = 1 - options.warmup, options.runs do
    if i == 1 then
      ok, message = end_run(handle)
      if not ok then return false, nil, message end
    end
    ok, message = pcall(f)
    if not ok then return false, message end
    message = nil -- what f returns is garbage, too
    -- What is compiled holds tables and functions that it was made for.
    if has_jit then jit.flush() end
    if i >= 1 then
      ok, message = end_run(handle)
      if not ok then return false, nil, message end
    end
  end
  return true
end

return function(f, given)
  check_callable(f)
  local options = read_options(given)
  local handle, message = watch.start(options.runs)
  if not handle then fail(1, message) end
  local ok, raised, missed = run_all(handle, f, options)
  local leaks, sums
  if ok then leaks, sums = watch.result(handle, options.max_bytes) end
  watch.stop(handle)
  if missed then fail(1, missed) end
  if not ok then error(raised, 0) end
  if #leaks > 0 then error(message_of(leaks, options.runs), 2) end
  sums.runs = options.runs
  sums.bytes_per_run = sums.bytes / options.runs
  sums.blocks_per_run = sums.blocks / options.runs
  return sums
end
