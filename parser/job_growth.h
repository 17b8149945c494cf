/*
 * job_growth.h - what a line, or all of them, may hold more than before.
 *
 * The rows are those of a comparison, or of builds before: first all of them
 * for the sum, then its limit, then all again, the one that grew most first.
 */
#ifndef MEMPARSE_JOB_GROWTH_H
#define MEMPARSE_JOB_GROWTH_H

#include "compare.h"
#include "job.h"

struct growth {
	const struct options *options;
	const char *name;   /* what messages are about */
	const char *before; /* what they call the older side */
	int64_t before_bytes, after_bytes;
	bool total_exceeded, exceeded;
	bool no_memory; /* something that is exceeded could not be told */
	unsigned named; /* for the sum */
};

/* Adds a row to the sum, unless it is suppressed: then that is counted. */
void growth_add(struct growth *g, const struct compare_row *row);

/* Counts what is suppressed of the newer side, and in no row. */
void growth_hide(struct growth *g, uint64_t blocks, uint64_t bytes);

/* After all rows: does the sum exceed --max-growth? */
void growth_judge(struct growth *g);

/*
 * Says what a row exceeds: --fail-on=new or grown; or, if the sum exceeds its
 * limit, that it is one of the ten that grew most.
 */
void growth_say(struct growth *g, const struct compare_row *row);

/*
 * Says what a site, or the sum of all if it is NULL, exceeds; for a document
 * that is left to its end. Takes the reason: see gate_blame().
 */
void growth_blame(struct growth *g, const char *site, char *reason);

/* After all: EXCEEDED, DONE, or SYSTEM without memory. */
enum memparse_status growth_status(const struct growth *g);

#endif
