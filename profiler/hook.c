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
#include "ljm_format.h"
#include "recorder.h"
#include "vm_frame.h"

/* An event, and what the copying in whole words may write beyond it. */
#define EVENT_ROOM (LJM_EVENT_MAX + 16)

#define BARRIER() __asm__ volatile("" ::: "memory")

/* Room for an event, or false when the recording ended for it. */
static __attribute__((noinline)) bool make_room(struct recorder *r)
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
	return (size_t)(r->out.end - r->out.pos) >= EVENT_ROOM;
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

/* Keeps the location that starts at r->out.pos + 1 and ends at end. */
static void keep_place(struct recorder *r, uintptr_t pc, uintptr_t proto,
		       unsigned source, const uint8_t *end)
{
	struct recorder_place *entry = place_entry(r, pc);
	size_t size = (size_t)(end - r->out.pos) - 1;
	if (size > sizeof entry->bytes)
		return;
	entry->pc = pc;
	entry->proto = proto;
	entry->source = (uint8_t)source;
	entry->size = (uint8_t)size;
	memcpy(entry->bytes, r->out.pos + 1, sizeof entry->bytes);
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
	keep_place(r, key_pc, key_proto, LJM_SOURCE_LUA, p);
	return p;
}

/* A line seen for the first time. Returns NULL when the recording ended. */
static __attribute__((noinline)) uint8_t *put_new_lua(
	struct recorder *r, unsigned kind, const struct vm_place *place)
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

