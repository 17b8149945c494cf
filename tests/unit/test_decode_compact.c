/*
 * test_decode_compact.c - the decoder of the compact stream: what is taken,
 * what is refused, with which words and at which offset.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"

#define MAX_EVENTS 256

static const char begin[] = "ljs 3\n"
			    "ljm 131\n"
			    "start 1700000000000000 42 64 \"LuaJIT\"\n";

static const char definitions[] = "ljs 3\n"
				  "ljm 131\n"
				  "start 1700000000000000 42 64 \"LuaJIT\"\n"
				  "string \"@a.lua\"\n"
				  "string \"f\"\n"
				  "proto 1 10 2\n"
				  "function 0x2000 2\n"
				  "frame lua 1:5\n"
				  "frame c 1\n"
				  "callsite 0 1\n"
				  "callsite 1 2\n";

static struct ljm_bytes encode(const char *text)
{
	struct ljm_bytes stream = {0};

	assert_int_equal(ljm_encode(text, &stream), 0);
	return stream;
}

/* Decodes text and then bytes, alone and with much behind it: both ways. */
static void check_corrupt(const char *text, const char *bytes, size_t size,
			  const char *words)
{
	static struct decode_event events[MAX_EVENTS];

	for (int padded = 0; padded < 2; padded++) {
		struct ljm_bytes stream = encode(text);
		const size_t start = stream.size;
		struct decode_input in;
		struct decoder d;
		size_t count;

		ljm_put(&stream, bytes, size);
		for (int i = 0; i < 100 * padded; i++)
			ljm_put_byte(&stream, 0);
		in = (struct decode_input){stream.data, stream.size, 0};
		decode_init(&d);
		assert_int_equal(
			decode_events(&d, &in, events, MAX_EVENTS, &count),
			DECODE_CORRUPT);
		if (strstr(d.error, words) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", d.error, words);
		assert_int_equal(in.pos, start);
		ljm_free(&stream);
	}
}

#define CHECK_CORRUPT(text, bytes, words)                                      \
	check_corrupt(text, bytes, sizeof(bytes) - 1, words)

/* The text of a stream, whole and a byte at a time, must be this. */
static void check_text(const struct ljm_bytes *stream, const char *expected)
{
	for (size_t step = 1; step <= stream->size; step += stream->size - 1) {
		struct ljm_bytes text = {0};

		ljm_decode(stream->data, stream->size, step, &text);
		ljm_put_byte(&text, '\0');
		assert_string_equal((const char *)text.data, expected);
		ljm_free(&text);
	}
}

/* ---- what is taken */

/* The bytes, written down by hand from the grammar. */
static void test_bytes_of_events(void **state)
{
	static const char items[] =
		"\x04\x01\x02\x03\x01x" /* start */
		"\x08\x01"
		"a"		   /* string */
		"\x0c\x01\x05\x00" /* prototype */
		"\x14\x01\x01\x07" /* frame: line 7 */
		"\x18\x00\x01"	   /* callsite */
		"\x09\x01\x04"	   /* alloc, 8 bytes: at 0 + 2 units */
		"\x15\x00"	   /* the same, 16: where that ended */
		"\x05\x09\x01"	   /* 9 bytes: a unit before the end */
		"\x01\x01\x00\x06" /* 0 bytes: 3 units behind the end */
		"\x0a\x01\x06"	   /* free: ends at 3 units */
		"\x06\x09\x04"	   /* free, 9: ends 2 units after that */
		"\x07\x80\x01\x09\x06\x03" /* realloc: no callsite yet */;
	struct ljm_bytes stream = encode("ljs 3\nljm 131");
	(void)state;

	ljm_put(&stream, items, sizeof(items) - 1);
	check_text(&stream,
		   "ljs 3\nljm 131\n"
		   "start 1 2 3 \"x\"\n"
		   "string \"a\"\n"
		   "proto 1 5 0\n"
		   "frame lua 1:7\n"
		   "callsite 0 1\n"
		   "alloc @1 0x10 8\n"
		   "alloc @1 0x18 16\n"
		   "alloc @1 0x20 9\n"
		   "alloc @1 0x48 0\n"
		   "free @1 0x10 8\n"
		   "free @1 0x10 9\n"
		   "corrupt 53: event head 0x07: the callsite of the last "
		   "reallocation, and there was none\n");
	stream.size -= 6;
	ljm_put(&stream, "\x03\x01\x80\x01\x09\x06\x03", 7);
	ljm_put(&stream, "\x0f\x08\x00\x01\x80", 5);
	check_text(&stream, "ljs 3\nljm 131\n"
			    "start 1 2 3 \"x\"\n"
			    "string \"a\"\n"
			    "proto 1 5 0\n"
			    "frame lua 1:7\n"
			    "callsite 0 1\n"
			    "alloc @1 0x10 8\n"
			    "alloc @1 0x18 16\n"
			    "alloc @1 0x20 9\n"
			    "alloc @1 0x48 0\n"
			    "free @1 0x10 8\n"
			    "free @1 0x10 9\n"
			    "realloc @1 0x18 9 0x8 128\n"
			    "realloc @1 0x8 8 0x0 8\n"
			    "end\n");
	ljm_free(&stream);
}

/* A block's end is rounded in the unit of its event. */
static void test_unit(void **state)
{
	struct ljm_bytes stream = encode(definitions);
	struct ljm_bytes text = {0};
	const char *events;
	(void)state;

	ljm_put(&stream,
		"\x01\x01\x01\x04" /* 1 byte at 0x10, so it ends at 0x18 */
		"\x28\x00"	   /* unit 0 */
		"\x05\x01\x02"	   /* 0x19 */
		"\x02\x01\x03\x20" /* ends at 0x10: 0xd */
		"\x28\x0c"	   /* unit 12 */
		"\x05\x01\x02"	   /* a unit behind that of 0x1a */
		"\x06\x01\x04"	   /* ends at 0x2000 */
		"\x80",
		22);
	ljm_decode(stream.data, stream.size, stream.size, &text);
	ljm_put_byte(&text, '\0');
	events = strstr((const char *)text.data, "alloc");
	assert_string_equal(events, "alloc @1 0x10 1\n"
				    "unit 0\n"
				    "alloc @1 0x19 1\n"
				    "free @1 0xd 3\n"
				    "unit 12\n"
				    "alloc @1 0x1000 1\n"
				    "free @1 0x1000 1\n"
				    "end\n");
	ljm_free(&text);
	ljm_free(&stream);
}

/* Where many events stand in one window, and at its edge. */
static void test_long_run(void **state)
{
	struct ljm_bytes text = {0}, stream, again = {0};
	(void)state;

	ljm_put(&text, definitions, sizeof(definitions) - 1);
	for (unsigned i = 0; i < 3000; i++) {
		const unsigned size = i % 5 * 120;

		ljm_printf(&text, "alloc @%u 0x%llx %u\n", 1 + i % 3 / 2,
			   0x7f0000000000ull << i % 13 & ~0xfull, size);
		if (i % 7 == 0)
			ljm_printf(&text, "realloc @2 0x%x %u 0x%x %u\n",
				   i * 4096, size, i * 16, i);
		if (i % 3 != 0)
			ljm_printf(&text, "free @%u 0x%x %u\n", 1 + i % 2,
				   i << i % 18 & ~7u, i);
	}
	ljm_printf(&text, "end\n");
	ljm_put_byte(&text, '\0');
	stream = encode((const char *)text.data);
	ljm_decode(stream.data, stream.size, stream.size, &again);
	assert_int_equal(again.size + 1, text.size);
	assert_memory_equal(again.data, text.data, again.size);
	ljm_free(&again);
	ljm_free(&stream);
	ljm_free(&text);
}

/* ---- what is refused */

static void test_start(void **state)
{
	static const char before[] = "ljs 3\nljm 131\n";
	(void)state;

	CHECK_CORRUPT(before, "\x80", "0x80 before the start");
	CHECK_CORRUPT(before, "\x08\x01x", "0x08 before the start");
	CHECK_CORRUPT(before, "\x05\x01", "0x05 before the start");
	CHECK_CORRUPT(begin, "\x04\x01\x02\x03\x01x", "a second start");
	CHECK_CORRUPT(before, "\x04\x01\x02\x81\x08\x01x", "depth 1025");
	CHECK_CORRUPT(before,
		      "\x04\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x02\x03",
		      "start time 9223372036854775808");
	CHECK_CORRUPT(before, "\x04\x01\x02\x03\x81\x80\x80\x08",
		      "a name of 16777217 bytes");
}

static void test_no_symbols(void **state)
{
	(void)state;
	CHECK_CORRUPT("ljs 3\nc 0x10 \"f\"\nraw 80", "ljm\x83\0\0\0",
		      "symbols in the table of a compact stream");
}

static void test_types(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 64; type++) {
		const char byte = (char)(type << LJM_RECORD_SHIFT);

		if ((type != 0 && type <= LJM_RECORD_LOST) ||
		    type == LJM_EPILOGUE >> LJM_RECORD_SHIFT)
			continue;
		check_corrupt(definitions, &byte, 1, "unknown type");
	}
}

