/*
 * options.h - what start() and the environment say about a recording.
 */
#ifndef LJMEMPROF_OPTIONS_H
#define LJMEMPROF_OPTIONS_H

#include <stdbool.h>

#include <lua.h>

#include "recorder.h"

struct options {
	struct recorder_options recorder;
	bool gc; /* full collections before start and before stop */
};

/* The depth of stacks when none is named. */
#define OPTIONS_DEPTH 64

/*
 * The options of the table at this index; none or nil is all defaults.
 * compact: those of the compact stream, else those of format 3. Raises for
 * wrong values, and for options that do not exist. Stack: 0.
 */
void options_read(lua_State *L, int index, bool compact,
		  struct options *options);

/* Those of mark(), likewise: is a full collection wanted before it? Stack: 0.
 */
bool options_read_mark(lua_State *L, int index);

/* Those of recordings that the environment starts. Tells what is wrong. */
void options_of_environment(struct options *options);

#endif
