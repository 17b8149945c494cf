/*
 * hook_compact.h - the hook's way through a recording of the compact stream.
 */
#ifndef LJMEMPROF_HOOK_COMPACT_H
#define LJMEMPROF_HOOK_COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorder;

/* Any call while recording; busy is set, and is taken back. */
typedef void *hook_record_fn(struct recorder *r, void *ptr, size_t osize,
			     size_t nsize);

hook_record_fn hook_compact_record_wide;
hook_record_fn hook_compact_record_narrow;

/*
 * From where the VM calls now, for an event of this kind and new size: the
 * number of a callsite. 0 when the recording ended. Must run before the
 * allocator below.
 */
uint32_t hook_compact_callsite(struct recorder *r, unsigned kind, size_t nsize);

/* The allocators: lua_Alloc, their ud is the struct recorder. */
void *hook_compact_wide(void *ud, void *ptr, size_t osize, size_t nsize);
void *hook_compact_narrow(void *ud, void *ptr, size_t osize, size_t nsize);

/*
 * In hook.c. A call from within the hook; and one when the environment asks
 * for something, when nothing is recorded or another stream than the hook is
 * the quick one for.
 */
hook_record_fn hook_pass_nested;
hook_record_fn hook_pass_or_record;

/*
 * What tells the line of what a trace asks for on being left: see
 * vm_traces_exit_at(). watch makes known that the trace must be forgotten when
 * it is freed; false when that fails.
 */
uintptr_t hook_exit_at(struct recorder *r, unsigned kind, uintptr_t trace,
		       size_t nsize,
		       bool (*watch)(struct recorder *r, uintptr_t trace));

#endif
