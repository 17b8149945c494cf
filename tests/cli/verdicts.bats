# verdicts.bats - growing, plateau, one-off: of programs whose truth is known.
load common

# program SEED [COMPACT]: lines of @p.lua, each with its kind of life. With
# COMPACT, garbage is not freed before full collections, which are in the
# stream.
#   10 grows by 8 bytes, now and then     20 a ring of 100 blocks
#   30 made at the begin, once            40 once at the begin, again at 90 %
#   50 comes and goes by chance           60 grows in the first half, then not
#   70 made at the very end               80 garbage, more and more of it
program() {
  awk -v seed="$1" -v compact="${2-}" '
    function at(line) { return compact ? "@" line / 10 : "lua 0x1000:" line }
    function alloc(line, size) {
      printf "alloc %s 0x%x %d\n", at(line), ++address * 16, size
      sizes[address] = size
      return address
    }
    function free(a) {
      printf "free %s 0x%x %d\n", compact ? "@9" : "int", a * 16, sizes[a]
    }
    BEGIN {
      srand(seed)
      if (compact) {
        print "ljs 3\nljm 131\nstart 1700000000000000 1 64 \"x\""
        print "string \"@p.lua\"\nproto 1 0 0"
        for (l = 10; l <= 80; l += 10) print "frame lua 1:" l
        print "frame int 1"
        for (l = 1; l <= 9; l++) print "callsite 0 " l
      } else
        print "ljs 3\nlua 0x1000 \"@p.lua\" 1\nljm 3"
      alloc(30, 1000); alloc(40, 500)
      for (i = 1; i <= 4000; i++) {
        if (rand() < 0.5) alloc(10, 8)
        if (i > 100) free(ring[i % 100])
        ring[i % 100] = alloc(20, 16 + int(rand() * 16))
        if (some && rand() < 0.5) free(chance[some--])
        else if (some < 60) chance[++some] = alloc(50, 40)
        if (i <= 2000 && i % 10 == 0) alloc(60, 32)
        if (i == 3600) alloc(40, 700)
        if (i == 3990) alloc(70, 9999)
        garbage[++many] = alloc(80, 8 + i / 50)
        if (!compact || i % 200 == 0) {
          while (many) free(garbage[many--])
          if (compact) print "collection 0 0"
        }
      }
      print "end"
    }' > text
  "$ENCODE" text > program
}

# verdict LINE: of a line of the last output.
verdict() {
  awk -F, -v site="@p.lua:$1" '$1 == site { print $2 }' <<< "$output"
}

# right KIND: every line has its verdict.
right() {
  local pair
  for pair in 10:growing 20:plateau 30:one-off 40:plateau 50:plateau \
    60:plateau 70:unclear; do
    [ "$(verdict ${pair%:*})" = "${pair#*:}" ] ||
      wrong "$1: $pair is $(verdict ${pair%:*})" "$output"
  done
  # Garbage is none alive, or too little to be known.
  [[ "$(verdict 80)" != growing ]] || wrong "$1" "$output"
}

@test "the verdict of each kind of line, at even moments" {
  for seed in 1 2 3 4 5; do
    program $seed
    works program -q verdicts -f csv
    right $seed
    [[ "$output" == *",64,even moments"* ]] || wrong "$output"
  done
}

# (Line 50 is a walk of chance: of some seeds it goes upwards all the time.)
@test "the verdict of each kind of line, at full collections" {
  for seed in 1 2 3 4 6; do
    program $seed compact
    works program -q verdicts -f csv
    right $seed
    [[ "$output" == *",20,collections"* ]] || wrong "$output"
  done
}

