/*
 * vm_probe.c - photographs of a scratch LuaJIT VM in known situations.
 */
#define _GNU_SOURCE
#include "vm_probe.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "vm_layout.h"

/* How far above our own frame a frame of the interpreter may be. */
#define C_STACK_REACH 65536

/* Within this many bytes global_State has its allocator. */
#define ALLOCF_REACH 256

/* Reads as much as there is, up to n: what is there is there by the page. */
static size_t read_some(const void *address, void *out, size_t n)
{
	size_t done = 0;
	while (done < n) {
		size_t page = 4096 - ((uintptr_t)address + done) % 4096;
		size_t part = n - done < page ? n - done : page;
		size_t got = peek_memory((const char *)address + done,
					 (char *)out + done, part);
		done += got;
		if (got < part)
			break;
	}
	return done;
}

static void photograph_stack(struct probe *probe, struct probe_photo *photo)
{
	int step = probe->gc64 ? 8 : 4;
	int offset;
	photo->stack_offset = -1;
	for (offset = 16; offset + step <= 128; offset += step) {
		uint64_t at = peek_ref(probe->gc64, photo->state + offset);
		uint8_t first[8];
		uint64_t bottom;
		if (at < 65536 || (at & 7) || at >> 47 ||
		    peek_memory((void *)at, first, 8) != 8)
			continue;
		/* The first slot of a stack holds its thread. */
		bottom = probe->gc64 ? peek_u64(first) << 17 >> 17
				     : peek_u32(first);
		if (bottom != (uintptr_t)photo->L)
			continue;
		photo->stack_offset = offset;
		photo->stack = at;
		photo->stack_size = read_some((void *)at, photo->stack_bytes,
					      sizeof photo->stack_bytes);
		return;
	}
}

static void photograph_frames(struct probe_photo *photo, uintptr_t here)
{
	int offset;
	for (offset = 0; offset + 8 <= PROBE_STATE_SIZE; offset += 8) {
		uint64_t at = peek_u64(photo->state + offset) & ~(uint64_t)3;
		int i = photo->frame_count;
		if (at < here || at >= here + C_STACK_REACH)
			continue;
		if (i == PROBE_FRAMES ||
		    peek_memory((void *)at, photo->frames[i].bytes,
				PROBE_FRAME_SIZE) != PROBE_FRAME_SIZE)
			continue;
		photo->frames[i].offset = offset;
		photo->frames[i].address = at;
		photo->frame_count++;
		if (i == 0)
			peek_memory((char *)at - PROBE_BELOW_SIZE, photo->below,
				    PROBE_BELOW_SIZE);
	}
}

static void photograph(struct probe *probe, enum probe_scene scene,
		       lua_State *L)
{
	struct probe_photo *photo = &probe->photo[scene];
	if (photo->taken)
		return;
	photo->taken = true;
	photo->L = L;
	memcpy(photo->global, probe->global, PROBE_GLOBAL_SIZE);
	read_some(L, photo->state, PROBE_STATE_SIZE);
	photograph_stack(probe, photo);
	photograph_frames(photo, (uintptr_t)__builtin_frame_address(0));
	if (scene >= PROBE_EXIT)
		read_some(probe->global, probe->exit_states[scene - PROBE_EXIT],
			  PROBE_JIT_SIZE);
}

