#!/bin/sh
# own.sh LJM_ENCODE LJM_TRUTH SOURCE_DIR WORK_DIR: makes a stream from each
# SOURCE_DIR/NAME.ljm, plain and compressed, and compares its replay with
# NAME.truth.tsv. With UPDATE=1 in the environment, writes the truth anew:
# read what changed before you commit it.
set -eu
ljm_encode=$1
ljm_truth=$2
source_dir=$3
work_dir=$4
mkdir -p "$work_dir"
set -- --check
for text in "$source_dir"/*.ljm; do
	name=$(basename "$text" .ljm)
	"$ljm_encode" "$text" > "$work_dir/$name.bin"
	truth=$source_dir/$name.truth.tsv
	if [ "${UPDATE:-}" = 1 ]; then
		"$ljm_truth" "$work_dir/$name.bin" > "$truth"
	fi
	set -- "$@" "$work_dir/$name.bin" "$truth"
	if command -v zstd > /dev/null; then
		zstd -q -f "$work_dir/$name.bin" -o "$work_dir/$name.bin.zst"
		set -- "$@" "$work_dir/$name.bin.zst" "$truth"
	fi
done
"$ljm_truth" "$@"
echo "$((($# - 1) / 2)) streams are as they should be"
