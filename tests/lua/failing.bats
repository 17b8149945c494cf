#!/usr/bin/env bats
# The n-th allocation fails, for every n: the host behaves as without us.

load helpers

# A VM each for n; prints what the work did, n by n.
#   failing RECORD FOREVER FROM TO
failing() {
  cat > vm.lua <<'LUA'
local n = ...
jit.off() -- what gets hot depends on addresses
local misc = require "misc"
local function work()
  local keep = {}
  for i = 1, 40 do
    keep[i] = {i, "text" .. i, function() return i end}
    keep["key" .. i] = ("x"):rep(i * 7)
  end
  local co = coroutine.wrap(function(a) coroutine.yield({a}) end)
  co(1)
  pcall(error, {"e"})
  loadstring("local t = {} return function() return t end")()
  table.concat({"a", "b", keep.key3}, ",")
  string.format("%s-%d", keep.key4, 5)
  setmetatable({}, {__index = function() return {} end})[1] = 2
  collectgarbage("step", 10)
  return #keep
end
local record, name = RECORD_VALUE, "failing" .. n .. ".bin"
if record then assert(misc.memprof.start(name)) end
host.fail_at(n, FOREVER_VALUE)
local ok, result = pcall(work)
local attempts = host.attempts()
host.fail_at(0)
if record then assert(misc.memprof.stop()) end
collectgarbage()
print(n, ok, result, attempts)
LUA
  sed -i "s/RECORD_VALUE/$1/; s/FOREVER_VALUE/$2/" vm.lua
  cat > all.lua <<'LUA'
local text = assert(io.open("vm.lua")):read("*a")
for n = tonumber(arg[1]), tonumber(arg[2]) do
  assert(host.script_vm(text, n))
end
LUA
  "$BUILD/lua-host" all.lua "$3" "$4"
}

same_as_without() {
  failing false "$1" 1 "$2" > without
  failing true "$1" 1 "$2" > with
  # Something failed, and something did not: the range is wide enough.
  grep -q "not enough memory" without
  grep -q "true" without
  diff without with
}

@test "the n-th allocation fails once" {
  same_as_without false 500
}

@test "the n-th allocation and all later ones fail" {
  same_as_without true 500
}

@test "what was recorded around a failure is whole and has no failed event" {
  failing true false 1 60 > /dev/null
  for n in 1 7 23 45 60; do
    rm -f n.db && "$BUILD/memparse" failing$n.bin -o n.db --summary
    [ "$(sqlite3 -batch n.db "SELECT complete, failed_events, conflict_events
      FROM profile")" = "1|0|0" ]
  done
}
