#!/bin/sh
# How fast is memparse, and how much memory does it take? Against programs
# that do little with the same bytes, run in turns with it.
#
#   parse.sh [ROUNDS [MILLIONS]]
#
# is run as "cmake --build DIR --target bench-parse", which sets BENCH_BIN, the
# folder of the programs. The streams are made below BENCH_DIR (a temporary
# folder, about 2 GB with the databases) and removed; BENCH_KINDS says which.
# Prints medians, and the spread as the lowest and the highest. Nothing is
# asserted.
set -eu

ROUNDS=${1:-5}
MILLIONS=${2:-20}
: "${BENCH_BIN:?the folder with memparse and the bench programs}"
GOLDEN=${BENCH_GOLDEN:-$(dirname "$0")/../../../shared/golden}/big
DIR=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/bench-parse.XXXXXX")
trap 'rm -rf "$DIR"' EXIT
trap 'exit 1' INT TERM HUP
meter=$BENCH_BIN/bench-meter
memparse=$BENCH_BIN/memparse

# take NAME COMMAND...: one run, its time and memory noted under a name.
take() {
	name=$1
	shift
	rm -f "$DIR/db"
	"$meter" "$@" >>"$DIR/$name.runs" || true
}

# show NAME WORK EVENTS BYTES YARDSTICK: a line of the table.
show() {
	awk -v work="$2" -v events="$3" -v bytes="$4" -v yard="$5" '
	function median(list, n,    i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
				t = list[j]
				list[j] = list[j - 1]
				list[j - 1] = t
			}
		return list[int((n + 1) / 2)]
	}
	FILENAME == ARGV[1] { own[++n] = $1; if ($2 > kib) kib = $2; next }
	{ other[++o] = $1 }
	END {
		m = median(own, n)
		printf "%-30s %7.3f s (%.3f-%.3f)", work, m, own[1], own[n]
		printf " %6.1f M/s %6.0f MB/s", events / m / 1e6, bytes / m / 1e6
		printf " %7.1f MiB", kib / 1024
		if (o)
			printf "  %5.2f x %s", m / median(other, o), yard
		print ""
	}' "$DIR/$1.runs" ${5:+"$DIR/$5.runs"}
}

measure() {
	stream=$DIR/$1.ljm
	bytes=$(wc -c <"$stream")
	events=$2
	zstd -q -3 -f "$stream" -o "$stream.zst"
	rm -f "$DIR"/*.runs
	i=0
	while [ "$i" -lt "$ROUNDS" ]; do
		take md5sum md5sum "$stream"
		take plain "$memparse" --leak-only "$stream"
		take zstd zstd -q -d -f "$stream.zst" -o /dev/null
		take packed "$memparse" --leak-only "$stream.zst"
		take summary "$memparse" --summary -o "$DIR/db" "$stream"
		i=$((i + 1))
	done
	echo "== $1: $bytes bytes, $events items"
	show md5sum "md5sum" "$events" "$bytes" ""
	show plain "--leak-only" "$events" "$bytes" md5sum
	show zstd "zstd -d" "$events" "$bytes" ""
	show packed "--leak-only of a .zst" "$events" "$bytes" "$(slower)"
	show summary "--summary -o DB" "$events" "$bytes" plain
}

# Which of zstd and plain took longer.
slower() {
	for name in zstd plain; do
		sort -n "$DIR/$name.runs" |
			awk -v name=$name '{ t[NR] = $1 }
				END { print t[int((NR + 1) / 2)], name }'
	done | sort -rn | awk 'NR == 1 { print $2 }'
}

# Every block's life, against bare inserts of as many rows.
measure_rows() {
	stream=$DIR/$1.ljm
	# A database that has the stream already would skip it.
	rm -f "$DIR/db"
	"$memparse" -o "$DIR/db" "$stream" 2>/dev/null || true
	rows=$(sqlite3 "$DIR/db" 'SELECT count(*) FROM allocation_data')
	rm -f "$DIR"/*.runs
	i=0
	while [ "$i" -lt "$ROUNDS" ]; do
		take insert "$BENCH_BIN/bench-insert" "$DIR/db" "$rows"
		take store "$memparse" -o "$DIR/db" "$stream"
		i=$((i + 1))
	done
	bytes=$(wc -c <"$stream")
	show insert "$rows rows inserted" "$2" "$bytes" ""
	show store "-o DB" "$2" "$bytes" insert
	rm -f "$DIR/db"
}

measure_start() {
	"$BENCH_BIN/bench-stream" churn 1 | head -c 15000 >"$DIR/small.ljm"
	rm -f "$DIR"/*.runs
	i=0
	while [ "$i" -lt $((ROUNDS * 20)) ]; do
		take sqlite3 sqlite3 :memory: "select 1"
		take small "$memparse" --leak-only "$DIR/small.ljm"
		i=$((i + 1))
	done 2>/dev/null
	echo "== start-up: 15,000 bytes"
	show sqlite3 "sqlite3 :memory:" 1 1 ""
	show small "--leak-only" 900 15000 sqlite3
}

for kind in ${BENCH_KINDS-churn alive sites symbols compact stacks}; do
	"$BENCH_BIN/bench-stream" "$kind" "$MILLIONS" >"$DIR/$kind.ljm"
	measure "$kind" "${MILLIONS}000000"
	[ "$kind" != churn ] || measure_rows "$kind" "${MILLIONS}000000"
	rm -f "$DIR/$kind".*
done
for packed in "$GOLDEN"/*.bin.zst; do
	[ -f "$packed" ] || continue
	name=$(basename "$packed" .bin.zst)
	zstd -q -d "$packed" -o "$DIR/$name.ljm"
	measure "$name" \
		"$("$memparse" --dump "$DIR/$name.ljm" 2>/dev/null | wc -l)"
	rm -f "$DIR/$name".*
done
measure_start
