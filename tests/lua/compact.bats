#!/usr/bin/env bats
# The compact stream tells the same as format 3, and what that cannot tell.

load helpers

# sql DATABASE QUERY
sql() {
  sqlite3 -batch -list "$@"
}

@test "the same leaks, whichever stream is recorded" {
  cat > same.lua <<'LUA'
jit.off()
local how = arg[1]
local m, ours = require("misc").memprof, require "ljmemprof"
m = how == "plain" and m or ours
-- So many strings that their table does not grow while recording.
anchor = {} for i = 1, 5000 do anchor[i] = "anchor" .. i end
assert(m.start(how .. ".bin", how ~= "plain"
  and {gc = false, stacks = how == "stacks"} or nil))
collectgarbage("stop") keep = {}
local function make(n) return {n, tostring(n) .. "x"} end
for i = 1, 500 do
  keep[i] = make(i)
  keep[-i] = setmetatable({}, {__index = function() return ("y"):rep(i) end}).z
end
local co = coroutine.wrap(function() while true do
  keep[#keep + 1] = coroutine.create(function() end) coroutine.yield() end end)
for _ = 1, 50 do co() end
collectgarbage() collectgarbage()
assert(m.stop())
LUA
  for how in plain compact stacks; do
    "$BUILD/lua-host" same.lua $how
    leaks $how.bin | sed 's/INTERNAL.*/INTERNAL/' > $how
  done
  grep -q "same.lua:10 holds" plain
  diff plain compact
  diff plain stacks
}

@test "the totals equal those of an independent counting allocator" {
  cat > count.lua <<'LUA'
local m = require "ljmemprof"
local options = {gc = false, stacks = arg[1] == "true"}
local a1, b1, c1, d1, e1, f1, g1 = host.counts()
assert(m.start("count.bin", options))
local keep = {}
for i = 1, 3000 do
  keep[i % 50] = {i, "x" .. i}
  keep[-i % 20] = host.table()
  if i % 100 == 0 then
    loadstring("local t = {} return function() return t end")()
    coroutine.wrap(function() coroutine.yield({}) end)()
    host.resume(function() keep[1] = {} end)
  end
end
collectgarbage()
local stats = m.stats()
assert(m.stop())
local a2, b2, c2, d2, e2, f2, g2 = host.counts()
assert(m.stats().events == a2 - a1 + c2 - c1 + f2 - f1)
print(("%d|%d|%d|%d|%d|%d|%d|0"):format(a2 - a1, b2 - b1, c2 - c1, d2 - d1,
  e2 - e1, f2 - f1, g2 - g1))
LUA
  for jit in off on; do
    for stacks in false true; do
      echo "jit.$jit()" | cat - count.lua > run.lua
      expected=$("$BUILD/lua-host" run.lua $stacks)
      rm -f count.db && "$BUILD/memparse" count.bin -o count.db
      seen=$(sql count.db "SELECT alloc_events, alloc_bytes,
        realloc_events, realloc_old_bytes + earlier_realloc_bytes,
        realloc_new_bytes, free_events + earlier_free_events,
        free_bytes + earlier_free_bytes, conflict_events FROM profile")
      echo "jit $jit $stacks: expected $expected seen $seen"
      [ "$seen" = "$expected" ]
    done
  done
}

@test "marks, collections, times, and what stats tells" {
  cat > marks.lua <<'LUA'
local m = require "ljmemprof"
local ok, message, errno = m.mark("too early")
assert(ok == nil and message == "no recording that can hold marks")
assert(not m.stats().running)
assert(m.start("marks.bin", {stacks = 5}))
assert(m.mark("one") == true)
garbage = {}
for i = 1, 1000 do garbage[i] = {} end
garbage = nil
local clock = os.clock()
repeat local t = {} until os.clock() - clock > 0.05
assert(m.mark("one") and m.mark(("z"):rep(100)))
assert(not pcall(m.mark) and not pcall(m.mark, {}))
local s = m.stats()
assert(s.running and s.events > 1000 and s.bytes > 2000 and s.lost == 0)
assert(s.seconds > 0.05 and s.seconds < 50 and s.vm:match("^LuaJIT 2.1"))
assert(m.stop())
local s2 = m.stats()
assert(not s2.running and s2.events >= s.events and s2.seconds >= s.seconds)
local file = io.open("marks.bin", "rb")
assert(s2.written == #file:read("*a") and s2.bytes == s2.written)
LUA
  "$BUILD/lua-host" marks.lua
  "$BUILD/memparse" --dump marks.bin > dump
  [ "$(grep -cE '^start [0-9]+ [0-9]+ 5 "LuaJIT 2.1' dump)" = 1 ]
  [ "$(grep -E '^(mark|collection [123])' dump | cut -d' ' -f1,2 | tr '\n' ' ' |
    sed 's/mark [0-9]*/mark/g')" = \
    "collection 1 mark mark mark collection 3 " ]
  [ "$(grep -c '^string "one"' dump)" = 1 ]
  # At most one a millisecond, but for those before marks and collections.
  "$BUILD/memparse" marks.bin -o m.db
  awk '/^clock/ { n++; us += $2 } /^collection/ { c++ }
    END { print n, us, c; exit !(us > 50000 && us < 50000000 && n > 5 &&
      n <= us / 1000 + c + 4) }' dump
}

@test "garbage from before the start and before the stop is not there" {
  cat > gc.lua <<'LUA'
local m = require "ljmemprof"
for i = 1, 1000 do local t = {} end
assert(m.start("gc.bin"))
for i = 1, 1000 do local t = {} end
assert(m.stop())
collectgarbage("stop") assert(m.start("nogc.bin", {gc = false}))
for i = 1, 1000 do local t = {} end
assert(m.stop())
LUA
  echo 'collectgarbage("stop") jit.off()' | cat - gc.lua > run.lua
  "$BUILD/lua-host" run.lua
  [ "$(leaks gc.bin | grep -c run.lua:5)" = 0 ]
  leaks nogc.bin | grep -q "run.lua:8 holds .*: 1000 allocs, 0 frees"
  "$BUILD/memparse" --dump nogc.bin > nogc.dump
  ! grep -q ^collection nogc.dump || false
}

@test "nothing that start and stop do is in the recording" {
  cat > empty.lua <<'LUA'
jit.off()
local m, options = require "ljmemprof", {gc = true}
assert(m.start("empty.bin"))
assert(m.mark("here", options))
assert(m.stop())
LUA
  "$BUILD/lua-host" empty.lua
  "$BUILD/memparse" --dump empty.bin > dump
  if grep -E '^(alloc|realloc)' dump | grep -v " int "; then return 1; fi
}

@test "a finalizer that raises does not reach the program" {
  cat > raise.lua <<'LUA'
local m = require "ljmemprof"
local function bomb()
  getmetatable(newproxy(true)).__gc = function() error("bomb") end
end
bomb()
assert(m.start("raise.bin"))
bomb()
assert(m.stop())
LUA
  "$BUILD/lua-host" raise.lua
  leaks raise.bin
}

@test "finalizers that start and stop, while start and stop collect" {
  cat > finalizers.lua <<'LUA'
local m = require "ljmemprof"
local function at_collection(f)
  getmetatable(newproxy(true)).__gc = f
end
at_collection(function() assert(m.start("inner.bin")) end)
local ok, message, errno = m.start("outer.bin")
assert(not ok and message == "profiler is running already" and errno == 22)
at_collection(function() assert(m.stop()) end)
ok, message = m.stop()
assert(not ok and message == "profiler is not running")
assert(m.start("first.bin", {gc = false}))
at_collection(function() m.stop() assert(m.start("second.bin")) end)
assert(m.stop() and not m.stop())
LUA
  "$BUILD/lua-host" finalizers.lua
  [ ! -e outer.bin ]
  for name in inner first second; do leaks $name.bin; done
}

@test "options that are wrong are refused by name" {
  cat > options.lua <<'LUA'
local m = require "ljmemprof"
local function refuses(options, what)
  local ok, message = pcall(m.start, "x.bin", options)
  assert(not ok and message:find(what, 1, true), message)
end
refuses({stack = true}, "no option 'stack', only 'stacks', 'gc' and 'trace'")
refuses({true}, "no option 'number'")
for _, wrong in ipairs{"deep", 0, -1, 1.5, 1024, 0/0, {}, "12"} do
  refuses({stacks = wrong}, "option 'stacks' of start is a boolean, or a depth")
end
refuses({gc = 1}, "option 'gc' of start is a boolean")
refuses({trace = 1}, "option 'trace' of start is")
refuses("x", "table expected")
assert(not io.open("x.bin"))
for _, right in ipairs{true, false, 1, 1023} do
  assert(m.start("x.bin", {stacks = right}))
  local ok, message = require("misc").memprof.start("y.bin")
  assert(not ok and message == "profiler is running already")
  assert(m.stop())
end
assert(require("misc").memprof.start("y.bin"))
assert(not m.start("x.bin") and not m.mark("x") and m.stop())
LUA
  "$BUILD/lua-host" options.lua
}

@test "MEMPROF_STACKS makes what the environment starts compact" {
  stock_luajit
  echo 'keep = {} local function f(i) keep[i] = {} end
for i = 1, 1000 do f(i) end' > env.lua
  for depth in 1 7; do
    MEMPROF_STACKS=$depth MEMPROF_OUT=$PWD/env.bin MEMPROF_AUTOSTART=1 \
      LUA_INIT='require "ljmemprof"' luajit -joff env.lua
    leaks env.bin | grep -q "env.lua:1 holds"
    "$BUILD/memparse" --dump env.bin | grep -qE \
      "^start [0-9]+ [0-9]+ $((depth == 1 ? 64 : depth)) "
    "$BUILD/memparse" --dump env.bin | grep -qF "f (@env.lua:1) < @env.lua:2 < "
  done
  MEMPROF_STACKS=x MEMPROF_OUT=$PWD/env.bin MEMPROF_AUTOSTART=1 \
    LUA_INIT='require "ljmemprof"' run luajit -joff env.lua
  [[ "$output" == "ljmemprof: MEMPROF_STACKS: a depth from 1 to 1023"* ]]
  MEMPROF_TRACE=x MEMPROF_OUT=$PWD/env.bin MEMPROF_AUTOSTART=1 \
    LUA_INIT='require "ljmemprof"' run luajit -joff env.lua
  [[ "$output" == 'ljmemprof: MEMPROF_TRACE: "line" or "number"' ]]
  leaks env.bin | grep -q "env.lua:1 holds"
}

@test "in every VM of many threads, with stacks" {
  cat > threads.lua <<'LUA'
assert(host.thread_vms(4, [[
  local n = ...
  local m = require "ljmemprof"
  assert(m.start("t" .. n .. ".bin.zst", {stacks = true}))
  local keep = {}
  local function f(d) if d == 0 then return {} end local t = f(d - 1) return t end
  for i = 1, 20000 do keep[i % 100] = f(i % 20) end
  assert(m.mark("half"))
  for i = 1, 20000 do keep[i % 100] = f(i % 20) end
  assert(m.stop())
]]))
LUA
  "$BUILD/lua-host" threads.lua
  for n in 1 2 3 4; do
    "$BUILD/memparse" t$n.bin.zst --leak-only > leaks
    "$BUILD/memparse" --dump t$n.bin.zst | tail -1 | grep -qx end
  done
}
