/*
 * hook_compact.h - the hook's way through a recording of the compact stream.
 */
#ifndef LJMEMPROF_HOOK_COMPACT_H
#define LJMEMPROF_HOOK_COMPACT_H

#include <stddef.h>
#include <stdint.h>

struct recorder;

/* Any call while recording; busy is set, and is taken back. */
typedef void *hook_record_fn(struct recorder *r, void *ptr, size_t osize,
			     size_t nsize);

hook_record_fn hook_compact_record_wide;
hook_record_fn hook_compact_record_narrow;

/*
 * From where the VM calls now, for an event of this kind: the number of a
 * callsite. 0 when the recording ended. Must run before the allocator below.
 */
uint32_t hook_compact_callsite(struct recorder *r, unsigned kind);

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

#endif
