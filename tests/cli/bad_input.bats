# bad_input.bats - one clear line, the right exit status, nothing left behind.
load common

A='offset 0: not a memprof stream*'

@test "not a stream" { echo hello > text; fails 3 "text: $A" text; }
@test "an empty file" { : > none; fails 3 "none: offset 0: the stream is empty" none; }
@test "an empty pipe" { fails 3 "standard input: offset 0: the stream is empty" - < /dev/null; }
@test "a closed standard input" {
  run -4 bash -c '"$MEMPARSE" - 2>&1 <&-'
  [ "$output" = "memparse: standard input: Bad file descriptor" ]
}
@test "an unknown version" { printf 'ljs\11\0\0\0\200' > new; fails 3 'new: offset *version*' new; }
@test "a cut stream" { fails 3 "cut: offset *: cut inside an event" cut; }
@test "cut between two events" { head -c -1 app > a; fails 3 "a: offset *: cut: the closing byte is missing" a; }
@test "cut in the symbol table" { head -c 20 app > a; fails 3 "a: offset *: cut before the first event" a; }
@test "a corrupt event" { printf 'ljs\3\0\0\0\200ljm\3\0\0\0\xff' > bad; fails 3 "bad: offset 15: *" bad; }
# In a frame that zstd did not make smaller, a byte that still makes sense.
@test "a zstd frame whose checksum is wrong, behind the closing byte" {
  printf 'ljs 3\nljm 3\nalloc int 0x10 5\nend\n' | "$ENCODE" > small
  zstd -qc --check small > a.zst
  offset=$(($(LC_ALL=C grep -obaP '\x05\x10\x05' a.zst | cut -d: -f1) + 2))
  printf 'd' | dd of=a.zst bs=1 seek="$offset" conv=notrunc status=none
  fails 3 "a.zst: offset 19: the zstd frame is broken: *checksum" a.zst
  # What comes after the frame is not asked for.
  { zstd -qc --check small; cat a.zst; } > b.zst
  run -0 memparse b.zst
}

@test "a zstd frame that is cut" { zstd -qc app | head -c 100 > a.zst; fails 3 "a.zst: offset *zstd*" a.zst; }
@test "a zstd frame that lacks its last bytes" {
  zstd -qc --check app > a.zst
  size=$(stat -c %s a.zst)
  for less in 1 2 3 4 5; do
    head -c $((size - less)) a.zst > b.zst
    fails 3 "b.zst: offset *: the zstd frame is cut" b.zst --leak-only
  done
}
@test "streams one behind the other" {
  warning="warning: another stream follows, and is not read: *"
  cat app app > two
  zstd -qc app > a.zst
  cat a.zst a.zst > b.zst
  zstd -qc two > c.zst
  works app --leak-only
  alone=$output
  for file in two b.zst c.zst; do
    run -0 --separate-stderr memparse "$file" --leak-only
    [ "$output" = "$alone" ]
    [[ "$stderr" == "memparse: $file: "$warning ]] || wrong "$stderr"
  done
  run -0 --separate-stderr bash -c 'cat two | "$MEMPARSE" --leak-only -'
  [[ "$stderr" == "memparse: standard input: "$warning ]] || wrong "$stderr"
}
@test "a directory" { mkdir d; fails 4 "d: Is a directory" d; }
@test "no such file" { fails 4 "nowhere: No such file or directory" nowhere; }
@test "a name with control characters" { fails 4 'a\\x1b\[31m\\x0ab: No such file*' $'a\e[31m\nb'; }

@test "an unreadable file" {
  chmod 0 app
  [ ! -r app ] || skip "this user, root perhaps, can read everything"
  fails 4 "app: Permission denied" app
}

