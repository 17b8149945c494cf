# query.bats - the queries, in memparse and in the stock shell; formats.
load common

QUERIES="leaks top_allocators churn growth_by_line lifetimes largest_blocks
  heap_over_time realloc_chains leaks_by_stack flat_cumulative peak temporary
  alive_since callers_of verdicts"

# Those over many profiles are in history.bats, compare.bats, gate_baseline.bats.
HISTORY="profiles compare compare_stacks builds"

@test "every query of the folder is known here" {
  for file in "$SOURCE"/queries/*.sql; do
    [[ " $HISTORY ${QUERIES//$'\n'/ } " == *" $(basename "$file" .sql) "* ]] ||
      wrong "$file"
  done
}

@test "the rows of every query" {
  for query in $QUERIES; do
    works app -q "$query"
    snapshot "query_$query"
  done
}

# The shell's CSV has more quotes than there need be.
@test "every query says the same in the stock shell" {
  memparse app -o db
  memparse hostile -o db
  for query in $QUERIES; do
    for profile in 1 2 NULL; do
      args=(--profile $profile)
      [ $profile != NULL ] || args=() # unbound: the newest
      works db -q "$query" "${args[@]}" -f csv
      [ "$(tail -n +2 <<< "$output" | tr -d '"')" = \
        "$(sqlite3 -csv -cmd ".parameter set :profile $profile" db \
        < "$SOURCE/queries/$query.sql" | tr -d '"')" ] ||
        wrong "$query differs" "$output"
      sqlite3 -box db < "$SOURCE/queries/$query.sql" > box
    done
  done
}

@test "every query says the same of a stream and of its database" {
  memparse app -o db
  for query in $QUERIES; do
    works db -q "$query" -f csv
    stored=$output
    works app -q "$query" -f csv
    [ "$output" = "$stored" ] || wrong "$query" "$output" "$stored"
  done
}

@test "every query of a database without events has no rows" {
  printf 'ljs\3\0\0\0\200ljm\3\0\0\0\200' > none
  for query in $QUERIES; do
    works none -q "$query" -f json
    [ "$output" = "[]" ] || wrong "$query" "$output"
  done
}

@test "the sums of the queries are the totals" {
  memparse app -o db
  sum() { sqlite3 db "SELECT sum($2) FROM ($(sed 's/;$//' \
    "$SOURCE/queries/$1.sql"))"; }
  sql db "SELECT live_bytes FROM profile" "$(sum leaks bytes)"
  sql db "SELECT live_blocks FROM profile" "$(sum leaks blocks)"
  sql db "SELECT born_bytes FROM profile" "$(sum top_allocators bytes)"
  sql db "SELECT ended_bytes FROM profile" "$(sum churn bytes)"
  sql db "SELECT born_blocks FROM profile" "$(sum lifetimes blocks)"
  sql db "SELECT live_blocks FROM profile" "$(sum lifetimes alive)"
  sql db "SELECT ended_blocks FROM profile" "$(sum lifetimes \
    'to_10 + to_100 + to_1000 + to_10000 + to_100000 + longer')"
  sql db "SELECT live_bytes FROM profile" "$(sum largest_blocks bytes)"
  sql db "SELECT live_bytes FROM profile" "$(sum heap_over_time change)"
  sql db "SELECT live_bytes FROM profile" "$(sum leaks_by_stack bytes)"
  sql db "SELECT live_blocks FROM profile" "$(sum leaks_by_stack blocks)"
  for figure in live_bytes live_blocks born_bytes born_blocks; do
    sql db "SELECT $figure FROM profile" "$(sum flat_cumulative $figure)"
  done
  sql db "SELECT peak_bytes FROM profile" "$(sum peak bytes)"
  sql db "SELECT live_bytes FROM profile" "$(sum alive_since bytes)"
  sql db "SELECT ended_blocks FROM profile" "$(sum temporary blocks)"
  sql db "SELECT born_bytes FROM profile" \
    "$(sum heap_over_time allocated_bytes)"
  sql db "SELECT live_bytes - earlier_free_bytes - earlier_realloc_bytes
    FROM profile" "$(sum growth_by_line bytes)"
}

@test "several streams are one profile to a query" {
  works app app -q leaks -f csv
  [[ "$output" == *"@app.lua:5,6,242,"* ]] || wrong "$output"
  works app app -q largest_blocks -f csv
  [ "${#lines[@]}" -eq 15 ] || wrong "$output"
  works app app -q heap_over_time -f csv
  [ "$(tail -n +2 <<< "$output" | awk -F, '
    { n += $7; less += $7 < 0 || $1 <= last; last = $1 } END { print n, less }
    ')" = "4350 0" ] || wrong "$output"
  fails 3 "cut: offset *" cut app -q leaks
  [[ "$output" == *@cut.lua:2* && "$output" == *@app.lua:5* ]]
}

@test "formats" {
  for format in text box csv json markdown; do
    works app -q leaks -f $format
    snapshot "leaks_$format"
    works hostile -q leaks -f $format
    snapshot "hostile_leaks_$format"
  done
}

@test "a format other than text means -q leaks" {
  works app -f csv
  snapshot leaks_csv
  works app --leak-only -f csv
  snapshot leaks_csv
}

@test "JSON that other programs read" {
  works hostile -f json
  sqlite3 :memory: "SELECT json_array_length('${output//\'/\'\'}')" | grep -qx 7
}

@test "all kinds of values" {
  cat > mine.sql <<'SQL'
-- A comment; and a semicolon.
SELECT 1 AS "whole", -2.5 AS "real", NULL AS "none", '' AS "empty",
  x'00ff' AS "blob", 'a"b,c|d' AS "text", CAST(x'61ff' AS TEXT) AS "no UTF-8",
  'ab' || char(10, 27) || 'c' AS "control", 'q"q' AS "quote"
UNION ALL SELECT 22, 0.125, NULL, 'x', x'', '漢字', 'z', '', '"';
-- The end.
SQL
  for format in text box csv json markdown; do
    works app -q mine.sql -f $format
    snapshot "values_$format"
  done
}

@test "a query of one's own, with and without :profile" {
  memparse app app2 -o db
  echo "SELECT :profile AS p, count(*) AS n FROM profile" > mine.sql
  works db -q mine.sql -f csv --profile 1
  [ "${lines[1]}" = 1,2 ]
  works db -q mine.sql -f csv
  [ "${lines[1]}" = 2,2 ]
}

# ---- a query may only read

refused() {
  memparse app -o db
  cp db copy
  printf '%s\n' "$2" > mine.sql
  fails 2 "$1" db -q mine.sql
  fails 2 "$1" app -q mine.sql
  cmp db copy
  only copy db mine.sql
}

@test "no ATTACH" { refused "mine.sql: a query may only read: *" "ATTACH 'x' AS x"; }
@test "no DELETE" { refused "mine.sql: a query may only read: *" "DELETE FROM site_data"; }
@test "no UPDATE RETURNING" { refused "mine.sql: a query may only read: *" "UPDATE site_data SET kind = 'c' RETURNING kind"; }
@test "no PRAGMA" { refused "mine.sql: a query may only read: *" "PRAGMA user_version = 7"; }
@test "not even a PRAGMA that reads" { refused "mine.sql: a query may only read: *" "PRAGMA user_version"; }
@test "no PRAGMA by another name" { refused "mine.sql: *" "SELECT * FROM pragma_database_list"; }
@test "no extension" { refused "mine.sql: not authorized" "SELECT load_extension('x')"; }
@test "no temporary table" { refused "mine.sql: a query may only read: *" "CREATE TEMP TABLE t AS SELECT 1"; }
@test "no INSERT behind WITH" { refused "mine.sql: a query may only read: *" "WITH t AS (SELECT 1) INSERT INTO label_data SELECT 1, 'a', 'b' FROM t"; }
@test "no ANALYZE" { refused "mine.sql: a query may only read: *" "ANALYZE"; }
@test "no DETACH" { refused "mine.sql: a query may only read: *" "DETACH main"; }
@test "no reading of files" { refused "mine.sql: *" "SELECT readfile('/etc/passwd')"; }
@test "no DROP" { refused "mine.sql: a query may only read: *" "DROP VIEW site"; }
@test "no VACUUM INTO" { refused "mine.sql: a query may only read: *" "VACUUM INTO 'x'"; }
@test "no transaction" { refused "mine.sql: a query may only read: *" "BEGIN"; }
@test "not two statements" { refused "mine.sql: more than one statement*" "SELECT 1; SELECT 2"; }
@test "not none" { refused "mine.sql: there is no query in it" "-- nothing"; }
@test "not wrong SQL" { refused 'mine.sql: line 2: near "where": syntax error' $'SELECT 1 FROM\n  where site'; }
@test "not a column that is not there" { refused 'mine.sql: line 1: no such column: nosuch' "SELECT nosuch FROM site"; }
@test "not an overflow" { refused "mine.sql: integer overflow" "SELECT sum(9223372036854775807) FROM site"; }

@test "a query that is another file" {
  head -c 3000 /dev/zero > mine.sql
  fails 2 "mine.sql: not a query*" app -q mine.sql
}

@test "a query on two databases" {
  memparse app -o db
  fails 2 "db: a query reports on one database*" db app -q leaks
  fails 2 "db: a query reports on one database*" app db -q leaks
}

# times TEXT N: the text, so often.
times() {
  local n
  for ((n = 0; n < $2; n++)); do printf %s "$1"; done
}

tens() {
  times 123456789- "$1"
}

# wide TEXT N: a query for it.
wide() {
  echo "SELECT '<$(times "$1" "$2")>' AS a, 1 AS b" > mine.sql
}

@test "what is wider than 200 columns is shortened, in text and box only" {
  wide 123456789- 30
  for format in text box; do
    works app -q mine.sql -f $format
    [[ "$output" == *"<$(tens 9)123456789…3456789-$(tens 9)>"* ]] ||
      wrong "$output"
  done
  for format in csv json markdown; do
    works app -q mine.sql -f $format
    [[ "$output" == *"<$(tens 30)>"* ]] ||
      wrong "$output"
  done
}

@test "wide characters are shortened by columns" {
  wide 漢 150
  works app -q mine.sql
  half=$(times 漢 49)
  [[ "${lines[1]}" == "<$half…$half>  1" ]] || wrong "$output"
}

@test "a cell of 200 columns is whole" {
  wide x 198
  works app -q mine.sql
  [[ "$output" != *…* ]]
  wide x 199
  works app -q mine.sql
  [[ "${#lines[1]}" -eq 203 && "$output" == *x…x* ]] || wrong "$output"
}

# ---- the SQL itself

@test "a comment of one sentence for every table, view and column" {
  awk -f "$SOURCE/tests/cli/comments.awk" "$SOURCE"/sqlschema/*.sql
}

@test "no line of SQL reaches column 80" {
  run grep -nE '^.{80}' "$SOURCE"/sqlschema/*.sql "$SOURCE"/queries/*.sql
  [ -z "$output" ] || wrong "$output"
}

@test "queries ask views, not tables" {
  run grep -nE '_data\b' "$SOURCE"/queries/*.sql
  [ -z "$output" ] || wrong "$output"
}

@test "the queries inside are those of the folder, byte for byte" {
  # In the help, and by the snapshot above; here: a change reaches SQLite.
  for query in $QUERIES; do
    works app -q "$query" -f csv
    inside=$output
    works app -q "$SOURCE/queries/$query.sql" -f csv
    [ "$output" = "$inside" ] || wrong "$query"
  done
}

@test "callsites that are their own parents, in tables that were edited" {
  memparse app -o db
  sqlite3 db "PRAGMA ignore_check_constraints = 1;
    UPDATE callsite_data SET parent_id = callsite_id"
  for query in leaks_by_stack flat_cumulative callers_of peak alive_since; do
    timeout 20 "$MEMPARSE" db -q $query > rows
  done
  sqlite3 db "PRAGMA ignore_check_constraints = 1;
    UPDATE callsite_data SET parent_id = (SELECT max(callsite_id)
      FROM callsite_data)"
  for query in leaks_by_stack flat_cumulative callers_of peak alive_since; do
    timeout 20 "$MEMPARSE" db -q $query > rows
  done
}
