/*
 * trace_events.h - hears of every instruction that the trace recorder comes
 * to, as jit.attach(f, "record") does.
 *
 * There is one handler an event and VM. Ours goes on top of one that is there,
 * calls it, and leaves it where its owner's jit.attach(f) finds and removes
 * it. One that is attached later replaces ours: traces that are compiled from
 * then on have no log, and their events keep their trace.
 *
 * What jit.attach(f, "trace") would tell is not asked for: for a recording that
 * is given up, LuaJIT (until 2026 at least) looks for a Lua function below the
 * C functions on the stack, and crashes the host when there is none.
 */
#ifndef LJMEMPROF_TRACE_EVENTS_H
#define LJMEMPROF_TRACE_EVENTS_H

#include <stdbool.h>

#include <lua.h>

/*
 * Attaches the handler for the recorder whose holder (userdata with a struct
 * recorder *, NULL once the VM closes) is on top of the stack. Without
 * jit.attach nothing happens, and the result is false. Stack: -1, +0. May raise
 * out of memory.
 */
bool trace_events_attach(lua_State *L);

#endif
