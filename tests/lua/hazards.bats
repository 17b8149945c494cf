#!/usr/bin/env bats
# What is hard on a profiler: each block is under its line all the same, and
# what came less what went is what the VM itself says.

load helpers
load sites

# hazard [ON_TRACE...]: records the program on standard input with the JIT off
# and on, or as the arguments say. A line "new(SIZE) -- COUNT" allocates
# so many blocks of a size that no other line has.
hazard() {
  local modes="${*:-0 1}" on_trace
  {
    echo 'local m, new = require("misc").memprof, require("table.new")'
    echo 'if arg[1] == "0" then jit.off() else jit.opt.start("hotloop=5") end'
    echo 'local keep, N = {}, 0 for i = 1, 16 do keep[i] = false end'
    cat
    cat <<'LUA'
collectgarbage() collectgarbage()
local counts = {0, 0, 0, 0, 0, 0, 0}
local file, count, heap = "hazard.bin", collectgarbage, 0
local function live() local _, b, _, o, n, _, f = host.counts()
  return b + n - o - f end
jit.off() -- nothing is compiled between two looks at the heap
heap = count("count")
counts[1] = live()
assert(m.start(file))
if arg[1] == "1" then jit.on() end
work()
jit.off()
keep = nil
collectgarbage() collectgarbage() collectgarbage()
heap = count("count") - heap
assert(m.stop())
counts[2] = live()
print(("%d|%d"):format(heap * 1024, counts[2] - counts[1]))
LUA
  } | sed -E 's/new\(([0-9]+)\)/new(\1 - 1, 0)/' > hazard.lua
  awk 'match($0, /new\([0-9]+ - 1, 0\)/) && match($0, / -- [0-9]+/) {
    count = substr($0, RSTART + 4, RLENGTH - 4)
    match($0, /new\([0-9]+/)
    print NR "\t" 8 * substr($0, RSTART + 4, RLENGTH - 4) "\t" count
  }' hazard.lua > expected
  for on_trace in $modes; do
    run "$BUILD/lua-host" hazard.lua $on_trace
    echo "jit $on_trace: $output"
    [ "$status" = 0 ]
    rm -f hazard.db
    "$BUILD/memparse" hazard.bin -o hazard.db 2> /dev/null
    check_sites hazard.db expected $on_trace > result || true
    cat result
    [ "$(cat result)" = "sites: $(wc -l < expected)" ]
    # The VM's own word, our allocator's, and the stream's.
    [ "${output%|*}" = "${output#*|}" ]
    [ "$(sqlite3 -batch hazard.db "SELECT alloc_bytes + realloc_new_bytes
      - realloc_old_bytes - earlier_realloc_bytes - free_bytes
      - earlier_free_bytes FROM profile")" = "${output%|*}" ]
  done
}

@test "errors thrown through frames, coroutines and pcall" {
  hazard <<'LUA'
local function deep(n)
  if n == 0 then
    keep[1] = new(300) -- 600
    error(keep)
  end
  return deep(n - 1) + 1
end
local function handler(e)
  keep[2] = new(310) -- 200
  return e
end
local mt = {__index = function() keep[7] = new(390) error("x", 0) end} -- 200
function work()
  for i = 1, 200 do
    assert(not pcall(deep, i % 40))
    keep[3] = new(320) -- 200
    assert(not xpcall(function() return deep(5) end, handler))
    assert(not coroutine.resume(coroutine.create(deep), 9))
    keep[4] = new(330) -- 200
    assert(not pcall(function() return setmetatable({}, mt).field end))
    assert(not pcall(string.rep)) assert(not pcall(table.concat, {{}}))
    keep[5] = new(340) -- 200
  end
end
LUA
}

@test "coroutines by the hundred thousand" {
  hazard <<'LUA'
local wrap, yield = coroutine.wrap, coroutine.yield
local function body(a)
  if a % 100 == 0 then
    keep[1] = new(300) -- 1000
  end
  yield(a)
  if a % 100 == 0 then
    keep[2] = new(310) -- 1000
  end
end
function work()
  for i = 1, 100000 do
    local co = wrap(body)
    co(i)
    if i % 1000 == 0 then
      keep[3] = new(320) -- 100
    end
    if i % 200 < 100 then co() else keep[4] = co end
    if i % 200 >= 100 then keep[4]() end
  end
end
LUA
}

@test "dead coroutines resumed" {
  hazard <<'LUA'
local resume, create = coroutine.resume, coroutine.create
function work()
  local dead = create(function() keep[1] = new(300) end) -- 1
  resume(dead)
  local failed = create(function() keep[2] = new(310) error("x") end) -- 1
  resume(failed)
  for i = 1, 2000 do
    local ok, message = resume(i % 2 == 0 and dead or failed)
    keep[3] = new(320) -- 2000
    keep[4] = message .. i
    if i % 50 == 0 then collectgarbage() end
  end
end
LUA
}

@test "recursion to the stack's overflow" {
  hazard <<'LUA'
local depth
local function endless(n)
  depth = n
  if n % 1000 == 0 then
    keep[1] = new(300)
  end
  return 1 + endless(n + 1)
end
local function handler(e)
  keep[2] = new(310) -- 5
  return e
end
function work()
  for i = 1, 5 do
    local ok, message = xpcall(endless, handler, 1)
    assert(not ok)
    keep[3] = new(320) -- 5
    assert(not pcall(endless, 1))
    keep[4] = new(330) -- 5
    collectgarbage() -- shrinks the stack
  end
end
LUA
}

