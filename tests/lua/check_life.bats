#!/usr/bin/env bats
# require "ljmemprof.check" among others: recordings, coroutines, processes,
# threads, allocators that fail, hosts.

load helpers
load check

@test "a recording, and another check, at the same time" {
  cat > t.lua <<'LUA'
local check = require "ljmemprof.check"
local memprof = require "ljmemprof"
local function fails(pattern, ...)
  local ok, message = pcall(...)
  assert(not ok and message:find(pattern), message)
end
assert(memprof.start("t.bin"))
fails("ljmemprof.check: a recording is under way", check, function() end)
assert(memprof.stop())
fails("another check is under way", check, function()
  check(function() end)
end)
-- What is tried while a check is under way does it no harm.
local misc = memprof.misc.memprof
local sums = check(function()
  local ok, message = memprof.start("u.bin")
  assert(not ok and message == "profiler is running already")
  ok, message = misc.start("u.bin")
  assert(not ok and message == "profiler is running already")
  ok, message = memprof.stop()
  assert(not ok and message == "profiler is not running")
  ok, message = memprof.mark("here")
  assert(not ok and message:find("no recording"))
  assert(memprof.stats().running == false)
end)
assert(sums.bytes == 0)
assert(not io.open("u.bin"))
-- And afterwards all is as before.
assert(misc.start("u.bin"))
kept = {}
assert(misc.stop())
LUA
  "$BUILD/lua-host" t.lua
  [ "$("$BUILD/memparse" t.bin --leak-only | head -n 1)" = "HEAP SUMMARY:" ]
  "$BUILD/memparse" u.bin --leak-only | grep -q "@t.lua:30 "
}