/* The scratch VM's allocator: takes the scene that is armed. */
static void *probe_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct probe *probe = ud;
	if (probe->watch_armed || probe->watch_all) {
		probe->watch_armed = false;
		probe->watch(probe->watch_arg, probe);
	}
	if (probe->armed >= 0 && probe->skip-- <= 0) {
		enum probe_scene scene = (enum probe_scene)probe->armed;
		probe->armed = -1;
		photograph(probe, scene, probe->photo[scene].L);
	}
	return probe->alloc(probe->alloc_ud, ptr, osize, nsize);
}

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
	photograph(probe, scene, L);
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
		read_some(probe->global,
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

static bool play_scenes(struct probe *probe, char *error, size_t error_size)
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

bool probe_trial(struct probe *probe,
		 void (*watch)(void *arg, struct probe *probe), void *arg,
		 char *error, size_t error_size)
{
	lua_State *L = probe->L;
	bool ok;
	probe->watch = watch;
	probe->watch_arg = arg;
	ok = luaL_loadbuffer(L, probe_trial_program,
			     strlen(probe_trial_program),
			     probe->chunkname) == 0;
	if (ok) {
		push_function(probe, probe_l_step);
		push_function(probe, probe_l_call);
		ok = lua_pcall(L, 2, 0, 0) == 0;
	}
	probe->watch_armed = false;
	if (!ok)
		take_error(L, "trial", error, error_size);
	return ok;
}

bool probe_builtins(struct probe *probe,
		    void (*on_builtin)(void *arg, const void *function,
				       const char *name),
		    void (*on_resumed)(void *arg, struct probe *probe,
				       lua_State *L, int kind),
		    void *arg, char *error, size_t error_size)
{
	lua_State *L = probe->L;
	bool ok;
	probe->on_builtin = on_builtin;
	probe->on_resumed = on_resumed;
	probe->watch_arg = arg;
	ok = luaL_loadbuffer(L, probe_builtins_program,
			     strlen(probe_builtins_program),
			     probe->chunkname) == 0;
	if (ok) {
		push_function(probe, probe_l_builtin);
		push_function(probe, probe_l_resumed);
		push_function(probe, probe_l_call);
		ok = lua_pcall(L, 3, 0, 0) == 0;
	}
	if (!ok)
		take_error(L, "built-ins", error, error_size);
	return ok;
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
	lua_State *L = probe->L;
	bool ok;
	probe->on_named = on_named;
	probe->watch_arg = arg;
	ok = luaL_loadbuffer(L, probe_names_program,
			     strlen(probe_names_program),
			     probe->chunkname) == 0;
	if (ok) {
		push_function(probe, probe_l_named);
		ok = lua_pcall(L, 1, 0, 0) == 0;
	}
	if (!ok)
		take_error(L, "names", error, error_size);
	return ok;
}

bool probe_trace_trial(struct probe *probe,
		       void (*watch)(void *arg, struct probe *probe),
		       void (*on_record)(void *arg, struct probe *probe,
					 lua_State *L),
		       void *arg, char *error, size_t error_size)
{
	lua_State *L = probe->L;
	bool ok;
	probe->watch = watch;
	probe->on_record = on_record;
	probe->watch_arg = arg;
	ok = luaL_loadbuffer(L, probe_traces_program,
			     strlen(probe_traces_program),
			     probe->chunkname) == 0;
	if (ok) {
		push_function(probe, probe_l_watch);
		push_function(probe, probe_l_on_record);
		ok = lua_pcall(L, 2, 0, 0) == 0;
	}
	probe->watch_all = false;
	if (!ok)
		take_error(L, "trace trial", error, error_size);
	return ok;
}

/* Fills probe->version; true when it is a LuaJIT 2.1. */
static bool identify(struct probe *probe, char *error, size_t error_size)
{
	lua_State *L = probe->L;
	double number = 0;
	lua_getfield(L, LUA_GLOBALSINDEX, "jit");
	if (!lua_istable(L, -1)) {
		lua_getfield(L, LUA_GLOBALSINDEX, "_VERSION");
		snprintf(probe->version, sizeof probe->version, "%s",
			 lua_isstring(L, -1) ? lua_tostring(L, -1)
					     : "an unknown Lua");
		lua_settop(L, 0);
		snprintf(error, error_size, "it is not LuaJIT");
		return false;
	}
	lua_getfield(L, -1, "version");
	lua_getfield(L, -2, "version_num");
	number = lua_tonumber(L, -1);
	snprintf(probe->version, sizeof probe->version, "%s",
		 lua_isstring(L, -2) ? lua_tostring(L, -2)
				     : "an unknown LuaJIT");
	lua_settop(L, 0);
	if (number < 20100 || number >= 20200) {
		snprintf(error, error_size, "it is not LuaJIT 2.1");
		return false;
	}
	return true;
}

/* Type and function-id bytes of a thread tell how wide references are. */
static bool find_width(struct probe *probe, char *error, size_t error_size)
{
	uint8_t head[16];
	bool wide, narrow;
	if (peek_memory(probe->L, head, sizeof head) != sizeof head) {
		snprintf(error, error_size, "its lua_State cannot be read");
		return false;
	}
	wide = head[9] == VM_GCT_THREAD && head[10] == 1 && head[11] <= 4;
	narrow = head[5] == VM_GCT_THREAD && head[6] == 1 && head[7] <= 4;
	if (wide == narrow) {
		snprintf(error, error_size,
			 "its lua_State has no known header");
		return false;
	}
	probe->gc64 = wide;
	return true;
}

/*
 * global_State hangs off lua_State; the allocator's two words, which the API
 * tells, say that it is the right one.
 */
static bool find_global(struct probe *probe, char *error, size_t error_size)
{
	uint8_t reference[8], start[PROBE_GLOBAL_SIZE];
	int i, found = 0;
	peek_memory((char *)probe->L + (probe->gc64 ? 16 : 8), reference, 8);
	probe->global = (uint8_t *)peek_ref(probe->gc64, reference);
	probe->global_readable =
		read_some(probe->global, start, PROBE_GLOBAL_SIZE);
	if (probe->global_readable < PROBE_GLOBAL_SIZE) {
		snprintf(error, error_size, "its global_State was not found");
		return false;
	}
	for (i = 0; i < ALLOCF_REACH; i += 8) {
		if (peek_u64(start + i) != (uintptr_t)probe->alloc ||
		    peek_u64(start + i + 8) != (uintptr_t)probe->alloc_ud)
			continue;
		probe->allocf_offset = i;
		found++;
	}
	if (found != 1) {
		snprintf(error, error_size,
			 "the allocator was found %d times in global_State",
			 found);
		return false;
	}
	return true;
}

bool probe_open(struct probe *probe, char *error, size_t error_size)
{
	memset(probe, 0, sizeof *probe);
	probe->armed = -1;
	snprintf(probe->version, sizeof probe->version, "an unknown Lua");
	snprintf(probe->chunkname, sizeof probe->chunkname, "@ljmemprof probe");
	probe->L = luaL_newstate();
	if (!probe->L) {
		snprintf(error, error_size, "no scratch VM could be created");
		return false;
	}
	luaL_openlibs(probe->L);
	if (!identify(probe, error, error_size) ||
	    !find_width(probe, error, error_size))
		return false;
	probe->alloc = lua_getallocf(probe->L, &probe->alloc_ud);
	if (!find_global(probe, error, error_size))
		return false;
	lua_setallocf(probe->L, probe_alloc, probe);
	if (peek_u64(probe->global + probe->allocf_offset) !=
	    (uintptr_t)probe_alloc) {
		snprintf(error, error_size,
			 "the allocator's place was not confirmed");
		return false;
	}
	return play_scenes(probe, error, error_size);
}

void probe_close(struct probe *probe)
{
	if (!probe->L)
		return;
	probe->armed = -1;
	probe->watch_armed = false;
	/* LuaJIT frees its arena whole only under its own allocator. */
	if (probe->alloc)
		lua_setallocf(probe->L, probe->alloc, probe->alloc_ud);
	lua_close(probe->L);
	probe->L = NULL;
}
