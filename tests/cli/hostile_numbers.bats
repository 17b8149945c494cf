# hostile_numbers.bats - numbers that no honest stream has: a clear message
# with the offset, and no more memory than the stream is worth.
load common

# The heads of an empty symbol table and of the events: 15 bytes.
BEGIN='ljs\3\0\0\0\200ljm\3\0\0\0'

# small ARGUMENTS...: memparse in 64 MiB, its threads' stacks included.
# (Sanitizers cannot do with so little: then without a limit.)
small() {
  local limit=(ulimit -d 65536)
  (ulimit -d 65536 && "$MEMPARSE" --version) > version 2>&1 || limit=(:)
  rm version
  MEMPARSE="$MEMPARSE" run --separate-stderr bash -c \
    "${limit[*]}"' && exec "$MEMPARSE" "$@"' memparse "$@"
}

# corrupt OFFSET WORDS BYTES [OPTION]: behind a good beginning, as a report and
# as a database, which is kept; with much behind it and with nothing.
corrupt() {
  for tail in 0 100000; do
    {
      printf "$BEGIN\\5\\20\\40$3"
      head -c "$tail" /dev/zero
    } > bad
    for what in --leak-only "-o db" "-q leaks" $4; do
      # shellcheck disable=SC2086 # words
      small bad $what
      # shellcheck disable=SC2053 # a pattern
      [ "$status" -eq 3 ] &&
        [[ "$stderr" == "memparse: bad: offset $1: "$2 ]] ||
        wrong "$what: status $status" "$stderr"
    done
    sql db "SELECT live_bytes, end_offset, complete FROM profile" "${alive-32}|$1|0"
    rm db
  done
}

X9='\377\377\377\377\377\377\377\377\377'
Z8='\200\200\200\200\200\200\200\200'
Z100=$(printf '\\200%.0s' {1..100})

@test "an integer of 10 bytes" {
  printf "$BEGIN\\5$X9\\1\\40\\200" > good
  small good --dump
  [[ "$output" == *"alloc int 0xffffffffffffffff 32  # 1 INTERNAL"* ]]
  small good -o db
  sql db "SELECT printf('%x', address) FROM allocation" ffffffffffffffff
}
@test "an integer beyond 64 bits" { corrupt 18 "*beyond 64 bits*" "\\5$X9\\2\\40" --dump; }
@test "an integer of 11 bytes" { corrupt 18 "*longer than 10 bytes*" "\\5$X9\\200\\0\\40" --dump; }
@test "an integer of 100 bytes" { corrupt 18 "*longer than 10 bytes*" "\\5$Z100\\0\\40" --dump; }
@test "a size beyond int64" { corrupt 18 "*9223372036854775808*" "\\5\\40$Z8\\200\\1" --dump; }
@test "sizes that add up beyond 2^60" { alive=40 corrupt 21 "*2^60*" "\\5\\40\\10\\5\\60$Z8\\20"; }
@test "the one event whose size makes it more than 2^60" {
  local i offset
  {
    printf 'ljs 3\nlua 0x9000 "@new.lua" 1\nljm 3\nalloc int 0x10 16\n'
    # 40 bytes each, and nothing comes of every other one.
    for i in {1..50}; do
      printf 'realloc int 0x10 16 0 24\nrealloc int 0x10 16 0x10 24\n'
    done
    for i in {1..31}; do
      printf 'alloc int 0x%x %d\n' $((i * 4096)) $((2 ** 55))
    done
  } > text
  { cat text; echo "alloc int 0x40000 $((2 ** 55 - 4016))"; echo end; } |
    "$ENCODE" > most
  { cat text; echo "alloc lua 0x9000:7 0x40000 $((2 ** 55 - 4015))"; yes end; } |
    head -n 500 | "$ENCODE" > more
  memparse most > out 2> err
  ! grep corrupt err || wrong "$(cat err)"
  offset=$("$ENCODE" < text | wc -c)
  run --separate-stderr memparse more
  [ "$status" -eq 3 ] || wrong "status $status"
  [[ "$stderr" == *"more: offset $offset: corrupt: "*"2^60"* ]] ||
    wrong "$offset" "$stderr"
  # It does not count, and neither does its site.
  run memparse more -o db
  sql db "SELECT count(*), max(name) FROM site" "1|INTERNAL"
}
@test "the very first event whose size is more than 2^60" {
  for tail in 0 1000; do
    {
      printf 'ljs\3\0\0\0\1\20\1a\200ljm\3\0\0\0'
      printf "\\5\\20$Z8\\100"
      head -c $tail /dev/zero
    } > first
    run --separate-stderr memparse first
    [[ "$status" -eq 3 && "$stderr" == *"first: offset 19: corrupt: "*"2^60"* ]] ||
      wrong "$stderr"
  done
}
@test "a string of 2^60 bytes" { corrupt 18 "*a name of 1152921504606846976*" "\\10\\40$Z8\\20" --dump; }

@test "a string of 16 MiB that is not there" {
  printf 'ljs\3\0\0\0\0\20\200\200\200\10' > bad
  small bad --leak-only
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"cut before the first event" ]]
}

# repeat TEXT BYTES: the text and a newline, over and over.
repeat() {
  yes "$(printf "$1")" | head -c "$2"
}

