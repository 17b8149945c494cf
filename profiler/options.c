/*
 * options.c - what start() and the environment say about a recording.
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "environment.h"

/* One frame of a callsite is kept for the gap behind what is cut off. */
#define DEPTH_MAX (LJM_DEPTH_MAX - 1)

/* Stack: 0. Raises with the name of what the option must be. */
static int refuse(lua_State *L, const char *name, const char *wanted)
{
	return luaL_error(L, "option '%s' of start is %s", name, wanted);
}

/* Stack: 0. The key below the value on top; of another type, its type. */
static const char *option_name(lua_State *L)
{
	return lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2)
					      : luaL_typename(L, -2);
}

/* These read the value on top. Stack: 0. */

static void read_trace(lua_State *L, struct options *o)
{
	const char *value = lua_isstring(L, -1) ? lua_tostring(L, -1) : "";
	if (!strcmp(value, "number"))
		o->recorder.trace_numbers = true;
	else if (!strcmp(value, "line"))
		o->recorder.trace_numbers = false;
	else
		refuse(L, "trace", "\"line\" or \"number\"");
}

static void read_stacks(lua_State *L, struct options *o)
{
	lua_Number depth = lua_tonumber(L, -1);
	if (lua_isboolean(L, -1))
		depth = lua_toboolean(L, -1) ? OPTIONS_DEPTH : 0;
	else if (lua_type(L, -1) != LUA_TNUMBER || !(depth >= 1) ||
		 depth > DEPTH_MAX || depth != (lua_Number)(int)depth)
		refuse(L, "stacks", "a boolean, or a depth from 1 to 1023");
	o->recorder.depth = (uint32_t)depth;
}

static void read_gc(lua_State *L, struct options *o)
{
	if (!lua_isboolean(L, -1))
		refuse(L, "gc", "a boolean");
	o->gc = lua_toboolean(L, -1);
}

static const struct {
	const char *name;
	void (*read)(lua_State *L, struct options *o);
	bool only_compact;
} known[] = {
	{"trace", read_trace, false},
	{"stacks", read_stacks, true},
	{"gc", read_gc, true},
};

/* The pair on top. Stack: 0. */
static void read_option(lua_State *L, bool compact, struct options *o)
{
	const char *name = option_name(L);
	size_t i;
	for (i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(name, known[i].name) != 0 ||
		    (known[i].only_compact && !compact))
			continue;
		known[i].read(L, o);
		return;
	}
	luaL_error(L, "start has no option '%s', only %s", name,
		   compact ? "'stacks', 'gc' and 'trace'" : "'trace'");
}

static bool environment_trace_numbers(void)
{
	const char *value = getenv("MEMPROF_TRACE");
	return value && !strcmp(value, "number");
}

static void check_environment_trace(void)
{
	const char *value = getenv("MEMPROF_TRACE");
	if (value && *value && strcmp(value, "number") != 0 &&
	    strcmp(value, "line") != 0)
		environment_say("MEMPROF_TRACE: \"line\" or \"number\"");
}

void options_read(lua_State *L, int index, bool compact,
		  struct options *options)
{
	memset(options, 0, sizeof *options);
	options->recorder.mode = compact ? RECORDER_COMPACT : RECORDER_PLAIN;
	options->recorder.trace_numbers = environment_trace_numbers();
	options->gc = compact;
	if (lua_isnoneornil(L, index))
		return;
	luaL_checktype(L, index, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, index)) {
		read_option(L, compact, options);
		lua_pop(L, 1);
	}
}

bool options_read_mark(lua_State *L, int index)
{
	bool gc = false;
	if (lua_isnoneornil(L, index))
		return false;
	luaL_checktype(L, index, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, index)) {
		if (strcmp(option_name(L), "gc") != 0)
			luaL_error(L, "mark has no option '%s', only 'gc'",
				   option_name(L));
		if (!lua_isboolean(L, -1))
			luaL_error(L, "option 'gc' of mark is a boolean");
		gc = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	return gc;
}

void options_of_environment(struct options *options)
{
	const char *stacks = getenv("MEMPROF_STACKS");
	char *end;
	long depth;
	memset(options, 0, sizeof *options);
	options->recorder.mode = RECORDER_PLAIN;
	options->recorder.trace_numbers = environment_trace_numbers();
	check_environment_trace();
	if (!stacks || !*stacks || !strcmp(stacks, "0"))
		return;
	depth = strtol(stacks, &end, 10);
	if (*end || depth < 1 || depth > DEPTH_MAX) {
		environment_say("MEMPROF_STACKS: a depth from 1 to %d, 1 "
				"stands for %d",
				(int)DEPTH_MAX, OPTIONS_DEPTH);
		return;
	}
	options->recorder.mode = RECORDER_COMPACT;
	options->recorder.depth = depth == 1 ? OPTIONS_DEPTH : (uint32_t)depth;
}
