/*
 * strange.c - makes every VM of lua-host-strange a strange one.
 *
 * The link replaces luaL_openlibs by __wrap_luaL_openlibs, which afterwards
 * runs the Lua code in the environment variable STRANGE, in the recorder's
 * scratch VM too: a LuaJIT 2.0 by its version, one without jit.util, ...
 */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>

void __real_luaL_openlibs(lua_State *L);
void __wrap_luaL_openlibs(lua_State *L);

void __wrap_luaL_openlibs(lua_State *L)
{
	const char *code = getenv("STRANGE");
	__real_luaL_openlibs(L);
	if (code && luaL_dostring(L, code)) {
		fprintf(stderr, "STRANGE: %s\n", lua_tostring(L, -1));
		exit(2);
	}
}
