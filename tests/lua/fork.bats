#!/usr/bin/env bats
# The process has children: forked, executed, spawned, in the midst of things.

load helpers

host() {
  ASAN_OPTIONS=detect_leaks=0 timeout 60 "$BUILD/lua-host" "$@"
}

# Their malloc() has a lock that fork() does not renew: a child of one thread
# waits for ever when another one was just allocating.
no_sanitizers() {
  [ "${SANITIZED:-OFF}" = OFF ] || skip "sanitizers' malloc is not fit for it"
}

# tables STREAM LINE: how many blocks the line allocated of the size of which
# there are most, in a stream that is complete.
tables() {
  rm -f tables.db
  "$BUILD/memparse" "$1" -o tables.db || return 1
  sqlite3 -batch tables.db "SELECT ifnull(max(n), 0) FROM (
    SELECT count(*) AS n FROM allocation AS a JOIN site AS s USING (site_id)
    WHERE s.kind = 'lua' AND s.line = $2 AND a.born_by = 'alloc'
    GROUP BY a.size)"
}

@test "children that are executed or spawned leave the stream alone" {
  cat > exec.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef [[int fork(void); int waitpid(int, int *, int);
  int execl(const char *, const char *, ...); void _exit(int);]]
local function inherited()
  return tonumber(io.popen("ls /proc/self/fd | wc -l"):read("*a"))
end
local before = inherited()
local keep = {}
for j = 1, 1000 do keep[j] = 0 end
assert(m.start(arg[1]))
assert(inherited() == before)
for i = 1, 40 do
  for j = 1, 1000 do keep[j] = {i, j} end
  if i % 4 == 0 then assert(os.execute("true") == 0) end
  if i % 4 == 1 then assert(io.popen("echo x"):read("*a") == "x\n") end
  if i % 4 == 2 then assert(host.vfork("/bin/true") == 0) end
  if i % 4 == 3 then
    if ffi.C.fork() == 0 then
      keep = {{}, {}, {}}
      ffi.C.execl("/bin/true", "true", nil)
      ffi.C._exit(1)
    end
    local status = ffi.new("int[1]")
    ffi.C.waitpid(-1, status, 0)
    assert(status[0] == 0)
  end
end
assert(m.stop())
LUA
  for file in exec.bin exec.bin.zst; do
    echo "jit.off()" | paste -d' ' - exec.lua > run.lua
    host run.lua $file < /dev/null
    [ "$(tables $file 14)" = 40000 ]
    [ "$(tables $file 20)" = 0 ]
  done
}

@test "a child is forked while another thread measures the layout" {
  no_sanitizers
  cat > measure.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef [[int fork(void); int waitpid(int, int *, int); int usleep(int);
  unsigned alarm(unsigned);]]
host.leave_vm("require('misc') host.act_at(0)")
ffi.C.usleep(tonumber(arg[1]))
local pid = ffi.C.fork()
if pid == 0 then
  ffi.C.alarm(10) -- ends a child that waits for a lock
  local m = require("misc").memprof
  assert(m.start("child.bin"))
  local keep = {}
  for i = 1, 1000 do keep[i] = {} end
  assert(m.stop())
  os.exit(0)
end
local status = ffi.new("int[1]")
ffi.C.waitpid(pid, status, 0)
assert(status[0] == 0, status[0])
LUA
  for delay in $(seq 0 500 14500); do
    rm -f child.bin
    host measure.lua $delay
    leaks child.bin > /dev/null 2>&1
  done
}

@test "a child is forked while other threads look for C functions' names" {
  no_sanitizers
  # Each event of a C function asks the dynamic linker, which has a lock that
  # fork() does not renew in the child.
  cat > linker.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef [[int fork(void); int waitpid(int, int *, int); void _exit(int);
  unsigned alarm(unsigned); void *dlopen(const char *, int);]]
local library = arg[1]
host.leave_vm([[
  local m = require("misc").memprof
  assert(m.start("thread.bin"))
  io.open("ready", "w"):close()
  for i = 1, 1e9 do coroutine.wrap(host.table)(1000) end
]])
while not io.open("ready") do end
for i = 1, 100 do
  local pid = ffi.C.fork()
  if pid == 0 then
    ffi.C.alarm(10)
    ffi.C._exit(ffi.C.dlopen(library, 2) == nil and 1 or 0)
  end
  local status = ffi.new("int[1]")
  ffi.C.waitpid(pid, status, 0)
  assert(status[0] == 0, status[0])
end
os.exit(0)
LUA
  host linker.lua "$BUILD/visit-first.so"
  leaks thread.bin > /dev/null
}
