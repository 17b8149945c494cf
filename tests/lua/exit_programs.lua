-- Writes a program whose compiled code saves itself tables and cdata, several
-- alike, and makes them anew when it is left.
--
--   luajit exit_programs.lua SEED PROGRAM
--
-- PROGRAM is run as: luajit PROGRAM STREAM BLOCKS [stacks]; records itself into
-- STREAM. BLOCKS gets a line for each block of the tables that are alive then:
-- TABLE PART ADDRESS. Which table has which number does not depend on what is
-- compiled, nor on which line a block of it belongs to.

local seed, program_name = tonumber(arg[1]), arg[2]

local state = seed * 7919 + 29
local function random(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return math.floor(state / 65536) % n + 1
end

local lines = {}
local function emit(text, ...)
  lines[#lines + 1] = text:format(...)
end

local function list(n)
  return "{" .. ("c, "):rep(n) .. "}"
end

-- Made with; all but cdata are tables.
local shapes = {
  "{}", "{}", "{}", "{c}", "{c, c}", "{c, c, c}", "{1, 2}", "{1, c}",
  "{x = c}", "{x = c, y = 1}", "{x = 1, y = 2, z = c}", "{c, x = 1}",
  "{1, 2, 3, x = 'x'}", list(15), list(16), list(20), list(20),
  "tnew(4, 0)", "tnew(0, 3)", "tnew(5, 5)", "setmetatable({}, mt)",
  "setmetatable({c, c}, mt)", "one(c)", "two(c)", "keyed(c)",
  "{{c}, {c}}", "inside(c)", "deeper(c)",
}
local cdata = {"ct(c)", "c + 1LL", "cast('int64_t', c)", "new('int[4]', c)"}

-- Done to a local that holds a table.
local changes = {
  "X.k = c", "X.l = c", "X.m = c", "X.k = c X.l = c X.m = c", "X[1] = c",
  "X[2] = c", "X[3] = c", "X[true] = c", "X[1.5] = c", "X[-1] = c",
  "X[21] = c", "X.t = Y", "X[1] = {c}",
  "X, Y = Y, X", "X = Y", "if c %% 2 == 0 then X, Y = Y, X end",
  "if c %% 3 == 0 then X.n = c end", "if c %% 5 == 0 then X = {c} end",
  "setmetatable(X, mt)", "local q = X.x", "local q = #X",
}

-- Ways to leave the compiled code with the tables in hand.
local escapes = {
  "if c %% N == 0 then hold(X) end", "if c %% N == 0 then hold(X) hold(Y) end",
  "if c %% N == 0 then hold(Y) hold(X) hold(Z) end",
  "if c %% N == 0 then hold({X, Y, Z}) end",
  "if i %% 4 == 3 then hold(X) hold(Z) end",
  "if c %% N == 0 then pcall(throw, X) hold(Y) end",
  "if c %% N == 0 then yield(X) end",
  "local h = c %% N == 0 and hold(Z)",
}

local names = {"a", "b", "d"}
local function of_three(text)
  local x = random(3)
  local y = (x + random(2) - 1) % 3 + 1
  local names = {X = names[x], Y = names[y], Z = names[6 - x - y],
    N = 2 + random(9)}
  return (text:gsub("%%%%", "%%"):gsub("%f[%w]%u%f[%W]", names))
end

local function loop(n)
  emit("local function loop%d(i)", n)
  emit("  for j = 1, %d do", 3 + random(8))
  emit("    c = c + 1")
  -- A line or two for each, so that alike ones are not of one line.
  for i = 1, 3 do
    emit("    local %s = %s", names[i], shapes[random(#shapes)])
    if random(4) == 1 then
      emit("    local e%d = %s", i, cdata[random(#cdata)])
    end
  end
  for _ = 1, random(6) do
    lines[#lines + 1] = "    " .. of_three(changes[random(#changes)])
  end
  for _ = 1, random(3) do
    lines[#lines + 1] = "    " .. of_three(escapes[random(#escapes)])
  end
  emit("  end")
  emit("end")
end

for line in ([[
local misc = arg[3] and require "ljmemprof" or require("misc").memprof
local ffi, tnew = require "ffi", require "table.new"
local cast, new = ffi.cast, ffi.new
local ct = ffi.typeof("struct { int x, y, z; }")
local c, held, count, mt = 0, tnew(100000, 0), 0, {}
local function hold(t)
  if type(t) ~= "table" or count == 100000 then return end
  count = count + 1
  held[count] = t
end
local function throw(t) hold(t) error(true) end
local function yield(t)
  hold(t)
  if coroutine.running() then coroutine.yield() end
end
local function one(n) return {n} end
local function two(n)
  local t = one(n)
  t.two = n
  return t
end
local function keyed(n)
  local t = {}
  t.k = n
  t.l = n
  t.m = n
  return t
end
-- Left in the middle of a function that the caller's code has inlined.
local function inside(n)
  local t = {n}
  local u = {n}
  if n % 7 == 0 then hold(u) end
  t.u = n
  return t
end
local function deeper(n)
  local t = {n}
  local u = inside(n)
  if n % 5 == 0 then hold(t) end
  return u
end
]]):gmatch("[^\n]+") do
  lines[#lines + 1] = line
end
for n = 1, 6 do
  loop(n)
end
emit("assert(misc.start(arg[1], arg[3] and {stacks = true} or nil))")
emit("for i = 1, 60 do")
for n = 1, 6 do
  emit("  loop%d(i)", n)
end
emit("  local co = coroutine.wrap(function() loop%d(i) loop%d(i) return true "
  .. "end)", random(6), random(6))
emit("  repeat until co()")
if random(4) == 1 then
  emit("  if i %% 20 == 0 then jit.flush() end")
end
if random(4) == 1 then
  emit("  if i %% 15 == 0 then collectgarbage() end")
end
emit("end")
emit("assert(misc.stop())")
for line in ([[
-- Where a table has its array and its nodes.
local wide = ffi.abi("gc64")
local pointer = wide and "uint64_t *" or "uint32_t *"
local out = io.open(arg[2], "w")
local function part(i, name, address)
  out:write(i, "\t", name, "\t", string.format("%.0f", address), "\n")
end
for i = 1, count do
  local address = tonumber((("%p"):format(held[i]):gsub("^0x", "")), 16)
  local at = ffi.cast("char *", address)
  local u32 = ffi.cast("uint32_t *", at + (wide and 48 or 24))
  local array = tonumber(ffi.cast(pointer, at + (wide and 16 or 8))[0])
  local node = tonumber(ffi.cast(pointer, at + (wide and 40 or 20))[0])
  part(i, "header", address)
  if u32[0] > 0 and array ~= address + (wide and 64 or 32) then
    part(i, "array", array)
  end
  if u32[1] > 0 then part(i, "nodes", node) end
end
out:close()
]]):gmatch("[^\n]+") do
  lines[#lines + 1] = line
end

local out = assert(io.open(program_name, "w"))
out:write(table.concat(lines, "\n"), "\n")
out:close()
