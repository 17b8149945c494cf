/*
 * change.h - does a line hold more than it did in the builds before?
 *
 * For each line a prediction test on square roots: if the root of its bytes in
 * n builds and in the next one is independent and normal with one mean and one
 * deviation, (next - mean) / (deviation * sqrt(1 + 1/n)) has Student's
 * distribution of n - 1 degrees of freedom, and p is the probability of so much
 * or more. The same for its blocks; the larger p counts: what grew by a block
 * or two, however large, may be a table of the VM that happened to grow there.
 *
 * Roots, because what comes and goes by chance spreads the more the more of it
 * there is, and their tails are short. The deviation is never taken as less
 * than that of blocks that come one by one by chance, which is 1/2 for the root
 * of their number: a line that was the same in a few builds need not be so in
 * the next.
 *
 * Holm's correction makes of p what holds over all lines together: if nothing
 * has changed, the probability that any line is called changed is at most the
 * rate.
 *
 * Builds just before the judged one that hold too much as well are the same
 * change, and left out of its baseline; and where the last CHANGE_BUILDS or
 * more all hold too little for those before, only they are the baseline. What
 * that adds to the false alarms is in p: it is twice that of the test, or more.
 *
 * Pure: no SQL, no output.
 */
#ifndef MEMPARSE_CHANGE_H
#define MEMPARSE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

/* With less builds than this, nothing is judged. */
#define CHANGE_BUILDS 4

/* One line in all builds; or several together. */
struct change_line {
	/* Borrowed: alive in each build, oldest first, then in the judged. */
	const double *bytes, *blocks;
	bool by_bytes; /* the p of its bytes counts, whatever its blocks do */
	/* After change_judge(). */
	double mean, deviation; /* of the bytes in the baseline */
	unsigned builds;	/* in the baseline */
	unsigned since;		/* the first build of the change, if any */
	double p, adjusted;
	bool changed; /* adjusted <= rate */
};

/*
 * The probability that Student's t of so many degrees of freedom, 1 or more,
 * is t or more; not less than CHANGE_P_MIN.
 */
#define CHANGE_P_MIN 1e-12
double change_tail(double t, unsigned freedom);

/*
 * Judges lines by this many builds before, CHANGE_BUILDS at least, and puts
 * the smallest p first. rate is above 0 and below 1. Time for a line: the
 * square of the builds, at worst.
 */
void change_judge(struct change_line **lines, size_t count, unsigned builds,
		  double rate);

#endif
