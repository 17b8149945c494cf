# faults.bats - the n-th call that fails: memory, files, disks. See fault.c.
#
# Every n in the slow run, HOW_MANY=all, or where there are too many calls one in
# a hundred of them; else the first ones, then fewer and fewer.
# What fails must say so in one line, with status 4, and leave nothing behind;
# or nothing of it may show at all.
load common

# The text of a stream, large enough for threads when it is compressed.
noise() {
  awk 'BEGIN {
    srand(1)
    print "ljs 3\nlua 0x1000 \"noise\" 1\nljm 3"
    for (i = 1; i <= 60000; i++) {
      printf "alloc lua 0x1000:%d 0x%x %d\n", rand() * 1000,
        rand() * 8000 * 60000 + i, rand() * 1e9
    }
    print "end"
  }'
}

# What a database holds, but for the time and the order of blocks alive.
contents() {
  sqlite3 "$1" "PRAGMA integrity_check;
    SELECT profile_id, site_id, died_site_id, born_event, died_event,
      realloc_of, address, size FROM allocation ORDER BY 1, 4, 5;
    SELECT * FROM site ORDER BY site_id;
    SELECT * FROM site_override ORDER BY 1, 2, 3, 4;
    SELECT * FROM heap_sample ORDER BY 1, 2;
    SELECT profile_id, source, complete, events, live_bytes FROM profile"
}

explain() {
  wrong "$kind, call $n${on:+ and all behind}: $*" "status $status" \
    "$(cat ../err)"
}

# Sets left to what the run left, beside the streams.
look() {
  local file
  left=
  for file in *; do
    case $file in
    app | app2 | cut | hostile) ;;
    *) left+=" $file" ;;
    esac
  done
}

# What is right after a run. Files that a test needs are in ../, but app.
check() {
  look
  case $status in
  "$clean_status")
    cmp -s ../out ../clean.out || explain "another output"
    cmp -s ../err ../clean.err || explain "other words, if nothing is wrong"
    [ "$left" = "$clean_left" ] || explain "left behind:$left"
    if [ -e db ]; then
      contents db > ../contents
      cmp -s ../contents ../clean.contents || explain "another database"
    fi
    ;;
  4)
    # Besides warnings and limits, which may have been said before.
    said=$(grep -vE ': (warning|limit exceeded|suppressed): ' ../err) ||
      explain "not a word"
    [[ "$said" != *$'\n'* ]] || explain "not one line"
    [[ "$said" == "memparse: "?*": "?* ||
      "$said" == "memparse: out of memory" ]] || explain "not a clear line"
    if [ -e ../before ]; then
      # Where no write succeeds, none takes back what was written: that is
      # left to the journal, as it is where the journal cannot be removed.
      [[ -z $on && $kind != unlink ]] || left=${left/ db-journal/}
      [ "$left" = " db" ] || explain "left behind:$left"
      cmp -s db ../before || {
        contents db > ../contents
        contents ../before | cmp -s - ../contents
      } || {
        # The report on it failed, when it was complete.
        [ -n "$reported" ] && cmp -s ../contents ../clean.contents
      } || explain "the database has changed"
    elif [ -n "$reported" ] && [ "$left" = " db" ]; then
      contents db | cmp -s - ../clean.contents || explain "half a database"
    else
      [ -z "$left" ] || explain "left behind:$left"
    fi
    ;;
  *) explain "another status" ;;
  esac
}

# As it is before every run: one stream, and a database if there is to be one.
fresh() {
  rm -f db db-journal out ../mark
  [ ! -e ../before ] || cp ../before db
}

# The n after this one.
more() {
  n=$((n + 1))
  case $HOW_MANY in
  all) ;;
  many) n=$((n + n / 100)) ;;
  *) n=$((n + (n > 5 ? n / 2 : 0))) ;;
  esac
}

# each KIND ARGUMENTS...: every call of the kind, once and for good.
each() {
  local kind=$1 on n status left said clean_left reported=
  clean_status=0
  shift
  [[ " $* " != *" -o db -q "* ]] || reported=1
  fresh
  memparse "$@" > ../clean.out 2> ../clean.err || clean_status=$?
  look
  clean_left=$left
  [ ! -e db ] || contents db > ../clean.contents
  for on in "" 1; do
    # Who is interrupted for ever tries for ever.
    [ "$kind$on" != intr1 ] || break
    n=1
    while :; do
      fresh
      status=0
      LD_PRELOAD=$FAULT FAULT=$kind FAULT_AT=$n FAULT_MARK=../mark \
        FAULT_ON=$on "$MEMPARSE" "$@" > ../out 2> ../err || status=$?
      [ -e ../mark ] || break
      check
      more
    done
    [ "$n" -gt 1 ] || explain "nothing to refuse"
  done
}

