/*
 * vm_probe_run.c - the programs run in the scratch VM, and what they call.
 */
#include "vm_probe.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

/* ---- functions that the scenes call; upvalue 1 is the probe */

static struct probe *probe_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* The function at a level, and its current line. */
static const void *function_at(lua_State *L, int level, int *line)
{
	lua_Debug ar;
	const void *function;
	if (!lua_getstack(L, level, &ar) || !lua_getinfo(L, "fl", &ar))
		return NULL;
	function = lua_topointer(L, -1);
	lua_pop(L, 1);
	*line = ar.currentline;
	return function;
}

/* arm(scene, skip): the next allocation but skip is that scene. */
static int probe_l_arm(lua_State *L)
{
	struct probe *probe = probe_of(L);
	int scene = (int)lua_tointeger(L, 1);
	struct probe_photo *photo;
	if (scene < 0) {
		probe->armed = -1;
		return 0;
	}
	photo = &probe->photo[scene];
	photo->L = L;
	photo->function = function_at(L, 1, &photo->line);
	probe->skip = (int)lua_tointeger(L, 2);
	probe->armed = scene;
	return 0;
}

/* shoot(scene, ...): takes the scene here. */
static int probe_l_shoot(lua_State *L)
{
	struct probe *probe = probe_of(L);
	enum probe_scene scene = (enum probe_scene)lua_tointeger(L, 1);
	struct probe_photo *photo = &probe->photo[scene];
	int line;
	photo->function = function_at(L, 0, &line);
	photo->arguments = lua_gettop(L);
	probe_photograph(probe, scene, L);
	return 0;
}

uintptr_t probe_shoot_address(void)
{
	return (uintptr_t)probe_l_shoot;
}

/* shoot_alloc(scene): an allocation of this C function is the scene. */
static int probe_l_shoot_alloc(lua_State *L)
{
	struct probe *probe = probe_of(L);
	int scene = (int)lua_tointeger(L, 1);
	probe->photo[scene].L = L;
	probe->skip = 0;
	probe->armed = scene;
	lua_newtable(L);
	return 0;
}

/* call(f, n): lua_pcall that wants n results. */
static int probe_l_call(lua_State *L)
{
	int results = (int)lua_tointeger(L, 2);
	lua_settop(L, 1);
	if (!lua_checkstack(L, results + 1))
		return luaL_error(L, "no stack");
	if (lua_pcall(L, 0, results, 0) != 0)
		return lua_error(L);
	return 0;
}

/* resume(f): runs f in a new coroutine, through the C API. */
static int probe_l_resume(lua_State *L)
{
	lua_State *co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	if (lua_resume(co, 0) > LUA_YIELD) {
		lua_xmove(co, L, 1);
		return lua_error(L);
	}
	return 0;
}

/* describe(i, f, first, last, instructions, {line, ...}) */
static int probe_l_describe(lua_State *L)
{
	struct probe *probe = probe_of(L);
	struct probe_function *f = &probe->functions[lua_tointeger(L, 1)];
	int i;
	f->address = lua_topointer(L, 2);
	f->first_line = (int)lua_tointeger(L, 3);
	f->last_line = (int)lua_tointeger(L, 4);
	f->instructions = (int)lua_tointeger(L, 5);
	for (i = 0; i < 64 && i < f->instructions - 1; i++) {
		lua_rawgeti(L, 6, i + 1);
		f->lines[i] = (int)lua_tointeger(L, -1);
		lua_pop(L, 1);
	}
	return 0;
}

/* compiled(f, trace): trace starts in f. compiled(f) returns it. */
static int probe_l_compiled(lua_State *L)
{
	struct probe *probe = probe_of(L);
	const void *function = lua_topointer(L, 1);
	int i;
	for (i = 0; i < 5; i++) {
		if (probe->functions[i].address != function)
			continue;
		if (!lua_isnoneornil(L, 2))
			probe->functions[i].trace = (int)lua_tointeger(L, 2);
		lua_pushinteger(L, probe->functions[i].trace);
		return 1;
	}
	return 0;
}

/* record(trace, f, pc, depth): jit_State while functions[1] is recorded. */
static int probe_l_record(lua_State *L)
{
	struct probe *probe = probe_of(L);
	if (lua_topointer(L, 2) == probe->functions[1].address &&
	    probe->jit_state_count < 2)
		probe_read(probe->global,
			   probe->jit_states[probe->jit_state_count++],
			   PROBE_JIT_SIZE);
	return 0;
}

/* The i-th number of the table at an index. */
static uint32_t number_in(lua_State *L, int table, int i)
{
	uint32_t n;
	lua_rawgeti(L, table, i);
	n = (uint32_t)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return n;
}

