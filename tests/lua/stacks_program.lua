-- stacks_program - known call trees, recorded with stacks.
--
--   stacks_program.lua STREAM EXPECTED [DEPTH]
--
-- Blocks of sizes that nothing else has are made at many places. At each of
-- them the debug API is asked who called whom; EXPECTED gets a line for each:
-- size, how often, and the frames, innermost first, as chunk:line or the name
-- of a built-in, with tabs between them. The debug API knows nothing of who
-- resumed a coroutine: that is kept here.
local stream, expected, depth = arg[1], arg[2], tonumber(arg[3])
local ffi, memprof = require "ffi", require "ljmemprof"
ffi.cdef "void qsort(void *, size_t, size_t, int (*)(const int *, const int *));"
local new, sort, gsub = ffi.new, table.sort, string.gsub
local out, size, times, names = {}, 20011, {}, {}
for _, lib in ipairs{"_G", "string", "table", "coroutine", "ffi", "debug"} do
  for name, f in pairs(package.loaded[lib]) do
    if type(f) == "function" then
      names[f] = (lib == "_G" and "" or lib .. ".") .. name
    end
  end
end

-- Who resumed whom; false is the main thread.
local resumed_by = setmetatable({}, {__mode = "k"})
local function create(f) return (coroutine.create(f)) end
local function resume(co, ...)
  resumed_by[co] = coroutine.running() or false
  return coroutine.resume(co, ...)
