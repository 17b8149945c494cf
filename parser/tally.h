/*
 * tally.h - what is counted of each site, and its figures.
 *
 * The tallies of a site take 64 bytes in blocks that do not move, if there are
 * births; 16 more if a block of it is replaced, 40 when figures are made, if
 * there are pairs of it. One thread.
 */
#ifndef MEMPARSE_TALLY_H
#define MEMPARSE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "override.h"
#include "site.h"

/* A site's deaths that no override tells. */
struct ended {
	uint64_t blocks, bytes;
};

/* Births at a site, by alloc (the first of its two) or by realloc. */
struct tally {
	/* First: the first birth of all. Second: the last of streams before. */
	uint64_t site_event;
	struct count sum;
};

/* What the overrides add to a site's tally; see tallies_derive(). */
struct derived {
	uint64_t free_events, free_bytes;
	uint64_t realloc_old_bytes;
	uint64_t ended_blocks, ended_bytes;
};

/*
 * Tallies by owner, in blocks that do not move. Where no site has births yet
 * there is no block but one of zeros, to be read only.
 */
struct tallies {
	struct tally **blocks;	 /* of 2 << SITE_BLOCK_LOG */
	struct ended *ended;	 /* of all sites; mapped */
	struct derived *derived; /* of all sites; mapped */
	uint32_t count; /* room for so many sites, a multiple of a block */
	uint32_t block_cap;
};

static inline struct tally *tallies_get(const struct tallies *t, uint32_t owner)
{
	return &t->blocks[owner >> (SITE_BLOCK_LOG + 1)]
			 [owner & ((2u << SITE_BLOCK_LOG) - 1)];
}

static inline void tallies_prefetch(const struct tallies *t, uint32_t owner)
{
	if (__builtin_expect(owner_site(owner) < t->count, 1))
		__builtin_prefetch(tallies_get(t, owner), 1);
}

/* Tells the events of the next stream from those so far. O(sites). */
void tallies_begin_stream(struct tallies *t);

/* Makes a site and all before it readable. False without memory. */
bool tallies_reserve_slow(struct tallies *t, uint32_t site);

static inline bool tallies_reserve(struct tallies *t, uint32_t site)
{
	return __builtin_expect(site < t->count, 1) ||
	       tallies_reserve_slow(t, site);
}

/* Makes a site that is readable writable. False without memory. */
bool tallies_make(struct tallies *t, uint32_t site);

/* Counts a death at a site that is readable. */
static inline void tallies_end(struct tallies *t, uint32_t site, uint64_t bytes)
{
	t->ended[site].blocks++;
	t->ended[site].bytes += bytes;
}

/* Zeroed memory is an empty table. Back to that. */
void tallies_clear(struct tallies *t);

/* ---- figures */

/* Adds up what figures need of the pairs. O(sites + pairs). */
void tallies_derive(struct tallies *t, const struct overrides *pairs);

/* A site's figures, after tallies_derive(). */
struct model_figures tallies_figures(const struct tallies *t,
				     const struct overrides *others,
				     uint32_t site);

/* Adds figures to a sum; of event numbers the first and the last. */
void tally_add_figures(struct model_figures *sum,
		       const struct model_figures *f);

/* How many events of a stream make up these figures. */
uint64_t tally_count_events(const struct model_figures *f);

/* ---- stored profiles */

/*
 * Adds the figures of a stored site, or a stored pair; both of them are whole.
 * See model_add_site() and model_add_override(). False without memory.
 */
bool tallies_add_stored(struct tallies *t, struct overrides *others,
			uint32_t site, const struct model_figures *f);
bool overrides_add_stored(struct overrides *pairs, struct tallies *t,
			  struct overrides *others,
			  const struct model_override *stored);

#endif
