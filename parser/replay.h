/*
 * replay.h - heap events with their sites to blocks, lives and figures.
 *
 * The second half of the model: model.c finds out which site an event belongs
 * to, this is what the event does. It knows sites by their index only. What
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

/* Hashes are computed, and prefetched, so many events ahead. */
#define REPLAY_AHEAD 32u

struct replay {
	struct live live;
	struct tallies tallies;
	struct overrides pairs;	 /* blocks with a site */
	struct overrides others; /* see enum other */
	/* Peak, conflicts, replaced, last_collector_free_event are kept here.
	 */
	struct model_totals totals;

	/* Of the current stream. */
	uint64_t event; /* the number of the event at hand */
	uint64_t live_blocks, live_bytes;
	uint64_t begun_bytes;
	uint64_t collector_mark; /* begun_bytes at INTERNAL's last free */
	struct samples samples;

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
