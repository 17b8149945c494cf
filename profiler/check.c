/*
 * check.c - require "ljmemprof.check": what check.lua is made of.
 *
 * Lua finds luaopen_ljmemprof_check in ljmemprof.so by itself (the loader for
 * modules that are part of a larger library), so that there is no second file
 * to install. The functions below are for check.lua alone.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "check.h"
#include "live.h"
#include "memprof.h"
#include "process_vm.h"
#include "recorder.h"

/* The metatable of a watch. */
#define TYPE_WATCH "ljmemprof.watch"

/* A watch that nobody ends is ended when it is collected. */
struct watch {
	struct live *live; /* NULL: it has ended */
};

/* Stack: 0. The recorder, if it is this watch that it has. */
static struct recorder *watcher(lua_State *L)
{
	struct watch *w = luaL_checkudata(L, 1, TYPE_WATCH);
	struct recorder *r = memprof_recorder(L);
	return r && w->live && r->live == w->live ? r : NULL;
}

/* Lua: stop(watch), and its __gc. Stack: 0. */
static int check_stop(lua_State *L)
{
	struct watch *w = luaL_checkudata(L, 1, TYPE_WATCH);
	struct recorder *r = watcher(L);
	if (r)
		recorder_unwatch(r, L);
	w->live = NULL;
	return 0;
}

/* Stack: +2. nil, message. */
static int push_failure(lua_State *L, const char *message)
{
	lua_pushnil(L);
	lua_pushstring(L, message);
	return 2;
}

/* Lua: start(runs) -> watch | nil, message. Stack: +1 or +2. */
static int check_start(lua_State *L)
{
	uint32_t runs = (uint32_t)luaL_checkinteger(L, 1);
	struct recorder *r = memprof_recorder(L);
	const struct recorder_vm *vm;
	struct watch *w;
	char message[320];
	if (!r)
		return push_failure(L, "the VM is closing");
	if (r->live)
		return push_failure(L, "another check is under way");
	if (r->running)
		return push_failure(L, "a recording is under way");
	vm = process_vm(L, 0, message, sizeof message);
	if (!vm)
		return push_failure(L, message);
	w = lua_newuserdata(L, sizeof *w);
	w->live = NULL;
	luaL_getmetatable(L, TYPE_WATCH);
	lua_setmetatable(L, -2);
	if (recorder_watch(r, L, vm, runs))
		return push_failure(L, "not enough memory");
	w->live = r->live;
	return 1;
}

/* Lua: run_ended(watch) -> true | nil, message. Stack: +1 or +2. */
static int check_run_ended(lua_State *L)
{
	struct recorder *r = watcher(L);
	int error;
	if (!r)
		return push_failure(L, "the watch has ended");
	memprof_collect(L);
	error = recorder_run_ended(r, L);
	if (error == ENODATA || error == EILSEQ)
		return push_failure(L, "allocations were missed");
	if (error)
		return push_failure(L, strerror(error));
	lua_pushboolean(L, 1);
	return 1;
}

/* Stack: 0. Sets fields of the table on top: what came since the warm-up. */
static void set_sums(lua_State *L, double bytes, double blocks)
{
	lua_pushnumber(L, bytes);
	lua_setfield(L, -2, "bytes");
	lua_pushnumber(L, blocks);
	lua_setfield(L, -2, "blocks");
}

static double bytes_of(const struct live_place *p)
{
	return (double)p->now.bytes - (double)p->first.bytes;
}

static double blocks_of(const struct live_place *p)
{
	return (double)p->now.blocks - (double)p->first.blocks;
}

static const char *kind_of(const struct live_place *p)
{
	switch (p->kind) {
	case LJM_FRAME_LUA:
		return "line";
	case LJM_FRAME_TRACE:
		return "trace";
	case LJM_FRAME_C:
		return "function";
	default:
		return "unknown";
	}
}

/* Stack: +1. A table: kind, name, line, bytes, blocks. */
static void push_place(lua_State *L, const struct live *l,
		       const struct live_place *p)
{
	lua_createtable(L, 0, 8);
	lua_pushstring(L, kind_of(p));
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, texts_get(&l->texts, p->text));
	lua_setfield(L, -2, "name");
	lua_pushnumber(L, p->line);
	lua_setfield(L, -2, "line");
	set_sums(L, bytes_of(p), blocks_of(p));
}

/*
 * Lua: result(watch, max_bytes) -> array of what leaks, {bytes, blocks} of all
 * places. Stack: +2.
 */
static int check_result(lua_State *L)
{
	struct recorder *r = watcher(L);
	double max_bytes = luaL_checknumber(L, 2), bytes = 0, blocks = 0;
	const struct live *l;
	uint32_t i;
	int n = 0;
	if (!r)
		return luaL_error(L, "the watch has ended");
	l = r->live;
	/* What is pushed from here on does not count. */
	r->recording = RECORDER_OFF;
	lua_newtable(L);
	for (i = 1; i <= l->place_count; i++) {
		const struct live_place *p = &l->places[i];
		bytes += bytes_of(p);
		blocks += blocks_of(p);
		if (!live_leaks(l, p, max_bytes))
			continue;
		push_place(L, l, p);
		lua_rawseti(L, -2, ++n);
	}
	lua_createtable(L, 0, 4);
	set_sums(L, bytes, blocks);
	return 2;
}

static const luaL_Reg functions[] = {
	{"start", check_start},
	{"run_ended", check_run_ended},
	{"result", check_result},
	{"stop", check_stop},
	{NULL, NULL},
};

/* Stack: +1. The table of functions. */
static void push_functions(lua_State *L)
{
	const luaL_Reg *f;
	lua_newtable(L);
	for (f = functions; f->name; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
}

EXPORT int luaopen_ljmemprof_check(lua_State *L);
EXPORT int luaopen_ljmemprof_check(lua_State *L)
{
	luaopen_ljmemprof(L); /* traces are heard of from now on */
	luaL_newmetatable(L, TYPE_WATCH);
	lua_pushcfunction(L, check_stop);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 2);
	if (luaL_loadbuffer(L, check_lua, check_lua_size, "=ljmemprof.check"))
		return lua_error(L);
	push_functions(L);
	lua_call(L, 1, 1);
	return 1;
}