# of_rounds AWK: lines 10 and 80 of @p.lua; AWK makes round i of 64, of ten events.
of_rounds() {
  awk 'function alloc(site, size) {
      printf "alloc @%d 0x%x %d\n", site, ++address * 8192, size
      sizes[address] = size
    }
    function free(a) { printf "free @3 0x%x %d\n", a * 8192, sizes[a] }
    BEGIN {
      print "ljs 3\nljm 131\nstart 1700000000000000 1 64 \"x\""
      print "string \"@p.lua\"\nproto 1 0 0\nframe lua 1:10"
      print "frame lua 1:80\nframe int 1\ncallsite 0 1\ncallsite 0 2"
      print "callsite 0 3"
      for (i = 1; i <= 64; i++) {'"$1"'}
      print "end"
    }' > text
  "$ENCODE" text > program
}

@test "what was made while garbage was collected is not yet known" {
  of_rounds '
    for (k = 1; k <= 4; k++) if (i > 1) free(address - 4 + k); else alloc(1, 8)
    alloc(1, 8); alloc(1, 8)
    for (k = 1; k <= 4; k++) alloc(2, 8 * i)
    print "collection 0 4"'
  works program -q verdicts -f csv
  [ "$(verdict 10)" = growing ] && [ "$(verdict 80)" = unclear ] &&
    [[ "${lines[1]}" == *",64,collections" ]] || wrong "$output"
  sed 's/collection 0 4/collection 0 0/' text | "$ENCODE" > program
  works program -q verdicts -f csv
  [ "$(verdict 80)" = growing ] || wrong "$output"
}

@test "what the VM makes for itself does not grow" {
  of_rounds 'for (k = 1; k <= 9; k++) alloc(3, 8); alloc(1, 8)
    print "collection " (i == 64 ? 3 : 0) " 0"'
  works program -q verdicts -f csv
  [ "$(verdict 10)" = growing ] && [[ "$output" == *"INTERNAL,plateau,"* ]] ||
    wrong "$output"
}

@test "collections that are not all over the recording are no moments" {
  of_rounds '
    for (k = 1; k <= 10; k++) if (i < 20 || k > 1) alloc(i < 20 ? 1 : 2, 8)
    if (i >= 20) free(address)
    if (i < 20) print "collection 0 0"'
  works program -q verdicts -f csv
  [ "$(verdict 10)" = plateau ] && [ "$(verdict 80)" = growing ] &&
    [[ "$output" == *",even moments"* ]] || wrong "$output"
}

# Each quarter holds a little more than the one before, but what comes and goes
# is a hundred times as much.
@test "what may as well be chance does not grow" {
  awk 'BEGIN {
    print "ljs 3\nlua 0x1000 \"@p.lua\" 1\nljm 3"
    for (k = 1; k <= 64; k++) {
      if (k % 2 == 0) printf "alloc lua 0x1000:7 0x%x %d\n", k * 16, 1000 + k
      else if (k == 1) print "alloc int 0x8 8"
      else printf "free int 0x%x %d\n", (k - 1) * 16, 999 + k
      printf "alloc int 0x%x 8\n", k * 16 + 8
    }
    print "end" }' > text
  "$ENCODE" text > program
  works program -q verdicts -f csv
  awk -F, '$1 == "@p.lua:7" {
    exit !($2 == "plateau" && $4 > 0 && $5 < 0 && $7 < $8 && $8 < $9 && $9 < $10)
  }' <<< "$output" || wrong "$output"
}

@test "the stock shell says the same" {
  for how in "" compact; do
    program 1 $how
    memparse program -o "db$how"
    works "db$how" -q verdicts -f csv
    [ "$(tail -n +2 <<< "$output" | tr -d '"')" = \
      "$(sqlite3 -csv "db$how" < "$SOURCE/queries/verdicts.sql" | tr -d '"')" ]
  done
}

