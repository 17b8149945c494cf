-- Writes a program whose every allocation site has a size of its own.
--
--   luajit unique_sizes.lua SEED PROGRAM EXPECTED [no-escapes]
--
-- PROGRAM is run as: luajit PROGRAM STREAM, records itself into STREAM.
-- EXPECTED gets a line a site: LINE SIZE COUNT; blocks of SIZE to SIZE + 47
-- bytes come from LINE and from nowhere else, COUNT of them (-1: any number).
-- Results are kept and texts never repeat, so that no compiler can leave an
-- allocation out (but where COUNT is -1) and no string is found interned.

local seed, program_name, expected_name = tonumber(arg[1]), arg[2], arg[3]

-- A generator of our own: math.random differs between VMs.
local state = seed * 7919 + 17
local function random(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return math.floor(state / 65536) % n + 1
end

local ROUNDS = 40
local lines, sites, next_size = {}, {}, 2048

local function emit(text)
  lines[#lines + 1] = text
  return #lines
end

-- The VM's own buffers grow in powers of two: no window may hold one.
local function new_size()
  next_size = next_size + 64
  if next_size == 4096 or next_size == 8192 or next_size == 16384 then
    next_size = next_size + 64
  end
  return next_size
end

-- Kinds of sites: each statement counts c up for a fresh key of 8 bytes.
local kinds = {
  function(s) return ("keep[1] = rep(keys[c], %d)"):format(s / 8) end,
  function(s) return ("keep[1] = pad[%d] .. keys[c]"):format(s - 8) end,
  function(s)
    return ("keep[1] = keys[c] .. pad[%d] .. keys[c]"):format(s - 16)
  end,
  function(s) return ("keep[1] = tnew(%d, 0)"):format(s / 8 - 1) end,
  function(s) return ("keep[1] = ffi.new('uint8_t[?]', %d)"):format(s) end,
  function(s)
    return ("keep[1] = fmt('%%s%%s', pad[%d], keys[c])"):format(s - 8)
  end,
  function(s)
    return ("keep[2] = keys[c] keep[3] = pad[%d] " ..
      "keep[1] = concat(keep, '', 2, 3)"):format(s - 8)
  end,
  function(s)
    return ("keep[1] = {unpack(ones, 1, %d)}"):format(s / 8 - 1)
  end,
  function(s) return ("keep[1] = keys[c]:rep(%d)"):format(s / 8) end,
  function(s)
    return ("keep[1] = reverse(pad[%d] .. keys[c])"):format(s - 8), 2
  end,
  function(s)
    return ("keep[1] = upper(pad[%d] .. keys[c])"):format(s - 8), 2
  end,
  function(s) return ("keep[1] = bytes(%d)"):format(s) end,
  function(s)
    return ("raw[0] = c + #keys[c] keep[1] = ffi.string(raw, %d)"):format(s)
  end,
  function(s) return ("keep[1] = sub(text, c, c + %d)"):format(s - 1) end,
  function(s) return ("keep[1] = (c + 1e5) .. pad[%d]"):format(s - 8) end,
  function(s)
    return ("keep[1] = fmt('%%s%%d%%9.1f', pad[%d], c + 1e5, c)"):format(s - 16)
  end,
  function(s) return ("keep[1] = rep(keys[c], %d, ',')"):format(s / 9) end,
  function(s)
    return ("keep[1] = buffer:reset():put(pad[%d], keys[c]):tostring()")
      :format(s - 8)
  end,
  function(s)
    return ("buffer:reset():put(pad[%d], keys[c]) keep[1] = buffer:get()")
      :format(s - 8)
  end,
}

local noise = {
  "local q = c * 2 + 1", "if c % 7 == 0 then keep.x = c end",
  "local z = keys[c]", "keep[4] = c", "local u = #keys + c",
  "do local w = c; w = w + 1 end", "local y = keep.x or 0",
  "if c % 5 == 0 then keep[5] = function() return c end end",
  "local p = {x = c, y = {c}} if c % 6 == 0 then keep.p = p end",
  "local n = ffi.cast('int64_t', c) if n % 9 == 0 then keep.n = n end",
  "local t = {} for q = 1, c % 4 do t[q] = q end",
  "local t = {} t.a = c t.b = c if c % 11 == 0 then keep.t = t end",
  "keep.s = tostring(c)", "insert(list, c) if c % 50 == 0 then list = {} end",
}

-- A compiler leaves out what is stored where the next store goes.
local slot = 6
local function site_text(times)
  local size = new_size()
  local text, blocks = kinds[random(#kinds)](size)
  slot = slot < 25 and slot + 1 or 6
  text = text:gsub("keep%[1%]", ("keep[%d]"):format(slot))
  blocks = blocks or 1
  return text, size, (times < 0 or blocks < 0) and -1 or times * blocks
end

-- count statements, each executed times times a round.
local function body(count, times)
  for _ = 1, count do
    for _ = 1, random(3) - 1 do
      emit("  do " .. noise[random(#noise)] .. " end")
    end
    local text, size, blocks = site_text(times)
    local line = emit("  c = c + 1 " .. text)
    sites[#sites + 1] = {line, size, blocks}
  end
end

local calls = {}
local function called(text)
  calls[#calls + 1] = text
end

local function plain_functions()
  for i = 1, 5 do
    emit(("local function plain%d(i)"):format(i))
    body(3, 1)
    emit("end")
    called(("plain%d(i)"):format(i))
  end
end

local function nested_calls()
  emit("local function inner(i)")
  body(2, 4)  -- from outer, tail and protected twice
  emit("  return i")
  emit("end")
  emit("local function outer(i)")
  body(1, 1)
  emit("  local r = inner(i)")
  body(1, 1)
  emit("  return r")
  emit("end")
  called("outer(i)")
  emit("local function tail(i)")
  body(1, 1)
  emit("  return inner(i)")
  emit("end")
  called("tail(i)")
  emit("local function vararg(i, ...)")
  body(1, 1)
  emit("  local t = select('#', ...)")
  body(1, 1)
  emit("  return ...")
  emit("end")
  called("vararg(i, 1, 2, 3)")
end

local function metamethods()
  emit("local mt = {}")
  for _, m in ipairs{"index = function(t, k)", "newindex = function(t, k, v)",
      "add = function(a, b)", "concat = function(a, b)",
      "call = function(self, n)", "lt = function(a, b)",
      "unm = function(a)"} do
    emit("mt.__" .. m)
    body(1, 1)
    emit("  return true end")
  end
  emit("local o1, o2 = setmetatable({}, mt), setmetatable({}, mt)")
  emit("local function operators(i)")
  for _, expression in ipairs{"local x = o1.field", "o1.other = i",
      "local y = o1 + i", "local z = o1 .. 'z'", "local w = o1(i)",
      "local l = o1 < o2", "local n = -o1"} do
    emit("  " .. expression)
    body(1, 1)
  end
  emit("end")
  called("operators(i)")
end

local function errors_and_coroutines()
  emit("local function thrower(i)")
  body(1, 1)
  emit("  error(true)")
  emit("end")
  emit("local function protected(i)")
  emit("  pcall(thrower, i)")
  body(1, 1)
  emit("  xpcall(function() return inner(i) end, function() end)")
  emit("  pcall(inner, i)")
  body(1, 1)
  emit("end")
  called("protected(i)")
  emit("local function within(i)")
  body(1, 1)
  emit("  coroutine.yield(i)")
  body(1, 1)
  emit("end")
  emit("local function resumer(i)")
  emit("  local co = coroutine.create(within)")
  emit("  coroutine.resume(co, i)")
  body(1, 1)
  emit("  coroutine.resume(co)")
  emit("  coroutine.resume(co)")  -- dead by now
  body(1, 1)
  emit("end")
  called("resumer(i)")
end

local function callbacks()
  emit("local function callback(i)")
  emit("  sort({3, 2, 1}, function(a, b)")
  body(1, -1)
  emit("    return a < b")
  emit("  end)")
  emit("  gsub('ab', '.', function(a)")
  body(1, 2)
  emit("  end)")
  emit("end")
  called("callback(i)")
end

local function loops()
  emit("local function loop(i)")
  emit("  for j = 1, 2 do")
  body(1, 2)
  emit("  end")
  emit("  for k, v in pairs({1, 2, 3}) do")
  body(1, 3)
  emit("  end")
  emit("  local j = 0")
  emit("  while j < 2 do j = j + 1")
  body(1, 2)
  emit("  end")
  emit("  repeat j = j - 1")
  body(1, 2)
  emit("  until j <= 0")
  emit("  for a = 1, 3 do for b = a, 3 do")
  body(1, 6)
  emit("  end end")
  emit("  for a = 1, 9 do")
  emit("    if a % 3 == 0 then break end")
  body(1, 2)
  emit("    if a % 2 == 0 then goto skip end")
  body(1, 1)
  emit("    ::skip::")
  emit("  end")
  emit("  if i % 2 == 0 then")
  body(1, 0.5)
  emit("  else")
  body(1, 0.5)
  emit("  end")
  emit("end")
  called("loop(i)")
end

-- A statement over several lines: each call has the line of its own.
local function long_statements()
  emit("local function long(i)")
  emit("  c = c + 1")
  emit("  local t = {")
  for _, name in ipairs{"a", "b"} do
    local size = new_size()
    local line = emit(("    %s = rep(keys[c], %d),"):format(name, size / 8))
    sites[#sites + 1] = {line, size, 1}
  end
  emit("  }")
  emit("  keep[1] = t")
  emit("end")
  called("long(i)")
end

local function recursion()
  emit("local function recurse(n)")
  emit("  if n == 0 then return 0 end")
  body(1, 6)
  emit("  return 1 + recurse(n - 1)")
  emit("end")
  called("recurse(6)")
end

local function more_recursion()
  emit("local even, odd")
  emit("function even(n)")
  body(1, 9)
  emit("  return n == 0 or odd(n - 1)")
  emit("end")
  emit("function odd(n)")
  body(1, 8)
  emit("  return n ~= 0 and even(n - 1)")
  emit("end")
  called("even(16)")
  emit("local function tree(n)")
  emit("  if n < 2 then")
  body(1, 5)
  emit("    return 1")
  emit("  end")
  emit("  local l = tree(n - 1)")
  body(1, 4)
  emit("  return l + tree(n - 2)")
  emit("end")
  called("tree(4)")
  emit("local function pass(n, ...)")
  emit("  if n == 0 then return ... end")
  body(1, 5)
  emit("  return pass(n - 1, n, ...)")
  emit("end")
  called("pass(5)")
end

-- Objects that a compiler makes only when they are needed: on leaving its
-- code, or at the head of a side trace, several at once and in any order. Only
-- tables from a list of values can be such; these sizes are nobody else's.
local small_size = 1024
local function escapes()
  for i = 1, 4 do
    emit(("local function escape%d(i)"):format(i))
    emit(("  for j = 1, %d do"):format(2 + random(6)))
    emit("    c = c + 1")
    local names = {"a", "b", "d"}
    for _, name in ipairs(names) do
      small_size = small_size + 64
      local line = emit(("    local %s = {%s c}"):format(name,
        ("c, "):rep(small_size / 8 - 2)))
      sites[#sites + 1] = {line, small_size, -1}
    end
    for _ = 1, random(3) do
      local x, y = names[random(3)], names[random(3)]
      emit(({
        "    if c % 2 == 0 then keep.x = X end",
        "    if c % 3 == 0 then keep.x, keep.y = X, Y end",
        "    if i % 2 == 0 then X = Y end",
        "    if c % 5 == 0 then keep.x = {Y, X} end",
        "    keep.z = X[1]",
        "    X.k = c if i % 4 == 3 then keep.y = X end",
      })[random(6)]:gsub("[XY]", {X = x, Y = y}))
    end
    body(random(2), -1)
    emit(("    keep.x = c %% 4 == 0 and %s"):format(names[random(3)]))
    emit("  end")
    emit("end")
    called(("escape%d(i)"):format(i))
  end
end

local function iterators()
  emit("local function step(s, n)")
  emit("  if n >= 3 then return nil end")
  body(1, 3)
  emit("  return n + 1")
  emit("end")
  emit("local function iterate(i)")
  emit("  for n in step, nil, 0 do")
  body(1, 3)
  emit("  end")
  emit("  for n in coroutine.wrap(function()")
  emit("    for n = 1, 2 do")
  body(1, 2)
  emit("      coroutine.yield(n)")
  emit("    end")
  emit("  end) do")
  body(1, 2)
  emit("  end")
  emit("end")
  called("iterate(i)")
end

local function main_chunk()
  emit("local function round(i)")
  emit("  " .. table.concat(calls, " "))
  emit("end")
  emit("collectgarbage() collectgarbage()")
  emit("assert(misc.memprof.start(arg[1]))")
  emit(("for i = 1, %d do round(i) end"):format(ROUNDS))
  emit("collectgarbage() collectgarbage()")
  emit("assert(misc.memprof.stop())")
end

emit("local misc = require 'misc'")
emit("local ffi, tnew = require 'ffi', require 'table.new'")
emit("local rep, fmt, reverse, upper = string.rep, string.format, " ..
  "string.reverse, string.upper")
emit("local concat, sort, gsub = table.concat, table.sort, string.gsub")
emit("local unpack, ones = unpack, {}")
emit("for i = 1, 4000 do ones[i] = i end")
emit("local c, keep, keys, pad = 0, {}, {}, {}")
emit("for i = 1, 25 do keep[i] = '' end")
emit("local insert, list, sub = table.insert, {}, string.sub")
emit("local bytes, raw = ffi.typeof('uint8_t[?]'), " ..
  "ffi.new('uint32_t[10000]')")
emit("local buffer = require('string.buffer').new()")
emit("for i = 1, 50000 do keys[i] = fmt('%08d', i) end")
emit("local text = concat(keys)")
local pads = emit("-- pads")

local parts = {plain_functions, nested_calls, metamethods,
  errors_and_coroutines, callbacks, loops, long_statements, recursion,
  more_recursion, iterators, arg[4] ~= 'no-escapes' and escapes or nil}
-- inner is called by later parts: it comes first, the others in any order.
nested_calls()
table.remove(parts, 2)
while #parts > 0 do
  table.remove(parts, random(#parts))()
end
main_chunk()

-- Texts to build on, made before the recording starts.
lines[pads] = ("for s = 2048, %d, 64 do pad[s - 8] = ('p'):rep(s - 8) " ..
  "pad[s - 16] = ('q'):rep(s - 16) end"):format(next_size)

local out = assert(io.open(program_name, "w"))
out:write(table.concat(lines, "\n"), "\n")
out:close()
out = assert(io.open(expected_name, "w"))
for _, s in ipairs(sites) do
  local count = s[3] < 0 and -1 or s[3] * ROUNDS
  out:write(("%d\t%d\t%d\n"):format(s[1], s[2], count))
end
out:close()
