/*
 * hook.c - the lua_Alloc that records and passes on.
 *
 * The order is: where is the VM; then the allocator below (it may move the
 * stack that was read); then the event, unless the allocation failed. The
 * event's head is put behind the end of the buffer's contents and counts only
 * once the event is whole.
 */
#include "hook.h"

#include <errno.h>
#include <string.h>

#include "environment.h"
#include "hook_compact.h"
#include "hook_live.h"
#include "ljm_format.h"
#include "recorder.h"
#include "stream_compact.h"
#include "vm_frame.h"

/* An event, and what the copying in whole words may write beyond it. */
_Static_assert(LJM_EVENT_MAX + 16 <= WBUF_SLACK, "an event fits");

#define BARRIER() __asm__ volatile("" ::: "memory")

#define NOINLINE __attribute__((noinline))

/* Room for an event, or false when the recording ended for it. */
static NOINLINE bool make_room(struct recorder *r)
{
	int saved = errno;
	wbuf_flush(&r->out);
	if (r->out.error)
		recorder_fail(r, r->out.error);
	errno = saved;
	return r->recording;
}

VM_INLINE bool has_room(const struct recorder *r)
{
	return r->out.pos < r->out.end;
}

static struct recorder_place *place_entry(struct recorder *r, uintptr_t pc)
{
	return &r->places[pc / 4 % RECORDER_PLACES];
}

/* After a symbol was asked for: is all well, and is there room again? */
static bool after_symbol(struct recorder *r, bool in_memory)
{
	if (!in_memory)
		recorder_fail(r, ENOMEM);
	else if (r->out.error)
		recorder_fail(r, r->out.error);
	else if (!has_room(r))
		return make_room(r);
	return r->recording;
}

/* Keeps the head and location that start at r->out.pos and end at end. */
static void keep_place(struct recorder *r, uintptr_t pc, uintptr_t proto,
		       const uint8_t *end)
{
	struct recorder_place *entry = place_entry(r, pc);
	size_t size = (size_t)(end - r->out.pos);
	if (size > sizeof entry->bytes)
		return;
	entry->pc = pc;
	entry->proto = proto;
	entry->size = (uint8_t)size;
	memcpy(entry->bytes, r->out.pos, sizeof entry->bytes);
	entry->bytes[0] &= (uint8_t)~LJM_KIND_MASK;
}

/*
 * A line, its symbol written if need be. Found again by the PC (or return
 * address) and the prototype (or trace). Returns NULL when the recording
 * ended.
 */
static uint8_t *put_line(struct recorder *r, unsigned kind, uintptr_t proto,
			 uint32_t line, uintptr_t key_pc, uintptr_t key_proto)
{
	uint8_t *p;
	if (!after_symbol(r, symbols_see_proto(&r->symbols, &r->out, &r->layout,
					       proto)))
		return NULL;
	p = r->out.pos;
	*p++ = (uint8_t)LJM_HEAD(kind, LJM_SOURCE_LUA);
	p = wbuf_put_uleb128(p, proto);
	p = wbuf_put_uleb128(p, line);
	keep_place(r, key_pc, key_proto, p);
	return p;
}

/* A line seen for the first time. Returns NULL when the recording ended. */
static NOINLINE uint8_t *put_new_lua(struct recorder *r, unsigned kind,
				     const struct vm_place *place)
{
	int saved = errno;
	uint32_t line;
	uint8_t *p;
	if (!vm_place_line(&r->layout, place, &line)) {
		*r->out.pos = (uint8_t)LJM_HEAD(kind, LJM_SOURCE_INTERNAL);
		return r->out.pos + 1;
	}
	p = put_line(r, kind, place->proto, line, (uintptr_t)place->pc,
		     place->proto);
	errno = saved;
	return p;
}

static NOINLINE uint8_t *put_c(struct recorder *r, unsigned kind,
			       const struct vm_place *place)
{
	int saved = errno;
	bool ok = after_symbol(
		r, symbols_see_c(&r->symbols, &r->out, place->c_function));
	errno = saved;
	if (!ok)
		return NULL;
	*r->out.pos = (uint8_t)LJM_HEAD(kind, LJM_SOURCE_C);
	return wbuf_put_uleb128(r->out.pos + 1, place->c_function);
}

static NOINLINE bool see_new_trace(struct recorder *r, uint32_t number,
				   uintptr_t trace)
{
	int saved = errno;
	bool ok = after_symbol(r, symbols_see_trace(&r->symbols, &r->out,
						    &r->layout, number, trace));
	errno = saved;
	return ok;
}

