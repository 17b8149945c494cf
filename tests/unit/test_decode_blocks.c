/*
 * test_decode_blocks.c - what the fast decoder takes is what the careful one
 * would have: random streams of all versions, with integers of all lengths,
 * read carefully, as events, and as blocks.
 */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"

#define STREAMS	   4000
#define ITEMS	   60
#define MAX_EVENTS 512

struct outcome {
	enum decode_result result;
	size_t pos, count, blocks;
	char error[160];
	struct decode_event events[MAX_EVENTS];
};

static uint64_t random_state;

static unsigned pick(unsigned below)
{
	random_state = random_state * 6364136223846793005ull + 1;
	return (unsigned)(random_state >> 33) % below;
}

/* An integer of up to so many bytes, with more than it needs at times. */
static void put_integer(struct ljm_bytes *b, unsigned longest)
{
	const unsigned size = 1 + pick(longest);

	for (unsigned i = 1; i < size; i++)
		ljm_put_byte(b, 0x80 | pick(128));
	ljm_put_byte(b, size == 10 ? pick(3) : pick(4) != 0 ? pick(128) : 0);
}

/* A heap event, or what may be taken for one. */
static void put_event(struct ljm_bytes *b, unsigned source, unsigned locations,
		      unsigned longest)
{
	const unsigned kind = 1 + pick(3);
	const unsigned integers = kind == LJM_KIND_REALLOC ? 4 : 2;

	ljm_put_byte(b, LJM_HEAD(kind, source));
	for (unsigned i = 0; i < locations + integers; i++)
		put_integer(b, longest);
}

static const char *const prologues[] = {
	"ljs 1\nljm 1", "ljs 1\nljm 2", "ljs 2\nljm 2",
	"ljs 2\nljm 3", "ljs 3\nljm 3",
};

static struct ljm_bytes random_stream(void)
{
	const unsigned version = pick(5);
	/* Most of them what real streams have, and some beyond any. */
	const unsigned longest = pick(3) != 0 ? 7 : 8 + pick(4);
	const bool traces_have_addresses = version >= 1 && version <= 3;
	struct ljm_bytes b = {0};

	assert_int_equal(ljm_encode(prologues[version], &b), 0);
	for (unsigned i = 0; i < ITEMS; i++) {
		const unsigned source = 1 + pick(version == 0 ? 3 : 4);
		const unsigned locations =
			source == LJM_SOURCE_INTERNAL ? 0
			: source == LJM_SOURCE_LUA    ? 2
			: source == LJM_SOURCE_TRACE && traces_have_addresses
				? 2
				: 1;

		if (version == 4 && pick(30) == 0) {
			ljm_put_byte(&b, 1);
			put_integer(&b, 7);
			ljm_put(&b, "\4name", 5);
		}
		put_event(&b, source, locations, longest);
	}
	if (pick(4) != 0)
		ljm_put_byte(&b, pick(3) != 0 ? LJM_EPILOGUE : pick(256));
	if (pick(4) == 0)
		b.size -= pick(30);
	return b;
}

static void keep(struct outcome *o, const struct decoder *d,
		 const struct decode_input *in)
{
	o->pos = in->pos;
	memcpy(o->error, d->error, sizeof(o->error));
}

/* Byte by byte: there are never enough for the fast way. */
static void read_carefully(const struct ljm_bytes *b, struct outcome *o)
{
	struct decode_input in = {b->data, 0, 0};
	struct decoder d;
	size_t count;

	decode_init(&d);
	o->result = DECODE_MORE;
	while (o->result == DECODE_MORE && in.size < b->size) {
		in.size++;
		do {
			o->result =
				decode_events(&d, &in, o->events + o->count,
					      MAX_EVENTS - o->count, &count);
			o->count += count;
		} while (o->result == DECODE_FULL);
	}
	keep(o, &d, &in);
}

static void read_events(const struct ljm_bytes *b, struct outcome *o)
{
	struct decode_input in = {b->data, b->size, 0};
	struct decoder d;
	size_t count;

	decode_init(&d);
	do {
		const size_t cap = 1 + pick(100);

		o->result = decode_events(&d, &in, o->events + o->count, cap,
					  &count);
		assert_in_range(count, 0, cap);
		o->count += count;
	} while (o->result == DECODE_FULL);
	keep(o, &d, &in);
}

