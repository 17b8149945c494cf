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
  command -v strace || return 0
  [ "$(strace -f -e trace=process_vm_readv "$BUILD/lua-host" forbid.lua 2>&1 |
    grep -c EPERM)" -gt 10 ]
}

# Whatever is missing in a VM, or lies: start() works or says what is wrong.
@test "a VM that lacks a library, or whose functions lie, does no harm" {
  cat > lying.lua <<'LUA'
local start = require("misc").memprof.start
local ok, message, number = start("lying.bin")
if not ok then
  io.write("refused: ", message, "\n")
  return number == 95 or os.exit(9)
end
kept = {}
for i = 1, 100 do kept[i] = {} end
assert(require("misc").memprof.stop())
io.write("recorded\n")
LUA
  recorded=0 refused=0
  for strange in "debug = nil package.loaded.debug = nil" \
    "coroutine = nil" "string = nil" "table = nil" "math = nil" \
    "collectgarbage = nil" "pcall = nil" "setmetatable = nil" \
    "loadstring = nil" "newproxy = nil" "next, pairs, ipairs = nil" \
    "getmetatable('').__index = nil" "collectgarbage = function() end" \
    "coroutine.wrap = function() return function() end end" \
    "coroutine.resume = function() return false end" \
    "jit.attach = nil" "jit.attach = function() end" \
    "jit.attach = function() error('no') end" "jit.status = nil" \
    "jit.status = function() return false end" "jit.on = nil" \
    "jit.off()" "jit.off = nil" "jit.flush = nil" "jit.opt = nil" \
    "jit.arch = 'arm64'" "jit.version_num = 'x'" "jit.version = nil" \
    "local u = require 'jit.util' u.tracemc = nil" \
    "local u = require 'jit.util' u.tracemc = function() end" \
    "local u = require 'jit.util'
     u.tracemc = function() return 'x', 4096, 0 end" \
    "local u = require 'jit.util' u.traceinfo = function() end" \
    "local u = require 'jit.util' u.funcinfo = function() return {} end" \
    "local u = require 'jit.util' for k in pairs(u) do u[k] = nil end" \
    "local u = require 'jit.util'
     for k in pairs(u) do u[k] = function() return 1e15, -1 end end" \
    "debug.sethook(function() local t = {} end, 'crl')" \
    "debug.sethook(function() error('hook') end, '', 1000)" \
    "local own = {host = true, arg = true, kept = true, misc = true}
     setmetatable(_G, {__newindex = function(t, k, v)
       if not own[k] then error('new global ' .. k) end rawset(t, k, v)
     end})" \
    "collectgarbage('stop')" "collectgarbage('setpause', 1)"; do
    rm -f lying.bin
    STRANGE=$strange run timeout 20 "$BUILD/lua-host-strange" lying.lua
    echo "$strange: $status, $output"
    [ "$status" = 0 ]
    case $output in
    recorded)
      recorded=$((recorded + 1))
      leaks lying.bin > /dev/null 2>&1 ;;
    *)
      [[ "$output" == "refused: cannot profile "* ]]
      refused=$((refused + 1)) ;;
    esac
  done
  echo "$recorded recorded, $refused refused" >&3
  [ $recorded -gt 5 ]
  [ $refused -gt 5 ]
}

@test "a VM on malloc, made by lua_newstate, is recorded exactly" {
  cat > malloc.lua <<'LUA'
assert(host.malloc_vm([[
  local m = require("misc").memprof
  jit.off()
  local a1, b1, _, _, _, f1 = host.counts()
  assert(m.start("malloc.bin"))
  kept = {}
  for i = 1, 1000 do kept[i] = {i, host.table()} end
  collectgarbage()
  assert(m.stop())
  local a2, b2, _, _, _, f2 = host.counts()
  print(("%d|%d|%d"):format(a2 - a1, b2 - b1, f2 - f1))
]]))
LUA
  run "$BUILD/lua-host" malloc.lua
  [ "$status" = 0 ]
  rm -f malloc.db
  "$BUILD/memparse" malloc.bin -o malloc.db
  [ "$(sqlite3 -batch malloc.db "SELECT alloc_events, alloc_bytes,
    free_events + earlier_free_events FROM profile")" = "$output" ]
}

@test "a library that has Lua's names but is no Lua" {
  [ "${SANITIZED:-OFF}" = OFF ] || skip "it would not be found first"
  command -v cc || skip "no compiler"
  # What the program calls does nothing; the module finds the rest missing,
  # or, when all names are there, a Lua that answers 0 to everything.
  for all in "" "$(nm -D --undefined-only "$BUILD/ljmemprof.so" |
    awk '$2 ~ /^lua/ { print $2 }')"; do
    {
      echo "#include <stdlib.h>"
      echo "static char room[65536];"
      for name in luaL_newstate luaL_loadfile lua_pcall lua_close \
        lua_gettop luaL_openlibs luaJIT_setmode lua_tolstring luaopen_base \
        luaopen_string luaopen_table luaopen_package lua_call \
        lua_pushcclosure luaL_loadfilex $all; do
        echo "$name"
      done | sort -u | sed -E \
        -e 's/^lua(L_newstate|_newuserdata|_touserdata)$/void *&(void) { return room; }/' \
        -e 's/^luaL?_[a-z]+x?$/long &(void) { return 0; }/' \
        -e 's/^lua(open|JIT)_[a-z]+$/long &(void) { return 0; }/'
    } > fake.c
    cc -w -shared -fPIC -Wl,-soname,libluajit-5.1.so.2 \
      -o libluajit-5.1.so.2 fake.c
    echo "" > none.lua
    for library in "" "$BUILD/libljmemprof-preload.so"; do
      run env LD_LIBRARY_PATH="$PWD" LD_PRELOAD="$library" \
        MEMPROF_OUT=fake.bin MEMPROF_AUTOSTART=1 "$BUILD/embed" none.lua
      echo "${all:+all }$library: $status $output"
      [ "$status" = 0 ]
      [ "${#lines[@]}" -le 1 ]
      [ ! -e fake.bin ]
    done
  done
}
