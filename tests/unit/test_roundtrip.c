/*
 * test_roundtrip.c - text to stream to text is the identity, for all versions,
 * however the stream is cut into windows.
 */
#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"

struct versions {
	unsigned symtab, events;
};

static const struct versions pairs[] = {
	{1, 1}, {1, 2}, {2, 2}, {2, 3}, {3, 3}, {3, LJM_COMPACT_VERSION}};

#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

/* A number of any length in bits. */
static uint64_t random_number(uint64_t *seed)
{
	const uint64_t x = next_random(seed);

	return x >> (next_random(seed) % 64);
}

static void random_symbol(const struct versions *v, bool among_events,
			  uint64_t *seed, struct decode_event *e, char *name)
{
	unsigned sources = v->symtab == 1 ? 1 : v->symtab == 2 ? 2 : 3;

	if (among_events && v->symtab == 2)
		sources = 1;
	*e = (struct decode_event){.kind = LJM_KIND_SYMBOL};
	e->source = LJM_SOURCE_LUA + next_random(seed) % sources;
	if (v->symtab == 2 && e->source == LJM_SOURCE_C)
		e->source = LJM_SOURCE_TRACE;
	e->address = random_number(seed);
	if (e->source != LJM_SOURCE_C)
		e->line = random_number(seed);
	if (e->source == LJM_SOURCE_TRACE) {
		e->start_address = random_number(seed);
		return;
	}
	e->name = name;
	e->name_size = next_random(seed) % 40;
	for (uint64_t i = 0; i < e->name_size; i++)
		name[i] = (char)next_random(seed);
}

static void random_event(const struct versions *v, uint64_t *seed,
			 struct decode_event *e)
{
	const unsigned sources = v->events == 1 ? 3 : 4;

	*e = (struct decode_event){.kind = 1 + next_random(seed) % 3};
	e->source = 1 + next_random(seed) % sources;
	if (e->source != LJM_SOURCE_INTERNAL)
		e->address = random_number(seed);
	if (e->source == LJM_SOURCE_LUA)
		e->line = random_number(seed);
	if (e->kind != LJM_KIND_ALLOC) {
		e->old_address = random_number(seed);
		e->old_size = random_number(seed) & LJM_SIZE_MAX;
	}
	if (e->kind != LJM_KIND_FREE) {
		e->new_address = random_number(seed);
		e->new_size = random_number(seed) & LJM_SIZE_MAX;
	}
}

/* ---- of the compact stream */

/* How many there are of each sort of definition. */
struct defined {
	uint64_t count[LJM_RECORD_CALLSITE + 1];
	unsigned unit;
};

static uint64_t random_text_of(uint64_t *seed, struct decode_event *e,
			       char *name)
{
	e->name = name;
	e->name_size = next_random(seed) % 40;
	for (uint64_t i = 0; i < e->name_size; i++)
		name[i] = (char)next_random(seed);
	return e->name_size;
}

static void random_frame(const struct defined *d, uint64_t *seed,
			 struct decode_event *e)
{
	const uint64_t protos = d->count[LJM_RECORD_PROTO];
	const uint64_t functions = d->count[LJM_RECORD_FUNCTION];

	e->address = next_random(seed) % (LJM_FRAME_GAP + 1);
	if ((e->address == LJM_FRAME_C ? functions : protos) == 0)
		e->address = LJM_FRAME_INTERNAL;
	if (e->address == LJM_FRAME_INTERNAL) {
		e->start_address = next_random(seed) % (LJM_INTERNAL_LAST + 1);
	} else if (e->address == LJM_FRAME_C) {
		e->start_address = 1 + next_random(seed) % functions;
	} else if (e->address == LJM_FRAME_GAP) {
		e->start_address = next_random(seed) % (LJM_GAP_LAST + 1);
	} else {
		e->start_address = 1 + next_random(seed) % protos;
		e->line = random_number(seed);
		if (e->address != LJM_FRAME_LUA)
			e->trace_number = random_number(seed);
	}
}

static void random_definition(struct defined *d, uint64_t *seed,
			      struct decode_event *e, char *name)
{
	const uint64_t strings = d->count[LJM_RECORD_STRING];
	const uint64_t frames = d->count[LJM_RECORD_FRAME];
	const uint64_t callsites = d->count[LJM_RECORD_CALLSITE];

	if (e->source > LJM_RECORD_STRING && strings == 0)
		e->source = LJM_RECORD_STRING;
	if (e->source == LJM_RECORD_CALLSITE && frames == 0)
		e->source = LJM_RECORD_FRAME;
	if (e->source == LJM_RECORD_STRING) {
		random_text_of(seed, e, name);
	} else if (e->source == LJM_RECORD_PROTO) {
		e->address = 1 + next_random(seed) % strings;
		e->line = random_number(seed);
		e->start_address = next_random(seed) % (strings + 1);
	} else if (e->source == LJM_RECORD_FUNCTION) {
		e->address = random_number(seed);
		e->start_address = 1 + next_random(seed) % strings;
	} else if (e->source == LJM_RECORD_FRAME) {
		random_frame(d, seed, e);
	} else {
		e->address = next_random(seed) % (callsites + 1);
		e->start_address = 1 + next_random(seed) % frames;
	}
	d->count[e->source]++;
}

