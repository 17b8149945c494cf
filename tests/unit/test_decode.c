/*
 * test_decode.c - the decoder, item by item: what is taken, what is refused,
 * with which words and at which offset.
 */
#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"

#define MAX_EVENTS 512

/* What came of decoding one stream whole. */
struct outcome {
	enum decode_result result;
	struct decoder decoder;
	size_t pos;
	size_t count;
	struct decode_event events[MAX_EVENTS];
};

static struct outcome decode_stream(const struct ljm_bytes *stream)
{
	struct outcome o = {.result = DECODE_FULL};
	struct decode_input in;
	uint8_t *const copy = malloc(stream->size + 1);

	assert_non_null(copy);
	memcpy(copy, stream->data, stream->size);
	in = (struct decode_input){copy, stream->size, 0};
	decode_init(&o.decoder);
	o.result =
		decode_events(&o.decoder, &in, o.events, MAX_EVENTS, &o.count);
	o.pos = in.pos;
	free(copy);
	return o;
}

static struct ljm_bytes encode(const char *text)
{
	struct ljm_bytes stream = {0};

	assert_int_equal(ljm_encode(text, &stream), 0);
	return stream;
}

static struct outcome decode_text(const char *text)
{
	struct ljm_bytes stream = encode(text);
	const struct outcome o = decode_stream(&stream);

	ljm_free(&stream);
	return o;
}

/* Decodes text and then bytes, alone and with much behind it: both ways. */
static void check_corrupt(const char *text, const void *bytes, size_t size,
			  const char *words)
{
	for (int padded = 0; padded < 2; padded++) {
		struct ljm_bytes stream = encode(text);
		const size_t start = stream.size;
		struct outcome o;

		ljm_put(&stream, bytes, size);
		for (int i = 0; i < 100 * padded; i++)
			ljm_put_byte(&stream, 0);
		o = decode_stream(&stream);
		assert_int_equal(o.result, DECODE_CORRUPT);
		assert_int_equal(o.pos, start);
		if (strstr(o.decoder.error, words) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", o.decoder.error,
				 words);
		ljm_free(&stream);
	}
}

static void test_events_of_version_3(void **state)
{
	(void)state;
	const struct outcome o =
		decode_text("ljs 3\n"
			    "lua 0x1000 \"@a.lua\" 3\n"
			    "c 0x7fff00000000 \"malloc\"\n"
			    "trace 9 0x1000 4\n"
			    "ljm 3\n"
			    "alloc int 0x10 32\n"
			    "alloc lua 0x1000:5 0x20 64\n"
			    "realloc trace:9 0x20 64 0x30 128\n"
			    "free c 0x7fff00000001 0x30 128\n"
			    "end\n");

	assert_int_equal(o.result, DECODE_END);
	assert_int_equal(o.count, 7);
	assert_int_equal(o.decoder.symtab_version, 3);
	assert_int_equal(o.decoder.events_version, 3);
	assert_int_equal(o.events[0].kind, LJM_KIND_SYMBOL);
	assert_int_equal(o.events[0].source, LJM_SOURCE_LUA);
	assert_int_equal(o.events[0].address, 0x1000);
	assert_int_equal(o.events[0].name_size, 6);
	assert_int_equal(o.events[0].line, 3);
	assert_int_equal(o.events[1].source, LJM_SOURCE_C);
	assert_int_equal(o.events[1].address, 0x7fff00000000);
	assert_int_equal(o.events[2].source, LJM_SOURCE_TRACE);
	assert_int_equal(o.events[2].address, 9);
	assert_int_equal(o.events[2].start_address, 0x1000);
	assert_int_equal(o.events[2].line, 4);
	assert_int_equal(o.events[3].source, LJM_SOURCE_INTERNAL);
	assert_int_equal(o.events[3].address, 0);
	assert_int_equal(o.events[3].old_address, 0);
	assert_int_equal(o.events[3].new_address, 0x10);
	assert_int_equal(o.events[3].new_size, 32);
	assert_int_equal(o.events[4].line, 5);
	assert_int_equal(o.events[5].kind, LJM_KIND_REALLOC);
	assert_int_equal(o.events[5].old_address, 0x20);
	assert_int_equal(o.events[5].old_size, 64);
	assert_int_equal(o.events[5].new_address, 0x30);
	assert_int_equal(o.events[5].new_size, 128);
	assert_int_equal(o.events[6].kind, LJM_KIND_FREE);
	assert_int_equal(o.events[6].source, LJM_SOURCE_C);
	assert_int_equal(o.events[6].new_size, 0);
}

