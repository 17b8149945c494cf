/*
 * test_samples.c - the heap's history stays small, even and complete.
 */
#include "cmocka_all.h"

#include <stdbool.h>

#include "samples.h"

/* Replays events 1 to last, the heap being as large as the event's number. */
static void run(struct samples *s, uint64_t last)
{
	samples_begin(s);
	for (uint64_t event = 1; event <= last; event++) {
		if (event == s->next)
			samples_regular(s, (struct model_sample){
						   .event = event,
						   .live_bytes = event * 3});
		assert_in_range(s->count, 1, MODEL_SAMPLES);
	}
	samples_last(s, (struct model_sample){.event = last,
					      .live_bytes = last * 3});
}

static void check(uint64_t last)
{
	static struct samples s;
	uint64_t interval;

	run(&s, last);
	assert_in_range(s.count, 1, MODEL_SAMPLES);
	assert_true(s.list[s.count - 1].event == last);
	interval = s.list[0].event;
	/* Half the room is used at least, once it had been full. */
	if (last > MODEL_SAMPLES)
		assert_in_range(s.count, MODEL_SAMPLES / 2, MODEL_SAMPLES);
	else
		assert_int_equal(s.count, last);
	for (size_t i = 0; i < s.count; i++) {
		assert_true(s.list[i].live_bytes == s.list[i].event * 3);
		if (i + 1 < s.count)
			assert_true(s.list[i].event == (i + 1) * interval);
	}
	/* The last one lies within an interval of the one before. */
	assert_true(last - (s.count - 1) * interval <= interval);
}

static void test_samples(void **state)
{
	(void)state;
	for (uint64_t last = 1; last < 5000; last++)
		check(last);
	check(1000000);
	check(1048576);
	check(3333333);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
