/*
 * memprof.c - what Lua sees: require "misc", require "ljmemprof".
 *
 *   misc.memprof.start([fname])  records into the file, "memprof.bin" if none;
 *     with {trace = "number"} as a second argument, or MEMPROF_TRACE=number
 *     in the environment, compiled code is TRACE [n] instead of its lines
 *   misc.memprof.stop()          ends the recording
 *   misc.memprof.available       true where recording can start
 *
 * The table that require "ljmemprof" returns has these for the compact stream
 * (options.h tells its options), and:
 *
 *   mark(label [, options])  names this moment; with {gc = true} after a full
 *                collection
 *   stats()      a table: running, events, bytes, written, lost, seconds, vm
 *   misc         a table with the memprof of above
 *
 * start, stop and mark return true, or nil, a message and an errno. The only
 * file, with options.c, that may raise a Lua error, and only for arguments
 * that are wrong. Loading the module also does what the environment asks for:
 * see environment.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "environment.h"
#include "memprof.h"
#include "options.h"
#include "process_vm.h"
#include "recorder.h"
#include "trace_events.h"

/* Registry keys: texts, so that a second copy of the module finds them. */
#define KEY_RECORDER "ljmemprof.recorder" /* userdata: struct recorder * */
#define KEY_COLLECT  "ljmemprof.collect"  /* function */
#define KEY_MEMPROF  "ljmemprof.memprof"  /* table: start, stop, available */
#define KEY_COMPACT  "ljmemprof.compact"  /* the same for compact streams */

#define DEFAULT_FILE "memprof.bin"

/* A finalizer that raises ends a collection: how often is it begun again? */
#define COLLECTIONS_MAX 1000

/* Stack: +3. nil, message, errno. */
static int push_failure(lua_State *L, const char *message, int error)
{
	lua_pushnil(L);
	lua_pushstring(L, message);
	lua_pushinteger(L, error);
	return 3;
}

/* Stack: +1 or +3. true, or what the system says of the file. */
static int push_result(lua_State *L, const char *path, int error)
{
	char message[320];
	if (error) {
		snprintf(message, sizeof message, "%s: %s", path,
			 strerror(error));
		return push_failure(L, message, error);
	}
	lua_pushboolean(L, 1);
	return 1;
}

struct recorder *memprof_recorder(lua_State *L)
{
	struct recorder **holder;
	lua_getfield(L, LUA_REGISTRYINDEX, KEY_RECORDER);
	holder = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return holder ? *holder : NULL;
}

/* ---- full collections: their finalizers may raise, which ends there */

static int collect(lua_State *L)
{
	lua_gc(L, LUA_GCCOLLECT, 0);
	return 0;
}

void memprof_collect(lua_State *L)
{
	bool stopped = lua_gc(L, LUA_GCISRUNNING, 0) == 0;
	int whole = 0, i;
	for (i = 0; i < COLLECTIONS_MAX && whole < 2; i++) {
		/* Not lua_cpcall(), which makes an object: it is recorded. */
		lua_getfield(L, LUA_REGISTRYINDEX, KEY_COLLECT);
		if (lua_pcall(L, 0, 0, 0))
			lua_pop(L, 1);
		else
			whole++;
	}
	if (stopped)
		lua_gc(L, LUA_GCSTOP, 0);
}

/* Stack: 0. The same while recording. */
static void collect_told(lua_State *L, struct recorder *r,
			 enum ljm_collection reason)
{
	uint64_t began;
	if (!recorder_collects(r, &began))
		return;
	memprof_collect(L);
	recorder_collected(r, reason, began);
}

/* ---- start and stop */

/* Stack: +1 or +3. */
static int start(lua_State *L, const char *path, const struct options *o)
{
	struct recorder *r = memprof_recorder(L);
	const struct recorder_vm *vm;
	char message[320];
	int error;
	if (!r)
		return push_failure(L, "the VM is closing", EINVAL);
	if (r->running || r->live)
		return push_failure(L, "profiler is running already", EINVAL);
	vm = process_vm(L, o->recorder.depth, message, sizeof message);
	if (!vm)
		return push_failure(L, message, ENOTSUP);
	if (o->gc)
		memprof_collect(L);
	if (r->running) /* a finalizer began one */
		return push_failure(L, "profiler is running already", EINVAL);
	error = recorder_start(r, L, vm, path, &o->recorder);
	r->collects = o->gc;
	if (!error && o->gc)
		recorder_started_collected(r);
	return push_result(L, path, error);
}

