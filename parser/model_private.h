/*
 * model_private.h - a model inside, for model.c and model_result.c.
 *
 * What replay.h and site.h call a site is a callsite here: in a model without
 * compact streams both are the same, and no callsite is listed.
 */
#ifndef MEMPARSE_MODEL_PRIVATE_H
#define MEMPARSE_MODEL_PRIVATE_H

#include "callsites.h"
#include "model.h"
#include "moments.h"
#include "names.h"
#include "replay.h"
#include "replayer.h"
#include "site.h"
#include "symtab.h"

#define MODEL_BATCH 512u

struct cached_site {
	uint64_t address;
	uint64_t line;
	uint32_t tag;  /* see tag_of(); 0: free */
	uint32_t site; /* the callsite */
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
	uint64_t bytes;		   /* the sum of all sizes of all streams */
	struct cached_site *cache; /* 1 << cache_log places */
	unsigned cache_log;
	uint64_t cache_epoch; /* what its tags leave out; see tag_of() */
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

/* The pairs of callsites as pairs of sites. False without memory. */
bool model_sum_up_pairs(struct model *m);

#endif
