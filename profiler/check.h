/*
 * check.h - the text of check.lua: made at build time by embed_lua.cmake.
 */
#ifndef LJMEMPROF_CHECK_H
#define LJMEMPROF_CHECK_H

#include <stddef.h>

extern const char check_lua[];
extern const size_t check_lua_size;

#endif
