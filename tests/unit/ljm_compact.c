/*
 * ljm_compact.c - events and records to a compact stream. See ljm_text.h.
 *
 * Written from the words of ljm_format.h, sharing nothing with the decoder.
 */
#include "ljm_text.h"

static void put_zigzag(struct ljm_bytes *out, uint64_t difference)
{
	const bool negative = difference >> 63;

	ljm_put_int(out, negative ? ~difference * 2 + 1 : difference * 2);
}

static void put_relative(struct ljm_bytes *out, const struct ljm_compact *c,
			 uint64_t a, uint64_t b)
{
	put_zigzag(out, (a >> c->unit) - (b >> c->unit));
}

static uint64_t end_of(const struct ljm_compact *c, uint64_t address,
		       uint64_t size)
{
	while (size % (1u << c->unit) != 0)
		size++;
	return address + size;
}

static void put_head(struct ljm_compact *c, const struct decode_event *e,
		     uint64_t size, struct ljm_bytes *out)
{
	const bool same = !c->plain && c->callsite[e->kind] == e->address;
	const bool class = !c->plain && size != 0 && size % 8 == 0 &&
			   size / 8 <= LJM_COMPACT_SIZE_LAST;

	ljm_put_byte(out, e->kind | (same ? LJM_COMPACT_SAME : 0u) |
				  (class ? (unsigned)size : 0u));
	if (!same)
		ljm_put_int(out, e->address);
	if (!class)
		ljm_put_int(out, size);
	c->callsite[e->kind] = e->address;
}

static void put_compact_event(struct ljm_compact *c,
			      const struct decode_event *e,
			      struct ljm_bytes *out)
{
	const bool free = e->kind == LJM_KIND_FREE;

	put_head(c, e, free ? e->old_size : e->new_size, out);
	if (e->kind == LJM_KIND_ALLOC) {
		put_relative(out, c, e->new_address, c->alloc_end);
		c->alloc_end = end_of(c, e->new_address, e->new_size);
	} else if (free) {
		put_relative(out, c, end_of(c, e->old_address, e->old_size),
			     c->free_address);
		c->free_address = e->old_address;
	} else {
		ljm_put_int(out, e->old_size);
		put_relative(out, c, e->old_address, c->realloc_address);
		put_relative(out, c, e->new_address, e->old_address);
		c->realloc_address = e->new_address;
	}
}

static void put_text(const struct decode_event *e, struct ljm_bytes *out)
{
	ljm_put_int(out, e->name_size);
	ljm_put(out, e->name, e->name_size);
}

static void put_frame(const struct decode_event *e, struct ljm_bytes *out)
{
	ljm_put_int(out, e->address);
	if (e->address == LJM_FRAME_TRACE)
		ljm_put_int(out, e->trace_number);
	ljm_put_int(out, e->start_address);
	if (e->address == LJM_FRAME_LUA || e->address == LJM_FRAME_LUA_TRACE ||
	    e->address == LJM_FRAME_TRACE)
		ljm_put_int(out, e->line);
	if (e->address == LJM_FRAME_LUA_TRACE)
		ljm_put_int(out, e->trace_number);
}

static void put_record(const struct decode_event *e, struct ljm_bytes *out)
{
	ljm_put_byte(out, (unsigned)e->source << LJM_RECORD_SHIFT);
	switch (e->source) {
	case LJM_RECORD_START:
		ljm_put_int(out, e->address);
		ljm_put_int(out, e->line);
		ljm_put_int(out, e->start_address);
		put_text(e, out);
		return;
	case LJM_RECORD_STRING:
		put_text(e, out);
		return;
	case LJM_RECORD_PROTO:
		ljm_put_int(out, e->address);
		ljm_put_int(out, e->line);
		ljm_put_int(out, e->start_address);
		return;
	case LJM_RECORD_FUNCTION:
	case LJM_RECORD_CALLSITE:
	case LJM_RECORD_COLLECTION:
		ljm_put_int(out, e->address);
		ljm_put_int(out, e->start_address);
		return;
	case LJM_RECORD_FRAME:
		put_frame(e, out);
		return;
	default:
		ljm_put_int(out, e->address);
	}
}

bool ljm_encode_compact(struct ljm_compact *c, const struct decode_event *e,
			struct ljm_bytes *out)
{
	const uint64_t unit = 1ull << c->unit;

	if (e->kind == DECODE_RECORD) {
		put_record(e, out);
		if (e->source == LJM_RECORD_UNIT && e->address <= LJM_UNIT_MAX)
			c->unit = (unsigned)e->address;
		return true;
	}
	if (e->old_address % unit != 0 || e->new_address % unit != 0)
		return false;
	put_compact_event(c, e, out);
	return true;
}
