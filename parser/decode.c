/*
 * decode.c - the decoder of every version of the stream.
 *
 * The events of our own version are in decode_compact.c. For the others there
 * are two readers of an event: decode_fast(), for the three kinds of heap event
 * while FAST_BYTES are there, so that hardly anything inside it is checked;
 * and take_event(), for all else, which checks each byte. Whatever the fast
 * one finds odd it leaves to the other, which alone makes errors: hence
 * a stream decodes alike however it is cut into windows.
 */
#include "decode.h"

#include <string.h>

#include "cursor.h"
#include "decode_compact.h"
#include "leb128.h"

#define INLINE	    static inline __attribute__((always_inline))
#define unlikely(x) __builtin_expect(!!(x), 0)

#define UNDERSTOOD "(understood: 1/1, 1/2, 2/2, 2/3, 3/3, 3/131)"

enum phase {
	PHASE_SYMTAB_PROLOGUE,
	PHASE_SYMTAB,
	PHASE_EVENTS_PROLOGUE,
	PHASE_EVENTS,
	PHASE_END,
};

/* What the pair of versions decides about the events. */
struct grammar {
	uint8_t symtab_version;
	uint8_t events_version;
	bool trace_address;	/* a trace comes with its machine code */
	uint8_t last_source;	/* the highest there is */
	uint8_t last_symbol;	/* source of symbols in events, 0: none */
	bool headless_c_symbol; /* head 0x01 is a C symbol */
	bool compact;		/* decode_compact.c knows the rest */
};

static const struct grammar grammars[] = {
	{1, 1, false, LJM_SOURCE_C, 0, false, false},
	{1, 2, true, LJM_SOURCE_TRACE, 0, false, false},
	{2, 2, true, LJM_SOURCE_TRACE, 0, false, false},
	{2, 3, true, LJM_SOURCE_TRACE, LJM_SOURCE_LUA, false, false},
	{3, 3, false, LJM_SOURCE_TRACE, LJM_SOURCE_TRACE, true, false},
	{3, LJM_COMPACT_VERSION, false, 0, 0, false, true},
};

static const struct grammar *find_grammar(unsigned symtab, unsigned events)
{
	const size_t count = sizeof(grammars) / sizeof(grammars[0]);

	for (size_t i = 0; i < count; i++)
		if (grammars[i].symtab_version == symtab &&
		    grammars[i].events_version == events)
			return &grammars[i];
	return NULL;
}

/* ---- symbols */

static inline bool take_symbol(struct cursor *c, uint8_t source,
			       bool trace_address, struct decode_event *e)
{
	uint64_t machine_code;

	*e = (struct decode_event){.kind = LJM_KIND_SYMBOL, .source = source};
	if (!cursor_int(c, &e->address))
		return false;
	if (source == LJM_SOURCE_C)
		return cursor_text(c, e);
	if (source == LJM_SOURCE_LUA)
		return cursor_text(c, e) && cursor_int(c, &e->line);
	if (trace_address && !cursor_int(c, &machine_code))
		return false;
	return cursor_int(c, &e->start_address) && cursor_int(c, &e->line);
}

/* The source that a type byte of a symbol table stands for; 0: none. */
static uint8_t source_of_type(unsigned symtab_version, uint8_t type)
{
	if (type == LJM_SYMBOL_LUA)
		return LJM_SOURCE_LUA;
	if (symtab_version == 2 && type == LJM_SYMBOL_TRACE_V2)
		return LJM_SOURCE_TRACE;
	if (symtab_version == 3 && type == LJM_SYMBOL_C)
		return LJM_SOURCE_C;
	if (symtab_version == 3 && type == LJM_SYMBOL_TRACE)
		return LJM_SOURCE_TRACE;
	return LJM_SOURCE_NONE;
}

static enum taken take_table_symbol(struct cursor *c, struct decode_event *e)
{
	const unsigned version = c->decoder->symtab_version;
	uint8_t type, source;

