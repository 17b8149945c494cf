/*
 * live.h - the table of live blocks: address to size, owner and birth.
 *
 * Open addressing without tombstones: an entry of 16 bytes a block, 16 more
 * with history. A block's home is a line of the cache, in which its entry is
 * anywhere; when the line is full, probing goes on with the next one. The
 * table is split by hash into partitions that grow one at a time, by half, so
 * that growth needs little memory beside what is in use: 23 to 37 bytes a
 * block once there are many. Few blocks have much room, and rarely meet.
 *
 * A hash is live_hash() of the address; the caller computes it early and calls
 * live_prefetch() some events ahead. Pointers to entries die with the next
 * live_reserve() or live_remove(). Address 0 cannot be stored. One thread.
 */
#ifndef MEMPARSE_LIVE_H
#define MEMPARSE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

/* Slots in a line of the cache; capacities are multiples of it. */
#define LIVE_LINE 4u

#define LIVE_PARTS_LOG 4
#define LIVE_PARTS     (1u << LIVE_PARTS_LOG)

/* Sizes from here on are kept beside the table. */
#define LIVE_SIZE_BIG UINT32_MAX

/* The owner's bits: a site's index and two flags. */
#define LIVE_BIG	0x80000000u /* size is an index of bigs */
#define LIVE_BY_REALLOC 0x40000000u /* the life began by a realloc */
#define LIVE_SITE_MASK	0x3fffffffu

struct live_entry {
	uint64_t address; /* 0: the slot is free */
	uint32_t size;
	uint32_t owner;
};

/* What only the handing out of lives needs. */
struct live_history {
	uint64_t born_event;
	uint64_t realloc_of;
};

struct live_part {
	struct live_entry *entries;
	struct live_history *history; /* parallel to entries, or NULL */
	uint32_t cap;		      /* a multiple of LIVE_LINE */
	uint32_t count;
	uint32_t limit; /* of count, before it has to grow */
};

struct live {
	struct live_part parts[LIVE_PARTS];
	uint64_t seed;
	bool with_history;
	uint64_t *bigs; /* sizes; a free one holds the next free index */
	uint32_t big_count, big_cap;
	uint32_t big_free; /* the first free index, big_count: none */
};

/* An empty table; allocates nothing yet. */
void live_init(struct live *l, bool with_history);

/* Frees all memory; the table is empty again. */
void live_clear(struct live *l);

static inline uint64_t live_hash(const struct live *l, uint64_t address)
{
	return hash_u64(address, l->seed);
}

static inline struct live_part *live_part(struct live *l, uint64_t hash)
{
	return &l->parts[hash >> (64 - LIVE_PARTS_LOG)];
}

/* Where an address belongs among cap slots: the first of a line. */
static inline uint32_t live_home(uint64_t hash, uint32_t cap)
{
	const uint64_t low = (uint32_t)(hash >> (32 - LIVE_PARTS_LOG));

	return (uint32_t)(low * (cap / LIVE_LINE) >> 32) * LIVE_LINE;
}

static inline void live_prefetch(struct live *l, uint64_t hash)
{
	const struct live_part *const p = live_part(l, hash);

	__builtin_prefetch(p->entries + live_home(hash, p->cap), 1);
}

/* The block's entry, or the free slot where it would go. */
static inline struct live_entry *live_probe(struct live *l, uint64_t address,
					    uint64_t hash)
{
	const struct live_part *const p = live_part(l, hash);
	struct live_entry *const end = p->entries + p->cap;
	struct live_entry *e = p->entries + live_home(hash, p->cap);

	while (e->address != address && e->address != 0)
		if (++e == end)
			e = p->entries;
	return e;
}

/* Sees to it that one more block of that size fits. False: no memory. */
bool live_reserve_slow(struct live *l, uint64_t hash, uint64_t size);

static inline bool live_reserve(struct live *l, uint64_t hash, uint64_t size)
{
	const struct live_part *const p = live_part(l, hash);

	if (__builtin_expect(p->count < p->limit && size < LIVE_SIZE_BIG, 1))
		return true;
	return live_reserve_slow(l, hash, size);
}

/* The large half of live_fill(). */
void live_fill_big(struct live *l, struct live_entry *e, uint64_t size);

/* Writes an entry whose old size, if any, has been forgotten. */
static inline void live_fill(struct live *l, struct live_entry *e,
			     uint64_t address, uint64_t size, uint32_t owner)
{
	e->address = address;
	e->owner = owner;
	if (__builtin_expect(size < LIVE_SIZE_BIG, 1))
		e->size = (uint32_t)size;
	else
		live_fill_big(l, e, size);
}

/*
 * Puts a block into the free slot that live_probe() found after a
 * live_reserve() with the same hash and size.
 */
static inline void live_insert(struct live *l, uint64_t hash,
			       struct live_entry *e, uint64_t address,
			       uint64_t size, uint32_t owner)
{
	live_part(l, hash)->count++;
	live_fill(l, e, address, size, owner);
}

static inline uint64_t live_size(const struct live *l,
				 const struct live_entry *e)
{
	return e->owner & LIVE_BIG ? l->bigs[e->size] : e->size;
}

/* Changes a block's size and owner; after live_reserve() like an insert. */
void live_replace(struct live *l, struct live_entry *e, uint64_t size,
		  uint32_t owner);

/* Takes a block out; entries behind it move up. */
void live_remove(struct live *l, uint64_t hash, struct live_entry *e);

/* The history of an entry; only of a table with history. */
static inline struct live_history *live_history_of(struct live *l,
						   uint64_t hash,
						   const struct live_entry *e)
{
	const struct live_part *const p = live_part(l, hash);

	return &p->history[e - p->entries];
}

#endif
