/*
 * decode_compact.c - the decoder of the compact stream.
 *
 * As in decode.c there are two readers: compact_decode_fast() for heap events,
 * and compact_take_item(), which checks each byte, makes all errors, and reads
 * the records. They share what an event means, in finish_event().
 */
#include "decode_compact.h"

#include <inttypes.h>

#include "leb128.h"

#define INLINE	    static inline __attribute__((always_inline))
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- addresses */

static inline uint64_t from_zigzag(uint64_t x)
{
	return x >> 1 ^ (0 - (x & 1));
}

/* The address that is so far from base. */
static inline uint64_t relative(uint64_t base, uint64_t zigzag, unsigned unit)
{
	return ((base >> unit) + from_zigzag(zigzag)) << unit;
}

static inline uint64_t round_up(uint64_t x, unsigned unit)
{
	const uint64_t mask = ((uint64_t)1 << unit) - 1;

	return (x + mask) & ~mask;
}

/* An event as it was read: its integers, without what their order says. */
struct parts {
	uint32_t callsite;
	uint64_t size, old_size; /* old: of a realloc */
	uint64_t place, old_place;
};

static inline void finish_event(struct decode_compact *s, unsigned kind,
				const struct parts *p, struct decode_event *e)
{
	const unsigned unit = s->unit;

	e->kind = (uint8_t)kind;
	e->source = DECODE_CALLSITE;
	e->address = p->callsite;
	e->line = 0;
	e->old_address = e->old_size = 0;
	e->new_address = e->new_size = 0;
	s->callsite[kind] = p->callsite;
	if (kind == LJM_KIND_ALLOC) {
		e->new_address = relative(s->alloc_end, p->place, unit);
		e->new_size = p->size;
		s->alloc_end = round_up(e->new_address + p->size, unit);
	} else if (kind == LJM_KIND_FREE) {
		e->old_address = relative(s->free_address, p->place, unit) -
				 round_up(p->size, unit);
		e->old_size = p->size;
		s->free_address = e->old_address;
	} else {
		e->old_address =
			relative(s->realloc_address, p->old_place, unit);
		e->old_size = p->old_size;
		e->new_address = relative(e->old_address, p->place, unit);
		e->new_size = p->size;
		s->realloc_address = e->new_address;
	}
}

/* ---- events, carefully */

static const char *const kinds[] = {"", "allocation", "free", "reallocation"};

static bool take_number(struct cursor *c, enum ljm_record sort, uint64_t *value)
{
	static const char *const names[] = {[LJM_RECORD_STRING] = "string",
					    [LJM_RECORD_PROTO] = "prototype",
					    [LJM_RECORD_FUNCTION] = "function",
					    [LJM_RECORD_FRAME] = "frame",
					    [LJM_RECORD_CALLSITE] = "callsite"};
	const uint32_t defined = c->decoder->compact.defined[sort];

	if (!cursor_int(c, value))
		return false;
	if (*value - 1 >= defined)
		return cursor_fail(
			c, "%s %" PRIu64 ", of which %" PRIu32 " are defined",
			names[sort], *value, defined);
	return true;
}

static bool take_optional_number(struct cursor *c, enum ljm_record sort,
				 uint64_t *value)
{
	if (c->next != c->end && *c->next == 0) {
		c->next++;
		*value = 0;
		return true;
	}
	return take_number(c, sort, value);
}

static bool take_callsite(struct cursor *c, unsigned head, struct parts *p)
{
	const unsigned kind = head & LJM_KIND_MASK;
	uint64_t number;

	if (head & LJM_COMPACT_SAME) {
		p->callsite = c->decoder->compact.callsite[kind];
		return p->callsite != 0 ||
		       cursor_fail(c,
				   "event head 0x%02x: the callsite of the "
				   "last %s, and there was none",
				   head, kinds[kind]);
	}
	if (!take_number(c, LJM_RECORD_CALLSITE, &number))
		return false;
	p->callsite = (uint32_t)number;
	return true;
}

static bool take_event(struct cursor *c, unsigned head, struct decode_event *e)
{
	const unsigned kind = head & LJM_KIND_MASK;
	const unsigned class = head >> LJM_COMPACT_SIZE_SHIFT;
	struct parts p = {.size = (uint64_t) class * LJM_COMPACT_SIZE_UNIT};

	if (!take_callsite(c, head, &p) ||
	    (class == 0 && !cursor_size(c, &p.size)))
		return false;
	if (kind == LJM_KIND_REALLOC &&
	    (!cursor_size(c, &p.old_size) || !cursor_int(c, &p.old_place)))
		return false;
	if (!cursor_int(c, &p.place))
		return false;
	finish_event(&c->decoder->compact, kind, &p, e);
	return true;
}

/* ---- records */

