# compact.bats - streams of our own version, 3/0x83.
load common

eval "common_$(declare -f setup)"

setup() {
  common_setup
  "$ENCODE" "$SOURCE/tests/cli/streams/compact.ljm" > compact
}

LOST="memparse: compact: warning: the recorder lost 3 events: figures are too \
low, or contradict each other"

# of_compact ARGUMENTS...: status 0, and the one warning.
of_compact() {
  run --separate-stderr memparse "$@"
  [ "$status" -eq 0 ] && [ "$stderr" = "$LOST" ] ||
    wrong "memparse $*: status $status" "$stderr"
}

@test "the report" {
  of_compact compact
  snapshot compact_text
}

@test "the dump" {
  works --dump compact
  snapshot compact_dump
}

@test "what is dumped makes the same stream again" {
  memparse --dump compact | sed 's/  # .*//' | "$ENCODE" | cmp - compact
}

@test "it is compressed and read through a pipe like others" {
  zstd -q compact
  of_compact compact
  wanted=$output
  run -0 bash -c '"$MEMPARSE" - < compact.zst 2> /dev/null'
  [ "$output" = "$wanted" ]
}

@test "cut at every byte" {
  size=$(wc -c < compact)
  for at in $(seq 0 7 $((size - 1))); do
    head -c "$at" compact > cut
    run -3 --separate-stderr memparse cut --leak-only
    [[ "${stderr_lines[0]}" == "memparse: cut: offset "* ]] || wrong "$stderr"
    run -3 memparse --dump cut
  done
}

@test "a collection at the end makes the warning of garbage needless" {
  for reason in 0 3; do
    printf '%s\n' 'ljs 3' 'ljm 131' 'start 1 2 0 ""' 'string "@a"' \
      'proto 1 1 0' 'frame lua 1:1' 'callsite 0 1' 'alloc @1 0x10 100000' \
      "collection $reason 0" end | "$ENCODE" > late
    run -0 --separate-stderr memparse --leak-only late
    if [ $reason = 3 ]; then
      [ -z "$stderr" ] || wrong "$stderr"
    else
      [[ "$stderr" == *"garbage may look like a leak" ]] || wrong "$stderr"
    fi
  done
}

@test "a path that is too deep, and clocks that are too late" {
  {
    printf '%s\n' 'ljs 3' 'ljm 131' 'start 1 2 0 ""' 'string "@a"' \
      'proto 1 1 0' 'frame lua 1:1' 'callsite 0 1' 'alloc @1 0x10 8'
    seq -f 'callsite %.0f 1' 1024
  } | "$ENCODE" > deep
  end=$(($(wc -c < deep) - 4))
  for what in --leak-only --dump "-q leaks" --summary; do
    [ "$what" != --summary ] || what="-o db --summary"
    # shellcheck disable=SC2086 # several words
    fails 3 "deep: offset $end: corrupt: a callsite of more than 1024 frames" \
      deep $what
  done
  printf '%s\n' 'ljs 3' 'ljm 131' 'start 1 2 0 ""' \
    'clock 1152921504606846976' 'clock 1' end | "$ENCODE" > late
  end=$(($(wc -c < late) - 3))
  for what in --leak-only --dump; do
    fails 3 "late: offset $end: corrupt: the clocks add up to more than 2^60 \
microseconds" late $what
  done
}

# converts STREAM: the new stream has the old one's report.
converts() {
  memparse "$1" --to-v3=new 2> said || wrong "$(cat said)"
  [ ! -s said ] || wrong "$(cat said)"
  [ "$(head -c 4 new | od -An -c | tr -d ' ')" = 'ljs003' ]
  diff <(memparse "$1" 2> err) <(memparse new 2> err)
  diff <(memparse "$1" --leak-only 2> err) <(memparse new --leak-only 2> err)
  rm new said err
}

@test "--to-v3: the same report" {
  converts compact
  converts app
  converts hostile
}

@test "--to-v3 into a compressed file, and to standard output" {
  memparse compact --to-v3=new
  memparse compact --to-v3=new.zst
  zstd -dc new.zst | cmp - new
  memparse --to-v3=- - < compact | cmp - new
  [ -z "$(ls -d ./new?* | grep -v zst)" ]
}

@test "--to-v3 of a stream that is cut is closed" {
  head -c 270 compact > some
  fails 3 "some: offset * cut*" some --to-v3=new
  works new
  [ "$output" = "$("$MEMPARSE" some 2>&1 | grep -v ^memparse)" ]
  [ "$(tail -c 1 new | od -An -tx1)" = " 80" ]
}

@test "--to-v3 of no stream leaves nothing behind, and what was there" {
  echo hello > none
  fails 3 "none: offset 0: not a memprof stream*" none --to-v3=new
  [ -z "$(ls -d ./new* 2> /dev/null)" ]
  echo old > new
  fails 3 "none: offset 0: not a memprof stream*" none --to-v3=new
  [ "$(cat new)" = old ]
  mkdir folder
  fails 4 "folder: Is a directory" app --to-v3=folder
  fails 4 "missing/new: No such file or directory" app --to-v3=missing/new
  [ -z "$(ls -d ./folder?* 2> /dev/null)" ]
}

@test "--to-v3 onto a full disk" {
  run -4 --separate-stderr bash -c '"$MEMPARSE" app --to-v3=- > /dev/full'
  [ "$stderr" = "memparse: standard output: No space left on device" ]
  # A limit of 1 KiB on files stands for the disk.
  many | "$ENCODE" > much
  run -4 --separate-stderr bash -c 'ulimit -f 1; "$MEMPARSE" much --to-v3=new'
  [ "$stderr" = "memparse: new: File too large" ] || wrong "$stderr"
  [ ! -e new ]
  run -4 --separate-stderr bash -c '"$MEMPARSE" much --to-v3=- > /dev/full'
  [ "$stderr" = "memparse: standard output: No space left on device" ]
  [ -z "$(ls -d ./new.* 2> /dev/null)" ]
}

@test "--to-v3 onto what is no file" {
  mkfifo pipe
  cat pipe > new &
  works app --to-v3=pipe
  wait
  [ -p pipe ]
  works new --leak-only
  works app --to-v3=/dev/null
  [ -c /dev/null ]
  fails 4 "/dev/full: No space left on device" app --to-v3=/dev/full
  [ -c /dev/full ]
}

@test "--to-v3 through a link" {
  echo old > old
  ln -s old link
  works app --to-v3=link
  [ -L link ]
  works old --leak-only
}

@test "--to-v3 of a pipe that is interrupted leaves nothing behind" {
  mkfifo pipe
  env --default-signal=INT "$MEMPARSE" - --to-v3=new < pipe 2> log &
  process=$!
  exec 7> pipe
  head -c 40 app >&7
  for i in {1..100}; do
    compgen -G 'new.*' > /dev/null && break
    sleep 0.05
  done
  compgen -G 'new.*' || wrong "no file is being written"
  kill -INT "$process"
  wait "$process" && wrong "it goes on"
  exec 7>&-
  [ ! -s log ]
  [ -z "$(ls -d ./new* 2> /dev/null)" ]
}

@test "--to-v3 and what does not go with it" {
  ln -s app link
  fails 2 "app: --to-v3 into itself: name another file" app --to-v3=link
  memparse app -o db
  fails 2 "db: --to-v3 wants a stream, not a database" db --to-v3=new
  fails 2 "--to-v3 goes with no other option" app --to-v3=new --leak-only
  fails 2 "--to-v3 goes with one stream" app app --to-v3=new
  fails 2 "--to-v3 wants a value" app --to-v3=
  [ ! -e new ]
}
