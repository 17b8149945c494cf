#!/usr/bin/env bats
# Where it is not certain how to read the VM, start() refuses and says why.

load helpers

cat_script() {
  cat > refused.lua <<'LUA'
local misc = require "misc"
local ok, message, number = misc.memprof.start("refused.bin")
print(misc.memprof.available, ok, message, number)
print(misc.memprof.stop())
LUA
}

strange() {
  cat_script
  STRANGE=$1 "$BUILD/lua-host-strange" refused.lua
}

@test "an ordinary VM is not refused by the strange host" {
  run strange ""
  [ "${lines[0]}" = "true	true	nil	nil" ]
  [ "${lines[1]}" = "true" ]
}

@test "PUC Lua 5.1 is refused by name" {
  stock_luajit
  command -v lua5.1 || skip "lua5.1 is not installed"
  cat_script
  run lua5.1 refused.lua
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = \
    "false	nil	cannot profile Lua 5.1: it is not LuaJIT	95" ]
  [ "${lines[1]}" = "nil	profiler is not running	22" ]
  [ ! -e refused.bin ]
}

@test "LuaJIT 2.0 is refused by name" {
  run strange "jit.version, jit.version_num = 'LuaJIT 2.0.5', 20005"
  echo "$output"
  [ "${lines[0]}" = \
    "false	nil	cannot profile LuaJIT 2.0.5: it is not LuaJIT 2.1	95" ]
  [ ! -e refused.bin ]
}

@test "a VM without jit is refused" {
  run strange "jit = nil"
  [[ "${lines[0]}" == "false	nil	cannot profile Lua 5.1: it is not"* ]]
}

@test "a VM without jit.util is refused, and the message says what lacks" {
  run strange "package.preload['jit.util'] = nil
    package.loaded['jit.util'] = nil package.path = '' package.cpath = ''"
  echo "$output"
  [[ "${lines[0]}" == "false	nil	cannot profile LuaJIT 2.1"*jit.util*95 ]]
}

@test "a compiler that is on but compiles nothing is refused" {
  run strange "local start = jit.opt.start
    jit.opt.start = function() start('hotloop=2', 'maxrecord=1') end"
  echo "$output"
  [[ "${lines[0]}" == *"on but compiled nothing"*95 ]]
}

@test "a container that forbids process_vm_readv is no reason to refuse" {
  cat > forbid.lua <<'LUA'
host.forbid()
assert(require("misc").memprof.start("forbid.bin"))
local keep = {}
for i = 1, 100 do keep[i] = {} end
assert(misc.memprof.stop())
LUA
  "$BUILD/lua-host" forbid.lua
  [ "$(strace -f -e trace=process_vm_readv "$BUILD/lua-host" forbid.lua 2>&1 |
    grep -c EPERM)" -gt 10 ] || ! command -v strace
}
