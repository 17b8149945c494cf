/*
 * test_ingest.c - C symbols that are repeated are known again, and whatever a
 * stream does with them, its report is that of the same events taken one by
 * one.
 */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest_bytes.h"
#include "symbol_event.h"
#include "symbol_runs.h"

/* ---- random streams */

#define LIBRARIES 4u
#define ADDRESSES 400u /* of functions of a library */

/* A library's symbols, as they are dumped every time. */
struct library {
	struct ljm_bytes dump;
	size_t ends[2 * ADDRESSES]; /* of each symbol in it */
	size_t count;
};

static void put_symbol(struct ljm_bytes *out, unsigned source, uint64_t address,
		       const char *name)
{
	const struct decode_event e = symbol_event(source, address, name);

	ljm_encode_event(&e, 3, 3, out);
}

static void put_c_symbol(struct ljm_bytes *out, uint64_t address,
			 const char *name)
{
	put_symbol(out, LJM_SOURCE_C, address, name);
}

/* Of a C function; each block has an address of its own. */
static void put_alloc_at(struct ljm_bytes *out, uint64_t function,
			 uint64_t size)
{
	const struct decode_event e = {.kind = LJM_KIND_ALLOC,
				       .source = LJM_SOURCE_C,
				       .address = function,
				       .new_address =
					       0x7f0000000000 + out->size * 16,
				       .new_size = size};

	ljm_encode_event(&e, 3, 3, out);
}

static uint64_t random_function(uint64_t *seed)
{
	const uint64_t x = next_random(seed);

	return 0x5500000000 + (x & 0xffff) % LIBRARIES * 0x100000 +
	       (x >> 16) % ADDRESSES * 16;
}

/* Half of the functions or so have several names. */
static void make_library(struct library *l, unsigned number, uint64_t *seed)
{
	const size_t count =
		2 + next_random(seed) % (number % 2 ? 2 * ADDRESSES - 2 : 90);
	char name[80];

	l->dump.size = 0;
	for (l->count = 0; l->count < count; l->count++) {
		const uint64_t x = next_random(seed);

		snprintf(name, sizeof(name), "library_%u_function_%u", number,
			 (unsigned)(x >> 32) % 1000);
		put_c_symbol(&l->dump,
			     0x5500000000 + number * 0x100000 +
				     x % ADDRESSES * 16,
			     name);
		l->ends[l->count] = l->dump.size;
	}
}

/* A dump, mostly whole; else some of its symbols, or with one changed. */
static void put_dump(struct ljm_bytes *out, const struct library *l,
		     uint64_t *seed)
{
	const uint64_t x = next_random(seed);
	const size_t some = l->ends[(x >> 8) % l->count];

	if (x % 8 != 0) {
		ljm_put(out, l->dump.data, l->dump.size);
		return;
	}
	ljm_put(out, l->dump.data, some);
	if (x & 8)
		put_c_symbol(out, random_function(seed), "other");
	if (x & 16)
		ljm_put(out, l->dump.data + some, l->dump.size - some);
}

static void put_lua_symbol(struct ljm_bytes *out, uint64_t *seed)
{
	char name[32];

	snprintf(name, sizeof(name), "@%u.lua",
		 (unsigned)next_random(seed) % 8);
	put_symbol(out, LJM_SOURCE_LUA, random_function(seed) + 8, name);
}

static void put_alloc(struct ljm_bytes *out, uint64_t *seed)
{
	const uint64_t function = random_function(seed);

	put_alloc_at(out, function + next_random(seed) % 16,
		     1 + next_random(seed) % 1000);
}

static void random_stream(struct ljm_bytes *out, uint64_t *seed)
{
	struct library libraries[LIBRARIES] = {0};

	for (unsigned i = 0; i < LIBRARIES; i++)
		make_library(&libraries[i], i, seed);
	out->size = 0;
	assert_int_equal(ljm_encode("ljs 3\nljm 3\n", out), 0);
	for (int i = 0; i < 150; i++) {
		const uint64_t x = next_random(seed);
		const struct library *const l = &libraries[x >> 32 & 3];

		if (x % 32 == 0)
			make_library(&libraries[x >> 32 & 3], x >> 32 & 3,
				     seed);
		else if (x % 32 < 3)
			put_lua_symbol(out, seed);
		else if (x % 32 < 5)
			put_c_symbol(out, random_function(seed), "single");
		else if (x % 32 < 14)
			put_alloc(out, seed);
		else
			put_dump(out, l, seed);
		if (x & 64)
			put_alloc(out, seed);
	}
	ljm_put_byte(out, LJM_EPILOGUE);
	for (unsigned i = 0; i < LIBRARIES; i++)
		ljm_free(&libraries[i].dump);
}

/* ---- two ways */

