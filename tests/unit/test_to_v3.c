/*
 * test_to_v3.c - random streams and what they are converted to have the same
 * report; what cannot be converted is refused.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_bytes.h"
#include "random_events.h"
#include "to_v3.h"

#define STREAM_EVENTS 3000

/* ---- conversions and reports */

static bool append(void *arg, const void *bytes, size_t size)
{
	ljm_put(arg, bytes, size);
	return true;
}

static enum ingest_result convert(const struct ljm_bytes *from,
				  struct ljm_bytes *to, struct ingest *in)
{
	struct source *const source = open_bytes(from);
	const enum ingest_result result = to_v3_stream(in, source, append, to);

	source_close(source);
	return result;
}

static char *report(const struct ljm_bytes *stream, bool cut)
{
	enum ingest_result result;
	struct ingest in = {0};
	char *const text = ingest_and_report(&in, open_bytes(stream), &result);

	assert_int_equal(result, cut ? INGEST_CONTENT : INGEST_OK);
	return text;
}

static void check_same_report(const struct ljm_bytes *stream, bool cut)
{
	struct ljm_bytes converted = {0};
	struct ingest in = {0};
	char *before, *after;

	assert_int_equal(convert(stream, &converted, &in),
			 cut ? INGEST_CONTENT : INGEST_OK);
	assert_memory_equal(converted.data, "ljs\3\0\0\0", 7);
	before = report(stream, cut);
	after = report(&converted, false);
	assert_string_equal(after, before);
	free(before);
	free(after);
	ljm_free(&converted);
}

/* ---- random ones */

static struct ljm_bytes random_stream(const struct mix *mix, uint64_t seed)
{
	struct ljm_compact state = LJM_COMPACT;
	struct oracle *const o = calloc(1, sizeof(*o));
	struct ljm_bytes stream = {0};
	struct decode_event e;

	assert_non_null(o);
	assert_int_equal(ljm_encode("ljs 3\nljm 131\n", &stream), 0);
	random_start(&e);
	for (int i = 0; i < STREAM_EVENTS; i++) {
		assert_true(ljm_encode_compact(&state, &e, &stream));
		oracle_apply(o, &e);
		random_compact(mix, o, &seed, &e);
		/* Units are for addresses of real blocks. */
		while (e.kind == DECODE_RECORD && e.source == LJM_RECORD_UNIT)
			random_compact(mix, o, &seed, &e);
	}
	ljm_put_byte(&stream, LJM_EPILOGUE);
	free(o);
	return stream;
}

static void test_random_streams(void **state)
{
	static const struct mix mixes[] = {{40, 10, false, false, 1},
					   {400, 50, true, false, 1}};
	(void)state;

	for (uint64_t seed = 0; seed < 20; seed++) {
		struct ljm_bytes stream = random_stream(&mixes[seed % 2], seed);

		check_same_report(&stream, false);
		stream.size = stream.size / 20 * seed + 40;
		check_same_report(&stream, true);
		ljm_free(&stream);
	}
}

/* ---- others */

static void test_other_versions(void **state)
{
	static const char *const texts[] = {
		"ljs 1\nlua 0x1000 \"@a\" 1\nljm 1\n"
		"alloc lua 0x1000:2 0x10 8\nalloc c 0x2000 0x20 8\nend\n",
		"ljs 1\nljm 2\nalloc trace:5 0x10 8\nend\n",
		"ljs 2\nlua 0x1000 \"@a\" 1\ntrace 5 0x1000 7\nljm 3\n"
		"alloc trace:5 0x10 8\nlua 0x1000 \"@b\" 1\n"
		"realloc trace:5 0x10 8 0x20 16\nend\n",
		"ljs 3\nc 0x2000 \"f\"\nljm 3\nalloc c 0x2004 0x10 8\n"
		"c1 0x2001 \"g\"\nfree c 0x2004 0x10 8\nend\n",
		"ljs 3\nljm 3\nend\n",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ljm_bytes stream = {0};

		assert_int_equal(ljm_encode(texts[i], &stream), 0);
		check_same_report(&stream, false);
		ljm_free(&stream);
	}
}

/* A long name does not fit into the buffer. */
static void test_long_names(void **state)
{
	struct ljm_bytes stream = {0};
	const size_t size = 700000;
	char *const name = malloc(size);
	(void)state;

	assert_non_null(name);
	memset(name, 'n', size);
	assert_int_equal(
		ljm_encode("ljs 3\nljm 131\nstart 1 2 0 \"\"\n", &stream), 0);
	ljm_put_byte(&stream, LJM_RECORD_STRING << LJM_RECORD_SHIFT);
	ljm_put_int(&stream, size);
	ljm_put(&stream, name, size);
	assert_int_equal(ljm_encode("proto 1 1 0\nframe lua 1:1\n"
				    "callsite 0 1\nalloc @1 0x10 8\nend\n",
				    &stream),
			 0);
	check_same_report(&stream, false);
	free(name);
	ljm_free(&stream);
}

/* Two functions at one address, in turns; two traces of one number. */
static void test_redefinitions(void **state)
{
	struct ljm_bytes stream = {0};
	(void)state;

	assert_int_equal(
		ljm_encode("ljs 3\nljm 131\nstart 1 2 0 \"\"\n"
			   "string \"@a\"\nstring \"f\"\nstring \"g\"\n"
			   "proto 1 1 0\nfunction 0x2000 2\n"
			   "function 0x2000 3\nfunction 0x1f00 3\n"
			   "frame c 1\nframe c 2\nframe trace:7 1:1\n"
			   "frame trace:7 1:2\nframe c 3\n"
			   "callsite 0 1\ncallsite 0 2\ncallsite 0 3\n"
			   "callsite 0 4\ncallsite 0 5\n"
			   "alloc @1 0x10 8\nalloc @2 0x20 8\n"
			   "alloc @3 0x30 8\nalloc @4 0x40 8\n"
			   "alloc @5 0x50 8\n"
			   "alloc @1 0x60 8\nalloc @2 0x70 8\n"
			   "alloc @3 0x80 8\nalloc @4 0x90 8\nend\n",
			   &stream),
		0);
	check_same_report(&stream, false);
	ljm_free(&stream);
}

static void test_refused(void **state)
{
	struct ljm_bytes stream = {0}, converted = {0};
	struct ingest in = {0};
	(void)state;

	ljm_put(&stream, "hello, world", 12);
	assert_int_equal(convert(&stream, &converted, &in), INGEST_CONTENT);
	assert_int_equal(in.events_version, 0);
	assert_int_equal(converted.size, 0);
	stream.size = 0;
	assert_int_equal(
		ljm_encode("ljs 3\nljm 131\nstart 1 2 0 \"\"\n"
			   "string \"@a\"\nproto 1 1 0\n"
			   "function 0x1000 1\nframe lua 1:1\nframe c 1\n"
			   "callsite 0 1\ncallsite 0 2\n"
			   "alloc @1 0x10 8\nalloc @2 0x20 8\nend\n",
			   &stream),
		0);
	assert_int_equal(convert(&stream, &converted, &in), INGEST_CONTENT);
	assert_non_null(strstr(in.error, "a C function at an address"));
	assert_int_equal(in.offset, stream.size - 4);
	ljm_free(&stream);
	ljm_free(&converted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_other_versions),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_redefinitions),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
