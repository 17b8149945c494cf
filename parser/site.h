/*
 * site.h - sites and overrides, each kept once, and their figures.
 *
 * A site takes 40 bytes, its tallies 64 in blocks that do not move, if there
 * are births; 16 more if a block of it is replaced, 40 when figures are made,
 * if there are pairs of it; a place in the table 11 to 21. An override takes 32
 * to 80 with the list's growth, and 16 to 32 in the table, 64 of the first few
 * thousand. One thread.
 */
#ifndef MEMPARSE_SITE_H
#define MEMPARSE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "model.h"
#include "names.h"

#define SITE_BLOCK_LOG 8
#define SITE_MAX       0x3fffffffu /* a live block's owner has 31 bits */
#define SITE_FULL      (MODEL_NO_SITE - 1)

/* What tells a site from others; see struct model_site. */
struct site {
	const char *text; /* interned: its address stands for it */
	uint64_t place;	  /* the line or the address, by kind or start_kind */
	uint64_t trace_number;
	uint32_t size; /* of text, in bytes */
	uint32_t alias;
	uint8_t kind, start_kind; /* enum model_site_kind */
	bool trace_has_start;
	uint32_t first_line; /* the same as there, not what tells it */
};

struct sites {
	struct site **blocks; /* of 1 << SITE_BLOCK_LOG sites */
	uint32_t count, block_cap;
	uint64_t *slots; /* hash in the upper half, index + 1, 0: free */
	uint32_t slot_cap;
	uint64_t seed;
};

/* Describes a site; its figures are zero. */
struct model_site sites_describe(const struct sites *s, uint32_t index);

/*
 * Finds the site that key describes, or adds it unless there are limit sites;
 * its figures are not looked at, and its name must be an interned one. Returns
 * the index, MODEL_NO_SITE without memory, SITE_FULL.
 */
uint32_t sites_intern(struct sites *s, const struct model_site *key,
		      uint32_t limit);

/* Zeroed memory is an empty table. Back to that. */
void sites_clear(struct sites *s);

/* ---- what the replay counts */

struct count {
	uint64_t blocks;
	uint64_t last_event; /* of this stream, 0: none */
	uint64_t bytes;
};

/* Counts a block. */
static inline void count_block(struct count *c, uint64_t bytes, uint64_t event)
{
	c->blocks++;
	c->bytes += bytes;
	c->last_event = event;
}

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

/* A site, and whether something there is by realloc. */
#define OWNER_BY_REALLOC 1u

static inline uint32_t owner_of(uint32_t site, bool by_realloc)
{
	return site << 1 | by_realloc;
}

static inline uint32_t owner_site(uint32_t owner)
{
	return owner >> 1 & SITE_MAX;
}

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

/* Blocks of of_site that by_site ended. */
struct override {
	uint64_t key; /* see override_key() */
	struct count sum;
};
#define OVERRIDE_NO_KEY UINT64_MAX

/* Sparse, so that a look-up mostly ends where it begins. */
struct overrides {
	/* list[-1] is what free slots lead to: one with OVERRIDE_NO_KEY. */
	struct override *list;
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
#define OTHERS (OTHER_REALLOCATED + 1u)

/* An empty table, also after overrides_clear(). */
void overrides_init(struct overrides *o);
void overrides_clear(struct overrides *o);

/* by: the owner of what ended a block. */
static inline uint64_t override_key(uint32_t by, uint32_t of_site)
{
	return (uint64_t)by << 32 | of_site;
}

static inline uint32_t override_by(const struct override *o)
{
	return (uint32_t)(o->key >> 33);
}

static inline uint32_t override_of(const struct override *o)
{
	return (uint32_t)o->key;
}

static inline bool override_by_realloc(const struct override *o)
{
	return o->key >> 32 & OWNER_BY_REALLOC;
}

static inline uint32_t overrides_home(const struct overrides *o, uint64_t key)
{
	return (uint32_t)(hash_u64(key, o->seed) >> 32) & (o->slot_cap - 1);
}

struct override *overrides_get_slow(struct overrides *o, uint64_t key);

/* What has been counted for a key; NULL: nothing. */
const struct override *overrides_find(const struct overrides *o, uint64_t key);

static inline bool overrides_full(const struct overrides *o)
{
	return o->count >= o->limit;
}

/* The pair at the place where a key belongs: another one, perhaps. */
static inline struct override *overrides_at_home(const struct overrides *o,
						 uint64_t key)
{
	return o->list + (ptrdiff_t)o->slots[overrides_home(o, key)] - 1;
}

/*
 * Finds or adds a pair, with zeros; pointers to others die when one is added.
 * NULL without memory, or when it is not in and the table is full.
 */
static inline struct override *overrides_get(struct overrides *o, uint32_t by,
					     uint32_t of_site)
{
	const uint64_t key = override_key(by, of_site);
	struct override *const found = overrides_at_home(o, key);

	return __builtin_expect(found->key == key, 1)
		       ? found
		       : overrides_get_slow(o, key);
}

/* Fetches the pair that belongs at home, which may be of an older table. */
static inline void overrides_prefetch(const struct overrides *o, uint32_t home)
{
	__builtin_prefetch(o->list + (ptrdiff_t)o->slots[home] - 1, 1);
}

/* ---- figures */

/* Adds up what figures need of the pairs. O(sites + pairs). */
void tallies_derive(struct tallies *t, const struct overrides *pairs);

/* A site's figures, after tallies_derive(). */
struct model_figures tallies_figures(const struct tallies *t,
				     const struct overrides *others,
				     uint32_t site);

/* Adds figures to a sum; of event numbers the first and the last. */
void site_add_figures(struct model_figures *sum, const struct model_figures *f);

/* How many events of a stream make up these figures. */
uint64_t site_count_events(const struct model_figures *f);

/* Finds or makes the site that a stored one describes; MODEL_NO_SITE. */
uint32_t sites_intern_stored(struct sites *s, struct names *n,
			     const struct model_site *stored);

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
