#!/usr/bin/env bats
# The ways in which programs come to their LuaJIT.

load helpers

preloaded() {
  env LD_PRELOAD="$BUILD/libljmemprof-preload.so" \
    ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
    MEMPROF_OUT=out.bin MEMPROF_AUTOSTART=1 "$@"
}

check() {
  echo 'keep = {} if jit then jit.off() end
for i = 1, 1000 do keep[i] = {} end' > keep.lua
  run preloaded "$@"
  echo "$output"
  [ "$status" = 0 ]
  [ -z "$output" ]
  run leaks out.bin
  echo "$output"
  [ "$status" = 0 ]
  [[ "$output" == *"keep.lua:2 holds"* ]]
}

luajit_library() {
  ldd "$BUILD/embed" | awk '/libluajit/ { print $3 }'
}

@test "libraries opened one by one, and no jit among them" {
  check "$BUILD/embed" -b keep.lua
}

@test "a plugin, loaded late and local" {
  check "$BUILD/embed-late" plugin "$BUILD/embed-plugin.so" keep.lua
}

@test "functions taken by dlsym" {
  check "$BUILD/embed-late" dlsym "$(luajit_library)" keep.lua
}

@test "a module that is elsewhere" {
  mkdir lib
  cp "$BUILD/ljmemprof.so" lib/m.so
  export MEMPROF_LIB=lib/m.so
  check "$BUILD/embed" keep.lua
}

@test "a module that is missing or strange is told in one line" {
  echo 'print("runs")' > run.lua
  for lib in none.so "$(luajit_library)"; do
    MEMPROF_LIB=$lib run preloaded "$BUILD/embed" run.lua
    echo "$output"
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 2 ]
    [[ "${lines[0]}" == ljmemprof:* ]]
    [ "${lines[1]}" = runs ]
  done
}

@test "a Lua that cannot be profiled runs unharmed and says why" {
  [ "${SANITIZED:-OFF}" = OFF ] || skip "it would not be found first"
  echo 'print("runs")' > run.lua
  # Another preloaded library makes the VM say that it is 2.0.
  cat > old.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
struct lua_State;
int luaL_loadstring(struct lua_State *, const char *);
int lua_pcall(struct lua_State *, int, int, int);
void luaL_openlibs(struct lua_State *L)
{
	void (*next)(struct lua_State *);
	*(void **)&next = dlsym(RTLD_NEXT, "luaL_openlibs");
	next(L);
	luaL_loadstring(L,
		"jit.version, jit.version_num = 'LuaJIT 2.0.5', 20005");
	lua_pcall(L, 0, 0, 0);
}
C
  command -v cc || skip "no compiler"
  cc -shared -fPIC -o old.so old.c
  run env MEMPROF_OUT=out.bin MEMPROF_AUTOSTART=1 \
    LD_PRELOAD="$BUILD/libljmemprof-preload.so:$PWD/old.so" \
    "$BUILD/embed" -n 2 run.lua
  echo "$output"
  [ "$status" = 0 ]
  [ "${lines[0]}" = \
    "ljmemprof: cannot profile LuaJIT 2.0.5: it is not LuaJIT 2.1" ]
  [ "${lines[1]}" = runs ]
  [ "${lines[2]}" = runs ]
  [ "${#lines[@]}" = 3 ]
  [ ! -e out.bin ]
}

@test "PUC Lua is told apart" {
  command -v lua5.1 || skip "lua5.1 is not installed"
  ldd "$(command -v lua5.1)" | grep liblua5.1 || skip "lua5.1 is static"
  echo 'print("runs")' > run.lua
  run preloaded lua5.1 run.lua
  echo "$output"
  [ "$status" = 0 ]
  [ "${#lines[@]}" = 2 ]
  [[ "$output" == *"ljmemprof: this Lua is not LuaJIT: "* ]]
}
