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

#include "hash.h"
#include "model.h"
#include "names.h"

#define SITE_BLOCK_LOG 6
#define SITE_MAX       0x3fffffffu /* a live block's owner has 30 bits */
#define SITE_FULL      (MODEL_NO_SITE - 1)

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
 * Finds the site that key describes, or adds it unless there are limit sites;
 * its figures are not looked at, new ones are zero, and its name must be an
 * interned one. Returns the index, MODEL_NO_SITE without memory, SITE_FULL.
 */
uint32_t sites_intern(struct sites *s, const struct model_site *key,
		      uint32_t limit);

/* Zeroed memory is an empty table. Back to that. */
void sites_clear(struct sites *s);

/* ---- what the replay counts */

/* A site's births, and the deaths that belong to no override. */
struct tally {
	uint64_t alloc_events, alloc_bytes;
	uint64_t realloc_events, realloc_new_bytes;
	uint64_t first_event, last_event;
	uint64_t ended_blocks, ended_bytes;
};

/* Tallies by the index of their site, in blocks that do not move. */
struct tallies {
	struct tally **blocks;
	uint32_t count; /* room for so many sites, a multiple of a block */
	uint32_t block_cap;
};

static inline struct tally *tallies_get(const struct tallies *t, uint32_t site)
{
	return &t->blocks[site >> SITE_BLOCK_LOG]
			 [site & ((1u << SITE_BLOCK_LOG) - 1)];
}

static inline void tallies_prefetch(const struct tallies *t, uint32_t site)
{
	if (__builtin_expect(site < t->count, 1))
		__builtin_prefetch(tallies_get(t, site), 1);
}

/* Makes room for a site and all before it. False without memory. */
bool tallies_reserve_slow(struct tallies *t, uint32_t site);

static inline bool tallies_reserve(struct tallies *t, uint32_t site)
{
	return __builtin_expect(site < t->count, 1) ||
	       tallies_reserve_slow(t, site);
}

/* Zeroed memory is an empty table. Back to that. */
void tallies_clear(struct tallies *t);

/* Sparse, so that a look-up mostly ends where it begins. */
struct overrides {
	struct model_override *list;
	uint32_t count, cap;
	uint32_t limit;	 /* of count */
	uint32_t *slots; /* index + 1, 0: free */
	uint32_t slot_cap;
	uint64_t seed;
};

/* What is counted in a table of overrides with one of these for of_site. */
enum other {
	OTHER_EARLIER_FREE,    /* blocks not seen */
	OTHER_EARLIER_REALLOC, /* the same */
	OTHER_FAILED,	       /* attempts that got nothing */
	OTHER_UNBORN,	       /* events without a new block */
	OTHER_FREED,	       /* what no override says: of stored sites, */
	OTHER_REALLOCATED,     /* the same, and beyond the limit of pairs */
};

/* An empty table, also after overrides_clear(). */
void overrides_init(struct overrides *o);
void overrides_clear(struct overrides *o);

static inline uint32_t overrides_home(const struct overrides *o,
				      uint32_t by_site, uint32_t of_site,
				      bool by_realloc)
{
	const uint64_t key = (uint64_t)by_site << 32 | of_site;

	return (uint32_t)(hash_u64(key, o->seed + by_realloc) >> 32) &
	       (o->slot_cap - 1);
}

static inline bool override_is(const struct model_override *p, uint32_t by_site,
			       uint32_t of_site, bool by_realloc)
{
	return p->by_site == by_site && p->of_site == of_site &&
	       p->by_realloc == by_realloc;
}

struct model_override *overrides_get_slow(struct overrides *o, uint32_t by_site,
					  uint32_t of_site, bool by_realloc);

static inline bool overrides_full(const struct overrides *o)
{
	return o->count >= o->limit;
}

/*
 * Finds or adds a pair, with zeros; pointers to others die when one is added.
 * NULL without memory, or when it is not in and the table is full.
 */
static inline struct model_override *overrides_get(struct overrides *o,
						   uint32_t by_site,
						   uint32_t of_site,
						   bool by_realloc)
{
	const uint32_t slot =
		o->slots[overrides_home(o, by_site, of_site, by_realloc)];

	if (__builtin_expect(slot != 0, 1) &&
	    __builtin_expect(override_is(&o->list[slot - 1], by_site, of_site,
					 by_realloc),
			     1))
		return &o->list[slot - 1];
	return overrides_get_slow(o, by_site, of_site, by_realloc);
}

/* Fetches the pair that belongs at home, which may be of an older table. */
static inline void overrides_prefetch(const struct overrides *o, uint32_t home)
{
	uint32_t slot;

	if (o->count == 0)
		return;
	slot = o->slots[home];
	__builtin_prefetch(&o->list[slot - (slot != 0)], 1);
}

/* ---- figures */

/*
 * Sets the figures of all sites to what the replay has counted. O(sites +
 * pairs).
 */
void sites_derive(struct sites *s, const struct tallies *t,
		  const struct overrides *pairs,
		  const struct overrides *others);

/* Adds figures to a sum; of event numbers the first and the last. */
void site_add_figures(struct model_figures *sum, const struct model_figures *f);

/* How many events of a stream make up these figures. */
uint64_t site_count_events(const struct model_figures *f);

/*
 * Adds a stored site, or a stored pair, whose figures are whole. See
 * model_add_site() and model_add_override().
 */
uint32_t sites_add_stored(struct sites *s, struct names *n, struct tallies *t,
			  struct overrides *others,
			  const struct model_site *stored);
bool overrides_add_stored(struct overrides *pairs, struct tallies *t,
			  struct overrides *others,
			  const struct model_override *stored);

#endif