	if (c->next == c->end)
		return TAKEN_MORE;
	type = *c->next++;
	if (type == LJM_EPILOGUE)
		return TAKEN_CLOSE;
	source = source_of_type(version, type);
	if (source == LJM_SOURCE_NONE) {
		cursor_fail(
			c,
			"unknown type 0x%02x of a symbol in a symbol table of "
			"version %u",
			type, version);
		return TAKEN_BAD;
	}
	return take_symbol(c, source, version == 2, e) ? TAKEN : c->failed;
}

/* ---- events */

static bool take_location(struct cursor *c, const struct grammar *g,
			  struct decode_event *e)
{
	uint64_t machine_code;

	e->address = 0;
	e->line = 0;
	if (e->source == LJM_SOURCE_INTERNAL)
		return true;
	if (!cursor_int(c, &e->address))
		return false;
	if (e->source == LJM_SOURCE_LUA)
		return cursor_int(c, &e->line);
	if (e->source == LJM_SOURCE_TRACE && g->trace_address)
		return cursor_int(c, &machine_code);
	return true;
}

static bool take_payload(struct cursor *c, struct decode_event *e)
{
	e->old_address = 0;
	e->old_size = 0;
	e->new_address = 0;
	e->new_size = 0;
	if (e->kind != LJM_KIND_ALLOC &&
	    !(cursor_int(c, &e->old_address) && cursor_size(c, &e->old_size)))
		return false;
	if (e->kind != LJM_KIND_FREE &&
	    !(cursor_int(c, &e->new_address) && cursor_size(c, &e->new_size)))
		return false;
	return true;
}

static bool check_head(struct cursor *c, const struct grammar *g, uint8_t head)
{
	const unsigned kind = head & LJM_KIND_MASK;
	const unsigned source = head >> LJM_SOURCE_SHIFT & LJM_SOURCE_MASK;
	const bool symbol = kind == LJM_KIND_SYMBOL;

	if (head & LJM_HEAD_UNUSED)
		return cursor_fail(c, "event head 0x%02x has unused bits set",
				   head);
	if (source == LJM_SOURCE_NONE || source > g->last_source ||
	    (symbol && source == LJM_SOURCE_INTERNAL))
		return cursor_fail(
			c,
			"event head 0x%02x: a %s with source %u, which "
			"version %u/%u does not have",
			head, symbol ? "symbol" : "heap event", source,
			g->symtab_version, g->events_version);
	if (symbol && source > g->last_symbol)
		return cursor_fail(
			c,
			"event head 0x%02x: a symbol of source %u among "
			"events, which version %u/%u does not have",
			head, source, g->symtab_version, g->events_version);
	return true;
}

static enum taken take_event(struct cursor *c, const struct grammar *g,
			     struct decode_event *e)
{
	uint8_t head;
	bool ok;

	if (c->next == c->end)
		return TAKEN_MORE;
	head = *c->next++;
	if (head == LJM_EPILOGUE)
		return TAKEN_CLOSE;
	if (head == LJM_HEAD(LJM_KIND_ALLOC, LJM_SOURCE_NONE) &&
	    g->headless_c_symbol)
		return take_symbol(c, LJM_SOURCE_C, false, e) ? TAKEN
							      : c->failed;
	if (!check_head(c, g, head))
		return TAKEN_BAD;
	e->kind = head & LJM_KIND_MASK;
	e->source = head >> LJM_SOURCE_SHIFT;
	if (e->kind == LJM_KIND_SYMBOL)
		ok = take_symbol(c, e->source, g->trace_address, e);
	else
		ok = take_location(c, g, e) && take_payload(c, e);
	return ok ? TAKEN : c->failed;
}

/* ---- heap events, fast */

/*
 * The length of an integer is as good as random, and a branch on it would be
 * guessed wrong. So there is none: the last bytes of all integers are found at
 * once, and integers are joined two at a time. Where an event is from, and
 * whether it is an allocation or a free, is no better: so what is not there has
 * no bytes. What is left is a branch on reallocations.
 */

/* The integers of an event, of no more than eight bytes each. */
#define FAST_INTS 48

/* Looked at for one event. */
#define FAST_BYTES 80

static inline uint64_t all_bits_if(bool condition)
{
	return 0 - (uint64_t)condition;
}

