#!/bin/sh
# golden_own.sh MEMPARSE ENCODE LUAJIT TESTS OUT - golden.lua on the streams
# of tests/golden, which are text there and become streams in OUT.
set -eu
memparse=$1 encode=$2 luajit=$3 tests=$4 out=$5

rm -rf "$out"
mkdir -p "$out/own"
for text in "$tests"/golden/*.ljm; do
  name=$(basename "$text" .ljm)
  "$encode" "$text" > "$out/own/$name.bin"
  cp "$tests/golden/$name.truth.tsv" "$out/own/"
done
"$luajit" "$tests/cli/golden.lua" "$memparse" "$out"
