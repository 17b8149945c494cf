# compare.bats - two profiles side by side.
load common

# Two builds of a program: in the second one the function has moved, one line
# holds more, one less, one is new, one gone, one the same.
builds() {
  "$ENCODE" > old << 'END'
ljs 3
lua 0x1000 "@a.lua" 10
c 0x7000 "strange_<c>"
ljm 3
alloc lua 0x1000:11 0x10 100
alloc lua 0x1000:12 0x20 50
alloc lua 0x1000:13 0x30 30
alloc lua 0x1000:14 0x40 7
alloc lua 0x1000:15 0x50 1
free lua 0x1000:15 0x50 1
alloc c 0x7010 0x60 5
end
END
  "$ENCODE" > new << 'END'
ljs 3
lua 0x2000 "@a.lua" 110
c 0x8000 "strange_<c>"
ljm 3
alloc lua 0x2000:111 0x10 100
alloc lua 0x2000:112 0x20 51
alloc lua 0x2000:113 0x30 20
alloc lua 0x2000:113 0x38 9
alloc lua 0x2000:115 0x50 1
alloc c 0x8010 0x60 4
free c 0x8010 0x60 4
end
END
}

# The columns that matter most.
COLUMNS="status,site,change,before_bytes,before_blocks,after_bytes,after_blocks,\
before_allocs,after_allocs,before_churn,after_churn,signature"
ROWS='grown,@a.lua:112,1,50,1,51,1,1,1,0,0,@a.lua | function 1 | +2
new,@a.lua:115,1,0,0,1,1,1,1,1,0,@a.lua | function 1 | +5
shrunk,@a.lua:113,-1,30,1,29,2,1,2,0,0,@a.lua | function 1 | +3
gone,strange_<c>:0x8000,-5,5,1,0,0,1,1,0,4,strange_<c>
gone,@a.lua:14,-7,7,1,0,0,1,0,0,0,@a.lua | function 1 | +4'

@test "two streams" {
  builds
  run -0 --separate-stderr memparse --compare old new -f csv
  [ "$output" = "$COLUMNS"$'\n'"$ROWS" ]
  run -0 --separate-stderr memparse new old --compare -f csv
  [ "${lines[1]:0:15}" = "new,@a.lua:14,7" ]
}

@test "lines that are known by other things are told" {
  builds
  sed 's/^ljm 3/ljm 131\nstart 1 1 64 "x"\nstring "@a.lua"\nstring "f"\nproto 1 10 2\nframe lua 1:11\ncallsite 0 1/; /^c /d; /^lua /d
    /^free/d; s/^alloc lua.* 0x10/alloc @1 0x10/; /^alloc [lc]/d' > named \
    << 'END'
ljs 3
ljm 3
alloc lua 0x1000:11 0x10 100
end
END
  "$ENCODE" named > stacks
  fails 0 "stacks: warning: most lines are known by*relative before and name after*" \
    --compare old stacks
  memparse old -o db --label build=1 2> log
  memparse stacks -o db --label build=2 2> log
  fails 0 "db: warning: *name before and relative after*" db \
    --compare=build=2..1
  works db --compare=2..2
}

@test "a query that compares, and a single profile" {
  builds
  for query in compare compare_stacks; do
    fails 0 "old: warning: there is nothing to compare it with: see --compare" \
      old -q $query
    rm -f db
    memparse old -o db
    fails 0 "db: warning: there is nothing *" db -q $query
    memparse new -o db 2> log
    works db -q $query
  done
}

@test "a stream and itself" {
  run -0 --separate-stderr memparse --compare app app -f csv
  [ "$output" = "$COLUMNS" ]
  run -0 --separate-stderr memparse --compare app app -f csv --by=stack
  [ "${#lines[@]}" -eq 1 ]
}

