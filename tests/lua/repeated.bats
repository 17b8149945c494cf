#!/usr/bin/env bats
# Ten thousand times over: nothing is left behind.

load helpers

@test "start and stop, 10,000 times: no memory, no descriptor, no allocator" {
  cat > many.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef [[typedef struct { size_t arena, ordblks, smblks, hblks, hblkhd,
    usmblks, fsmblks, uordblks, fordblks, keepcost; } counts;
  counts mallinfo2(void);]]
local function descriptors()
  local n = 0
  for fd = 0, 99 do
    if ffi.C.fcntl(fd, 1) >= 0 then n = n + 1 end -- F_GETFD
  end
  return n
end
ffi.cdef "int fcntl(int, int, ...);"
local heap = tonumber(arg[1]) == 1
local function in_use()
  local c = ffi.C.mallinfo2()
  return tonumber(c.uordblks + c.hblkhd)
end
local top, keep, names = host.top(), {}, {"a.bin", "b.bin.zst", "/dev/null"}
local function round(i)
  assert(m.start(names[i % 3 + 1], i % 2 == 0 and {trace = "number"} or nil))
  assert(host.top() ~= top)
  for j = 1, 10 do keep[j] = {j, host.table()} end
  coroutine.wrap(host.table)()
  if i % 7 == 0 then assert(not m.start("x.bin")) end
  assert(m.stop())
  assert(host.top() == top)
  if i % 11 == 0 then assert(not m.start("/nonexistent/x")) end
  if i % 13 == 0 then assert(not m.stop()) end
end
local function rounds(n)
  for i = 1, n do round(i) end
end
rounds(1000) -- by then it is compiled, and its traces' logs are there
local fds, bytes = descriptors(), heap and in_use()
rounds(10000)
local now = descriptors()
assert(now == fds, now .. " descriptors, not " .. fds)
if heap then
  local grown = in_use() - bytes
  print("grown by", grown)
  -- The least block is 24 bytes; a trace compiled late may add a log.
  assert(grown < 10000)
end
LUA
  run "$BUILD/lua-host" many.lua "$([ "${SANITIZED:-OFF}" = OFF ] && echo 1)"
  echo "$output"
  [ "$status" = 0 ]
}

@test "200 VMs one after the other, some recording when they are closed" {
  cat > vms.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef [[typedef struct { size_t arena, ordblks, smblks, hblks, hblkhd,
    usmblks, fsmblks, uordblks, fordblks, keepcost; } counts;
  counts mallinfo2(void);]]
local heap = tonumber(arg[1]) == 1
local function in_use()
  local c = ffi.C.mallinfo2()
  return tonumber(c.uordblks + c.hblkhd)
end
local bytes
for i = 1, 200 do
  assert(host.script_vm([[
    local n = ...
    local m = require("misc").memprof
    assert(m.start("vm.bin.zst"))
    for i = 1, 300 do kept = {i, host.table()} end
    if n % 2 == 0 then m.stop() end
    if n % 5 == 0 then m.start("vm.bin") end
  ]], i))
  if i == 20 then bytes = heap and in_use() end
end
if heap then
  local grown = in_use() - bytes
  print("grown by", grown)
  assert(grown < 1000)
end
LUA
  run "$BUILD/lua-host" vms.lua "$([ "${SANITIZED:-OFF}" = OFF ] && echo 1)"
  echo "$output"
  [ "$status" = 0 ]
}

@test "valgrind finds nothing lost and nothing misused" {
  stock_luajit
  command -v valgrind > /dev/null || skip "valgrind is not installed"
  cat > some.lua <<'LUA'
local m = require("misc").memprof
for i = 1, 20 do
  assert(m.start(i % 2 == 0 and "v.bin" or "v.bin.zst"))
  for j = 1, 50 do keep = {j, host.table()} end
  coroutine.wrap(host.table)()
  if i < 20 then assert(m.stop()) end
end
LUA
  # LuaJIT itself compares texts in whole words: no complaints of that kind.
  valgrind -q --error-exitcode=9 --undef-value-errors=no --leak-check=full \
    --errors-for-leak-kinds=definite,indirect "$BUILD/lua-host" some.lua
}
