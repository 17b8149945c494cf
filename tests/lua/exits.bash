# exits.bash - programs whose compiled code makes what it saved itself when it
# is left, and an oracle.
EXITS=$(dirname "${BASH_SOURCE[0]}")

# lines_of STREAM BLOCKS: TABLE PART KIND LINE STACK of each block that is
# alive. STACK has the lines alone: of the functions' names not all are known
# where they were called by compiled code.
lines_of() {
  rm -f lines.db && "$BUILD/memparse" "$1" -o lines.db 2> /dev/null
  sqlite3 -batch lines.db << SQL | sed -E 's/[^ ]* ?\(run\.lua:([0-9]+)\)/\1/g;
    s/run\.lua://g; s/table\.new <- //'
.mode tabs
CREATE TEMP TABLE part (number INTEGER, name TEXT, address INTEGER);
.import $2 part
SELECT p.number, p.name, s.kind, s.line, c.stack
FROM part AS p
LEFT JOIN allocation AS a ON a.address = p.address AND a.died_event IS NULL
LEFT JOIN callsite AS c USING (callsite_id)
LEFT JOIN site AS s ON s.site_id = a.site_id;
SQL
}

# each_exit_program VM PROLOGUE STREAM SEED...: with the JIT off each block of
# each table has its line; with it on, the same one, or that of its trace, and
# the same stack, or one with a gap. STREAM is plain or stacks. Prints how many,
# and how many of these under a trace.
each_exit_program() {
  local vm=$1 jit=$2 stream=$3 seed how status=0
  shift 3
  [ "$stream" = stacks ] || stream=
  rm -f counts
  for seed in "$@"; do
    luajit "$EXITS/exit_programs.lua" "$seed" p.lua
    for how in "jit.off()" "$jit"; do
      echo "$how" | cat - p.lua | sed '1N;s/\n/ /' > run.lua
      $vm run.lua p.bin p.tsv $stream
      mv lines truth 2> /dev/null || true
      lines_of p.bin p.tsv > lines
    done
    awk -F'\t' -v seed="$seed" -v stacks="$stream" '
      FNR == NR {
        line[$1, $2] = $4
        stack[$1, $2] = $5
        bad += $3 != "lua"
        next
      }
      { n++ }
      $3 == "trace" { traces++; next }
      $3 != "lua" || $4 != line[$1, $2] ||
      stacks && $5 !~ /left out/ && $5 != stack[$1, $2] {
        print "seed " seed ": " $0 ", not " line[$1, $2] ": " stack[$1, $2]
        bad++
      }
      END {
        print n + 0, traces + 0 >> "counts"
        exit bad + 0 || n < 100
      }' truth lines || status=1
  done
  awk '{ n += $1; t += $2 } END { print n, t }' counts
  # With run, no failing command ends it.
  return $status
}

# few_traces VM PROLOGUE STREAM SEED...: no wrong line, and hardly a trace.
few_traces() {
  run each_exit_program "$@"
  echo "$output"
  [ "$status" = 0 ]
  set -- $output
  [ $(($2 * 200)) -lt "$1" ]
}
