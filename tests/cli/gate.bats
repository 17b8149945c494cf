# gate.bats - limits, suppressions, and what exceeds them.
load common

setup_stacks() {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > stacks
}

# judged STATUS ARGUMENTS...: that status, messages in $stderr.
judged() {
  local wanted=$1
  shift
  run --separate-stderr memparse "$@"
  [ "$status" -eq "$wanted" ] ||
    wrong "memparse $*: status $status, wanted $wanted" "$stderr"
}

# says LINE...: exactly these on standard error.
says() {
  diff <(printf '%s\n' "$@" | sed 's/^/memparse: /') \
    <(printf '%s\n' "$stderr") >&2
}

# app holds 1203 bytes in 7 blocks.
@test "exceeded is what is greater" {
  works app --leak-only
  text=$output
  works app --leak-only --max-leak=1203
  [ "$output" = "$text" ]
  judged 1 app --leak-only --max-leak=1202
  [ "$output" = "$text" ]
  says "app: limit exceeded: 1203B are alive at the end in 7 blocks, more than 1202B" \
    "app: limit exceeded: buffer_new:0x2000 holds 1000B of them" \
    "app: limit exceeded: @app.lua:5 holds 121B of them" \
    "app: limit exceeded: @app.lua:9 holds 64B of them" \
    "app: limit exceeded: @late.lua:5 holds 10B of them" \
    "app: limit exceeded: CFUNC 0x900 holds 8B of them"
}

@test "sizes" {
  works app --max-leak=2K
  works app --max-leak=1M
  works app --max-leak=1G
  judged 1 app --max-leak=1K --human-readable
  [[ "${stderr_lines[0]}" == *"1.17KiB are alive"*"more than 1KiB" ]] ||
    wrong "$stderr"
  for size in '' K 1k 1KB -1 0x10 1.5M 18446744073709551616 99999999999G ' 1'; do
    fails 2 "--max-leak wants a size, *" app --max-leak="$size"
    fails 2 "--max-leak-at wants PATTERN=SIZE, *" app --max-leak-at=a="$size"
  done
  works app --max-leak=18446744073709551615
  fails 2 "--max-leak is given twice" app --max-leak=1 --max-leak=1
  fails 2 "--max-leak-at wants PATTERN=SIZE, *" app --max-leak-at==1
  fails 2 "--max-leak-at wants PATTERN=SIZE, *" app --max-leak-at=1
  fails 2 "--suppressions goes with a limit*" app --suppressions=x
  fails 2 "a limit is for a report, *" app --dump --max-leak=1
}

@test "a limit for lines whose name matches" {
  works app --max-leak-at='@app.lua:5=121' --max-leak-at='*nothing*=0'
  judged 1 app --max-leak-at='@app.lua:5=120' --leak-only
  says "app: limit exceeded: @app.lua:5 holds 121B, more than 120B"
  # Each matching line for itself; of several limits the least.
  judged 1 app --max-leak-at='@*:[0-9]=63' --max-leak-at='*app.lua:9=50'
  says "app: limit exceeded: @app.lua:5 holds 121B, more than 63B" \
    "app: limit exceeded: @app.lua:9 holds 64B, more than 50B"
  judged 1 app --max-leak-at='*=200' --max-leak=5000
  says "app: limit exceeded: buffer_new:0x2000 holds 1000B, more than 200B"
}

