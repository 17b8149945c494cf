# gate_baseline.bats - a build against the builds before it.
load common

# build BLOCKS NEW [OPTION...]: stores the next build in db. Its line 11 holds
# so many blocks of 32 bytes and up to four more, by its number; line 12 one of
# 1000 bytes, line 21 as many of 50 bytes as NEW says.
number=0
build() {
  number=$((number + 1))
  awk -v n=$number -v blocks="$1" -v new="$2" 'BEGIN {
    print "ljs 3\nlua 0x1000 \"@a.lua\" 10\nlua 0x2000 \"@a.lua\" 20"
    printf "c 0x%x \"unused\"\nljm 3\n", 65536 + n
    for (i = 0; i < blocks + n * 7 % 5; i++)
      printf "alloc lua 0x1000:11 0x%x 32\n", ++at * 4096
    printf "alloc lua 0x1000:12 0x%x 1000\n", ++at * 4096
    for (i = 0; i < new; i++)
      printf "alloc lua 0x2000:21 0x%x 50\n", ++at * 4096
    # The collector was there.
    print "alloc lua 0x1000:12 0x10 16\nfree int 0x10 16"
    if (new != -1) print "end"
  }' | "$ENCODE" > stream
  shift 2
  memparse stream -o db --label build=$number --label test=x "$@" 2> log ||
    [ $? -eq 3 ]
}

# builds COUNT BLOCKS NEW [OPTION...]: so many of them.
builds() {
  local count=$1
  shift
  for ((; count > 0; count--)); do
    build "$@"
  done
}

