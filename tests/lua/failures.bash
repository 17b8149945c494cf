# failures.bash - the same work with and without us, over an allocator that
# fails at its n-th call.

# A VM each for n; prints what the work did, n by n.
#   failing RECORD FOREVER FROM TO [TIMES]
# TIMES makes the work longer.
failing() {
  cat > vm.lua <<'LUA'
local n = ...
jit.off() -- what gets hot depends on addresses
local misc = require "misc"
local reached = {}
local function again()
  -- No keys that are texts: their hashes differ from run to run, and with
  -- them the moment at which a table grows.
  local keep, texts = {}, {}
  for i = 1, 40 do
    keep[i] = {i, "text" .. i, function() return i end}
    texts[i] = "key" .. i .. ("x"):rep(i * 7)
  end
  local co = coroutine.wrap(function(a) coroutine.yield({a}) end)
  co(1)
  pcall(error, {"e"})
  local ok, message = pcall(string.format, "%s%d", {}, {})
  reached[1] = message
  local chunk = loadstring("local t = {} return function() return t end")
  if chunk then chunk() end
  table.concat({"a", "b", texts[3]}, ",")
  string.format("%s-%d", texts[4], 5)
  setmetatable({}, {__index = function() return {} end})[1] = 2
  -- Not newproxy(true), which enters the metatable's address in a table.
  debug.setmetatable(newproxy(), {__gc = function() reached[2] = {} end})
  -- When it works by itself differs from run to run.
  collectgarbage() collectgarbage("stop")
  return #keep
end
local function work()
  local sum = 0
  for i = 1, TIMES_VALUE do sum = sum + again() end
  return sum
end
collectgarbage() collectgarbage("stop")
local record, name = RECORD_VALUE, "failing" .. n .. ".bin"
if record then assert(misc.memprof.start(name)) end
host.fail_at(n, FOREVER_VALUE)
local ok, result = pcall(work)
local attempts = host.attempts()
host.fail_at(0)
if record then assert(misc.memprof.stop()) end
collectgarbage()
print(n, ok, result, attempts, reached[1])
LUA
  sed -i "s/RECORD_VALUE/$1/; s/FOREVER_VALUE/$2/; s/TIMES_VALUE/${5-1}/" vm.lua
  cat > all.lua <<'LUA'
local text = assert(io.open("vm.lua")):read("*a")
for n = tonumber(arg[1]), tonumber(arg[2]) do
  assert(host.script_vm(text, n))
end
LUA
  "$BUILD/lua-host" all.lua "$3" "$4"
}

# same_as_without FOREVER LAST [TIMES]: for every n from 1 to LAST.
same_as_without() {
  failing false "$1" 1 "$2" "${3-1}" > without
  failing true "$1" 1 "$2" "${3-1}" > with
  # Something failed, and something did not: the range is wide enough.
  grep -q "not enough memory" without
  grep -q "true" without
  # To the allocation: how many were tried is compared, too.
  diff without with > different || { head -n 20 different; false; }
}
