#!/bin/sh
# Nights of service.lua in which nothing has changed, recorded: how many of
# them would be said to have? And three with a leak: are they found?
#
#   sh tests/nights/nights.sh BUILD PROGRAMS NIGHTS HISTORIES
#
# BUILD is the build directory, PROGRAMS how many programs, NIGHTS how many of
# each are recorded, HISTORIES how many are simulated with these: see
# simulate.c. Status 1 if there are too many false alarms, or a leak is missed.
set -eu

build=$(cd "$1" && pwd) programs=$2 nights=$3 histories=$4
service=$(cd "$(dirname "$0")" && pwd)/service.lua
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
LUA_CPATH="$build/?.so;;"
export LUA_CPATH

wrong() {
  printf '%s\n' "$@" >&2
  exit 1
}

# night PROGRAM NIGHT [LEAK]: records one, and stores it.
night() {
  cp "$service" service.lua
  # shellcheck disable=SC2086 # a number, or none
  luajit -lmisc service.lua "$1" "$2" stream ${3-}
  "$build/memparse" stream -o "$1.db" --summary --label=build="$2" \
    --label=test=service
  rm stream
}

# The gate's status, and what it says in said.
gate() {
  status=0
  "$build/memparse" "$1.db" --baseline=20 --fail-on=changed \
    > rows 2> said || status=$?
}

program=1
while [ "$program" -le "$programs" ]; do
  n=1
  while [ "$n" -le "$nights" ]; do
    night "$program" "$n"
    n=$((n + 1))
  done
  sqlite3 -csv "$program.db" "
    SELECT profile_id, dense_rank() OVER (ORDER BY signature, signature_kind),
      live_bytes, live_blocks
    FROM site WHERE live_blocks > 0 ORDER BY profile_id" > noise
  for builds in 4 10 20; do
    "$build/simulate" 0.01 "$builds" "$histories" "$program" < noise
  done
  # The function leak of module 5 has the only such line.
  for n in 1 2 3; do
    night "$program" "$((nights + n))" 5
    gate "$program"
    [ "$status" -eq 1 ] || wrong "the leak is not found: $(cat said rows)"
    grep -q "limit exceeded: @module_5.lua:[0-9]* holds .* since\
 build=$((nights + 1)), and nothing in the [0-9]* builds before" said ||
      wrong "another line or build: $(cat said)"
  done
  echo "  a leak of $(sed -n 's/.*module_5[^ ]* holds \([0-9]*B\).*/\1/p' said)\
 is found: $(sed -n 's/.*module_5.*(\(p = .*\))/\1/p' said)"
  program=$((program + 1))
done
