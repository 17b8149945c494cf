-- stacks_check - are the stacks of a stream what was expected?
--
--   memparse --dump STREAM | stacks_check.lua EXPECTED DEPTH
--
-- EXPECTED as stacks_program.lua writes it. Gaps stand for any frames, and so
-- does a trace for its own; everything else must be the same. Prints what
-- differs, and how many events had all their frames.
local expected, depth = arg[1], tonumber(arg[2])
local strings, protos, functions, frames, callsites = {}, {}, {}, {}, {}
local seen = {} -- by size: a list of {callsite, count}

local function name_of(frame)
  local proto, line = frame:match("^lua (%d+):(%d+)")
  if proto then return protos[tonumber(proto)] .. ":" .. line end
  local f = frame:match("^c (%d+)")
  if f then return functions[tonumber(f)] end
  if frame:match("^gap 0") then return "DEEPER" end
  return "GAP"
end

local function stack_of(callsite)
  local stack = {}
  while callsite > 0 do
    stack[#stack + 1] = name_of(frames[callsites[callsite].frame])
    callsite = callsites[callsite].parent
  end
  return stack
end

local readers = {
  string = function(rest)
    strings[#strings + 1] = rest:match('^"(.*)"$')
  end,
  proto = function(rest)
    protos[#protos + 1] = strings[tonumber(rest:match("^%d+"))]
  end,
  ["function"] = function(rest)
    functions[#functions + 1] = strings[tonumber(rest:match("(%d+)$"))]
  end,
  frame = function(rest) frames[#frames + 1] = rest end,
  callsite = function(rest)
    local parent, frame = rest:match("^(%d+) (%d+)$")
    callsites[#callsites + 1] =
      {parent = tonumber(parent), frame = tonumber(frame)}
  end,
  alloc = function(rest)
    local callsite, size = rest:match("^@(%d+) 0x%x+ (%d+)")
    size = tonumber(size)
    seen[size] = seen[size] or {}
    seen[size][callsite] = (seen[size][callsite] or 0) + 1
  end,
}
for line in io.stdin:lines() do
  -- Behind two spaces and a mark are remarks for people.
  local word, rest = line:match("^(%S+) (.-)%s*$")
  rest = rest and (rest:match('^(.-)  # [^"]*$') or rest)
  if readers[word] then readers[word](rest) end
end

-- A C function that has no name here may have any.
local function same(frame, wanted)
  return frame == wanted or wanted == "C" and not frame:match(":%d+$") and
    frame ~= "GAP" and frame ~= "DEEPER"
end

-- Does the stack fit? Frames that compiled code has inlined are not there, a
-- built-in that it called is none.
local function fits(stack, wanted, i, k)
  local frame = stack[i]
  if not frame then return not wanted[k] end
  if frame == "DEEPER" then
    return i == #stack and #stack == depth + 1 and #wanted > depth
  end
  if frame == "GAP" then
    for skip = k, #wanted + 1 do
      if fits(stack, wanted, i + 1, skip) then return true end
    end
    return false
  end
  return wanted[k] and same(frame, wanted[k]) and
    fits(stack, wanted, i + 1, k + 1)
end

local places, events, whole, wrong = 0, 0, 0, 0
for line in io.lines(expected) do
  local size, times, rest = line:match("^(%d+)\t(%d+)\t(.*)$")
  local wanted, n = {}, 0
  for frame in rest:gmatch("[^\t]+") do wanted[#wanted + 1] = frame end
  -- The header of such an object comes on top, without GC64 it is smaller.
  for callsite, count in pairs(seen[size + 24] or seen[size + 16] or {}) do
    local stack = stack_of(tonumber(callsite))
    local from = stack[1]:match(":%d+$") and wanted[1]:match("^ffi") and 2 or 1
    n = n + count
    if not fits(stack, wanted, 1, from) then
      wrong = wrong + 1
      print(size, "expected", table.concat(wanted, " < "))
      print("", "stored", table.concat(stack, " < "))
    end
    local all = true
    for _, frame in ipairs(stack) do all = all and frame ~= "GAP" end
    if all then whole = whole + count end
  end
  places, events = places + 1, events + n
  if n ~= tonumber(times) then
    wrong = wrong + 1
    print(size, "made " .. times .. " times, seen " .. n)
  end
end
print(("places: %d, events: %d, whole: %.1f %%, wrong: %d"):format(places,
  events, 100 * whole / events, wrong))