# The same for a database that exists.
each_added() {
  memparse hostile -o ../before
  each "$@"
}

@test "memory: a report" {
  each malloc app
  each malloc --leak-only --human-readable hostile
}
@test "memory: a dump" { each malloc --dump hostile; }
@test "memory: rows" { each malloc -q largest_blocks app; }
@test "memory: rows in other formats" {
  [ "$HOW_MANY" = all ] || skip "in the slow run"
  each malloc -f json hostile
  each malloc -f markdown hostile
  each malloc -f csv hostile
}
@test "memory: a query of one's own" {
  echo "SELECT x'00', name FROM site" > ../mine.sql
  each malloc -f box -q ../mine.sql app
}
@test "memory: a new database" { each malloc app -o db; }
@test "memory: a database without rows of blocks" { each malloc app hostile -o db --summary; }
@test "memory: a database that exists" { each_added malloc app -o db; }
@test "memory: a stream that is in the database already" { each_added malloc hostile -o db; }
@test "memory: a profile is dropped" { each_added malloc db --drop=1; }
@test "memory: a comparison" { each malloc --compare hostile app -f html; }
@test "memory: a database, and a report on it" { each_added malloc app -o db -q churn; }
@test "memory: a stored profile" {
  memparse app -o ../db
  each malloc ../db
  each malloc ../db -q leaks
}
@test "memory: limits" {
  printf 'leak:buffer\nleak:nowhere\n' > ../known
  each malloc --max-leak=1M --max-leak-at='*=1M' --suppressions=../known app \
    --leak-only
}
@test "memory: limits that are exceeded" {
  local HOW_MANY=${HOW_MANY/all/many}
  printf 'leak:buffer\n' > ../known
  each malloc --max-leak=1 --max-leak-at='*=1' --fail-on=growing \
    --suppressions=../known app -f junit
  [ "$clean_status" = 1 ]
  each malloc --compare hostile app --fail-on=new --fail-on=grown \
    --max-growth=1 --suppressions=../known
  [ "$clean_status" = 1 ]
  each malloc --compare hostile app --fail-on=new --max-growth=1 -f sarif
  [ "$clean_status" = 1 ]
}
# history: five builds in ../db, the last of which is the worst.
history() {
  local n
  for n in 1 2 3 4; do
    other $n > ../stream
    memparse ../stream -o ../db --label=build=$n
  done
  sed 's/^ljm 3/lua 0x9000 "@worse.lua" 1\n&/
    s/^end/alloc lua 0x9000:2 0xc0000 1000000\n&/' \
    "$SOURCE/tests/cli/streams/app.ljm" > ../text
  awk '/^end/ { for (i = 1; i < 2000; i++)
    printf "alloc lua 0x9000:2 0x%x 100\n", 16777216 + i * 256 } { print }' \
    ../text | "$ENCODE" > ../stream
  memparse ../stream -o ../db --label=build=5
}
@test "memory: a build, and the builds before it" {
  local HOW_MANY=${HOW_MANY/all/many}
  history
  printf 'leak:buffer\n' > ../known
  each malloc ../db --baseline=10
  [ "$clean_status" = 0 ]
  each malloc ../db --baseline=10 --fail-on=changed --max-growth=1% \
    --suppressions=../known -f csv
  [ "$clean_status" = 1 ]
  each malloc ../db --baseline=10 --fail-on=changed -f sarif
  [ "$clean_status" = 1 ]
  each malloc ../db --compare=build=4..5 --fail-on=new -f junit
  [ "$clean_status" = 1 ]
}
@test "limits, when files cannot be read" {
  history
  printf 'leak:buffer\n' > ../known
  for kind in open read file; do
    each $kind ../db --baseline=10 --fail-on=changed --suppressions=../known
    [ "$clean_status" = 1 ]
    each $kind --max-leak=1 --suppressions=../known app
    [ "$clean_status" = 1 ]
  done
}
@test "memory: a compressed stream" {
  zstd -q app -o ../app.zst
  each malloc --leak-only ../app.zst
  noise | "$ENCODE" | zstd -q > ../noise.zst
  [ "$(stat -c %s ../noise.zst)" -gt 262144 ]
  each malloc --leak-only ../noise.zst
}