@test "debug hooks that allocate" {
  hazard <<'LUA'
local hooked, lines = 0, 0
local function hook(event)
  hooked = hooked + 1
  if hooked % 10 == 0 then
    keep[1] = new(300)
  end
end
local function callee(i)
  keep[2] = new(310) -- 600
  return i
end
function work()
  for _, mask in ipairs{"c", "r", "l"} do
    debug.sethook(hook, mask)
    for i = 1, 200 do
      callee(i)
      keep[3] = new(320) -- 600
    end
    debug.sethook()
  end
  debug.sethook(hook, "", 7)
  for i = 1, 1000 do
    keep[4] = new(330) -- 1000
  end
  debug.sethook()
  assert(hooked > 2000)
end
LUA
}

@test "finalizers that allocate, of userdata and of cdata" {
  hazard <<'LUA'
local ffi = require "ffi"
local proxy = newproxy(true)
getmetatable(proxy).__gc = function()
  keep[1] = new(300) -- 500
end
local function finalize()
  keep[2] = new(310) -- 500
end
ffi.cdef "typedef struct { int x; } finalized;"
function work()
  for i = 1, 500 do
    newproxy(proxy)
    ffi.gc(ffi.new("finalized"), finalize)
    keep[3] = new(320) -- 500
    if i % 20 == 0 then collectgarbage() end
    if i % 7 == 0 then collectgarbage("step", 1) end
  end
  collectgarbage() collectgarbage()
end
LUA
}

@test "code that is loaded by the ten thousand and collected" {
  hazard <<'LUA'
local text = "local keep, new, i = ... " ..
  "if i % 10 == 0 then keep[1] = new(299, 0) end " ..
  "return function() return {i} end"
function work()
  for i = 1, 10000 do
    local f = loadstring(text, "=loaded")(keep, new, i)
    f()
    if i % 10 == 0 then
      keep[2] = new(310) -- 1000
    end
    if i % 500 == 0 then collectgarbage() end
  end
end
LUA
  # The 1,000 blocks of the loaded code are its own.
  [ "$(sqlite3 -batch hazard.db "SELECT count(*) FROM allocation AS a
    JOIN site AS s USING (site_id) WHERE a.size BETWEEN 2400 AND 2447
      AND a.born_by = 'alloc' AND s.chunk = '=loaded'")" = 1000 ]
}

@test "code dumped and loaded again, with and without its lines" {
  hazard 1 0 <<'LUA'
local function original()
  keep[1] = new(300) -- 500
end
local env = {keep = keep, new = new}
local global = loadstring("keep[2] = new(309, 0)", "=whole")
local whole = setfenv(loadstring(string.dump(global)), env)
local bare = loadstring("\n\nkeep[3] = new(319, 0)", "=bare")
bare = setfenv(loadstring(string.dump(bare, true)), env)
function work()
  for i = 1, 500 do
    original() whole() bare()
    keep[4] = new(330) -- 500
  end
end
LUA
  # With lines: its own. Without: its own chunk, be the line what it may.
  run sqlite3 -batch hazard.db "SELECT a.size / 80 * 80, s.chunk, count(*)
    FROM allocation AS a JOIN site AS s USING (site_id)
    WHERE a.size BETWEEN 2480 AND 2600 AND a.born_by = 'alloc'
    GROUP BY 1, 2 ORDER BY 1"
  echo "$output"
  [[ "${lines[0]}" == *"|=whole|500" ]]
  [[ "${lines[1]}" != *hazard.lua* ]]
  [[ "${lines[1]}" == *"|500" ]]
}

@test "callbacks from C that allocate" {
  hazard <<'LUA'
local ffi = require "ffi"
ffi.cdef [[void qsort(int *, size_t, size_t,
  int (*)(const int *, const int *));]]
local sorted = 0
local compare = ffi.cast("int (*)(const int *, const int *)", function(a, b)
  sorted = sorted + 1
  keep[1] = new(300)
  return a[0] - b[0]
end)
local numbers = ffi.new("int[64]")
local function sort() ffi.C.qsort(numbers, 64, 4, compare) end
jit.off(sort)
function work()
  for i = 1, 50 do
    for j = 0, 63 do numbers[j] = (j * 37 + i) % 64 end
    sort()
    keep[2] = new(310) -- 50
    table.sort({3, 2, 1}, function(a, b) keep[3] = new(320) return a < b end)
    string.gsub("ab", ".", function() keep[4] = new(330) end) -- 100
  end
  assert(sorted > 5000)
end
LUA
}

@test "jit.flush in a loop" {
  hazard 1 <<'LUA'
local function inner(i)
  keep[1] = new(300) -- 4000
end
function work()
  for i = 1, 200 do
    for j = 1, 20 do
      inner(j)
      keep[2] = new(310) -- 4000
    end
    jit.flush()
    if i % 10 == 0 then collectgarbage() end
    if i % 30 == 0 then jit.off() elseif i % 30 == 10 then jit.on() end
    keep[3] = new(320) -- 200
  end
end
LUA
}

@test "every word to the collector" {
  hazard <<'LUA'
function work()
  for i = 1, 300 do
    for j = 1, 10 do
      keep[1] = new(300) -- 3000
      keep[2 + j % 3] = {i, j}
    end
    if i % 3 == 0 then collectgarbage("stop") end
    if i % 3 == 1 then collectgarbage("restart") end
    if i % 5 == 0 then collectgarbage("step", i) end
    if i % 7 == 0 then collectgarbage("setpause", 50 + i) end
    if i % 11 == 0 then collectgarbage("setstepmul", 50 + 3 * i) end
    if i % 13 == 0 then collectgarbage("collect") end
    keep[6] = new(310) -- 300
  end
  collectgarbage("restart")
end
LUA
}
