/*
 * memprof.c - what Lua sees: require "misc", require "ljmemprof".
 *
 *   misc.memprof.start([fname])  records into the file, "memprof.bin" if none;
 *     with {trace = "number"} as a second argument, or MEMPROF_TRACE=number
 *     in the environment, compiled code is TRACE [n] instead of its lines
 *   misc.memprof.stop()          ends the recording
 *   misc.memprof.available       true where recording can start
 *
 * start and stop return true, or nil, a message and an errno. The only file
 * that may raise a Lua error, and only for arguments of a wrong type. Loading
 * the module also does what the environment asks for: see environment.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <lauxlib.h>
#include <lua.h>

#include "environment.h"
#include "process_lock.h"
#include "recorder.h"
#include "trace_events.h"
#include "vm_layout.h"
#include "vm_trace.h"

#define EXPORT __attribute__((visibility("default")))

/* Registry keys: texts, so that a second copy of the module finds them. */
#define KEY_RECORDER "ljmemprof.recorder" /* userdata: struct recorder * */
#define KEY_MEMPROF  "ljmemprof.memprof"  /* table: start, stop, available */

/* How long a fork() waits for another thread to have measured. */
#define PATIENCE_MILLISECONDS 1000

#define DEFAULT_FILE "memprof.bin"

#if defined(__x86_64__) && defined(__linux__) && defined(__LP64__)
#define PLATFORM_SUPPORTED 1
#else
#define PLATFORM_SUPPORTED 0
#endif

/* The layout of this process's LuaJIT: measured once, when it succeeds. */
static struct {
	struct process_lock lock; /* a child measures anew what is half done */
	bool measured;
	struct vm_layout layout;
	struct vm_traces primed; /* what the measurement learnt */
	char version[64];
} vm;

/*
 * No child is forked while another thread measures: that thread raises and
 * compiles, which takes a lock of libgcc's that the child would inherit for
 * ever.
 */
static __thread bool forks_locked;

static void before_fork(void)
{
	forks_locked = process_lock_within(&vm.lock, PATIENCE_MILLISECONDS);
}

static void after_fork_in_parent(void)
{
	if (forks_locked)
		process_unlock(&vm.lock);
}

/* When loaded, not with the first VM: a fork may have begun by then. */
static __attribute__((constructor)) void prepare_for_fork(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, NULL);
}

/* Copies the layout; false with a sentence about what was found. */
static bool get_layout(struct vm_layout *layout, char *message, size_t size)
{
	char error[160] = "";
	struct utsname host;
	bool ok;
	if (!PLATFORM_SUPPORTED) {
		if (uname(&host) != 0)
			memset(&host, 0, sizeof host);
		snprintf(message, size,
			 "profiling needs Linux on x86-64, this is %s on %s",
			 host.sysname, host.machine);
		return false;
	}
	process_lock(&vm.lock);
	if (!vm.measured)
		vm.measured = vm_layout_measure(&vm.layout, &vm.primed,
						vm.version, sizeof vm.version,
						error, sizeof error);
	ok = vm.measured;
	*layout = vm.layout;
	if (!ok)
		snprintf(message, size, "cannot profile %s: %s", vm.version,
			 error);
	process_unlock(&vm.lock);
	return ok;
}

/* Copies the layout if it holds for the VM of L, too. */
static bool get_verified_layout(lua_State *L, struct vm_layout *layout,
				char *message, size_t size)
{
	char error[160] = "";
	if (!get_layout(layout, message, size))
		return false;
	if (vm_layout_verify(layout, L, error, sizeof error))
		return true;
	snprintf(message, size, "cannot profile this VM (%s): %s", vm.version,
		 error);
	return false;
}

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

/* Stack: 0. The recorder of this VM; NULL when it is closing. */
static struct recorder *recorder_of(lua_State *L)
{
	struct recorder **holder;
	lua_getfield(L, LUA_REGISTRYINDEX, KEY_RECORDER);
	holder = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return holder ? *holder : NULL;
}

/*
 * The option trace of the table at index 2, or of the environment:
 * true for "number", false for "line". Raises for what is neither, and for
 * options that do not exist. Stack: 0.
 */
