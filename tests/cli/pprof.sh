#!/bin/sh
# pprof.sh MEMPARSE ENCODE STREAMS - does go tool pprof say of an export what
# flat_cumulative says? For all metrics, by function and by line. 77: no go.
set -eu
memparse=$1 encode=$2 streams=$3
command -v go > /dev/null || { echo "no go: nothing was compared"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME="$dir" PPROF_TMPDIR="$dir"

# What pprof prints: flat flat% sum% cum cum% name.
top() {
  go tool pprof -top -unit=B -nodefraction=0 -nodecount=1000000 \
    "-sample_index=$1" "$2" ${3+"$3"} export 2> /dev/null |
    awk 'body { flat = $1; cum = $4; sub(/B$/, "", flat); sub(/B$/, "", cum)
        sub(/^ *[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, "")
        print flat "|" cum "|" $0 }
      $1 == "flat" { body = 1 }' | LC_ALL=C sort
}

# The same of ours; by line pprof puts file and line behind the function.
ours() {
  sqlite3 -separator '|' db "SELECT q.$1, q.$2, CASE WHEN '$3' = 'function'
      OR f.file IS NULL THEN q.frame
      ELSE coalesce(f.function, q.frame) || ' ' || f.file || ':' || f.line END
    FROM ($(sed 's/;$//; s/:by\b/'"'$3'"'/' "$streams/../../../queries/flat_cumulative.sql")) AS q
    LEFT JOIN (SELECT name, function, line,
        CASE WHEN chunk LIKE '@_%' THEN substr(chunk, 2) ELSE chunk END AS file
      FROM frame GROUP BY name) AS f ON f.name = q.frame
    WHERE q.$2 <> 0" | LC_ALL=C sort
}

compared=0
for stream in stacks app; do
  "$encode" "$streams/$stream.ljm" > stream
  rm -f db
  "$memparse" stream -o db
  "$memparse" db --export=pprof:export
  while read -r metric flat cum; do
    for by in function line; do
      top "$metric" "-${by}s" > theirs
      ours "$flat" "$cum" "$by" > mine
      [ -s theirs ] || { echo "pprof said nothing of $stream"; exit 1; }
      diff mine theirs || { echo "$stream: $metric by $by"; exit 1; }
      compared=$((compared + $(wc -l < mine)))
    done
  done << 'METRICS'
inuse_space live_bytes live_cum_bytes
inuse_objects live_blocks live_cum_blocks
alloc_space born_bytes born_cum_bytes
alloc_objects born_blocks born_cum_blocks
METRICS
done

# The phases are labels: what was begun in one is what was begun between marks.
"$encode" "$streams/stacks.ljm" > stream
"$memparse" stream --export=pprof:export
top alloc_space -lines '-tagfocus=phase=^loaded$' > theirs
"$memparse" stream --from=loaded --to=served --export=pprof:export
top alloc_space -lines > mine
[ -s mine ] || { echo "nothing was begun between the marks"; exit 1; }
diff mine theirs || { echo "phases"; exit 1; }
echo "$compared rows are the same"
