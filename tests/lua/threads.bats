#!/usr/bin/env bats
# Several threads: each its VM, and a process that ends under them.

load helpers

host() {
  ASAN_OPTIONS=detect_leaks=0 timeout 60 "$BUILD/lua-host" "$@"
}

@test "VMs in several threads at once, each with its exact counts" {
  # Every thread its own allocator that counts: an oracle each.
  cat > many.lua <<'LUA'
assert(host.thread_vms(6, [[
  local n = ...
  local m = require("misc").memprof
  jit.off()
  local out = io.open("expected" .. n, "w")
  local name = "many" .. n .. (n % 2 == 0 and ".bin" or ".bin.zst")
  local a1, b1, c1, d1, e1, f1, g1 = host.counts()
  assert(m.start(name))
  local keep = {}
  for i = 1, 10000 do
    keep[i % 100] = {n, i}
    keep["k" .. i % 50] = host.table()
    if i % 500 == 0 then coroutine.wrap(host.table)() end
  end
  collectgarbage()
  assert(m.stop())
  local a2, b2, c2, d2, e2, f2, g2 = host.counts()
  out:write(("%d|%d|%d|%d|%d|%d|%d\n"):format(a2 - a1, b2 - b1, c2 - c1,
    d2 - d1, e2 - e1, f2 - f1, g2 - g1))
  out:close()
]]))
LUA
  host many.lua
  for n in 1 2 3 4 5 6; do
    rm -f many.db
    "$BUILD/memparse" many$n.bin* -o many.db
    sqlite3 -batch -list many.db "SELECT alloc_events, alloc_bytes,
      realloc_events, realloc_old_bytes + earlier_realloc_bytes,
      realloc_new_bytes, free_events + earlier_free_events,
      free_bytes + earlier_free_bytes FROM profile" | diff expected$n -
  done
}

@test "a VM that one thread made and recorded is closed by another" {
  cat > handed.lua <<'LUA'
for i = 1, 20 do
  assert(host.handed_vm([[
    assert(require("misc").memprof.start("handed.bin"))
    kept = {}
    for i = 1, 5000 do kept[i] = {i} end
  ]]))
end
LUA
  host handed.lua
  run leaks handed.bin
  echo "$output"
  [ "$status" = 0 ]
  [[ "$output" == *":3 holds "* ]]
}

@test "exit() while another thread records leaves a complete stream" {
  cat > exit.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned);"
host.leave_vm(([[
  local m = require("misc").memprof
  jit.off()
  assert(m.start("%s"))
  io.open("ready", "w"):close()
  while true do keep = {1} end
]]):format(arg[1]))
while not io.open("ready") do end
ffi.C.usleep(tonumber(arg[2]))
os.exit(3)
LUA
  for delay in 0 200 1000 3000 7000 20000 50000; do
    for file in exit.bin exit.bin.zst; do
      rm -f ready
      run host exit.lua $file $delay
      [ "$status" = 3 ]
      leaks $file > /dev/null
    done
  done
}

@test "exit() waits for a buffer that another thread is writing" {
  # FAULTS: the second buffer takes half a second, exit() comes meanwhile and
  # gives up after a tenth: what is there is the first buffer, and no closing
  # byte before the second.
  cat > slow.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned);"
host.leave_vm([[
  local m = require("misc").memprof
  jit.off()
  assert(m.start("slow.bin"))
  while true do keep = {1} end
]])
repeat until io.open("slow")
if arg[1] == "late" then ffi.C.usleep(450000) end
os.exit(3)
LUA
  for when in early late; do
    rm -f slow
    FAULTS="slow 2" run timeout 10 "$BUILD/lua-host-faults" slow.lua $when
    [ "$status" = 3 ]
    run leaks slow.bin
    echo "$when: $(stat -c %s slow.bin) bytes, status $status"
    if [ $when = early ]; then
      [ "$status" = 3 ]
      [ "$(stat -c %s slow.bin)" -le 131072 ]
    else
      [ "$status" = 0 ]
      [ "$(stat -c %s slow.bin)" -gt 261000 ]
    fi
  done
}

@test "exit() does not wait for a thread that an allocator holds up" {
  cat > stuck.lua <<'LUA'
host.leave_vm([[
  local m = require("misc").memprof
  assert(m.start("stuck.bin"))
  host.act_at(50, "sleep")
  io.open("ready", "w"):close()
  while true do keep = {1} end
]])
while not io.open("ready") do end
for i = 1, 1e7 do end
os.exit(3)
LUA
  start=$(date +%s%N)
  run host stuck.lua
  [ "$status" = 3 ]
  [ $((($(date +%s%N) - start) / 1000000)) -lt 1900 ]
  run "$BUILD/memparse" stuck.bin
  [ "$status" = 3 ]
}

@test "exit() and fork() do not wait for a pipe that nobody empties" {
  # The signal makes the thread open a pipe, and it fills it for ever.
  cat > full.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef [[int usleep(unsigned); int fork(void); int raise(int);
  int waitpid(int, int *, int);]]
host.leave_vm([[
  require "ljmemprof"
  local ffi = require "ffi"
  ffi.cdef "int raise(int);"
  for i = 1, 1e9 do
    keep = {1}
    if i == 1000 then ffi.C.raise(12) end -- end() writes, and waits
  end
]])
ffi.C.usleep(300000)
local pid = ffi.C.fork()
if pid == 0 then os.exit(4) end
local status = ffi.new("int[1]")
ffi.C.waitpid(pid, status, 0)
assert(status[0] == 4 * 256, status[0])
os.exit(3)
LUA
  mkfifo full.bin
  # A reader that does not read, and a pipe that is full already.
  sleep 5 < full.bin &
  sleeper=$!
  exec 7> full.bin
  head -c 65536 /dev/zero >&7
  MEMPROF_OUT=full.bin MEMPROF_SIGNAL=USR2 MEMPROF_AUTOSTART=1 \
    run timeout 4 "$BUILD/lua-host" full.lua
  kill $sleeper
  echo "$output"
  [ "$status" = 3 ]
}

@test "exit() in a signal handler that came in the midst of it all" {
  cat > handler.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned);"
local m = require("misc").memprof
host.exit_on_alarm(tonumber(arg[1]))
while true do
  assert(m.start("handler.bin"))
  for i = 1, 100 do keep = {i} end
  assert(m.stop())
end
LUA
  for i in 1 2 3 4 5 6 7 8; do
    run host handler.lua $((i * 3717))
    [ "$status" = 5 ]
    run "$BUILD/memparse" handler.bin
    [ "$status" = 0 ] || [ "$status" = 3 ]
  done
}
