#!/usr/bin/env bats
# -q verdicts of real programs: what is bounded does not grow, what leaks does.

load helpers

# judged MODE JIT: the verdicts, of which that of no bounded line is growing.
judged() {
  luajit "-j$2" "$BATS_TEST_DIRNAME/verdicts.lua" "$1" "$1.bin.zst"
  "$BUILD/memparse" "$1.bin.zst" -q verdicts -f csv > verdicts 2> messages
  ! grep "^\(@bounded.*\|@.*verdicts.lua.*\|INTERNAL\),growing," verdicts || {
    cat verdicts
    return 1
  }
}

# found: all three lines that leak.
found() {
  [ "$(grep -c '^@leak-[a-z-]*:[0-9]*,growing,' verdicts)" -ge 3 ] || {
    cat verdicts
    return 1
  }
}

@test "of format 3" {
  stock_luajit
  for jit in off on; do
    judged v3 $jit
    found
  done
}

@test "of the compact stream, at its collections or even moments" {
  stock_luajit
  for jit in off on; do
    judged compact $jit
    found
    judged compact-called $jit
    found
    grep -q ',collections$' verdicts
  done
}

@test "where garbage is not collected at the end" {
  stock_luajit
  for jit in off on; do
    judged v3-garbage $jit
    judged compact-garbage $jit
  done
}