/* Where an address of machine code is, it is skipped, else not looked for. */
static void test_machine_code_addresses(void **state)
{
	static const uint8_t bytes[] = {
		LJM_HEAD(LJM_KIND_ALLOC, LJM_SOURCE_TRACE), 7, 0x77, 0x10, 32};
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct ljm_bytes stream =
			encode(i == 0 ? "ljs 2\nljm 2" : "ljs 3\nljm 3");
		struct outcome o;

		ljm_put(&stream, bytes, sizeof(bytes));
		o = decode_stream(&stream);
		assert_int_equal(o.count, 1);
		assert_int_equal(o.events[0].address, 7);
		assert_int_equal(o.events[0].new_address, i == 0 ? 0x10 : 0x77);
		assert_int_equal(o.events[0].new_size, i == 0 ? 32 : 0x10);
		/* One integer is left over: 32, which is no event. */
		assert_int_equal(o.result,
				 i == 0 ? DECODE_MORE : DECODE_CORRUPT);
		ljm_free(&stream);
	}
}

static void test_trace_symbols_of_version_2(void **state)
{
	/* type, number, machine code, prototype, line */
	static const uint8_t bytes[] = {1, 7, 0x77, 0x44, 12};
	struct ljm_bytes stream = encode("ljs 2");
	struct outcome o;
	(void)state;

	ljm_put(&stream, bytes, sizeof(bytes));
	o = decode_stream(&stream);
	assert_int_equal(o.result, DECODE_MORE);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.events[0].source, LJM_SOURCE_TRACE);
	assert_int_equal(o.events[0].address, 7);
	assert_int_equal(o.events[0].start_address, 0x44);
	assert_int_equal(o.events[0].line, 12);
	ljm_free(&stream);
}

/* Which heads a version has: bit number = source, for symbols and events. */
struct heads {
	const char *prologues;
	unsigned symbol_sources, event_sources;
	bool head_1;
};

static const struct heads all_heads[] = {
	{"ljs 1\nljm 1", 0, 1 << 1 | 1 << 2 | 1 << 3, false},
	{"ljs 1\nljm 2", 0, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, false},
	{"ljs 2\nljm 2", 0, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, false},
	{"ljs 2\nljm 3", 1 << 2, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, false},
	{"ljs 3\nljm 3", 1 << 2 | 1 << 3 | 1 << 4,
	 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, true},
};

/* All 256 heads of all versions, in the fast reader and in the careful one. */
static void test_all_heads(void **state)
{
	(void)state;
	for (size_t v = 0; v < 5; v++) {
		for (unsigned head = 0; head < 256; head++) {
			const struct heads *const h = &all_heads[v];
			const unsigned sources =
				head & 3 ? h->event_sources : h->symbol_sources;
			const uint8_t byte = (uint8_t)head;
			struct ljm_bytes stream;
			char words[16];

			snprintf(words, sizeof(words), "0x%02x", head);
			if (head != 0x80 && !(head == 1 && h->head_1) &&
			    (head > 0x13 || !(sources >> (head >> 2) & 1))) {
				check_corrupt(h->prologues, &byte, 1, words);
				continue;
			}
			stream = encode(h->prologues);
			ljm_put_byte(&stream, head);
			for (int i = 0; i < 100; i++)
				ljm_put_byte(&stream, 0);
			assert_true(decode_stream(&stream).result !=
					    DECODE_CORRUPT ||
				    decode_stream(&stream).count == 1);
			ljm_free(&stream);
		}
	}
}

