/*
 * site.h - sites and overrides, each kept once, and their figures.
 *
 * Sites lie in blocks that do not move: pointers to them stay good as long as
 * the table lives. One thread.
 */
#ifndef MEMPARSE_SITE_H
#define MEMPARSE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "names.h"

#define SITE_BLOCK_LOG 6
#define SITE_MAX       0x3fffffffu /* a live block's owner has 30 bits */

struct sites {
	struct model_site **blocks; /* of 1 << SITE_BLOCK_LOG sites */
	uint32_t count, block_cap;
	uint32_t *slots; /* index + 1, 0: free */
	uint32_t slot_cap;
	uint64_t seed;
};

static inline struct model_site *sites_get(const struct sites *s,
					   uint32_t index)
{
	return &s->blocks[index >> SITE_BLOCK_LOG]
			 [index & ((1u << SITE_BLOCK_LOG) - 1)];
}

/*
 * Finds or adds the site that key describes; its figures are not looked at,
 * new ones are zero, and its name must be an interned one. Returns the index,
 * MODEL_NO_SITE without memory.
 */
uint32_t sites_intern(struct sites *s, const struct model_site *key);

/* Zeroed memory is an empty table. Back to that. */
void sites_clear(struct sites *s);

struct overrides {
	struct model_override *list;
	uint32_t count, cap;
	uint32_t *slots; /* index + 1, 0: free */
	uint32_t slot_cap;
	uint64_t seed;
};

/* Finds or adds a pair, with zeros. NULL without memory. */
struct model_override *overrides_get(struct overrides *o, uint32_t by_site,
				     uint32_t of_site, bool by_realloc);

/* Zeroed memory is an empty table. Back to that. */
void overrides_clear(struct overrides *o);

/*
 * While a stream is replayed, a birth counts at its site and a death at its
 * override. With sign 1 this adds to the sites' figures all that follows from
 * these (born, ended, live, freed, reallocated); with sign -1 it takes the
 * same away again. Sums are modulo 2^64 in between. O(sites + pairs).
 */
void sites_derive(struct sites *s, const struct overrides *pairs,
		  uint64_t sign);

/* Adds figures to a sum; of event numbers the first and the last. */
void site_add_figures(struct model_figures *sum, const struct model_figures *f);

/* How many events of a stream make up these figures. */
uint64_t site_count_events(const struct model_figures *f);

/*
 * Adds a stored site, or a stored pair, with whole figures, while the table
 * holds underived ones. See model_add_site() and model_add_override().
 */
uint32_t sites_add_stored(struct sites *s, struct names *n,
			  const struct model_site *stored);
bool overrides_add_stored(struct overrides *pairs, struct sites *s,
			  const struct model_override *stored);

#endif