static void random_record(struct defined *d, uint64_t *seed,
			  struct decode_event *e, char *name)
{
	const unsigned types = LJM_RECORD_LOST - LJM_RECORD_START;
	const uint64_t strings = d->count[LJM_RECORD_STRING];

	*e = (struct decode_event){.kind = DECODE_RECORD};
	e->source = (uint8_t)(LJM_RECORD_STRING + next_random(seed) % types);
	if (e->source == LJM_RECORD_MARK && strings == 0)
		e->source = LJM_RECORD_LOST;
	if (e->source <= LJM_RECORD_CALLSITE) {
		random_definition(d, seed, e, name);
		return;
	}
	e->address = random_number(seed) & LJM_SIZE_MAX;
	if (e->source == LJM_RECORD_MARK)
		e->address = 1 + e->address % strings;
	if (e->source == LJM_RECORD_COLLECTION)
		e->address %= LJM_COLLECTION_LAST + 1;
	if (e->source == LJM_RECORD_UNIT)
		d->unit = (unsigned)(e->address %= LJM_UNIT_MAX + 1);
}

static void random_compact_event(const struct defined *d, uint64_t *seed,
				 struct decode_event *e)
{
	const struct versions v = {3, 3};
	const uint64_t mask = ~0ull << d->unit;

	random_event(&v, seed, e);
	e->source = DECODE_CALLSITE;
	e->address = 1 + next_random(seed) % d->count[LJM_RECORD_CALLSITE];
	if (next_random(seed) % 2)
		e->address = 1;
	e->line = 0;
	e->old_address &= mask;
	e->new_address &= mask;
	if (next_random(seed) % 4 == 0)
		return;
	/* Mostly as in real streams: small and near. */
	e->old_size %= 300;
	e->new_size %= 300;
	e->old_address &= 0x7fffffffff;
	e->new_address &= 0x7fffffffff;
	if (e->kind == LJM_KIND_ALLOC)
		e->old_size = e->old_address = 0;
	if (e->kind == LJM_KIND_FREE)
		e->new_size = e->new_address = 0;
}

static void random_items(struct ljm_bytes *text, uint64_t seed, int items)
{
	struct defined d = {.unit = LJM_UNIT};
	struct decode_event e = {.kind = DECODE_RECORD,
				 .source = LJM_RECORD_START,
				 .line = random_number(&seed),
				 .start_address = seed % (LJM_DEPTH_MAX + 1)};
	char name[64];

	e.address = random_number(&seed) & LJM_SIZE_MAX;
	random_text_of(&seed, &e, name);
	ljm_event_text(&e, text);
	for (int i = 0; i < items; i++) {
		if (d.count[LJM_RECORD_CALLSITE] == 0 ||
		    next_random(&seed) % 4 == 0)
			random_record(&d, &seed, &e, name);
		else
			random_compact_event(&d, &seed, &e);
		ljm_event_text(&e, text);
	}
}

/* A random stream as text. */
static struct ljm_bytes random_text(const struct versions *v, uint64_t seed,
				    int items)
{
	struct ljm_bytes text = {0};
	struct decode_event e;
	char name[64];

	ljm_printf(&text, "ljs %u\n", v->symtab);
	for (int i = 0; i < items && v->events != LJM_COMPACT_VERSION; i++) {
		random_symbol(v, false, &seed, &e, name);
		ljm_event_text(&e, &text);
	}
	ljm_printf(&text, "ljm %u\n", v->events);
	if (v->events == LJM_COMPACT_VERSION)
		random_items(&text, seed, items * 10);
	for (int i = 0; i < items * 3 && v->events != LJM_COMPACT_VERSION;
	     i++) {
		if (v->events == 3 && next_random(&seed) % 4 == 0)
			random_symbol(v, true, &seed, &e, name);
		else
			random_event(v, &seed, &e);
		ljm_event_text(&e, &text);
	}
	ljm_printf(&text, "end\n");
	ljm_put_byte(&text, '\0');
	text.size--;
	return text;
}

static void check_same_text(const struct ljm_bytes *a,
			    const struct ljm_bytes *b)
{
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->data, b->data, a->size);
}

static void check_text_of(const struct ljm_bytes *stream, size_t step,
			  const struct ljm_bytes *text)
{
	struct ljm_bytes again = {0};

	ljm_decode(stream->data, stream->size, step, &again);
	check_same_text(&again, text);
	ljm_free(&again);
}

static struct ljm_bytes encode_text(const struct ljm_bytes *text)
{
	struct ljm_bytes stream = {0};

	assert_int_equal(ljm_encode((const char *)text->data, &stream), 0);
	return stream;
}

static void test_identity(void **state)
{
	(void)state;
	for (size_t v = 0; v < PAIRS; v++) {
		for (uint64_t seed = 0; seed < 50; seed++) {
			struct ljm_bytes text =
				random_text(&pairs[v], seed, (int)(seed % 20));
			struct ljm_bytes stream = encode_text(&text);

			check_text_of(&stream, stream.size, &text);
			check_text_of(&stream, 1, &text);
			check_text_of(&stream, 1 + seed, &text);
			ljm_free(&stream);
			ljm_free(&text);
		}
	}
}

