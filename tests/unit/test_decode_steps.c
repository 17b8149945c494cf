/*
 * test_decode_steps.c - what the fast decoder takes is what the careful one
 * would have: random streams of all versions, with integers of all lengths,
 * read carefully, as events, and as steps.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"
#include "step_events.h"

#define STREAMS	   4000
#define ITEMS	   60
#define MAX_EVENTS 512

struct outcome {
	enum decode_result result;
	size_t pos, count, steps;
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
	for (unsigned i = 0; i < locations; i++)
		put_integer(b, longest);
	/* Most of them fit into a step. */
	for (unsigned i = 0; i < integers / 2; i++) {
		put_integer(b, pick(12) != 0 ? 6 : longest);
		put_integer(b, pick(12) != 0 ? 4 : longest);
	}
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

static struct met met;

static const struct locations *forget_all(bool far)
{
	static uint64_t locations[MAX_EVENTS][2];

	met_begin(&met, locations, MAX_EVENTS, far);
	return &met.known;
}

static void take_steps(const struct step *steps,
		       const struct decode_steps *done, struct outcome *o)
{
	size_t events = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < done->count; events++) {
		struct decode_event *const e = &o->events[o->count++];

		const size_t places = met_event(&met, &steps[i], e);

		assert_int_not_equal(places, 0);
		i += places;
		assert_true(i <= done->count);
		bytes += e->old_size + e->new_size;
	}
	assert_int_equal(events, done->events);
	assert_int_equal(bytes, done->bytes);
	o->steps += done->count;
}

static void read_steps(const struct ljm_bytes *b, bool far, struct outcome *o)
{
	struct decode_input in = {b->data, b->size, 0};
	const struct locations *const known = forget_all(far);
	struct decode_steps done;
	struct step steps[100];
	struct decoder d;
	size_t count;

	decode_init(&d);
	o->result = DECODE_FULL;
	while (o->result == DECODE_FULL) {
		const size_t cap = pick(100);

		done = decode_steps(&d, &in, known, steps, cap);
		assert_in_range(done.count, 0, cap);
		assert_false(done.no_memory || met.wrong);
		take_steps(steps, &done, o);
		o->result = decode_others(&d, &in, o->events + o->count,
					  1 + pick(20), &count);
		o->count += count;
	}
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
	size_t events = 0, steps = 0;
	(void)state;

	for (random_state = 0; random_state < STREAMS; random_state++) {
		static struct outcome carefully, as_events, as_steps;
		const uint64_t seed = random_state;
		struct ljm_bytes b = random_stream();

		memset(&carefully, 0, sizeof(carefully));
		memset(&as_events, 0, sizeof(as_events));
		memset(&as_steps, 0, sizeof(as_steps));
		/* At its very end, so that a sanitizer sees a read beyond. */
		b.data = realloc(b.data, b.size);
		assert_non_null(b.data);
		read_carefully(&b, &carefully);
		read_events(&b, &as_events);
		read_steps(&b, random_state % 2 == 0, &as_steps);
		check_alike(&carefully, &as_events);
		check_alike(&carefully, &as_steps);
		events += carefully.count;
		steps += as_steps.steps;
		ljm_free(&b);
		random_state = seed;
	}
	/* Or nothing has been compared. */
	assert_true(events > STREAMS * ITEMS / 4);
	assert_true(steps > events / 2);
}

/* A stream of so many bytes behind its events, its prologues taken. */
static struct decode_input begin(const char *text, struct decoder *d,
				 struct ljm_bytes *b)
{
	struct decode_event events[2];
	struct decode_input in;
	size_t count;

	assert_int_equal(ljm_encode(text, b), 0);
	for (int i = 0; i < 100; i++)
		ljm_put_byte(b, 0);
	in = (struct decode_input){b->data, b->size, 0};
	decode_init(d);
	assert_int_equal(decode_others(d, &in, events, 2, &count), DECODE_FULL);
	assert_int_equal(count, 0);
	return in;
}

/*
 * Equal locations are equal bytes, whatever the kind; others are not. Without
 * memory it ends before the event.
 */
static void check_locations(bool far, uint32_t limit)
{
	const uint32_t owners[] = {
		owner_of(0, false), owner_of(0, false), owner_of(0, true),
		owner_of(0, true),  owner_of(1, false), owner_of(2, false),
		owner_of(3, false), owner_of(4, false),
	};
	static const size_t counts[] = {0, 4, 5, 6, 7, 8, 8};
	const struct locations *const known = forget_all(far);
	struct ljm_bytes b = {0};
	struct decoder d;
	struct decode_input in = begin("ljs 3\nljm 3\n"
				       "alloc lua 0x10:1 0x100 8\n"
				       "free lua 0x10:1 0x100 8\n"
				       "realloc lua 0x10:1 0x100 8 0x200 16\n"
				       "alloc lua 0x10:2 0x100 8\n"
				       "alloc c 0x10 0x300 8\n"
				       "alloc trace:16 0x400 8\n"
				       "alloc int 0x500 8\n",
				       &d, &b);
	struct decode_steps done;
	struct step steps[32];

	met.limit = limit;
	done = decode_steps(&d, &in, known, steps, 32);
	assert_int_equal(done.count, counts[limit]);
	assert_int_equal(done.no_memory, limit < 5);
	for (size_t i = 0; i < done.count; i++)
		assert_int_equal(steps[i].owner, owners[i]);
	assert_int_equal(met.count, limit < 5 ? limit : 5);
	if (limit < 5) {
		met.limit = 5;
		done = decode_steps(&d, &in, known, steps, 32);
		assert_int_equal(done.count, 8 - counts[limit]);
	}
	ljm_free(&b);
}

static void test_locations(void **state)
{
	(void)state;
	for (uint32_t limit = 0; limit < 7; limit++) {
		check_locations(false, limit);
		check_locations(true, limit);
	}
}

/* What does not fit into a step is not taken, nor is its location asked for. */
static void test_odd(void **state)
{
	static const char *const odd[] = {
		"alloc int 0 8",
		"alloc int 0x1000000000000 8",
		"alloc int 0x100 4294967295",
		"realloc int 0 0 0x100 8",
		"realloc int 0x100 8 0 0",
		"realloc int 0x100 8 0x200 4294967295",
		"realloc int 0x100 8 0x1000000000000 8",
	};
	static const char *const not_odd[] = {
		"alloc int 0xffffffffffff 4294967294",
		"realloc int 1 0 0xffffffffffff 4294967294",
	};
	const struct locations *const known = forget_all(false);
	char text[100];
	(void)state;

	for (size_t i = 0; i < 9; i++) {
		const char *const line = i < 7 ? odd[i] : not_odd[i - 7];
		struct ljm_bytes b = {0};
		struct decode_input in;
		struct decode_steps done;
		struct step steps[4];
		struct decoder d;

		snprintf(text, sizeof(text), "ljs 3\nljm 3\n%s\n", line);
		in = begin(text, &d, &b);
		assert_true(decode_is_step(&d, &in));
		done = decode_steps(&d, &in, known, steps, 4);
		assert_int_equal(done.count, i < 7 ? 0 : i - 6);
		assert_int_equal(met.count, i < 7 ? 0 : 1);
		ljm_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ways_are_alike),
		cmocka_unit_test(test_locations),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
