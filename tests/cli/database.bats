# database.bats - keeping profiles: -o, --summary, --profile.
load common

CONSERVED="SELECT count(*) FROM conservation
  WHERE difference <> 0 OR site_difference <> 0"

@test "-o prints nothing and leaves one file" {
  works app -o db
  [ -z "$output" ]
  only db
  sql db "PRAGMA integrity_check" ok
  sql db "PRAGMA application_id" $((0x6c6a6d70))
  sql db "PRAGMA user_version" 6
  sql db "PRAGMA page_size" 16384
  sql db "$CONSERVED" 0
}

@test "the rows of a stream" {
  memparse app -o db
  run -0 sqlite3 -box db "
    SELECT name, kind, chunk, line, symbol, printf('%#x', address) AS address,
      trace_number AS trace FROM site ORDER BY site_id;
    SELECT name, text, raw FROM chunk ORDER BY chunk_id;
    SELECT a.born_event AS born, born_by, died_event AS died, died_by,
      s.name AS site, d.name AS died_site, size, a.realloc_of AS realloc_of,
      printf('%#x', a.address) AS address, lifetime_events AS lifetime
    FROM allocation AS a LEFT JOIN site AS s ON s.site_id = a.site_id
      LEFT JOIN site AS d ON d.site_id = a.died_site_id
    ORDER BY coalesce(born_event, died_event);
    SELECT event, e.kind, name, printf('%#x', e.address) AS address, size,
      printf('%#x', old_address) AS old_address, old_size
    FROM event AS e JOIN site USING (site_id) ORDER BY event;
    SELECT b.name AS by_site, o.name AS of_site, by_kind, blocks, bytes
    FROM site_override JOIN site AS b ON b.site_id = by_site_id
      JOIN site AS o ON o.site_id = of_site_id ORDER BY 1, 2;
    SELECT event, live_blocks, live_bytes, begun_bytes FROM heap_sample
    ORDER BY event"
  snapshot rows
}

@test "the profile's own row" {
  memparse app -o db
  run -0 sqlite3 -line db "SELECT * FROM profile"
  output=$(sed '/stored_at_s\|memparse_version/d' <<< "$output")
  snapshot profile
}

@test "hostile names are stored printable, and as they were" {
  memparse hostile -o db
  run -0 sqlite3 db "SELECT s.name, quote(n.raw)
    FROM site AS s JOIN site_data USING (site_id) LEFT JOIN name_data AS n
      ON n.name_id = site_data.name_id AND is_symbol
    ORDER BY s.site_id; SELECT text, quote(raw) FROM chunk ORDER BY chunk_id"
  snapshot hostile_rows
}

@test "-o twice: two profiles, the first as it was" {
  memparse app -o db
  before=$(sqlite3 db "SELECT * FROM site; SELECT * FROM allocation")
  works hostile -o db
  only db
  sql db "SELECT profile_id, source FROM profile" "1|app
2|hostile"
  sql db "SELECT * FROM site WHERE profile_id = 1;
    SELECT * FROM allocation WHERE profile_id = 1" "$before"
  sql db "$CONSERVED" 0
  sql db "PRAGMA integrity_check" ok
  works db --profile 1
  snapshot text
  works db
  snapshot hostile_text
}

@test "several streams with -o are a profile each" {
  works app hostile app2 -o db
  sql db "SELECT group_concat(source) FROM profile" "app,hostile,app2"
  sql db "SELECT count(*), count(DISTINCT allocation_id) FROM allocation" \
    "37|37"
}

@test "--leak-only over what was stored" {
  works app app2 -o db --leak-only
  [[ "$output" == *"@app.lua:5 holds 242B: 6 allocs, 0 frees"* ]]
}

@test "-f text asks for the default text" {
  works app -o db -f text
  snapshot text
}

@test "-q over what was stored" {
  works app -o db -q leaks
  snapshot query_leaks
}

@test "a profile that is not there" {
  memparse app -o db
  fails 2 "db: it has no profile 7: *" db --profile 7
  fails 2 "db: it has no profile 7: *" db --profile 7 -q leaks
}

@test "a number is not given to a profile again" {
  memparse app app2 -o db
  memparse db --drop=2
  memparse app2 -o db
  sql db "SELECT group_concat(profile_id) FROM profile" "1,3"
}

@test "--summary has no rows of blocks, and the same figures" {
  memparse app -o full
  works app -o db --summary
  sql db "SELECT count(*) FROM allocation" 0
  sql db "SELECT summary FROM profile" 1
  sql full "SELECT summary FROM profile" 0
  sql db "SELECT * FROM site" "$(sqlite3 full 'SELECT * FROM site')"
  sql db "$CONSERVED" 0
  works db
  snapshot text
}

