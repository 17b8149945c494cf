#!/usr/bin/env bats
# The demo's report names the leaks first, with the right bytes and counts.

: "${BUILD:?run these tests through ctest}"

@test "the leaking lines come first, with the bytes worked out by hand" {
  [ "${SANITIZED:-OFF}" = OFF ] ||
    skip "a sanitized module cannot be loaded by the stock luajit"
  cd "$BATS_TEST_DIRNAME"
  export LUA_CPATH="$BUILD/?.so;;"
  luajit -joff -lmisc leaky.lua "$BATS_TEST_TMPDIR/leaky.bin.zst"
  "$BUILD/memparse" "$BATS_TEST_TMPDIR/leaky.bin.zst" --leak-only \
    > "$BATS_TEST_TMPDIR/report" 2> "$BATS_TEST_TMPDIR/messages"
  # A allocs, F frees: A - F blocks are alive.
  sed -nE 's/^@(.*) holds (.*)B: ([0-9]+) allocs, ([0-9]+) frees$/\1 \2 \3 \4/p' \
    "$BATS_TEST_TMPDIR/report" |
    awk '{ print $1 " holds " $2 "B, " $3 - $4 " blocks" }' | head -5 \
    > "$BATS_TEST_TMPDIR/first"
  luajit expected.lua > "$BATS_TEST_TMPDIR/expected"
  diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/first"
  # Nothing is said of garbage: the demo collects before it stops.
  [ ! -s "$BATS_TEST_TMPDIR/messages" ]
}
