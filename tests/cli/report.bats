# report.bats - the default text, its order and its wording.
load common

@test "the default text" {
  works app
  snapshot text
}

@test "--leak-only is the end of the default text" {
  works --leak-only app
  snapshot leak_only
}

@test "--human-readable" {
  works --human-readable app
  snapshot human_readable
}

@test "--human-readable at the edges of its units" {
  {
    printf 'ljs 3\nlua 0x1000 "@a" 1\nljm 3\n'
    line=0
    for size in 1023 1024 1536 1023999 1024000 1048576 1073741824 \
      1099511627776; do
      printf 'alloc lua 0x1000:%d 0x%d 1\n' $((++line)) $line
      printf 'realloc lua 0x1000:%d 0x%d 1 0x%d %d\n' $line $line $line $size
    done
    printf 'free int 0xff 1\nend\n'
  } | "$ENCODE" > sizes
  works --leak-only --human-readable sizes
  [ "$(sed -n 's/.* holds \(.*\): 2 allocs, 1 frees/\1/p' <<< "$output" |
    tr '\n' ' ')" = \
    "1024GiB 1GiB 1MiB 1000KiB 1000.00KiB 1.50KiB 1KiB 1023B " ] ||
    wrong "$output"
}

@test "overrides that print alike are listed once" {
  "$ENCODE" <<'TEXT' > alike
ljs 3
lua 0x1000 "a\x01" 1
lua 0x2000 "a\\x01" 1
ljm 3
alloc lua 0x1000:1 0x10 8
alloc lua 0x2000:1 0x20 8
free int 0x10 8
free int 0x20 8
end
TEXT
  works alike
  [ "$(grep -c 'x01:1$' <<< "$output")" -eq 1 ]
}

@test "hostile names in the default text" {
  works hostile
  snapshot hostile_text
}