/* Event by event, and nothing is known again. */
static char *feed_and_report(const struct ljm_bytes *stream, size_t *end)
{
	struct model *const m = model_new(NULL, NULL);
	struct decode_input in = {stream->data, stream->size, 0};
	enum decode_result result;
	struct decode_event e;
	struct decoder d;
	size_t count, taken;

	assert_non_null(m);
	decode_init(&d);
	do {
		result = decode_events(&d, &in, &e, 1, &count);
		assert_int_equal(model_feed(m, &e, count, &taken), MODEL_OK);
	} while (result == DECODE_FULL);
	*end = in.pos;
	return end_and_report(m);
}

static void check_ingested(const struct ljm_bytes *stream,
			   struct source *source, bool cut)
{
	enum ingest_result result;
	struct ingest in = {0};
	char *expected, *got;
	size_t end;

	expected = feed_and_report(stream, &end);
	got = ingest_and_report(&in, source, &result);
	assert_int_equal(result, cut ? INGEST_CONTENT : INGEST_OK);
	assert_int_equal(in.offset, end);
	assert_string_equal(got, expected);
	free(got);
	free(expected);
}

struct writer {
	const struct ljm_bytes *stream;
	uint64_t seed;
	int fd;
};

static void *write_pieces(void *arg)
{
	struct writer *const w = arg;
	size_t at = 0;

	while (at < w->stream->size) {
		const size_t left = w->stream->size - at;
		const size_t wanted = 1 + next_random(&w->seed) % 5000;
		const size_t n = wanted < left ? wanted : left;

		assert_int_equal(write(w->fd, w->stream->data + at, n), n);
		at += n;
	}
	close(w->fd);
	return NULL;
}

/* The window ends within a run again and again. */
static void check_piped(const struct ljm_bytes *stream, uint64_t seed, bool cut)
{
	struct source *source;
	struct writer w;
	pthread_t thread;
	char path[64];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	w = (struct writer){stream, seed, ends[1]};
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	assert_int_equal(source_open(&source, path, NULL), SOURCE_OK);
	close(ends[0]);
	assert_int_equal(pthread_create(&thread, NULL, write_pieces, &w), 0);
	check_ingested(stream, source, cut);
	pthread_join(thread, NULL);
}

static void test_random(void **state)
{
	struct ljm_bytes stream = {0};
	uint64_t seed = 1;
	(void)state;

	for (int round = 0; round < 100; round++) {
		random_stream(&stream, &seed);
		check_ingested(&stream, open_bytes(&stream), false);
		check_piped(&stream, seed, false);
		stream.size -= 1 + next_random(&seed) % 8000;
		check_ingested(&stream, open_bytes(&stream), true);
		check_piped(&stream, seed, true);
	}
	ljm_free(&stream);
}

/* A run is one symbol longer each time that it comes; and then shorter. */
static void test_growing(void **state)
{
	struct ljm_bytes stream = {0};
	uint64_t seed = 2;
	char name[64];
	(void)state;

	assert_int_equal(ljm_encode("ljs 3\nljm 3\n", &stream), 0);
	for (unsigned i = 0; i < 200; i++) {
		const unsigned count = 100 + (i < 100 ? i : 200 - i);

		for (unsigned n = 0; n < count; n++) {
			snprintf(name, sizeof(name), "function_%u", n / 2);
			put_c_symbol(&stream, n % 60 * 16, name);
		}
		put_alloc(&stream, &seed);
	}
	ljm_put_byte(&stream, LJM_EPILOGUE);
	check_ingested(&stream, open_bytes(&stream), false);
	check_piped(&stream, seed, false);
	ljm_free(&stream);
}

#define FIRST_FUNCTION 0x1000u

/* So many functions, the first one at that address. */
static void put_functions(struct ljm_bytes *out, unsigned count)
{
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "function_%u", i);
		put_c_symbol(out, FIRST_FUNCTION + 16 * (uint64_t)i, name);
	}
}

/*
 * Symbols that are decoded together with what is none: another name for one
 * of those before is among them.
 */
static void test_mixed(void **state)
{
	struct ljm_bytes stream = {0};
	uint64_t seed = 3;
	(void)state;

	for (unsigned count = 1000; count < 1050; count++) {
		stream.size = 0;
		assert_int_equal(ljm_encode("ljs 3\nljm 3\n", &stream), 0);
		put_alloc_at(&stream, FIRST_FUNCTION, 8);
		put_functions(&stream, count);
		put_c_symbol(&stream, FIRST_FUNCTION, "renamed");
		put_lua_symbol(&stream, &seed);
		put_alloc_at(&stream, FIRST_FUNCTION, 8);
		put_functions(&stream, count);
		put_alloc_at(&stream, FIRST_FUNCTION, 8);
		ljm_put_byte(&stream, LJM_EPILOGUE);
		check_ingested(&stream, open_bytes(&stream), false);
	}
	ljm_free(&stream);
}

/* ---- symbol_runs.h */