# judged STATUS PATTERN... -- ARGUMENTS...: each line on standard error is
# "memparse: " and its pattern.
judged() {
  local wanted=$1 i=0
  shift
  local patterns=()
  while [ "$1" != -- ]; do
    patterns+=("memparse: $1")
    shift
  done
  shift
  run --separate-stderr memparse "$@"
  [ "$status" -eq "$wanted" ] ||
    wrong "memparse $*: status $status, wanted $wanted" "$stderr"
  [ -n "$stderr" ] || stderr_lines=()
  [ "${#stderr_lines[@]}" -eq "${#patterns[@]}" ] || wrong "$stderr"
  for ((; i < ${#patterns[@]}; i++)); do
    # shellcheck disable=SC2053 # a pattern
    [[ "${stderr_lines[i]}" == ${patterns[i]} ]] ||
      wrong "${stderr_lines[i]}" "wanted: ${patterns[i]}"
  done
}

# column SITE NAME WANTED: of the rows in $output, which are CSV.
column() {
  local got
  got=$(awk -F, -v site="$1" -v name="$2" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
    $2 == site { print $column }' <<< "$output")
  [ "$got" = "$3" ] || wrong "$1: $2 is '$got', wanted '$3'" "$output"
}

GATE="--fail-on=changed -f csv"

@test "nothing has changed" {
  builds 11 100 0
  judged 0 -- db --baseline=10 $GATE
  [ "${lines[0]}" = "verdict,site,change,bytes,mean,deviation,builds,since,p,adjusted_p,signature" ]
  column @a.lua:11 verdict usual
  column @a.lua:11 builds 10
  # 100 blocks and 0 to 4 more, of each twice.
  column @a.lua:11 mean 3264
  column @a.lua:11 deviation 48
  column @a.lua:11 since ""
  column @a.lua:12 change 0
  column @a.lua:12 p 1.0
  column @a.lua:12 adjusted_p 1.0
  column @a.lua:12 signature "@a.lua | function 1 | +2"
  column "all lines" mean 4264
  column "all lines" signature ""
  [ "${#lines[@]}" -eq 4 ]
  judged 0 -- db --baseline=4 $GATE
  column @a.lua:12 builds 4
  # Without a limit it is a report.
  judged 0 -- db --baseline=10
  judged 0 -- db --baseline=10 -f json
}

# figures QUERY...: what both ways tell of a line.
figures() {
  memparse db "$@" -f csv | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["site"] != "all lines" {
      print $at["site"], $at["change"], $at["bytes"], $at["mean"],
        $at["deviation"], $at["builds"], $at["signature"]
    }' | sort
}

@test "the query builds says the same" {
  builds 9 100 0
  build 100 7
  builds 2 90 5
  build 100 0 --label other=x
  build 100 0
  sqlite3 db "UPDATE label_data SET value = '9' WHERE key = 'build'
    AND value = '10'"
  for options in "--profile=14" "--profile=9" "--profile=13"; do
    figures --baseline=20 $options > baseline 2> log
    figures -q builds $options > query
    [ "$(wc -l < query)" -ge 2 ]
    diff baseline query >&2
  done
  works db -q builds -f csv
  [ "$(tail -n +2 <<< "$output")" = \
    "$(sqlite3 -csv db < "$SOURCE/queries/builds.sql" | tr -d '"\r')" ]
  figures --baseline=5 > baseline
  figures -q builds --param builds=5 | diff baseline - >&2
  grep -q "5 @a.lua" baseline
}

@test "a line has changed, and since which build" {
  builds 12 100 0
  build 300 0
  for _ in 1 2 3; do
    judged 1 \
      "db: limit exceeded: @a.lua:11 holds 9*B since build=13, and 3269B on average (deviation 47B) in the 12 builds before (p = *e-* over 3 lines)" \
      "db: limit exceeded: all lines hold 1*B since build=13, and 4269B on average (deviation 47B) in the 12 builds before (p = *)" \
      -- db --baseline=20 $GATE
    column @a.lua:11 verdict changed
    column @a.lua:11 since build=13
    column @a.lua:11 builds 12
    column @a.lua:12 verdict usual
    column @a.lua:12 builds $((number - 1))
    build 300 0
  done
  # An earlier one is judged as it was then.
  judged 0 -- db --baseline=20 $GATE --profile=12
  judged 1 "*since build=13*" "*since build=13*" -- db --baseline=20 $GATE \
    --profile=14
  # It holds again what it did.
  build 100 0
  judged 0 -- db --baseline=20 $GATE
}

@test "a new line" {
  builds 10 100 0
  build 100 40
  judged 1 \
    "db: limit exceeded: @a.lua:21 holds 2000B since build=11, and nothing in the 10 builds before (p = *)" \
    "db: limit exceeded: all lines hold *" \
    -- db --baseline=20 $GATE
  column @a.lua:21 verdict new
  column @a.lua:21 mean 0
  # Without labels of builds it is the profile.
  sqlite3 db "DELETE FROM label_data WHERE key = 'build'"
  judged 1 "*@a.lua:21 * since profile 11, *" "*" -- db --baseline=20 $GATE
}

@test "of lines with one signature the one that holds most is named" {
  # Two functions that are declared alike, at the lines 2 and 5.
  mkdir src
  printf '%s\n' 'local c = {}' \
    'pcall(function()' '  c[#c + 1] = {1}' 'end)' \
    'pcall(function()' '  c[#c + 1] = {1}' 'end)' > src/a.lua
  for number in 1 2 3 4 5; do
    printf 'ljs 3\nlua 0x10 "@a.lua" 2\nlua 0x20 "@a.lua" 5\nlua 0x30 "@%s" 1
ljm 3\nalloc lua 0x10:3 0x8 10\n' "$number" > text
    [ "$number" -lt 5 ] ||
      seq -f 'alloc lua 0x20:6 0x1%04.0f 1000' 100 >> text
    echo end >> text
    "$ENCODE" text > stream
    memparse stream -o db --source=src --label=build=$number 2> log
  done
  run -1 --separate-stderr memparse db --baseline=10 $GATE
  [[ "$stderr" == *"limit exceeded: @a.lua:6 holds 100010B since build=5"* ]] ||
    wrong "$stderr"
  column @a.lua:6 verdict changed
  figures --baseline=10 > baseline 2> log
  figures -q builds 2> log | diff baseline - >&2
}

@test "the rate of false alarms decides" {
  builds 10 100 0
  build 100 12
  run --separate-stderr memparse db --baseline=10 -f csv
  p=$(awk -F, '$2 == "@a.lua:21" { print $10 }' <<< "$output")
  awk -v p="$p" 'BEGIN { exit !(p > 0.0001 && p < 0.1) }' || wrong "p is $p"
  more=$(awk -v p="$p" 'BEGIN { printf "%.4f%%", p * 101 }')
  less=$(awk -v p="$p" 'BEGIN { printf "%.4f%%", p * 99 }')
  judged 1 "*@a.lua:21*" -- db --baseline=10 $GATE --false-alarms="$more"
  judged 0 -- db --baseline=10 $GATE --false-alarms="$less"
}

@test "too few builds: nothing is judged, and that is said" {
  build 100 0
  judged 0 \
    "db: no line is judged: there are 0 builds before build=1 with its labels, 4 are needed" \
    -- db --baseline=20 $GATE --max-growth=0
  build 100 5000
  judged 0 \
    "db: no line is judged: there is 1 build before build=2 with its labels, 4 are needed" \
    -- db --baseline=20 $GATE
  column @a.lua:21 verdict unjudged
  column @a.lua:21 mean 0
  column @a.lua:21 p ""
  builds 2 100 0
  judged 0 "*there are 3 builds*" -- db --baseline=20 $GATE
  build 100 5000
  judged 0 -- db --baseline=4 $GATE
  memparse db --drop=1
  # The sum of all has a mean.
  judged 1 "*no line is judged*" \
    "db: limit exceeded: * are alive at the end, * more than in the 3 builds before on average, where 1024B more are allowed" \
    "db: limit exceeded: @a.lua:21 holds 250000B, 166667B more than in the 3 builds before on average" \
    -- db --baseline=4 --max-growth=1K
}

@test "which builds: the same labels, the newest of each, complete ones" {
  builds 5 100 0
  # Of another test; a part of the labels; more of them.
  builds 3 100 900
  sqlite3 db "UPDATE label_data SET value = 'y' WHERE key = 'test'
    AND profile_id > 5"
  build 100 800 --label branch=b
  builds 2 100 0
  judged 0 -- db --baseline=50 $GATE
  column @a.lua:12 builds 6
  # Twice the same build, the second time with what the newest build holds:
  # only that counts. And the judged build itself is not among those before.
  build 100 700
  sqlite3 db "UPDATE label_data SET value = '11' WHERE key = 'build'
    AND value = '12'"
  build 100 0
  judged 0 -- db --baseline=50 $GATE
  column @a.lua:12 builds 7
  column @a.lua:21 mean 5000
  build 100 0
  sqlite3 db "UPDATE label_data SET value = '13' WHERE key = 'build'
    AND value = '14'"
  judged 0 -- db --baseline=50 $GATE
  column @a.lua:12 builds 7
  # One that was cut is no baseline; judged it is, with status 3.
  build 100 -1
  build 100 0
  judged 0 -- db --baseline=50 $GATE
  column @a.lua:12 builds 8
  judged 3 "*: offset *" -- db --baseline=50 $GATE --profile=15
}

@test "a verdict on a stream that was cut" {
  builds 10 100 0
  build 900 -1
  judged 3 "*" "db: limit exceeded: @a.lua:11 *" \
    "db: limit exceeded: all lines *" -- db --baseline=50 $GATE
}

@test "the builds of another label" {
  builds 6 100 0 --label branch=main
  build 100 60 --label branch=fix
  judged 0 "*there are 0 builds before build=7*" -- db --baseline=10 $GATE
  judged 1 "*@a.lua:21 *" "*all lines*" -- db --baseline=branch=main $GATE
  column @a.lua:12 builds 6
  judged 1 "*@a.lua:21 *" -- db --baseline=branch=main,5 $GATE
  column @a.lua:12 builds 5
  # A label with a comma, a profile without that label.
  sqlite3 db "UPDATE label_data SET value = 'a,b' WHERE value = 'main';
    DELETE FROM label_data WHERE value = 'fix'"
  judged 1 "*@a.lua:21 *" "*all lines*" -- db --baseline=branch=a,b $GATE
  column @a.lua:12 builds 6
  judged 1 "*@a.lua:21 *" -- db --baseline=branch=a,b,5 $GATE
  fails 2 "db: it has no profile branch=c*" db --baseline=branch=c
}

@test "the sum, in bytes or as a part" {
  builds 10 100 0
  build 200 40
  after=$(sqlite3 db "SELECT live_bytes FROM profile WHERE profile_id = 11")
  more=$((after - 4264))
  judged 0 -- db --baseline=10 --max-growth=$more
  judged 1 \
    "db: limit exceeded: ${after}B are alive at the end, ${more}B more than in the 10 builds before on average, where $((more - 1))B more are allowed" \
    "db: limit exceeded: @a.lua:11 holds 6464B, 3200B more than in the 10 builds before on average" \
    "db: limit exceeded: @a.lua:21 holds 2000B, and nothing in the 10 builds before on average" \
    -- db --baseline=10 --max-growth=$((more - 1))
  judged 0 -- db --baseline=10 --max-growth=1000%
  judged 1 "*where 10.5% more are allowed" "*" "*" -- db --baseline=10 \
    --max-growth=10.5%
  # Lines that are named as changed are not named twice.
  judged 1 "*where 10% more are allowed" "*@a.lua:11*since*" \
    "*@a.lua:21*since*" "*all lines*" -- db --baseline=10 --max-growth=10% $GATE
}

@test "the sum changed, and no line: those that grew most are named" {
  builds 10 100 0
  # One block of 100 kB is no change of a line.
  printf 'ljs 3\nlua 0x1000 "@a.lua" 10\nljm 3\nalloc lua 0x1000:12 0x20 100000\nalloc lua 0x1000:12 0x10 16\nfree int 0x10 16\nend\n' |
    "$ENCODE" > stream
  memparse stream -o db --label build=11 --label test=x
  judged 1 "db: limit exceeded: all lines hold 100000B since build=11*" \
    "db: limit exceeded: @a.lua:12 holds 100000B, 99000B more than in the 10 builds before on average" \
    -- db --baseline=10 $GATE
  column @a.lua:12 verdict usual
}

@test "suppressions" {
  builds 10 100 0
  build 200 40
  printf 'leak:a.lua:21$\nleak:a.lua:11\nleak:nowhere\n' > known
  judged 0 "db: suppressed: 8464B in 242 blocks" \
    "known: line 3: nothing is suppressed by leak:nowhere" \
    -- db --baseline=10 $GATE --max-growth=0 --suppressions=known
  column @a.lua:21 verdict suppressed
  column @a.lua:21 p ""
  column "all lines" bytes 1000
}

@test "a suppression of a frame" {
  # The line is called by two functions; what one of them asks for is known.
  for number in 1 2 3 4 5; do
    cat << END > text
ljs 3
ljm 131
start 170000000000000$number 4242 64 "LuaJIT 2.1, x64"
string "@a.lua"
string "known"
string "other"
string "make"
proto 1 10 2
proto 1 20 3
proto 1 30 4
frame lua 1:11
frame lua 2:21
frame lua 3:31
callsite 0 1
callsite 1 3
callsite 0 2
callsite 3 3
collection 1 0
alloc @4 0x10 10
END
    [ "$number" -lt 5 ] ||
      seq -f 'alloc @2 0x1%04.0f0 1000' 100 >> text
    printf 'collection 3 0\nend\n' >> text
    "$ENCODE" text > stream
    memparse stream -o db --label=build=$number 2> log
  done
  run -1 --separate-stderr memparse db --baseline=10 $GATE
  [[ "$stderr" == *"@a.lua:31 holds 100010B since build=5"* ]] || wrong "$stderr"
  echo 'leak:^known (' > known
  for format in csv junit; do
    judged 0 "db: suppressed: 100000B in 100 blocks" \
      -- db --baseline=10 --fail-on=changed --max-growth=0 \
      --suppressions=known -f $format
  done
}

@test "JUnit and SARIF" {
  builds 10 100 0
  build 200 40
  judged 1 "*all lines hold*" "*@a.lua:11 *since*" "*@a.lua:21 *since*" -- db \
    --baseline=10 --fail-on=changed -f junit
  grep -q 'tests="5" failures="3" errors="0" skipped="0"' <<< "$output"
  grep -q '<failure type="limit" message="@a.lua:21 holds 2000B since build=11, and nothing in the 10 builds before (p = ' <<< "$output"
  grep -q '<failure type="limit" message="all lines hold ' <<< "$output"
  judged 1 "*all lines*" "*" "*" -- db --baseline=10 --fail-on=changed -f sarif
  printf '%s\n' "$output" > document
  sql :memory: "SELECT group_concat(json_extract(value, '$.level'), ' ')
    FROM json_each(readfile('document'), '$.runs[0].results')" \
    "error error error warning"
  # Nothing is judged: a test that is skipped, a warning.
  judged 0 "*no line is judged*" -- db --baseline=10 --fail-on=changed -f junit \
    --profile=3
  grep -q 'tests="5" failures="0" errors="0" skipped="1"' <<< "$output"
  grep -q '<skipped message="no line is judged: there are 2 builds' <<< "$output"
  judged 0 "*no line is judged*" -- db --baseline=10 --fail-on=changed -f sarif \
    --profile=3
  grep -q '"toolExecutionNotifications": \[{"level": "warning", "message": {"text": "no line' <<< "$output"
  # The sum.
  judged 1 "*more than in the 10 builds*" -- db --baseline=10 --max-growth=1 -f junit
  grep -q 'tests="5" failures="1"' <<< "$output"
}

@test "what is wrong" {
  builds 5 100 0
  for value in '' 0 1 3 branch=main,3 101 -1 x 1.5 99999999999999999999 5,5 ,5; do
    fails 2 "--baseline wants how many builds, 4 to 100, *" db --baseline="$value"
  done
  for value in =x branch= build=4 build=4,5; do
    fails 2 "--baseline wants a label of several*" db --baseline="$value"
  done
  fails 2 "--baseline is given twice" db --baseline=5 --baseline=6
  for value in '' 1 0% 51% -1% x% 1%%; do
    fails 2 "--false-alarms wants a percentage*" db --baseline=5 \
      --false-alarms="$value"
  done
  fails 2 "--false-alarms goes with --baseline" db --false-alarms=1%
  fails 2 "--fail-on=changed goes with --baseline" db --fail-on=changed
  fails 2 "--fail-on=new and grown go with --compare" db --baseline=5 \
    --fail-on=new
  fails 2 "--baseline has limits of its own*" db --baseline=5 --max-leak=1
  fails 2 "--baseline goes with one database, *" db --baseline=5 -q leaks
  fails 2 "--baseline goes with one database, *" db --baseline=5 --compare=1..2
  fails 2 "--baseline goes with one database, *" db --baseline=5 --focus=x
  fails 2 "--baseline goes with one database: *" app --baseline=5
  fails 2 "--baseline goes with one database: *" db db --baseline=5
  fails 2 "db: *profile 99*" db --baseline=5 --profile=99
  fails 4 "missing: *" missing --baseline=5
}