# The live bytes of line 10 replayed by awk, at 64 moments; least squares.
@test "slope and bounds are those of the events" {
  program 7
  works program -q verdicts -f csv
  grep '^@p.lua:10,' <<< "$output" | cut -d, -f4-6 > got
  awk '
    /^(alloc|free)/ { e++ }
    /^alloc/ { n = e }
    /^alloc lua 0x1000:10 / { held[e] = 8 }
    END {
      e = 0
      for (k = 1; k <= 64; k++) {
        while (e < int((k * n + 63) / 64)) y += held[++e]
        xs[k] = e / 1000; ys[k] = y; mx += xs[k] / 64; my += y / 64
      }
      for (k = 1; k <= 64; k++) {
        xx += (xs[k] - mx) ^ 2; xy += (xs[k] - mx) * (ys[k] - my)
      }
      slope = xy / xx
      for (k = 1; k <= 64; k++)
        rest += (ys[k] - my - slope * (xs[k] - mx)) ^ 2
      error = 2.0003 * sqrt(rest / 62 / xx)
      printf "%.3f,%.3f,%.3f\n", slope, slope - error, slope + error
    }' text > wanted
  awk -F, 'NR == FNR { for (i = 1; i <= 3; i++) w[i] = $i; next }
    { for (i = 1; i <= 3; i++) if ($i - w[i] > 0.002 || w[i] - $i > 0.002) exit 1
    }' wanted got || wrong "$(cat got)" "$(cat wanted)"
  [ -s got ]
}

@test "--fail-on=growing" {
  program 1
  run --separate-stderr memparse program --fail-on=growing --leak-only
  [ "$status" -eq 1 ] && [ "${#stderr_lines[@]}" -eq 1 ] || wrong "$stderr"
  [[ "$stderr" == "memparse: program: limit exceeded: @p.lua:10 grows by "*" bytes in 1,000 events (95 %: "*" to "*")" ]] ||
    wrong "$stderr"
  for how in "program -q leaks" "program -o db" "db" "db -q churn" \
    "program program" "db --export=collapsed:-" "db -f sarif"; do
    run --separate-stderr memparse $how --fail-on=growing
    [ "$status" -eq 1 ] && [[ "$stderr" == *"@p.lua:10 grows by"* ]] ||
      wrong "$how" "$stderr"
  done
  printf 'leak:p.lua:10$\n' > known
  run --separate-stderr memparse db --fail-on=growing --suppressions=known
  [ "$status" -eq 0 ] || wrong "$stderr"
  works app --fail-on=growing --leak-only
  memparse program -o summary --summary
  fails 2 "summary: profile 1 has no rows of single blocks*" summary \
    --fail-on=growing
  fails 2 "--fail-on=growing needs*" program -o new --summary --fail-on=growing
  fails 2 "--fail-on wants growing, *" program --fail-on=shrunk
  only db known program summary text
}

# ring CYCLES: 20,000 rounds, each a block into a ring of 200 (line 10), a block
# of garbage (20), and in every tenth a leak (30). The collector runs so many
# times, and at the end unless that is 0. Line 40 has a large table, made anew
# in the middle, beside a ring of ten.
ring() {
  awk -v cycles="$1" '
    function alloc(line, size) {
      printf "alloc lua 0x1000:%d 0x%x %d\n", line, ++address * 16, size
      sizes[address] = size
      return address
    }
    function free(a, by) { printf "free %s 0x%x %d\n", by, a * 16, sizes[a] }
    BEGIN {
      print "ljs 3\nlua 0x1000 \"@p.lua\" 1\nljm 3"
      for (i = 1; i <= 20000; i++) {
        if (i > 200) dead[++many] = ring[i % 200]
        ring[i % 200] = alloc(10, 40)
        dead[++many] = alloc(20, 40)
        if (i % 10 == 0) alloc(30, 32)
        if (i > 10) dead[++many] = few[i % 10]
        few[i % 10] = alloc(40, 32)
        if (i == 5000) table = alloc(40, 16384)
        if (i == 12000) { free(table, "lua 0x1000:40"); alloc(40, 65536) }
        if (cycles && (i % int(20000 / cycles) == 0 || i == 20000))
          while (many) free(dead[many--], "int")
      }
      print "end"
    }' > text
  "$ENCODE" text > ring
}

