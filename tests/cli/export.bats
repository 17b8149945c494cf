# export.bats - what is left for other tools.
load common

FORMATS="pprof collapsed speedscope dot"

setup_stacks() {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > stacks
  memparse stacks -o db
}

@test "collapsed, speedscope, dot" {
  setup_stacks
  for format in collapsed speedscope dot; do
    works stacks --export=$format:-
    snapshot "export_$format"
    works hostile --export=$format:-
    snapshot "export_hostile_$format"
  done
}

@test "the stream and its database, standard output and a file: the same" {
  setup_stacks
  for format in $FORMATS; do
    works db --export=$format:a
    works db --export=$format:b
    cmp a b
    memparse db --export=$format:- > c
    cmp a c
    works stacks -o new --export=$format:d
    sed 's/db/stacks/' a > e # the title
    [ "$format" = pprof ] || cmp a d
    rm new
  done
}

@test "every metric adds up to its total" {
  setup_stacks
  while read -r metric column; do
    works db --export=collapsed:- --metric=$metric
    sql db "SELECT $column FROM profile" \
      "$(awk '{ n += $NF } END { print n }' <<< "$output")"
    [ "$(sed 's/ [0-9]*$//' <<< "$output" | sort | uniq -d)" = "" ]
  done << 'METRICS'
inuse_space live_bytes
inuse_objects live_blocks
alloc_space born_bytes
alloc_objects born_blocks
METRICS
}

@test "names cannot break a line of collapsed stacks" {
  setup_stacks
  works db --export=collapsed:-
  [[ "$output" == *'a\x3bb "<&>" \ {|} (@app.lua:61) 24'* ]] || wrong "$output"
}

@test "a name that is too long for every line it is on" {
  # 3000 bytes of which the cut would go through a character.
  awk 'BEGIN { for (i = 0; i < 1000; i++) n = n "漢"
    printf "ljs 3\nlua 0x10 \"a%s\" 1\nljm 3\nalloc lua 0x10:1 0x20 8\nend\n", n
    }' | "$ENCODE" > long
  works long --export=collapsed:-
  [[ "$output" == a漢*漢…漢*漢:1\ 8 ]] || wrong "$output"
  [ "${#output}" -lt 400 ]
  iconv -f UTF-8 -t UTF-16 <<< "$output" > utf16
  works long -q leaks_by_stack -f csv
  [[ "${lines[1]}" == 8,*,a漢*漢…漢*漢:1 ]] || wrong "$output"
}

@test "speedscope: JSON in order" {
  setup_stacks
  for stream in stacks hostile; do
    memparse $stream --export=speedscope:s.json --metric=alloc_space
    sqlite3 :memory: "
      CREATE TABLE f AS SELECT CAST(readfile('s.json') AS TEXT) AS j;
      SELECT json_valid(j), json_extract(j, '\$.activeProfileIndex'),
        json_array_length(j, '\$.profiles') FROM f;
      -- As many weights as samples, in all their sum, frames that are there.
      SELECT count(*) FROM f, json_each(j, '\$.profiles') AS p
      WHERE json_array_length(p.value, '\$.samples')
          <> json_array_length(p.value, '\$.weights')
        OR json_extract(p.value, '\$.endValue') <> (SELECT sum(value)
          FROM json_each(p.value, '\$.weights'))
        OR json_extract(p.value, '\$.type') <> 'sampled';
      SELECT count(*) FROM f, json_each(j, '\$.profiles') AS p,
        json_each(p.value, '\$.samples') AS s, json_each(s.value) AS x
      WHERE x.value < 0
        OR x.value >= json_array_length(j, '\$.shared.frames');
      SELECT count(*) FROM f, json_each(j, '\$.shared.frames') AS x
      WHERE json_type(x.value, '\$.name') IS NOT 'text'" > said
    [ "$(cat said)" = $'1|2|4\n0\n0\n0' ] || wrong "$(cat said)"
  done
}

@test "pprof: a gzip file that is complete" {
  setup_stacks
  memparse db --export=pprof:p
  gzip -t p
  gzip -dc p > raw
  for word in inuse_space alloc_objects push app.lua '"<&>"' string.rep; do
    grep -aq -- "$word" raw || wrong "$word is not in it"
  done
}

