# signatures.bats - what sites are known by when code moves.
#
# A generated program of 20 functions is refactored in several ways; each site
# allocates a size of its own, so that it is known whether the site that has
# the same signature is the same one.
load common

FUNCTIONS=20

setup() {
  cd "$BATS_TEST_TMPDIR" || return
}

# program: functions f1 to f20, one after the other, each with three lines
# that allocate (10000 * function + 1000 * line bytes, told by "line"), two of
# them with the same text. Reads what to do to function N from how N.
program() {
  local order=$1 how=$2 n
  for n in $order; do
    $how "$n"
  done
}

plain() {
  printf 'local function f%d(a)\n\tlocal x = {}\n\tx[1] = {a}\n' "$1"
  printf '\tx[2] = {}\n\tx[1] = {a}\nend\n\n'
}
shifted() { printf -- '-- more\n-- and more\n\n'; plain "$1"; }
inside() { plain "$1" | sed '1a\	check(a)\n'; }
indented() { plain "$1" | sed 's/^\t/        /'; }
argument() { plain "$1" | sed 's/(a)$/(a, b)/'; }
renamed() { plain "$1" | sed 's/ f\([0-9]\)/ g\1/'; }
changed() { plain "$1" | sed 's/x\[2\] = {}/x[2] = {1}/'; }
method() { plain "$1" | sed 's/^local function f\([0-9]*\)/M.f\1 = function/'; }

# stream FILE: a stream of the program in FILE as a recorder tells it: each
# function is a prototype, each line with a brace allocates.
stream() {
  awk -v name="@app.lua" '
    BEGIN { print "ljs 3"; n = 0 }
    /function/ {
      first = NR; n++; nth = 0
      match($0, /[fg][0-9]+/); id = substr($0, RSTART + 1, RLENGTH - 1)
      protos = protos sprintf("lua 0x%x \"%s\" %d\n", 4096 + n, name, first)
    }
    /\{/ {
      nth++
      size = 10000 * id + 1000 * nth
      events = events sprintf("alloc lua 0x%x:%d 0x%x %d\n", 4096 + n, NR,
        1048576 * (4 * n + nth), size)
    }
    # Not the same bytes, even when the lines are the same ones.
    END { printf "%slua 0x100 \"@%s\" 1\nljm 3\n%send\n", protos, FILENAME, events }' "$1" > text
  "$ENCODE" text
}

# hits HOW [ORDER]: how many of the sites of the plain program have a site of
# the same signature and size in the other one, how many one of another size.
hits() {
  mkdir -p old new
  program "$(seq $FUNCTIONS)" plain > old/app.lua
  program "${2:-$(seq $FUNCTIONS)}" "$1" > new/app.lua
  stream old/app.lua > old.bin
  stream new/app.lua > new.bin
  rm -f db
  memparse old.bin -o db ${SOURCES:+--source=old} 2> log &&
    memparse new.bin -o db ${SOURCES:+--source=new} 2> log &&
    sqlite3 -separator ' ' db "SELECT coalesce(sum(a.live_bytes = b.live_bytes), 0),
      coalesce(sum(a.live_bytes <> b.live_bytes), 0)
      FROM site AS a JOIN site AS b USING (signature, signature_kind)
      WHERE a.profile_id = 1 AND b.profile_id = 2"
}

# found HITS WRONG HOW [ORDER]
found() {
  local wanted="$1 $2"
  shift 2
  run -0 hits "$@"
  [ "$output" = "$wanted" ] || wrong "$*: $output, wanted $wanted"
}

# The functions in another order.
MOVED="$(seq 11 20) $(seq 10 -1 1)"

@test "with sources: what is followed" {
  SOURCES=1
  found 80 0 shifted
  found 80 0 indented
  found 80 0 inside
  found 80 0 argument
  found 80 0 plain "$MOVED"
  found 80 0 shifted "$MOVED"
}

@test "with sources: what is not" {
  SOURCES=1
  # A name is what a function is.
  found 0 0 renamed
  found 0 0 method
  # A line is its text.
  found 60 0 changed
}

@test "without sources: what is followed" {
  found 80 0 shifted
  found 80 0 indented
  found 80 0 argument
  found 80 0 renamed
  found 80 0 method
  found 80 0 changed
}

@test "without sources: what is not" {
  # Lines in a function count from its first one.
  found 0 40 inside
  # The first function is another one now.
  found 0 80 plain "$MOVED"
}

@test "a source that is another version is no source" {
  mkdir d
  program "$(seq $FUNCTIONS)" plain > d/app.lua
  stream d/app.lua > s
  echo "-- a line too many" | cat - d/app.lua > t && mv t d/app.lua
  memparse s -o db --source=d
  sql db "SELECT DISTINCT signature_kind FROM site" relative
}

@test "only sources below the directory are read" {
  mkdir d
  printf 'x = {}\n' > secret.lua
  for name in ../secret.lua d/../../secret.lua "$PWD/secret.lua" "$PWD/dd" \
      /dev/zero . ''; do
    printf 'ljs 3\nlua 0x10 "@%s" 0\nljm 3\nalloc lua 0x10:1 0x20 8\nend\n' \
      "$name" > text
    "$ENCODE" text > s
    rm -f db
    memparse s -o db --source="$PWD/d"
    sql db "SELECT signature_kind FROM site" line
  done
  # The folder beside it is not below it.
  mkdir d/2
  cp secret.lua d/2
  printf 'ljs 3\nlua 0x10 "@%s" 0\nljm 3\nalloc lua 0x10:1 0x20 8\nend\n' \
    "$PWD/d2/secret.lua" > text
  "$ENCODE" text > s
  rm -f db
  memparse s -o db --source="$PWD/d"
  sql db "SELECT signature_kind FROM site" line
  cp secret.lua d
  for name in secret.lua ./secret.lua "$PWD/d/secret.lua"; do
    printf 'ljs 3\nlua 0x10 "@%s" 0\nljm 3\nalloc lua 0x10:1 0x20 8\nend\n' \
      "$name" > text
    "$ENCODE" text > s
    rm -f db
    memparse s -o db --source="$PWD/d"
    sql db "SELECT signature FROM site" "@$name |  | x = {} | 1"
  done
}

@test "a line of several functions is known by its number" {
  "$ENCODE" > s << 'END'
ljs 3
lua 0x10 "@a.lua" 3
lua 0x20 "@a.lua" 4
ljm 3
alloc lua 0x10:4 0x1000 8
alloc lua 0x20:4 0x2000 8
alloc lua 0x10:5 0x3000 8
end
END
  memparse s -o db
  sql db "SELECT line, first_line, signature FROM site ORDER BY line" \
    "4||@a.lua | 4
5|3|@a.lua | function 1 | +2"
}

@test "what is no line of Lua" {
  "$ENCODE" > s << 'END'
ljs 3
c 0x1000 "lj_thing"
ljm 3
alloc int 0x10 8
alloc c 0x1010 0x20 8
alloc c 0x10 0x30 8
alloc trace:7 0x40 8
end
END
  memparse s -o db
  sql db "SELECT kind, signature, signature_kind FROM site ORDER BY kind" \
    "c|lj_thing|symbol
internal|INTERNAL|symbol
trace|TRACE INTERNAL|symbol
unknown|CFUNC|symbol"
}
