/*
 * replay.h - heap events with their sites to blocks, lives and figures.
 *
 * The second half of the model: model.c finds out which callsite an event
 * belongs to, this is what the event does. It knows callsites by their index
 * only, and calls them sites, as do the tables that it counts in. What
 * every event pays for is kept small: a birth counts in its site's tally, a
 * death at its override (who ended whose block); all other figures follow from
 * these and are added up when somebody asks. One thread at a time.
 */
#ifndef MEMPARSE_REPLAY_H
#define MEMPARSE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "live.h"
#include "model.h"
#include "samples.h"
#include "step.h"
#include "tally.h"

/*
 * How many steps are done together: while one block of them is, the next one's
 * memory is fetched. And how many steps ahead, within that, the slot of a
 * block is, if the table is large.
 */
#define REPLAY_BLOCK	  64u
#define REPLAY_AHEAD_SLOT 24u

/* From so many on, sites or overrides are fetched ahead. */
#define REPLAY_WIDE_SITES 4096u
#ifdef MODEL_TINY
#define REPLAY_WIDE_PAIRS 32u
#else
#define REPLAY_WIDE_PAIRS 4096u
#endif

/* What every step changes. */
struct replay_now {
	uint64_t event; /* the number of the event at hand */
	uint64_t live_bytes, begun_bytes;
};

struct replay_point {
	uint64_t event, bytes;
};

struct replay {
	struct live live;
	struct tallies tallies;
	struct overrides pairs;	 /* blocks with a site */
	struct overrides others; /* see enum other */
	/* Conflicts, unlisted and replaced are counted here. */
	struct model_totals totals;
	uint64_t first_conflict_event; /* of this stream, 0: none */

	/* Of the current stream. */
	struct replay_now now;
	struct replay_point peak;      /* live bytes */
	struct replay_point collected; /* begun, at INTERNAL's last free */
	uint64_t conflict_event;       /* the last one, 0: none */
	uint64_t realloc_of;	       /* what the event's birth continues */
	struct samples samples;

	model_life_fn *on_life; /* or NULL */
	void *arg;
};

/* Allocates nothing yet. */
void replay_init(struct replay *r, model_life_fn *on_life, void *arg);
void replay_clear(struct replay *r);

void replay_begin_stream(struct replay *r);

/*
 * Applies the steps of whole events in order; count is that of their places.
 * Without memory what has been counted is not whole.
 */
enum model_result replay_steps(struct replay *r, const struct step *steps,
			       size_t count);

/* Hands out the lives still alive and drops the table of blocks. */
enum model_result replay_end_stream(struct replay *r);

#endif
