#!/usr/bin/env bats
# The nightly demo: the gate lets the fourth night pass, and names the line of
# the fifth night's leak, and the build before it; not the code that moved.

: "${BUILD:?run these tests through ctest}"

@test "the gate names the new leak's line, and the build" {
  [ "${SANITIZED:-OFF}" = OFF ] ||
    skip "a sanitized module cannot be loaded by the stock luajit"
  # Its folder is in the build directory: links keep it elsewhere.
  for file in memparse misc.so ljmemprof.so; do
    ln -s "$BUILD/$file" "$BATS_TEST_TMPDIR/$file"
  done
  run sh "$BATS_TEST_DIRNAME/nightly.sh" "$BATS_TEST_TMPDIR"
  [ "$status" -eq 1 ] || { echo "$output"; return 1; }
  line=$(grep -n 'visited\[#visited' "$BATS_TEST_TMPDIR/nightly/5/app.lua" |
    cut -d: -f1)
  # Nothing was exceeded before the last commands.
  echo "$output" | awk -v line="$line" '
    /--compare=build=4\.\.5/ { last = 1 }
    /limit exceeded/ && !last { exit 1 }
    /limit exceeded: @app.lua:.*, and nothing in build=4$/ {
      named++
      if ($0 !~ "@app.lua:" line " holds") exit 1
    }
    /limit exceeded: @.*since build=/ {
      changed++
      if ($0 !~ "@app.lua:" line " holds [0-9]*B since build=5, and nothing in the 4 builds") exit 1
    }
    END { if (named != 1 || changed != 1) exit 1 }' ||
    { echo "$output"; return 1; }
  # Of the lines that moved, none that leaked before is told as new or gone.
  run sqlite3 "$BATS_TEST_TMPDIR/nightly/nightly.db" "
    SELECT count(DISTINCT signature) FROM site
    WHERE live_bytes > 50000 AND kind = 'lua'"
  [ "$output" = 6 ] || { echo "$output"; return 1; }
}