static void test_symbol_types(void **state)
{
	/* The highest type of each version; 2 has no C functions. */
	static const unsigned highest[] = {0, 0, 1, 2};
	static const char *const prologues[] = {"", "ljs 1", "ljs 2", "ljs 3"};
	(void)state;

	for (unsigned version = 1; version <= 3; version++) {
		for (unsigned type = highest[version] + 1; type < 256; type++) {
			const uint8_t byte = (uint8_t)type;
			char words[32];

			snprintf(words, sizeof(words), "type 0x%02x", type);
			if (type != LJM_EPILOGUE)
				check_corrupt(prologues[version], &byte, 1,
					      words);
		}
	}
}

static void test_head_1_is_a_c_symbol(void **state)
{
	(void)state;
	const struct outcome o =
		decode_text("ljs 3\nljm 3\nc1 0x4000 \"f\"\nend\n");

	assert_int_equal(o.result, DECODE_END);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.events[0].kind, LJM_KIND_SYMBOL);
	assert_int_equal(o.events[0].source, LJM_SOURCE_C);
	assert_int_equal(o.events[0].address, 0x4000);
	assert_int_equal(o.events[0].name_size, 1);
}

static void test_pairs_of_versions(void **state)
{
	static const char *const understood = "1/1 1/2 2/2 2/3 3/3";
	(void)state;

	for (unsigned s = 0; s < 256; s++) {
		for (unsigned e = 0; e < 256; e++) {
			char text[32], pair[16];
			struct outcome o;

			snprintf(text, sizeof(text), "ljs %u\nljm %u", s, e);
			snprintf(pair, sizeof(pair), "%u/%u", s, e);
			o = decode_text(text);
			if ((s < 10 && e < 10 && strstr(understood, pair)) ||
			    (s == 3 && e == LJM_COMPACT_VERSION)) {
				assert_int_equal(o.result, DECODE_MORE);
				assert_int_equal(o.decoder.events_version, e);
				continue;
			}
			assert_int_equal(o.result, DECODE_CORRUPT);
			assert_non_null(strstr(o.decoder.error, "unknown "));
			assert_non_null(strstr(o.decoder.error, "version"));
			assert_non_null(
				strstr(o.decoder.error,
				       "(understood: 1/1, 1/2, 2/2, 2/3, 3/3, "
				       "3/131)"));
			assert_int_equal(o.pos, s == 0 || s > 3 ? 0 : 8);
		}
	}
}

static void test_not_a_stream(void **state)
{
	static const char *const files[] = {"x",	   "hello, world",
					    "ljx\3\0\0\0", "SQLite format 3",
					    "ljm\3\0\0\0", "l",
					    "lj",	   "ljs",
					    "ljs\3\1\2"};
	(void)state;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct ljm_bytes stream = {0};
		struct outcome o;

		ljm_put(&stream, files[i], strlen(files[i]));
		o = decode_stream(&stream);
		assert_int_equal(o.pos, 0);
		if (i < 5) {
			assert_int_equal(o.result, DECODE_CORRUPT);
			assert_non_null(strstr(o.decoder.error,
					       "not a memprof stream"));
		} else {
			assert_int_equal(o.result, DECODE_MORE);
		}
		ljm_free(&stream);
	}
	check_corrupt("ljs 3\nraw 80", "ljs", 3, "0x73");
}

static void test_reserved_bytes_do_not_matter(void **state)
{
	(void)state;
	const struct outcome o = decode_text("raw 6c 6a 73 03 ff 80 01\n"
					     "raw 80\n"
					     "raw 6c 6a 6d 03 80 80 80\n"
					     "alloc int 0x10 32\n"
					     "end\n");

	/* ljm_encode() did not see a version, but wrote the same bytes. */
	assert_int_equal(o.result, DECODE_END);
	assert_int_equal(o.count, 1);
}

static void test_bytes_after_the_end_stay(void **state)
{
	struct ljm_bytes stream = encode("ljs 3\nljm 3\nend\nraw 01 02 03");
	struct decode_input in = {stream.data, stream.size, 0};
	struct decode_event e;
	struct decoder d;
	size_t count;
	(void)state;

	decode_init(&d);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(decode_events(&d, &in, &e, 1, &count),
				 DECODE_END);
		assert_int_equal(count, 0);
		assert_int_equal(in.pos, stream.size - 3);
	}
	ljm_free(&stream);
}

