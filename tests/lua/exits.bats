#!/usr/bin/env bats
# What compiled code saved itself and makes when it is left: several objects,
# alike, of several lines, at one exit. Each block of them has its own line.

load helpers
load exits

@test "each part of each table has its line, left by exits only" {
  few_traces "$BUILD/lua-host" "jit.opt.start('hotloop=5', 'hotexit=250')" \
    plain 1 2 3 4 5 6
}

@test "each part of each table has its line, also in side traces" {
  few_traces "$BUILD/lua-host" "jit.opt.start('hotloop=3', 'hotexit=4')" \
    plain 7 8 9 10
}

@test "each part of each table has its line, with stacks" {
  few_traces "$BUILD/lua-host" "jit.opt.start('hotloop=5', 'hotexit=250')" \
    stacks 11 12 13
}

@test "each part of each table has its line, stock luajit" {
  stock_luajit
  few_traces luajit "jit.opt.start('hotloop=5', 'hotexit=250')" plain 14 15
  few_traces luajit "jit.on()" stacks 16 17
}

# Three alike tables of three lines, which hold the number of their line, and
# what an exit keeps of them, in turn. One of two exits, by WAYS.
alike() {
  cat > alike.lua <<LUA
local ways = ${WAYS-1}
local tnew = require "table.new"
local kept, n, c = tnew(100000, 0), 0, 0
local function round(times)
  for i = 1, times do
    c = c + 1
    local a = {7, c}
    local b = {8, c}
    local d = {9, c}
    if c % 3 == 0 then a, b, d = b, d, a end
    if c % 5 == 0 then
      kept[n + 1], kept[n + 2], kept[n + 3] = a, b, d
      n = n + 3
    end
    if ways == 2 and c % 7 == 0 then
      kept[n + 1], kept[n + 2] = d, a
      n = n + 2
    end
  end
end
jit.opt.start("hotloop=5", "hotexit=250")
local function tell(name)
  local out = io.open(name, "w")
  for i = 1, n do
    local address = tonumber((("%p"):format(kept[i]):gsub("^0x", "")), 16)
    out:write(("%.0f\t%d\n"):format(address, kept[i][1]))
  end
  out:close()
end
return round, tell
LUA
}

# alike_lines STREAM TABLES: of all that are alive in the recording, how many
# are under their line, under a trace, under a wrong line.
alike_lines() {
  rm -f alike.db && "$BUILD/memparse" "$1" -o alike.db 2> /dev/null
  sqlite3 -batch -list alike.db <<SQL
.mode tabs
CREATE TEMP TABLE tables (address INTEGER, line INTEGER);
.import $2 tables
.mode list
SELECT total(s.kind = 'lua' AND s.line = t.line), total(s.kind = 'trace'),
  total(s.kind <> 'trace' AND NOT (s.kind = 'lua' AND s.line = t.line))
FROM tables AS t
JOIN allocation AS a ON a.address = t.address AND a.died_event IS NULL
JOIN site AS s USING (site_id);
SQL
}

@test "alike tables in turn, and a second exit" {
  for WAYS in 1 2; do
    alike
    cat > run.lua <<'LUA'
local round, tell = dofile("alike.lua")
local m = require("misc").memprof
assert(m.start("alike.bin"))
round(2000)
assert(m.stop())
tell("alike.tsv")
LUA
    "$BUILD/lua-host" run.lua
    run alike_lines alike.bin alike.tsv
    echo "$WAYS: $output"
    [[ "$output" =~ ^(1[12]|17)[0-9][0-9]\.0"|0.0|0.0"$ ]]
  done
}

@test "a recording that starts when the code is compiled" {
  alike
  cat > run.lua <<'LUA'
local m = require("misc").memprof
local round, tell = dofile("alike.lua")
round(2000)
assert(m.start("alike.bin"))
round(2000)
assert(m.stop())
tell("alike.tsv")
LUA
  "$BUILD/lua-host" run.lua
  run alike_lines alike.bin alike.tsv
  echo "$output"
  [ "$output" = "1200.0|0.0|0.0" ]
}

@test "an exit that runs out of memory: the next ones have their lines" {
  alike
  cat > run.lua <<'LUA'
local ours = arg[1] == "stacks" and require "ljmemprof"
local m = ours or require("misc").memprof
local round, tell = dofile("alike.lua")
round(200)
assert(m.start("alike.bin", ours and {stacks = true} or nil))
local failed = 0
for n = 1, 60 do
  host.fail_at(n)
  if not pcall(round, 37) then failed = failed + 1 end
  host.fail_at(0)
end
assert(m.stop())
tell("alike.tsv")
print(failed)
LUA
  for how in plain stacks; do
    run "$BUILD/lua-host" run.lua $how
    [ "$output" -ge 20 ]
    run alike_lines alike.bin alike.tsv
    echo "$how: $output"
    [[ "$output" =~ ^4[0-9]{2}\.0"|0.0|0.0"$ ]]
  done
}

