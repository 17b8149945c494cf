/*
 * process_vm.h - what this process's LuaJIT is, measured once.
 */
#ifndef LJMEMPROF_PROCESS_VM_H
#define LJMEMPROF_PROCESS_VM_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "recorder.h"

/*
 * What is known, if it holds for the VM of L and suffices for stacks of this
 * depth (0: none are wanted); else NULL, with a sentence about what was found.
 * Static. Called from a C function that runs on L.
 */
const struct recorder_vm *process_vm(lua_State *L, uint32_t depth,
				     char *message, size_t size);

/* Such as "LuaJIT 2.1.0-beta3 x86-64 GC64 JIT"; "" before it was measured. */
const char *process_vm_description(void);

#endif
