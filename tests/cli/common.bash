# common.bash - what the .bats files share. CTest sets:
#
#   MEMPARSE   the program          ENCODE  ljm-encode, for streams from text
#   SOURCE     the source tree
#
# UPDATE=1 in the environment rewrites the snapshots instead of comparing.
bats_require_minimum_version 1.5.0

setup() {
  # bats keeps files of its own beside it.
  mkdir "$BATS_TEST_TMPDIR/work"
  cd "$BATS_TEST_TMPDIR/work" || return
  "$ENCODE" "$SOURCE/tests/cli/streams/app.ljm" > app
  other 2 > app2
  "$ENCODE" "$SOURCE/tests/cli/streams/hostile.ljm" > hostile
  "$ENCODE" "$SOURCE/tests/cli/streams/cut.ljm" > cut
}

# other N: a stream that tells the same as app, but is another one.
other() {
  sed "s/^ljs 3/&\nlua 0xffff000$1 \"@unused.lua\" 1/" \
    "$SOURCE/tests/cli/streams/app.ljm" | "$ENCODE"
}

memparse() {
  "$MEMPARSE" "$@"
}

# Says what is wrong and fails: bats shows it.
wrong() {
  printf '%s\n' "$@" >&2
  return 1
}

# works ARGUMENTS...: status 0 and not a word on standard error.
works() {
  run --separate-stderr memparse "$@"
  [ "$status" -eq 0 ] && [ -z "$stderr" ] ||
    wrong "memparse $*: status $status" "$stderr"
}

# fails STATUS MESSAGE ARGUMENTS...: that status, and on standard error
# nothing but "memparse: MESSAGE", a pattern.
fails() {
  local wanted=$1 message=$2
  shift 2
  run --separate-stderr memparse "$@"
  # shellcheck disable=SC2053 # a pattern
  [ "$status" -eq "$wanted" ] && [[ "$stderr" == "memparse: "$message ]] &&
    [ "${#stderr_lines[@]}" -eq 1 ] ||
    wrong "memparse $*: status $status, wanted $wanted" "$stderr" \
      "wanted: memparse: $message" "$output"
}

# snapshot NAME: $output is what snapshots/NAME holds.
snapshot() {
  local file=$SOURCE/tests/cli/snapshots/$1
  if [ -n "${UPDATE-}" ]; then
    printf '%s\n' "$output" > "$file"
  else
    printf '%s\n' "$output" | diff -u "$file" -
  fi
}

# sql DB SELECT WANTED: what stock sqlite3 says.
sql() {
  local got
  got=$(sqlite3 "$1" "$2") || return
  [ "$got" = "$3" ] || wrong "$2" "says $got" "wanted $3"
}

# only FILE...: the files, besides the streams, that the test left behind.
only() {
  local left
  left=$(ls -A | grep -vxE 'app2?|hostile|cut' | tr '\n' ' ')
  [ "$left" = "${*:+$* }" ] || wrong "left behind: $left, wanted $*"
}

# The text of a stream with more events than a pipe holds.
many() {
  awk 'BEGIN {
    print "ljs 3\nljm 3"
    for (i = 1; i <= 20000; i++) printf "alloc int 0x%x 32\n", i * 16
    print "end"
  }'
}