static void test_full_array(void **state)
{
	struct ljm_bytes stream = encode("ljs 3\nlua 0x10 \"a\" 1\nljm 3\n"
					 "alloc int 0x10 1\n"
					 "alloc int 0x20 2\nend\n");
	struct decode_input in = {stream.data, stream.size, 0};
	struct decode_event e;
	struct decoder d;
	size_t count;
	(void)state;

	decode_init(&d);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(decode_events(&d, &in, &e, 1, &count),
				 DECODE_FULL);
		assert_int_equal(count, 1);
	}
	assert_int_equal(e.new_size, 2);
	assert_int_equal(decode_events(&d, &in, &e, 1, &count), DECODE_END);
	assert_int_equal(count, 0);
	ljm_free(&stream);
}

static void test_no_input(void **state)
{
	struct decode_input in = {NULL, 0, 0};
	struct decode_event e;
	struct decoder d;
	size_t count;
	(void)state;

	decode_init(&d);
	assert_int_equal(decode_events(&d, &in, &e, 1, &count), DECODE_MORE);
	assert_int_equal(count, 0);
}

/* ---- integers */

/* One alloc whose address is these bytes, then its size 5, then zeros. */
static struct outcome decode_integer(const uint8_t *bytes, size_t size,
				     bool padded)
{
	struct ljm_bytes stream = encode("ljs 3\nljm 3");
	struct outcome o;

	ljm_put_byte(&stream, LJM_HEAD(LJM_KIND_ALLOC, LJM_SOURCE_INTERNAL));
	ljm_put(&stream, bytes, size);
	ljm_put_byte(&stream, 5);
	for (int i = 0; padded && i < 100; i++)
		ljm_put_byte(&stream, 0x80);
	o = decode_stream(&stream);
	ljm_free(&stream);
	return o;
}

static void check_integer(const uint8_t *bytes, size_t size, uint64_t value)
{
	for (int padded = 0; padded < 2; padded++) {
		const struct outcome o = decode_integer(bytes, size, padded);

		assert_int_equal(o.count, 1);
		assert_true(o.events[0].new_address == value);
		assert_int_equal(o.events[0].new_size, 5);
	}
}

static void test_integers_of_all_lengths(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int delta = -1; delta <= 1; delta++) {
			const uint64_t value = (1ull << bit) + (uint64_t)delta;
			struct ljm_bytes bytes = {0};

			ljm_put_int(&bytes, value);
			check_integer(bytes.data, bytes.size, value);
			ljm_free(&bytes);
		}
	}
	check_integer((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff"
				       "\x01",
		      10, UINT64_MAX);
}

/* Longer than it need be is allowed. */
static void test_padded_integers(void **state)
{
	uint8_t bytes[10];
	(void)state;

	for (size_t size = 1; size <= 10; size++) {
		memset(bytes, 0x80, sizeof(bytes));
		bytes[0] = size == 1 ? 0x25 : 0xa5;
		if (size > 1)
			bytes[size - 1] = 0;
		check_integer(bytes, size, 0x25);
	}
}

static void test_integers_too_long(void **state)
{
	uint8_t bytes[101];
	(void)state;

	memset(bytes, 0xff, sizeof(bytes));
	bytes[0] = LJM_HEAD(LJM_KIND_FREE, LJM_SOURCE_INTERNAL);
	check_corrupt("ljs 3\nljm 3", bytes, 11, "longer than 10 bytes");
	check_corrupt("ljs 3\nljm 3", bytes, 101, "longer than 10 bytes");
	bytes[10] = 0x02;
	check_corrupt("ljs 3\nljm 3", bytes, 11, "beyond 64 bits");
	check_corrupt("ljs 3\nljm 3", bytes, 11, "0x02");
	bytes[0] = LJM_SYMBOL_LUA;
	check_corrupt("ljs 3", bytes, 11, "beyond 64 bits");
}

