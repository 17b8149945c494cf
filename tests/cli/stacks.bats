# stacks.bats - paths of calls, times and marks: what queries and filters say.
load common

QUERIES="leaks_by_stack flat_cumulative callers_of peak temporary alive_since
  heap_over_time"

setup_stacks() {
  "$ENCODE" "$SOURCE/tests/cli/streams/stacks.ljm" > stacks
  memparse stacks -o db
}

# csv QUERY OPTIONS...: the rows of a query on db.
csv() {
  memparse db -q "$@" -f csv
}

# column N OF SUM: adds a column of CSV on standard input.
column() {
  tail -n +2 | awk -F, -v n="$1" '{ sum += $n } END { print sum + 0 }'
}

@test "the rows of queries about stacks" {
  setup_stacks
  for query in $QUERIES; do
    works db -q "$query" -f csv
    snapshot "stacks_$query"
  done
}

@test "they are the same in the stock shell, and of the stream" {
  setup_stacks
  for query in $QUERIES; do
    works stacks -q "$query" -f csv
    snapshot "stacks_$query"
    [ "$(tail -n +2 <<< "$output" | tr -d '"')" = \
      "$(sqlite3 -csv db < "$SOURCE/queries/$query.sql" | tr -d '"')" ] ||
      wrong "$query differs"
  done
}

@test "parameters" {
  setup_stacks
  works db -q flat_cumulative --param by=function -f csv
  snapshot stacks_flat_by_function
  works db -q callers_of --param site=%:31 --param levels=1 -f csv
  snapshot stacks_callers_of_31
  works stacks -q callers_of --param site=%:31 --param levels=1 -f csv
  snapshot stacks_callers_of_31
  works db -q temporary --param events=2 -f csv
  snapshot stacks_temporary_2
  works db -q alive_since --param since=loaded --param until=served -f csv
  [ "${#lines[@]}" -eq 3 ] && [[ "$output" == *"loaded,2,@app.lua:31,2,128,"*"loaded,1,@app.lua:31,1,96,"* ]] ||
    wrong "$output"
  works db -q alive_since --param collections=2 -f csv
  [ "${#lines[@]}" -eq 6 ] || wrong "$output"
  echo "SELECT :a AS a, typeof(:a) AS b, :b, typeof(:b), :c, typeof(:c)" > q.sql
  works db -q q.sql --param a=12 --param b=1.5 --param c=x=1 -f csv
  [ "${lines[1]}" = "12,integer,1.5,real,x=1,text" ] || wrong "$output"
}

@test "the same parameters in the stock shell" {
  setup_stacks
  [ "$(csv temporary --param events=2 | tail -n +2 | tr -d '"')" = \
    "$(sqlite3 -csv -cmd ".parameter set :events 2" db \
    < "$SOURCE/queries/temporary.sql" | tr -d '"')" ]
  [ "$(csv callers_of --param site=%:31 | tail -n +2)" = \
    "$(sqlite3 -csv -cmd ".parameter set :site '%:31'" db \
    < "$SOURCE/queries/callers_of.sql" | tr -d '"')" ]
}

@test "a parameter that is wrong" {
  fails 2 "temporary: the query has no parameter 'x', but events" app -q temporary --param x=1
  fails 2 "leaks: the query has no parameter 'x'" app -q leaks --param x=1
  fails 2 "--param wants NAME=VALUE, not 'x'" app -q temporary --param x
  fails 2 "--profile chooses the profile, not --param" app -q leaks --param profile=1
  fails 2 "--param goes with -q" app --param x=1
}

@test "callsites add up to their sites, and to the leaks" {
  setup_stacks
  "$MEMPARSE" app hostile -o db
  sql db "SELECT count(*) FROM site AS s JOIN (
      SELECT site_id, sum(self_born_blocks) AS a, sum(self_born_bytes) AS b,
        sum(self_live_blocks) AS c, sum(self_live_bytes) AS d,
        min(self_first_event) AS e, max(self_last_event) AS f
      FROM callsite GROUP BY site_id) USING (site_id)
    WHERE (born_blocks, born_bytes, live_blocks, live_bytes, first_event,
      last_event) IS NOT (a, b, c, d, e, f)" 0
  sql db "SELECT count(*) FROM site
    WHERE site_id NOT IN (SELECT site_id FROM callsite)" 0
  for profile in 1 2; do
    [ "$(csv leaks --profile $profile | column 3)" = \
      "$(csv leaks_by_stack --profile $profile | column 1)" ]
  done
  sql db "SELECT count(*) FROM conservation
    WHERE difference <> 0 OR site_difference <> 0" 0
  sql db "SELECT count(*) FROM allocation AS a JOIN callsite USING (callsite_id)
    WHERE a.site_id <> callsite.site_id" 0
}

