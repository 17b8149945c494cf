/*
 * trace_events.c - hears of every instruction of a trace that is recorded.
 */
#include "trace_events.h"

#include <lauxlib.h>

#include "recorder.h"
#include "vm_trace.h"

/* Where LuaJIT keeps its handlers: in the registry, keyed by event. */
#define HANDLERS "_VMEVENTS"

/* The key of the handler below ours; LuaJIT's are multiples of eight. */
#define KEY_BELOW 0x6c6a6d

/* Calls the handler below ours with our arguments, if it is still there. */
static void call_below(lua_State *L)
{
	int i, n = lua_gettop(L);
	lua_getfield(L, LUA_REGISTRYINDEX, HANDLERS);
	if (!lua_istable(L, -1))
		return;
	lua_rawgeti(L, -1, KEY_BELOW);
	if (!lua_isfunction(L, -1) || !lua_checkstack(L, n + 1))
		return;
	for (i = 1; i <= n; i++)
		lua_pushvalue(L, i);
	lua_call(L, n, 0);
}

/* Of the closure whose upvalue 1 is the holder; NULL when it is deaf. */
static struct recorder *listener(lua_State *L)
{
	struct recorder **holder = lua_touserdata(L, lua_upvalueindex(1));
	return *holder && (*holder)->layout.has_trace_lines ? *holder : NULL;
}

/* Arguments: trace, function, position, depth. */
static int on_record(lua_State *L)
{
	struct recorder *r = listener(L);
	if (r)
		vm_traces_record(&r->traces, &r->layout, r->global, L);
	call_below(L);
	return 0;
}

/* Stack: +1. The table of handlers, or nil. */
static void push_handlers(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, HANDLERS);
}

/* Stack: -1, +1. A copy of the table, or an empty one. */
static void copy_table(lua_State *L)
{
	lua_newtable(L);
	if (!lua_istable(L, -2)) {
		lua_remove(L, -2);
		return;
	}
	lua_pushnil(L);
	while (lua_next(L, -3)) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	lua_remove(L, -2);
}

/* Stack: +1. jit.attach, or nil. */
static void push_attach(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "jit");
		lua_remove(L, -2);
	}
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "attach");
		lua_remove(L, -2);
	}
}

/*
 * Puts the handler that had our key under the key for it. Stack: the handlers
 * before and after at the indexes; ours is at the third.
 */
static void keep_below(lua_State *L, int before, int after, int ours)
{
	lua_pushnil(L);
	while (lua_next(L, after)) {
		if (!lua_rawequal(L, -1, ours)) {
			lua_pop(L, 1);
			continue;
		}
		lua_pop(L, 1);
		lua_rawget(L, before);
		if (lua_isfunction(L, -1))
			lua_rawseti(L, after, KEY_BELOW);
		return;
	}
}

bool trace_events_attach(lua_State *L)
{
	int ours = lua_gettop(L), before = ours + 1;
	bool there;
	lua_pushcclosure(L, on_record, 1);
	push_handlers(L);
	copy_table(L);
	push_attach(L);
	there = lua_isfunction(L, -1);
	if (there) {
		lua_pushvalue(L, ours);
		lua_pushliteral(L, "record");
		if (lua_pcall(L, 2, 0, 0) == 0) {
			push_handlers(L);
			if (lua_istable(L, -1))
				keep_below(L, before, lua_gettop(L), ours);
		}
	}
	lua_settop(L, ours - 1);
	return there;
}