/* facts(i, mcode, szmcode, nsnap, nins, types, refs, entries, irnames) */
static int probe_l_facts(lua_State *L)
{
	struct probe *probe = probe_of(L);
	struct probe_trace *t = &probe->traces[lua_tointeger(L, 1)];
	uint32_t i;
	t->mcode = (uint64_t)lua_tonumber(L, 2);
	t->szmcode = (uint32_t)lua_tointeger(L, 3);
	t->nsnap = (uint32_t)lua_tointeger(L, 4);
	t->nins = (uint32_t)lua_tointeger(L, 5);
	if (t->nsnap > PROBE_SNAP_MAX || t->nins > PROBE_IR_MAX)
		return 0;
	for (i = 0; i < t->nins; i++)
		t->types[i] = (uint16_t)number_in(L, 6, (int)i + 1);
	for (i = 0; i < t->nsnap; i++) {
		t->snap_ref[i] = number_in(L, 7, (int)i + 1);
		t->snap_nent[i] = number_in(L, 8, (int)i + 1);
	}
	snprintf(probe->irnames, sizeof probe->irnames, "%s",
		 lua_tostring(L, 9));
	t->known = true;
	return 0;
}

/* watch(line): the loop that follows allocates on that line; 0 ends it. */
static int probe_l_watch(lua_State *L)
{
	struct probe *probe = probe_of(L);
	probe->watch_line = (int)lua_tointeger(L, 1);
	probe->watch_all = probe->watch_line != 0;
	return 0;
}

static int probe_l_on_record(lua_State *L)
{
	struct probe *probe = probe_of(L);
	probe->on_record(probe->watch_arg, probe, L);
	return 0;
}

/* has_jit(): there is a compiler, and it is on. */
static int probe_l_has_jit(lua_State *L)
{
	probe_of(L)->has_jit = true;
	return 0;
}

/* Adds the stack of a thread to the levels, from a level on. */
static void add_levels(struct probe *probe, lua_State *L, int level)
{
	lua_Debug ar;
	for (; lua_getstack(L, level, &ar); level++) {
		struct probe_level *l = &probe->levels[probe->level_count];
		if (probe->level_count == PROBE_LEVELS)
			return;
		l->function = function_at(L, level, &l->line);
		lua_getinfo(L, "n", &ar);
		snprintf(l->name, sizeof l->name, "%s", ar.name ? ar.name : "");
		probe->level_count++;
	}
}

/*
 * step(...): the next allocation is watched; its line is the caller's. The
 * arguments are the threads, but for the main one, that resumed the caller's.
 */
static int probe_l_step(lua_State *L)
{
	struct probe *probe = probe_of(L);
	int i, n = lua_gettop(L);
	probe->level_count = 0;
	add_levels(probe, L, 1);
	for (i = 1; i <= n; i++)
		if (lua_isthread(L, i))
			add_levels(probe, lua_tothread(L, i), 0);
	if (L != probe->L)
		add_levels(probe, probe->L, 0);
	probe->watch_function = function_at(L, 1, &probe->watch_line);
	probe->watch_armed = true;
	return 0;
}

/* builtin(name, f) */
static int probe_l_builtin(lua_State *L)
{
	struct probe *probe = probe_of(L);
	probe->on_builtin(probe->watch_arg, lua_topointer(L, 2),
			  lua_tostring(L, 1));
	return 0;
}

/* resumed(kind) */
static int probe_l_resumed(lua_State *L)
{
	struct probe *probe = probe_of(L);
	probe->on_resumed(probe->watch_arg, probe, L, (int)lua_tointeger(L, 1));
	return 0;
}

static void push_function(struct probe *probe, lua_CFunction f)
{
	lua_pushlightuserdata(probe->L, probe);
	lua_pushcclosure(probe->L, f, 1);
}

static void push_scene_numbers(lua_State *L)
{
	static const struct {
		const char *name;
		int number;
	} numbers[] = {
		{"C", PROBE_C},
		{"C_COROUTINE", PROBE_C_COROUTINE},
		{"C_COROUTINE2", PROBE_C_COROUTINE2},
		{"C_ALLOC", PROBE_C_ALLOC},
		{"LUA", PROBE_LUA},
		{"LUA_COROUTINE", PROBE_LUA_COROUTINE},
		{"BUILTIN", PROBE_BUILTIN},
		{"GC", PROBE_GC},
		{"CALL", PROBE_CALL},
		{"CALL2", PROBE_CALL2},
		{"TRACE", PROBE_TRACE},
		{"TRACE2", PROBE_TRACE2},
		{"EXIT", PROBE_EXIT},
		{"EXIT2", PROBE_EXIT2},
		{"RESULTS", PROBE_CALL_RESULTS},
	};
	size_t i;
	lua_createtable(L, 0, 16);
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		lua_pushinteger(L, numbers[i].number);
		lua_setfield(L, -2, numbers[i].name);
	}
}

