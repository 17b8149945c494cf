/*
 * hook_live.c - the hook's way into the table of live blocks.
 *
 * The same order as in hook_compact.c: where is the VM; the allocator below;
 * the event. No need to be quick: who frees a block is not asked.
 */
#include "hook_live.h"

#include <errno.h>

#include "live.h"
#include "recorder.h"
#include "stream_compact.h"

static void forget(struct recorder *r, uintptr_t block)
{
	struct callsites *c = &r->compact->callsites;
	if (definitions_may_be_watched(&c->d, block))
		callsites_forget(c, block);
}

/* The allocator below has done it: the event. */
static void tell(struct recorder *r, void *ptr, size_t osize, void *block,
		 size_t nsize, uint32_t callsite)
{
	if (ptr)
		live_release(r->live, (uintptr_t)ptr, osize);
	if (nsize)
		live_alloc(r->live, (uintptr_t)block, nsize, callsite);
	if (r->live->error)
		recorder_fail(r, r->live->error);
}

void *hook_live_record(struct recorder *r, void *ptr, size_t osize,
		       size_t nsize)
{
	unsigned kind = ptr ? LJM_KIND_REALLOC : LJM_KIND_ALLOC;
	uint32_t callsite = nsize ? hook_compact_callsite(r, kind, nsize) : 0;
	void *block;
	int saved;
	if (ptr && !nsize)
		forget(r, (uintptr_t)ptr);
	block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	saved = errno;
	/* Not when it failed, nor when the watch has ended for an error. */
	if ((block || !nsize) && r->recording == RECORDER_LIVE)
		tell(r, ptr, osize, block, nsize, callsite);
	else
		vm_exits_refused(&r->traces.exits);
	errno = saved;
	__asm__ volatile("" ::: "memory");
	r->busy = false;
	return block;
}
