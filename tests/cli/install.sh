#!/bin/sh
# install.sh BUILD SOURCE [CFLAGS] - installs into a prefix of its own and
# builds a program with what is there.
set -eu
build=$1 source=$2 flags=${3-}
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" > /dev/null
cat > "$prefix/program.c" <<'C'
#include <memparse/memparse.h>

int main(void)
{
	struct model *const model = model_new(NULL, NULL);
	struct store *store;
	const enum store_result result = store_open(&store, NULL, true);

	store_close(store);
	model_free(model);
	return model == NULL || result != STORE_OK;
}
C
library=$(find "$prefix" -name libmemparse.a)
# shellcheck disable=SC2046,SC2086 # words
"${CC:-cc}" -Wall -Werror $flags -I"$prefix/include" -o "$prefix/program" \
  "$prefix/program.c" "$library" $(pkg-config --cflags --libs libzstd sqlite3 \
  zlib libprotobuf-c libxxhash) \
  -pthread
"$prefix/program"
for folder in queries sqlschema; do
  diff -r "$source/$folder" "$prefix/share/ljmemprof/$folder"
done
"$prefix/bin/memparse" --version > /dev/null
