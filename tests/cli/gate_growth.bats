# gate_growth.bats - limits of a comparison.
load common

# Two builds: @app.lua:5 holds 121 bytes, then 200 more; @new.lua:3 is new, and
# buffer_new, which holds 1000, is gone. In all it is less.
builds() {
  sed '/^alloc c/d; /^realloc c/d; /^free c/d
    s/^end/lua 0x3000 "@new.lua" 1\nalloc lua 0x3000:3 0xc00 200\nend/
    s/0x300 41/0x300 241/' "$SOURCE/tests/cli/streams/app.ljm" > text
  "$ENCODE" text > newer
  memparse app -o db --label=build=1
  memparse newer -o db --label=build=2
}

# judged STATUS LINE... -- ARGUMENTS...: these lines on standard error.
judged() {
  local wanted=$1 said=()
  shift
  while [ "$1" != -- ]; do
    said+=("memparse: $1")
    shift
  done
  shift
  run --separate-stderr memparse "$@"
  [ "$status" -eq "$wanted" ] || wrong "memparse $*: $status" "$stderr"
  diff <(printf '%s\n' "${said[@]}") <(printf '%s\n' "$stderr") >&2
}

@test "new lines, and grown ones" {
  builds
  judged 1 \
    "db: limit exceeded: @new.lua:3 holds 200B, and nothing in build=1" \
    -- db --compare=build=1..2 --fail-on=new
  judged 1 \
    "db: limit exceeded: @app.lua:5 holds 321B, 200B more than in build=1" \
    -- db --compare=build=1..2 --fail-on=grown
  works db --compare=build=2..2 --fail-on=new --fail-on=grown
  works db --compare=build=2..2 --max-growth=0
}

@test "the sum, in bytes or as a part" {
  builds
  # Backwards: what is gone is new.
  after=$(sqlite3 db "SELECT live_bytes FROM profile WHERE profile_id = 2")
  more=$((1203 - after))
  works db --compare=build=2..1 --max-growth=$more
  run --separate-stderr memparse db --compare=build=2..1 --max-growth=$((more - 1))
  [ "$status" -eq 1 ] || wrong "$stderr"
  [ "${stderr_lines[0]}" = "memparse: db: limit exceeded: 1203B are alive at the end, ${more}B more than in build=2, where $((more - 1))B more are allowed" ] ||
    wrong "$stderr"
  [ "${stderr_lines[1]}" = "memparse: db: limit exceeded: buffer_new:0x2000 holds 1000B, and nothing in build=2" ] ||
    wrong "$stderr"
  works db --compare=build=2..1 --max-growth=1K
  works db --compare=build=2..1 --max-growth=1000%
  run --separate-stderr memparse db --compare=build=2..1 --max-growth=10.5%
  [ "$status" -eq 1 ] && [[ "$stderr" == *"where 10.5% more are allowed"* ]] ||
    wrong "$stderr"
  # It is less as a whole: lines that grew are no matter.
  works db --compare=build=1..2 --max-growth=0
}

@test "two streams; one that is cut" {
  builds
  run --separate-stderr memparse --compare app newer --fail-on=new
  [ "$status" -eq 1 ] &&
    [[ "$stderr" == *"limit exceeded: @new.lua:3 holds 200B, and nothing in app" ]] ||
    wrong "$stderr"
  run --separate-stderr memparse --compare app cut --fail-on=new
  [ "$status" -eq 3 ] && [[ "$stderr" == *"limit exceeded: @cut.lua:"* ]] ||
    wrong "$stderr"
}

