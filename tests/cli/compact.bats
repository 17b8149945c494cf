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
      "collection $reason" end | "$ENCODE" > late
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
    seq -f 'callsite %.0f 1' 1025
  } | "$ENCODE" > deep
  end=$(($(wc -c < deep) - 4))
  for what in --leak-only --dump "-q leaks" --summary; do
    [ "$what" != --summary ] || what="-o db --summary"
    # shellcheck disable=SC2086 # several words
    fails 3 "deep: offset $end: corrupt: a callsite of more than 1025 frames" \
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
