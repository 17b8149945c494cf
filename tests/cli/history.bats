# history.bats - many profiles: labels, streams known already, --list, --drop,
# --keep, --one-profile.
load common

CONSERVED="SELECT count(*) FROM conservation
  WHERE difference <> 0 OR site_difference <> 0"

# Tables with a row that belongs to no profile.
orphans() {
  local table
  for table in $(sqlite3 "$1" "SELECT m.name FROM sqlite_schema AS m
      JOIN pragma_table_info(m.name) AS c ON c.name = 'profile_id'
      WHERE m.type = 'table'"); do
    sql "$1" "SELECT count(*) FROM $table WHERE profile_id NOT IN
      (SELECT profile_id FROM profile_data)" 0 || return
  done
  sql "$1" "SELECT count(*) FROM allocation_data WHERE allocation_id NOT IN
    (SELECT allocation_id FROM allocation)" 0
}

@test "labels" {
  works app hostile -o db --label=build=7 --label "test=a = b"
  sql db "SELECT group_concat(profile_id || key || value) FROM
    (SELECT * FROM label ORDER BY profile_id, key)" "1build7,1testa = b,2build7,2testa = b"
  memparse app2 -o db --label=$'\xff\n=\xfe'
  sql db "SELECT key, value FROM label WHERE profile_id = 3" '\xff\x0a|\xfe'
}

@test "a label of any bytes is asked for as it was given" {
  label=$'\xff\n=\xfe'
  memparse app -o db --label=n=1
  memparse app2 -o db --label="$label"
  run -0 --separate-stderr memparse db --compare="n=1..$label"
  run -0 --separate-stderr memparse db --compare="$label..n=1"
  run -0 --separate-stderr memparse db --baseline="$label,4"
  # And as it is printed.
  run -0 --separate-stderr memparse db --compare='1..\xff\x0a=\xfe'
  run -0 memparse db --drop="$label"
  sql db "SELECT profile_id FROM profile" 1
}

@test "labels that are none" {
  for label in build =7 build= ''; do
    fails 2 "--label wants KEY=VALUE, not '$label'" app -o db "--label=$label"
  done
  fails 2 "the label build is given twice" app -o db --label build=1 \
    --label build=2
  fails 2 "--label goes with -o" app --label build=1
  only
}

@test "a stream that is in already is skipped" {
  memparse app -o db --label build=1
  before=$(md5sum db)
  fails 0 "app: is profile 1 already: skipped" app -o db
  fails 0 "app: is profile 1 already: skipped" app -o db --label build=1
  [ "$(md5sum db)" = "$before" ]
  zstd -q app -o a.zst
  fails 0 "a.zst: is profile 1 already: skipped" a.zst -o db
  cat app - <<< "something behind the stream" > longer
  fails 0 "longer: is profile 1 already: skipped" longer -o db
  [ "$(md5sum db)" = "$before" ]
  # The report is of the profile that it is.
  run -0 --separate-stderr memparse app -o db -q leaks
  snapshot query_leaks
}

@test "what a stream that is skipped does not get is said" {
  mkdir sources
  printf 'function f()\n%.0s' {1..100} > sources/app.lua
  memparse app -o db --label build=1 --label $'x=\xff'
  skipped="app: is profile 1 already: skipped"
  fails 0 "$skipped" app -o db --label $'x=\xff'
  for label in build=10 test=1; do
    fails 0 "$skipped, without these labels; --drop=1 first" app -o db \
      --label $'x=\xff' --label $label
  done
  fails 0 "$skipped, without --source; --drop=1 first" app -o db \
    --source=sources
  fails 0 "$skipped, without these labels and --source; --drop=1 first" \
    app -o db --source=sources --label build=2
  memparse db --drop=1
  memparse app -o db --source=sources
  fails 0 "app: is profile 2 already: skipped" app -o db --source=sources
}

@test "sources that cannot be read" {
  for before in no yes; do
    fails 4 "--source=nowhere: No such file or directory" app2 -o db \
      --source=nowhere
    fails 4 "--source=app: Not a directory" app2 -o db --source=app
    fails 4 "--source=nowhere: *" app app2 --compare --source=nowhere
    [ -z "$output" ]
    if [ "$(id -u)" -ne 0 ]; then
      mkdir -m 0 shut
      fails 4 "--source=shut: Permission denied" app2 -o db --source=shut
      rmdir shut
    fi
    if [ $before = no ]; then
      only
      memparse app -o db
    fi
  done
  sql db "SELECT count(*) FROM profile" 1
  only db
}

@test "a stream that tells the same in other bytes is another one" {
  memparse app -o db
  works app2 -o db
  sql db "SELECT count(*), count(DISTINCT fingerprint) FROM stream" "2|2"
}

@test "a new database is made without the stream that comes twice" {
  for summary in "" --summary; do
    fails 0 "app: is profile 1 already: skipped" app app hostile -o db $summary
    sql db "SELECT group_concat(profile_id || source) FROM profile" \
      "1app,2hostile"
    sql db "$CONSERVED" 0
    orphans db
    memparse app hostile -o one $summary
    rows="SELECT profile_id, site_id, size, address, born_event, died_event
      FROM allocation ORDER BY 1, 5, 6"
    sql db "$rows" "$(sqlite3 one "$rows")"
    rm db one
  done
}

@test "a cut stream that is in already is still cut" {
  run memparse cut -o db
  run -3 memparse cut -o db
  [[ "$output" == *"cut: is profile 1 already: skipped" ]]
  sql db "SELECT count(*) FROM profile" 1
}

@test "streams of no bytes are not taken for each other" {
  : > none
  run -3 memparse none none -o db
  sql db "SELECT count(*), count(fingerprint) FROM stream" "2|0"
}

@test "--one-profile" {
  works app hostile -o db --one-profile --label build=1
  sql db "SELECT count(*), source FROM profile" "1|app and 1 more"
  sql db "SELECT group_concat(number || source) FROM stream" "1app,2hostile"
  sql db "$CONSERVED" 0
  works app -o two
  works hostile -o two
  figures="sum(live_bytes), sum(events), sum(born_blocks), sum(end_offset)"
  sql db "SELECT $figures FROM profile" \
    "$(sqlite3 two "SELECT $figures FROM profile")"
}

@test "--one-profile of streams that are in already" {
  memparse app hostile -o db --one-profile
  before=$(md5sum db)
  run -0 memparse app hostile -o db --one-profile
  [ "${lines[0]}" = "memparse: app: is profile 1 already: skipped" ]
  [ "${lines[1]}" = "memparse: hostile: is profile 1 already: skipped" ]
  run -2 memparse app app2 -o db --one-profile
  [[ "$output" == *"profile 1 has a part of these streams already"* ]]
  [ "$(md5sum db)" = "$before" ]
  fails 2 "app: the same stream as app" app app -o new --one-profile
  only db
}

@test "--list" {
  memparse app hostile -o db --label test=a --label build=1
  works db --list -f csv
  run -0 cut -d, -f1-3,5- <<< "$output"
  [ "${lines[0]}" = profile,labels,source,complete,events,blocks,bytes ]
  [[ "${lines[1]}" == "1,build=1 test=a,app,1,"* ]]
  [[ "${lines[2]}" == "2,build=1 test=a,hostile,1,"* ]]
  # The newest one's end is not the list's.
  run -3 memparse cut -o db
  works db --list
}

@test "--drop of a number" {
  memparse app hostile app2 -o db --label build=1
  kept="SELECT * FROM site WHERE profile_id <> 2;
    SELECT * FROM allocation WHERE profile_id <> 2;
    SELECT * FROM callsite WHERE profile_id <> 2;
    SELECT * FROM heap_sample WHERE profile_id <> 2"
  before=$(sqlite3 db "$kept")
  fails 0 "db: 1 profile dropped" db --drop=2
  sql db "$kept" "$before"
  sql db "SELECT group_concat(profile_id) FROM profile" 1,3
  sql db "PRAGMA integrity_check" ok
  orphans db
  for name in 2 7 0 x 1x -1 1.0; do
    fails 2 "db: it has no profile $name: --list shows them" db "--drop=$name"
  done
  # What was dropped can come again.
  works hostile -o db
  sql db "SELECT group_concat(profile_id) FROM profile" 1,3,4
  sql db "$CONSERVED" 0
}

@test "--drop of a label" {
  memparse app -o db --label build=1
  memparse hostile -o db --label build=2
  memparse app2 -o db --label build=2
  fails 0 "db: 2 profiles dropped" db --drop=build=2
  sql db "SELECT group_concat(profile_id) FROM profile" 1
  orphans db
  fails 2 "db: it has no profile build=2: *" db --drop build=2
  fails 0 "db: 1 profile dropped" db --drop=build=1
  orphans db
  works db --list
}

@test "--keep" {
  for i in 1 2 3 4 5 6; do
    other "$i" > s
    memparse s -o db --label build="$i" --label test=$((i % 2))
  done
  other 7 | memparse - -o db
  fails 0 "db: 2 profiles dropped" db --keep=2
  sql db "SELECT group_concat(profile_id) FROM profile" 3,4,5,6,7
  orphans db
  fails 0 "db: 0 profiles dropped" db --keep 2
  fails 0 "db: 2 profiles dropped" db --keep 1
  sql db "SELECT group_concat(profile_id) FROM profile" 5,6,7
}

@test "what goes with nothing else" {
  memparse app -o db
  for value in 0 -1 x 1x ''; do
    fails 2 "--keep wants a number from 1 on, not '$value'" db "--keep=$value"
  done
  fails 2 "--list, --drop and --keep ask for several things: take one" \
    db --list --keep=1
  fails 2 "--list, --drop and --keep go with no other option*" \
    db --drop=1 --leak-only
  fails 2 "--list, --drop and --keep go with one database" db db --list
  fails 2 "--one-profile goes with -o" app --one-profile
  fails 2 "--drop is given twice" db --drop=1 --drop=1
  fails 2 "app: not a database of memparse" app --drop=1
  : > none
  fails 2 "none: not a database of memparse" none --drop=1
  fails 4 "gone: No such file or directory" gone --drop=1
  only db none
}

@test "many at once into a new database: all are in, none twice" {
  for i in 1 2 3 4 5 6 7 8; do
    other $((i / 2)) | memparse - -o db --label n="$i" 2> log.$i &
  done
  wait
  sql db "SELECT count(*), count(DISTINCT fingerprint) FROM stream" "5|5"
  sql db "SELECT count(*) FROM label" 5
  sql db "$CONSERVED" 0
  [ "$(cat log.* | grep -c 'already: skipped')" -eq 3 ]
}

@test "adding and dropping at once" {
  memparse app hostile -o db
  for i in 3 4 5; do
    other "$i" | memparse - -o db &
  done
  memparse db --drop=1 &
  wait
  sql db "SELECT count(*), sum(profile_id = 1) FROM profile" "4|0"
  orphans db
  sql db "$CONSERVED" 0
}