static bool wants_trace_numbers(lua_State *L)
{
	const char *environment = getenv("MEMPROF_TRACE");
	bool number = environment && !strcmp(environment, "number");
	if (lua_isnoneornil(L, 2))
		return number;
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, 2)) {
		if (lua_type(L, -2) != LUA_TSTRING ||
		    strcmp(lua_tostring(L, -2), "trace") != 0)
			luaL_error(L, "start has no option '%s', only 'trace'",
				   lua_type(L, -2) == LUA_TSTRING
					   ? lua_tostring(L, -2)
					   : luaL_typename(L, -2));
		number = lua_isstring(L, -1) &&
			 !strcmp(lua_tostring(L, -1), "number");
		if (!number && !(lua_isstring(L, -1) &&
				 !strcmp(lua_tostring(L, -1), "line")))
			luaL_error(L, "option 'trace' of start is \"line\" or "
				      "\"number\"");
		lua_pop(L, 1);
	}
	return number;
}

/*
 * Lua: start([fname [, options]]) -> true | nil, message, errno.
 * Stack: +1 or +3.
 */
static int memprof_start(lua_State *L)
{
	const char *path = luaL_optstring(L, 1, DEFAULT_FILE);
	bool trace_numbers = wants_trace_numbers(L);
	struct recorder *r = recorder_of(L);
	struct vm_layout layout;
	char message[320];
	if (!r)
		return push_failure(L, "the VM is closing", EINVAL);
	if (r->running)
		return push_failure(L, "profiler is running already", EINVAL);
	if (!get_verified_layout(L, &layout, message, sizeof message))
		return push_failure(L, message, ENOTSUP);
	r->trace_numbers = trace_numbers;
	return push_result(L, path, recorder_start(r, L, &layout, path));
}

/* Lua: stop() -> true | nil, message, errno. Stack: +1 or +3. */
static int memprof_stop(lua_State *L)
{
	struct recorder *r = recorder_of(L);
	char path[256] = "";
	int error;
	if (r && r->path)
		snprintf(path, sizeof path, "%s", r->path);
	error = r ? recorder_stop(r, L) : ESRCH;
	if (error == ESRCH)
		return push_failure(L, "profiler is not running", EINVAL);
	return push_result(L, path, error);
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
	struct vm_layout layout;
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
	/* From now on, not from start() on: its traces are compiled by then. */
	if (get_verified_layout(L, &layout, message, sizeof message))
		recorder_prepare(*holder, L, &layout, &vm.primed);
	hear_traces(L, *holder);
}

/* ---- what the environment asks for */

static int attach_protected(lua_State *L)
{
	bool trace_numbers = wants_trace_numbers(L); /* no options: so told */
	struct recorder *r;
	struct vm_layout layout;
	char message[320];
	make_recorder(L);
	r = recorder_of(L);
	if (!r)
		return 0;
	hear_traces(L, r);
	if (!r->running)
		r->trace_numbers = trace_numbers;
	if (get_verified_layout(L, &layout, message, sizeof message))
		recorder_attach(r, L, &layout);
	else
		environment_say("%s", message);
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

/* Stack: +1. The memprof table of this VM, one for both modules. */
static void push_memprof(lua_State *L)
{
	struct recorder *r;
	struct vm_layout layout;
	char message[320];
	lua_getfield(L, LUA_REGISTRYINDEX, KEY_MEMPROF);
	if (lua_istable(L, -1))
		return;
	lua_pop(L, 1);
	make_recorder(L);
	ljmemprof_attach(L);
	lua_createtable(L, 0, 4);
	lua_pushcclosure(L, memprof_start, 0);
	lua_setfield(L, -2, "start");
	lua_pushcclosure(L, memprof_stop, 0);
	lua_setfield(L, -2, "stop");
	r = recorder_of(L);
	/* What is prepared was verified. */
	lua_pushboolean(L, (r && r->prepared) ||
				   get_verified_layout(L, &layout, message,
						       sizeof message));
	lua_setfield(L, -2, "available");
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, "memprof");
	lua_setfield(L, -2, "misc");
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, KEY_MEMPROF);
}

/*
 * require "ljmemprof" returns the memprof table; its field misc holds a table
 * with it as memprof, for hosts whose global misc has a memprof of its own.
 */
EXPORT int luaopen_ljmemprof(lua_State *L);
EXPORT int luaopen_ljmemprof(lua_State *L)
{
	push_memprof(L);
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
