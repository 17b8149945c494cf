#!/bin/sh
# record - what does recording cost?
#
#   sh tests/bench/record.sh BUILD [ROUNDS]
#
# Six programs under the stock luajit, JIT off and on, unprofiled and recording
# to nothing, to a file and to a compressed file, in turn; medians and the
# spread (the largest over the smallest) of the unprofiled runs.
set -eu
build=${1:?usage: sh tests/bench/record.sh BUILD [ROUNDS]}
rounds=${2:-7}
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$build" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export LUA_CPATH="$build/?.so;;"

echo "luajit $(luajit -v | cut -d' ' -f2), $rounds rounds, $(nproc) cores"
for jit in off on; do
  for program in trees strings growth closures objects deep; do
    round=0
    while [ $round -lt "$rounds" ]; do
      for stream in - /dev/null r.bin r.bin.zst; do
        name=$(echo "$stream" | tr -c 'a-z\n' _)
        luajit -j$jit "$here/record.lua" $program $stream \
          >> "$jit.$program.$name"
      done
      round=$((round + 1))
    done
    "$build/memparse" r.bin -o r.db --summary 2> /dev/null
    events=$(sqlite3 r.db 'SELECT events FROM profile')
    rm -f r.db
    for name in _ _dev_null r_bin r_bin_zst; do
      sort -n "$jit.$program.$name" | awk '{ t[NR] = $1 }
        END { print t[int((NR + 1) / 2)], t[NR] / t[1] }'
    done | awk -v jit=$jit -v program=$program -v events="$events" \
      -v plain="$(stat -c %s r.bin)" -v packed="$(stat -c %s r.bin.zst)" '
      { t[NR] = $1; if (NR == 1) spread = $2 }
      END {
        printf "-j%-3s %-8s %5.2f M events, %.3f s (spread %.2f):", jit,
          program, events / 1e6, t[1], spread
        printf "  nothing %.2fx %4.1f ns", t[2] / t[1],
          (t[2] - t[1]) / events * 1e9
        printf "  file %.2fx %4.1f ns %4.1f B", t[3] / t[1],
          (t[3] - t[1]) / events * 1e9, plain / events
        printf "  .zst %.2fx %4.1f ns %4.2f B\n", t[4] / t[1],
          (t[4] - t[1]) / events * 1e9, packed / events
      }'
  done
done | tee result
awk '{ for (i = 1; i < NF; i++) if ($i == ".zst") { r = $(i + 1) + 0
         sum += log(r); n++; if (r > max) max = r } }
  END { printf ".zst: geometric mean %.2fx, largest %.2fx\n", exp(sum / n),
    max }' result
