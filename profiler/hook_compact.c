/*
 * hook_compact.c - the hook's way through a recording of the compact stream.
 *
 * The same order as in hook.c: where is the VM, by whom was it called; the
 * allocator below; the event. What an event refers to is defined before the
 * allocator is called, and there is room for the event from then on.
 */
#include "hook_compact.h"

#include <errno.h>

#include "environment.h"
#include "recorder.h"
#include "stream_compact.h"
#include "vm_stack.h"
#include "vm_trace.h"

#define BARRIER() __asm__ volatile("" ::: "memory")

#define NOINLINE __attribute__((noinline))

/* ---- what is not the usual way */

/* Is all well with what was written? */
static bool is_well(struct recorder *r)
{
	struct compact *k = r->compact;
	if (k->callsites.d.error)
		recorder_fail(r, k->callsites.d.error);
	else if (r->out.error)
		recorder_fail(r, r->out.error);
	return r->recording;
}

/* Time to look at the clock, and perhaps no room. false: it has ended. */
static NOINLINE bool look(struct recorder *r)
{
	int saved = errno;
	compact_look(r->compact);
	errno = saved;
	return is_well(r);
}

/* Something was defined: is there room for an event again? */
static uint32_t defined(struct recorder *r, uint32_t callsite)
{
	if (!is_well(r))
		return 0;
	return r->out.pos < r->compact->soft || look(r) ? callsite : 0;
}

static NOINLINE uint32_t define_internal(struct recorder *r,
					 enum ljm_internal what)
{
	int saved = errno;
	uint32_t callsite = callsites_internal(&r->compact->callsites, what);
	errno = saved;
	return defined(r, callsite);
}

/* The collector is at something else than before. */
static NOINLINE bool see_collector(struct recorder *r)
{
	int saved = errno;
	compact_see_collector(r->compact);
	errno = saved;
	return is_well(r);
}

static NOINLINE bool tell_lost(struct recorder *r)
{
	int saved = errno;
	callsites_forget_all(&r->compact->callsites);
	compact_tell_lost(r->compact);
	errno = saved;
	return is_well(r);
}

/* ---- the VM for itself */

static enum ljm_internal internal_kind(const struct recorder *r)
{
	uintptr_t L;
	switch (r->vm.state_gc - (int32_t)vm_u32(r->vm.vmstate)) {
	case 0:
		return LJM_INTERNAL_GC;
	case 1:
		return LJM_INTERNAL_EXIT;
	case 2:
		return LJM_INTERNAL_RECORDER;
	case 3:
		return LJM_INTERNAL_OPTIMISER;
	case 4:
		return LJM_INTERNAL_ASSEMBLER;
	default:
		L = vm_ref(r->layout.gc64, r->vm.cur_L);
		return L && vm_cframe(&r->layout, L) ? LJM_INTERNAL_OTHER
						     : LJM_INTERNAL_HOST;
	}
}

VM_INLINE uint32_t internal_callsite(struct recorder *r, enum ljm_internal what)
{
	uint32_t callsite = r->compact->callsites.internal[what];
	return VM_LIKELY(callsite) ? callsite : define_internal(r, what);
}

/* ---- the callsite with its stack */

/* The base of the Lua function in which the trace that runs was entered. */
static uintptr_t base_of_trace(const struct recorder *r, uintptr_t L,
			       const struct callsite_trace *trace)
{
	const struct vm_layout *y = &r->layout;
	uintptr_t base = vm_ref(y->gc64, r->vm.jit_base), snapshot;
	if (base)
		return base;
	base = vm_u64(L + (unsigned)y->l_base);
	if (y->gc64 || !trace->exit || !trace->at)
		return base;
	snapshot = vm_exit_snapshot(y, false, r->global, trace->trace);
	return vm_traces_exit_base(y, trace->trace, snapshot, trace->at, base);
}

/* The thread that runs; 0 unknown. */
static uintptr_t thread_of(const struct recorder *r, bool gc64)
{
	uintptr_t L = vm_ref(gc64, r->vm.cur_L);
	if (VM_LIKELY(L && vm_cframe(&r->layout, L)))
		return L;
	return vm_running_thread(&r->layout, r->global);
}

/* With objects: for defining it. The trace's key is the first, if there is one.
 */