@test "what needs rows of blocks says so" {
  memparse app -o db --summary
  for query in largest_blocks lifetimes realloc_chains; do
    fails 2 "db: profile 1 has no rows of single blocks, which $query needs: \
ingest without --summary" db -q $query
    fails 2 "$query needs the rows of single blocks: ingest without --summary" \
      app -o new --summary -q $query
  done
  for query in leaks top_allocators churn growth_by_line heap_over_time; do
    works db -q $query
  done
  echo "SELECT count(*) FROM event" > mine.sql
  fails 2 "db: profile 1 has no rows * mine.sql needs*" db -q mine.sql
  memparse app2 -o db
  works db -q largest_blocks
  only db mine.sql
}

@test "a cut stream is kept as far as it goes" {
  fails 3 "cut: offset 42: cut inside an event" cut -o db
  sql db "SELECT complete, end_offset, end_reason, live_bytes FROM profile" \
    "0|42|cut inside an event|30"
  sql db "$CONSERVED" 0
  told="db: profile 1 is not complete: cut: offset 42: cut inside an event"
  fails 3 "$told" db --leak-only
  [[ "$output" == *"@cut.lua:2 holds 20B"* ]]
  fails 3 "$told" db -q leaks
  # Of what is just being stored it is said once.
  for what in --leak-only "-q leaks" "-f text"; do
    # shellcheck disable=SC2086 # words
    fails 3 "cut: offset 42: cut inside an event" cut -o new $what
    [[ "$output" == *"@cut.lua:2"* ]]
    rm new
  done
  # The newest counts, or the one that is chosen.
  memparse app -o db
  works db --leak-only
  fails 3 "$told" db --profile 1
}

@test "what is no stream makes a profile without events" {
  echo hello > text
  run -3 memparse text -o db
  sql db "SELECT complete, events, symtab_version FROM profile" "0|0|"
}

@test "one stream that fails, and none is stored" {
  run -4 memparse app nowhere -o db
  only
  memparse app -o db
  before=$(sha256sum < db)
  run -4 memparse app nowhere -o db
  [ "$(sha256sum < db)" = "$before" ]
  only db
}

@test "a database is no stream to store" {
  memparse app -o db
  fails 2 "db: a database cannot be stored in another one" app db -o new
  only db
}

@test "a foreign file stays as it is" {
  echo hello > text
  sqlite3 foreign "CREATE TABLE t(a)"
  cp foreign copy
  fails 2 "text: not a database of memparse" app -o text
  fails 2 "foreign: not a database of memparse" app -o foreign
  fails 2 "foreign: not a database of memparse" foreign
  fails 2 "foreign: not a database of memparse" foreign -q leaks
  [ "$(cat text)" = hello ]
  cmp foreign copy
  sqlite3 foreign "PRAGMA application_id = -5"
  fails 2 "foreign: not a database of memparse" foreign
  only copy foreign text
}

@test "views and tables that were changed" {
  changed="db: its * is not what this memparse makes: ingest again into a new one"
  forever="WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r)"
  memparse app -o whole
  # The last one is in a text, where two dashes begin no comment.
  for change in \
    "DROP VIEW profile; CREATE VIEW profile AS $forever SELECT * FROM r" \
    "DROP VIEW mark; CREATE VIEW mark (profile_id) AS $forever SELECT n FROM r" \
    "DROP VIEW chunk" "ALTER TABLE site_data ADD COLUMN more INTEGER" \
    "ALTER TABLE mark_data RENAME TO old; CREATE VIEW mark_data AS $forever
      SELECT n AS profile_id FROM r" \
    "PRAGMA writable_schema = 1; UPDATE sqlite_schema
      SET sql = replace(sql, '''CFUNC %#x''', '''--CFUNC %#x''')
      WHERE name = 'site'"; do
    cp whole db
    sqlite3 -cmd ".dbconfig defensive off" db "$change" > log
    fails 2 "$changed" db
    fails 2 "$changed" db -q leaks
    fails 2 "$changed" db --list
    fails 2 "$changed" app2 -o db
  done
  # Comments and spaces, and what somebody added, are none of our business.
  cp whole db
  sqlite3 -cmd ".dbconfig defensive off" db "
    CREATE VIEW mine AS SELECT * FROM site;
    CREATE TABLE my_own (a);
    PRAGMA writable_schema = 1;
    UPDATE sqlite_schema
    SET sql = replace(sql, char(10), ' -- it''s' || char(10, 10)) || ' '
    WHERE type IN ('table', 'view')" > log
  works db -q leaks
  leaks=$output
  works whole -q leaks
  [ "$output" = "$leaks" ]
  works app2 -o db
}

