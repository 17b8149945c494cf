#!/bin/sh
# check.sh LJM_TRUTH DIR: replays each stream DIR/*/NAME.bin or .bin.zst that
# has a NAME.truth.tsv, and compares. Exit status 77 without DIR: skipped.
set -eu
ljm_truth=$1
dir=$2
if [ ! -d "$dir" ]; then
	echo "SKIPPED: no recorded streams: $dir is absent" \
		"(see LJMEMPROF_GOLDEN_DIR)"
	exit 77
fi
set -- --check
for truth in "$dir"/*/*.truth.tsv; do
	stream=${truth%.truth.tsv}.bin
	[ -e "$stream" ] || stream=$stream.zst
	set -- "$@" "$stream" "$truth"
done
if [ ! -e "$3" ]; then
	echo "there is no stream in $dir"
	exit 1
fi
"$ljm_truth" "$@"
echo "$((($# - 1) / 2)) streams are as they should be"