static void walk(struct recorder *r, uintptr_t L,
		 const struct callsite_trace *trace, uint64_t trace_key,
		 uintptr_t *objects)
{
	struct callsites *c = &r->compact->callsites;
	uint32_t max = c->depth ? c->depth : 1, inlined;
	vm_stack_begin(c->stack);
	if (!trace) {
		vm_stack_walk(&r->layout, c->facts, L, max, c->stack, objects);
		return;
	}
	if (objects)
		objects[0] = 0;
	inlined = callsites_trace_frames(c, trace_key, trace);
	vm_stack_push(c->stack, trace_key);
	if (inlined <= max)
		vm_stack_walk_below(&r->layout, c->facts, L,
				    base_of_trace(r, L, trace),
				    max - inlined + 1, c->stack, objects);
}

/* A path that is new, or was made before something was freed. */
static NOINLINE uint32_t define_stack(struct recorder *r, uintptr_t L,
				      const struct callsite_trace *trace,
				      uint64_t trace_key)
{
	struct callsites *c = &r->compact->callsites;
	int saved = errno;
	uint32_t callsite;
	walk(r, L, trace, trace_key, c->objects);
	callsite = callsites_define(c, trace);
	errno = saved;
	return defined(r, callsite);
}

static uint32_t stack_callsite(struct recorder *r, uintptr_t L,
			       const struct callsite_trace *trace,
			       uint64_t trace_key)
{
	uint32_t callsite;
	walk(r, L, trace, trace_key, NULL);
	callsite = callsites_find(&r->compact->callsites);
	if (VM_LIKELY(callsite))
		return callsite;
	return define_stack(r, L, trace, trace_key);
}

/* ---- the callsite without a stack */

/* A place that is new, or was kept before something was freed. */
static NOINLINE uint32_t define_place(struct recorder *r, uint64_t key,
				      uintptr_t object,
				      const struct callsite_trace *trace)
{
	struct callsites *c = &r->compact->callsites;
	struct callsite_place *entry = callsites_place(c, key);
	int saved = errno;
	/* From before: defining it may be a reason to do it again. */
	uint32_t callsite, generation = c->generation;
	vm_stack_begin(c->stack);
	vm_stack_push(c->stack, key);
	c->objects[0] = object;
	callsite = callsites_define(c, trace);
	entry->key = key;
	entry->object = object;
	entry->generation = generation;
	entry->callsite = callsite;
	errno = saved;
	return defined(r, callsite);
}

VM_INLINE uint32_t place_callsite(struct recorder *r, uint64_t key,
				  uintptr_t object,
				  const struct callsite_trace *trace)
{
	struct callsites *c = &r->compact->callsites;
	const struct callsite_place *entry = callsites_place(c, key);
	if (VM_LIKELY(entry->key == key && entry->object == object &&
		      entry->generation == c->generation))
		return entry->callsite;
	return define_place(r, key, object, trace);
}

/* ---- any callsite */

static bool watch_trace(struct recorder *r, uintptr_t trace)
{
	return definitions_block(&r->compact->callsites.d, trace) != 0;
}

VM_INLINE uint32_t trace_callsite(struct recorder *r, bool gc64, unsigned kind,
				  const struct vm_place *place, size_t nsize)
{
	struct callsite_trace t = {.number = place->trace,
				   .exit = place->where == VM_EXIT};
	uint64_t key;
	t.trace = vm_near_trace(&r->vm, gc64, t.number);
	if (VM_UNLIKELY(!t.trace))
		return internal_callsite(r, LJM_INTERNAL_OTHER);
	if (VM_LIKELY(r->layout.has_trace_lines && !r->trace_numbers)) {
		if (VM_LIKELY(!t.exit))
			t.at = vm_near_return_address(&r->vm, gc64, t.trace);
		else
			t.at = hook_exit_at(r, kind, t.trace, nsize,
					    watch_trace);
	}
	key = VM_KEY(VM_KEY_TRACE, t.at ? t.at : t.trace);
	if (!r->compact->callsites.depth)
		return place_callsite(r, key, t.trace, &t);
	return stack_callsite(r, vm_ref(gc64, r->vm.cur_L), &t, key);
}

/* 0 when the recording ended. */
VM_INLINE uint32_t callsite_now(struct recorder *r, bool gc64, unsigned kind,
				size_t nsize)
{
	struct vm_place place;
	uintptr_t L;
	if (VM_UNLIKELY(r->out.pos >= r->compact->soft) && !look(r))
		return 0;
	if (VM_UNLIKELY(r->compact->lost != r->compact->lost_told) &&
	    !tell_lost(r))
		return 0;
	if (VM_UNLIKELY(gc_watch_is_due(&r->compact->gc)) && !see_collector(r))
		return 0;
	vm_near_place(&r->vm, &r->layout, gc64, r->global, &place);
	switch (place.where) {
	case VM_LUA:
		if (!r->compact->callsites.depth)
			return place_callsite(r, (uintptr_t)place.pc,
					      place.proto, NULL);
		/* Fall through. */
	case VM_C:
		L = thread_of(r, gc64);
		return r->compact->callsites.depth
			       ? stack_callsite(r, L, NULL, 0)
			       : define_stack(r, L, NULL, 0);
	case VM_TRACE:
	case VM_EXIT:
		return trace_callsite(r, gc64, kind, &place, nsize);
	case VM_INTERNAL:
	default:
		return internal_callsite(r, internal_kind(r));
	}
}

