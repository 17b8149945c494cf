#!/usr/bin/env bats
# From start() to the end of the stream, however the program ends.

load helpers

host() {
  "$BUILD/lua-host" "$@"
}

# Lua that records into a file and keeps 1,000 blocks of line 4.
keeping() {
  cat <<LUA
local misc = require "misc"
assert(misc.memprof.start("$1"))
keep = {}
for i = 1, 1000 do keep[i] = {i} end
LUA
}

complete() {
  run leaks "$1"
  echo "$output"
  [ "$status" = 0 ]
  [[ "$output" == *"life.lua:4 holds"* ]]
}

@test "start and stop keep Tarantool's contract" {
  cat > life.lua <<'LUA'
local m = require("misc").memprof
assert(m == misc.memprof and m.available == true)
assert(m.start("a.bin") == true)
local ok, message, number = m.start("b.bin")
assert(ok == nil and message == "profiler is running already" and number == 22)
assert(m.stop() == true)
ok, message, number = m.stop()
assert(ok == nil and message == "profiler is not running" and number == 22)
ok, message, number = m.start("/nonexistent/a.bin")
assert(ok == nil and number == 2)
assert(message == "/nonexistent/a.bin: No such file or directory")
ok, message, number = m.start(".")
assert(ok == nil and message == ".: Is a directory" and number == 21)
ok, message = pcall(m.start, {})
assert(not ok and message:find("bad argument #1", 1, true), message)
assert(m.start() == true and m.stop() == true)
assert(io.open("memprof.bin")) assert(not io.open("b.bin"))
LUA
  host life.lua
}

@test "the stream is format 3 to the byte" {
  echo 'local m = require("misc").memprof m.start("e.bin") m.stop()' > e.lua
  host e.lua
  [ "$(od -An -tx1 e.bin | tr -d ' \n')" = \
    6c6a7303000000806c6a6d0300000080 ]
}

@test "a misc that exists is completed, a memprof that exists is kept" {
  cat > misc.lua <<'LUA'
misc = {other = 1}
assert(require("misc") == misc and misc.other == 1 and misc.memprof.start)
package.loaded.misc = nil
local builtin = {}
misc = {memprof = builtin}
assert(require("misc").memprof == builtin)
local ours = require("ljmemprof").misc.memprof
assert(ours.start and ours ~= builtin)
misc, package.loaded.misc = nil
assert(require("misc").memprof == ours)
LUA
  host misc.lua
}

@test "globals guarded by metamethods do not matter" {
  cat > strict.lua <<'LUA'
setmetatable(_G, {__index = function(_, k) error("no global " .. k) end,
  __newindex = function(_, k) error("new global " .. k) end})
assert(require("misc").memprof.available)
LUA
  host strict.lua
}

@test "recording takes nothing from the Lua heap" {
  cat > heap.lua <<'LUA'
local m = require("misc").memprof
collectgarbage() collectgarbage("stop")
local before = collectgarbage("count")
assert(m.start("heap.bin"))
local during = collectgarbage("count")
assert(m.stop())
assert(during == before and collectgarbage("count") == before)
LUA
  host heap.lua
}

@test "the end of the script without stop() leaves a complete stream" {
  keeping life.bin > life.lua
  host life.lua
  complete life.bin
}

@test "the same under the stock luajit, by -lmisc" {
  stock_luajit
  keeping life.bin | sed 1d | sed '1s/^/-- \n/' > life.lua
  luajit -lmisc life.lua
  complete life.bin
}

@test "os.exit leaves a complete stream, and its status" {
  for how in "3" "3, true"; do
    { keeping life.bin; echo "os.exit($how)"; } > life.lua
    run host life.lua
    [ "$status" = 3 ]
    complete life.bin
  done
}

@test "an error that ends the script leaves a complete stream" {
  { keeping life.bin; echo "error('boom')"; } > life.lua
  run host life.lua
  [ "$status" = 1 ]
  [[ "$output" == *boom* ]]
  complete life.bin
}

@test "a name ending in .zst is compressed" {
  keeping life.bin.zst > life.lua
  host life.lua
  [ "$(od -An -tx1 -N4 life.bin.zst)" = " 28 b5 2f fd" ]
  complete life.bin.zst
  zstd -q -d life.bin.zst -o plain.bin
  [ "$(leaks plain.bin)" = "$(leaks life.bin.zst)" ]
}

@test "kill -9 loses at most one buffer" {
  for file in kill.bin kill.bin.zst; do
    cat > kill.lua <<LUA
local misc = require "misc"
local ffi = require "ffi"
ffi.cdef "int kill(int, int); int getpid(void);"
jit.off()
assert(misc.memprof.start("$file"))
for i = 1, 100000 do keep = {i} end
ffi.C.kill(ffi.C.getpid(), 9)
LUA
    run host kill.lua
    [ "$status" = 137 ]
    run "$BUILD/memparse" "$file" -o "$file.db" --summary
    echo "$output"
    [ "$status" = 3 ]
    # 128 KiB hold some 13,000 of the 200,000 events and more.
    n=$(sqlite3 -batch "$file.db" "SELECT alloc_events FROM profile")
    echo "$n of 100000 allocations"
    [ "$n" -gt 85000 ]
  done
}

