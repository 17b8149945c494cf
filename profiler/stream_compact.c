/*
 * stream_compact.c - writes the compact stream, but for its events.
 */
#define _GNU_SOURCE
#include "stream_compact.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* The clock is looked at after so many bytes, and written once a millisecond.
 */
#define CLOCK_BYTES 256
#define CLOCK_US    1000

static uint64_t microseconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void record(struct compact *c, enum ljm_record type)
{
	wbuf_byte(c->out, (uint8_t)(type << LJM_RECORD_SHIFT));
}

static void set_soft(struct compact *c)
{
	struct wbuf *out = c->out;
	c->soft = out->end - out->pos > CLOCK_BYTES ? out->pos + CLOCK_BYTES
						    : out->end;
}

bool compact_open(struct compact *c, struct wbuf *out,
		  const struct vm_layout *y, const struct vm_stack_facts *facts,
		  struct vm_traces *traces, uint32_t depth, const char *vm,
		  const uint8_t *collector)
{
	static const uint8_t reserved[3];
	memset(c, 0, sizeof *c);
	c->out = out;
	c->unit = LJM_UNIT;
	c->start_us = microseconds(CLOCK_MONOTONIC);
	gc_watch_open(&c->gc, collector);
	if (!callsites_open(&c->callsites, out, y, facts, traces, depth))
		return false;
	wbuf_bytes(out, LJM_SYMTAB_MAGIC, LJM_MAGIC_SIZE);
	wbuf_byte(out, LJM_SYMTAB_VERSION);
	wbuf_bytes(out, reserved, sizeof reserved);
	wbuf_byte(out, LJM_EPILOGUE);
	wbuf_bytes(out, LJM_EVENTS_MAGIC, LJM_MAGIC_SIZE);
	wbuf_byte(out, LJM_COMPACT_VERSION);
	wbuf_bytes(out, reserved, sizeof reserved);
	record(c, LJM_RECORD_START);
	wbuf_uleb128(out, microseconds(CLOCK_REALTIME));
	wbuf_uleb128(out, (uint64_t)getpid());
	wbuf_uleb128(out, depth);
	wbuf_string(out, vm, strlen(vm));
	set_soft(c);
	return true;
}

void compact_free(struct compact *c)
{
	callsites_free(&c->callsites);
}

/* ---- time */

uint64_t compact_elapsed(const struct compact *c)
{
	uint64_t now = microseconds(CLOCK_MONOTONIC);
	return now > c->start_us ? now - c->start_us : 0;
}

static void put_clock(struct compact *c, uint64_t now)
{
	record(c, LJM_RECORD_CLOCK);
	wbuf_uleb128(c->out, now - c->clock_us);
	c->clock_us = now;
}

__attribute__((noinline)) void compact_look(struct compact *c)
{
	uint64_t now = microseconds(CLOCK_MONOTONIC_COARSE) - c->start_us;
	/* The coarse clock is that of the last tick: it may lie before start.
	 */
	if ((int64_t)(now - c->clock_us) >= CLOCK_US) {
		put_clock(c, now);
		callsites_check_libraries(&c->callsites);
	}
	if (c->out->pos >= c->out->end)
		wbuf_flush(c->out);
	set_soft(c);
}

void compact_clock(struct compact *c)
{
	uint64_t now = compact_elapsed(c);
	if (now > c->clock_us)
		put_clock(c, now);
}

/* ---- the other records */

void compact_mark(struct compact *c, const char *label, size_t n)
{
	uint32_t string = definitions_string(&c->callsites.d, label, n);
	compact_clock(c);
	if (string) {
		record(c, LJM_RECORD_MARK);
		wbuf_uleb128(c->out, string);
	}
	compact_look(c);
}

void compact_collection(struct compact *c, enum ljm_collection reason,
			uint64_t began)
{
	compact_clock(c);
	record(c, LJM_RECORD_COLLECTION);
	wbuf_uleb128(c->out, reason);
	wbuf_uleb128(c->out, c->events - began);
	compact_look(c);
}

void compact_see_collector(struct compact *c)
{
	struct gc_ended ended = gc_watch_look(&c->gc, c->events);
	unsigned i;
	if (c->own_collections)
		return;
	for (i = 0; i < ended.count; i++)
		compact_collection(c, LJM_COLLECTION_PROGRAM, ended.began[i]);
}

void compact_tell_lost(struct compact *c)
{
	if (c->lost == c->lost_told)
		return;
	record(c, LJM_RECORD_LOST);
	wbuf_uleb128(c->out, c->lost - c->lost_told);
	c->lost_told = c->lost;
	compact_look(c);
}

__attribute__((noinline)) void compact_new_unit(struct compact *c,
						uint64_t address)
{
	while (compact_misfits(c, address))
		c->unit--;
	/* In the place of an event's bytes: compact_look() made room for it. */
	*c->out->pos++ = (uint8_t)(LJM_RECORD_UNIT << LJM_RECORD_SHIFT);
	*c->out->pos++ = (uint8_t)c->unit;
}