@test "a path that was interpreted and compiled is one row" {
  setup_stacks
  sql db "SELECT count(*) > count(DISTINCT stack) FROM callsite
    WHERE self_live_blocks > 0" 1
  for query in leaks_by_stack peak temporary; do
    works db -q $query -f csv
    [ -z "$(sed 's/.*,//' <<< "$output" | sort | uniq -d)" ] ||
      wrong "$query" "$output"
  done
  works db -q alive_since -f csv
  [ -z "$(cut -d, -f1-3,8 <<< "$output" | sort | uniq -d)" ] ||
    wrong "$output"
  [ "$(csv peak | column 3)" = "$(sqlite3 db "SELECT peak_bytes FROM profile")" ]
  [ "$(csv alive_since | column 5)" = "$(csv leaks | column 3)" ]
}

# ---- filters

# every OPTIONS...: all reports on stacks with these options, but for figures
# that no filter knows.
every() {
  for query in $QUERIES leaks top_allocators churn growth_by_line lifetimes \
    largest_blocks realloc_chains; do
    echo "$query"
    memparse stacks -q "$query" -f csv "$@"
  done
  memparse stacks "$@"
}

@test "a filter that leaves everything changes nothing" {
  setup_stacks
  [ "$(every)" = "$(every --ignore 'no such frame')" ] ||
    diff <(every) <(every --ignore 'no such frame')
  [ "$(memparse hostile)" = "$(memparse hostile --ignore 'no such frame')" ]
  # But for attempts that failed, and what is older than the recording.
  [ "$(csv peak)" = "$(csv peak --focus .)" ]
  [ "$(csv leaks_by_stack)" = "$(csv leaks_by_stack --focus .)" ]
}

@test "focus and ignore of one expression are the whole" {
  setup_stacks
  for re in walk '^push ' 'string.rep' 'app.lua:(12|51)' . nothing; do
    for query in "leaks_by_stack 1" "top_allocators 3" "churn 3" "lifetimes 2"; do
      read -r name n <<< "$query"
      all=$(csv "$name" | column "$n")
      focused=$(csv "$name" --focus "$re" | column "$n")
      ignored=$(csv "$name" --ignore "$re" | column "$n")
      [ $((focused + ignored)) -eq "$all" ] ||
        wrong "$re $name: $focused and $ignored, not $all"
    done
  done
}

@test "focus, ignore, both" {
  setup_stacks
  works db -q leaks_by_stack -f csv --focus walk
  snapshot stacks_focus_walk
  works stacks --focus walk
  snapshot stacks_focus_walk_text
  works db --focus walk
  snapshot stacks_focus_walk_text
  works db -q leaks_by_stack -f csv --focus walk --ignore load
  [ "${#lines[@]}" -eq 2 ] && [[ "$output" == *"80,1,100.0,28,28,TRACE [7]"* ]] ||
    wrong "$output"
}

# The text of stacks.ljm with the events between two marks only.
between() {
  awk -v from="$1" -v to="$2" '
    BEGIN { inside = from == 0 }
    /^mark/ { inside = inside && $2 != to || $2 == from }
    /^(alloc|free|realloc|lost|collection)/ && !inside { next }
    # What failed is in no life of a block.
    / 0x0 65536/ { next }
    { print }' "$SOURCE/tests/cli/streams/stacks.ljm" | "$ENCODE" > window
}

@test "between marks it is as if only that had been recorded" {
  setup_stacks
  while read -r from to options; do
    between "$from" "$to"
    # shellcheck disable=SC2086 # words
    for report in "" --leak-only "-q top_allocators" "-q churn" \
      "-q growth_by_line" "-q flat_cumulative" "-q temporary" "-q lifetimes" \
      "-q peak" "-q realloc_chains" "-q callers_of"; do
      [ "$(memparse window $report 2> /dev/null)" = \
        "$(memparse db $report $options)" ] ||
        diff <(memparse window $report) <(memparse db $report $options)
    done
  done << 'MARKS'
0 7 --to=loaded
7 8 --from=loaded --to=served
8 0 --from=served
7 0 --from=loaded
MARKS
}

