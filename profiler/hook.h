/*
 * hook.h - the lua_Alloc that records and passes on.
 */
#ifndef LJMEMPROF_HOOK_H
#define LJMEMPROF_HOOK_H

#include <stdbool.h>

#include <lua.h>

struct recorder;

/*
 * The allocator for VMs of this width, the quick one for recordings of the
 * compact stream or of the plain one; either does for both. Its ud is the
 * struct recorder. Always returns what the allocator below returns.
 */
lua_Alloc hook_for(bool gc64, bool compact);

/* Is it one of them? */
bool hook_is(lua_Alloc f);

#endif
