# collections.bash - cycles of the program's own collector, and an oracle.

# reasons STREAM: of the collections, and how often each follows itself.
reasons() {
  "$BUILD/memparse" --dump "$1" | awk '/^collection/ { print $2 }' | uniq -c |
    awk '{ printf "%s%dx%d", (NR > 1 ? " " : ""), $2, $1 }'
}

# cycles VM PROLOGUE: the collector works by and by. A finalizer that makes its
# own successor runs once in each cycle, behind its end, and marks it: so
# collections and marks must take turns. And whatever became garbage before a
# cycle began must be gone when it has ended, but for the last round's.
cycles() {
  cat > cycles.lua <<LUA
$2
local m = require "ljmemprof"
local ring, over, marks = {}, false, 0
local function sentinel()
  getmetatable(newproxy(true)).__gc = function()
    if over then return end
    assert(m.mark("cycle"))
    marks = marks + 1
    sentinel()
  end
end
for i = 1, 3000 do ring[i] = {} end
assert(m.start("cycles.bin"))
sentinel()
for i = 1, 60000 do
  sink = {i, {}}
  if i % 3 == 0 then
    ring[i / 3 % 3000 + 1] = {i} -- line 18
  end
end
over = true
assert(m.stop())
io.open("marks", "w"):write(marks)
LUA
  $1 cycles.lua
  "$BUILD/memparse" --dump cycles.bin |
    awk '/^mark/ { printf "m" } /^collection/ { printf $2 }' > turns
  echo "$1: $(cat marks) cycles, $(cat turns)"
  [ "$(cat marks)" -ge 15 ]
  grep -qE '^1(0m)+0?3$' turns
  [ "$(tr -cd m < turns | wc -c)" = "$(cat marks)" ]
  rm -f cycles.db
  "$BUILD/memparse" cycles.bin -o cycles.db
  # How many blocks are there that should be gone, at the worst collection, of
  # those that were garbage at once, and of those that the ring held for 3,000
  # more; how many of the events in and between collections are within them.
  sqlite3 -batch -list cycles.db > honest <<'SQL'
CREATE TEMP TABLE garbage AS
SELECT line, died_event, (
    SELECT number FROM collection
    WHERE event >= free_event AND began_event >= free_event
    ORDER BY event, number LIMIT 1
  ) AS number
FROM (
  SELECT line, died_event, CASE line WHEN 18
      THEN lead(born_event, 3000) OVER (PARTITION BY line ORDER BY born_event)
      ELSE born_event
    END AS free_event
  FROM allocation JOIN site USING (site_id)
  WHERE line IN (16, 18) AND born_event IS NOT NULL
);
SELECT max(wrong) FROM (
  SELECT line, sum(g.died_event IS NULL OR g.died_event > c.event) AS wrong
  FROM garbage AS g JOIN collection AS c USING (number) GROUP BY line, number
) GROUP BY line ORDER BY line;
SELECT CAST(100 * total(event - began_event) / max(event) AS INTEGER)
FROM collection WHERE reason = 'program';
SQL
  echo "blocks left at worst, % of the time: $(tr '\n' ' ' < honest)"
  [ "$(sed -n 1p honest)" -le 12 ] && [ "$(sed -n 2p honest)" -le 3 ]
  [ "$(sed -n 3p honest)" -gt 5 ] && [ "$(sed -n 3p honest)" -lt 90 ]
}

# called VM PROLOGUE: as many as the program has called for, and no other.
called() {
  cat > called.lua <<LUA
$2
local m = require "ljmemprof"
local keep = {}
assert(m.start("called.bin", {stacks = true}))
collectgarbage("stop")
for i = 1, 40 do
  for k = 1, 50 do sink = {k, "x" .. k .. "y" .. i} end
  keep[i] = newproxy(true)
  getmetatable(keep[i]).__gc = function() local t = {} end
  if i > 4 and i % 3 == 0 then keep[i - 4] = nil end
  collectgarbage() collectgarbage("stop")
  if i == 30 then assert(m.mark("late", {gc = true})) end
  if i == 35 then assert(m.mark("no collection", {gc = false})) end
end
-- The second of two in a row, which frees nothing.
for k = 1, 50 do sink = {k} end
collectgarbage() collectgarbage() collectgarbage("stop")
-- A step that returns true has ended one.
local steps = 0
for i = 1, 20000 do
  for k = 1, 3 do sink = {k} end
  if collectgarbage("step", 1) then steps = steps + 1 end
  collectgarbage("stop")
end
while not collectgarbage("step", 1000000) do end
steps = steps + 1
collectgarbage("stop")
assert(m.mark("steps"))
-- A collector that stands still does so behind a mark, too.
assert(m.mark("again", {gc = true}))
for i = 1, 20000 do sink = {i} end
assert(m.mark("restart"))
collectgarbage("restart")
for i = 1, 20000 do sink = {i} end
assert(m.stop())
io.open("steps", "w"):write(steps)
LUA
  $1 called.lua
  steps=$(cat steps)
  echo "$1: $steps of steps; $(reasons called.bin)"
  [ "$steps" -ge 3 ]
  [[ "$(reasons called.bin)" == "1x1 0x30 2x1 0x$((12 + steps)) 2x1 0x"*" 3x1" ]]
  # Our own come before the marks; none when the collector stands still.
  [[ "$("$BUILD/memparse" --dump called.bin |
    awk '/^mark/ { printf "m" } /^collection/ { printf $2 }')" =~ \
    ^10+2m0{5}m0+m2mm0+3$ ]]
}
