#!/usr/bin/env bats
# Stored stacks are what the debug API says at the same place.

load helpers

HERE=$BATS_TEST_DIRNAME

# check VM JIT DEPTH: the last line of the comparison, in $output.
check() {
  echo "jit.$2()" | cat - "$HERE/stacks_program.lua" | sed '1N;s/\n/ /' > p.lua
  $1 p.lua s.bin s.tsv $3
  "$BUILD/memparse" --dump s.bin |
    luajit "$HERE/stacks_check.lua" s.tsv $3 > result
  tail -5 result
  output=$(tail -1 result)
}

@test "known call trees, JIT off, C host" {
  for depth in 64 10 3 1; do
    check "$BUILD/lua-host" off $depth
    [[ "$output" == "places: 149, events: 4913, whole: 100.0 %, wrong: 0" ]]
  done
}

@test "known call trees, JIT off, stock luajit" {
  stock_luajit
  check luajit off 64
  [[ "$output" == "places: 149, events: 4913, whole: 100.0 %, wrong: 0" ]]
}

@test "known call trees, JIT on, C host" {
  for depth in 64 10 3 1; do
    check "$BUILD/lua-host" on $depth
    [[ "$output" == "places: 149, events: 4913, whole: 100.0 %, wrong: 0" ]]
  done
}

@test "known call trees, JIT on, stock luajit" {
  stock_luajit
  check luajit on 64
  [[ "$output" == "places: 149, events: 4913, whole: 100.0 %, wrong: 0" ]]
}

# random_trees VM C SEED...: C is not empty when a C function calls main.
random_trees() {
  local vm=$1 c=$2 seed
  shift 2
  for seed in "$@"; do
    luajit "$HERE/stacks_random.lua" $seed > r.lua
    for jit in off on; do
      (echo "jit.$jit()" && cat r.lua) | sed '1N;s/\n/ /' > p.lua
      $vm p.lua s.bin s.tsv $c
      "$BUILD/memparse" --dump s.bin |
        luajit "$HERE/stacks_check.lua" s.tsv 64 > result
      echo "seed $seed $jit: $(tail -3 result)"
      # All frames but some per thousand are known on traces, too.
      tail -1 result | grep -Eq 'whole: (100.0|99.[5-9]) %, wrong: 0$'
    done
  done
}

@test "random call trees, C host" {
  random_trees "$BUILD/lua-host" "" 2 8 10 13 17
}

@test "random call trees, stock luajit" {
  stock_luajit
  random_trees luajit C 18 21
}

@test "the comparison sees one wrong frame" {
  check "$BUILD/lua-host" off 64
  awk -F'\t' -v OFS='\t' 'NR == 40 { $5 = $5 "0" } { print }' s.tsv > w.tsv
  "$BUILD/memparse" --dump s.bin | luajit "$HERE/stacks_check.lua" w.tsv 64 |
    tail -1 | grep -q 'wrong: 1$'
}

@test "20,000 chunks that are loaded, called and freed" {
  cat > chunks.lua <<'LUA'
jit.off()
local out = assert(io.open("s.tsv", "w"))
local new, memprof = require("ffi").new, require "ljmemprof"
keep, make = {}, function(n) keep[1] = new("uint8_t[?]", n) end
assert(memprof.start("s.bin", {stacks = true}))
local load, text = loadstring, "make(...) local x = 1"
local names = {}
for i = 1, 20000 do
  -- Of one length, so that addresses are used again; lines differ, too.
  local f = load(("\n"):rep(i % 7) .. text, ("=n%05d"):format(i))
  f(20001 + 4 * i)
end
assert(memprof.stop())
for i = 1, 20000 do
  out:write(("%d\t1\tffi.new\t@chunks.lua:4\t=n%05d:%d\t@chunks.lua:11\n")
    :format(20001 + 4 * i, i, i % 7 + 1))
end
out:close()
LUA
  "$BUILD/lua-host" chunks.lua
  "$BUILD/memparse" --dump s.bin | luajit "$HERE/stacks_check.lua" s.tsv 64 |
    tail -3 | tee result
  tail -1 result | grep -q '^places: 20000, events: 20000, .* wrong: 0$'
}