@test "what comes before a cut is reported" {
  fails 3 "cut: offset *: cut inside an event" --leak-only cut
  [ "$output" = "HEAP SUMMARY:
@cut.lua:2 holds 20B: 1 allocs, 0 frees
@cut.lua:1 holds 10B: 1 allocs, 0 frees" ]
}

@test "what is no stream still has an empty report" {
  echo hello > text
  fails 3 "text: $A" --leak-only text
  [ "$output" = "HEAP SUMMARY:" ]
}

@test "of several files the highest status counts" {
  run memparse --leak-only cut nowhere app
  [ "$status" -eq 4 ]
  [[ "$output" == *"@cut.lua:2 holds"* && "$output" == *"@app.lua:5 holds"* ]]
}

@test "a full disk behind standard output" {
  [ -w /dev/full ] || skip "there is no /dev/full"
  for what in "" --dump "-f box" "-f csv" "-f json" --help; do
    # shellcheck disable=SC2086 # words
    run -4 bash -c '"$MEMPARSE" app '"$what"' 2>&1 >/dev/full'
    [ "$output" = "memparse: standard output: No space left on device" ] ||
      wrong "$what: $output"
  done
}

@test "a closed standard output" {
  for what in "" --leak-only --dump "-q leaks" --help; do
    # shellcheck disable=SC2086 # words
    run -4 bash -c '"$MEMPARSE" app '"$what"' 2>&1 >&-'
    [ "$output" = "memparse: standard output: Bad file descriptor" ] ||
      wrong "$what: $output"
  done
  "$MEMPARSE" app -o db >&-
  works db --leak-only
}

@test "a reader that goes away is no news" {
  # Far more than a pipe and the reader can hold.
  many | "$ENCODE" > long
  run bash -c 'set -o pipefail; "$MEMPARSE" --dump long 2>&1 | head -n 1'
  [ "$status" -eq 141 ]
  [ "$output" = "ljs 3" ]
}

# ---- the command line

@test "no operand" { fails 2 "no file to read*"; }
@test "an unknown option" { fails 2 "unrecognized option '--wrong': see --help" --wrong app; }
@test "an unknown short option" { fails 2 "invalid option -- 'z': see --help" --dump -zq app; }
@test "an unknown option that would steer a terminal" {
  fails 2 "unrecognized option '--\\\\x1b\\[31m\\\\x0f': see --help" $'--\e[31m\x0f' app
  fails 2 "invalid option -- '\\\\x1b': see --help" $'-\e' app
}
@test "an ambiguous option" { fails 2 "option '--h' is ambiguous: see --help" --h app; }
@test "an option with a value it cannot have" { fails 2 "option '--help' doesn't allow an argument" --help=1 app; }
@test "a long option without its value" { fails 2 "option '--output' requires an argument" app --output; }
@test "an option without its value" { fails 2 "option requires an argument -- 'o'" app -o; }
@test "an unknown query" { fails 2 "unknown query 'nosuch': *churn*top_allocators*" -q nosuch app; }
@test "a query file that is not there" { fails 4 "no/such.sql: No such file or directory" -q no/such.sql app; }
@test "an unknown format" { fails 2 "unknown format 'xml': *" -f xml app; }
@test "an empty value" { fails 2 "--output wants a value" -o "" app; }
@test "--output twice" { fails 2 "--output is given twice" -o a -o b app; }
@test "a profile that is no number" { fails 2 "--profile wants a number*" --profile x app; }
@test "profile 0" { fails 2 "--profile wants a number*" --profile 0 app; }
@test "a profile of a stream" { fails 2 "app: --profile goes with a database" --profile 1 app; }
@test "a profile of a stream, queried" { fails 2 "app: --profile goes with a database" --profile 1 -q leaks app; }
@test "--summary without -o" { fails 2 "--summary goes with -o" --summary app; }
@test "--dump with a query" { fails 2 "--dump goes with no other option" --dump -q leaks app; }
@test "--leak-only with a query" { fails 2 "--leak-only and -q *" --leak-only -q churn app; }
@test "--human-readable with rows" { fails 2 "--human-readable goes *" --human-readable -f csv app; }
@test "a database on standard output" { fails 2 "a database cannot be written to *" -o - app; }
@test "standard input twice" { fails 2 "standard input can be read only once" - - < app; }
@test "a query over several streams that are stored" { fails 2 "a query reports on one profile*" app app -o db -q leaks; only; }

@test "--help is complete" {
  works --help
  snapshot help
  for option in leak-only human-readable output summary query profile format memory \
    dump help version; do
    [[ "$output" == *"--$option"* ]] || wrong "--$option is missing"
  done
}

@test "--version" {
  works --version
  [[ "$output" =~ ^memparse\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}