@test "a full disk ends the recording, not the host; stop() tells" {
  cat > full.lua <<'LUA'
local m = require("misc").memprof
for _, name in ipairs{"/dev/full", "full.zst"} do
  assert(m.start(name))
  for i = 1, 100000 do keep = {i} end
  local ok, message, number = m.stop()
  assert(ok == nil and number == 28, message)
  assert(message == name .. ": No space left on device", message)
end
assert(m.start("ok.bin") and m.stop())
LUA
  ln -s /dev/full full.zst
  host full.lua
}

@test "a pipe whose reader left ends the recording, not the host" {
  mkfifo pipe
  cat > pipe.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("pipe"))
for i = 1, 100000 do keep = {i} end
local ok, message, number = m.stop()
assert(ok == nil and number == 32, message)
LUA
  # The reader waits in its open() for us to come.
  head -c 10 < pipe > /dev/null &
  sleep 0.3
  host pipe.lua
}

@test "a host that closes our descriptor is not written to" {
  cat > closed.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef "int close(int); int open(const char *, int, ...);"
assert(m.start("closed.bin"))
-- Close everything; the next file to be opened gets the recorder's number.
for fd = 3, 30 do ffi.C.close(fd) end
for fd = 3, 30 do ffi.C.open("other", 65, 420) end
for i = 1, 100000 do keep = {i} end
local ok, message, number = m.stop()
assert(ok == nil and number == 9, message)
LUA
  host closed.lua
  [ ! -s other ]
}

@test "a forked child leaves the parent's stream alone, and may record" {
  cat > fork.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef "int fork(void); int waitpid(int, int *, int);"
assert(m.start("parent.bin"))
keep = {}
for i = 1, 1000 do keep[i] = {i} end
if ffi.C.fork() == 0 then
  local ok, message = m.stop()
  assert(ok == nil and message == "profiler is not running")
  for i = 1, 100000 do keep[i] = {i} end
  assert(m.start("child.bin"))
  child = {}
  for i = 1, 500 do child[i] = {} end
  os.exit(0)
end
ffi.C.waitpid(-1, nil, 0)
assert(m.stop())
LUA
  host fork.lua
  run leaks parent.bin
  [ "$status" = 0 ]
  [[ "$output" == *"fork.lua:6 holds"* ]]
  [[ "$output" != *"fork.lua:10"* ]]
  run leaks child.bin
  [ "$status" = 0 ]
  [[ "$output" == *"fork.lua:13 holds"* ]]
}

@test "an allocator put on top of ours stays in force" {
  cat > wrap.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("one.bin"))
host.wrap()
assert(m.stop())
local before = host.wrapped()
for i = 1, 100 do keep = {i} end
assert(host.wrapped() > before)
-- Recording goes on through the hook that is still in the chain ...
assert(m.start("two.bin"))
keep = {} for i = 1, 100 do keep[i] = {i} end
assert(m.stop())
-- ... and when the other allocator has left.
assert(host.unwrap())
assert(m.start("three.bin"))
keep = {} for i = 1, 100 do keep[i] = {i} end
assert(m.stop())
LUA
  host wrap.lua
  [[ "$(leaks two.bin)" == *"wrap.lua:10 holds"* ]]
  [[ "$(leaks three.bin)" == *"wrap.lua:15 holds"* ]]
}

@test "stop() puts back the allocator that was there" {
  cat > back.lua <<'LUA'
local m = require("misc").memprof
local before = host.top()
for i = 1, 300 do
  assert(m.start("back.bin"))
  assert(host.top() ~= before)
  assert(m.stop())
  assert(host.top() == before)
end
LUA
  host back.lua
}

@test "two recordings cannot write one file" {
  cat > two.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("two.bin"))
for i = 1, 20000 do keep = {i} end
assert(host.script_vm([[
  local ok, message, number = require("misc").memprof.start("two.bin")
  assert(ok == nil and number == 16, message)
  assert(message == "two.bin: Device or resource busy", message)
]]))
assert(m.stop())
assert(m.start("two.bin") and m.stop() and m.start("/dev/null") and m.stop())
LUA
  host two.lua
  run leaks two.bin
  [ "$status" = 0 ]
}

@test "a limit to file sizes ends the recording, not the host" {
  cat > limit.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("limit.bin"))
for i = 1, 200000 do keep = {i} end
local ok, message, number = m.stop()
assert(ok == nil and number == 27, message)
LUA
  (ulimit -f 100 && host limit.lua)
}

@test "a pipe without a reader is refused, not waited for" {
  mkfifo alone
  cat > alone.lua <<'LUA'
local ok, message, number = require("misc").memprof.start("alone")
assert(ok == nil and number == 6, message)
LUA
  timeout 5 "$BUILD/lua-host" alone.lua
}

