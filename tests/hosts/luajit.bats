#!/usr/bin/env bats
# The luajit command: a program that is not edited, with and without the JIT.

load helpers

program() {
  cat > program.lua <<'LUA'
local words = {}
local function work(n)
  local text = ("word"):rep(n % 7)
  words[n] = {text = text, n = n}
  return #text
end
local sum = 0
for n = 1, 5000 do sum = sum + work(n) end
print(sum, misc and "misc" or "plain")
LUA
}

@test "by -lmisc, and two lines around the work" {
  need luajit
  program
  { echo 'assert(misc.memprof.start("lmisc.bin.zst"))'; cat program.lua
    echo 'assert(misc.memprof.stop())'; } > edited.lua
  for jit in on off; do
    [ "$(LUA_CPATH="$BUILD/?.so;;" luajit -j$jit -lmisc edited.lua)" = \
      "59988	misc" ]
    # A table and its hash part each; the list itself is one more.
    n=$(held lmisc.bin.zst edited.lua 5)
    [ "$n" -ge 10000 ]
    [ "$n" -le 10010 ]
  done
}

@test "by LUA_INIT alone" {
  need luajit
  program
  for jit in on off; do
    [ "$(LUA_INIT='require "ljmemprof"' LUA_CPATH="$BUILD/?.so;;" \
      MEMPROF_OUT=init-%p.bin.zst MEMPROF_AUTOSTART=1 \
      luajit -j$jit program.lua)" = "59988	plain" ]
    n=$(held init-*.bin.zst program.lua 4)
    [ "$n" -ge 10000 ]
    [ "$n" -le 10030 ]
    rm init-*
  done
}

@test "by LUA_INIT and a signal, in the middle of the work" {
  need luajit
  cat > server.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned);"
local log, quiet = {}, {}
io.open("ready", "w"):close()
local stop
while not stop do
  log[#log + 1] = {#log}
  ffi.C.usleep(200)
  local f = io.open("stop")
  stop = f and f:close()
end
for i = 1, 100 do quiet[i] = {} end
LUA
  LUA_INIT='require "ljmemprof"' LUA_CPATH="$BUILD/?.so;;" \
    MEMPROF_OUT=server.bin MEMPROF_SIGNAL=USR2 luajit server.lua &
  server=$!
  wait_for test -e ready
  [ ! -e server.bin ]
  kill -USR2 $server
  wait_for test -e server.bin
  sleep 0.3
  kill -USR2 $server
  # Complete while the program goes on.
  wait_for held server.bin server.lua 7
  n=$(held server.bin server.lua 7)
  echo "$n blocks"
  [ "$n" -gt 100 ]
  kill -0 $server
  touch stop
  wait $server
  [ "$(held server.bin server.lua 7)" = "$n" ]
}

@test "the preloaded library leaves it alone, and says why" {
  need luajit
  program
  MEMPROF_OUT=x.bin MEMPROF_AUTOSTART=1 run preloaded luajit program.lua
  [ "$status" = 0 ]
  [ "${lines[1]}" = "59988	plain" ]
  [[ "${lines[0]}" == "ljmemprof: LuaJIT is linked into this program"* ]]
  [ ! -e x.bin ]
}