static __attribute__((noinline)) uint8_t *put_c(struct recorder *r,
						unsigned kind,
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

static __attribute__((noinline)) bool see_new_trace(struct recorder *r,
						    uint32_t number,
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

/*
 * A call of compiled code, or an exit from it, seen for the first time: its
 * line, if certain. at: the return address, or the exit's snapshot.
 */
static __attribute__((noinline)) uint8_t *put_new_call(
	struct recorder *r, unsigned kind, const struct vm_place *place,
	uintptr_t trace, uintptr_t at)
{
	uint32_t number = place->trace;
	int saved = errno;
	uintptr_t proto;
	uint32_t line;
	uint8_t *p;
	/* When the trace is freed, what is kept of it must go. */
	if (!after_symbol(r, symbols_watch(&r->symbols, trace)))
		p = NULL;
	else if ((place->where == VM_EXIT
			  ? vm_traces_exit_line
			  : vm_traces_line)(&r->traces, &r->layout, trace,
					    number, at, &proto, &line))
		p = put_line(r, kind, proto, line, at, trace);
	else {
		p = put_trace_number(r, kind, number, trace);
		if (p)
			keep_place(r, at, trace, LJM_SOURCE_TRACE, p);
	}
	errno = saved;
	return p;
}

VM_INLINE uint8_t *put_place(struct recorder *r, unsigned kind,
			     const struct recorder_place *entry)
{
	uint8_t *p = r->out.pos;
	*p = (uint8_t)LJM_HEAD(kind, entry->source);
	memcpy(p + 1, entry->bytes, sizeof entry->bytes);
	return p + 1 + entry->size;
}

VM_INLINE uint8_t *put_trace(struct recorder *r, bool gc64, unsigned kind,
			     const struct vm_place *place)
{
	const struct vm_layout *y = &r->layout;
	uint32_t number = place->trace;
	const struct recorder_place *entry;
	uintptr_t trace =
		vm_ref(gc64, vm_u64(r->global + (unsigned)y->g_trace) +
				     (gc64 ? 8 : 4) * (uintptr_t)number);
	uintptr_t at = 0;
	if (VM_UNLIKELY(!y->has_trace_lines || r->trace_numbers || !trace))
		return put_trace_number(r, kind, number, trace);
	if (VM_LIKELY(place->where != VM_EXIT))
		at = vm_return_address(y, gc64, r->global, trace);
	else if (kind == LJM_KIND_ALLOC) /* else the stack grows */
		at = vm_exit_snapshot(y, gc64, r->global, trace);
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
VM_INLINE uint8_t *put_source(struct recorder *r, bool gc64, unsigned kind)
{
	struct vm_place place;
	if (VM_UNLIKELY(!has_room(r)) && !make_room(r))
		return NULL;
	vm_place(&r->layout, gc64, r->global, &place);
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
		return put_trace(r, gc64, kind, &place);
	case VM_C:
		return put_c(r, kind, &place);
	case VM_INTERNAL:
	default:
		*r->out.pos = (uint8_t)LJM_HEAD(kind, LJM_SOURCE_INTERNAL);
		return r->out.pos + 1;
	}
}

/* The block may be a prototype or a trace: what is kept of it goes. */
static __attribute__((noinline)) void forget(struct recorder *r, void *ptr,
					     size_t size)
{
	uintptr_t start = (uintptr_t)ptr;
	size_t i;
	if (!symbols_forget(&r->symbols, start))
		return;
	for (i = 0; i < RECORDER_PLACES; i++)
		if (r->places[i].pc - start <= size ||
		    r->places[i].proto == start)
			r->places[i].pc = 0;
}

VM_INLINE void record_free(struct recorder *r, bool gc64, void *ptr,
			   size_t osize)
{
	uint8_t *p = put_source(r, gc64, LJM_KIND_FREE);
	if (!p)
		return;
	p = wbuf_put_uleb128(p, (uintptr_t)ptr);
	r->out.pos = wbuf_put_uleb128(p, osize);
	if (VM_UNLIKELY(symbols_may_be_watched(&r->symbols, (uintptr_t)ptr)))
		forget(r, ptr, osize);
}

VM_INLINE void *record_alloc(struct recorder *r, bool gc64, size_t nsize)
{
	uint8_t *p = put_source(r, gc64, LJM_KIND_ALLOC);
	void *block = r->alloc(r->alloc_ud, NULL, 0, nsize);
	if (block && p) {
		p = wbuf_put_uleb128(p, (uintptr_t)block);
		r->out.pos = wbuf_put_uleb128(p, nsize);
	}
	return block;
}

VM_INLINE void *record_realloc(struct recorder *r, bool gc64, void *ptr,
			       size_t osize, size_t nsize)
{
	uint8_t *p = put_source(r, gc64, LJM_KIND_REALLOC);
	void *block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	if (block && p) {
		p = wbuf_put_uleb128(p, (uintptr_t)ptr);
		p = wbuf_put_uleb128(p, osize);
		p = wbuf_put_uleb128(p, (uintptr_t)block);
		r->out.pos = wbuf_put_uleb128(p, nsize);
	}
	return block;
}

VM_INLINE void *hook(struct recorder *r, void *ptr, size_t osize, size_t nsize,
		     bool gc64)
{
	void *block;
	if (VM_UNLIKELY(r->busy)) {
		r->missed = true;
		return r->alloc(r->alloc_ud, ptr, osize, nsize);
	}
	/* First busy, then the look at recording: see quiesce(). */
	r->busy = true;
	BARRIER();
	if (VM_UNLIKELY(r->seen != environment_requests))
		recorder_answer(r);
	if (VM_UNLIKELY(!r->recording)) {
		r->touched = true;
		block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	} else if (nsize == 0) {
		if (ptr)
			record_free(r, gc64, ptr, osize);
		block = r->alloc(r->alloc_ud, ptr, osize, nsize);
	} else if (!ptr) {
		block = record_alloc(r, gc64, nsize);
	} else {
		block = record_realloc(r, gc64, ptr, osize, nsize);
	}
	BARRIER();
	r->busy = false;
	return block;
}

static void *hook_wide(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, true);
}

static void *hook_narrow(void *ud, void *ptr, size_t osize, size_t nsize)
{
	return hook(ud, ptr, osize, nsize, false);
}

lua_Alloc hook_for(bool gc64)
{
	return gc64 ? hook_wide : hook_narrow;
}