@test "a child made without fork()'s handlers does not write our stream" {
  cat > raw.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef "int _Fork(void); int waitpid(int, int *, int); void _exit(int);"
assert(m.start("raw.bin"))
keep = {}
for i = 1, 1000 do keep[i] = {i} end
if ffi.C._Fork() == 0 then
  for i = 1, 100000 do keep[i] = {i} end
  local ok, message, number = m.stop()
  ffi.C._exit(ok == nil and 0 or 1)
end
local status = ffi.new("int[1]")
ffi.C.waitpid(-1, status, 0)
assert(status[0] == 0)
assert(m.stop())
LUA
  host raw.lua
  run leaks raw.bin
  [ "$status" = 0 ]
  [[ "$output" == *"raw.lua:6 holds"* && "$output" != *"raw.lua:8"* ]]
}

@test "the option trace, and no other" {
  cat > option.lua <<'LUA'
local m = require("misc").memprof
for _, how in ipairs{"line", "number"} do
  assert(m.start(how .. ".bin", {trace = how}))
  kept = {}
  for i = 1, 1000 do kept[i] = {} end
  assert(m.stop())
end
assert(not pcall(m.start, "x.bin", {trace = "both"}))
assert(not pcall(m.start, "x.bin", {trace = 1}))
local ok, message = pcall(m.start, "x.bin", {stacks = true})
assert(not ok and message:find("no option 'stacks'", 1, true), message)
assert(not io.open("x.bin"))
LUA
  host option.lua
  [[ "$(leaks line.bin)" != *TRACE* && "$(leaks number.bin)" == *TRACE* ]]
}

@test "several VMs record in several threads at once" {
  cat > threads.lua <<'LUA'
assert(host.thread_vms(4, [[
  local n = ...
  local m = require("misc").memprof
  for round = 1, 3 do
    assert(m.start(("thread%d.bin"):format(n)))
    local keep = {}
    for i = 1, 20000 do keep[i % 100] = {n, i} end
    collectgarbage()
    assert(m.stop())
  end
  if n == 2 then assert(m.start("thread2.bin")) kept = {} end
]]))
assert(host.script_vm("assert(require('misc').memprof.start('closed.bin'))"))
LUA
  host threads.lua
  for i in 1 3 4; do
    [ "$("$BUILD/memparse" thread$i.bin -q \
      "$BATS_TEST_DIRNAME/allocs.sql" -f csv | tail -1)" -ge 20000 ]
  done
  leaks thread2.bin
  leaks closed.bin
}

@test "what crashes the debug API in an allocator does not crash us" {
  cat > hazards.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("hazards.bin"))
local co = coroutine.create(function() end)
coroutine.resume(co)
for i = 1, 200 do
  local ok, message = coroutine.resume(co)
  message = nil
  collectgarbage()
end
local function deep(n) local t = {n} if n > 0 then return deep(n - 1), t end end
for i = 1, 3 do coroutine.wrap(function() deep(3000) end)() end
local function endless(n) return 1 + endless(n + 1) end
assert(not pcall(endless, 1))
assert(select("#", unpack({}, 1, 5000)) == 5000)
for i = 1, 20000 do coroutine.wrap(function() return {} end)() end
for i = 1, 50 do
  getmetatable(newproxy(true)).__gc = function() local t = {i} end
end
collectgarbage()
for i = 1, 3000 do
  loadstring("local t = {} return function() return t end", "=c" .. i % 7)()
end
loadstring(string.dump(function() return {} end, true))()
debug.sethook(function() local t = {} end, "", 100)
for i = 1, 10000 do local t = {i} end
debug.sethook()
for i = 1, 50 do jit.flush() for j = 1, 200 do local t = {j} end end
assert(m.stop())
LUA
  for jit in off on; do
    echo "jit.$jit()" | cat - hazards.lua > run.lua
    host run.lua
    leaks hazards.bin > /dev/null
  done
}

@test "a C function without a Lua caller is named, a static one too" {
  cat > c.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("c.bin"))
keep = {}
for i = 1, 10 do keep[i] = coroutine.wrap(host.table)() end
assert(m.stop())
LUA
  host c.lua
  leaks c.bin
  [[ "$(leaks c.bin)" == *"host_table:0x"*" holds 640B: 10 allocs, 0 frees"* ]]
}

@test "a failed allocation is no event" {
  cat > failed.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("failed.bin"))
local ok, message = pcall(string.rep, "x", 2^30)
assert(not ok and message == "not enough memory", message)
assert(m.stop())
LUA
  [ "${SANITIZED:-OFF}" = OFF ] || skip "sanitizers need the address space"
  (ulimit -v 500000 && host failed.lua)
  "$BUILD/memparse" failed.bin -o failed.db --summary
  [ "$(sqlite3 -batch failed.db "SELECT failed_events, alloc_bytes < 1048576
    FROM profile")" = "0|1" ]
}