@test "GraphViz draws the graph" {
  command -v dot > /dev/null || skip "no graphviz"
  setup_stacks
  for file in db hostile; do
    works $file --export=svg:g.svg
    grep -q '</svg>' g.svg
  done
  memparse db --export=svg:- | grep -q '</svg>'
}

@test "without GraphViz svg says so and leaves nothing" {
  setup_stacks
  mkdir empty
  run --separate-stderr env PATH="$PWD/empty" "$MEMPARSE" db --export=svg:g.svg
  [ "$status" -eq 4 ]
  [[ "$stderr" == "memparse: g.svg: svg is drawn by GraphViz,"* ]]
  [ ! -e g.svg ]
}

@test "a filter is for exports, too" {
  setup_stacks
  works db --export=collapsed:- --focus=walk
  [ "${#lines[@]}" -eq 3 ] || wrong "$output"
  works stacks --export=collapsed:- --from=loaded --to=served
  [ "$output" = "@app.lua:51;handle (@app.lua:41);push (@app.lua:31) 248
@app.lua:51;handle (@app.lua:41);string.rep 512" ] ||
    wrong "$output"
}

@test "a file keeps what it had until the export is complete" {
  setup_stacks
  echo before > out
  for format in $FORMATS; do
    run -4 bash -c "ulimit -f 0; \"\$MEMPARSE\" db --export=$format:out 2>&1"
    [[ "$output" == "memparse: out: "* ]] || wrong "$output"
    [ "$(cat out)" = before ]
  done
  only db out stacks
  works db --export=dot:out
  grep -q digraph out
}

@test "the mode of a new file" {
  setup_stacks
  (umask 027; memparse db --export=dot:out)
  [ "$(stat -c %a out)" = 640 ]
}

@test "standard output that is full" {
  setup_stacks
  for format in $FORMATS; do
    run -4 bash -c "\"\$MEMPARSE\" db --export=$format:- 2>&1 > /dev/full"
    [[ "$output" == "memparse: standard output: No space left on device" ]] ||
      wrong "$format: $output"
  done
}

@test "/dev/null is written to as it is" {
  setup_stacks
  works db --export=dot:/dev/null
  [ -c /dev/null ]
}

@test "into what is read" {
  setup_stacks
  fails 2 "stacks: --export into what is read: *" stacks --export=dot:stacks
  ln db db2
  fails 2 "db2: --export into what is read: *" db --export=dot:db2
}

@test "where there is no folder" {
  setup_stacks
  fails 4 "no/g: No such file or directory" db --export=dot:no/g
}

@test "a stream that is cut is exported as far as it goes" {
  fails 3 "cut: offset *" cut --export=collapsed:-
  [[ "$output" == *"@cut.lua:2"* ]] || wrong "$output"
}

@test "what --export goes with" {
  fails 2 "unknown export 'x:y': *" app --export=x:y
  fails 2 "unknown export 'pprofx:y': *" app --export=pprofx:y
  fails 2 "--export=FORMAT:FILE wants a value" app --export=dot:
  fails 2 "--export=FORMAT:FILE wants a value" app --export=dot
  fails 2 "unknown metric 'x': *" app --export=dot:- --metric=x
  fails 2 "--metric goes with --export" app --metric=inuse_space
  fails 2 "--export and a report *" app --export=dot:- -q leaks
  fails 2 "--export and a report *" app --export=dot:- --leak-only
  fails 2 "an export is of one profile*" app app -o db --export=dot:-
  fails 2 "--dump goes with no other option" app --dump --export=dot:-
}

@test "several streams are one export" {
  setup_stacks
  works stacks stacks --export=collapsed:-
  [ "$(awk '{ n += $NF } END { print n }' <<< "$output")" = 3320 ] ||
    wrong "$output"
}

@test "of several streams the peak is the last one's" {
  setup_stacks
  [ "$(memparse stacks app -q peak -f csv | awk -F, '{ n += $3 } END { print n }')" = 1885 ]
  [ "$(memparse app stacks -q peak -f csv | awk -F, '{ n += $3 } END { print n }')" = 6060 ]
}

@test "a profile without events" {
  printf 'ljs\3\0\0\0\200ljm\3\0\0\0\200' > none
  for format in $FORMATS; do
    works none --export=$format:out
  done
}
