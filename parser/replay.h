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
#include "site.h"

/* A heap event; addresses and sizes as in struct decode_event. */
struct replay_event {
	uint64_t old_address, old_size;
	uint64_t new_address, new_size;
	uint32_t site;
	uint8_t kind;	   /* enum ljm_kind, no symbol */
	bool internal;	   /* the site is INTERNAL */
	uint16_t position; /* for the caller */
};

/*
 * How many events ahead things are done that only save waiting for memory: an
 * event's hashes are computed, its old block is looked for, the override that
 * its end counts at is. In a ring of as many events as the first is ahead.
 */
#define REPLAY_AHEAD	   32u
#define REPLAY_AHEAD_BLOCK 16u
#define REPLAY_AHEAD_PAIR  8u

struct replay_ahead {
	uint64_t old_hash[REPLAY_AHEAD], new_hash[REPLAY_AHEAD];
	/* Where the old block was then, if that is known; never NULL. */
	struct live_entry *old[REPLAY_AHEAD];
	uint32_t pair[REPLAY_AHEAD]; /* where its override belongs, perhaps */
};

struct replay {
	struct live live;
	struct tallies tallies;
	struct overrides pairs;	 /* blocks with a site */
	struct overrides others; /* see enum other */
	/* Peak, conflicts, replaced, last_collector_free_event are kept here.
	 */
	struct model_totals totals;
	uint64_t first_conflict_event; /* of this stream, 0: none */

	/* Of the current stream. */
	uint64_t event; /* the number of the event at hand */
	uint64_t live_blocks, live_bytes;
	uint64_t begun_bytes;
	uint64_t collector_mark; /* begun_bytes at INTERNAL's last free */
	struct samples samples;
	struct replay_ahead ahead;

	model_life_fn *on_life; /* or NULL */
	void *arg;
};

/* Allocates nothing yet. */
void replay_init(struct replay *r, model_life_fn *on_life, void *arg);
void replay_clear(struct replay *r);

void replay_begin_stream(struct replay *r);

/*
 * Applies events in order. Anything but MODEL_OK: event number *taken is the
 * culprit; without memory nothing of it has been applied.
 */
enum model_result replay_events(struct replay *r,
				const struct replay_event *events, size_t count,
				size_t *taken);

/* Hands out the lives still alive and drops the table of blocks. */
enum model_result replay_end_stream(struct replay *r);

#endif
