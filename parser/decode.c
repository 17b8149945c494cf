/*
 * decode.c - the decoder of every version of the stream.
 *
 * The events of our own version are in decode_compact.c. For the others there
 * are two readers of an event: decode_steps.c, for the three kinds of heap
 * event while there are bytes enough, so that hardly anything inside it is
 * checked; and take_event(), for all else, which checks each byte. Whatever the
 * fast one finds odd it leaves to the other, which alone makes errors: hence
 * a stream decodes alike however it is cut into windows.
 */
#include "decode.h"

#include <string.h>

#include "cursor.h"
#include "decode_compact.h"
#include "decode_steps.h"
#include "leb128.h"
#include "step.h"

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
	const uint8_t *heads;	/* of heap events; see decode_steps.h */
};

#define HEAP_EVENTS(source, as)                                                \
	[LJM_HEAD(LJM_KIND_ALLOC, source)] = (as),                             \
				  [LJM_HEAD(LJM_KIND_FREE, source)] = (as),    \
				  [LJM_HEAD(LJM_KIND_REALLOC, source)] = (as)

#define WITHOUT_TRACES                                                         \
	HEAP_EVENTS(LJM_SOURCE_INTERNAL, DECODE_HEAD_NONE),                    \
		HEAP_EVENTS(LJM_SOURCE_LUA, DECODE_HEAD_TWO),                  \
		HEAP_EVENTS(LJM_SOURCE_C, DECODE_HEAD_ONE)

static const uint8_t heads_without_traces[UINT8_MAX + 1] = {WITHOUT_TRACES};
static const uint8_t heads_with_traces[UINT8_MAX + 1] = {
	WITHOUT_TRACES, HEAP_EVENTS(LJM_SOURCE_TRACE, DECODE_HEAD_ONE)};
static const uint8_t heads_with_trace_addresses[UINT8_MAX + 1] = {
	WITHOUT_TRACES, HEAP_EVENTS(LJM_SOURCE_TRACE, DECODE_HEAD_TWO)};

static const struct grammar grammars[] = {
	{1, 1, false, LJM_SOURCE_C, 0, false, false, heads_without_traces},
	{1, 2, true, LJM_SOURCE_TRACE, 0, false, false,
	 heads_with_trace_addresses},
	{2, 2, true, LJM_SOURCE_TRACE, 0, false, false,
	 heads_with_trace_addresses},
	{2, 3, true, LJM_SOURCE_TRACE, LJM_SOURCE_LUA, false, false,
	 heads_with_trace_addresses},
	{3, 3, false, LJM_SOURCE_TRACE, LJM_SOURCE_TRACE, true, false,
	 heads_with_traces},
	{3, LJM_COMPACT_VERSION, false, 0, 0, false, true, NULL},
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
	c->decoder->heads = find_grammar(symtab_version, version)->heads;
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
	if (d->phase == PHASE_END)
		d->heads = NULL;
	return taken;
}

/* Takes what can be taken quickly; returns where that ends. */
static const uint8_t *take_fast(const struct cursor *c, const struct grammar *g,
				struct decode_event *events, size_t cap,
				size_t *count)
{
	struct decode_input in = {c->next, (size_t)(c->end - c->next), 0};

	/* Many a stream has nothing but symbols for long. */
	if (c->next == c->end || (*c->next & LJM_KIND_MASK) == LJM_KIND_SYMBOL)
		return c->next;
	if (g->compact)
		return compact_decode_fast(c->decoder, c->next, c->end,
					   leb128_has_pext(), events, cap,
					   count);
	*count += decode_fast_events(c->decoder, &in, events + *count,
				     cap - *count);
	return c->next + in.pos;
}

/* Is it a heap event that does not fit into steps? */
static bool is_odd(const struct decode_event *e)
{
	switch (e->kind) {
	case LJM_KIND_ALLOC:
		return !step_fits(e->new_address, e->new_size);
	case LJM_KIND_FREE:
		return !step_fits(e->old_address, e->old_size);
	case LJM_KIND_REALLOC:
		return !step_fits(e->old_address, e->old_size) ||
		       !step_fits(e->new_address, e->new_size);
	default:
		return false;
	}
}

static enum decode_result decode(struct decoder *d, struct decode_input *in,
				 struct decode_event *events, size_t cap,
				 size_t *count, bool others)
{
	struct cursor c = {.decoder = d};
	const struct grammar *g =
		find_grammar(d->symtab_version, d->events_version);
	enum taken taken = TAKEN;

	*count = 0;
	if (in->pos == in->size) /* src may be NULL */
		return d->phase == PHASE_END ? DECODE_END : DECODE_MORE;
	c.next = in->src + in->pos;
	c.end = in->src + in->size;
	while (*count < cap && d->phase != PHASE_END) {
		const size_t before = *count;

		if (d->phase == PHASE_EVENTS) {
			if (g == NULL)
				g = find_grammar(d->symtab_version,
						 d->events_version);
			if (!others || g->compact)
				c.next = take_fast(&c, g, events, cap, count);
			if (*count == cap)
				break;
		}
		in->pos = (size_t)(c.next - in->src);
		taken = take_item(&c, g, &events[*count], count);
		if (taken == TAKEN_MORE)
			return DECODE_MORE;
		if (taken == TAKEN_BAD)
			return DECODE_CORRUPT;
		in->pos = (size_t)(c.next - in->src);
		/* Behind an odd one there may be more: all at once. */
		if (others && decode_is_step(d, in) &&
		    (*count == before || !is_odd(&events[before])))
			break;
	}
	in->pos = (size_t)(c.next - in->src);
	return d->phase == PHASE_END ? DECODE_END : DECODE_FULL;
}

enum decode_result decode_events(struct decoder *d, struct decode_input *in,
				 struct decode_event *events, size_t cap,
				 size_t *count)
{
	return decode(d, in, events, cap, count, false);
}

enum decode_result decode_others(struct decoder *d, struct decode_input *in,
				 struct decode_event *events, size_t cap,
				 size_t *count)
{
	return decode(d, in, events, cap, count, true);
}