/* The trace and not its line. */
static uint8_t *put_trace_number(struct recorder *r, unsigned kind,
				 uint32_t number, uintptr_t trace)
{
	const struct vm_layout *y = &r->layout;
	if (trace &&
	    VM_UNLIKELY(!symbols_knows_trace(
		    &r->symbols, number, trace,
		    vm_ref(y->gc64, trace + (unsigned)y->trace_startpt),
		    vm_ref(y->gc64, trace + (unsigned)y->trace_startpc))) &&
	    !see_new_trace(r, number, trace))
		return NULL;
	*r->out.pos = (uint8_t)LJM_HEAD(kind, LJM_SOURCE_TRACE);
	return wbuf_put_uleb128(r->out.pos + 1, number);
}

/* More is known: what had no line may have one now. */
static void forget_unknown(struct recorder *r)
{
	size_t i;
	r->learnt = r->traces.learnt;
	for (i = 0; i < RECORDER_PLACES; i++)
		if ((r->places[i].bytes[0] >> LJM_SOURCE_SHIFT &
		     LJM_SOURCE_MASK) == LJM_SOURCE_TRACE)
			r->places[i].pc = 0;
}

/*
 * A call of compiled code, or an exit from it, seen for the first time: its
 * line, if certain. at: the return address, or what tells the exit's.
 */
static NOINLINE uint8_t *put_new_call(struct recorder *r, unsigned kind,
				      const struct vm_place *place,
				      uintptr_t trace, uintptr_t at)
{
	uint32_t number = place->trace;
	int saved = errno;
	struct vm_trace_line found;
	uint8_t *p;
	/* When the trace is freed, what is kept of it must go. */
	if (!after_symbol(r, symbols_watch(&r->symbols, trace)))
		p = NULL;
	else if ((place->where == VM_EXIT ? vm_traces_exit_line
					  : vm_traces_line)(
			 &r->traces, &r->layout, trace, number, at, &found))
		p = put_line(r, kind, found.proto, found.line, at, trace);
	else {
		p = put_trace_number(r, kind, number, trace);
		if (p)
			keep_place(r, at, trace, p);
	}
	if (r->learnt != r->traces.learnt)
		forget_unknown(r);
	errno = saved;
	return p;
}

VM_INLINE uint8_t *put_place(struct recorder *r, unsigned kind,
			     const struct recorder_place *entry)
{
	uint8_t *p = r->out.pos;
	/* A whole word: size comes along, and is overwritten. */
	memcpy(p,
	       (const uint8_t *)entry + offsetof(struct recorder_place, bytes),
	       RECORDER_PLACE_BYTES + 1);
	*p = entry->bytes[0] | (uint8_t)kind;
	return p + entry->size;
}

/* Is the function that the VM goes on with far up in a large stack? */
static bool is_deep(const struct recorder *r)
{
	const struct vm_layout *y = &r->layout;
	uintptr_t L = vm_ref(y->gc64, r->vm.cur_L);
	return !L ||
	       vm_u64(L + (unsigned)y->l_base) -
			       vm_ref(y->gc64, L + (unsigned)y->l_stack) >=
		       VM_EXIT_STACK_DEEP;
}

NOINLINE uintptr_t hook_exit_at(struct recorder *r, unsigned kind,
				uintptr_t trace, size_t nsize,
				bool (*watch)(struct recorder *r,
					      uintptr_t trace))
{
	struct vm_exits *e = &r->traces.exits;
	uintptr_t snapshot;
	int saved = errno;
	if (kind == LJM_KIND_FREE)
		return 0;
	snapshot =
		vm_exit_snapshot(&r->layout, r->layout.gc64, r->global, trace);
	if (!snapshot)
		return 0;
	if (VM_UNLIKELY(is_deep(r))) {
		vm_exits_missed(e);
		return 0;
	}
	if (VM_UNLIKELY(!vm_exits_knows(e, trace, snapshot)) && watch(r, trace))
		vm_exits_learn(e, &r->layout, trace, snapshot);
	errno = saved;
	return vm_traces_exit_at(&r->traces, &r->layout, trace, snapshot,
				 kind == LJM_KIND_REALLOC, nsize);
}

static bool watch_trace(struct recorder *r, uintptr_t trace)
{
	return after_symbol(r, symbols_watch(&r->symbols, trace));
}

