/*
 * test_change.c - the distribution against its integral and against tables, the
 * rate of false alarms where the model is true, histories whose truth is known.
 */
#include "cmocka_all.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "change.h"

#define BUILDS 20

static uint64_t state = 88172645463325252u;

/* Evenly between 0 and 1, neither of them. */
static double even(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return ((double)(state >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

static double normal(void)
{
	return sqrt(-2 * log(even())) * cos(2 * M_PI * even());
}

/* ---- Student's t */

static void assert_near(double got, double wanted, double part)
{
	if (!(fabs(got - wanted) <= part * wanted))
		fail_msg("%.9g, wanted %.9g", got, wanted);
}

/* The density, by its definition. */
static double density(double t, double n)
{
	return exp(lgamma((n + 1) / 2) - lgamma(n / 2)) / sqrt(n * M_PI) *
	       pow(1 + t * t / n, -(n + 1) / 2);
}

/*
 * The integral from t on by Simpson's rule, with x = t + u / (1 - u), which
 * makes of it one from 0 to 1.
 */
static double integral(double t, double n)
{
	const int steps = 20000;
	double sum = 0;

	for (int i = 0; i < steps; i++) {
		const double u = (double)i / steps;
		const double weight = i == 0 ? 1 : i % 2 == 1 ? 4 : 2;

		sum += weight * density(t + u / (1 - u), n) /
		       ((1 - u) * (1 - u));
	}
	/* At the end the density of one degree does not vanish: 1 / pi. */
	if (n == 1)
		sum += 1 / M_PI;
	return sum / steps / 3;
}

static void tail_is_the_integral(void **unused)
{
	static const double at[] = {-3, -0.5, 0, 0.1, 1, 2.5, 6, 15};

	(void)unused;
	for (unsigned n = 1; n < 100; n += n < 10 ? 1 : 9)
		for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++) {
			const double wanted = integral(at[i], n);

			if (wanted > 1e-9)
				assert_near(change_tail(at[i], n), wanted,
					    1e-5);
		}
}

static void tail_is_that_of_tables(void **unused)
{
	static const struct {
		unsigned freedom;
		double t, p;
	} known[] = {
		{1, 6.314, 0.05},    {1, 31.821, 0.01},	  {2, 4.303, 0.025},
		{3, 10.215, 0.001},  {3, 12.924, 0.0005}, {4, 2.776, 0.025},
		{4, 8.610, 0.0005},  {9, 4.781, 0.0005},  {19, 3.883, 0.0005},
		{30, 3.646, 0.0005}, {60, 3.460, 0.0005},
	};

	(void)unused;
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		assert_near(change_tail(known[i].t, known[i].freedom),
			    known[i].p, 2e-3);
	assert_true(change_tail(1e300, 19) == CHANGE_P_MIN);
	assert_true(change_tail(-1e300, 19) == 1);
}

/* ---- histories */

static double bytes[BUILDS + 1], blocks[BUILDS + 1];

/* Builds from..to-1 hold so many blocks of 100 bytes, and some by chance. */
static void hold(unsigned from, unsigned to, double count, double spread)
{
	for (unsigned i = from; i < to; i++) {
		blocks[i] = round(fmax(count + spread * normal(), 0));
		bytes[i] = 100 * blocks[i];
	}
}

/* Judges the history among others that stay as they are. */
static struct change_line judge(bool by_bytes)
{
	static double calm_bytes[30][BUILDS + 1], calm_blocks[30][BUILDS + 1];
	struct change_line lines[31], *order[31];

	for (unsigned l = 0; l < 30; l++) {
		for (unsigned i = 0; i <= BUILDS; i++) {
			calm_blocks[l][i] = round(100 + 5 * normal());
			calm_bytes[l][i] = 40 * calm_blocks[l][i];
		}
		lines[l] = (struct change_line){.bytes = calm_bytes[l],
						.blocks = calm_blocks[l]};
		order[l] = &lines[l];
	}
	lines[30] = (struct change_line){
		.bytes = bytes, .blocks = blocks, .by_bytes = by_bytes};
	order[30] = &lines[30];
	change_judge(order, 31, BUILDS, 0.01);
	for (unsigned l = 1; l < 31; l++)
		assert_true(order[l - 1]->p <= order[l]->p);
	return lines[30];
}

static void what_is_the_same_has_not_changed(void **unused)
{
	struct change_line l;

	(void)unused;
	hold(0, BUILDS + 1, 1000, 0);
	l = judge(false);
	assert_near(l.p, 1, 1e-12);
	assert_true(l.mean == 100000 && l.deviation == 0);
	assert_int_equal(l.builds, BUILDS);
	assert_false(l.changed);
	/* Twenty builds to the byte: one block more is no change, 500 are. */
	hold(BUILDS, BUILDS + 1, 1001, 0);
	assert_false(judge(false).changed);
	hold(BUILDS, BUILDS + 1, 1500, 0);
	assert_true(judge(false).changed);
	/* Less is none. */
	hold(BUILDS, BUILDS + 1, 0, 0);
	assert_false(judge(false).changed);
}

static void a_new_line(void **unused)
{
	struct change_line l;

	(void)unused;
	hold(0, BUILDS, 0, 0);
	hold(BUILDS, BUILDS + 1, 30, 0);
	l = judge(false);
	assert_true(l.changed && l.mean == 0);
	assert_int_equal(l.since, BUILDS);
	hold(BUILDS, BUILDS + 1, 3, 0);
	assert_false(judge(false).changed);
	/* One block, as large as it may be, is no change of a line. */
	blocks[BUILDS] = 1;
	bytes[BUILDS] = 1e9;
	assert_false(judge(false).changed);
}

static void a_block_that_grew(void **unused)
{
	(void)unused;
	hold(0, BUILDS, 100, 5);
	hold(BUILDS, BUILDS + 1, 100, 0);
	bytes[BUILDS] += 1e9;
	assert_false(judge(false).changed);
	assert_true(judge(true).changed);
}

/* Twenty builds to the byte, and some blocks more: it may be chance. */
static void a_few_blocks_more(void **unused)
{
	(void)unused;
	hold(0, BUILDS, 4, 0);
	hold(BUILDS, BUILDS + 1, 6, 0);
	bytes[BUILDS] = 1e6;
	assert_false(judge(false).changed);
	for (unsigned i = 0; i <= BUILDS; i++) {
		blocks[i] = i < BUILDS ? 10 : 12;
		bytes[i] = 1000 * blocks[i];
	}
	assert_false(judge(true).changed);
}

static void the_first_build_of_a_change(void **unused)
{
	(void)unused;
	for (unsigned first = CHANGE_BUILDS + 4; first <= BUILDS; first++) {
		struct change_line l;

		hold(0, first, 100, 5);
		hold(first, BUILDS + 1, 1000, 20);
		l = judge(false);
		assert_true(l.changed);
		assert_int_equal(l.since, first);
		assert_int_equal(l.builds, first);
		assert_true(l.mean > 8000 && l.mean < 12000);
	}
	/* It has gone again. */
	hold(0, 15, 100, 5);
	hold(15, BUILDS, 1000, 20);
	hold(BUILDS, BUILDS + 1, 100, 0);
	assert_false(judge(false).changed);
	assert_int_equal(judge(false).builds, BUILDS);
}

static void after_a_fall_less_is_too_much(void **unused)
{
	struct change_line l;

	(void)unused;
	hold(0, 10, 10000, 100);
	hold(10, BUILDS, 100, 5);
	hold(BUILDS, BUILDS + 1, 500, 0);
	l = judge(false);
	assert_true(l.changed);
	assert_int_equal(l.builds, 10);
	assert_int_equal(l.since, BUILDS);
	/* Until there are enough builds behind it, those before count. */
	hold(0, BUILDS - CHANGE_BUILDS + 1, 10000, 100);
	hold(BUILDS - CHANGE_BUILDS + 1, BUILDS, 100, 5);
	hold(BUILDS, BUILDS + 1, 5000, 0);
	assert_false(judge(false).changed);
}

/* ---- all together */

/* Nights with a false alarm where the model is true. */
static unsigned alarms(unsigned nights, unsigned builds, double rate)
{
	enum {
		LINES = 5
	};
	static double values[LINES][BUILDS + 1];
	struct change_line lines[LINES], *order[LINES];
	unsigned count = 0;

	for (unsigned night = 0; night < nights; night++) {
		for (unsigned l = 0; l < LINES; l++) {
			for (unsigned i = 0; i <= builds; i++)
				values[l][i] =
					pow(1000 + 50 * l + 40 * normal(), 2);
			lines[l] = (struct change_line){.bytes = values[l],
							.blocks = values[l],
							.by_bytes = true};
			order[l] = &lines[l];
		}
		change_judge(order, LINES, builds, rate);
		count += order[0]->changed;
	}
	return count;
}

/*
 * The rate is not more than was promised; nor less than half of it, which is
 * what runs of builds are paid with, and not that with too few for them.
 */
static void rate_is_kept(void **unused)
{
	enum {
		NIGHTS = 20000
	};
	static const unsigned builds[] = {4, 5, 6, 8, 12, BUILDS};

	(void)unused;
	for (unsigned i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		const double each = 0.05 / 5;
		const double least =
			builds[i] > CHANGE_BUILDS ? each / 2 : each;
		const unsigned count = alarms(NIGHTS, builds[i], 0.05);

		print_message("%u builds: %u of %d\n", builds[i], count,
			      NIGHTS);
		/* Five lines, independent of each other; four deviations. */
		assert_true(count < NIGHTS * (1 - pow(1 - each, 5)) + 124);
		assert_true(count > NIGHTS * (1 - pow(1 - least, 5)) - 124);
	}
}

static void holm_is_what_it_is(void **unused)
{
	enum {
		LINES = 50
	};
	static double values[LINES][BUILDS + 1];
	struct change_line lines[LINES], *order[LINES];

	(void)unused;
	for (unsigned l = 0; l < LINES; l++) {
		for (unsigned i = 0; i <= BUILDS; i++)
			values[l][i] = pow(100 + normal(), 2);
		if (l % 5 == 0)
			values[l][BUILDS] = pow(102 + l / 10.0, 2);
		/* Two of one p: the larger correction counts for both. */
		if (l == LINES - 1)
			memcpy(values[l], values[LINES - 5], sizeof(*values));
		lines[l] = (struct change_line){.bytes = values[l],
						.blocks = values[l]};
		order[l] = &lines[l];
	}
	change_judge(order, LINES, BUILDS, 0.05);
	for (unsigned l = 0; l < LINES; l++) {
		double wanted = 0;

		/* By its definition, without the order. */
		for (unsigned k = 0; k < LINES; k++) {
			unsigned left = 0;

			if (lines[k].p > lines[l].p)
				continue;
			for (unsigned j = 0; j < LINES; j++)
				left += lines[j].p >= lines[k].p;
			wanted = fmax(wanted, left * lines[k].p);
		}
		wanted = fmin(wanted, 1);
		assert_near(lines[l].adjusted, wanted, 1e-12);
		assert_int_equal(lines[l].changed, wanted <= 0.05);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tail_is_the_integral),
		cmocka_unit_test(tail_is_that_of_tables),
		cmocka_unit_test(what_is_the_same_has_not_changed),
		cmocka_unit_test(a_new_line),
		cmocka_unit_test(a_block_that_grew),
		cmocka_unit_test(a_few_blocks_more),
		cmocka_unit_test(the_first_build_of_a_change),
		cmocka_unit_test(after_a_fall_less_is_too_much),
		cmocka_unit_test(rate_is_kept),
		cmocka_unit_test(holm_is_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
