#!/usr/bin/env bats
# A function bears in stacks the name that the debug API has for it, or none.

load helpers

HERE=$BATS_TEST_DIRNAME

# check VM JIT: the lines whose recorded name is none that the debug API gave,
# and how many functions have a name.
check() {
  (echo "jit.$2()" && cat "$HERE/names_program.lua") | sed '1N;s/\n/ /' > p.lua
  $1 p.lua n.bin n.txt
  rm -f n.db
  "$BUILD/memparse" n.bin -o n.db
  sort -u n.txt | tr ' ' '\t' > n.tsv
  sqlite3 n.db <<'SQL'
CREATE TEMP TABLE told (first INTEGER, line INTEGER, name TEXT);
.mode tabs
.import n.tsv told
.mode list
SELECT 'wrong', line, function_name
FROM frame AS f
WHERE kind = 'lua' AND function_name IS NOT NULL
  AND (first_line, line) IN (SELECT first, line FROM told)
  AND (first_line, line, function_name) NOT IN (SELECT * FROM told)
GROUP BY line, function_name;
SELECT DISTINCT function_name
FROM frame
WHERE kind = 'lua' AND (first_line, line) IN (SELECT first, line FROM told)
  AND function_name IS NOT NULL
ORDER BY 1;
SQL
}

# "tail" is gone when its frame is used by what it calls; "many" is called with
# a list that takes more than loads; a key that is no name, and what is one of
# two, have none.
expected() {
  printf '%s\n' alias calls_tail er field global meta method named other \
    recursive
}

@test "names of functions, JIT off" {
  check "$BUILD/lua-host" off > names
  cat names
  ! grep -q wrong names || false
  grep -v -x -e first -e second names | diff - <(expected)
}

@test "names of functions, JIT on" {
  check "$BUILD/lua-host" on > names
  cat names
  ! grep -q wrong names || false
  [ "$(grep -c . names)" -ge 5 ]
}

@test "names of functions, stock luajit" {
  stock_luajit
  check luajit off > names
  cat names
  ! grep -q wrong names || false
  grep -v -x -e first -e second names | diff - <(expected)
}
