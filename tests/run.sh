#!/bin/sh
# Installs what is missing, builds into build/, runs the tests.
#
#   sh tests/run.sh        the everyday tests
#   sh tests/run.sh all    those labelled slow and hosts, too, and the
#                          programs that the latter record
set -eu
cd "$(dirname "$0")/.."

case ${1-} in
'') labels="-LE slow|hosts" sets= ;;
all) labels= sets=hosts ;;
*) echo "usage: sh tests/run.sh [all]" >&2; exit 2 ;;
esac

# shellcheck disable=SC2086 # a word, or none
sh tests/packages.sh build test $sets
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DLJMEMPROF_TESTS=ON \
  ${CI:+-DLJMEMPROF_WERROR=ON}
cmake --build build -j "$(nproc)"
# shellcheck disable=SC2086 # two words, or none
exec ctest --test-dir build --output-on-failure $labels
