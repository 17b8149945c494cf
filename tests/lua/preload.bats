#!/usr/bin/env bats
# What the environment asks for: names of streams, the signal, forks.

load helpers

# preloaded COMMAND...: with the library, recording to out-%p.bin from the
# start, unless the caller has set it otherwise.
preloaded() {
  env LD_PRELOAD="$BUILD/libljmemprof-preload.so" \
    ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
    MEMPROF_OUT="${OUT-out-%p.bin}" MEMPROF_AUTOSTART="${AUTOSTART-1}" \
    MEMPROF_SIGNAL="${SIGNAL-}" "$@"
}

# A script that keeps 1,000 tables of line 2.
keeping() {
  echo 'keep = {} if jit then jit.off() end
for i = 1, 1000 do keep[i] = {} end'
}

# holds STREAM LINE: the complete stream says that the line leaks.
holds() {
  run leaks "$1"
  echo "$output"
  [ "$status" = 0 ]
  [[ "$output" == *"$2 holds"* ]]
}

@test "a program that opens the libraries is recorded" {
  keeping > keep.lua
  run preloaded "$BUILD/embed" keep.lua
  [ "$status" = 0 ]
  [ -z "$output" ]
  [ "$(ls out-*)" = "$(echo out-[0-9]*.bin)" ]
  holds out-*.bin keep.lua:2
}