static void test_references(void **state)
{
	(void)state;
	CHECK_CORRUPT(begin, "\x0c\x01\x05\x00", "string 1, of which 0");
	CHECK_CORRUPT(definitions, "\x0c\x00\x05\x00", "string 0, of which 2");
	CHECK_CORRUPT(definitions, "\x0c\x03\x05\x00", "string 3, of which 2");
	CHECK_CORRUPT(definitions, "\x0c\x02\x05\x03", "string 3, of which 2");
	CHECK_CORRUPT(definitions, "\x10\x02\x03", "string 3, of which 2");
	CHECK_CORRUPT(definitions, "\x10\x02\x00", "string 0, of which 2");
	CHECK_CORRUPT(definitions, "\x14\x01\x02\x05", "prototype 2, of");
	CHECK_CORRUPT(definitions, "\x14\x01\x00\x05", "prototype 0, of");
	CHECK_CORRUPT(definitions, "\x14\x02\x02\x05\x07", "prototype 2, of");
	CHECK_CORRUPT(definitions, "\x14\x04\x07\x02\x05", "prototype 2, of");
	CHECK_CORRUPT(definitions, "\x14\x03\x02", "function 2, of which 1");
	CHECK_CORRUPT(definitions, "\x14\x03\x00", "function 0, of which 1");
	CHECK_CORRUPT(definitions, "\x18\x00\x03", "frame 3, of which 2");
	CHECK_CORRUPT(definitions, "\x18\x00\x00", "frame 0, of which 2");
	/* Its own number is not an earlier one. */
	CHECK_CORRUPT(definitions, "\x18\x03\x01", "callsite 3, of which 2");
	CHECK_CORRUPT(definitions, "\x20\x03", "string 3, of which 2");
	CHECK_CORRUPT(definitions, "\x20\x00", "string 0, of which 2");
	CHECK_CORRUPT(definitions, "\x09\x00\x02", "callsite 0, of which 2");
	CHECK_CORRUPT(definitions, "\x0a\x03\x02", "callsite 3, of which 2");
	CHECK_CORRUPT(definitions, "\x0b\x81\x80\x80\x80\x10\x02\x02\x02",
		      "callsite 4294967297, of which 2");
	CHECK_CORRUPT(definitions, "\x0d\x02",
		      "head 0x0d: the callsite of the "
		      "last allocation");
	CHECK_CORRUPT(definitions, "\x0e\x02", "last free, and there was none");
}