/* An integer that is at most max. */
static bool take_at_most(struct cursor *c, uint64_t max, const char *what,
			 uint64_t *value)
{
	if (!cursor_int(c, value))
		return false;
	if (*value > max)
		return cursor_fail(
			c, "%s %" PRIu64 " (the highest is %" PRIu64 ")", what,
			*value, max);
	return true;
}

static bool take_start(struct cursor *c, struct decode_event *e)
{
	return take_at_most(c, LJM_SIZE_MAX, "start time", &e->address) &&
	       cursor_int(c, &e->line) &&
	       take_at_most(c, LJM_DEPTH_MAX, "depth", &e->start_address) &&
	       cursor_text(c, e);
}

static bool take_frame(struct cursor *c, struct decode_event *e)
{
	if (!take_at_most(c, LJM_FRAME_GAP, "frame kind", &e->address))
		return false;
	switch ((enum ljm_frame)e->address) {
	case LJM_FRAME_INTERNAL:
		return take_at_most(c, LJM_INTERNAL_LAST, "internal kind",
				    &e->start_address);
	case LJM_FRAME_LUA:
		return take_number(c, LJM_RECORD_PROTO, &e->start_address) &&
		       cursor_int(c, &e->line);
	case LJM_FRAME_LUA_TRACE:
		return take_number(c, LJM_RECORD_PROTO, &e->start_address) &&
		       cursor_int(c, &e->line) &&
		       cursor_int(c, &e->trace_number);
	case LJM_FRAME_C:
		return take_number(c, LJM_RECORD_FUNCTION, &e->start_address);
	case LJM_FRAME_TRACE:
		return cursor_int(c, &e->trace_number) &&
		       take_number(c, LJM_RECORD_PROTO, &e->start_address) &&
		       cursor_int(c, &e->line);
	default:
		return take_at_most(c, LJM_GAP_LAST, "gap", &e->start_address);
	}
}

static bool take_body(struct cursor *c, unsigned type, struct decode_event *e)
{
	switch (type) {
	case LJM_RECORD_START:
		return take_start(c, e);
	case LJM_RECORD_STRING:
		return cursor_text(c, e);
	case LJM_RECORD_PROTO:
		return take_number(c, LJM_RECORD_STRING, &e->address) &&
		       cursor_int(c, &e->line) &&
		       take_optional_number(c, LJM_RECORD_STRING,
					    &e->start_address);
	case LJM_RECORD_FUNCTION:
		return cursor_int(c, &e->address) &&
		       take_number(c, LJM_RECORD_STRING, &e->start_address);
	case LJM_RECORD_FRAME:
		return take_frame(c, e);
	case LJM_RECORD_CALLSITE:
		return take_optional_number(c, LJM_RECORD_CALLSITE,
					    &e->address) &&
		       take_number(c, LJM_RECORD_FRAME, &e->start_address);
	case LJM_RECORD_CLOCK:
		return take_at_most(c, LJM_SIZE_MAX, "time", &e->address);
	case LJM_RECORD_MARK:
		return take_number(c, LJM_RECORD_STRING, &e->address);
	case LJM_RECORD_COLLECTION:
		return take_at_most(c, LJM_COLLECTION_LAST, "collection",
				    &e->address) &&
		       cursor_int(c, &e->start_address);
	case LJM_RECORD_UNIT:
		return take_at_most(c, LJM_UNIT_MAX, "unit", &e->address);
	default: /* lost */
		return cursor_int(c, &e->address);
	}
}

/* Is a record of this type possible here? */
static bool check_type(struct cursor *c, unsigned type)
{
	const struct decode_compact *const s = &c->decoder->compact;

	if (type < LJM_RECORD_START || type > LJM_RECORD_LOST)
		return cursor_fail(c, "unknown type %u of a record", type);
	if (type == LJM_RECORD_START && s->started)
		return cursor_fail(c, "a second start");
	if (type >= LJM_RECORD_STRING && type <= LJM_RECORD_CALLSITE &&
	    s->defined[type] == LJM_NUMBER_MAX)
		return cursor_fail(c,
				   "more than %u definitions of one sort "
				   "(type %u)",
				   LJM_NUMBER_MAX, type);
	return true;
}

static bool take_record(struct cursor *c, unsigned head, struct decode_event *e)
{
	const unsigned type = head >> LJM_RECORD_SHIFT;
	struct decode_compact *const s = &c->decoder->compact;

	*e = (struct decode_event){.kind = DECODE_RECORD,
				   .source = (uint8_t)type};
	if (!check_type(c, type) || !take_body(c, type, e))
		return false;
	if (type == LJM_RECORD_START) {
		s->started = true;
		s->unit = LJM_UNIT;
	} else if (type == LJM_RECORD_UNIT) {
		s->unit = (uint8_t)e->address;
	} else if (type <= LJM_RECORD_CALLSITE) {
		s->defined[type]++;
	}
	return true;
}

