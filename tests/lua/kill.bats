#!/usr/bin/env bats
# kill -9 at random moments: what is on disk is an exact prefix of what the
# same program records undisturbed, and lacks one buffer at most.

load helpers

# The program tells in a mapped file how far it came. It throttles itself, so
# that a kill hits it at work and the streams stay small. What it is told is no
# Lua string, and the collector works when it is called: two runs are equal.
setup() {
  cd "$BATS_TEST_TMPDIR"
  cat > work.lua <<'LUA'
local m = require("misc").memprof
local ffi = require "ffi"
ffi.cdef [[void *mmap(void *, size_t, int, int, int, long);
  int open(const char *, int, ...); int usleep(unsigned);
  int atoi(const char *); const char *getenv(const char *);]]
local C, file = ffi.C, arg[1]
local last, nap = C.atoi(C.getenv("LAST")), C.atoi(C.getenv("NAP"))
local kill_at = C.atoi(C.getenv("KILL_AT"))
local usleep = C.usleep
local fd = C.open("progress", 2)
local progress = ffi.cast("int32_t *", C.mmap(nil, 4096, 3, 1, fd, 0))
jit.off()
local keep = {}
collectgarbage() collectgarbage("stop")
assert(m.start(file))
host.act_at(kill_at)
for i = 1, last do
  keep[i % 500] = {i, function() return i end}
  if i % 700 == 0 then collectgarbage() collectgarbage("stop") end
  progress[0] = i -- whatever belongs to it is recorded by now
  if nap > 0 and i % 500 == 0 then usleep(nap) end
end
assert(m.stop())
LUA
  export ASAN_OPTIONS=detect_leaks=0
}

# work HOST FILE ITERATIONS [NAP [KILL_AT]]: in place of a subshell.
work() {
  head -c 4096 /dev/zero > progress
  LAST=$3 NAP=${4-0} KILL_AT=${5-0} exec setarch -R "$BUILD/$1" work.lua "$2"
}

progress() {
  od -An -td4 -N4 progress | tr -d ' '
}

# The events; a block's address is replaced by its number, in order of birth,
# for addresses differ from run to run.
events() {
  "$BUILD/memparse" --dump "$1" 2> /dev/null | awk '
    function was(address) { return address in born ? born[address] : 0 }
    $1 == "end" { next }
    { sub(/ *#.*/, "") }
    $1 == "alloc" { $(NF - 1) = born[$(NF - 1)] = ++n }
    $1 == "free" { $(NF - 1) = was($(NF - 1)) }
    $1 == "realloc" {
      $(NF - 3) = was($(NF - 3))
      $(NF - 1) = born[$(NF - 1)] = ++n
    }
    match($0, / 0x[0-9a-f]+/) {
      symbol = substr($0, RSTART, RLENGTH)
      if (!(symbol in seen)) seen[symbol] = ++symbols
      sub(symbol, " symbol " seen[symbol])
    }
    { print }'
}

# How far the stream can be read, compressed or not.
plain_size() {
  case $("$BUILD/memparse" --leak-only "$1" 2>&1 > /dev/null) in
  *": offset "*) "$BUILD/memparse" --leak-only "$1" 2>&1 > /dev/null |
    sed -n 's/.*: offset \([0-9]*\): .*/\1/p' ;;
  *) zstd -q -dcf "$1" | wc -c ;;
  esac
}

# check_prefix FILE HOST: against runs that nobody disturbed.
check_prefix() {
  local file=$1 host=$2 done size lack
  done=$(progress)
  events "$file" > killed
  head -n "$(wc -l < killed)" "$file.events" | cmp killed -
  size=$(plain_size "$file")
  # What had been recorded when this iteration was done, without the end.
  (work $host "$file" "$done")
  lack=$(($(plain_size "$file") - 1 - size))
  echo "$file: $done iterations, $size bytes on disk, $lack lack"
  [ "$lack" -le 131072 ]
  kills=$((kills + 1))
}

# undisturbed FILE HOST ITERATIONS: leaves FILE.events.
undisturbed() {
  (work "$2" "$1" "$3")
  events "$1" > "$1.events"
  [ "$(wc -l < "$1.events")" -gt "$3" ]
}

@test "killed from outside, at random moments" {
  times=10
  [ "${SANITIZED:-OFF}" = OFF ] || times=3
  kills=0
  for file in k.bin k.bin.zst; do
    undisturbed $file lua-host 20000
    for i in $(seq $times); do
      rm -f $file progress
      head -c 4096 /dev/zero > progress
      work lua-host $file 20000 1500 3>&- &
      pid=$!
      until [ "0$(progress)" -gt 0 ]; do
        kill -0 $pid || break
      done
      sleep "0.$(printf %03d $((RANDOM % 70)))"
      kill -9 $pid || true # it may have ended
      run wait $pid
      [ ! -s $file ] || check_prefix $file lua-host
    done
  done
  echo "$kills kills" >&3
  [ $kills -ge $((times / 2)) ]
}

@test "killed in the midst of a write" {
  for file in w.bin w.bin.zst; do
    undisturbed $file lua-host-faults 30000
    for at in "1 0" "1 1" "2 5" "3 1000" "4 65536"; do
      FAULTS="kill $at" run work lua-host-faults $file 30000
      [ "$status" = 137 ]
      check_prefix $file lua-host-faults
    done
  done
}

@test "killed in the midst of an allocation" {
  for file in a.bin a.bin.zst; do
    undisturbed $file lua-host 20000
    for at in 1 12345 59999; do
      run work lua-host $file 20000 0 $at
      [ "$status" = 137 ]
      check_prefix $file lua-host
    done
  done
}