/* The compact stream need not be as short as it could be. */
static void test_plain_events(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct ljm_bytes plain = {0}, stream, shorter,
				 text = random_text(&pairs[PAIRS - 1], seed,
						    20);

		ljm_printf(&plain, "plain\n");
		ljm_put(&plain, text.data, text.size + 1);
		stream = encode_text(&plain);
		shorter = encode_text(&text);
		assert_true(shorter.size < stream.size);
		check_text_of(&stream, stream.size, &text);
		check_text_of(&stream, 1 + seed, &text);
		ljm_free(&shorter);
		ljm_free(&stream);
		ljm_free(&plain);
		ljm_free(&text);
	}
}

/* Decodes the first part, and the rest when more is asked for. */
static void decode_in_two(const struct ljm_bytes *stream, size_t first,
			  struct ljm_bytes *out)
{
	struct decode_event events[64];
	size_t start = 0, count;
	struct decoder d;
	enum decode_result result = DECODE_MORE;

	decode_init(&d);
	for (int part = 0; part < 2 && result == DECODE_MORE; part++) {
		const size_t end = part == 0 ? first : stream->size;
		uint8_t *const window = malloc(end - start + 1);
		struct decode_input in = {window, end - start, 0};

		assert_non_null(window);
		memcpy(window, stream->data + start, end - start);
		do {
			result = decode_events(&d, &in, events, 64, &count);
			for (size_t i = 0; i < count; i++)
				ljm_event_text(&events[i], out);
		} while (result == DECODE_FULL);
		start += in.pos;
		free(window);
	}
	ljm_printf(out, "%d at %zu: %s\n", (int)result, start, d.error);
}

/* Cut in two at every byte; also with a byte broken, for the same verdict. */
static void test_every_split(void **state)
{
	(void)state;
	for (size_t v = 0; v < PAIRS; v++) {
		for (uint64_t seed = 0; seed < 20; seed++) {
			struct ljm_bytes text = random_text(&pairs[v], seed, 6);
			struct ljm_bytes stream = encode_text(&text);
			uint64_t dice = seed;
			struct ljm_bytes whole = {0};

			if (seed % 2 != 0)
				stream.data[next_random(&dice) % stream.size] ^=
					(uint8_t)(1 << next_random(&dice) % 8);
			decode_in_two(&stream, stream.size, &whole);
			for (size_t at = 0; at < stream.size; at++) {
				struct ljm_bytes two = {0};

				decode_in_two(&stream, at, &two);
				check_same_text(&two, &whole);
				ljm_free(&two);
			}
			ljm_free(&whole);
			ljm_free(&stream);
			ljm_free(&text);
		}
	}
}

/* Cut off at every byte: all whole lines before it, then where it is cut. */
static void test_every_cut(void **state)
{
	(void)state;
	for (size_t v = 0; v < PAIRS; v++) {
		struct ljm_bytes text = random_text(&pairs[v], 1, 8);
		struct ljm_bytes stream = encode_text(&text);

		for (size_t size = 0; size < stream.size; size++) {
			struct ljm_bytes cut = {0};
			const char *last;
			size_t prefix;

			ljm_decode(stream.data, size, size + 1, &cut);
			ljm_put_byte(&cut, '\0');
			last = strstr((const char *)cut.data, "cut ");
			assert_non_null(last);
			prefix = (size_t)(last - (const char *)cut.data);
			assert_memory_equal(cut.data, text.data, prefix);
			/* No whole item is behind the offset it names. */
			assert_true(strtoull(last + 4, NULL, 10) <= size);
			assert_true(strtoull(last + 4, NULL, 10) + 180 > size);
			ljm_free(&cut);
		}
		ljm_free(&stream);
		ljm_free(&text);
	}
}

static void test_wrong_text_is_refused(void **state)
{
	static const char *const wrong[] = {"alloc",
					    "alloc int 0x10",
					    "alloc nobody 1 2",
					    "free lua 1 2 3",
					    "lua 1 \"unclosed 1",
					    "c 1",
					    "trace 1 2",
					    "what 1",
					    "alloc int 0x10 32 1",
					    "alloc int 0x10 x",
					    "alloc @ 0x10 8",
					    "alloc @1 0x11 8",
					    "free @1 0x10",
					    "start 1 2 3",
					    "string @a",
					    "proto 1 2",
					    "frame",
					    "frame lua 1 2",
					    "frame lua 1:2 lua:3",
					    "frame gab 1",
					    "callsite 1",
					    "clock"};
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ljm_bytes text = {0}, out = {0};

		ljm_printf(&text, "# fine\nljs 3\n%s\nljm 3\n", wrong[i]);
		ljm_put_byte(&text, '\0');
		assert_int_equal(ljm_encode((const char *)text.data, &out), 3);
		ljm_free(&text);
		ljm_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_plain_events),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_wrong_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