static void take_blocks(const struct decode_block *blocks, size_t count,
			struct outcome *o)
{
	for (size_t i = 0; i < count;) {
		assert_int_not_equal(blocks[i].kind, DECODE_MOVED);
		assert_true(blocks[i].kind != LJM_KIND_REALLOC ||
			    i + 1 < count);
		assert_int_not_equal(blocks[i].location[0], 0);
		i += decode_block_event(&blocks[i], &o->events[o->count++]);
	}
	o->blocks += count;
}

static void read_blocks(const struct ljm_bytes *b, struct outcome *o)
{
	struct decode_input in = {b->data, b->size, 0};
	struct decode_block blocks[100];
	struct decoder d;
	size_t count;

	decode_init(&d);
	do {
		const size_t cap = pick(100);
		const size_t taken = decode_blocks(&d, &in, blocks, cap);

		assert_in_range(taken, 0, cap);
		take_blocks(blocks, taken, o);
		o->result = decode_others(&d, &in, o->events + o->count,
					  1 + pick(20), &count);
		o->count += count;
	} while (o->result == DECODE_FULL);
	keep(o, &d, &in);
}

static void check_alike(const struct outcome *a, const struct outcome *b)
{
	assert_int_equal(a->result, b->result);
	assert_int_equal(a->pos, b->pos);
	assert_int_equal(a->count, b->count);
	assert_string_equal(a->error, b->error);
	for (size_t i = 0; i < a->count; i++)
		assert_memory_equal(&a->events[i], &b->events[i],
				    sizeof(*a->events));
}

static void test_all_ways_are_alike(void **state)
{
	size_t events = 0, blocks = 0;
	(void)state;

	for (random_state = 0; random_state < STREAMS; random_state++) {
		static struct outcome carefully, as_events, as_blocks;
		const uint64_t seed = random_state;
		struct ljm_bytes b = random_stream();

		memset(&carefully, 0, sizeof(carefully));
		memset(&as_events, 0, sizeof(as_events));
		memset(&as_blocks, 0, sizeof(as_blocks));
		/* At its very end, so that a sanitizer sees a read beyond. */
		b.data = realloc(b.data, b.size);
		assert_non_null(b.data);
		read_carefully(&b, &carefully);
		read_events(&b, &as_events);
		read_blocks(&b, &as_blocks);
		check_alike(&carefully, &as_events);
		check_alike(&carefully, &as_blocks);
		events += carefully.count;
		blocks += as_blocks.blocks;
		ljm_free(&b);
		random_state = seed;
	}
	/* Or nothing has been compared. */
	assert_true(events > STREAMS * ITEMS / 4);
	assert_true(blocks > events / 2);
}

/* Equal locations are equal bytes, whatever the kind; others are not. */
static void test_locations(void **state)
{
	struct ljm_bytes b = {0};
	struct decode_input in;
	struct decode_block blocks[16];
	struct decode_event events[2];
	struct decoder d;
	size_t count;
	(void)state;

	assert_int_equal(ljm_encode("ljs 3\nljm 3\n"
				    "alloc lua 0x10:1 0x100 8\n"
				    "free lua 0x10:1 0x100 8\n"
				    "realloc lua 0x10:1 0x100 8 0x200 16\n"
				    "alloc lua 0x10:2 0x100 8\n"
				    "alloc c 0x10 0x300 8\n"
				    "alloc trace:16 0x400 8\n"
				    "alloc int 0x500 8\n",
				    &b),
			 0);
	for (int i = 0; i < 100; i++)
		ljm_put_byte(&b, 0);
	in = (struct decode_input){b.data, b.size, 0};
	decode_init(&d);
	assert_int_equal(decode_others(&d, &in, events, 2, &count),
			 DECODE_FULL);
	assert_int_equal(count, 0);
	assert_int_equal(decode_blocks(&d, &in, blocks, 16), 8);
	for (int i = 0; i < 8; i++) {
		for (int j = 0; j < 8; j++)
			assert_int_equal(memcmp(blocks[i].location,
						blocks[j].location,
						DECODE_LOCATION_SIZE) == 0,
					 i == j || (i < 4 && j < 4));
		assert_int_equal((uint8_t)blocks[i].location[0] & 3, 0);
	}
	assert_int_equal(blocks[2].kind, LJM_KIND_REALLOC);
	assert_int_equal(blocks[3].kind, DECODE_MOVED);
	assert_int_equal(blocks[3].address, 0x200);
	assert_int_equal(blocks[3].size, 16);
	ljm_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ways_are_alike),
		cmocka_unit_test(test_locations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
