/*
 * live.h - the table of live blocks: address to size, owner and birth.
 *
 * Open addressing without tombstones: an entry of 16 bytes a block, 16 more
 * with history. A block's home is a line of the cache, in which its entry is
 * anywhere; when the line is full, it is in the next one that was not. The
 * table grows where it is, by half, and needs no memory beside itself: 26 to
 * 39 bytes a block once there are many, 43 to 64 with history. Few blocks have
 * much room, and rarely meet.
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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "hash.h"

/* Slots in a line of the cache; capacities are multiples of it. */
#define LIVE_LINE 4u

/* Sizes from here on are kept beside the table. */
#define LIVE_SIZE_BIG UINT32_MAX

/* The owner has 31 bits for the caller, and this one. */
#define LIVE_BIG 0x80000000u /* size is an index of bigs */

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

struct live {
	struct live_entry *entries;
	struct live_history *history; /* parallel to entries, or NULL */
	size_t cap;		      /* a multiple of LIVE_LINE */
	size_t count;
	size_t limit;	    /* of count, before it has to grow */
	size_t history_cap; /* not less than cap, if there is history */
	uint64_t seed;
	bool with_history;
	bool broken;	/* nothing is found; all of it is there */
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

/* Where an address belongs among cap slots: the first of a line. */
static inline size_t live_home(uint64_t hash, size_t cap)
{
	return (size_t)((hash >> 32) * (cap / LIVE_LINE) >> 32) * LIVE_LINE;
}

static inline struct live_entry *live_line(const struct live *l, uint64_t hash)
{
	return l->entries + live_home(hash, l->cap);
}

/*
 * Looks for an address in a line, without a branch on where it is: bit 2 * i
 * is set when slot i has it, bit 8 + 2 * i when slot i is free.
 */
static inline unsigned live_look(const struct live_entry *line,
				 uint64_t address)
{
#ifdef __SSE2__
	const __m128i wanted = _mm_set1_epi64x((long long)address);
	const __m128i zero = _mm_setzero_si128();
	const __m128i low = _mm_unpacklo_epi64(
		_mm_loadl_epi64((const __m128i *)&line[0].address),
		_mm_loadl_epi64((const __m128i *)&line[1].address));
	const __m128i high = _mm_unpacklo_epi64(
		_mm_loadl_epi64((const __m128i *)&line[2].address),
		_mm_loadl_epi64((const __m128i *)&line[3].address));
	const __m128i same = _mm_packs_epi32(_mm_cmpeq_epi32(low, wanted),
					     _mm_cmpeq_epi32(high, wanted));
	const __m128i none = _mm_packs_epi32(_mm_cmpeq_epi32(low, zero),
					     _mm_cmpeq_epi32(high, zero));
	/* A bit for each half of an address. */
	const unsigned halves =
		(unsigned)_mm_movemask_epi8(_mm_packs_epi16(same, none));

	return halves & halves >> 1 & 0x5555;
#else
	unsigned bits = 0;

	for (unsigned i = 0; i < LIVE_LINE; i++)
		bits |= (unsigned)(line[i].address == address) << 2 * i |
			(unsigned)(line[i].address == 0) << (8 + 2 * i);
	return bits;
#endif
}

/* The slot that the lowest bit of live_look() is about. */
static inline unsigned live_slot(unsigned bits)
{
	return (unsigned)__builtin_ctz(bits) / 2 % LIVE_LINE;
}

/* The block's entry, or the free slot where it would go. */
static inline struct live_entry *live_probe(struct live *l, uint64_t address,
					    uint64_t hash)
{
	struct live_entry *const end = l->entries + l->cap;
	struct live_entry *line = live_line(l, hash);

	for (;;) {
		const unsigned bits = live_look(line, address);

		if (__builtin_expect(bits != 0, 1))
			return line + live_slot(bits);
		line += LIVE_LINE;
		if (line == end)
			line = l->entries;
	}
}

/*
 * Sees to it that one more block of that size fits. False: no memory; if the
 * table is broken then, there is nothing to do with it but to hand it out and
 * to clear it.
 */
bool live_reserve(struct live *l, uint64_t size);

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
 * live_reserve() with the same size.
 */
static inline void live_insert(struct live *l, struct live_entry *e,
			       uint64_t address, uint64_t size, uint32_t owner)
{
	l->count++;
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

/* The parts of live_remove() that are not always there. */
void live_forget_size(struct live *l, const struct live_entry *e);
void live_pull_up(struct live *l, struct live_entry *hole);

/* Takes a block out; if its line was full, others may move there. */
static inline void live_remove(struct live *l, struct live_entry *e)
{
	struct live_entry *const line = l->entries + ((size_t)(e - l->entries) &
						      ~(size_t)(LIVE_LINE - 1));

	if (__builtin_expect(e->owner & LIVE_BIG, 0))
		live_forget_size(l, e);
	l->count--;
	if (live_look(line, 0) != 0)
		e->address = 0;
	else
		live_pull_up(l, e);
}

/* The history of an entry; only of a table with history. */
static inline struct live_history *live_history_of(const struct live *l,
						   const struct live_entry *e)
{
	return &l->history[e - l->entries];
}

#endif
