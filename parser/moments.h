/*
 * moments.h - what a compact stream tells of its start and of time.
 *
 * One stream's at a time. Memory: 16 bytes a clock, 40 a mark, 32 a
 * collection, at most 6 MiB in all. One thread.
 */
#ifndef MEMPARSE_MOMENTS_H
#define MEMPARSE_MOMENTS_H

#include "callsites.h"
#include "model.h"

/* Times beyond are corrupt: microseconds, 36,000 years. */
#define MOMENTS_TIME_MAX (1ull << 60)

struct moments {
	struct model_start start;
	struct model_clock now; /* the last clock */

	struct numbered clocks; /* every stride-th one */
	uint64_t seen, stride;
	struct numbered marks, collections;
	uint64_t further;   /* marks and collections beyond MODEL_MARKS */
	uint64_t collected; /* the event behind which the last one ended */
	uint64_t programs;  /* of the program itself, every stride-th one */
	uint64_t seen_programs, program_stride;
};

/* Zeroed memory is one without a stream. Back to that. */
void moments_clear(struct moments *t);

/*
 * Applies a start, clock, mark or collection record; event is the number of
 * the event before it. MODEL_OK, MODEL_NO_MEMORY, or MODEL_TOO_LATE.
 */
enum model_result moments_apply(struct moments *t, const struct callsites *c,
				struct names *n, const struct decode_event *e,
				uint64_t event);

/* The clocks, of which the last one is always the stream's last. */
size_t moments_clock_count(const struct moments *t);
struct model_clock moments_clock(const struct moments *t, size_t i);

static inline struct model_mark moments_mark(const struct moments *t, size_t i)
{
	return ((const struct model_mark *)t->marks.list)[i];
}

static inline struct model_collection moments_collection(
	const struct moments *t, size_t i)
{
	return ((const struct model_collection *)t->collections.list)[i];
}

#endif
