#!/usr/bin/env bats
# The same as exact.bats with many more programs; counts the lines in compiled
# code. Seeds from 1001 on were never looked at while the code was written.

load helpers
load sites

@test "no wrong line in many programs, JIT off" {
  each_seed "$BUILD/lua-host" "jit.off()" 0 $(seq 1001 1040)
}

@test "no wrong line in many programs, JIT on, and hardly a trace" {
  each_seed "$BUILD/lua-host" "jit.opt.start('hotloop=5')" 1 $(seq 1001 1060)
  echo "under a line: $(exact_share) % of what lines and traces allocate" >&3
  [ "$(exact_share | cut -d. -f1)" -ge 99 ]
}

@test "no wrong line in many programs that are compiled late, JIT on" {
  each_seed "$BUILD/lua-host" "jit.on()" 1 $(seq 1001 1030)
}