# LuaJIT crashes here with any handler of jit.attach(f, "trace").
@test "a recording of the JIT that is given up with C functions only below" {
  cat > request.lua <<'LUA'
local headers, kept = {Host = "a"}, {}
local function format(method, path)
  local s = {string.format("%s %s HTTP/1.1", method, path)}
  for name, value in pairs(headers) do
    s[#s + 1] = string.format("%s: %s", name, value)
  end
  return table.concat(s, "\r\n")
end
function request()
  kept[#kept + 1] = {}
  return format("GET", "/")
end
LUA
  preloaded "$BUILD/embed" -c 20000 request.lua
  holds out-*.bin request.lua:10
}

@test "without MEMPROF_OUT nothing happens" {
  keeping > keep.lua
  OUT= SIGNAL=USR2 run preloaded "$BUILD/embed" keep.lua
  [ "$status" = 0 ]
  [ -z "$output" ]
  [ "$(ls)" = keep.lua ]
  run env -u MEMPROF_OUT LD_PRELOAD="$BUILD/libljmemprof-preload.so" \
    ASAN_OPTIONS=verify_asan_link_order=0 MEMPROF_AUTOSTART=1 \
    "$BUILD/embed" keep.lua
  [ "$status" = 0 ]
  [ -z "$output" ]
  [ "$(ls)" = keep.lua ]
}

@test "MEMPROF_OUT alone says what lacks" {
  keeping > keep.lua
  AUTOSTART=0 run preloaded "$BUILD/embed" keep.lua
  [ "$status" = 0 ]
  [ "${#lines[@]}" = 1 ]
  [[ "$output" == "ljmemprof: MEMPROF_OUT is set, but nothing starts"* ]]
  [ "$(ls)" = keep.lua ]
}

@test "several VMs of a process get names of their own" {
  keeping > keep.lua
  OUT=app.bin.zst preloaded "$BUILD/embed" -n 3 keep.lua
  [ "$(ls app*)" = "app.2.bin.zst
app.3.bin.zst
app.bin.zst" ]
  for name in app*; do holds $name keep.lua:2; done
  mkdir a.b
  for out in a.b/v1.%p%% a.b/.x a.b/n.zst; do
    OUT=$out preloaded "$BUILD/embed" -n 2 keep.lua
  done
  ls -A a.b | sed 's/[0-9]*%/P%/' | sort > names
  printf '%s\n' .x .x.2 n.2.zst n.zst v1.P% v1.P%.2 | sort | diff - names
}

@test "a percent sign that means nothing is refused" {
  keeping > keep.lua
  OUT=x%d.bin run preloaded "$BUILD/embed" keep.lua
  [ "$status" = 0 ]
  [[ "$output" == "ljmemprof: MEMPROF_OUT: only %p and %%"* ]]
}

@test "the name is seen from where the program was started" {
  cat > move.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int chdir(const char *); int raise(int);"
ffi.C.chdir("/")
ffi.C.raise(12)
keep = {}
LUA
  AUTOSTART= SIGNAL=USR2 OUT=moved.bin preloaded "$BUILD/embed" move.lua
  leaks moved.bin
}

@test "the signal opens and closes streams" {
  for signal in USR2 SIGUSR2 12; do
    cat > signal.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int raise(int);"
jit.off()
keep = {}
local function leak() for i = 1, 1000 do keep[#keep + 1] = {} end end
local function other() for i = 1, 1000 do keep[#keep + 1] = {} end end
other() ffi.C.raise(12)
leak() ffi.C.raise(12)
other() ffi.C.raise(12)
for i = 1, 1000 do keep[#keep + 1] = {} end
ffi.C.raise(12) ffi.C.raise(12) -- even: as it was
for i = 1, 1000 do keep[#keep + 1] = {} end
LUA
    AUTOSTART= SIGNAL=$signal OUT=s.bin preloaded "$BUILD/embed" signal.lua
    holds s.bin signal.lua:5
    [[ "$output" != *signal.lua:6* && "$output" != *signal.lua:10* ]]
    holds s.2.bin signal.lua:10
    [[ "$output" == *"signal.lua:12 holds"* ]]
    [[ "$output" != *signal.lua:5* && "$output" != *signal.lua:6* ]]
    [ ! -e s.3.bin ]
    rm s.bin s.2.bin
  done
}

@test "a real-time signal by name" {
  echo 'local ffi = require "ffi" ffi.cdef "int raise(int);"
ffi.C.raise(37) keep = {{}}' > rt.lua # glibc takes 32 and 33 for itself
  AUTOSTART= SIGNAL=RTMIN+3 OUT=rt.bin preloaded "$BUILD/embed" rt.lua
  leaks rt.bin
}

@test "a signal that the program uses, or that is none, is told" {
  keeping > keep.lua
  for signal in SEGV KILL 11 0 99 USR3 RTMIN+99 RTMAX+1 12x; do
    SIGNAL=$signal run preloaded "$BUILD/embed" keep.lua
    [ "$status" = 0 ]
    [ "$output" = "ljmemprof: MEMPROF_SIGNAL: $signal is not a signal that \
can be used" ]
  done
  # Ignored is a use, too: nohup, and shells with trap ''.
  run bash -c 'trap "" USR2; "$@"' - env SIGNAL=USR2 \
    LD_PRELOAD="$BUILD/libljmemprof-preload.so" MEMPROF_OUT=t.bin \
    ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
    MEMPROF_SIGNAL=USR2 MEMPROF_AUTOSTART=1 "$BUILD/embed" keep.lua
  [ "$status" = 0 ]
  [ "$output" = "ljmemprof: MEMPROF_SIGNAL: the program has its own use of \
USR2; choose another one" ]
  leaks t.bin
}

@test "signals while the program works hard lose no event" {
  cat > storm.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef [[typedef struct { long s, us; } tv;
  int setitimer(int, tv *, tv *);]]
local every = ffi.new("tv[2]", {{0, 700}, {0, 700}})
ffi.C.setitimer(2, every, nil) -- PROF, 1,400 times a second of work
for i = 1, 4000000 do keep = {i} end
LUA
  AUTOSTART= SIGNAL=PROF OUT=storm.bin preloaded "$BUILD/embed" storm.lua
  [ "$(ls storm*.bin | wc -l)" -gt 5 ]
  for name in storm*.bin; do leaks $name > /dev/null; done
}

@test "a forked child with %p records into a stream of its own" {
  cat > fork.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int fork(void); int waitpid(int, int *, int); int getpid(void);"
ffi.cdef "void _exit(int);"
local _exit = ffi.C._exit
jit.off()
keep = {}
for child = 1, 2 do
  if ffi.C.fork() == 0 then
    for i = 1, 1000 do keep[i] = {} end
    os.exit(0)
  end
end
if ffi.C.fork() == 0 then _exit(0) end -- allocates nothing: no file
for child = 1, 3 do ffi.C.waitpid(-1, nil, 0) end
for i = 1, 1000 do keep[i] = {} end
print(ffi.C.getpid())
LUA
  parent=$(preloaded "$BUILD/embed" fork.lua)
  [ "$(ls out-*.bin | wc -l)" = 3 ]
  holds "out-$parent.bin" fork.lua:15
  [[ "$output" != *fork.lua:9* ]]
  rm "out-$parent.bin"
  for name in out-*.bin; do
    holds "$name" fork.lua:9
    [[ "$output" != *fork.lua:15* ]]
  done
  rm out-*
  OUT=one.bin preloaded "$BUILD/embed" fork.lua
  holds one.bin fork.lua:15
  [[ "$output" != *fork.lua:9* ]]
  [ "$(ls)" = "fork.lua
one.bin" ]
}

@test "a child does not take its parent's name, signal or not" {
  cat > child.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int fork(void); int waitpid(int, int *, int); int raise(int);"
if ffi.C.fork() == 0 then ffi.C.raise(12) keep = {{}} os.exit(0) end
ffi.C.waitpid(-1, nil, 0)
LUA
  OUT=p.bin SIGNAL=USR2 run preloaded "$BUILD/embed" child.lua
  [ "$status" = 0 ]
  [ "$output" = "ljmemprof: a forked child records only if MEMPROF_OUT \
has %p" ]
  leaks p.bin
  [ "$(ls)" = "child.lua
p.bin" ]
}

@test "what the disk says is told in one line, and the program lives" {
  cat > much.lua <<'LUA'
for i = 1, 200000 do keep = {i} end
print("done")
LUA
  ln -s /dev/full full.bin
  OUT=full.bin run preloaded "$BUILD/embed" much.lua
  echo "$output"
  [ "$status" = 0 ]
  [ "${#lines[@]}" = 2 ]
  [ "${lines[0]}" = "ljmemprof: $PWD/full.bin: No space left on device; \
the recording has ended" ]
  [ "${lines[1]}" = done ]
  OUT=/nonexistent/x.bin run preloaded "$BUILD/embed" -n 2 much.lua
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = \
    "ljmemprof: /nonexistent/x.bin: No such file or directory" ]
}

@test "a script's own start and stop go together with the environment" {
  cat > both.lua <<'LUA'
local ffi = require "ffi"
ffi.cdef "int raise(int);"
jit.off()
local m = require("ljmemprof").misc.memprof
local ok, message = m.start("own.bin")
assert(not ok and message == "profiler is running already")
assert(m.stop())
assert(m.start("own.bin"))
keep = {} for i = 1, 1000 do keep[i] = {} end
assert(m.stop())
ffi.C.raise(12)
for i = 1, 1000 do keep[i] = {} end
LUA
  SIGNAL=USR2 OUT=env.bin preloaded "$BUILD/embed" both.lua
  holds own.bin both.lua:9
  holds env.2.bin both.lua:12
  leaks env.bin
}

@test "MEMPROF_TRACE holds for what the environment starts" {
  echo 'keep = {} jit.opt.start("hotloop=3")
for i = 1, 1000 do keep[i] = {} end' > trace.lua
  MEMPROF_TRACE=number OUT=t.bin preloaded "$BUILD/embed" trace.lua
  holds t.bin "TRACE [1] started at @trace.lua:2"
}

@test "require honours the environment where nothing can be preloaded" {
  stock_luajit
  keeping > keep.lua
  for init in 'require "ljmemprof"' 'require "misc"'; do
    LUA_INIT=$init MEMPROF_AUTOSTART=1 MEMPROF_OUT=init.bin luajit keep.lua
    holds init.bin keep.lua:2
    rm init.bin
    LUA_INIT=$init luajit keep.lua
    [ "$(ls)" = keep.lua ]
  done
  LD_PRELOAD="$BUILD/libljmemprof-preload.so" MEMPROF_OUT=x.bin \
    MEMPROF_AUTOSTART=1 run luajit keep.lua
  [ "$status" = 0 ]
  [ "${#lines[@]}" = 1 ]
  [[ "$output" == "ljmemprof: LuaJIT is linked into this program"* ]]
}

@test "threads, forks and signals at once leave whole streams" {
  cat > all.lua <<'LUA'
require "ljmemprof"
local ffi = require "ffi"
ffi.cdef [[typedef struct { long s, us; } tv;
  int setitimer(int, tv *, tv *);]]
ffi.C.setitimer(0, ffi.new("tv[2]", {{0, 2000}, {0, 2000}}), nil) -- ALRM
assert(host.thread_vms(4, [[
  local ffi = require "ffi"
  ffi.cdef "int fork(void); int waitpid(int, int *, int);"
  require "ljmemprof"
  local keep = {}
  for i = 1, 100000 do
    keep[i % 1000] = {i}
    if i % 25000 == 0 then
      local pid = ffi.C.fork()
      if pid == 0 then
        for j = 1, 1000 do keep[j] = {j} end
        os.exit(0)
      end
      ffi.C.waitpid(pid, nil, 0)
    end
  end
]]))
LUA
  ASAN_OPTIONS=detect_leaks=0 MEMPROF_OUT=all-%p.bin.zst MEMPROF_SIGNAL=ALRM \
    MEMPROF_AUTOSTART=1 "$BUILD/lua-host" all.lua
  [ "$(ls all-* | wc -l)" -ge 10 ]
  for stream in all-*; do leaks "$stream" > /dev/null; done
}
