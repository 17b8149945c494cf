#!/bin/sh
# record - what does recording cost?
#
#   sh tests/bench/record.sh BUILD [ROUNDS]
#
# Six programs under the stock luajit, JIT off and on, in turn unprofiled and
# recording format 3 to nothing, to a file and to a compressed file, and the
# compact stream to a compressed file without stacks and with them; medians,
# and the spread (the largest over the smallest) of the unprofiled runs. B are
# bytes an event; of the compact stream without stacks before compression, too.
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
      for how in "-" "/dev/null" "r.bin" "r.bin.zst" "c.bin.zst compact" \
        "s.bin.zst stacks"; do
        name=$(echo "${how%% *}" | tr -c 'a-z\n' _)
        luajit -j$jit "$here/record.lua" $program $how \
          >> "$jit.$program.$name"
      done
      round=$((round + 1))
    done
    luajit -j$jit "$here/record.lua" $program c.bin compact > /dev/null
    "$build/memparse" r.bin -o r.db --summary 2> /dev/null
    events=$(sqlite3 r.db 'SELECT events FROM profile')
    rm -f r.db
    for name in _ _dev_null r_bin r_bin_zst c_bin_zst s_bin_zst; do
      sort -n "$jit.$program.$name" | awk '{ t[NR] = $1 }
        END { print t[int((NR + 1) / 2)], t[NR] / t[1] }'
    done | awk -v jit=$jit -v program=$program -v events="$events" \
      -v plain="$(stat -c %s r.bin)" -v packed="$(stat -c %s r.bin.zst)" \
      -v compact="$(stat -c %s c.bin)" -v cpacked="$(stat -c %s c.bin.zst)" \
      -v spacked="$(stat -c %s s.bin.zst)" '
      function cost(name, i) {
        printf "  %s %.2fx %4.1f ns", name, t[i] / t[1],
          (t[i] - t[1]) / events * 1e9
      }
      { t[NR] = $1; if (NR == 1) spread = $2 }
      END {
        printf "-j%-3s %-8s %5.2f M events, %.3f s (spread %.2f):", jit,
          program, events / 1e6, t[1], spread
        cost("nothing", 2)
        cost("file", 3)
        printf " %4.1f B", plain / events
        cost(".zst", 4)
        printf " %4.2f B", packed / events
        cost("compact", 5)
        printf " %4.2f B (%4.2f B)", cpacked / events, compact / events
        cost("stacks", 6)
        printf " %4.2f B\n", spacked / events
      }'
  done
done | tee result
for name in .zst compact stacks; do
  awk -v name=$name '{ for (i = 1; i < NF; i++) if ($i == name) {
      r = $(i + 1) + 0; sum += log(r); n++; if (r > max) max = r } }
    END { printf "%s: geometric mean %.2fx, largest %.2fx\n", name,
      exp(sum / n), max }' result
done
