# sites.bash - generated programs whose sites have sizes of their own.
SITES=$(dirname "${BASH_SOURCE[0]}")

# Checks each site of a generated program with SQL.
#   check_sites DATABASE EXPECTED ON_TRACE
# ON_TRACE=1 accepts a block under a trace instead of its line, and leaves out
# what the compiler allocates for itself; one that it took from a line would
# be missing there.
check_sites() {
  sqlite3 -batch "$1" <<SQL
.mode tabs
CREATE TEMP TABLE expected (line INTEGER, size INTEGER, count INTEGER);
.import $2 expected
CREATE TEMP TABLE seen AS
SELECT
  e.line, e.count AS expected, count(a.size) AS count,
  count(DISTINCT a.size) AS sizes,
  total(a.kind = 'lua' AND a.line = e.line OR $3 AND a.kind = 'trace')
    AS right
FROM expected AS e
LEFT JOIN (
  SELECT a.size, s.kind, s.line
  FROM allocation AS a JOIN site AS s USING (site_id)
  WHERE a.born_by = 'alloc' AND NOT ($3 AND s.kind = 'internal')
) AS a ON a.size BETWEEN e.size AND e.size + 47
GROUP BY e.line, e.size;
SELECT 'line ' || line || ': expected ' || expected || ', seen ' || count
  || ' of ' || sizes || ' sizes, ' || right || ' in place'
FROM seen
WHERE count <> right OR sizes <> 1
  OR CASE expected WHEN -1 THEN count = 0 ELSE count <> expected END;
SELECT 'sites: ' || count(*) FROM seen;
SQL
}

# events STREAM: of lines and of traces.
events() {
  rm -f p.db
  "$BUILD/memparse" "$1" -o p.db
  sqlite3 -batch -list p.db "SELECT
    total((alloc_events + realloc_events) * (kind = 'lua')),
    total((alloc_events + realloc_events) * (kind = 'trace'))
    FROM site"
}

# each_seed VM PROLOGUE ON_TRACE SEED...: a generated program a seed. PARTS=
# no-escapes leaves out those objects that are made on leaving a trace. SHARE=1
# runs each once more, to learn how many events are inside compiled code.
each_seed() {
  local vm=$1 jit=$2 on_trace=$3 seed sites
  shift 3
  rm -f share inside
  for seed in "$@"; do
    luajit "$SITES/unique_sizes.lua" $seed p.lua p.tsv $PARTS
    echo "$jit" | cat - p.lua | sed '1N;s/\n/ /' > run.lua
    [ -z "$SHARE" ] || {
      MEMPROF_TRACE=number $vm run.lua p.bin
      events p.bin | cut -d'|' -f2 >> inside
    }
    $vm run.lua p.bin
    events p.bin >> share
    sites=$(wc -l < p.tsv)
    check_sites p.db p.tsv "$on_trace" > result || true
    echo "seed $seed:" && cat result
    [ "$(cat result)" = "sites: $sites" ]
  done
}

# exact_share: of all events of lines and traces, per cent that have a line.
exact_share() {
  awk -F'|' '{ l += $1; t += $2 } END { printf "%.2f", 100 * l / (l + t) }' share
}

# inside_share: of all events inside compiled code, per cent that have a line.
inside_share() {
  awk -F'|' 'FILENAME == "share" { t += $2 } FILENAME == "inside" { n += $1 }
    END { printf "%.2f of %d", 100 * (1 - t / n), n }' share inside
}