VM_INLINE uint8_t *put_trace(struct recorder *r, bool gc64, unsigned kind,
			     const struct vm_place *place, size_t nsize)
{
	uint32_t number = place->trace;
	const struct recorder_place *entry;
	uintptr_t trace = vm_near_trace(&r->vm, gc64, number);
	uintptr_t at;
	if (VM_UNLIKELY(!r->layout.has_trace_lines || r->trace_numbers ||
			!trace))
		return put_trace_number(r, kind, number, trace);
	if (VM_LIKELY(place->where != VM_EXIT))
		at = vm_near_return_address(&r->vm, gc64, trace);
	else
		at = hook_exit_at(r, kind, trace, nsize, watch_trace);
	if (VM_UNLIKELY(!at))
		return put_trace_number(r, kind, number, trace);
	entry = place_entry(r, at);
	if (VM_UNLIKELY(entry->pc != at || entry->proto != trace))
		return put_new_call(r, kind, place, trace, at);
	return put_place(r, kind, entry);
}

/*
 * Puts head and location behind the buffer's contents; returns where the
 * payload goes, or NULL when the recording ended.
 */
VM_INLINE uint8_t *put_source(struct recorder *r, bool gc64, unsigned kind,
			      size_t nsize)
{
	struct vm_place place;
	if (VM_UNLIKELY(!has_room(r)) && !make_room(r))
		return NULL;
	vm_near_place(&r->vm, &r->layout, gc64, r->global, &place);
	switch (place.where) {
	case VM_LUA: {
		const struct recorder_place *entry =
			place_entry(r, (uintptr_t)place.pc);
		if (VM_UNLIKELY(entry->pc != (uintptr_t)place.pc ||
				entry->proto != place.proto))
			return put_new_lua(r, kind, &place);
		return put_place(r, kind, entry);
	}
	case VM_TRACE:
	case VM_EXIT:
		return put_trace(r, gc64, kind, &place, nsize);
	case VM_C:
		return put_c(r, kind, &place);
	case VM_INTERNAL:
	default:
		*r->out.pos = (uint8_t)LJM_HEAD(kind, LJM_SOURCE_INTERNAL);
		return r->out.pos + 1;
	}
}

/* The block may be a prototype or a trace: what is kept of it goes. */
static NOINLINE void forget(struct recorder *r, void *ptr, size_t size)
{
	uintptr_t start = (uintptr_t)ptr;
	size_t i;
	if (!symbols_forget(&r->symbols, start))
		return;
	vm_exits_forget(&r->traces.exits, start);
	for (i = 0; i < RECORDER_PLACES; i++)
		if (r->places[i].pc - start <= size ||
		    r->places[i].proto == start)
			r->places[i].pc = 0;
}

VM_INLINE void record_free(struct recorder *r, bool gc64, bool pdep, void *ptr,
			   size_t osize)
{
	uint8_t *p = put_source(r, gc64, LJM_KIND_FREE, 0);
	if (!p)
		return;
	p = wbuf_put(p, (uintptr_t)ptr, pdep);
	r->out.pos = wbuf_put(p, osize, pdep);
	if (VM_UNLIKELY(symbols_may_be_watched(&r->symbols, (uintptr_t)ptr)))
		forget(r, ptr, osize);
}

VM_INLINE void *record_alloc(struct recorder *r, bool gc64, bool pdep,
			     size_t nsize)
{
	uint8_t *p = put_source(r, gc64, LJM_KIND_ALLOC, nsize);
	void *block = r->alloc(r->alloc_ud, NULL, 0, nsize);
	if (block && p) {
		p = wbuf_put(p, (uintptr_t)block, pdep);
		r->out.pos = wbuf_put(p, nsize, pdep);
	} else {
		vm_exits_refused(&r->traces.exits);
	}
	return block;
}

VM_INLINE void *record_realloc(struct recorder *r, bool gc64, bool pdep,
			       void *ptr, size_t osize, size_t nsize)
{
	uint8_t *p = put_source(r, gc64, LJM_KIND_REALLOC, nsize);
	void *block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	if (block && p) {
		p = wbuf_put(p, (uintptr_t)ptr, pdep);
		p = wbuf_put(p, osize, pdep);
		p = wbuf_put(p, (uintptr_t)block, pdep);
		r->out.pos = wbuf_put(p, nsize, pdep);
	} else {
		vm_exits_refused(&r->traces.exits);
	}
	return block;
}