@test "profiles of a database, by number and by label, and in the shell" {
  builds
  memparse old -o db --label build=1 2> log
  memparse new -o db --label build=2 --label x=.. 2> log
  for what in 1..2 build=1..build=2 build=1..2 1..build=2; do
    works db --compare=$what -f csv
    [ "$output" = "$COLUMNS"$'\n'"$ROWS" ]
  done
  works db -q compare -f csv --param base=1 --param head=2
  [ "$output" = "$COLUMNS"$'\n'"$ROWS" ]
  run -0 sqlite3 -csv db < "$SOURCE/queries/compare.sql"
  [ "$(tr -d '\r"' <<< "$output")" = "$ROWS" ]
  run -0 sqlite3 -csv -cmd ".parameter set :base 'build=2'" \
    -cmd ".parameter set :head 'build=1'" db \
    < "$SOURCE/queries/compare.sql"
  [[ "${lines[0]}" == "new,@a.lua:14,7,0,0,7,1,"* ]]
}

@test "all profiles of a label are added up" {
  builds
  memparse old app -o db --label build=1 2> log
  memparse new app2 -o db --label build=2 2> log
  works db --compare=build=1..2 -f csv
  [ "$output" = "$COLUMNS"$'\n'"$ROWS" ]
  # And the sums are those of the profiles.
  works db -q compare -f csv --param base=build=1 --param head=build=2 \
    --param all=1
  awk -F, 'NR > 1 { before += $4; after += $6 } END { print before, after }' \
    <<< "$output" > got
  sqlite3 -separator ' ' db "SELECT sum(live_bytes) FILTER (WHERE value = 1),
    sum(live_bytes) FILTER (WHERE value = 2)
    FROM profile JOIN label USING (profile_id)" | diff got -
}

@test "by stack" {
  builds
  run -0 --separate-stderr memparse --compare old new --by=stack -f csv
  [ "${#lines[@]}" -eq 6 ]
  [ "${lines[1]}" = "grown,@a.lua:112,1,50,1,51,1,1,1,@a.lua | function 1 | +2" ]
  # Both ways have the same sums.
  sum() { awk -F, 'NR > 1 { n += $3 } END { print n }' <<< "$output"; }
  stacks=$(sum)
  run -0 --separate-stderr memparse --compare old new -f csv
  [ "$(sum)" = "$stacks" ]
}

@test "stacks and traces in code that has moved" {
  for stream in stacks compact; do
    "$ENCODE" "$SOURCE/tests/cli/streams/$stream.ljm" > old
    awk '/^proto/ && $3 > 0 { $3 += 100 }
      /^frame (lua|trace)/ { split($3, a, ":"); $3 = a[1] ":" a[2] + 100 }
      { print }' "$SOURCE/tests/cli/streams/$stream.ljm" > text
    "$ENCODE" text > new
    ! cmp -s old new
    for by in site stack; do
      run -0 --separate-stderr memparse --compare old new --by=$by -f csv
      [ "${#lines[@]}" -eq 1 ] || wrong "$stream by $by:" "$output"
    done
    memparse old -o $stream.db 2> log
    memparse new -o $stream.db 2> log
    run -0 --separate-stderr memparse $stream.db -q compare_stacks -f csv \
      --param all=1
    [ "${#lines[@]}" -gt 3 ]
  done
}

@test "HTML for mail" {
  builds
  run -0 --separate-stderr memparse --compare old new -f html
  [ "${#lines[@]}" -eq 8 ]
  [[ "${lines[5]}" == *"<td>strange_&lt;c&gt;:0x8000</td>"* ]]
  works app -f html
  [[ "$output" == "<table"*"</table>" ]]
  ! grep -P '[^\x20-\x7e]' <<< "$output"
}

@test "every format" {
  builds
  for format in text box csv json markdown html; do
    run -0 --separate-stderr memparse --compare old new -f $format
    [[ "$output" == *"@a.lua:112"* ]]
  done
}

@test "a cut stream is compared, and told" {
  run -3 --separate-stderr memparse --compare cut app -f csv
  [[ "$output" == *"new,@app.lua:5,"* || "$output" == *"grown,@app.lua:5,"* ]]
  [[ "$stderr" == *"cut: offset 42: cut inside an event"* ]]
}

@test "a profile of a cut stream is compared, and told" {
  memparse app -o db --label=build=1
  run -3 memparse cut -o db --label=build=2
  # On either side, or both, however it is chosen.
  for sides in build=1..2 build=2..1 1..2 2..2; do
    run -3 --separate-stderr memparse db --compare=$sides -f csv
    [ "${lines[0]}" = "$COLUMNS" ]
    [ "${stderr_lines[0]}" = "memparse: db: profile 2 is not complete: \
cut: offset 42: cut inside an event" ] || wrong "$stderr"
  done
  works db --compare=1..1
}

@test "of lines with one signature the one that holds most is named" {
  mkdir src
  printf '%s\n' 'local c = {}' \
    'pcall(function()' '  c[#c + 1] = {1}' 'end)' \
    'pcall(function()' '  c[#c + 1] = {1}' 'end)' > src/a.lua
  two='ljs 3\nlua 0x1000 "@a.lua" 2\nlua 0x2000 "@a.lua" 5\nljm 3
alloc lua 0x1000:3 0x10 10\nfree lua 0x1000:3 0x10 10\n'
  printf '%bend\n' "$two" | "$ENCODE" > old
  printf '%balloc lua 0x2000:6 0x20 1000\nend\n' "$two" | "$ENCODE" > new
  for by in site stack; do
    run -1 --separate-stderr memparse old new --compare --source=src --by=$by \
      --fail-on=new -f csv
    [[ "${lines[1]}" == "new,@a.lua:6,1000,"* ]] || wrong "$output"
    [ "$stderr" = "memparse: new: limit exceeded: @a.lua:6 holds 1000B, and \
nothing in old" ] || wrong "$stderr"
  done
  # A document has it as a failure, too.
  run -1 --separate-stderr memparse old new --compare --source=src \
    --fail-on=new -f junit
  [[ "$output" == *' failures="1" '*'<failure type="limit" message="@a.lua:6 '* ]] ||
    wrong "$output"
}

@test "what cannot be compared" {
  memparse app -o db --label build=1
  fails 2 "db: it has no profile 7: --list shows them" db --compare=1..7
  fails 2 "db: it has no profile build=2: *" db --compare=build=1..2
  for what in 1 1.. ..1 build=..1 =1..2 1..=2 a..b 1.2 '..'; do
    fails 2 "--compare wants A..B, each a profile's number or KEY=VALUE, \
not '$what'" db --compare=$what
  done
  fails 2 "db: --compare=A..B says which profiles of a database" db --compare
  message="--compare=A..B goes with one database, --compare with two streams, \
the old one first"
  fails 2 "$message" app --compare
  fails 2 "$message" app app2 app --compare
  fails 2 "$message" app app2 --compare=1..2
  fails 2 "$message" db app --compare
  fails 2 "--by goes with --compare" app --by=site
  fails 2 "--by wants site or stack, not 'line'" app app2 --compare --by=line
  fails 2 "--compare goes with -f, --by, --source and --memory only" app app2 \
    --compare -q leaks
  fails 2 "--source goes with -o or --compare" app --source=.
  run -2 memparse app db --compare
  [[ "$output" == *"db: --compare wants two streams, or one database" ]]
  fails 4 "gone: No such file or directory" gone app --compare
  run -4 memparse app gone --compare
}
