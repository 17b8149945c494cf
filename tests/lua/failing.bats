#!/usr/bin/env bats
# The n-th allocation fails, for every n: the host behaves as without us.

load helpers

load failures

@test "the n-th allocation fails once" {
  same_as_without false 500
}

@test "the n-th allocation and all later ones fail" {
  same_as_without true 500
}

@test "the n-th allocation of require, start and stop fails" {
  cat > vm.lua <<'LUA'
local n = ...
local forever = n < 0
local function work()
  local m = require("misc").memprof
  assert(m.start("first.bin"))
  local keep = {}
  for i = 1, 20 do keep[i] = {i} end
  assert(m.stop())
end
host.fail_at(math.abs(n), forever)
local ok, message = pcall(work)
host.fail_at(0)
assert(ok or message == "not enough memory" or
  message:find("not enough memory"), message)
-- It is as if nothing had been, but for require's own mark.
package.loaded.misc = nil
local m = require("misc").memprof
m.stop()
assert(m.start("second.bin"))
kept = {}
for i = 1, 100 do kept[i] = {i} end
assert(m.stop())
print(ok)
LUA
  cat > all.lua <<'LUA'
local text = assert(io.open("vm.lua")):read("*a")
for n = 1, 150 do
  assert(host.script_vm(text, n))
  assert(host.script_vm(text, -n))
end
LUA
  "$BUILD/lua-host" all.lua > out
  grep -q true out
  grep -q false out
  [[ "$(leaks second.bin)" == *" holds "* ]]
}

@test "what was recorded around a failure is whole and has no failed event" {
  failing true false 1 60 > /dev/null
  for n in $(seq 60); do
    rm -f n.db && "$BUILD/memparse" failing$n.bin -o n.db --summary
    [ "$(sqlite3 -batch n.db "SELECT complete, failed_events, conflict_events
      FROM profile")" = "1|0|0" ]
  done
}