@test "a recording that a signal starts in the middle of an exit" {
  alike
  cat > run.lua <<'LUA'
require "misc"
local round, tell = dofile("alike.lua")
round(200)
host.act_at(tonumber(arg[1]), "usr2")
round(500)
host.act_at(0)
tell("alike.tsv")
os.exit(0) -- the recording ends before the VM is closed
LUA
  rm -f all
  for n in $(seq 1 14); do
    MEMPROF_OUT=alike.bin MEMPROF_SIGNAL=USR2 "$BUILD/lua-host" run.lua $n
    alike_lines alike.bin alike.tsv >> all
  done
  cat all
  # Inside an exit nothing tells one of the alike from another; between exits
  # it is known where they begin.
  [ "$(grep -c '|0.0|0.0$' all)" -ge 4 ]
  [ "$(grep -c '|0.0$' all)" = 14 ]
  [ "$(cut -d'|' -f2 all | sort -n | tail -n 1 | cut -d. -f1)" -ge 1 ]
}

@test "traces that are thrown away in a loop" {
  alike
  cat > run.lua <<'LUA'
local ours = arg[1] == "stacks" and require "ljmemprof"
local m = ours or require("misc").memprof
local round, tell = dofile("alike.lua")
assert(m.start("alike.bin", ours and {stacks = true} or nil))
for n = 1, 100 do
  round(60 + n % 7)
  jit.flush()
  collectgarbage()
end
assert(m.stop())
tell("alike.tsv")
LUA
  for how in plain stacks; do
    "$BUILD/lua-host" run.lua $how
    run alike_lines alike.bin alike.tsv
    echo "$how: $output"
    [[ "$output" =~ ^3[0-9]{3}\.0"|0.0|0.0"$ ]]
  done
}

@test "coroutines and errors that leave the code" {
  alike
  cat > run.lua <<'LUA'
local m = require("misc").memprof
local round, tell = dofile("alike.lua")
assert(m.start("alike.bin"))
for n = 1, 300 do
  local co = coroutine.create(function(times)
    round(times)
    coroutine.yield()
    error("e")
  end)
  assert(coroutine.resume(co, 7 + n % 5))
  assert(not coroutine.resume(co))
  assert(not coroutine.resume(co))
end
assert(m.stop())
tell("alike.tsv")
LUA
  "$BUILD/lua-host" run.lua
  run alike_lines alike.bin alike.tsv
  echo "$output"
  [[ "$output" =~ ^1[0-9]{3}\.0"|0.0|0.0"$ ]]
}

@test "a stack that overflows where code is left: no wrong line" {
  cat > overflow.lua <<'LUA'
local m = require("misc").memprof
local kept, n, c = {}, 0, 0
local function down(i)
  c = c + 1
  local a = {5, c}
  local b = {6, c}
  if c % 7 == 0 then kept[n + 1], kept[n + 2] = b, a n = n + 2 end
  local r = down(i + 1)
  return a[2] + b[2] + r
end
jit.opt.start("hotloop=3", "hotexit=250")
assert(m.start("alike.bin"))
for i = 1, 5 do pcall(down, 1) end
assert(m.stop())
local out = io.open("alike.tsv", "w")
for i = 1, n do
  local address = tonumber((("%p"):format(kept[i]):gsub("^0x", "")), 16)
  out:write(("%.0f\t%d\n"):format(address, kept[i][1]))
end
out:close()
LUA
  "$BUILD/lua-host" overflow.lua
  run alike_lines alike.bin alike.tsv
  echo "$output"
  [[ "$output" =~ ^[0-9]{3,}"."0"|"[0-9]+"."0"|0.0"$ ]]
}

# In the handler of an overflow the stack is too large already: an exit that
# needs more of it ends in an error, for which nothing moves.
@test "an exit in the handler of a stack overflow: no wrong line after it" {
  locals=$(seq -f 'local l%g = i' 1 90)
  cat > handler.lua <<LUA
local ours = arg[1] == "stacks" and require "ljmemprof"
local m = ours or require("misc").memprof
local ct = require("ffi").typeof("struct { int x, y, z, w; }")
local kept, n, stop = require "table.new"(10000, 0), 0, -1
local function hold(a, b) kept[n + 1], kept[n + 2] = a, b n = n + 2 end
local function big(i, a, b)
  $(echo $locals)
  if i == stop then hold(a, b) end
  return l1 $(seq -f '+ l%g' 2 90 | tr '\n' ' ')
end
local function work(times)
  for i = 1, times do
    local a = i + 1LL
    local b = ct(i)
    big(i, a, b)
  end
end
jit.opt.start("hotloop=5", "hotexit=250")
work(100) stop = 50 work(100) stop = -1
assert(m.start("handler.bin", ours and {stacks = true} or nil))
stop = 50
for i = 1, 10 do work(100) end
local function down(i) local r = down(i + 1) return r + 1 end
jit.off(down)
print(xpcall(function() down(1) end, function(e)
  e = nil -- so that its text is made again
  collectgarbage() collectgarbage()
  work(100)
  return "handled"
end))
for i = 1, 30 do work(100) end
assert(m.stop())
LUA
  for how in plain stacks; do
    "$BUILD/lua-host" handler.lua $how
    rm -f handler.db
    "$BUILD/memparse" -o handler.db handler.bin
    run sqlite3 handler.db "SELECT line, size, count(*) FROM allocation
      JOIN site USING (site_id) WHERE kind = 'lua' AND line IN (13, 14)
      GROUP BY line, size ORDER BY line"
    echo "$how: $output"
    [ "$output" = "13|24|40
14|32|40" ]
  done
}