/* Any call while recording; busy is set, and is taken back. */
VM_INLINE void *record(struct recorder *r, void *ptr, size_t osize,
		       size_t nsize, bool gc64, bool pdep)
{
	void *block;
	if (nsize == 0) {
		if (ptr)
			record_free(r, gc64, pdep, ptr, osize);
		block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	} else if (!ptr) {
		block = record_alloc(r, gc64, pdep, nsize);
	} else {
		block = record_realloc(r, gc64, pdep, ptr, osize, nsize);
	}
	BARRIER();
	r->busy = false;
	return block;
}

static NOINLINE void *record_wide(struct recorder *r, void *ptr, size_t osize,
				  size_t nsize)
{
	return record(r, ptr, osize, nsize, true, false);
}

static NOINLINE void *record_wide_pdep(struct recorder *r, void *ptr,
				       size_t osize, size_t nsize)
{
	return record(r, ptr, osize, nsize, true, true);
}

static NOINLINE void *record_narrow(struct recorder *r, void *ptr, size_t osize,
				    size_t nsize)
{
	return record(r, ptr, osize, nsize, false, false);
}

NOINLINE void *hook_pass_nested(struct recorder *r, void *ptr, size_t osize,
				size_t nsize)
{
	r->missed = true;
	if (r->compact)
		r->compact->lost++;
	return r->alloc(r->alloc_ud, ptr, osize, nsize);
}

NOINLINE void *hook_pass_or_record(struct recorder *r, void *ptr, size_t osize,
				   size_t nsize)
{
	bool gc64 = r->layout.gc64;
	void *block;
	if (r->seen != environment_requests)
		recorder_answer(r);
	if (r->recording == RECORDER_PLAIN)
		return (gc64 ? record_wide : record_narrow)(r, ptr, osize,
							    nsize);
	if (r->recording == RECORDER_COMPACT)
		return (gc64 ? hook_compact_record_wide
			     : hook_compact_record_narrow)(r, ptr, osize,
							   nsize);
	if (r->recording == RECORDER_LIVE)
		return hook_live_record(r, ptr, osize, nsize);
	r->touched = true;
	block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	BARRIER();
	r->busy = false;
	return block;
}

/* A freed block that is watched; its event is written. */
static NOINLINE void *forget_and_free(struct recorder *r, void *ptr,
				      size_t osize)
{
	void *block;
	forget(r, ptr, osize);
	block = r->alloc(r->alloc_ud, ptr, osize, 0);
	BARRIER();
	r->busy = false;
	return block;
}

/*
 * Half of all events are the collector's frees: they are written right here,
 * and everything else is a jump away, so that no register needs saving. The
 * block is freed when the event is behind us: not busy any more.
 */
VM_INLINE void *hook(struct recorder *r, void *ptr, size_t osize, size_t nsize,
		     hook_record_fn *rec, bool pdep)
{
	uint8_t *p;
	if (VM_UNLIKELY(r->busy))
		return hook_pass_nested(r, ptr, osize, nsize);
	/* First busy, then the look at recording: see quiesce(). */
	r->busy = true;
	BARRIER();
	if (VM_UNLIKELY(r->recording != RECORDER_PLAIN ||
			r->seen != environment_requests))
		return hook_pass_or_record(r, ptr, osize, nsize);
	if (nsize || !vm_near_collecting(&r->vm) ||
	    VM_UNLIKELY(!ptr || !has_room(r)))
		return rec(r, ptr, osize, nsize);
	p = r->out.pos;
	*p = (uint8_t)LJM_HEAD(LJM_KIND_FREE, LJM_SOURCE_INTERNAL);
	p = wbuf_put(p + 1, (uintptr_t)ptr, pdep);
	r->out.pos = wbuf_put(p, osize, pdep);
	if (VM_UNLIKELY(symbols_may_be_watched(&r->symbols, (uintptr_t)ptr)))
		return forget_and_free(r, ptr, osize);
	BARRIER();
	r->busy = false;
	return r->alloc(r->alloc_ud, ptr, osize, 0);
}

static void *hook_wide(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, record_wide, false);
}

static void *hook_wide_pdep(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, record_wide_pdep, true);
}

static void *hook_narrow(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, record_narrow, false);
}

lua_Alloc hook_for(bool gc64, bool compact)
{
	if (compact)
		return gc64 ? hook_compact_wide : hook_compact_narrow;
	if (!gc64)
		return hook_narrow;
	return wbuf_has_pdep() ? hook_wide_pdep : hook_wide;
}

bool hook_is(lua_Alloc f)
{
	return f == hook_wide || f == hook_wide_pdep || f == hook_narrow ||
	       f == hook_compact_wide || f == hook_compact_narrow;
}