@test "a signal for a recording waits until the check is over" {
  cat > t.lua <<'LUA'
local check = require "ljmemprof.check"
local calls = 0
local ffi = require "ffi"
ffi.cdef "int raise(int);"
kept = {}
local ok, message = pcall(check, function()
  calls = calls + 1
  if calls == 2 then ffi.C.raise(12) end
  kept[#kept + 1] = {}
end)
assert(not ok and message:find("t.lua:9: "), message)
assert(calls == 6)
for i = 1, 100 do kept[i] = {i} end
LUA
  MEMPROF_OUT=s.bin MEMPROF_SIGNAL=USR2 "$BUILD/lua-host" t.lua
  leaks s.bin | grep "@t.lua:13 holds "
}

@test "coroutines: checked in one, made in it, yielding out of it" {
  { prelude; cat <<'LUA'; } > t.lua
kept = {}
for i = 1, 100 do kept[i] = false end
local n = 0
local function leaky()
  n = n + 1
  kept[n] = coroutine.wrap(function() return {n} end)()
end
coroutine.wrap(function()
  try("inside", leaky)
  coroutine.wrap(function() try("deeper", leaky) end)()
end)()
-- The function yields, the check goes on when it is resumed.
local co = coroutine.create(function()
  try("yields", function()
    leaky()
    coroutine.yield("out")
  end)
end)
for i = 1, 6 do assert(select(2, coroutine.resume(co)) == "out") end
assert(coroutine.resume(co) and coroutine.status(co) == "dead")
-- Nobody resumes this one: its check ends when it is collected.
co = coroutine.create(function() check(coroutine.yield) end)
coroutine.resume(co)
try("abandoned", leaky)
co = nil
collectgarbage() collectgarbage()
try("after", function() end)
LUA
  run in_each_way t.lua
  echo "$output"
  [ "$status" = 0 ]
  for i in 0 2 4; do
    [[ "${lines[i]}" == *": 1 line leaks:" ]]
    [ "${lines[i + 1]}" = "  t.lua:18: 440 B in 5 blocks over 5 runs" ]
  done
  [ "${lines[6]}" = \
    "abandoned: ljmemprof.check: another check is under way" ]
  [ "${lines[7]}" = "after: passes, 0 B in 0 blocks, 0 and 0 a run of 5" ]
}

@test "memory that fails in the check's own tables: no wrong verdict" {
  cat > t.lua <<'LUA'
jit.off()
local check = require "ljmemprof.check"
local kept, n = {}, 0
for i = 1, 1000 do kept[i] = false end
local right = "^1 line leaks:\n  t.lua:9: %d+ B in 250 blocks over 5 runs$"
local function leaky(code)
  for i = 1, 50 do
    n = n + 1
    kept[n] = {n}
    if code then loadstring("return {" .. n .. "}")() end
  end
end
local refused, found = 0, 0
local function fail_in_turn(leaky, forever)
  for i = 1, 100000 do
    n = 0
    nomem.fail_at(i, forever)
    local ok, message = pcall(check, leaky)
    local calls = nomem.calls()
    nomem.fail_at(0)
    assert(not ok, "a leak was not seen")
    if message:find(right) then -- and no other number
      found = found + 1
    else
      refused = refused + 1
      assert(message == "ljmemprof.check: Cannot allocate memory" or
        message == "ljmemprof.check: not enough memory", message)
    end
    if calls < i then break end
  end
end
for _, forever in ipairs {false, true} do
  fail_in_turn(leaky, forever)
  fail_in_turn(function() leaky(true) end, forever)
end
print(refused, found)
assert(refused > 20 and found >= 4)
LUA
  run "$BUILD/lua-host-nomem" t.lua
  echo "$output"
  [ "$status" = 0 ]
}

@test "a thousand checks leave nothing behind" {
  cat > t.lua <<'LUA'
local check = require "ljmemprof.check"
local kept, lua, c = {}
for i = 1, 64 do kept[i] = false end
for i = 1, 1000 do
  local n = 0
  local ok = pcall(check, function()
    n = n + 1
    if i % 3 == 0 then kept[n] = {} end
    if i % 3 == 1 and n == 4 then error("x") end
    coroutine.wrap(loadstring("local a = {} return function() end"))()
  end)
  assert(ok == (i % 3 == 2))
  if i == 100 or i == 1000 then
    ok = nil
    for j = 1, 64 do kept[j] = false end
    jit.flush()
    collectgarbage() collectgarbage()
    local lua_now, c_now = collectgarbage("count"), nomem.in_use()
    print(lua_now, c_now)
    assert(not lua or lua_now - lua < 1)
    assert(not c or c_now == c)
    lua, c = lua_now, c_now
  end
end
LUA
  run "$BUILD/lua-host-nomem" t.lua
  echo "$output"
  [ "$status" = 0 ]
}

@test "an allocator that is put over ours, or in its place, while checked" {
  cat > t.lua <<'LUA'
local check = require "ljmemprof.check"
local kept, n = {}, 0
for i = 1, 64 do kept[i] = false end
local function leaky()
  n = n + 1
  kept[n] = {}
end
-- Over ours: all is heard.
local wrapped = false
local ok, message = pcall(check, function()
  if not wrapped then host.wrap() end
  wrapped = true
  leaky()
end)
assert(not ok and message:find("t.lua:6: 320 B in 5 blocks"), message)
-- Ours is left where it is, and found again.
ok, message = pcall(check, leaky)
assert(not ok and message:find("t.lua:6: 320 B in 5 blocks"), message)
assert(host.unwrap())
-- In its place: what was not heard is not judged.
host.wrap()
ok, message = pcall(check, function()
  host.bypass()
  leaky()
end)
assert(not ok and message == "ljmemprof.check: allocations were missed",
  message)
LUA
  run "$BUILD/lua-host" t.lua
  echo "$output"
  [ "$status" = 0 ]
}

@test "garbage whose finalizers raise, and a collector that is stopped" {
  { prelude; cat <<'LUA'; } > t.lua
collectgarbage("stop")
try("finalizers", function()
  for i = 1, 50 do
    getmetatable(newproxy(true)).__gc = function() error("x") end
  end
end)
LUA
  run in_each_way t.lua
  echo "$output"
  [ "$status" = 0 ]
  [ "$output" = "finalizers: passes, 0 B in 0 blocks, 0 and 0 a run of 5" ]
}

@test "a fork while checked: both processes come to their verdicts" {
  cat > t.lua <<'LUA'
local check, ffi = require "ljmemprof.check", require "ffi"
ffi.cdef "int fork(void); int wait(int *); void _exit(int);"
local kept, n, child = {}, 0, false
for i = 1, 64 do kept[i] = false end
local ok, message = pcall(check, function()
  n = n + 1
  if n == 3 then child = ffi.C.fork() == 0 end
  kept[n] = {}
  if child then kept[n + 20] = {} end
end)
if not child then ffi.C.wait(nil) end
print((message:gsub("\n", "|")))
io.stdout:flush()
if child then ffi.C._exit(0) end
LUA
  run "$BUILD/lua-host" t.lua
  echo "$output"
  [ "$status" = 0 ]
  one="t.lua:8: 320 B in 5 blocks over 5 runs"
  two="t.lua:9: 256 B in 4 blocks over 5 runs"
  [ "${lines[0]}" = "2 lines leak:|  $one|  $two" ]
  [ "${lines[1]}" = "1 line leaks:|  $one" ]
  [ "${#lines[@]}" = 2 ]
}

@test "the VM is closed, or the process ends, while checked" {
  cat > t.lua <<'LUA'
for i = 1, 20 do
  assert(host.script_vm([[
    -- Neither its end nor that of its coroutine is ever reached.
    local check = require "ljmemprof.check"
    waiting = coroutine.create(function() check(coroutine.yield) end)
    coroutine.resume(waiting)
  ]]))
end
require "ljmemprof.check"(function() os.exit(3, arg[1] == "close") end)
LUA
  for how in close leave; do
    run "$BUILD/lua-host" t.lua $how
    echo "$how: $status $output"
    [ "$status" = 3 ]
    [ "$output" = "" ]
  done
}

@test "a VM that closes under a foreign allocator leaves no table behind" {
  cat > t.lua <<'LUA'
local function left_by(text)
  local before = nomem.in_use()
  assert(host.script_vm(text))
  return nomem.in_use() - before
end
-- The second check never ends. A recorder that someone still calls is left.
local ended = [[
  local check, wrapped = require "ljmemprof.check", false
  check(function()
    if not wrapped then host.wrap() end
    wrapped = true
  end)
]]
local under_way = ended .. [[
  co = coroutine.create(function() check(coroutine.yield) end)
  coroutine.resume(co)
]]
left_by(ended)
assert(left_by(ended) == left_by(under_way))
LUA
  "$BUILD/lua-host-nomem" t.lua
}

@test "VMs in threads check at the same time" {
  cat > t.lua <<'LUA'
assert(host.thread_vms(4, [[
  local check, n = require "ljmemprof.check", ...
  for round = 1, 20 do
    kept, calls = {}, 0
    for i = 1, 64 do kept[i] = false end
    local ok, message = pcall(check, function()
      calls = calls + 1
      kept[calls] = ("x"):rep(n * 100) .. calls .. "." .. round
    end)
    assert(not ok and message:find("over 5 runs"), message)
  end
]]))
LUA
  "$BUILD/lua-host" t.lua
}

@test "the stock luajit finds it beside ljmemprof.so, also installed" {
  stock_luajit
  cat > t.lua <<'LUA'
local check = require "ljmemprof.check"
kept = {}
check(function() kept[#kept + 1] = {} end)
LUA
  cmake --install "$BUILD" --prefix "$PWD/installed" > /dev/null
  directory=$(dirname "$(find installed -name ljmemprof.so)")
  for path in "$BUILD" "$directory"; do
    LUA_CPATH="$path/?.so;;" LUA_PATH=";;" run luajit t.lua
    echo "$output"
    [ "$status" = 1 ]
    [ "${lines[0]}" = "luajit: t.lua:3: 1 line leaks:" ]
    [[ "${lines[1]}" == "  t.lua:3: "*" B in "*" blocks over 5 runs" ]]
  done
}

@test "PUC Lua 5.1, and a recording of the environment's, are refused" {
  echo 'print(pcall(require "ljmemprof.check", function() end))' > t.lua
  MEMPROF_OUT=a.bin MEMPROF_AUTOSTART=1 run "$BUILD/lua-host" t.lua
  [ "$output" = "false	ljmemprof.check: a recording is under way" ]
  stock_luajit
  command -v lua5.1 || skip "lua5.1 is not installed"
  run lua5.1 t.lua
  [ "$output" = \
    "false	ljmemprof.check: cannot profile Lua 5.1: it is not LuaJIT" ]
}
