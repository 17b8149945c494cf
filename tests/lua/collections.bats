#!/usr/bin/env bats
# Cycles of the program's own collector in the compact stream.

load helpers
load collections

# each_vm FUNCTION: in the host and in the stock luajit, JIT off and on.
each_vm() {
  local jit
  for jit in off on; do
    "$1" "$BUILD/lua-host" "jit.$jit()"
    [ "${SANITIZED:-OFF}" != OFF ] || "$1" luajit "jit.$jit()"
  done
}

@test "as many as the program has called for, by collectgarbage and steps" {
  each_vm called
}

@test "those that the VM runs by itself, each with its begin" {
  each_vm cycles
}

@test "one that had begun before the recording is none of it" {
  before() {
    cat > before.lua <<LUA
$2
local m = require "ljmemprof"
ring = {}
for i = 1, 3000 do ring[i] = {} end
collectgarbage() collectgarbage("stop")
for i = 1, 3 do
  collectgarbage("step", 0)
  collectgarbage("stop")
end
assert(m.start("before.bin", {gc = false}))
for i = 1, 3000 do sink = {i} end
local steps = 0
repeat
  local ended = collectgarbage("step", 0)
  if ended then steps = steps + 1 end
  collectgarbage("stop")
  sink = {}
  if steps == 1 and ended then assert(m.mark("the first has ended")) end
until steps == 2
assert(m.stop())
LUA
    $1 before.lua
    [ "$("$BUILD/memparse" --dump before.bin | grep -E '^(coll|mark)' |
      cut -d' ' -f1 | tr '\n' ' ')" = "mark collection " ]
  }
  each_vm before
}

@test "nothing, when the collector is stopped" {
  none() {
    cat > none.lua <<LUA
$2
local m = require "ljmemprof"
assert(m.start("none.bin", {gc = false}))
collectgarbage("stop")
for i = 1, 20000 do local t = {i} end
assert(m.stop())
LUA
    $1 none.lua
    [ "$(reasons none.bin)" = "" ]
  }
  each_vm none
}

@test "what is garbage is gone before the record, also of one just before stop" {
  order() {
    cat > order.lua <<LUA
$2
local m = require "ljmemprof"
assert(m.start("order.bin", {gc = false}))
collectgarbage("stop")
for i = 1, 500 do sink = {i} end sink = nil
collectgarbage() collectgarbage("stop")
for i = 1, 500 do sink = {i, i, i, i, i, i, i, i, i} end
collectgarbage() m.stop()
LUA
    $1 order.lua
    rm -f order.db && "$BUILD/memparse" order.bin -o order.db
    seen=$(sqlite3 -list order.db "
      WITH c AS (SELECT * FROM collection WHERE reason = 'program')
      SELECT (SELECT count(*) FROM c),
        count(DISTINCT born_event) FILTER (WHERE line = 5 AND number = 1
          AND born_event <= began_event AND died_event <= event),
        count(DISTINCT born_event) FILTER (WHERE line = 7 AND number = 2
          AND born_event <= began_event AND died_event <= event),
        count(DISTINCT born_event) FILTER (WHERE line = 7 AND number = 1
          AND born_event > event)
      FROM allocation JOIN site USING (site_id), c")
    echo "$*: $seen"
    # The last one is in a global, its block has two parts.
    grep -qE "^2\|(500|1000)\|(499|998)\|(500|1000)$" <<< "$seen"
  }
  each_vm order
}

@test "what is known to survive" {
  survive() {
    cat > survive.lua <<LUA
$2
local m = require "ljmemprof"
assert(m.start("survive.bin", {gc = false}))
collectgarbage("stop")
old, young = {}, {}
for i = 1, 100 do old[i] = {i} end
for k = 1, 3 do
  for i = 1, 100 do sink = {i} end
  sink = nil collectgarbage() collectgarbage("stop")
end
for i = 1, 100 do young[i] = {i} end
for i = 1, 100 do sink = {i} end
assert(m.stop())
LUA
    $1 survive.lua
    rm -f survive.db
    "$BUILD/memparse" survive.bin -o survive.db 2> /dev/null
    "$BUILD/memparse" survive.db -q alive_since -f csv \
      --param collections=2 > two
    "$BUILD/memparse" survive.db -q alive_since -f csv > all
    echo "$*:" && cat two
    awk -F, '$2 == 3 && $3 ~ /:6$/ { n += $4 } END { exit n < 100 }' two
    [ "$(grep -cE "survive.lua:(8|11|12)," two)" = 0 ]
    grep -qE "^,0,@survive.lua:11," all
    grep -qE "^,0,@survive.lua:12," all
  }
  each_vm survive
}

@test "options of mark that are wrong are refused by name; finalizers that mark" {
  cat > wrong.lua <<'LUA'
local m = require "ljmemprof"
local function refuses(options, what)
  local ok, message = pcall(m.mark, "x", options)
  assert(not ok and message:find(what, 1, true), message)
end
assert(m.start("wrong.bin", {gc = false}))
refuses({cg = true}, "mark has no option 'cg', only 'gc'")
refuses({true}, "mark has no option 'number', only 'gc'")
refuses({gc = 1}, "option 'gc' of mark is a boolean")
refuses("gc", "table expected")
assert(m.mark("x", {}) and m.mark("x", nil))
-- A finalizer that marks in its turn, one that raises, one that ends it.
getmetatable(newproxy(true)).__gc = function()
  assert(m.mark("inner", {gc = true}))
end
assert(m.mark("outer", {gc = true}))
getmetatable(newproxy(true)).__gc = function() error("not yours") end
assert(m.mark("raised", {gc = true}))
getmetatable(newproxy(true)).__gc = function() assert(m.stop()) end
local ok, message = m.mark("never", {gc = true})
assert(not ok and message == "no recording that can hold marks", message)
assert(not m.mark("never", {gc = true}))
assert(not m.stats().running)
-- And one that begins another: no collection of ours is in it.
assert(m.start("first.bin", {gc = false}))
getmetatable(newproxy(true)).__gc = function()
  assert(m.stop() and m.start("second.bin", {gc = false}))
end
assert(m.mark("there", {gc = true}))
collectgarbage("stop")
assert(m.stop())
LUA
  "$BUILD/lua-host" wrong.lua
  [ "$(reasons wrong.bin)" = "2x3" ]
  "$BUILD/memparse" --dump wrong.bin | tail -1 | grep -qx end
  [[ "$(reasons first.bin)$(reasons second.bin)" != *[123]x* ]]
}