uint32_t hook_compact_callsite(struct recorder *r, unsigned kind, size_t nsize)
{
	return callsite_now(r, r->layout.gc64, kind, nsize);
}

/* ---- the events */

VM_INLINE void *record_free(struct recorder *r, bool gc64, void *ptr,
			    size_t osize)
{
	uint32_t callsite = ptr ? callsite_now(r, gc64, LJM_KIND_FREE, 0) : 0;
	if (callsite)
		compact_free_event(r->compact, callsite, (uintptr_t)ptr, osize);
	if (definitions_may_be_watched(&r->compact->callsites.d,
				       (uintptr_t)ptr))
		callsites_forget(&r->compact->callsites, (uintptr_t)ptr);
	return r->alloc(r->alloc_ud, ptr, osize, 0);
}

VM_INLINE void *record_alloc(struct recorder *r, bool gc64, size_t nsize)
{
	uint32_t callsite = callsite_now(r, gc64, LJM_KIND_ALLOC, nsize);
	void *block = r->alloc(r->alloc_ud, NULL, 0, nsize);
	if (block && callsite)
		compact_alloc(r->compact, callsite, (uintptr_t)block, nsize);
	else
		vm_exits_refused(&r->traces.exits);
	return block;
}

VM_INLINE void *record_realloc(struct recorder *r, bool gc64, void *ptr,
			       size_t osize, size_t nsize)
{
	uint32_t callsite = callsite_now(r, gc64, LJM_KIND_REALLOC, nsize);
	void *block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	if (block && callsite)
		compact_realloc(r->compact, callsite, (uintptr_t)ptr, osize,
				(uintptr_t)block, nsize);
	else
		vm_exits_refused(&r->traces.exits);
	return block;
}

VM_INLINE void *record(struct recorder *r, void *ptr, size_t osize,
		       size_t nsize, bool gc64)
{
	void *block;
	if (nsize == 0)
		block = record_free(r, gc64, ptr, osize);
	else if (!ptr)
		block = record_alloc(r, gc64, nsize);
	else
		block = record_realloc(r, gc64, ptr, osize, nsize);
	BARRIER();
	r->busy = false;
	return block;
}

NOINLINE void *hook_compact_record_wide(struct recorder *r, void *ptr,
					size_t osize, size_t nsize)
{
	return record(r, ptr, osize, nsize, true);
}

NOINLINE void *hook_compact_record_narrow(struct recorder *r, void *ptr,
					  size_t osize, size_t nsize)
{
	return record(r, ptr, osize, nsize, false);
}

/* As in hook.c, the collector's frees are written right here. */
VM_INLINE void *hook(struct recorder *r, void *ptr, size_t osize, size_t nsize,
		     hook_record_fn *rec)
{
	struct compact *k;
	uint32_t callsite;
	if (VM_UNLIKELY(r->busy))
		return hook_pass_nested(r, ptr, osize, nsize);
	/* First busy, then the look at recording: see quiesce(). */
	r->busy = true;
	BARRIER();
	if (VM_UNLIKELY(r->recording != RECORDER_COMPACT ||
			r->seen != environment_requests))
		return hook_pass_or_record(r, ptr, osize, nsize);
	k = r->compact;
	callsite = k->callsites.internal[LJM_INTERNAL_GC];
	if (nsize || !vm_near_collecting(&r->vm) ||
	    VM_UNLIKELY(!ptr || !callsite || r->out.pos >= k->soft ||
			k->lost != k->lost_told || gc_watch_is_due(&k->gc) ||
			definitions_may_be_watched(&k->callsites.d,
						   (uintptr_t)ptr)))
		return rec(r, ptr, osize, nsize);
	compact_free_event(k, callsite, (uintptr_t)ptr, osize);
	BARRIER();
	r->busy = false;
	return r->alloc(r->alloc_ud, ptr, osize, 0);
}

void *hook_compact_wide(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, hook_compact_record_wide);
}

void *hook_compact_narrow(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, hook_compact_record_narrow);
}
