/*
 * memprof.h - what the Lua surface shares with check.c.
 */
#ifndef LJMEMPROF_MEMPROF_H
#define LJMEMPROF_MEMPROF_H

#include <lua.h>

struct recorder;

#define EXPORT __attribute__((visibility("default")))

/* Stack: 0. The recorder of this VM; NULL when it is closing. */
struct recorder *memprof_recorder(lua_State *L);

/*
 * Stack: 0. Two full collections: what a finalizer held is freed by the
 * second. Raises nothing; a collector that the program has stopped stays so.
 */
void memprof_collect(lua_State *L);

/* Stack: +1. The table of require "ljmemprof"; it is made if need be. */
EXPORT int luaopen_ljmemprof(lua_State *L);

#endif