static const uint8_t *run_bytes(unsigned fill, size_t size)
{
	static uint8_t bytes[2 * SYMBOL_RUNS_BYTES];

	memset(bytes, (int)fill, size);
	return bytes;
}

static size_t find(struct symbol_runs *r, uint64_t epoch, unsigned fill,
		   size_t size, bool expected_partly)
{
	size_t matched = 0;
	const size_t found = symbol_runs_find(r, epoch, run_bytes(fill, size),
					      size, &matched);

	assert_int_equal(matched, expected_partly ? size : 0);
	return found;
}

static void add(struct symbol_runs *r, uint64_t epoch, unsigned fill,
		size_t size)
{
	symbol_runs_take(r, run_bytes(fill, size / 2), size / 2);
	symbol_runs_take(r, run_bytes(fill, size - size / 2), size - size / 2);
	symbol_runs_end(r, epoch);
}

static void test_runs(void **state)
{
	const size_t size = 3 * SYMBOL_RUN_LEAST;
	struct symbol_runs r = {0};
	(void)state;

	symbol_runs_end(&r, 7);
	assert_int_equal(find(&r, 7, 1, size, false), 0);
	add(&r, 7, 1, size);
	add(&r, 7, 2, 2 * size);
	assert_int_equal(find(&r, 7, 1, size, false), size);
	assert_int_equal(find(&r, 7, 1, size + 5, false), size);
	assert_int_equal(find(&r, 7, 2, 2 * size - 1, true), 0);
	assert_int_equal(find(&r, 7, 2, 2 * size, false), 2 * size);
	assert_int_equal(find(&r, 7, 3, size, false), 0);
	assert_int_equal(find(&r, 7, 1, 0, false), 0);

	/* What is short, or dropped, is not kept, and harms no other. */
	add(&r, 7, 4, SYMBOL_RUN_LEAST - 1);
	symbol_runs_take(&r, run_bytes(5, size), size);
	symbol_runs_drop(&r);
	assert_int_equal(find(&r, 7, 4, size, false), 0);
	assert_int_equal(find(&r, 7, 5, size, false), 0);
	assert_int_equal(find(&r, 7, 2, 2 * size, false), 2 * size);

	/* Another epoch: the one that has just been taken is left. */
	add(&r, 8, 6, size);
	assert_int_equal(find(&r, 8, 1, size, false), 0);
	assert_int_equal(find(&r, 8, 6, size, false), size);
	assert_int_equal(find(&r, 9, 6, size, false), 0);
	symbol_runs_clear(&r);
}

/* What has been compared is not compared again. */
static void test_partly(void **state)
{
	const size_t size = 3 * SYMBOL_RUN_LEAST;
	struct symbol_runs r = {0};
	uint8_t bytes[3 * SYMBOL_RUN_LEAST] = {0};
	size_t matched = 0;
	(void)state;

	add(&r, 7, 0, size);
	for (size_t n = 1; n < size; n++) {
		assert_int_equal(symbol_runs_find(&r, 7, bytes, n, &matched),
				 0);
		assert_int_equal(matched, n);
		bytes[n - 1] = 1;
	}
	bytes[size - 1] = 1;
	assert_int_equal(symbol_runs_find(&r, 7, bytes, size, &matched), 0);
	assert_int_equal(matched, 0);
	bytes[size - 1] = 0;
	matched = size - 1;
	assert_int_equal(symbol_runs_find(&r, 7, bytes, size, &matched), size);
	symbol_runs_clear(&r);
}

static void test_many_runs(void **state)
{
	struct symbol_runs r = {0};
	(void)state;

	/* More than there are places for. */
	for (unsigned i = 0; i <= SYMBOL_RUNS; i++)
		add(&r, 0, i, SYMBOL_RUN_LEAST);
	for (unsigned i = 0; i <= SYMBOL_RUNS; i++)
		assert_int_equal(find(&r, 0, i, SYMBOL_RUN_LEAST, false),
				 i == SYMBOL_RUNS ? SYMBOL_RUN_LEAST : 0);
	/* More than there is room for, alone and together. */
	add(&r, 0, 1, SYMBOL_RUNS_BYTES + 1);
	assert_int_equal(find(&r, 0, 1, SYMBOL_RUNS_BYTES + 1, false), 0);
	add(&r, 0, 1, SYMBOL_RUNS_BYTES);
	assert_int_equal(find(&r, 0, 1, SYMBOL_RUNS_BYTES, false),
			 SYMBOL_RUNS_BYTES);
	add(&r, 0, 2, SYMBOL_RUN_LEAST);
	assert_int_equal(find(&r, 0, 2, SYMBOL_RUN_LEAST, false),
			 SYMBOL_RUN_LEAST);
	assert_true(r.capacity <= SYMBOL_RUNS_BYTES);
	symbol_runs_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_growing),
		cmocka_unit_test(test_mixed),  cmocka_unit_test(test_runs),
		cmocka_unit_test(test_partly), cmocka_unit_test(test_many_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