/*
 * Decodes a heap event, without a look at whether it is one; last is what
 * leb128_find_last_bytes() found from p + 1 on. seconds has a bit for each
 * source whose location has a second integer.
 */
static inline const uint8_t *fast_event(const uint8_t *p, uint64_t last,
					unsigned seconds, bool pext,
					struct decode_event *e)
{
	const uint8_t kind = *p & LJM_KIND_MASK;
	const uint8_t source = *p++ >> LJM_SOURCE_SHIFT;
	const unsigned first = leb128_next_end(
		&last, 0, all_bits_if(source != LJM_SOURCE_INTERNAL));
	const unsigned second = leb128_next_end(
		&last, first, all_bits_if(seconds >> source & 1));
	const unsigned address = leb128_next_end(&last, 0, UINT64_MAX);
	const unsigned size = leb128_next_end(&last, 0, UINT64_MAX);
	uint64_t block[2];

	*e = (struct decode_event){.kind = kind, .source = source};
	leb128_join_pair(p, first, second, pext, &e->address, &e->line);
	/* Of a trace it was the address of its code. */
	e->line &= all_bits_if(source == LJM_SOURCE_LUA);
	leb128_join_pair(p + second, address - second, size - second, pext,
			 &block[0], &block[1]);
	memcpy((char *)e + decode_block_at(kind), block, sizeof(block));
	if (kind == LJM_KIND_REALLOC) {
		const unsigned a = leb128_next_end(&last, 0, UINT64_MAX);
		const unsigned b = leb128_next_end(&last, 0, UINT64_MAX);

		leb128_join_pair(p + size, a - size, b - size, pext,
				 &e->new_address, &e->new_size);
		return p + b;
	}
	return p + size;
}

/*
 * Decodes heap events from p on while there are bytes enough before end and
 * nothing is odd. Returns where it stopped.
 */
INLINE const uint8_t *decode_fast(const struct grammar *g, const uint8_t *p,
				  const uint8_t *end, bool pext,
				  struct decode_event *events, size_t cap,
				  size_t *count)
{
	/* Unused bits make a head too large. */
	const unsigned first = LJM_HEAD(0, LJM_SOURCE_INTERNAL);
	const unsigned heads = LJM_HEAD(0, g->last_source + 1) - first;
	const unsigned seconds = 1u << LJM_SOURCE_LUA |
				 (unsigned)g->trace_address << LJM_SOURCE_TRACE;
	size_t n = *count;

	while (n < cap && end - p >= FAST_BYTES) {
		const uint64_t last = leb128_find_last_bytes(p + 1, FAST_INTS);

		/* Up to eight bytes hold no size beyond LJM_SIZE_MAX. */
		if (unlikely(*p - first >= heads) ||
		    unlikely((*p & LJM_KIND_MASK) == LJM_KIND_SYMBOL) ||
		    unlikely(leb128_has_long(last)))
			break;
		p = fast_event(p, last, seconds, pext, &events[n++]);
	}
	*count = n;
	return p;
}

/* ---- prologues */

static bool take_prologue(struct cursor *c, const char *magic, uint8_t *version,
			  const char *otherwise)
{
	const size_t left = (size_t)(c->end - c->next);
	const uint8_t *const p = c->next;

	for (size_t i = 0; i < LJM_MAGIC_SIZE && i < left; i++)
		if (p[i] != (uint8_t)magic[i])
			return cursor_fail(
				c,
				"%s (byte 0x%02x where 0x%02x \"%s\" is "
				"expected)",
				otherwise, p[i], magic[i], magic);
	if (left < LJM_PROLOGUE_SIZE)
		return cursor_need_more(c);
	*version = p[LJM_MAGIC_SIZE];
	c->next += LJM_PROLOGUE_SIZE;
	return true;
}

static enum taken take_symtab_prologue(struct cursor *c)
{
	uint8_t version = 0;

	if (!take_prologue(c, LJM_SYMTAB_MAGIC, &version,
			   "not a memprof stream"))
		return c->failed;
	if (version < grammars[0].symtab_version ||
	    version > LJM_SYMTAB_VERSION) {
		cursor_fail(
			c, "unknown version %u of the symbol table " UNDERSTOOD,
			version);
		return TAKEN_BAD;
	}
	c->decoder->symtab_version = version;
	return TAKEN;
}