@test "a million symbols on one address" {
  {
    printf 'ljs\3\0\0\0'
    # A type, an address, a name of 1 byte, line 10.
    printf '\0' > symbol
    printf '\20\1a\12' >> symbol
    for i in {1..20}; do cat symbol symbol > two && mv two symbol; done
    cat symbol
    printf '\200ljm\3\0\0\0\11\20\7\40\40\200'
  } > many
  rm symbol
  small many --leak-only
  [ "$output" = "HEAP SUMMARY:
a:7 holds 32B: 1 allocs, 0 frees" ] || wrong "$stderr" "$output"
}

@test "a zstd bomb" {
  # 60 MB in some KiB. An event ends in a newline: a size of 10 bytes.
  {
    printf "$BEGIN"
    repeat '\5\20' 60000000
    printf '\200'
  } | zstd -q > bomb
  [ "$(stat -c %s bomb)" -lt 100000 ]
  small bomb --leak-only
  [ "$status" -eq 0 ] || wrong "$stderr"
  [ "$output" = "HEAP SUMMARY:
INTERNAL holds 10B: 20000000 allocs, 19999999 frees" ] || wrong "$output"
  # Without end: nothing of it is kept.
  head -c 100000000 /dev/zero | zstd -q > zeros
  small zeros --leak-only
  [ "$status" -eq 3 ]
  [[ "$stderr" == *"offset 0: not a memprof stream"* ]]
}

@test "zstd frames in a row, with skippable ones between" {
  skip='\120\52\115\30\4\0\0\0skip'
  {
    printf "$skip"
    head -c 30 app | zstd -q
    zstd -q < /dev/null
    printf "$skip\\137\\52\\115\\30\\0\\0\\0\\0"
    tail -c +31 app | zstd -q
    printf "$skip"
  } > frames
  works frames
  snapshot text
  works - < frames
  snapshot text
}

@test "a zstd frame with garbage behind it" {
  {
    head -c -1 app | zstd -q
    echo garbage
  } > bad
  fails 3 "bad: offset *: bytes after the last zstd frame are not zstd" bad \
    --leak-only
  [[ "$output" == *"@app.lua:5 holds 121B"* ]]
}

@test "a skippable frame that is cut" {
  printf '\120\52\115\30\4\0\0\0sk' > bad
  fails 3 "bad: offset 0: the zstd frame is cut" bad --leak-only
}

# sites COUNT: each event its own.
sites() {
  awk -v count="$1" 'BEGIN {
    print "ljs 3\nlua 0x1000 \"a\" 1\nljm 3"
    for (i = 1; i <= count; i++)
      printf "alloc lua 0x1000:%d 0x%x 1\n", i, i * 16
    print "end"
  }' | "$ENCODE" > sites
}

@test "sites without end" {
  sites 1050000
  # A million sites and blocks are 184 MiB. (Not with sanitizers.)
  if (ulimit -v 300000 && "$MEMPARSE" --version) > version 2>&1; then
    ulimit -v 300000
  fi
  memparse sites --leak-only > text 2> log
  [ "$(tail -n 1 log)" = "memparse: sites: warning: more than 1048576 sites: \
1424 events of further ones are told as (further sites)" ] || wrong "$(cat log)"
  [ "$(sed -n 2p text)" = \
    "(further sites):0 holds 1424B: 1424 allocs, 0 frees" ]
  [ "$(wc -l < text)" -eq 1048579 ]
}

@test "sites and pairs without end, in little memory" {
  awk 'BEGIN {
    print "ljs 3\nlua 0x1000 \"a\" 1\nljm 3"
    for (by = 1; by <= 100; by++)
      for (of = 1; of <= 100; of++) {
        printf "alloc lua 0x1000:%d 0x10 1\n", of
        printf "free lua 0x1000:%d 0x10 1\n", by
      }
    print "end"
  }' | "$ENCODE" > pairs
  sites 2000
  run --separate-stderr memparse sites pairs --memory=1M -o db
  [ "$status" -eq 0 ]
  [[ "$stderr" == *"sites: warning: more than 1638 sites: 362 events of \
further ones are told as (further sites)"*"pairs: warning: more than 4681 \
pairs of sites: who ended 5319 blocks is not told under Overrides"* ]] ||
    wrong "$stderr"
  sql db "SELECT sum(blocks) FROM site_override" 4681
  sql db "SELECT profile_id, born_blocks, live_blocks FROM profile" \
    "1|2000|2000
2|10000|0"
  sql db "SELECT count(*) FROM conservation
    WHERE difference <> 0 OR site_difference <> 0" 0
  works pairs --memory=3M --leak-only
}

@test "--memory allows a large window of zstd" {
  many | "$ENCODE" > long
  cat long long long long long long | zstd -q --long=27 > long.zst
  fails 3 "long.zst: offset 0: the zstd frame needs a window of more than 8 \
MiB: see --memory" long.zst --leak-only
  fails 3 "*more than 64 MiB: see --memory" long.zst --leak-only --memory=127M
  fails 3 "*more than 8 MiB: see --memory" long.zst -o db
  rm db
  for size in 128M 134217728 131072K 1G 9G; do
    run -0 --separate-stderr memparse long.zst --leak-only --memory=$size
    [ "$output" = "HEAP SUMMARY:
INTERNAL holds 640000B: 20000 allocs, 0 frees" ] || wrong "$output"
    run -0 --separate-stderr memparse long.zst --dump --memory=$size
    run -0 --separate-stderr memparse long.zst -f csv --memory=$size
    run -0 --separate-stderr memparse long.zst -o db --memory=$size
  done
}

@test "a --memory that is none" {
  for size in "" 0 1 1023K 1048575 0.5G -1 " 1M" 5m 1T 1MB 1KM \
    99999999999999999999 17592186044416M; do
    fails 2 "--memory wants a size from 1M on, such as 512M or 2G, not *" \
      app "--memory=$size"
  done
}