enum taken compact_take_item(struct cursor *c, struct decode_event *e)
{
	unsigned head;
	bool ok;

	if (c->next == c->end)
		return TAKEN_MORE;
	head = *c->next++;
	if (!c->decoder->compact.started &&
	    head != LJM_RECORD_START << LJM_RECORD_SHIFT) {
		cursor_fail(c, "item 0x%02x before the start", head);
		return TAKEN_BAD;
	}
	if (head == LJM_EPILOGUE)
		return TAKEN_CLOSE;
	ok = (head & LJM_KIND_MASK) == 0 ? take_record(c, head, e)
					 : take_event(c, head, e);
	return ok ? TAKEN : c->failed;
}

/* ---- events, fast */

/*
 * The last bytes of integers are found for WINDOW bytes at once, which are
 * some ten events. Whether an event has a callsite and a size is as good as
 * random, so there is no branch on it: what is not there has no bytes. What
 * is left is a branch on the kind.
 */
#define WINDOW 64

/* The longest event whose integers have no more than eight bytes. */
#define FAST_EVENT (1 + 5 * 8)

/* Readable from the start of a window on. */
#define FAST_BYTES 80

/*
 * Decodes an event whose integers begin at p; last has a bit for each of
 * their last bytes. NULL when it is for the careful reader.
 */
static inline const uint8_t *fast_event(struct decode_compact *s,
					const uint8_t *p, uint64_t last,
					unsigned head, bool pext,
					struct decode_event *e)
{
	const unsigned kind = head & LJM_KIND_MASK;
	const unsigned class = head >> LJM_COMPACT_SIZE_SHIFT;
	const uint64_t has_callsite =
		(uint64_t)(head >> 2 & 1) - 1; /* all bits or none */
	const uint64_t has_size = 0 - (uint64_t)(class == 0);
	const unsigned middle = leb128_next_end(&last, 0, has_callsite);
	const unsigned end = leb128_next_end(&last, middle, has_size);
	uint64_t callsite, none;
	struct parts parts = {0};

	leb128_join_pair(p, middle, end, pext, &callsite, &parts.size);
	callsite |= s->callsite[kind] & ~has_callsite;
	parts.size |= (uint64_t) class * LJM_COMPACT_SIZE_UNIT;
	if (unlikely(callsite - 1 >= s->defined[LJM_RECORD_CALLSITE]))
		return NULL;
	parts.callsite = (uint32_t)callsite;
	if (kind == LJM_KIND_REALLOC) {
		const unsigned a = leb128_next_end(&last, 0, UINT64_MAX);
		const unsigned b = leb128_next_end(&last, 0, UINT64_MAX);
		const unsigned c = leb128_next_end(&last, 0, UINT64_MAX);

		leb128_join_pair(p + end, a - end, b - end, pext,
				 &parts.old_size, &parts.old_place);
		leb128_join_pair(p + b, c - b, c - b, pext, &parts.place,
				 &none);
		finish_event(s, LJM_KIND_REALLOC, &parts, e);
		return p + c;
	} else {
		const unsigned a = leb128_next_end(&last, 0, UINT64_MAX);

		leb128_join_pair(p + end, a - end, a - end, pext, &parts.place,
				 &none);
		finish_event(s, kind, &parts, e);
		return p + a;
	}
}

INLINE const uint8_t *decode_fast(struct decoder *d, const uint8_t *p,
				  const uint8_t *end, bool pext,
				  struct decode_event *events, size_t cap,
				  size_t *count)
{
	struct decode_compact s = d->compact;
	size_t n = *count;
	bool odd = false;

	while (n < cap && end - p >= FAST_BYTES && !odd) {
		const uint8_t *const window = p;
		const uint64_t last = leb128_find_last_bytes(window, WINDOW);

		/* Up to eight bytes hold no size beyond LJM_SIZE_MAX. */
		odd = leb128_has_long(last);
		while (!odd && n < cap && p - window <= WINDOW - FAST_EVENT) {
			const uint8_t *next = NULL;

			if ((*p & LJM_KIND_MASK) != 0)
				next = fast_event(&s, p + 1,
						  last >> (p - window) >> 1, *p,
						  pext, &events[n]);
			odd = next == NULL;
			p = odd ? p : next;
			n += !odd;
		}
	}
	d->compact = s;
	*count = n;
	return p;
}

const uint8_t *compact_decode_fast(struct decoder *d, const uint8_t *p,
				   const uint8_t *end, bool pext,
				   struct decode_event *events, size_t cap,
				   size_t *count)
{
	/* Two copies, each for one. */
	return pext ? decode_fast(d, p, end, true, events, cap, count)
		    : decode_fast(d, p, end, false, events, cap, count);
}
