/*
 * locations.h - who is known to be at a location of the stream.
 *
 * A table made by the model, which can find out, and read by the decoder, which
 * meets locations: few of them, again and again.
 */
#ifndef MEMPARSE_LOCATIONS_H
#define MEMPARSE_LOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "step.h"

/* Beside an owner: its site is INTERNAL. */
#define LOCATION_INTERNAL 0x80000000u
#define LOCATION_UNKNOWN  UINT32_MAX

struct location {
	/*
	 * What the stream has: an event's head without the kind and what
	 * follows up to the address of the block, then zeros; 0: free.
	 */
	uint64_t key[2];
	uint32_t epoch;
	uint32_t owner; /* but not by realloc; maybe with LOCATION_INTERNAL */
};

/* The owner alone, and what its steps have of the rest. */
static inline uint32_t location_who(uint32_t owner)
{
	return owner & ~LOCATION_INTERNAL;
}

static inline unsigned location_flags(uint32_t owner)
{
	return owner / LOCATION_INTERNAL * STEP_INTERNAL;
}

/*
 * Finds out who is at a location that is not known, and makes it known; the
 * table may be another one then. LOCATION_UNKNOWN without memory.
 */
typedef uint32_t locations_learn_fn(void *arg, const uint64_t location[2]);

/* A location is at one of two places in a row. */
struct locations {
	struct location *list; /* 1 << (65 - shift) of them */
	unsigned shift;
	uint32_t epoch; /* what is of another one is not known */
	bool far;	/* it is not in a cache near by: fetch early */
	locations_learn_fn *learn;
	void *arg;
};

/* The first of a location's two places. */
static inline struct location *locations_place(const struct locations *l,
					       const uint64_t key[2])
{
	const uint64_t hash = (key[0] ^ key[1] * HASH_ODD_1) * HASH_ODD_2;

	return &l->list[hash >> l->shift << 1];
}

static inline bool location_is(const struct location *l, const uint64_t key[2],
			       uint32_t epoch)
{
	return l->key[0] == key[0] && l->key[1] == key[1] && l->epoch == epoch;
}

/* Who is at a location, or LOCATION_UNKNOWN. */
static inline uint32_t locations_find(const struct locations *l,
				      const uint64_t key[2])
{
	const struct location *const place = locations_place(l, key);

	if (__builtin_expect(location_is(&place[0], key, l->epoch), 1))
		return place[0].owner;
	return location_is(&place[1], key, l->epoch) ? place[1].owner
						     : LOCATION_UNKNOWN;
}

#endif
