#!/usr/bin/env bats
# Tarantool 2.6, which has no profiler of its own: fibers, box, and a cache.

load helpers

application() {
  cat > app.lua <<'LUA'
local fiber = require "fiber"
box.cfg{wal_mode = "none", log_level = 1, memtx_memory = 32 * 1024 * 1024}
local users = box.schema.space.create("users")
users:create_index("primary")
for i = 1, 100 do users:insert{i, "user " .. i} end
local seen = {}
local function worker(channel)
  for i = 1, 250 do
    local user = users:get(i % 100 + 1)
    seen[#seen + 1] = {user[2], i}
    if i % 10 == 0 then fiber.yield() end
  end
  channel:put(true)
end
local done = fiber.channel(4)
for i = 1, 4 do fiber.create(worker, done) end
for i = 1, 4 do done:get() end
print(#seen)
os.exit(0)
LUA
}

@test "by -l ljmemprof, with fibers and box" {
  need tarantool
  application
  LUA_CPATH="$BUILD/?.so;;" MEMPROF_OUT=tt-%p.bin.zst MEMPROF_AUTOSTART=1 \
    tarantool -l ljmemprof app.lua > out 2>&1 < /dev/null
  cat out
  [ "$(tail -1 out)" = 1000 ]
  if grep ljmemprof: out; then return 1; fi
  n=$(held tt-*.bin.zst app.lua 10)
  echo "$n blocks"
  # 1,000 tables, the list, and tuples that are not collected yet.
  [ "$n" -ge 1000 ]
  [ "$n" -lt 5000 ]
}

@test "the preloaded library leaves it alone" {
  need tarantool
  echo 'print("runs") os.exit(0)' > run.lua
  MEMPROF_OUT=x.bin MEMPROF_AUTOSTART=1 run preloaded tarantool run.lua
  echo "$output"
  [ "$status" = 0 ]
  [[ "$output" == *runs ]]
  [ ! -e x.bin ]
}

@test "ljmemprof.check tells a leak, in a fiber that yields" {
  need tarantool
  cat > check.lua <<'LUA'
local check, fiber = require "ljmemprof.check", require "fiber"
local kept, n = {}, 0
for i = 1, 100 do kept[i] = false end
print(pcall(check, function()
  n = n + 1
  fiber.yield()
  kept[n] = {}
end))
os.exit(0)
LUA
  LUA_CPATH="$BUILD/?.so;;" run timeout 60 tarantool check.lua < /dev/null
  echo "$output"
  [ "${lines[0]}" = "false	1 line leaks:" ]
  [[ "${lines[1]}" == "  check.lua:7: "*" B in 5 blocks over 5 runs" ]]
}
