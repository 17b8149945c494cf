/*
 * override.h - pairs of sites: whose blocks a site has ended, and how many.
 *
 * A pair takes 32 to 80 bytes with the list's growth, and 16 to 32 in the
 * table, 64 of the first few thousand. One thread.
 */
#ifndef MEMPARSE_OVERRIDE_H
#define MEMPARSE_OVERRIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "site.h"

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

#endif