@test "memory: exports" {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > ../stacks
  memparse ../stacks -o ../db
  for format in pprof collapsed speedscope dot; do
    each malloc ../db "--export=$format:out"
  done
  each malloc ../stacks --export=pprof:out
}
@test "memory: filters and parameters" {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > ../stacks
  memparse ../stacks -o ../db
  each malloc ../db --focus=walk
  each malloc ../stacks --from=loaded --ignore=walk -q temporary --param events=9
}
@test "exports that cannot be written" {
  memparse app -o ../db
  # What stdio writes, export.bats lets fail by a limit.
  for kind in open write sync file; do
    each $kind ../db --export=pprof:out
  done
  each sync ../db --export=dot:out
}

@test "files that cannot be opened" {
  each open app --leak-only
  each open app -q leaks
  each open app -o db
  each_added open app -o db
  each open app -o db -q leaks
}
@test "reads that fail" {
  each read --leak-only app
  zstd -q app -o ../app.zst
  each read --leak-only ../app.zst
  each read -q leaks app
  each read app -o db
  each_added read app -o db
  each read app -o db -q leaks
  cp ../before ../db
  rm ../before
  each read ../db
  each read ../db -q leaks
}
@test "writes that fail" {
  each write app -o db
  each_added write app -o db
}
@test "a disk that does not keep what it got" {
  each sync app -o db
  each_added sync app -o db
}
@test "names, sizes and locks that the system refuses" {
  each file app --leak-only
  each file app -o db
  each_added file app -o db
}
@test "files that cannot be removed" { each_added unlink app -o db; }
@test "locks that cannot be given up" { each_added unlock app -o db; }
@test "reads and writes that are short, or interrupted, do not show" {
  for kind in short intr; do
    each $kind app --leak-only
    each $kind app -o db
    each_added $kind app -o db
    rm ../before
  done
}

# ---- the process that is killed

@test "kill -9 at any change of a file: a database is as it was, or complete" {
  local n=1 status undone=0
  noise | "$ENCODE" > ../noise
  memparse hostile -o ../before
  contents ../before > ../before.contents
  cp ../before db
  memparse ../noise -o db 2> /dev/null
  contents db > ../clean.contents
  while :; do
    fresh
    status=0
    LD_PRELOAD=$FAULT FAULT=kill FAULT_AT=$n FAULT_MARK=../mark \
      "$MEMPARSE" ../noise -o db 2> ../err || status=$?
    [ -e ../mark ] || break
    [ "$status" -eq 137 ] || wrong "change $n: status $status" "$(cat ../err)"
    # Whoever opens it next takes back what was begun.
    contents db > ../contents
    if cmp -s ../contents ../before.contents; then
      undone=$((undone + 1))
    else
      cmp -s ../contents ../clean.contents ||
        wrong "change $n: neither as before nor complete" \
          "$(head -n 5 ../contents)"
    fi
    more
  done
  [ "$undone" -gt 5 ] || wrong "only $undone of $n kills came in time"
}

@test "a folder for temporary files that is full is named" {
  many | "$ENCODE" > ../long
  mkdir ../tmp
  status=0
  (
    ulimit -f 100
    TMPDIR=$PWD/../tmp "$MEMPARSE" ../long{,,,,,,,,,} -q lifetimes
  ) 2> ../err || status=$?
  [ "$status" -eq 4 ] || wrong "status $status" "$(cat ../err)"
  [[ "$(grep -v ': warning: ' ../err)" == \
    "memparse: temporary database in $PWD/../tmp: "?* ]] ||
    wrong "$(cat ../err)"
  only
  [ -z "$(ls -A ../tmp)" ]
}

@test "a folder that is full of what a query sorts is named" {
  many | "$ENCODE" > ../long
  memparse ../long -o db 2> ../err
  mkdir ../tmp
  echo "SELECT address, printf('%999d', size) FROM allocation ORDER BY 2, 1" \
    > ../sort.sql
  status=0
  (
    ulimit -f 100
    TMPDIR=$PWD/../tmp "$MEMPARSE" db -q ../sort.sql
  ) > ../out 2> ../err || status=$?
  [ "$status" -eq 4 ] || wrong "status $status" "$(cat ../err)"
  [[ "$(grep -v ': warning: ' ../err)" == \
    "memparse: ../sort.sql: temporary files in $PWD/../tmp: d"* ]] ||
    wrong "$(cat ../err)"
}
