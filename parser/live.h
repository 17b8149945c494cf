/*
 * live.h - the table of live blocks: address to size, owner and birth.
 *
 * Open addressing without tombstones: an entry of 16 bytes a block, 16 more
 * with history. It has two forms.
 *
 * A small table is in a cache near by, and what it takes to find a block is
 * all that counts. A block's home is a line of the cache, in which its entry
 * is anywhere; when the line is full, it is in the next one that was not. Half
 * of the slots stay free, so that this is rare.
 *
 * A large one is in memory, which is slow, and full lines would be many if it
 * were to take little. Its slots come in groups of 15; the group's head, where
 * it is in the cache, tells which slot a block is in. A block is in the group
 * that is its home, or when that is full in the next one that was not, and all
 * that it passed by count it. The table grows where it is, and needs no memory
 * beside itself: once there are many, 24 to 37 bytes a block, 42 to 64 with
 * history.
 *
 * A hash is live_hash() of the address; the caller computes it early and
 * fetches what is at the home some events ahead. Pointers to entries die with
 * the next live_reserve() or live_remove(). Address 0 cannot be stored. One
 * thread.
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

#define LIVE_LINE  4u  /* slots of a small table's line */
#define LIVE_GROUP 15u /* slots of a large table's group */

/* Sizes from here on are kept beside the table. */
#define LIVE_SIZE_BIG UINT32_MAX

/* The owner has 31 bits for the caller, and this one. */
#define LIVE_BIG 0x80000000u /* size is an index of bigs */

struct live_entry {
	uint64_t address; /* 0: the slot is free, in a small table */
	uint32_t size;
	uint32_t owner;
};

/* What is looked at first of a group. */
struct live_head {
	/* live_tag() of the block, 0: the slot is free */
	_Alignas(16) uint8_t tags[LIVE_GROUP];
	uint8_t passed; /* LIVE_PASSED_MANY: or more, until it grows */
};

#define LIVE_PASSED_MANY UINT8_MAX

/* What only the handing out of lives needs. */
struct live_history {
	uint64_t born_event;
	uint64_t realloc_of;
};

struct live {
	struct live_head *heads;	 /* of groups; NULL: a small table */
	struct live_entry *entries;	 /* of lines or groups */
	struct live_history *history;	 /* parallel to entries, or NULL */
	size_t cap;			 /* lines or groups */
	size_t entries_cap, history_cap; /* of a large one; not less, or 0 */
	size_t count;			 /* blocks */
	size_t limit;			 /* of count, before it has to grow */
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

static inline bool live_is_large(const struct live *l)
{
	return l->heads != NULL;
}

/* The line or group, of cap, that a block belongs into. */
static inline size_t live_home(uint64_t hash, size_t cap)
{
	return (size_t)((hash >> 32) * cap >> 32);
}

/* ---- what is at home, without a branch on where it is */

/*
 * Looks for an address in a small table's line: bit 2 * i is set when slot i
 * has it, bit 8 + 2 * i when slot i is free.
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
static inline unsigned live_look_slot(unsigned bits)
{
	return (unsigned)__builtin_ctz(bits) / 2 % LIVE_LINE;
}

/*
 * What tells a block from others in a large table's group, as its home does
 * not: a byte, never 0, four times.
 */
static inline uint32_t live_tag(uint64_t hash)
{
	const uint8_t tag = (uint8_t)(hash >> 24);

	return (uint8_t)(tag + (tag == 0)) * 0x01010101u;
}

/* The bits of slots in what live_same() and live_free() return. */
#define LIVE_SLOTS    ((1u << LIVE_GROUP) - 1)
#define LIVE_UNPASSED (1u << LIVE_GROUP) /* no block has passed by */

/* A bit for each slot with a block that may be the one with this tag. */
static inline unsigned live_same(const struct live_head *h, uint32_t tag)
{
#ifdef __SSE2__
	const __m128i tags = _mm_load_si128((const __m128i *)h);
	const __m128i wanted =
		_mm_shuffle_epi32(_mm_cvtsi32_si128((int)tag), 0);

	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted)) &
	       LIVE_SLOTS;
#else
	unsigned bits = 0;

	for (unsigned i = 0; i < LIVE_GROUP; i++)
		bits |= (unsigned)(h->tags[i] == (uint8_t)tag) << i;
	return bits;
#endif
}

/* A bit for each slot that is free, and LIVE_UNPASSED if it is so. */
static inline unsigned live_free(const struct live_head *h)
{
#ifdef __SSE2__
	const __m128i tags = _mm_load_si128((const __m128i *)h);

	return (unsigned)_mm_movemask_epi8(
		_mm_cmpeq_epi8(tags, _mm_setzero_si128()));
#else
	return live_same(h, 0) | (h->passed == 0 ? LIVE_UNPASSED : 0);
#endif
}

/* ---- the table */

/* The block's entry, NULL: there is none. */
struct live_entry *live_find(const struct live *l, uint64_t address,
			     uint64_t hash);

/*
 * Sees to it that one more block of that size fits. False: no memory; if the
 * table is broken then, there is nothing to do with it but to hand it out and
 * to clear it.
 */
bool live_reserve(struct live *l, uint64_t size);

/*
 * Puts in a block that is not there, after a live_reserve() with the same
 * size.
 */
struct live_entry *live_insert(struct live *l, uint64_t address, uint64_t hash,
			       uint64_t size, uint32_t owner);

static inline uint64_t live_size(const struct live *l,
				 const struct live_entry *e)
{
	return e->owner & LIVE_BIG ? l->bigs[e->size] : e->size;
}

/* Changes a block's size and owner; after live_reserve() like an insert. */
void live_replace(struct live *l, struct live_entry *e, uint64_t size,
		  uint32_t owner);

/* Takes a block out. */
void live_remove(struct live *l, struct live_entry *e);

/* The history of an entry; only of a table with history. */
static inline struct live_history *live_history_of(const struct live *l,
						   const struct live_entry *e)
{
	return &l->history[e - l->entries];
}

/*
 * The first block from a place on, which is 0 at first and then behind it;
 * NULL: none is left. In no order.
 */
struct live_entry *live_next(const struct live *l, size_t *place);

#endif
