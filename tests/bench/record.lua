-- record - six programs that allocate much, timed with and without recording.
--
--   luajit record.lua PROGRAM STREAM [HOW]
--
-- prints its seconds; STREAM "-": none; HOW: "plain" for format 3, "compact",
-- or "stacks" for the compact stream with them.
--
-- The time includes stop(), which writes the last buffer.
local ffi = require "ffi"
ffi.cdef [[
  typedef struct { long s, ns; } bench_time;
  int clock_gettime(int, bench_time *);
]]
local t = ffi.new "bench_time"
local function now()
  ffi.C.clock_gettime(1, t)
  return tonumber(t.s) + tonumber(t.ns) * 1e-9
end

local programs = {}

function programs.trees()
  local function tree(depth)
    if depth == 0 then return {} end
    return {tree(depth - 1), tree(depth - 1)}
  end
  local function count(node)
    return node[1] and 1 + count(node[1]) + count(node[2]) or 1
  end
  local n = 0
  for _ = 1, 40 do n = n + count(tree(14)) end
  return n
end

function programs.strings()
  local n = 0
  for i = 1, 1500000 do
    local key = "key" .. i
    n = n + #(key .. ":" .. i % 1000)
  end
  return n
end

function programs.growth()
  local n = 0
  for r = 1, 60000 do
    local list, map = {}, {}
    for i = 1, 40 do list[i] = i end
    map.a, map.b, map.c, map.d, map.e = 1, 2, 3, 4, r
    n = n + #list + map.e
  end
  return n
end

function programs.closures()
  local n, kept = 0, {}
  for i = 1, 2000000 do
    local x = i
    local f = function() x = x + 1 return x end
    n = n + f()
    kept[i % 100 + 1] = f
  end
  return n
end

function programs.objects()
  local point = {}
  point.__index = point
  point.__add = function(a, b)
    return setmetatable({x = a.x + b.x, y = a.y + b.y}, point)
  end
  local sum, kept = setmetatable({x = 0, y = 0}, point), {}
  for i = 1, 1500000 do
    sum = sum + setmetatable({x = i, y = -i}, point)
    kept[i % 50 + 1] = sum
  end
  return sum.x
end

function programs.deep()
  local function descend(depth, n)
    if depth > 0 then
      local result = descend(depth - 1, n)
      return result
    end
    local t
    for i = 1, n do t = {i, {}} end
    return t
  end
  for _ = 1, 1500 do descend(50, 1000) end
end

local program, stream = programs[arg[1]], arg[2]
local memprof
if stream ~= "-" then
  local how = arg[3] or "plain"
  memprof = how == "plain" and require("misc").memprof or require "ljmemprof"
  assert(memprof.start(stream, how ~= "plain"
    and {gc = false, stacks = how == "stacks"} or nil))
end
local start = now()
program()
if memprof then assert(memprof.stop()) end
print(("%.6f"):format(now() - start))