@test "equal bytes: events decide, then the name" {
  "$ENCODE" <<'TEXT' > equal
ljs 3
lua 0x1000 "@b" 1
lua 0x2000 "@a" 1
ljm 3
alloc lua 0x1000:1 0x10 8
alloc lua 0x2000:1 0x20 8
alloc lua 0x2000:2 0x30 4
alloc lua 0x2000:2 0x40 4
end
TEXT
  works --leak-only equal
  [ "$output" = "HEAP SUMMARY:
@a:2 holds 8B: 2 allocs, 0 frees
@a:1 holds 8B: 1 allocs, 0 frees
@b:1 holds 8B: 1 allocs, 0 frees" ]
}

@test "a stream without events" {
  printf 'ljs\3\0\0\0\200ljm\3\0\0\0\200' > none
  works none
  snapshot no_events
}

@test "several streams make one report, their blocks kept apart" {
  works --leak-only app app
  [[ "$output" == *"@app.lua:5 holds 242B: 6 allocs, 0 frees"* ]]
}

@test "streams and databases mix in one report" {
  memparse app -o db
  works --leak-only app db
  [[ "$output" == *"@app.lua:5 holds 242B: 6 allocs, 0 frees"* ]]
}

@test "the same database twice is a mistake" {
  memparse app -o db
  ln -s db link
  fails 2 "link: the same database twice: *" --leak-only db link
}

@test "options may stand behind operands" {
  works app --leak-only
  snapshot leak_only
}

@test "even if POSIXLY_CORRECT is set" {
  POSIXLY_CORRECT=1 works app --leak-only
  snapshot leak_only
}

@test "after -- all are operands" {
  cp -- app --leak-only
  works --leak-only -- --leak-only
  snapshot leak_only
}

@test "standard input" {
  works - --leak-only < app
  snapshot leak_only
}

@test "standard input from a pipe, zstd" {
  run --separate-stderr bash -c 'zstd -qc app | "$MEMPARSE" --leak-only -'
  [ "$status" -eq 0 ]
  snapshot leak_only
}

@test "zstd is known by content, whatever the name" {
  zstd -q app -o app.txt
  works app.txt --leak-only
  snapshot leak_only
}

@test "bytes after the closing byte change nothing" {
  printf 'more' >> app
  works app --leak-only
  snapshot leak_only
}

@test "the text of a stored profile is that of its stream" {
  memparse app -o db
  memparse hostile -o db2 --summary
  works db
  snapshot text
  works db2
  snapshot hostile_text
}

@test "the dump" {
  works --dump app
  snapshot dump
}

@test "the dump of hostile names" {
  works --dump hostile
  snapshot hostile_dump
}

@test "what is dumped makes the same stream again" {
  memparse --dump app | sed 's/  # .*//' | "$ENCODE" | cmp - app
  compact=$SOURCE/tests/fuzz/corpus/compact
  memparse --dump "$compact" | sed 's/  # .*//' | "$ENCODE" | cmp - "$compact"
}

@test "garbage at the end is warned of, and the warning is kept" {
  {
    printf 'ljs 3\nlua 0x1000 "@a" 1\nljm 3\nalloc lua 0x1000:1 0x10 9\n'
    printf 'free int 0x10 9\nalloc lua 0x1000:2 0x20 5000\nend\n'
  } | "$ENCODE" > late
  unless="unless collectgarbage() ran twice before stop(), garbage may look \
like a leak"
  warning="the collector freed nothing after event 2, 4.88KiB were allocated \
since: $unless"
  fails 0 "late: warning: $warning" --leak-only late
  fails 0 "late: warning: $warning" late -o db
  sql db "SELECT number, text FROM warning" "1|$warning"
  fails 0 "db: warning: $warning" db -q leaks
  printf 'ljs 3\nljm 3\nalloc int 0x10 5000\nend\n' | "$ENCODE" > never
  fails 0 "never: warning: the collector freed nothing, 4.88KiB were \
allocated in all: $unless" --leak-only never
}

# late BYTES: a stream of 100,000 live bytes, so many of them begun late.
late() {
  {
    printf 'ljs 3\nlua 0x1000 "@a" 1\nljm 3\nalloc lua 0x1000:1 0x10 9\n'
    printf 'alloc lua 0x1000:1 0x30 %d\n' $((100000 - $1))
    printf 'free int 0x10 9\nalloc lua 0x1000:2 0x20 %d\nend\n' "$1"
  } | "$ENCODE" > late
}

@test "garbage of more than a tenth is worth a warning, less is not" {
  late 10000
  works --leak-only late
  late 10001
  fails 0 "late: warning: the collector freed nothing after event 3, 9.77KiB*" --leak-only late
}

@test "aliases keep their numbers in a database" {
  "$ENCODE" <<'TEXT' > aliases
ljs 3
lua 0x1000 "first\x0a" 1
lua 0x2000 "never used\x0a" 1
lua 0x3000 "third\x0a" 1
ljm 3
alloc lua 0x3000:1 0x10 8
alloc lua 0x1000:1 0x20 4
end
TEXT
  works aliases
  [[ "$output" == *"function_alias_3:1 holds 8B"*"function_alias_2:"* ]]
  text=$output
  memparse aliases -o db
  works db
  [ "$output" = "$text" ] || wrong "$output"
}

@test "events that contradict each other are warned of" {
  {
    printf 'ljs 3\nlua 0x1000 "@a" 1\nljm 3\nalloc lua 0x1000:1 0x10 9\n'
    printf 'alloc lua 0x1000:2 0x10 7\nfree int 0x10 6\nend\n'
  } | "$ENCODE" > odd
  fails 0 "odd: warning: 2 events contradict earlier ones, first at event 2" \
    odd -o db
  sql db "SELECT conflict_events, first_conflict_event, replaced_blocks,
    replaced_bytes FROM profile" "2|2|1|9"
  sql db "SELECT difference, site_difference FROM conservation" "0|0"
  sql db "SELECT died_by, count(*) FROM allocation GROUP BY 1" \
"free|1
replaced|1"
}

@test "streams are warned of each for itself" {
  {
    printf 'ljs 3\nlua 0x1000 "@a" 1\nljm 3\nalloc lua 0x1000:1 0x10 9\n'
    printf 'free int 0x10 6\nend\n'
  } | "$ENCODE" > odd
  printf 'ljs 3\nljm 3\nalloc int 0x10 9\nend\n' | "$ENCODE" > good
  {
    printf 'ljs 3\nljm 3\nalloc int 0x10 9\nfree int 0x10 9\n'
    printf 'alloc int 0x20 9\nalloc int 0x20 9\nend\n'
  } | "$ENCODE" > late
  run --separate-stderr memparse odd good late
  [ "$stderr" = \
"memparse: odd: warning: 1 event contradicts earlier ones, first at event 2
memparse: late: warning: 1 event contradicts earlier ones, first at event 4" ] ||
    wrong "$stderr"
}

# slowly FILE: a stream into a pipe, with pauses in it.
slowly() {
  head -c 40000 "$1"
  sleep 1.1
  head -c 60000 "$1" | tail -c 20000
  sleep 0.3
  tail -c +60001 "$1"
}

@test "a line of progress, on a terminal only" {
  [ -n "$(command -v script)" ] || skip "no script(1)"
  many | "$ENCODE" > long
  mkfifo pipe
  slowly long > pipe &
  script -qec '"$MEMPARSE" pipe --leak-only' log > out < /dev/null
  # It is wiped out before anything else is written there.
  LC_ALL=C grep -aqE $'\rpipe: [0-9.]+[KM]iB read\033\\[K\r\033\\[Kmemparse: ' \
    out || wrong "$(cat -v out)"
  slowly long > pipe &
  "$MEMPARSE" pipe --leak-only 2> log > out
  ! grep -q read log || wrong "$(cat log)"
}
