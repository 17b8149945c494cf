/*
 * change.c - a prediction test for each line, and Holm's correction.
 */
#include "change.h"

#include <math.h>
#include <stdlib.h>

/* ---- Student's t */

/*
 * By the finite sums for whole degrees of freedom, Abramowitz and Stegun 26.7.3
 * and 4. What they leave of 1 is exact to some 1e-15, so less than CHANGE_P_MIN
 * is not told.
 */
double change_tail(double t, unsigned freedom)
{
	const double angle = atan(t / sqrt(freedom));
	const double cosine = cos(angle), square = cosine * cosine;
	const bool odd = freedom % 2 == 1;
	double term = odd ? cosine : 1, sum = 0, inside;

	for (unsigned i = odd ? 3 : 2; i <= freedom; i += 2) {
		sum += term;
		term *= square * (i - 1) / i;
	}
	inside = sum * sin(angle);
	if (odd)
		inside = (angle + inside) * M_2_PI;
	return fmax((1 - inside) / 2, CHANGE_P_MIN);
}

/* ---- a baseline */

/* Welford's way: stable, however large the values are. */
struct sums {
	unsigned count;
	double mean, squares; /* of what differs from the mean */
};

static void add(struct sums *s, double value)
{
	const double before = value - s->mean;

	s->count++;
	s->mean += before / s->count;
	s->squares += before * (value - s->mean);
}

static double deviation(const struct sums *s)
{
	return sqrt(s->squares / (s->count - 1));
}

struct baseline {
	struct sums bytes, blocks; /* of their roots */
	double block_bytes, block_count;
};

static void add_build(struct baseline *b, const struct change_line *l,
		      unsigned build)
{
	add(&b->bytes, sqrt(l->bytes[build]));
	add(&b->blocks, sqrt(l->blocks[build]));
	b->block_bytes += l->bytes[build];
	b->block_count += l->blocks[build];
}

static double p_of(const struct sums *s, double root, double least)
{
	const double scale =
		fmax(deviation(s), least) * sqrt(1 + 1.0 / s->count);

	return change_tail((root - s->mean) / scale, s->count - 1);
}

/* The deviation that the root of the bytes has at least. */
static double least_deviation(const struct baseline *b,
			      const struct change_line *l, unsigned judged)
{
	const bool known = b->block_count > 0;
	const double bytes = known ? b->block_bytes : l->bytes[judged];
	const double count = known ? b->block_count : l->blocks[judged];

	/* A block of less than malloc's step counts as that. */
	return sqrt(fmax(count > 0 ? bytes / count : 0, 16)) / 2;
}

/* The probability of such roots, or larger ones, after the baseline. */
static double judge(const struct baseline *b, const struct change_line *l,
		    unsigned judged, double bytes, double blocks)
{
	const double p = p_of(&b->bytes, bytes, least_deviation(b, l, judged));

	return l->by_bytes ? p : fmax(p, p_of(&b->blocks, blocks, 0.5));
}

/* ---- one line */

/*
 * A false alarm of a line can come of three things: the judged build is above
 * all builds before; or a run of builds that ends with it is above those before
 * the run; or a run is below those before it, and becomes the baseline. Each
 * run is another test. So that their probabilities add up to the level, the
 * first has half of it, the other two a quarter each, in equal parts for where
 * the run may begin.
 */
static double runs(unsigned builds)
{
	return 4.0 * (builds - CHANGE_BUILDS);
}

/*
 * How many of the builds are older than those, the judged one among them, that
 * all hold too much for the builds before: all of them, if there are none. *p
 * is how probable the run is.
 */
static unsigned before_rise(const struct change_line *l, unsigned builds,
			    double level, double *p)
{
	struct baseline b = {0};

	for (unsigned i = 0; i + 1 < builds; i++) {
		double bytes = l->bytes[builds], blocks = l->blocks[builds];

		add_build(&b, l, i);
		if (b.bytes.count < CHANGE_BUILDS ||
		    sqrt(bytes) <= b.bytes.mean)
			continue;
		for (unsigned j = i + 1; j < builds; j++) {
			bytes = fmin(bytes, l->bytes[j]);
			blocks = fmin(blocks, l->blocks[j]);
		}
		*p = runs(builds) *
		     judge(&b, l, builds, sqrt(bytes), sqrt(blocks));
		if (*p <= level)
			return i + 1;
	}
	return builds;
}

/*
 * How many of the builds up to end are older than a fall: all behind it hold
 * too little for them. 0: there is none with CHANGE_BUILDS behind it.
 */
static unsigned before_fall(const struct change_line *l, unsigned end,
			    double level)
{
	struct baseline b = {0};
	unsigned fall = 0;

	for (unsigned i = 0; i + CHANGE_BUILDS < end; i++) {
		double bytes = l->bytes[end - 1], blocks = l->blocks[end - 1];

		add_build(&b, l, i);
		if (b.bytes.count < CHANGE_BUILDS ||
		    sqrt(bytes) >= b.bytes.mean)
			continue;
		for (unsigned j = i + 1; j < end; j++) {
			bytes = fmax(bytes, l->bytes[j]);
			blocks = fmax(blocks, l->blocks[j]);
		}
		/* As far below the mean as these are above. */
		if (runs(end) * judge(&b, l, i, 2 * b.bytes.mean - sqrt(bytes),
				      2 * b.blocks.mean - sqrt(blocks)) <=
		    level)
			fall = i + 1;
	}
	return fall;
}

static void judge_line(struct change_line *l, unsigned builds, double level)
{
	double p = 1;
	const unsigned end = before_rise(l, builds, level, &p);
	struct sums bytes = {0};
	struct baseline b = {0};

	for (unsigned i = before_fall(l, end, level); i < end; i++) {
		add_build(&b, l, i);
		add(&bytes, l->bytes[i]);
	}
	l->mean = bytes.mean;
	l->deviation = deviation(&bytes);
	l->builds = bytes.count;
	l->since = end;
	if (end == builds) {
		p = judge(&b, l, builds, sqrt(l->bytes[builds]),
			  sqrt(l->blocks[builds]));
		if (builds > CHANGE_BUILDS)
			p = fmin(2 * p, 1);
	}
	l->p = p;
}

/* ---- all of them */

static int compare_p(const void *left, const void *right)
{
	const struct change_line *const a =
		*(const struct change_line *const *)left;
	const struct change_line *const b =
		*(const struct change_line *const *)right;

	return a->p < b->p ? -1 : a->p > b->p;
}

void change_judge(struct change_line **lines, size_t count, unsigned builds,
		  double rate)
{
	double adjusted = 0;

	for (size_t i = 0; i < count; i++)
		judge_line(lines[i], builds, rate / (double)count);
	qsort(lines, count, sizeof(*lines), compare_p);
	for (size_t i = 0; i < count; i++) {
		adjusted = fmax(adjusted, lines[i]->p * (double)(count - i));
		lines[i]->adjusted = fmin(adjusted, 1);
		lines[i]->changed = lines[i]->adjusted <= rate;
	}
}