/*
 * Lua: start([fname [, options]]) -> true | nil, message, errno.
 * Stack: +1 or +3.
 */
static int memprof_start(lua_State *L)
{
	const char *path = luaL_optstring(L, 1, DEFAULT_FILE);
	struct options options;
	options_read(L, 2, false, &options);
	return start(L, path, &options);
}

/* The same for compact streams. */
static int compact_start(lua_State *L)
{
	const char *path = luaL_optstring(L, 1, DEFAULT_FILE);
	struct options options;
	options_read(L, 2, true, &options);
	return start(L, path, &options);
}

/* Lua: stop() -> true | nil, message, errno. Stack: +1 or +3. */
static int memprof_stop(lua_State *L)
{
	struct recorder *r = memprof_recorder(L);
	char path[256] = "";
	int error;
	if (r && r->running && r->collects) {
		r->collects = false; /* a finalizer may stop, too */
		collect_told(L, r, LJM_COLLECTION_STOP);
	}
	if (r && r->path)
		snprintf(path, sizeof path, "%s", r->path);
	error = r ? recorder_stop(r, L) : ESRCH;
	if (error == ESRCH)
		return push_failure(L, "profiler is not running", EINVAL);
	return push_result(L, path, error);
}

/*
 * Lua: mark(label [, options]) -> true | nil, message, errno.
 * Stack: +1 or +3.
 */
static int compact_mark_here(lua_State *L)
{
	struct recorder *r = memprof_recorder(L);
	size_t n;
	const char *label = luaL_checklstring(L, 1, &n);
	bool gc = options_read_mark(L, 2);
	int error;
	if (r && gc)
		collect_told(L, r, LJM_COLLECTION_MARK);
	error = r ? recorder_mark(r, label, n) : ESRCH;
	if (error == ESRCH)
		return push_failure(L, "no recording that can hold marks",
				    EINVAL);
	return push_result(L, r->path ? r->path : "", error);
}

static void set_number(lua_State *L, const char *name, double value)
{
	lua_pushnumber(L, value);
	lua_setfield(L, -2, name);
}

/* Lua: stats() -> table. Stack: +1. */
static int compact_stats(lua_State *L)
{
	struct recorder *r = memprof_recorder(L);
	struct recorder_stats stats;
	memset(&stats, 0, sizeof stats);
	if (r)
		recorder_get_stats(r, &stats);
	lua_createtable(L, 0, 8);
	lua_pushboolean(L, stats.running);
	lua_setfield(L, -2, "running");
	set_number(L, "events", (double)stats.events);
	set_number(L, "bytes", (double)stats.bytes);
	set_number(L, "written", (double)stats.written);
	set_number(L, "lost", (double)stats.lost);
	set_number(L, "seconds", stats.seconds);
	lua_pushstring(L, process_vm_description());
	lua_setfield(L, -2, "vm");
	return 1;
}

/*
 * __gc of the recorder's holder. lua_close() runs it before it frees the
 * heap, so that LuaJIT finds its own allocator again and frees its arena.
 */
static int holder_gc(lua_State *L)
{
	struct recorder **holder = lua_touserdata(L, 1);
	if (holder && *holder) {
		recorder_close(*holder, L);
		*holder = NULL;
	}
	return 0;
}

/*
 * Stack: 0. Attaches the handler of trace events, once that is possible: a
 * VM may be seen before it opens jit.
 */
static void hear_traces(lua_State *L, struct recorder *r)
{
	if (r->hears_traces || !r->prepared)
		return;
	lua_getfield(L, LUA_REGISTRYINDEX, KEY_RECORDER);
	r->hears_traces = trace_events_attach(L);
}