@test "a name is its own pattern, whatever is in it" {
  "$ENCODE" > named << 'END'
ljs 3
lua 0x10 "@a[1].lua" 1
lua 0x20 "@C:\\b*.lua" 1
lua 0x30 "@\xff.lua" 1
ljm 3
alloc lua 0x10:2 0x100 10
alloc lua 0x20:2 0x200 20
alloc lua 0x30:2 0x300 30
end
END
  memparse named -f csv -q leaks | awk -F, 'NR > 1 { print $1, $3 }' > names
  [ "$(wc -l < names)" -eq 3 ]
  while read -r line; do
    name=${line% *} bytes=${line##* }
    judged 1 named --max-leak-at="$name=$((bytes - 1))" --leak-only
    says "named: limit exceeded: $name holds ${bytes}B, more than $((bytes - 1))B"
    works named --max-leak-at="$name=$bytes"
  done < names
}

@test "with every report: text, rows, an export, a database" {
  memparse app -o db
  for how in "app" "app --leak-only" "app -q leaks" "app -f csv" \
    "app -q largest_blocks -f json" "app --export=collapsed:-" "app -o new" \
    "app -o more --summary" "app -o more -q leaks" "app -o more --leak-only" \
    "db" "db --leak-only" "db -q leaks" "db --profile 1" "db -f markdown" \
    "db --export=collapsed:-"; do
    memparse $how > wanted
    rm -f new
    judged 1 $how --max-leak-at='@app.lua:5=1'
    [ "$output" = "$(cat wanted)" ] || wrong "$how" "$output"
    stderr=$(grep -v 'is profile 1 already' <<< "$stderr")
    [[ "$stderr" == "memparse: "*": limit exceeded: @app.lua:5 holds 121B, more than 1B" ]] ||
      wrong "$how" "$stderr"
    rm -f new
    judged 0 $how --max-leak-at='@app.lua:5=121'
    [ "$output" = "$(cat wanted)" ] &&
      ! grep -v 'is profile 1 already' <<< "$stderr" | grep . || wrong "$how" "$stderr"
  done
  # Stored, whatever was exceeded.
  sql more "SELECT count(*) FROM profile" 1
}

@test "several files are judged over all" {
  memparse app -o db
  judged 1 app app db --max-leak-at='@app.lua:5=362'
  says "limit exceeded: @app.lua:5 holds 363B, more than 362B"
  works app app db --max-leak-at='@app.lua:5=363'
  sed 's/0x300 41/0x300 42/' "$SOURCE/tests/cli/streams/app.ljm" > text
  "$ENCODE" text > other
  # Those that are stored already count, too: a build may be judged again.
  for time in first second; do
    judged 1 app other -o new --max-leak-at='@app.lua:5=242'
    [[ "$stderr" == *"limit exceeded: @app.lua:5 holds 243B, more than 242B" ]] ||
      wrong "$time" "$stderr"
  done
  judged 1 app app -o new --max-leak-at='@app.lua:5=120'
  [[ "$stderr" == *"limit exceeded: @app.lua:5 holds 121B, more than 120B" ]] ||
    wrong "$stderr"
}

@test "a cut stream has its status, and the verdict" {
  memparse cut -o db || [ $? -eq 3 ]
  for how in "cut" "cut -q leaks" "db" "db -q leaks" "cut -o new"; do
    judged 3 $how --max-leak=0
    [[ "$stderr" == *"limit exceeded: "*"are alive at the end"* ]] ||
      wrong "$how" "$stderr"
  done
  judged 4 missing --max-leak=0
  [ "${#stderr_lines[@]}" -eq 1 ]
}

# Only those of @app.lua:5 are left to judge; the first that matches counts.
@test "suppressions" {
  cat > known <<'END'
# What is known.
leak:^buffer_new

  leak:app.lua:9$  
leak:^*function_alias_*:2
leak:nowhere
leak:buffer
END
  works app --leak-only
  text=$output
  judged 1 app --leak-only --suppressions=known --max-leak=0
  [ "$output" = "$text" ]
  [[ "$stderr" == *"app: suppressed: 1064B in 2 blocks"* ]] || wrong "$stderr"
  [[ "$stderr" == *"known: line 5: nothing is suppressed by leak:^*function"* ]]
  [[ "$stderr" == *"known: line 6: nothing is suppressed by leak:nowhere"* ]]
  [[ "$stderr" == *"known: line 7: nothing is suppressed by leak:buffer"* ]]
  [[ "$stderr" != *"line 2"* && "$stderr" != *"line 4"* ]]
  [[ "$stderr" != *"limit exceeded: buffer_new"* ]]
  echo 'leak:*' > all
  judged 0 app --suppressions=all --max-leak=0 --max-leak-at='*=0'
  [ "${#stderr_lines[@]}" -eq 1 ] || wrong "$stderr"
}

# suppresses PATTERN NAME YES: whether it does.
suppresses() {
  printf 'ljs 3\nlua 0x1000 "%s" 1\nljm 3\nalloc lua 0x1000:7 0x10 8\nend\n' \
    "$2" > text
  "$ENCODE" text > stream
  printf 'leak:%s\n' "$1" > known
  run --separate-stderr memparse stream --suppressions=known --max-leak=0
  [ "$status" -eq "$3" ] || wrong "leak:$1 and $2: status $status" "$stderr"
}

@test "patterns" {
  suppresses 'a.lua' '@a.lua' 0
  suppresses 'a.lua' '@b.lua' 1
  suppresses '^a.lua' '@a.lua' 1
  suppresses '^@a.lua' '@a.lua' 0
  suppresses 'a.lua$' '@a.lua' 1
  suppresses 'a.lua:7$' '@a.lua' 0
  suppresses '^@a.lua:7$' '@a.lua' 0
  suppresses '^@a.lua:7$' '@a.lua:7' 1
  suppresses '^*lua:7$' '@a.lua:7.lua' 0
  suppresses '^@a*b*c:7$' '@a-b-b-c-c' 0
  suppresses '^@a*b*c:7$' '@a-c-b:7-b' 1
  suppresses 'ab*ab' '@aab' 1
  suppresses '^@ab*ab:7$' '@ab' 1
  suppresses '^@ab*ab:7$' '@abab' 0
  suppresses '**a**' '@a' 0
  suppresses '*$' '@a' 0
  suppresses '$' '@a' 0
  suppresses '^' '@a' 0
  suppresses '^$' '@a' 1
  suppresses '[a]' '@a' 1
  suppresses '.' '@ab' 1
}

# String.rep under load and two lines of walk are on stacks of main's.
@test "a suppression of any frame of a stack" {
  setup_stacks
  works stacks -q leaks -f csv
  rows=$output
  echo 'leak:^handle (' > known
  judged 1 stacks --suppressions=known --max-leak=0 --leak-only
  left=$(memparse stacks --ignore='^handle \(' -f csv |
    awk -F, 'NR > 1 { n += $3 } END { print n }')
  [[ "$stderr" == *"exceeded: ${left}B are alive"* ]] || wrong "$stderr" "$left"
  memparse stacks -o db
  judged 1 db --suppressions=known --max-leak=0
  [[ "$stderr" == *"exceeded: ${left}B are alive"* ]] || wrong "$stderr" "$left"
  # The filter first, then the limit.
  judged 0 stacks --focus='^handle ' --suppressions=known --max-leak=0
}

@test "files of suppressions that are none" {
  fails 4 "known: No such file or directory" app --max-leak=0 --suppressions=known
  fails 4 ".: *" app --max-leak=0 --suppressions=.
  echo 'race:x' > known
  fails 2 "known: line 1: leak: and a pattern are wanted*" app --max-leak=0 \
    --suppressions=known
  printf '# ok\n\nleak:\n' > known
  fails 2 "known: line 3: *" app --max-leak=0 --suppressions=known
  printf 'leak:\0\n' > known
  fails 2 "known: not a file of suppressions" app --max-leak=0 \
    --suppressions=known
  head -c 2000000 /dev/zero | tr '\0' '#' > known
  fails 2 "known: not a file of suppressions" app --max-leak=0 \
    --suppressions=known
  : > known
  works app --max-leak=1M --suppressions=known
  printf '\r\nleak:app.lua:5\r\n# \xff\r\nleak:buffer' > known
  judged 1 app --max-leak=0 --suppressions=known
  only known
}

@test "names of any length and kind in a line each" {
  { printf 'ljs 3\nlua 0x1000 "'
    head -c 2000 /dev/zero | tr '\0' x
    printf '" 1\nlua 0x2000 "\\x1b]0;t\\x07\\x0a\\xff" 1\nljm 3\n'
    printf 'alloc lua 0x1000:7 0x10 8\nalloc lua 0x2000:1 0x20 9\nend\n'; } > text
  "$ENCODE" text > long
  judged 1 long --max-leak-at='*=7' --leak-only
  [ "${#stderr_lines[@]}" -eq 2 ] || wrong "$stderr"
  [[ "${stderr_lines[1]}" == *"…"*" holds 8B, more than 7B" ]] || wrong "$stderr"
  [ "${#stderr_lines[1]}" -lt 300 ]
}

@test "more than ten lines are told as one" {
  { echo "ljs 3"; echo 'lua 0x1000 "@m.lua" 1'; echo "ljm 3"
    for i in {1..25}; do echo "alloc lua 0x1000:$i $((i * 16)) 10"; done
    echo end; } | sed 's/ \([0-9]*\) 10$/ 0x\1 10/' > text
  "$ENCODE" text > stream
  judged 1 stream --max-leak=10 --leak-only
  [ "${#stderr_lines[@]}" -eq 12 ] || wrong "$stderr"
  [[ "${stderr_lines[11]}" == *"further lines hold 150B of them" ]]
}