end
local function frames_of(frames, level, thread)
  while true do
    local info
    if thread then
      info = debug.getinfo(thread, level, "Slf")
    else
      info = debug.getinfo(level + 1, "Slf")
    end
    if not info then return end
    if info.what == "C" then
      frames[#frames + 1] = names[info.func] or "C"
    elseif info.short_src:match("^%[builtin:") then
      frames[#frames + 1] = "=" .. info.short_src .. ":0"
    else
      frames[#frames + 1] = info.source .. ":" .. info.currentline
    end
    level = level + 1
  end
end

-- From inside a coroutine the main thread cannot be named: it asks itself.
local main_frames
local function from_main(co, ...)
  main_frames = {"coroutine.resume"}
  frames_of(main_frames, 1) local ok = resume(co, ...)
  return ok
end

-- coroutine.wrap, resumed by nobody but who calls this. The main thread notes
-- its own frames on the line that resumes: on_main().
local function wrap(f)
  local by = coroutine.running() or false
  return coroutine.wrap(function(...)
    resumed_by[coroutine.running()] = by
    f(...)
  end)
end
local function on_main(...)
  main_frames = {"C", ...}
  frames_of(main_frames, 2)
end

-- A size for the block that the caller's line makes next, of a built-in.
local function at(builtin)
  local frames, co = {}, coroutine.running()
  if builtin then frames[1] = builtin end
  frames_of(frames, 2)
  while co and resumed_by[co] do
    co = resumed_by[co]
    frames_of(frames, 0, co)
  end
  if co then
    for _, frame in ipairs(main_frames) do frames[#frames + 1] = frame end
  end
  size = size + 64
  out[#out + 1] = {size = size, frames = frames}
  times[size] = 0
  return size
end
local function count(n) times[n] = times[n] + 1 return n end
local keep = {}

-- make(): a block on this line, by ffi.new.
local function make()
  keep[1] = new("uint8_t[?]", count(at("ffi.new")))
end

-- The same many times for one path, so that it is compiled: of that path only
-- the first is asked for.
local function hot(path)
  path.n = path.n or at("ffi.new") keep[1] = new("uint8_t[?]", count(path.n))
end

local programs = {}

function programs.plain() make() end

function programs.recursion()
  local function down(n)
    if n == 0 then make() return 1 end
    local r = down(n - 1)
    make()
    return r
  end
  down(5)
  down(40)
end

function programs.mutual()
  local even
  local function odd(n)
    if n == 0 then make() return false end
    return (even(n - 1))
  end
  function even(n)
    if n == 0 then make() return true end
    local result = odd(n - 1)
    return result
  end
  odd(7) even(8)
end

function programs.tail()
  local function last(n) make() return n end
  local function middle(n) return last(n) end
  local function loop(n)
    if n == 0 then return middle(n) end
    return loop(n - 1)
  end
  local a = loop(10)
  return a
end

function programs.vararg()
  local function many(...)
    make()
    local function inner(...) make() return select("#", ...) end
    return (inner(...)) + (inner(1, ...))
  end
  many() many(1, 2, 3, nil, 5)
end

function programs.coroutines()
  local inner = create(function()
    for _ = 1, 2 do make() coroutine.yield() end
    make()
  end)
  local outer = create(function(...)
    make()
    resume(inner)
    local deeper = create(function()
      local function f() resume(inner) make() end
      f()
    end)
    assert(resume(deeper))
    coroutine.yield()
    make()
    resume(inner)
  end)
  from_main(outer, 1, 2)
  make()
  local function again() from_main(outer) end
  again()
end

function programs.wraps()
  local function generate()
    for i = 1, 2 do make() coroutine.yield(i) end
  end
  on_main() for _ in wrap(generate) do local x = 1 end
  on_main() wrap(function() for _ in wrap(generate) do make() end end)()
  on_main("pcall") pcall(wrap(function() make() wrap(function() make() error{} end)() end))
  make()
end

-- A coroutine is left and entered again from inside of something.
function programs.yields()
  local yield = coroutine.yield
  local late = {__index = function() yield() make() return 1 end}
  local function iterate() yield() make() return nil end
  local co = create(function()
    pcall(function() yield() make() pcall(yield) make() error("a") end)
    xpcall(function() yield() error("b") end, function() make() end)
    local x = setmetatable({}, late).x
    for _ in iterate do break end
    return x
  end)
  for _ = 1, 6 do from_main(co) end
  assert(coroutine.status(co) == "dead")
end

function programs.in_coroutines()
  from_main(create(function()
    debug.sethook(function() debug.sethook() make() end, "l")
    local x = 1
    return x
  end))
  from_main(create(function()
    local object = newproxy(true)
    getmetatable(object).__gc = function() make() end
    object = nil
    collectgarbage() make()
  end))
  from_main(create(function()
    pcall(sort, {1, 2}, function() make() error("a") end)
    load(function() make() return nil end)
    error("b")
  end))
end

function programs.errors()
  pcall(function() make() error("a") end)
  local ok = pcall(function()
    make()
    local function f() make() local x = nil + 1 end
    f()
  end)
  assert(not ok)
  xpcall(function() make() error("b") end, function(message)
    make()
    return message
  end)
  pcall(pcall, pcall, function() make() end)
end

function programs.metamethods()
  local mt = {}
  function mt.__index(_, k) make() return k end
  function mt.__newindex(_, k) make() end
  function mt.__add(a) make() return a end
  function mt.__concat() make() return "c" end
  function mt.__eq() make() return true end
  function mt.__lt() make() return true end
  function mt.__le() make() return true end
  function mt.__unm(a) make() return a end
  function mt.__call(_, n) make() return n end
  function mt.__tostring() make() return "t" end
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  local x = a.key
  a.key = 1
  x = a + b
  x = a .. b
  x = a == b
  x = a < b
  x = a <= b
  x = -a
  x = a(1)
  x = tostring(a)
  return x
end

function programs.callbacks()
  sort({3, 1, 2}, function(p, q) make() return p < q end)
  gsub("ab", ".", function(c) make() return c end)
  for _ in gsub and string.gmatch("ab", ".") do make() end
  table.foreach({1, 2}, function() make() end)
  local function iterate() return function(_, n) make() return n end, 0, nil end
  for _ in iterate() do break end
  assert(loadstring("local make = ... make()", "=loaded"))(make)
end

-- A C function that FFI calls, and that calls back.
function programs.ffi_callbacks()
  local two, times = ffi.new("int[2]", {2, 1}), 0
  local function compare(a, b)
    times = times + 1
    if times == 1 then make() end -- a sanitizer's qsort compares once more
    return a[0] - b[0]
  end
  local function by_c() ffi.C.qsort(two, 2, 4, compare) return two end
  jit.off(by_c)
  local result = by_c()
  return result
end

function programs.inlined()
  local function level3(path) hot(path) end
  local function level2(path) level3(path) hot(path.other) end
  local function level1(path) level2(path) return path end
  for _ = 1, 3 do
    local path = {other = {}}
    for _ = 1, 300 do level1(path) end
  end
  local path = {other = {}}
  local function descend(n)
    if n == 0 then return end
    hot(path[n])
    descend(n - 1)
    local x = n
    return x
  end
  for n = 1, 30 do path[n] = {} end
  for _ = 1, 100 do descend(30) end
end

function programs.finalizers()
  local object = newproxy(true)
  getmetatable(object).__gc = function() make() end
  object = nil
  local function collect() collectgarbage() make() end
  collect()
end

function programs.hooks()
  local function hooked() local x = 1 return x end
  debug.sethook(function() debug.sethook() make() end, "l")
  hooked()
  debug.sethook()
end

jit.opt.start("hotloop=5", "hotexit=3")
assert(memprof.start(stream, {stacks = depth or true}))
local sorted = {}
for name in pairs(programs) do sorted[#sorted + 1] = name end
sort(sorted)
for _, name in ipairs(sorted) do programs[name]() end
assert(memprof.stop())
local file = assert(io.open(expected, "w"))
for _, o in ipairs(out) do
  file:write(o.size, "\t", times[o.size], "\t",
    table.concat(o.frames, "\t"), "\n")
end
file:close()
