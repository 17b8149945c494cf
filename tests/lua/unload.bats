#!/usr/bin/env bats
# Libraries that go while we are at work, and jumps out of an allocator.

load helpers

@test "a function where an unloaded library's was gets its own name" {
  cat > visit.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("visit.bin"))
local seen = {}
for i = 1, 20 do
  local name = i % 2 == 0 and "first" or "other"
  seen[name] = host.visit(("%s/visit-%s.so"):format(arg[1], name))
end
assert(m.stop())
-- The point of it: they were at one address.
print(seen.first == seen.other)
LUA
  run "$BUILD/lua-host" visit.lua "$BUILD"
  [ "$status" = 0 ]
  [ "$output" = true ] || [ "${SANITIZED:-OFF}" != OFF ]
  "$BUILD/memparse" visit.bin -o visit.db 2> /dev/null
  # The first was loaded when i was even: of 20 blocks they have 10 each.
  run sqlite3 -batch visit.db "SELECT
      substr(s.name, 1, 11), count(*)
    FROM allocation AS a JOIN site AS s USING (site_id)
    WHERE a.size BETWEEN 5000 AND 5100 GROUP BY 1 ORDER BY 1"
  echo "$output"
  [ "$output" = "visit_first|10
visit_other|10" ]
}

@test "the module stays when Lua unloads it under an allocator on top of it" {
  # lua_close() unloads what require has loaded, then frees the heap.
  cat > close.lua <<'LUA'
local open = assert(package.loadlib(arg[1], "luaopen_ljmemprof"))
assert(open().start("close.bin"))
kept = {}
for i = 1, 1000 do kept[i] = {} end
host.wrap()
LUA
  ASAN_OPTIONS=detect_leaks=0 \
    "$BUILD/lua-host" close.lua "$BUILD/ljmemprof.so"
  [[ "$(leaks close.bin)" == *"close.lua:4 holds"* ]]
}

@test "a host that unloads LuaJIT with its VM still recording" {
  echo 'kept = {} for i = 1, 1000 do kept[i] = {} end' > plugin.lua
  library=$(ldd "$BUILD/embed" | awk '/libluajit/ { print $3 }')
  for how in dlsym abandon; do
    rm -f out.bin
    MEMPROF_OUT=out.bin MEMPROF_AUTOSTART=1 \
      ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
      LD_PRELOAD="$BUILD/libljmemprof-preload.so" \
      "$BUILD/embed-late" $how "$library" plugin.lua
    [[ "$(leaks out.bin)" == *"plugin.lua:1"* ]]
  done
}

@test "a Lua error out of an allocator ends the recording, not the host" {
  cat > throw.lua <<'LUA'
local m = require("misc").memprof
jit.off()
local function work() for i = 1, 100 do keep = {i} end end
for i = 1, 20 do
  assert(m.start("throw.bin"))
  host.act_at(i, "throw")
  local ok, message = pcall(work)
  assert(not ok and message:find("thrown"), message)
  keep = {} -- the VM goes on
  local ok, message, number = m.stop()
  assert(ok == nil and number == 35, message)
  -- What comes next is recorded again.
  assert(m.start("next.bin"))
  host.act_at(0)
  kept = {}
  for i = 1, 100 do kept[i] = {} end
  assert(m.stop())
end
LUA
  "$BUILD/lua-host" throw.lua
  [[ "$(leaks next.bin)" == *"throw.lua:16 holds"* ]]
  # Nothing more was recorded, and the reader says so.
  run "$BUILD/memparse" throw.bin
  [ "$status" = 3 ]
}

@test "a host that jumps out of an allocator and leaves the VM" {
  cat > jump.lua <<'LUA'
local m = require("misc").memprof
assert(m.start("jump.bin"))
host.act_at(1000, "jump")
for i = 1, 1e6 do keep = {i} end
LUA
  ASAN_OPTIONS=detect_leaks=0 run timeout 10 "$BUILD/lua-host" jump.lua
  [ "$status" = 7 ]
  run "$BUILD/memparse" jump.bin
  [ "$status" = 3 ]
}
