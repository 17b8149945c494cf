/*
 * random_events.h - random streams, for an oracle that sees them too.
 */
#ifndef TESTS_RANDOM_EVENTS_H
#define TESTS_RANDOM_EVENTS_H

#include "oracle.h"

/* What a random stream is made of. */
struct mix {
	unsigned addresses;    /* of blocks: few make conflicts */
	unsigned symbol_share; /* one in so many events is a symbol */
	bool orderly;	       /* free only what is alive, with its size */
	bool big;	       /* sizes beyond 32 bits */
	unsigned compact;      /* one in so many streams has callsites, or 0 */
};

/* A symbol, and an event, of version 3. */
void random_symbol(uint64_t *seed, struct decode_event *e);
void random_heap_event(const struct mix *mix, const struct oracle *o,
		       uint64_t *seed, struct decode_event *e);

/* The start of a compact stream, and a record or event of it. */
void random_start(struct decode_event *e);
void random_compact(const struct mix *mix, const struct oracle *o,
		    uint64_t *seed, struct decode_event *e);

#endif