/* Stack: 0. Makes the recorder of this VM unless it is there. */
static void make_recorder(lua_State *L)
{
	struct recorder **holder;
	const struct recorder_vm *vm;
	char message[320];
	lua_getfield(L, LUA_REGISTRYINDEX, KEY_RECORDER);
	if (lua_isuserdata(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	holder = lua_newuserdata(L, sizeof *holder);
	*holder = NULL;
	lua_createtable(L, 0, 1);
	lua_pushcclosure(L, holder_gc, 0);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	*holder = recorder_new();
	if (!*holder)
		luaL_error(L, "not enough memory");
	lua_setfield(L, LUA_REGISTRYINDEX, KEY_RECORDER);
	lua_pushcfunction(L, collect);
	lua_setfield(L, LUA_REGISTRYINDEX, KEY_COLLECT);
	/* From now on, not from start() on: its traces are compiled by then. */
	vm = process_vm(L, 0, message, sizeof message);
	if (vm)
		recorder_prepare(*holder, L, vm);
	hear_traces(L, *holder);
}

/* ---- what the environment asks for */

static int attach_protected(lua_State *L)
{
	struct recorder *r;
	const struct recorder_vm *vm;
	struct options options;
	char message[320];
	make_recorder(L);
	r = memprof_recorder(L);
	if (!r)
		return 0;
	hear_traces(L, r);
	options_of_environment(&options);
	vm = process_vm(L, options.recorder.depth, message, sizeof message);
	if (!vm && options.recorder.depth) {
		environment_say("%s", message);
		options.recorder.depth = 0;
		vm = process_vm(L, 0, message, sizeof message);
	}
	if (!vm) {
		environment_say("%s", message);
		return 0;
	}
	recorder_attach(r, L, vm, &options.recorder);
	return 0;
}

/*
 * Stack: 0. For any moment at which L may be called: by the preloaded library
 * when the VM opens its libraries, and when the module is loaded. Raises
 * nothing, and does nothing unless the environment says so.
 */
EXPORT void ljmemprof_attach(lua_State *L);
EXPORT void ljmemprof_attach(lua_State *L)
{
	const char *message;
	if (!environment_wanted() || !lua_cpcall(L, attach_protected, NULL))
		return;
	message = lua_tostring(L, -1);
	environment_say("%s", message ? message : "an error without text");
	lua_pop(L, 1);
}

/* ---- the modules */

/* Stack: 0. Adds what both tables have to the one on top. */
static void add_functions(lua_State *L, lua_CFunction start_function)
{
	struct recorder *r = memprof_recorder(L);
	char message[320];
	lua_pushcclosure(L, start_function, 0);
	lua_setfield(L, -2, "start");
	lua_pushcclosure(L, memprof_stop, 0);
	lua_setfield(L, -2, "stop");
	/* What is prepared was verified. */
	lua_pushboolean(L, (r && r->prepared) ||
				   process_vm(L, 0, message, sizeof message));
	lua_setfield(L, -2, "available");
}

/* Stack: +1. The table under this key, or an empty one; true if it was there.
 */
static bool push_table(lua_State *L, const char *key)
{
	lua_getfield(L, LUA_REGISTRYINDEX, key);
	if (lua_istable(L, -1))
		return true;
	lua_pop(L, 1);
	make_recorder(L);
	ljmemprof_attach(L);
	lua_createtable(L, 0, 8);
	return false;
}

/* Stack: 0. Keeps the table on top under this key, now that it is whole. */
static void keep_table(lua_State *L, const char *key)
{
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, key);
}

/* Stack: +1. The memprof of misc. */
static void push_memprof(lua_State *L)
{
	if (push_table(L, KEY_MEMPROF))
		return;
	add_functions(L, memprof_start);
	keep_table(L, KEY_MEMPROF);
}

/*
 * require "ljmemprof": its field misc holds a table with misc's memprof, for
 * hosts whose global misc has a memprof of its own.
 */
EXPORT int luaopen_ljmemprof(lua_State *L)
{
	if (push_table(L, KEY_COMPACT))
		return 1;
	add_functions(L, compact_start);
	lua_pushcclosure(L, compact_mark_here, 0);
	lua_setfield(L, -2, "mark");
	lua_pushcclosure(L, compact_stats, 0);
	lua_setfield(L, -2, "stats");
	lua_createtable(L, 0, 1);
	push_memprof(L);
	lua_setfield(L, -2, "memprof");
	lua_setfield(L, -2, "misc");
	keep_table(L, KEY_COMPACT);
	return 1;
}

/*
 * require "misc" returns the global misc: made, or completed with memprof
 * when there is one without.
 */
EXPORT int luaopen_misc(lua_State *L);
EXPORT int luaopen_misc(lua_State *L)
{
	/* Raw: a host may guard its globals with metamethods that raise. */
	lua_pushliteral(L, "misc");
	lua_rawget(L, LUA_GLOBALSINDEX);
	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "misc");
		lua_pushvalue(L, -2);
		lua_rawset(L, LUA_GLOBALSINDEX);
	}
	lua_pushliteral(L, "memprof");
	lua_rawget(L, -2);
	if (lua_isnil(L, -1)) {
		lua_pushliteral(L, "memprof");
		push_memprof(L);
		lua_rawset(L, -4);
	}
	lua_pop(L, 1);
	return 1;
}
