-- Functions that are called in every way: arg[1] the stream, arg[2] what the
-- debug API calls a function, "first-line line name", - for none.
local memprof = require "ljmemprof"
local out, keep = assert(io.open(arg[2], "w")), {}

-- To be called by the function on the line of its allocation.
local function here()
  local info = debug.getinfo(2, "nlS")
  out:write(info.linedefined, " ", info.currentline, " ", info.name or "-",
    "\n")
  return {}
end
local function add(t) keep[#keep + 1] = t end

function global() add {here()} return 1 end
local function named() add {here()} return 2 end
local other = function() add {here()} return 3 end
local t = {field = function() add {here()} return 4 end, deep = {}}
function t:method() add {here()} return 5 end
t.deep.er = function() add {here()} return 6 end
t[1] = function() add {here()} return 7 end
local key = "key"
t[key] = function() add {here()} return 8 end
local function tail() add {here()} return 9 end
local function calls_tail() return tail() end
local function parameter(f) return f() + 1 end
local function either(x)
  local a = function() add {here()} return 10 end
  local b = function() add {here()} return 11 end
  return (x and a or b)() + 1
end
local function upvalues() return named() + global() end
local function arguments(...)
  return t.many(1, "x", {}, {...}, function() end, -1 * #arg, not t,
    named(), t.deep.er(), t:method(), "a" .. key, ...) + 1
end
t.many = function(...) add {here()} return select("#", ...) end
local function reassigned() add {here()} return 12 end
local function recursive(n)
  add {here()}
  if n > 0 then return recursive(n - 1) + 1 end
  return 0
end
local meta = setmetatable({}, {
  __index = function() add {here()} return 13 end,
  __add = function() add {here()} return 14 end,
  __call = function() add {here()} return 15 end,
})
local stripped = loadstring(string.dump(loadstring([[
  local named, add, here = ...
  local function inner() add {here()} return 1 end
  return named() + inner()
]], "=stripped"), true))
local scoped
do
  local first = function() add {here()} return 16 end
  scoped = first() + 1
end
do
  local second = function() add {here()} return 17 end
  scoped = second() + 1
end

assert(memprof.start(arg[1], {stacks = true, gc = false}))
for i = 1, 100 do
  keep = {}
  global() upvalues() named() other()
  t.field() t:method() t.deep.er() t[1]() t[key]()
  calls_tail()
  parameter(function() add {here()} return 18 end)
  either(true) either(false)
  arguments(1, 2)
  local alias = reassigned
  alias()
  recursive(3)
  local _ = meta.x, meta + 1, meta()
  stripped(named, add, here)
  pcall(named) pcall(function() add {here()} end)
  coroutine.wrap(function() add {here()} named() end)()
  table.sort({2, 1}, function(a, b) add {here()} return a < b end)
  ;(function() add {here()} end)()
  ;(global or named)()
end
assert(memprof.stop())
out:close()
