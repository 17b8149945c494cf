-- stacks_random - a program of random call trees that says what to expect.
--
--   stacks_random.lua SEED > program.lua
--   program.lua STREAM EXPECTED
--
-- Functions call those behind them, in every way there is, at every place
-- with a digit of its own: the argument is the path so far, digit by digit.
-- A block's size belongs to its path, so the program itself knows nothing of
-- stacks, and can be compiled whole. EXPECTED is as stacks_program.lua has it.
math.randomseed(tonumber(arg[1]))
local random = math.random
local lines, meta = {}, {}
local function put(text) lines[#lines + 1] = text end
local FUNCTIONS = 9

-- Ways to call f with a path; "%s" are the function and the path.
local ways = {
  {"f%d(%s)"}, {"local r = f%d(%s)"}, {"f%d(%s)"},
  {"if c %% 3 == 0 then f%d(%s) end"}, {"if c %% 7 > 2 then f%d(%s) end"},
  {"for _ = 1, 3 do f%d(%s) end"}, {"pcall(f%d, %s)", "pcall"},
  {"local x = o%d + (%s)"}, {"local x = o%d[%s]"}, {"v%d(1, 2, %s)", "vararg"},
  {"t%d(%s)", "tail"}, {"return f%d(%s)", "return"},
}

put("local stream, expected = arg[1], arg[2]")
put("local new, memprof = require('ffi').new, require 'ljmemprof'")
put("local pcall, select, setmetatable = pcall, select, setmetatable")
put("local sizes, counts, order, keep, c = {}, {}, {}, {}, 0")
put("local function size_of(p) order[#order + 1] = p counts[p] = 0 "
  .. "sizes[p] = 20011 + 16 * #order return sizes[p] end")
for i = FUNCTIONS, 1, -1 do
  meta[i] = {}
  put(("local function f%d(a, b) local p = b or a c = c + 1"):format(i))
  local digit, ended = 0, false
  for _ = 1, random(2, 5) do
    if i == FUNCTIONS or random(3) == 1 then
      digit = digit + 1
      local path = "p * 16 + " .. digit
      put(("  %slocal q = %s counts[q] = (counts[q] or 0) + 1 keep[1] = "
        .. "new('uint8_t[?]', sizes[q] or size_of(q)) counts[q] = counts[q] "
        .. "%send"):format(random(2) == 1 and "do " or "if c % 4 ~= 0 then ",
        path, ""))
      meta[i][digit] = {line = #lines}
    else
      digit = digit + 1
      local way, callee = ways[random(#ways)], random(i + 1, FUNCTIONS)
      put("  " .. way[1]:format(callee, "p * 16 + " .. digit))
      meta[i][digit] = {line = #lines, way = way[2], callee = callee}
      if way[2] == "return" then ended = true break end
    end
  end
  put(ended and "end" or "return 1 end")
  -- The other ways to come to it.
  put(("local function t%d(p) return f%d(p) end"):format(i, i))
  put(("local function v%d(...) local p = select(select('#', ...), ...)")
    :format(i))
  put(("  f%d(p) return ... end"):format(i))
  meta[i].vararg = #lines
  put(("local o%d = setmetatable({}, {__add = f%d, __index = f%d})")
    :format(i, i, i))
end
put("jit.opt.start('hotloop=" .. random(2, 8) .. "', 'hotexit="
  .. random(2, 5) .. "')")
put("assert(memprof.start(stream, {stacks = true, gc = false}))")
put("for i = 1, 1000 do f1(1) end")
local main_line = #lines
put("assert(memprof.stop())")
put("local meta, file, C = {}, io.open(expected, 'w')")
for i = 1, FUNCTIONS do
  put(("meta[%d] = {vararg = %d}"):format(i, meta[i].vararg))
  for digit, m in ipairs(meta[i]) do
    put(("meta[%d][%d] = {line = %d, way = %s, callee = %s}"):format(i, digit,
      m.line, m.way and "'" .. m.way .. "'" or "nil", m.callee or "nil"))
  end
end
put(([[
local source = debug.getinfo(1, "S").source .. ":"
for n, path in ipairs(order) do
  local digits, p = {}, path
  while p > 1 do
    table.insert(digits, 1, p %% 16)
    p = (p - p %% 16) / 16
  end
  local frames, at = {"C", source .. %d}, 1
  for _, digit in ipairs(digits) do
    local m = meta[at][digit]
    if m.way ~= "return" then frames[#frames + 1] = source .. m.line
    else frames[#frames + 1] = nil end
    if m.way == "pcall" then frames[#frames + 1] = "pcall" end
    if m.way == "vararg" then
      frames[#frames + 1] = source .. meta[m.callee].vararg
    end
    at = m.callee
  end
  frames[#frames + 1] = "ffi.new"
  if not arg[3] then table.remove(frames, 1) end
  for i = 1, #frames / 2 do
    frames[i], frames[#frames - i + 1] = frames[#frames - i + 1], frames[i]
  end
  file:write(20011 + 16 * n, "\t", counts[path] + 1, "\t",
    table.concat(frames, "\t"), "\n")
end
file:close()]]):format(main_line))
io.write(table.concat(lines, "\n"), "\n")