@test "a database of another version" {
  memparse app -o db
  sqlite3 db "PRAGMA user_version = 2"
  cp db copy
  again="a database of version 2, this memparse knows version 6: ingest again*"
  fails 2 "db: $again" app -o db
  fails 2 "db: $again" db
  cmp db copy
}

@test "a damaged database" {
  memparse app -o db
  truncate -s 40000 db
  fails 4 "db: database disk image is malformed" db
}

@test "an empty file is as good as none" {
  : > db
  works app -o db
  sql db "SELECT count(*) FROM profile" 1
}

@test "names that SQLite would take for something else" {
  for name in :memory: "file:x?mode=memory" "a'b" "-x"; do
    works app "--output=$name"
    [ -f "$name" ] || wrong "no file $name"
    works --leak-only -- "$name"
    snapshot leak_only
  done
}

@test "a compressed database, a database on standard input" {
  memparse app -o db
  zstd -q db
  fails 2 "db.zst: a database must be a file of its own*" db.zst
  fails 2 "standard input: a database must be a file of its own*" - < db
}

# ---- what the system refuses

@test "-o onto a directory" { mkdir d; fails 4 "d: Is a directory" app -o d; only d; }
@test "-o into a directory that is not there" { fails 4 "d/db: No such file or directory" app -o d/db; only; }
@test "-o onto a device" { fails 4 "/dev/null: not a regular file" app -o /dev/null; }

@test "-o into a directory that may not be written" {
  mkdir d
  chmod 555 d
  [ ! -w d ] || skip "this user, root perhaps, can write everywhere"
  fails 4 "d/db: Permission denied" app -o d/db
}

@test "a full disk leaves nothing behind" {
  run -4 bash -c 'ulimit -f 20 && "$MEMPARSE" app -o db 2>&1'
  [[ "$output" == "memparse: db: "* ]] || wrong "$output"
  only
}

@test "a full disk leaves a database as it was" {
  memparse app -o db
  many | "$ENCODE" > long
  cp db copy
  run -4 bash -c 'ulimit -f 600 && "$MEMPARSE" long -o db 2>&1'
  [[ "${lines[-1]}" == "memparse: db: d"* ]] || wrong "$output"
  cmp db copy
  only copy db long
}

# More than what waits in memory: the disk is full before the end.
@test "a full disk gets back what was written to a database" {
  memparse app -o db
  awk 'BEGIN {
    print "ljs 3\nljm 3"
    for (i = 1; i <= 600000; i++) printf "alloc int 0x%x 32\n", i * 4096
    print "end"
  }' | "$ENCODE" > long
  cp db copy
  run -4 bash -c 'ulimit -f 2000 && "$MEMPARSE" long -o db 2>&1'
  [[ "${lines[-1]}" == "memparse: db: d"* ]] || wrong "$output"
  cmp db copy
  only copy db long
}

# Starts memparse - -o db on a pipe that stays open, and waits for the file.
start() {
  mkfifo pipe
  # Background jobs ignore SIGINT, if nobody says otherwise.
  env --default-signal=INT "$MEMPARSE" - -o db < pipe 2> log &
  process=$!
  exec 7> pipe
  head -c 60000 long >&7
  for i in {1..100}; do
    [ -s "$1" ] && return
    sleep 0.05
  done
  wrong "$1 does not appear"
}

@test "a signal leaves no new database behind" {
  many | "$ENCODE" > long
  for signal in INT TERM HUP; do
    start db.partial
    kill -$signal $process
    status=0
    wait $process || status=$?
    exec 7>&-
    [ "$status" -gt 128 ] || wrong "$signal: status $status"
    [ ! -s log ] || wrong "$(cat log)"
    rm pipe log
    only long
  done
}

@test "a signal leaves a database as it was" {
  many | "$ENCODE" > long
  memparse app -o db
  cp db copy
  start db
  sleep 0.3
  kill -TERM $process
  cat long >&7 &
  status=0
  wait $process || status=$?
  exec 7>&-
  [ "$status" -eq 143 ] || wrong "status $status"
  cmp db copy
  rm pipe log
  only copy db long
}

@test "what a killed process left is in nobody's way" {
  many | "$ENCODE" > long
  start db.partial
  kill -KILL $process
  status=0
  wait $process || status=$?
  exec 7>&-
  works app -o db
  rm pipe log
  only db long
  sql db "SELECT count(*) FROM profile" 1
}

@test "two at once into one database: both are in" {
  for i in 1 2 3 4; do
    other "$i" | memparse - -o db &
  done
  wait
  sql db "SELECT group_concat(profile_id) FROM profile" "1,2,3,4"
  sql db "$CONSERVED" 0
  only db
}
