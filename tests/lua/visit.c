/*
 * visit.c - a library that is loaded and unloaded: see host.visit().
 *
 * Built twice, with names of different functions at one address, and with the
 * same size, so that the second can take the first one's place.
 */
#include <lua.h>

int visit(lua_State *L);

/* Static, and the one that is called: its name is what is recorded. */
static __attribute__((noinline)) int VISITOR(lua_State *L)
{
	lua_newuserdata(L, 5000);
	return 1;
}

int visit(lua_State *L)
{
	lua_pushcfunction(L, VISITOR);
	lua_call(L, 0, 1);
	return 1;
}
