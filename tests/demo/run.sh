#!/bin/sh
# The main job, from nothing: installs what is missing, builds into build/,
# records a leaky program under the stock luajit, names the leaking lines.
set -eu
cd "$(dirname "$0")/../.."

sh tests/packages.sh build
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DLJMEMPROF_TESTS=OFF
cmake --build build -j "$(nproc)"
rm -f build/leaky.db build/leaky.bin.zst

# Shows a command, then runs it.
run() {
  printf '\n$ %s\n' "$1"
  sh -c "$1"
}

run "LUA_CPATH='build/?.so;;' \\
    luajit -joff -lmisc tests/demo/leaky.lua build/leaky.bin.zst"
run "build/memparse build/leaky.bin.zst --leak-only"
run "build/memparse build/leaky.bin.zst -o build/leaky.db"
run "sqlite3 -box build/leaky.db '
    SELECT
      site.name, count(*) AS blocks, sum(size) AS bytes,
      sum(born_event * 2 <= events) AS born_in_first_half,
      sum(born_event * 2 > events) AS in_second_half
    FROM allocation JOIN site USING (site_id), profile
    WHERE died_event IS NULL
    GROUP BY site.name HAVING blocks >= 100
    ORDER BY bytes DESC, site.name'"
