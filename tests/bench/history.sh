#!/bin/sh
# How long does it take to ask a history of 10,000 profiles of 500 sites?
#
#   sh tests/bench/history.sh build/memparse build/tests/unit/ljm-encode [DB]
#
# Makes the history, some 400 MB, from a profile that memparse stored, by SQL;
# a DB that is there already is asked again. Prints milliseconds, the least of
# three runs each; asserts nothing.
set -eu

memparse=$1 encode=$2
queries=$(dirname "$0")/../../queries
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
db=${3:-$folder/history.db}
profiles=10000 sites=500

# A profile of 500 sites: 50 functions of 10 lines, each with a block.
stream() {
  awk -v sites="$sites" 'BEGIN {
    print "ljs 3"
    for (f = 0; f < sites / 10; f++)
      printf "lua 0x%x \"@app/module_%d.lua\" %d\n", 4096 + f, f % 7, 20 * f + 1
    print "ljm 3"
    for (i = 0; i < sites; i++)
      printf "alloc lua 0x%x:%d 0x%x %d\n", 4096 + i / 10,
        20 * int(i / 10) + 2 + i % 10, 65536 + 4096 * i, 16 + i
    print "end"
  }' > "$folder/text"
  "$encode" "$folder/text"
}

# The columns of a table, with expressions in place of some:
# columns TABLE COLUMN EXPRESSION...
columns() {
  names="SELECT group_concat(CASE name"
  table=$1
  shift
  while [ $# -gt 0 ]; do
    names="$names WHEN '$1' THEN '$2'"
    shift 2
  done
  sqlite3 "$db" "$names ELSE name END, ', ')
    FROM pragma_table_info('$table')"
}

make() {
  stream > "$folder/stream"
  "$memparse" "$folder/stream" -o "$db" --summary --label=build=1 \
    --label=branch=main --label=test=login 2> "$folder/log"
  sqlite3 "$db" "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    PRAGMA cache_size = -262144;
    CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS (
      VALUES (2) UNION ALL SELECT n + 1 FROM n WHERE n < $profiles)
      SELECT n FROM n;
    BEGIN;
    INSERT INTO profile_data
      SELECT $(columns profile_data profile_id n) FROM n, profile_data;
    INSERT INTO label_data SELECT n, key,
      CASE key WHEN 'build' THEN n ELSE value END FROM n, label_data;
    INSERT INTO site_data SELECT $(columns site_data profile_id n site_id \
      "site_id + (n - 1) * $sites" live_bytes \
      'live_bytes + site_id * n % 97 + (site_id = 7) * n') FROM n, site_data;
    COMMIT" > "$folder/log"
}

now() { date +%s%N; }

# ask WHAT COMMAND...: runs it three times, prints the shortest.
ask() {
  what=$1 least=
  shift
  for _ in 1 2 3; do
    from=$(now)
    "$@" > "$folder/rows"
    took=$((($(now) - from) / 1000000))
    [ -n "$least" ] && [ "$least" -le "$took" ] || least=$took
  done
  printf '%8d ms  %6d rows  %s\n' "$least" "$(wc -l < "$folder/rows")" "$what"
}

ask_shell() {
  what=$1
  shift
  ask "$what" sqlite3 -csv "$@"
}

[ -s "$db" ] || make
printf '%s: %d MiB, %s profiles, %s sites\n' "$(basename "$db")" \
  $(($(wc -c < "$db") >> 20)) \
  "$(sqlite3 "$db" "SELECT count(*) FROM profile")" \
  "$(sqlite3 "$db" "SELECT count(*) FROM site_data")"
ask "--list" "$memparse" "$db" --list -f csv
ask "the leaks of the newest" "$memparse" "$db" -q leaks -f csv
ask "--compare of two builds, by label" \
  "$memparse" "$db" --compare=build=5000..5001 -f csv
ask "--compare of two profiles, by number" \
  "$memparse" "$db" --compare=1..$profiles -f csv
ask "--baseline of 20 builds" "$memparse" "$db" --baseline=20 -f csv
ask "--baseline of 100 builds" "$memparse" "$db" --baseline=100 -f csv
ask_shell "compare in the shell, the newest two" "$db" \
  ".read $queries/compare.sql"
ask_shell "one line in all profiles" "$db" "
  SELECT profile_id, sum(live_bytes) FROM site WHERE signature = (
    SELECT signature FROM site WHERE site_id = 7) GROUP BY profile_id"
ask_shell "the newest build against the ten before, every line" "$db" "
  SELECT signature, sum(live_bytes) FILTER (WHERE profile_id = $profiles),
    avg(live_bytes) FILTER (WHERE profile_id < $profiles)
  FROM site WHERE profile_id BETWEEN $profiles - 10 AND $profiles
  GROUP BY signature"
ask_shell "the total of every build of a test" "$db" "
  SELECT b.value, sum(p.live_bytes) FROM label AS t
    JOIN label AS b USING (profile_id) JOIN profile AS p USING (profile_id)
  WHERE t.key = 'test' AND t.value = 'login' AND b.key = 'build'
  GROUP BY b.value"

# These change it: once each.
once() {
  what=$1 from=$(now)
  shift
  "$@" 2> "$folder/log"
  printf '%8d ms  %s\n' $((($(now) - from) / 1000000)) "$what"
}
stream > "$folder/stream"
sed 's/^ljm 3/lua 0x10 "@more.lua" 1\n&/' "$folder/text" > "$folder/more"
"$encode" "$folder/more" > "$folder/stream"
once "a profile more" "$memparse" "$folder/stream" -o "$db" --summary \
  --label=build=$((profiles + 1)) --label=branch=main --label=test=login
once "the same again: skipped" "$memparse" "$folder/stream" -o "$db" --summary
once "--drop of it" "$memparse" "$db" --drop=build=$((profiles + 1))