static void test_sizes_too_large(void **state)
{
	struct ljm_bytes event = {0};
	(void)state;

	ljm_put_byte(&event, LJM_HEAD(LJM_KIND_ALLOC, LJM_SOURCE_INTERNAL));
	ljm_put_int(&event, 0x10);
	ljm_put_int(&event, LJM_SIZE_MAX + 1);
	check_corrupt("ljs 3\nljm 3", event.data, event.size,
		      "9223372036854775808");
	event.data[0] = LJM_HEAD(LJM_KIND_FREE, LJM_SOURCE_INTERNAL);
	check_corrupt("ljs 3\nljm 3", event.data, event.size,
		      "9223372036854775808");
	/* The old size of a realloc is bad before the rest is there. */
	event.data[0] = LJM_HEAD(LJM_KIND_REALLOC, LJM_SOURCE_INTERNAL);
	check_corrupt("ljs 3\nljm 3", event.data, event.size,
		      "9223372036854775808");
	ljm_free(&event);

	const struct outcome o = decode_text(
		"ljs 3\nljm 3\nalloc int 0x10 9223372036854775807\nend");

	assert_int_equal(o.result, DECODE_END);
	assert_true(o.events[0].new_size == LJM_SIZE_MAX);
}

/* ---- names */

static void test_names_too_long(void **state)
{
	struct ljm_bytes symbol = {0};
	(void)state;

	ljm_put_byte(&symbol, LJM_SYMBOL_C);
	ljm_put_int(&symbol, 0x10);
	ljm_put_int(&symbol, LJM_NAME_MAX + 1);
	check_corrupt("ljs 3", symbol.data, symbol.size, "a name of 16777217");
	ljm_free(&symbol);
	ljm_put_byte(&symbol, LJM_HEAD(LJM_KIND_SYMBOL, LJM_SOURCE_LUA));
	ljm_put_int(&symbol, 0x10);
	ljm_put_int(&symbol, 1ull << 60);
	check_corrupt("ljs 3\nljm 3", symbol.data, symbol.size, "a name of");
	ljm_free(&symbol);
}

/* The longest name, a little more at a time: must not be scanned each time. */
static void test_longest_name(void **state)
{
	struct ljm_bytes stream = encode("ljs 3");
	const size_t start = stream.size;
	char *const name = calloc(1, LJM_NAME_MAX);
	struct decode_input in = {0};
	struct decode_event e;
	struct decoder d;
	size_t count;
	(void)state;

	assert_non_null(name);
	ljm_put_byte(&stream, LJM_SYMBOL_C);
	ljm_put_int(&stream, 0x10);
	ljm_put_int(&stream, LJM_NAME_MAX);
	ljm_put(&stream, name, LJM_NAME_MAX);
	free(name);
	decode_init(&d);
	in.src = stream.data;
	for (in.size = start; in.size < stream.size; in.size += 16) {
		assert_int_equal(decode_events(&d, &in, &e, 1, &count),
				 DECODE_MORE);
		assert_int_equal(count, 0);
		assert_int_equal(in.pos, start);
	}
	in.size = stream.size;
	assert_int_equal(decode_events(&d, &in, &e, 1, &count), DECODE_FULL);
	assert_int_equal(count, 1);
	assert_int_equal(e.name_size, LJM_NAME_MAX);
	assert_int_equal(in.pos, stream.size);
	ljm_free(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_of_version_3),
		cmocka_unit_test(test_machine_code_addresses),
		cmocka_unit_test(test_trace_symbols_of_version_2),
		cmocka_unit_test(test_all_heads),
		cmocka_unit_test(test_symbol_types),
		cmocka_unit_test(test_head_1_is_a_c_symbol),
		cmocka_unit_test(test_pairs_of_versions),
		cmocka_unit_test(test_not_a_stream),
		cmocka_unit_test(test_reserved_bytes_do_not_matter),
		cmocka_unit_test(test_bytes_after_the_end_stay),
		cmocka_unit_test(test_full_array),
		cmocka_unit_test(test_no_input),
		cmocka_unit_test(test_integers_of_all_lengths),
		cmocka_unit_test(test_padded_integers),
		cmocka_unit_test(test_integers_too_long),
		cmocka_unit_test(test_sizes_too_large),
		cmocka_unit_test(test_names_too_long),
		cmocka_unit_test(test_longest_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
