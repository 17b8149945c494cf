#!/usr/bin/env bats
# The same as failing.bats for longer work: every n up to 3,600.

load helpers
load failures

@test "the n-th of 3,500 allocations fails once" {
  same_as_without false 3600 16
}

@test "the n-th of 3,500 allocations and all later ones fail" {
  same_as_without true 3600 16
}

@test "what was recorded around every failure is whole" {
  failing true false 1 3600 16 > /dev/null
  for n in $(seq 1 37 3600); do
    rm -f n.db
    "$BUILD/memparse" failing$n.bin -o n.db --summary 2> /dev/null
    [ "$(sqlite3 -batch n.db "SELECT complete, failed_events, conflict_events
      FROM profile")" = "1|0|0" ]
  done
}