static void test_operands(void **state)
{
	(void)state;
	CHECK_CORRUPT(definitions, "\x14\x06\x00", "frame kind 6");
	CHECK_CORRUPT(definitions, "\x14\x00\x07", "internal kind 7");
	CHECK_CORRUPT(definitions, "\x14\x05\x03", "gap 3");
	CHECK_CORRUPT(definitions, "\x24\x04", "collection 4");
	CHECK_CORRUPT(definitions, "\x28\x0d", "unit 13");
	CHECK_CORRUPT(definitions,
		      "\x1c\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
		      "time 92");
	CHECK_CORRUPT(definitions,
		      "\x01\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00",
		      "a block of 9223372036854775808 bytes");
	CHECK_CORRUPT(definitions,
		      "\x0b\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00",
		      "a block of 9223372036854775808 bytes");
	CHECK_CORRUPT(definitions,
		      "\x09\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
		      "beyond 64 bits");
}

static void test_too_many_definitions(void **state)
{
	struct ljm_bytes stream = encode(begin);
	struct decode_event events[MAX_EVENTS];
	enum decode_result result;
	struct decode_input in;
	struct decoder d;
	size_t count, end, total = 0;
	(void)state;

	for (unsigned i = 0; i < LJM_NUMBER_MAX; i++)
		ljm_put(&stream, "\x08\x00", 2);
	end = stream.size;
	ljm_put(&stream, "\x08\x00", 2);
	in = (struct decode_input){stream.data, stream.size, 0};
	decode_init(&d);
	do {
		result = decode_events(&d, &in, events, MAX_EVENTS, &count);
		total += count;
	} while (result == DECODE_FULL);
	assert_int_equal(result, DECODE_CORRUPT);
	assert_non_null(strstr(d.error, "more than 4194304 definitions"));
	assert_int_equal(in.pos, end);
	assert_int_equal(total, 1 + LJM_NUMBER_MAX);
	ljm_free(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_of_events),
		cmocka_unit_test(test_unit),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_no_symbols),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_too_many_definitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
