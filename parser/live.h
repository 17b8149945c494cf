/*
 * live.h - the table of live blocks: address to size, owner and birth.
 *
 * Open addressing without tombstones: an entry of 16 bytes a block, 16 more
 * with history. A block's home is a line of the cache, in which its entry is
 * anywhere; when the line is full, it is in the next one that was not. The
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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
	const struct live_part *const p = live_part(l, hash);
	struct live_entry *const end = p->entries + p->cap;
	struct live_entry *line = p->entries + live_home(hash, p->cap);

	for (;;) {
		const unsigned bits = live_look(line, address);

		if (__builtin_expect(bits != 0, 1))
			return line + live_slot(bits);
		line += LIVE_LINE;
		if (line == end)
			line = p->entries;
	}
}

/*
 * Early, and for what may be fetched early only: the block's entry if it is
 * in the line where it belongs now, else NULL.
 */
static inline struct live_entry *live_peek(struct live *l, uint64_t address,
					   uint64_t hash)
{
	const struct live_part *const p = live_part(l, hash);
	struct live_entry *const line = p->entries + live_home(hash, p->cap);
	const unsigned bits = live_look(line, address) & 0xff;

	return bits != 0 ? line + live_slot(bits) : NULL;
}

/* Does one more block fit, for sure? */
static inline bool live_has_room(struct live *l, uint64_t hash, uint64_t size)
{
	const struct live_part *const p = live_part(l, hash);

	return __builtin_expect(p->count < p->limit && size < LIVE_SIZE_BIG, 1);
}

/* Sees to it that one more block of that size fits. False: no memory. */
bool live_reserve(struct live *l, uint64_t hash, uint64_t size);

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

/* The parts of live_remove() that are not always there. */
void live_forget_size(struct live *l, const struct live_entry *e);
void live_pull_up(struct live *l, struct live_part *p, struct live_entry *hole);

/* Takes a block out; if its line was full, others may move there. */
static inline void live_remove(struct live *l, uint64_t hash,
			       struct live_entry *e)
{
	struct live_part *const p = live_part(l, hash);
	struct live_entry *const line = p->entries + ((size_t)(e - p->entries) &
						      ~(size_t)(LIVE_LINE - 1));

	if (__builtin_expect(e->owner & LIVE_BIG, 0))
		live_forget_size(l, e);
	p->count--;
	if (live_look(line, 0) != 0)
		e->address = 0;
	else
		live_pull_up(l, p, e);
}

/* The history of an entry; only of a table with history. */
static inline struct live_history *live_history_of(struct live *l,
						   uint64_t hash,
						   const struct live_entry *e)
{
	const struct live_part *const p = live_part(l, hash);

	return &p->history[e - p->entries];
}

#endif
