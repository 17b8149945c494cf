#!/bin/sh
# Installs what is missing, builds into build/, runs the tests.
#
#   sh tests/run.sh        the everyday tests
#   sh tests/run.sh all    those labelled slow and hosts, too
set -eu
cd "$(dirname "$0")/.."

case ${1-} in
'') labels="-LE slow|hosts" ;;
all) labels= ;;
*) echo "usage: sh tests/run.sh [all]" >&2; exit 2 ;;
esac

sh tests/packages.sh build test
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DLJMEMPROF_TESTS=ON \
  ${CI:+-DLJMEMPROF_WERROR=ON}
cmake --build build -j "$(nproc)"
# shellcheck disable=SC2086 # two words, or none
exec ctest --test-dir build --output-on-failure $labels
