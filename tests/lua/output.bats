#!/usr/bin/env bats
# Disks that fail, in every way that write() knows: the recording ends, the
# host lives, stop() tells.

load helpers

# faulty FAULTS SCRIPT [ARGUMENT...]
faulty() {
  local faults=$1
  shift
  FAULTS=$faults timeout 20 "$BUILD/lua-host-faults" "$@"
}

# Records into arg[1], prints what stop() says and the allocator's counts.
work() {
  cat > work.lua <<'LUA'
local m = require("misc").memprof
jit.off()
local file = arg[1]
local a1, _, _, _, _, f1 = host.counts()
assert(m.start(file))
local keep = {}
for i = 1, 60000 do keep[i % 100] = {i} end
local ok, message, number = m.stop()
local a2, _, _, _, _, f2 = host.counts()
print(ok, message, number)
print(a2 - a1, f2 - f1)
-- The next recording is another file, another chance.
if arg[2] then assert(m.start(arg[2]) and m.stop()) end
LUA
}

@test "EIO, at any write" {
  work
  for file in eio.bin eio.bin.zst; do
    for n in 1 2 5; do
      run faulty "eio $n" work.lua $file next.bin
      echo "$output"
      [ "$status" = 0 ]
      [ "${lines[0]}" = "nil	$file: Input/output error	5" ]
      run "$BUILD/memparse" next.bin
      [ "$status" = 0 ]
    done
  done
}

@test "EIO when the file is closed" {
  work
  for file in close.bin close.bin.zst; do
    run faulty close work.lua $file
    [ "$status" = 0 ]
    [ "${lines[0]}" = "nil	$file: Input/output error	5" ]
  done
}

@test "a write that writes nothing does not go on for ever" {
  work
  run faulty "zero 2" work.lua zero.bin
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = "nil	zero.bin: Input/output error	5" ]
}

# events FILE: how many, in a complete stream.
events() {
  rm -f events.db
  "$BUILD/memparse" "$1" -o events.db --summary 2> /dev/null
  sqlite3 -batch events.db "SELECT alloc_events,
    free_events + earlier_free_events FROM profile"
}

@test "writes that are interrupted and short lose nothing" {
  work
  for file in hard.bin hard.bin.zst; do
    run faulty hard work.lua $file
    [ "$status" = 0 ]
    [ "${lines[0]}" = "true	nil	nil" ]
    [ "$(events $file | tr '|' '	')" = "${lines[1]}" ]
  done
}

@test "signals during writes to a slow reader lose nothing" {
  work
  mkfifo slow
  # Reads in small bites: the pipe is full most of the time.
  (exec 0< slow; while dd bs=30000 count=1 2> /dev/null > bite && [ -s bite ]
  do cat bite >> slow.bin; sleep 0.002; done) 3>&- &
  reader=$!
  sleep 0.2
  run faulty alarm work.lua slow
  wait $reader
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = "true	nil	nil" ]
  [ "$(events slow.bin | tr '|' '	')" = "${lines[1]}" ]
}

@test "what ends a recording leaves the signals and errno as they were" {
  cat > quiet.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef [[int sigpending(void *); int sigismember(void *, int);
  int sigprocmask(int, void *, void *); int close(int);]]
local m = require("misc").memprof
local set = ffi.new("char[128]")
jit.off()
for _, name in ipairs{"/dev/full", "pipe"} do
  assert(m.start(name))
  if name == "pipe" then os.execute("kill $(cat reader); sleep 0.1") end
  ffi.errno(77)
  local keep = {}
  for i = 1, 60000 do keep[i % 100] = {i} end
  assert(ffi.errno() == 77)
  assert(not m.stop())
  for _, f in ipairs{function() ffi.C.sigpending(set) end,
      function() ffi.C.sigprocmask(0, nil, set) end} do
    f()
    for _, signal in ipairs{13, 25} do
      assert(ffi.C.sigismember(set, signal) == 0)
    end
  end
end
LUA
  mkfifo pipe
  sleep 20 < pipe 3>&- &
  echo $! > reader
  sleep 0.2
  "$BUILD/lua-host" quiet.lua
}