static enum taken take_events_prologue(struct cursor *c)
{
	const unsigned symtab_version = c->decoder->symtab_version;
	uint8_t version = 0;

	if (!take_prologue(c, LJM_EVENTS_MAGIC, &version,
			   "no events after the symbol table"))
		return c->failed;
	if (find_grammar(symtab_version, version) == NULL) {
		cursor_fail(c, "unknown version %u/%u " UNDERSTOOD,
			    symtab_version, version);
		return TAKEN_BAD;
	}
	if (version == LJM_COMPACT_VERSION && c->decoder->has_table) {
		cursor_fail(c, "symbols in the table of a compact stream");
		return TAKEN_BAD;
	}
	c->decoder->events_version = version;
	return TAKEN;
}

/* ---- the loop */

void decode_init(struct decoder *d)
{
	memset(d, 0, sizeof(*d));
	d->phase = PHASE_SYMTAB_PROLOGUE;
}

/* Takes one item with every check; *count grows when it yields an event. */
static enum taken take_item(struct cursor *c, const struct grammar *g,
			    struct decode_event *e, size_t *count)
{
	struct decoder *const d = c->decoder;
	enum taken taken;

	switch (d->phase) {
	case PHASE_SYMTAB_PROLOGUE:
		taken = take_symtab_prologue(c);
		d->phase += taken == TAKEN;
		return taken;
	case PHASE_SYMTAB:
		taken = take_table_symbol(c, e);
		d->has_table |= taken == TAKEN;
		break;
	case PHASE_EVENTS_PROLOGUE:
		taken = take_events_prologue(c);
		d->phase += taken == TAKEN;
		return taken;
	default:
		taken = g->compact ? compact_take_item(c, e)
				   : take_event(c, g, e);
	}
	*count += taken == TAKEN;
	d->phase += taken == TAKEN_CLOSE;
	return taken;
}

/* Takes what can be taken quickly; returns where that ends. */
static const uint8_t *take_fast(struct decoder *d, const struct grammar *g,
				const struct cursor *c, bool pext,
				struct decode_event *events, size_t cap,
				size_t *count)
{
	/* Many a stream has nothing but symbols for long. */
	if (c->next == c->end || (*c->next & LJM_KIND_MASK) == LJM_KIND_SYMBOL)
		return c->next;
	if (g->compact)
		return compact_decode_fast(d, c->next, c->end, pext, events,
					   cap, count);
	/* Two copies, each for one. */
	return pext ? decode_fast(g, c->next, c->end, true, events, cap, count)
		    : decode_fast(g, c->next, c->end, false, events, cap,
				  count);
}

enum decode_result decode_events(struct decoder *d, struct decode_input *in,
				 struct decode_event *events, size_t cap,
				 size_t *count)
{
	struct cursor c = {.decoder = d};
	const struct grammar *g =
		find_grammar(d->symtab_version, d->events_version);
	const bool pext = leb128_has_pext();
	enum taken taken = TAKEN;

	*count = 0;
	if (in->pos == in->size) /* src may be NULL */
		return d->phase == PHASE_END ? DECODE_END : DECODE_MORE;
	c.next = in->src + in->pos;
	c.end = in->src + in->size;
	while (*count < cap && d->phase != PHASE_END) {
		if (d->phase == PHASE_EVENTS) {
			if (g == NULL)
				g = find_grammar(d->symtab_version,
						 d->events_version);
			c.next = take_fast(d, g, &c, pext, events, cap, count);
			if (*count == cap)
				break;
		}
		in->pos = (size_t)(c.next - in->src);
		taken = take_item(&c, g, &events[*count], count);
		if (taken == TAKEN_MORE)
			return DECODE_MORE;
		if (taken == TAKEN_BAD)
			return DECODE_CORRUPT;
	}
	in->pos = (size_t)(c.next - in->src);
	return d->phase == PHASE_END ? DECODE_END : DECODE_FULL;
}
