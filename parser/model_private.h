/*
 * model_private.h - a model inside, for model.c and the files it names.
 *
 * What replay.h and site.h call a site is a callsite here: in a model without
 * compact streams both are the same, and no callsite is listed.
 */
#ifndef MEMPARSE_MODEL_PRIVATE_H
#define MEMPARSE_MODEL_PRIVATE_H

#include "callsites.h"
#include "decode.h"
#include "hash.h"
#include "model.h"
#include "moments.h"
#include "names.h"
#include "replay.h"
#include "replayer.h"
#include "site.h"
#include "symtab.h"

#define MODEL_BATCH 512u

/* A sum of sizes, or of times, that is more than this is corrupt. */
#define MODEL_SUM_MAX (1ull << 60)

/* A location of events whose callsite is known. */
struct location {
	uint64_t key[2]; /* that of a block, or location_key(); 0: free */
	uint32_t epoch;	 /* model_location_epoch() */
	uint32_t site;	 /* the callsite, maybe with CALLSITES_INTERNAL */
};

struct model {
	struct symtab symtab;
	struct names names;
	struct sites sites;
	uint32_t site_limit;
	struct callsites callsites;
	/* Callsites, MODEL_NO_CALLSITE before they are used: */
	uint32_t internal; /* INTERNAL, where no path is known */
	uint32_t further;  /* the same, of all beyond the limit */

	bool begun;	/* a stream */
	uint64_t event; /* heap events of this stream so far */
	struct moments moments;
	uint64_t lost_events;
	uint64_t bytes;		    /* the sum of all sizes of all streams */
	struct location *locations; /* 1 << (65 - location_shift) of them */
	unsigned location_shift;
	uint64_t location_epochs; /* what they leave out of the epoch */
	struct replay_op batch[MODEL_BATCH]; /* without a second thread */

	struct replayer *replayer; /* NULL: no second thread */
	struct replay_op *room;	   /* of the replayer, NULL: none yet */
	size_t in_room;

	struct replay replay; /* maybe the second thread's: settle first */
	struct overrides site_pairs; /* if callsites are listed: sums */
	struct model_totals totals;  /* once shown */
	bool shown;		     /* these, and the sites' figures */
	struct model_totals before;  /* as of the streams before the last */
};

static inline bool model_is_heap_event(const struct decode_event *e)
{
	return (unsigned)e->kind - LJM_KIND_ALLOC <=
	       LJM_KIND_REALLOC - LJM_KIND_ALLOC;
}

/* ---- model_locations.c */

/* False without memory. */
bool model_open_locations(struct model *m);

static inline uint64_t location_hash(const uint64_t key[2])
{
	return (key[0] ^ key[1] * HASH_ODD_1) * HASH_ODD_2;
}

/* A location is at one of two places in a row; this is the first. */
static inline struct location *location_place(const struct model *m,
					      const uint64_t key[2])
{
	return &m->locations[location_hash(key) >> m->location_shift << 1];
}

static inline bool location_is(const struct location *l, const uint64_t key[2],
			       uint32_t epoch)
{
	return l->key[0] == key[0] && l->key[1] == key[1] && l->epoch == epoch;
}

/* What a location means depends on the symbols: the low bits of their epoch. */
uint32_t model_location_epoch(struct model *m);

/*
 * The callsite of a heap event, with CALLSITES_INTERNAL if it is that;
 * MODEL_NO_CALLSITE without memory. The second is for an event that was block.
 */
uint32_t model_locate(struct model *m, const struct decode_event *e);
uint32_t model_locate_block(struct model *m, const struct decode_block *block,
			    const struct decode_event *e);

/* Fetches where the blocks' locations are, if that is far. */
void model_fetch_locations(const struct model *m,
			   const struct decode_block *blocks, size_t count);

/* ---- model_steps.c */

/* Would the sum of all sizes be too much? Each of them may be anything. */
bool model_is_too_much(const struct model *m, const struct decode_event *e);

/*
 * Writes the steps of a heap event of a callsite, which is not too much, to
 * ops + *count, where there is room for two, and counts them; position is for
 * replay_op.
 */
void model_steps(struct model *m, const struct decode_event *e, uint32_t site,
		 size_t position, struct replay_op *ops, size_t *count);

/*
 * The same, fast, for events of a compact stream, or for blocks, from one on
 * that are common; the positions are their indexes. Returns the index of the
 * first that is not, or to.
 */
size_t model_numbered_steps(struct model *m, const struct decode_event *events,
			    size_t from, size_t to, struct replay_op *ops,
			    size_t *count);
size_t model_block_steps(struct model *m, const struct decode_block *blocks,
			 size_t from, size_t to, struct replay_op *ops,
			 size_t *count);

/* ---- model_result.c */

/* The pairs of callsites as pairs of sites. False without memory. */
bool model_sum_up_pairs(struct model *m);

#endif