@test "suppressions" {
  builds
  printf 'leak:new.lua\nleak:nowhere\n' > known
  run --separate-stderr memparse db --compare=build=1..2 --fail-on=new \
    --suppressions=known
  [ "$status" -eq 0 ] || wrong "$stderr"
  [ "$stderr" = "memparse: db: suppressed: 200B in 1 block
memparse: known: line 2: nothing is suppressed by leak:nowhere" ] ||
    wrong "$stderr"
  printf 'leak:buffer\n' > known
  run --separate-stderr memparse db --compare=build=2..1 --max-growth=0 \
    --suppressions=known
  [ "$status" -eq 0 ] || wrong "$stderr"
}

@test "a suppression of a frame hides as much as from every other limit" {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > stacks
  memparse app stacks -o db
  # Frames of Lua and C, all of a line or a part, by its name and by a frame.
  while read -r pattern; do
    echo "leak:$pattern" > known
    run --separate-stderr memparse stacks --max-leak=0 --suppressions=known \
      --leak-only
    hidden=${stderr_lines[0]#memparse: stacks: }
    [[ "$hidden" == "suppressed: "* ]]
    run -1 --separate-stderr memparse stacks --max-leak=0 --suppressions=known \
      -f sarif
    echo "$output" > document
    left=$(sqlite3 :memory: "SELECT
      sum(json_extract(value, '$.properties.bytes'))
      FROM json_each(readfile('document'), '$.runs[0].results')")
    [ "$left" -gt 0 ]
    # Nothing of app is hidden, and no line is the same.
    for by in site stack; do
      for limit in "--fail-on=new" "--max-growth=0"; do
        run --separate-stderr memparse db --compare=1..2 --by=$by $limit \
          --suppressions=known
        [[ "$stderr" == *"memparse: db: $hidden"* ]] || wrong "$pattern" "$stderr"
        [[ "$stderr" != *"nothing is suppressed"* ]]
      done
      run -1 --separate-stderr memparse app stacks --compare --by=$by \
        --fail-on=new --suppressions=known
      [[ "$stderr" == *"memparse: $hidden"* ]] || wrong "$stderr"
      sum=$(sed -n 's/.* holds \([0-9]*\)B, and nothing in .*/\1/p' <<< "$stderr" |
        awk '{ n += $1 } END { print n }')
      [ "$sum" = "$left" ] || wrong "$pattern, $by: $sum, wanted $left" "$stderr"
    done
    run -1 --separate-stderr memparse app stacks --compare --fail-on=new \
      --suppressions=known -f junit
    [[ "$stderr" == *"memparse: $hidden"* ]] || wrong "$stderr"
    sum=$(sed -n 's/.*<failure.*it holds \([0-9]*\)B, and.*/\1/p' <<< "$output" |
      awk '{ n += $1 } END { print n }')
    [ "$sum" = "$left" ] || wrong "$pattern, junit: $sum, wanted $left" "$output"
  done << 'PATTERNS'
^handle (
^string.rep$
walk
push (*31
^@app.lua:31$
@app.lua:51
PATTERNS
  # The sum, to the byte: what is left of 2, less what there was in 1.
  echo 'leak:^handle (' > known
  more=$((1244 - 1203))
  run -0 memparse db --compare=1..2 --max-growth=$more --suppressions=known
  run -1 memparse db --compare=1..2 --max-growth=$((more - 1)) --suppressions=known
  # On the older side, too.
  echo 'leak:^string.rep$' > known
  run -1 memparse db --compare=2..1 --max-growth=0 --suppressions=known
  run -1 memparse db --compare=2..1 --max-growth=0 --suppressions=known -f junit
  run -0 memparse db --compare=2..1 --max-growth=0
}

@test "JUnit and SARIF" {
  builds
  judged 1 \
    "db: limit exceeded: @app.lua:5 holds 321B, 200B more than in build=1" \
    "db: limit exceeded: @new.lua:3 holds 200B, and nothing in build=1" \
    -- db --compare=build=1..2 --fail-on=new --fail-on=grown -f junit
  live=$(sqlite3 db "SELECT count(*) FROM site WHERE profile_id = 2
    AND live_blocks > 0")
  grep -q "tests=\"$((live + 1))\" failures=\"2\" errors=\"0\" skipped=\"0\"" \
    <<< "$output"
  grep -q '<failure type="limit" message="@new.lua:3 holds 200B, and nothing in build=1">' \
    <<< "$output"
  document=$output
  # The same of two streams; what is suppressed is no failure.
  run -1 --separate-stderr memparse --compare app newer --fail-on=new \
    --fail-on=grown -f junit
  [ "$(sed 's/in app"/in build=1"/; s/several files/db/' <<< "$output" |
    sed 's/it \(holds .*\) in app/it \1 in build=1/')" = "$document" ] ||
    diff <(echo "$output") <(echo "$document") >&2
  printf 'leak:new.lua\n' > known
  judged 0 "db: suppressed: 200B in 1 block" \
    -- db --compare=build=1..2 --fail-on=new -f junit --suppressions=known
  grep -q '<skipped message="suppressed: leak:new.lua"/>' <<< "$output"
  # The sum has a test of its own, and a result.
  run -1 --separate-stderr memparse db --compare=build=2..1 --max-growth=0 -f junit
  grep -q '<failure type="limit" message="1203B are alive at the end, .* more than in build=2, where 0B more are allowed"/>' \
    <<< "$output"
  run -1 --separate-stderr memparse db --compare=build=2..1 --max-growth=0 -f sarif
  printf '%s\n' "$output" > document
  sql :memory: "SELECT json_extract(readfile('document'),
    '$.runs[0].results[0].ruleId', '$.runs[0].results[0].level',
    '$.runs[0].results[1].level')" '["limit","error","warning"]'
  run -1 --separate-stderr memparse db --compare=build=1..2 --fail-on=new -f sarif
  printf '%s\n' "$output" > document
  sql :memory: "SELECT json_extract(value, '$.locations[0].physicalLocation.region.startLine',
      '$.locations[0].physicalLocation.artifactLocation.uri')
    FROM json_each(readfile('document'), '$.runs[0].results')
    WHERE json_extract(value, '$.level') = 'error'" '[3,"new.lua"]'
  sql :memory: "SELECT group_concat(json_extract(value,
      '$.partialFingerprints.\"ljmemprofSignature/v1\"'))
    FROM json_each(readfile('document'), '$.runs[0].results')
    WHERE json_extract(value, '$.level') = 'error'" '@new.lua | function 1 | +2'
  # Without a limit it lists them; a stream that is cut is told.
  works db --compare=build=1..2 -f sarif
  run --separate-stderr memparse --compare app cut --fail-on=new -f junit
  [ "$status" -eq 3 ] || wrong "$status"
  grep -q '<error ' <<< "$output"
}

@test "what is wrong" {
  builds
  for value in '' x 1.5 % 10%% -1 -1% 1e3% 0x1% 10K%; do
    fails 2 "--max-growth wants a size or a percentage*" db \
      --compare=build=1..2 --max-growth="$value"
  done
  fails 2 "--max-growth goes with --compare or --baseline" db --max-growth=1
  fails 2 "--fail-on=new and grown go with --compare" app --fail-on=grown
  fails 2 "--compare has limits of its own*" db --compare=build=1..2 --max-leak=1
  fails 2 "-f junit and sarif tell of lines: not with --by=stack" db \
    --compare=build=1..2 -f sarif --by=stack
  fails 2 "a limit is for a report*" db --list --max-leak=1
  fails 2 "--fail-on wants growing, new, grown or changed*" app --fail-on=x
}