@test "filtered figures balance" {
  setup_stacks
  sum="SELECT difference, site_difference FROM conservation"
  echo "$sum" > sum.sql
  for options in --focus=push --ignore=push --from=loaded --to=served; do
    works db -q sum.sql $options -f csv
    [ "${lines[1]}" = 0,0 ] || wrong "$options: $output"
  done
}

@test "filters that are wrong" {
  setup_stacks
  fails 2 "--focus wants a regular expression: *" stacks --focus '('
  fails 2 "--ignore wants a regular expression: *" stacks --ignore '*['
  fails 2 "db: --from: no mark 'x'; there are 'loaded', 'served'" db --from x
  fails 2 "stacks: --to: no mark 'loaded' behind that of --from; there are 'loaded', 'served'" stacks --from served --to loaded
  fails 2 "app: --from: the profile has no marks" app --from x
  memparse stacks -o small --summary
  fails 2 "small: profile 1 has no rows of single blocks, which --focus*" small --focus x
  fails 2 "--focus, --ignore*is reported*" stacks -o other --focus x
  fails 2 "--focus, --ignore*need the rows*" stacks -o other -q leaks --summary --focus x
  fails 2 "--dump goes with no other option" stacks --dump --focus x
  fails 2 "--focus is given twice" stacks --focus x --focus y
}

@test "a mark that is not there, of many" {
  setup_stacks
  sqlite3 db "INSERT INTO mark_data SELECT 1, 60 + value, 2 + value, 0,
    'm' || value FROM generate_series(1, 6)"
  fails 2 "db: --from: no mark 'x'; there are 'loaded', *, 'm6'" db --from x
  sqlite3 db "INSERT INTO mark_data SELECT 1, 70, 9 + value, 0, 'm' || (6 + value)
    FROM generate_series(0, 2)"
  fails 2 "db: --from: no mark 'x'; there are 'loaded', *, 'm6' and 2 more" \
    db --from x
}

@test "an expression that leaves nothing is told" {
  setup_stacks
  fails 0 "db: warning: --focus=nothing leaves nothing" db --focus nothing
  fails 0 "stacks: warning: --focus=walk with --ignore leaves nothing" stacks \
    --focus walk --ignore . -q leaks
  works db --ignore nothing
}

@test "a filter leaves the database as it is" {
  setup_stacks
  cp db copy
  works db --focus walk
  works db -q peak --from loaded
  cmp db copy
}

# Places are what flat_cumulative goes by: here every path is walked instead.
@test "cumulative figures are those of every path" {
  setup_stacks
  sql db "SELECT count(*) FROM callsite AS c
    LEFT JOIN callsite AS p ON p.callsite_id = c.parent_id
    WHERE c.place <= p.place OR c.last_place > p.last_place
      OR c.last_place < c.place" 0
  sql db "SELECT count(*) FROM callsite AS c
    WHERE last_place - place + 1 != (
      WITH RECURSIVE below (id) AS (
        VALUES (c.callsite_id)
        UNION ALL
        SELECT x.callsite_id FROM below JOIN callsite AS x ON parent_id = id
      )
      SELECT count(*) FROM below
    )" 0
  sql db "SELECT min(place) = 1 AND max(place) = count(DISTINCT place)
    AND count(DISTINCT place) = count(*) FROM callsite" 1
  walked=$(sqlite3 -csv db "WITH RECURSIVE path (id, frame_id, parent_id) AS (
      SELECT callsite_id, frame_id, parent_id FROM callsite
      UNION ALL
      SELECT p.id, c.frame_id, c.parent_id
      FROM path AS p JOIN callsite AS c ON c.callsite_id = p.parent_id
    ), pair AS (
      SELECT DISTINCT id, name FROM path JOIN frame USING (frame_id)
    )
    SELECT name, sum(self_live_bytes), sum(self_live_blocks),
      sum(self_born_bytes), sum(self_born_blocks)
    FROM pair JOIN callsite ON callsite_id = id
    GROUP BY name HAVING sum(self_born_blocks) > 0 ORDER BY name")
  told=$(memparse db -q flat_cumulative -f csv > flat.csv &&
    sqlite3 -csv :memory: ".import flat.csv flat" "SELECT frame,
      live_cum_bytes, live_cum_blocks, born_cum_bytes, born_cum_blocks
      FROM flat ORDER BY frame")
  [ -n "$walked" ] && [ "$told" = "$walked" ] || wrong "$told, not $walked"
}
