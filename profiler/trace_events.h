/*
 * trace_events.h - hears of every trace that LuaJIT begins and ends, and of
 * every instruction that its recorder comes to, as jit.attach(f, "trace") and
 * jit.attach(f, "record") do.
 *
 * There is one handler an event and VM. Ours goes on top of one that is there,
 * calls it, and leaves it where its owner's jit.attach(f) finds and removes
 * it. One that is attached later replaces ours. Without "record" traces that
 * are compiled from then on have no log, and their events keep their trace;
 * "trace" alone only makes it more certain whose log it is.
 */
#ifndef LJMEMPROF_TRACE_EVENTS_H
#define LJMEMPROF_TRACE_EVENTS_H

#include <stdbool.h>

#include <lua.h>

/*
 * Attaches the handlers for the recorder whose holder (userdata with a struct
 * recorder *, NULL once the VM closes) is on top of the stack. Without
 * jit.attach nothing happens, and the result is false. Stack: -1, +0. May raise
 * out of memory.
 */
bool trace_events_attach(lua_State *L);

#endif
