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
#include "locations.h"
#include "model.h"
#include "moments.h"
#include "names.h"
#include "replay.h"
#include "replayer.h"
#include "site.h"
#include "step.h"
#include "symtab.h"

#define MODEL_BATCH 1024u

/* A sum of sizes, or of times, that is more than this is corrupt. */
#define MODEL_SUM_MAX (1ull << 60)

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
	struct locations locations; /* whose callsites are known */
	uint64_t location_epochs;   /* what they leave out of the epoch */
	struct step batch[MODEL_BATCH]; /* without a second thread */

	struct replayer *replayer; /* NULL: no second thread */
	struct step *room;	   /* of the replayer, NULL: none yet */
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

/* What locations have for a callsite, maybe with CALLSITES_INTERNAL. */
static inline uint32_t location_owner(uint32_t callsite)
{
	_Static_assert(CALLSITES_INTERNAL == LOCATION_INTERNAL, "");
	return (callsite & CALLSITES_INTERNAL) |
	       owner_of(callsite & ~CALLSITES_INTERNAL, false);
}

/*
 * Who is at the location of a heap event, as struct location has it;
 * LOCATION_UNKNOWN without memory. From then on it is known.
 */
uint32_t model_locate(struct model *m, const struct decode_event *e);

/* ---- model_steps.c */

/* Would the sum of all sizes be too much? Each of them may be anything. */
bool model_is_too_much(const struct model *m, const struct decode_event *e);

/* Before that. No batch of common steps may get from here to there. */
bool model_is_nearly_too_much(const struct model *m);

/* Places that the steps of an event take at most. */
#define MODEL_EVENT_PLACES 4u

/*
 * Writes the steps of a heap event, which is not too much, to steps + *count,
 * where there is room for them, and counts their places.
 */
void model_steps(struct model *m, const struct decode_event *e, uint32_t owner,
		 struct step *steps, size_t *count);

/*
 * The same, fast, for events of a compact stream from one on that are common,
 * which take no more than two places. Returns the index of the first that is
 * not, or to.
 */
size_t model_numbered_steps(struct model *m, const struct decode_event *events,
			    size_t from, size_t to, struct step *steps,
			    size_t *count);

/* ---- model_result.c */

/* The pairs of callsites as pairs of sites. False without memory. */
bool model_sum_up_pairs(struct model *m);

#endif
