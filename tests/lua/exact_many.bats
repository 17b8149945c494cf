#!/usr/bin/env bats
# The same as exact.bats with many more programs; counts the lines in compiled
# code. Seeds from 1001 on were never looked at while the code was written.

load helpers
load sites

@test "no wrong line in many programs, JIT off" {
  each_seed "$BUILD/lua-host" "jit.off()" 0 $(seq 1001 1040)
}

@test "no wrong line in many programs, JIT on, and hardly a trace" {
  PARTS=no-escapes SHARE=1 each_seed "$BUILD/lua-host" \
    "jit.opt.start('hotloop=5')" 1 $(seq 1001 1060)
  echo "inside compiled code under a line, %: $(inside_share)" >&3
  # 99.88 to 99.95: how many traces end before their first step differs.
  [ "$(inside_share | cut -d' ' -f1 | tr -d .)" -ge 9980 ]
}

@test "no wrong line where traces are left all the time" {
  SHARE=1 each_seed "$BUILD/lua-host" "jit.opt.start('hotloop=5')" 1 \
    $(seq 1061 1090)
  echo "inside compiled code under a line, %: $(inside_share)" >&3
}

@test "no wrong line where all is compiled at once" {
  SHARE=1 each_seed "$BUILD/lua-host" \
    "jit.opt.start('hotloop=1', 'hotexit=2')" 1 $(seq 1091 1120)
  echo "inside compiled code under a line, %: $(inside_share)" >&3
}

@test "no wrong line in many programs that are compiled late, JIT on" {
  SHARE=1 each_seed "$BUILD/lua-host" "jit.on()" 1 $(seq 1001 1030)
  echo "inside compiled code under a line, %: $(inside_share)" >&3
}
