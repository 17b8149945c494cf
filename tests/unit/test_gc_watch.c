/*
 * What gc_watch.c says of the collector, against a collector whose cycles are
 * known: it works in steps of chance between and within events, is fast
 * forwarded as lj_gc_fullgc() does, and runs whole cycles without any event.
 */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "gc_watch.h"
#include "vm_layout.h"

#define ROUNDS 2000

struct collector {
	struct gc_watch watch;
	uint8_t at[2];	  /* white, state */
	uint64_t events;  /* so many have been */
	uint64_t marking; /* this cycle's mark began behind so many */
	bool whole;	  /* this sweep is that of a mark that was finished */

	/* The true ones. */
	unsigned cycles;
	uint64_t began; /* the last one's */

	/* The ones told. */
	unsigned told;
	uint64_t told_began;
};

static unsigned chance(unsigned n)
{
	return (unsigned)rand() % n;
}

/* As gc_onestep() does it. */
static void step(struct collector *c)
{
	switch (c->at[1]) {
	case VM_GC_PAUSE:
		c->at[1] = VM_GC_PROPAGATE;
		c->marking = c->events;
		break;
	case VM_GC_PROPAGATE:
		c->at[1] = VM_GC_ATOMIC;
		break;
	case VM_GC_ATOMIC:
		c->at[0] ^= 3;
		c->at[1] = VM_GC_SWEEPSTRING;
		c->whole = true;
		break;
	case VM_GC_SWEEPSTRING:
		c->at[1] = VM_GC_SWEEP;
		break;
	case VM_GC_SWEEP:
		c->at[1] = chance(2) ? VM_GC_PAUSE : VM_GC_FINALIZE;
		if (c->whole) {
			c->cycles++;
			c->began = c->marking;
		}
		c->whole = false;
		break;
	default:
		c->at[1] = VM_GC_PAUSE;
	}
}

static void look(struct collector *c)
{
	const unsigned told = c->told;
	if (!gc_watch_is_due(&c->watch))
		return;
	const struct gc_ended ended = gc_watch_look(&c->watch, c->events);
	for (unsigned i = 0; i < ended.count; i++) {
		assert_true(ended.began[i] <= c->events);
		assert_true(ended.began[i] >= c->told_began);
		c->told++;
		c->told_began = ended.began[i];
	}
	/* The weakest is believed, and of no cycle that was not. */
	if (c->told != told)
		assert_true(c->told_began <= c->began);
	assert_true(c->told <= c->cycles);
}

static void event(struct collector *c)
{
	look(c);
	c->events++;
}

static void maybe_event(struct collector *c)
{
	if (chance(2))
		event(c);
}

/* As lj_gc_fullgc(); every sweep frees something, if that is wanted. */
static void collect(struct collector *c, bool frees)
{
	if (c->at[1] <= VM_GC_ATOMIC) {
		c->at[1] = VM_GC_SWEEPSTRING;
		c->whole = false;
	}
	while (c->at[1] == VM_GC_SWEEPSTRING || c->at[1] == VM_GC_SWEEP)
		step(c);
	c->at[1] = VM_GC_PAUSE;
	do {
		step(c);
		if (frees && c->at[1] == VM_GC_SWEEP)
			event(c);
	} while (c->at[1] != VM_GC_PAUSE);
}

static void begin(struct collector *c, uint8_t white, uint8_t state)
{
	memset(c, 0, sizeof *c);
	c->at[0] = white;
	c->at[1] = state;
	gc_watch_open(&c->watch, c->at);
}

/* In steps, at each of which there are events: all are told, exactly. */
static void test_steps(void **state)
{
	struct collector c;
	(void)state;
	begin(&c, 0x21, VM_GC_PAUSE);
	for (int i = 0; i < ROUNDS; i++) {
		do
			event(&c);
		while (chance(3));
		step(&c);
		event(&c);
		assert_int_equal(c.told, c.cycles);
		assert_int_equal(c.told_began, c.began);
	}
	assert_true(c.cycles > ROUNDS / 10);
}

/* Whole ones from a pause are told, too, and from anywhere something is. */
static void test_collections(void **state)
{
	struct collector c;
	(void)state;
	begin(&c, 2, VM_GC_PAUSE);
	for (int i = 0; i < ROUNDS; i++) {
		event(&c);
		collect(&c, chance(2));
		event(&c);
		assert_int_equal(c.told, i + 1);
		assert_int_equal(c.told_began, c.began);
	}
	for (int i = 0; i < ROUNDS; i++) {
		const unsigned told = c.told;
		for (unsigned steps = chance(6); steps; steps--) {
			event(&c);
			step(&c);
		}
		event(&c);
		collect(&c, true);
		event(&c);
		assert_true(c.told > told);
		/* That of the mark which it interrupted is believed. */
		assert_true(c.events - c.told_began < 10);
	}
	assert_true(c.told >= 2 * ROUNDS);
}

/* Whatever happens between two events, nothing is said that is not so. */
static void test_anything(void **state)
{
	struct collector c;
	(void)state;
	for (unsigned seed = 1; seed <= 50; seed++) {
		srand(seed);
		begin(&c, 1 + (uint8_t)chance(2), (uint8_t)chance(6));
		/* What began before us is none of ours. */
		for (int i = 0; i < ROUNDS; i++) {
			if (chance(20) == 0)
				collect(&c, chance(2));
			for (unsigned steps = chance(9); steps; steps--)
				step(&c);
			maybe_event(&c);
		}
		assert_true(c.told > 0);
	}
}

static void test_begun_before(void **state)
{
	static const uint8_t states[] = {VM_GC_PROPAGATE, VM_GC_ATOMIC,
					 VM_GC_SWEEPSTRING, VM_GC_SWEEP};
	struct collector c;
	(void)state;
	for (size_t i = 0; i < sizeof states; i++) {
		begin(&c, 1, states[i]);
		while (c.at[1] != VM_GC_PAUSE) {
			event(&c);
			step(&c);
		}
		event(&c);
		assert_int_equal(c.told, 0);
		collect(&c, false);
		event(&c);
		assert_int_equal(c.told, 1);
	}
}

/* What is no collector's, and what becomes none: nothing more is seen. */
static void test_other_bytes(void **state)
{
	static const uint8_t others[][2] = {{0, 0}, {3, 0}, {0x24, 1}, {1, 6}};
	struct collector c;
	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		begin(&c, others[i][0], others[i][1]);
		c.at[0] = 1;
		assert_false(gc_watch_is_due(&c.watch));
		begin(&c, 1, VM_GC_SWEEP);
		memcpy(c.at, others[i], 2);
		c.at[0] ^= others[i][0] == 1 ? 3 : 0;
		event(&c);
		collect(&c, true);
		assert_int_equal(c.told, 0);
		assert_false(gc_watch_is_due(&c.watch));
	}
	gc_watch_open(&c.watch, NULL);
	assert_false(gc_watch_is_due(&c.watch));
	/* lua_close() makes all objects white. */
	begin(&c, 1, VM_GC_PAUSE);
	event(&c);
	c.at[0] = 0x23;
	event(&c);
	c.at[0] = 0x22;
	event(&c);
	assert_int_equal(c.told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_collections),
		cmocka_unit_test(test_anything),
		cmocka_unit_test(test_begun_before),
		cmocka_unit_test(test_other_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