@test "a ring, garbage and a single jump do not grow at even moments" {
  for cycles in 1 2 3 4 5 7 10 40 200; do
    ring $cycles
    works ring -q verdicts -f csv
    for line in 10 20 40; do
      [[ "$(verdict $line)" =~ ^(plateau|one-off|unclear|)$ ]] ||
        wrong "$cycles cycles" "$output"
    done
    # (Where a third of the events is one round of frees, nothing grows in it.)
    [[ "$cycles" =~ ^[234]$ ]] || [ "$(verdict 30)" = growing ] ||
      wrong "$cycles cycles" "$output"
  done
}

@test "what nothing collected may be garbage: it is told, and is no limit" {
  ring 0
  run -0 --separate-stderr memparse ring -q verdicts -f csv
  for line in 10 20 30; do
    [ "$(verdict $line)" = unknown ] || wrong "$output"
  done
  run -0 --separate-stderr memparse ring --fail-on=growing -o ring.db
  [[ "$stderr" == "memparse: ring: warning: "*"
memparse: ring: 4 lines may grow, or hold garbage that was not collected: see -q verdicts" ]] ||
    wrong "$stderr"
  run -0 --separate-stderr memparse ring.db --fail-on=growing -f junit
  grep -q 'name="growing lines"' <<< "$output"
  grep -q '<skipped message="4 lines may grow, or hold garbage' <<< "$output"
  # Those that are suppressed are not of them.
  printf 'leak:p.lua\n' > known
  run -0 --separate-stderr memparse ring.db --fail-on=growing --suppressions=known
  [[ "$stderr" != *"may grow"* ]] || wrong "$stderr"
}

@test "lines of several streams in one profile are not judged" {
  program 1
  sed 's/^ljs 3/&\nlua 0xffff0001 "@unused.lua" 1/' text | "$ENCODE" > second
  program 2
  memparse program second -o joined --one-profile
  for what in "program second" joined; do
    works $what -q verdicts -f csv
    ! grep -v '^site,\|,unknown,.*,several streams' <<< "$output" ||
      wrong "$output"
    [ "${#lines[@]}" -ge 5 ]
    run -0 --separate-stderr memparse $what --fail-on=growing -q leaks
    [[ "${stderr_lines[-1]}" == *"a profile of several streams: whether its lines grow is not known" ]] ||
      wrong "$stderr"
  done
  # Each by itself where they are no profile, or one each.
  run -1 --separate-stderr memparse program second --fail-on=growing
  run -1 --separate-stderr memparse program second -o apart --fail-on=growing
}

@test "--from and --to of several streams are refused" {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > stacks
  sed 's/^start 17[0-9]*/start 1700000000000001/' "$SOURCE/tests/cli/streams/stacks.ljm" |
    "$ENCODE" > again
  memparse stacks again -o joined --one-profile
  message="--from and --to want a profile of one stream: each of several has marks of its own"
  fails 2 "joined: $message" joined --to=served -q leaks
  fails 2 "joined: $message" joined --from=loaded
  fails 2 "again: $message" stacks again --from=loaded -q leaks
  works stacks again --from=loaded --leak-only
  works joined --focus=. --leak-only
}

@test "--to says whether garbage was collected there" {
  # marked COLLECTIONS MORE: these, then so much more, then the mark.
  marked() {
    of_rounds '
      alloc(1, 200); alloc(3, 1000)
      if (i == 40) {
        '"$1"'
        '"$2"'
        print "mark 2"
      }
      if (i == 1) print "string \"here\""
      if (i == 64) print "collection 3 0"'
    [[ "$(memparse program --dump)" == *here* ]] || wrong "no mark"
  }
  marked '' ''
  run -0 --separate-stderr memparse program --to=here --leak-only
  [ "$stderr" = "memparse: program: no full collection was seen right before 'here', as mark() with gc = true makes one: of 48000B that are alive there, 8000B may be garbage" ] ||
    wrong "$stderr"
  marked 'print "collection 2 0"' ''
  works program --to=here --leak-only
  marked 'print "collection 2 2"' ''
  works program --to=here --leak-only
  marked 'print "collection 0 0"' 'alloc(1, 5000)'
  works program --to=here --leak-only
}
