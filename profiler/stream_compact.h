/*
 * stream_compact.h - writes the compact stream (see ljm_format.h).
 *
 * An event refers to its callsite by number, to its block by how far it is
 * from the last one of its kind. The clock is looked at when the buffer has
 * grown by some bytes, which is the same test as the one for its end.
 */
#ifndef LJMEMPROF_STREAM_COMPACT_H
#define LJMEMPROF_STREAM_COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callsites.h"
#include "gc_watch.h"
#include "ljm_format.h"
#include "wbuf.h"

/* An event, a unit before it, and what whole words may write beyond it. */
_Static_assert(LJM_COMPACT_EVENT_MAX + 2 + 16 <= WBUF_SLACK, "an event fits");

struct compact {
	struct wbuf *out;
	uint8_t *soft; /* out->pos below it: there is room, no need to look */
	struct gc_watch gc;
	uint32_t last_callsite[LJM_KIND_REALLOC + 1];
	unsigned unit;
	uint64_t alloc_end, free_address, realloc_address;
	uint64_t events, lost;
	uint64_t lost_told;	  /* of them, in the stream */
	uint64_t start_us;	  /* of the monotonic clock */
	uint64_t clock_us;	  /* of the last record, since start */
	unsigned own_collections; /* at work: those are not the program's */
	struct callsites callsites;
};

/*
 * Writes the stream's head and its start. depth as in the start record; vm
 * describes the VM; collector as in gc_watch_open(). Borrows all; returns false
 * without memory.
 */
bool compact_open(struct compact *c, struct wbuf *out,
		  const struct vm_layout *y, const struct vm_stack_facts *facts,
		  struct vm_traces *traces, uint32_t depth, const char *vm,
		  const uint8_t *collector);
void compact_free(struct compact *c);

/*
 * Looks at the clock, and makes room for an event. Errors are latched in the
 * buffer.
 */
void compact_look(struct compact *c);

/* Writes what time it is, to the microsecond. */
void compact_clock(struct compact *c);

/* These write the time first. began: behind how many events. */
void compact_mark(struct compact *c, const char *label, size_t n);
void compact_collection(struct compact *c, enum ljm_collection reason,
			uint64_t began);

/* gc_watch_is_due(): writes which cycles of the program's have ended. */
void compact_see_collector(struct compact *c);

/* Writes how many events are missing, if any are. */
void compact_tell_lost(struct compact *c);

/* Microseconds since start. */
uint64_t compact_elapsed(const struct compact *c);

/* Chooses a unit that the address is a multiple of. */
void compact_new_unit(struct compact *c, uint64_t address);

static inline __attribute__((always_inline)) uint64_t compact_relative(
	uint64_t address, uint64_t base, unsigned unit)
{
	int64_t x = (int64_t)((address >> unit) - (base >> unit));
	return (uint64_t)x << 1 ^ (uint64_t)(x >> 63);
}

static inline __attribute__((always_inline)) uint64_t compact_round(
	uint64_t size, unsigned unit)
{
	uint64_t mask = ((uint64_t)1 << unit) - 1;
	return (size + mask) & ~mask;
}

/* Head, callsite, size. */
static inline __attribute__((always_inline)) uint8_t *compact_head(
	struct compact *c, unsigned kind, uint32_t callsite, uint64_t size)
{
	uint8_t *p = c->out->pos, *head = p++;
	unsigned bits = kind;
	uint64_t class = size / LJM_COMPACT_SIZE_UNIT;
	if (c->last_callsite[kind] == callsite) {
		bits |= LJM_COMPACT_SAME;
	} else {
		c->last_callsite[kind] = callsite;
		p = wbuf_put_uleb128(p, callsite);
	}
	if (size % LJM_COMPACT_SIZE_UNIT == 0 && size &&
	    class <= LJM_COMPACT_SIZE_LAST)
		bits |= (unsigned)class << LJM_COMPACT_SIZE_SHIFT;
	else
		p = wbuf_put_uleb128(p, size);
	*head = (uint8_t)bits;
	return p;
}

static inline __attribute__((always_inline)) bool compact_misfits(
	const struct compact *c, uint64_t address)
{
	return (address & (((uint64_t)1 << c->unit) - 1)) != 0;
}

/* These write an event; there must be room for it. */

static inline __attribute__((always_inline)) void compact_alloc(
	struct compact *c, uint32_t callsite, uint64_t address, uint64_t size)
{
	uint8_t *p;
	if (__builtin_expect(compact_misfits(c, address), 0))
		compact_new_unit(c, address);
	p = compact_head(c, LJM_KIND_ALLOC, callsite, size);
	c->out->pos = wbuf_put_uleb128(
		p, compact_relative(address, c->alloc_end, c->unit));
	c->alloc_end = compact_round(address + size, c->unit);
	c->events++;
}

static inline __attribute__((always_inline)) void compact_free_event(
	struct compact *c, uint32_t callsite, uint64_t address, uint64_t size)
{
	uint8_t *p;
	if (__builtin_expect(compact_misfits(c, address), 0))
		compact_new_unit(c, address);
	p = compact_head(c, LJM_KIND_FREE, callsite, size);
	c->out->pos = wbuf_put_uleb128(
		p, compact_relative(address + compact_round(size, c->unit),
				    c->free_address, c->unit));
	c->free_address = address;
	c->events++;
}

static inline __attribute__((always_inline)) void compact_realloc(
	struct compact *c, uint32_t callsite, uint64_t old, uint64_t old_size,
	uint64_t address, uint64_t size)
{
	uint8_t *p;
	if (__builtin_expect(compact_misfits(c, address | old), 0))
		compact_new_unit(c, address | old);
	p = compact_head(c, LJM_KIND_REALLOC, callsite, size);
	p = wbuf_put_uleb128(p, old_size);
	p = wbuf_put_uleb128(
		p, compact_relative(old, c->realloc_address, c->unit));
	c->out->pos =
		wbuf_put_uleb128(p, compact_relative(address, old, c->unit));
	c->realloc_address = address;
	c->events++;
}

#endif