/* The first line of the error message on top of the stack. */
static void take_error(lua_State *L, const char *what, char *error,
		       size_t error_size)
{
	const char *text = lua_tostring(L, -1);
	snprintf(error, error_size, "%s: %.*s", what,
		 (int)strcspn(text ? text : "", "\n"), text ? text : "");
}

bool probe_play_scenes(struct probe *probe, char *error, size_t error_size)
{
	static const lua_CFunction functions[] = {
		probe_l_arm,	  probe_l_shoot,   probe_l_shoot_alloc,
		probe_l_call,	  probe_l_resume,  probe_l_describe,
		probe_l_compiled, probe_l_has_jit, probe_l_record,
		probe_l_facts,
	};
	lua_State *L = probe->L;
	size_t i, n = sizeof functions / sizeof *functions;
	if (luaL_loadbuffer(L, probe_scenes_program,
			    strlen(probe_scenes_program), probe->chunkname)) {
		take_error(L, "probe", error, error_size);
		return false;
	}
	push_scene_numbers(L);
	for (i = 0; i < n; i++)
		push_function(probe, functions[i]);
	/* What it returns stays on the stack, so that nothing moves. */
	if (lua_pcall(L, (int)n + 1, LUA_MULTRET, 0)) {
		take_error(L, "probe", error, error_size);
		return false;
	}
	return true;
}

/*
 * Runs a program that gets these functions, count of them, and watches no more
 * then. name is what an error is of.
 */
static bool run_program(struct probe *probe, const char *name,
			const char *program, const lua_CFunction *functions,
			int count, char *error, size_t error_size)
{
	lua_State *L = probe->L;
	int i;
	bool ok = luaL_loadbuffer(L, program, strlen(program),
				  probe->chunkname) == 0;
	if (ok) {
		for (i = 0; i < count; i++)
			push_function(probe, functions[i]);
		ok = lua_pcall(L, count, 0, 0) == 0;
	}
	probe->watch_armed = probe->watch_all = false;
	if (!ok)
		take_error(L, name, error, error_size);
	return ok;
}

bool probe_trial(struct probe *probe,
		 void (*watch)(void *arg, struct probe *probe), void *arg,
		 char *error, size_t error_size)
{
	static const lua_CFunction functions[] = {probe_l_step, probe_l_call};
	probe->watch = watch;
	probe->watch_arg = arg;
	return run_program(probe, "trial", probe_trial_program, functions, 2,
			   error, error_size);
}

bool probe_builtins(struct probe *probe,
		    void (*on_builtin)(void *arg, const void *function,
				       const char *name),
		    void (*on_resumed)(void *arg, struct probe *probe,
				       lua_State *L, int kind),
		    void *arg, char *error, size_t error_size)
{
	static const lua_CFunction functions[] = {
		probe_l_builtin, probe_l_resumed, probe_l_call};
	probe->on_builtin = on_builtin;
	probe->on_resumed = on_resumed;
	probe->watch_arg = arg;
	return run_program(probe, "built-ins", probe_builtins_program,
			   functions, 3, error, error_size);
}

/* named(kind, function) */
static int probe_l_named(lua_State *L)
{
	struct probe *probe = probe_of(L);
	probe->on_named(probe->watch_arg, lua_topointer(L, 2),
			(int)lua_tointeger(L, 1));
	return 0;
}

bool probe_names(struct probe *probe,
		 void (*on_named)(void *arg, const void *function, int kind),
		 void *arg, char *error, size_t error_size)
{
	static const lua_CFunction functions[] = {probe_l_named};
	probe->on_named = on_named;
	probe->watch_arg = arg;
	return run_program(probe, "names", probe_names_program, functions, 1,
			   error, error_size);
}

bool probe_trace_trial(struct probe *probe,
		       void (*watch)(void *arg, struct probe *probe),
		       void (*on_record)(void *arg, struct probe *probe,
					 lua_State *L),
		       void *arg, char *error, size_t error_size)
{
	static const lua_CFunction functions[] = {probe_l_watch,
						  probe_l_on_record};
	probe->watch = watch;
	probe->on_record = on_record;
	probe->watch_arg = arg;
	return run_program(probe, "trace trial", probe_traces_program,
			   functions, 2, error, error_size);
}

/* made(object, line) */
static int probe_l_made(lua_State *L)
{
	struct probe *probe = probe_of(L);
	probe->on_made(probe->watch_arg, lua_topointer(L, 1),
		       (int)lua_tointeger(L, 2));
	return 0;
}

bool probe_exit_trial(struct probe *probe,
		      void (*on_made)(void *arg, const void *object, int line),
		      void (*on_record)(void *arg, struct probe *probe,
					lua_State *L),
		      void *arg, char *error, size_t error_size)
{
	static const lua_CFunction functions[] = {probe_l_made,
						  probe_l_on_record};
	probe->on_made = on_made;
	probe->on_record = on_record;
	probe->watch_arg = arg;
	return run_program(probe, "exit trial", probe_exits_program, functions,
			   2, error, error_size);
}
