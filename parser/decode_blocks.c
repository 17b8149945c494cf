/*
 * decode_blocks.c - the heap events of all versions but our own, fast.
 *
 * The length of an integer is as good as random, and a branch on it would be
 * guessed wrong. So there is none: the last bytes of all integers are found at
 * once. How many integers a location has, and whether an event is an allocation
 * or a free, is no better: so what is not there has no bytes. What is left is a
 * branch on reallocations.
 *
 * Nothing is made of a location here: it is handed on as the bytes that it is,
 * for a program has few of them, and whoever wants to know which one it is can
 * look for these bytes.
 */
#include "decode_blocks.h"

#include <string.h>

#include "leb128.h"

#define INLINE	    static inline __attribute__((always_inline))
#define unlikely(x) __builtin_expect(!!(x), 0)

/* An event without a realloc's second half: head, location and two integers. */
#define FIRST_BYTES 32

/* A realloc's second half: two integers. */
#define SECOND_BYTES 16

/*
 * Of no more than so many bytes, with its head, a location has no integer of
 * more than nine: any of these fits into 64 bits. The second has two integers.
 */
#define LOCATION_ONE 10
#define LOCATION_TWO 11

/* By the size of a location: its bytes, without the head's kind. */
#define HEAD 0xfcull
static const uint64_t location_bits[LOCATION_TWO + 1][2] = {
	{0, 0},
	{HEAD, 0},
	{HEAD | 0xff00, 0},
	{HEAD | 0xffff00, 0},
	{HEAD | 0xffffff00, 0},
	{HEAD | 0xffffffff00, 0},
	{HEAD | 0xffffffffff00, 0},
	{HEAD | 0xffffffffffff00, 0},
	{HEAD | 0xffffffffffffff00, 0},
	{HEAD | 0xffffffffffffff00, 0xff},
	{HEAD | 0xffffffffffffff00, 0xffff},
	{HEAD | 0xffffffffffffff00, 0xffffff},
};

/* Reads a location of so many bytes; DECODE_LOCATION_SIZE are readable. */
static inline void take_location(const uint8_t *p, unsigned size,
				 uint64_t location[2])
{
	uint64_t words[2];

	memcpy(words, p, sizeof(words));
	location[0] = words[0] & htole64(location_bits[size][0]);
	location[1] = words[1] & htole64(location_bits[size][1]);
}

/* Of bits for last bytes: the first one, and those behind it. */
static inline unsigned ends_at(uint64_t last)
{
	return (unsigned)__builtin_ctzll(last);
}

static inline uint64_t ends_next(uint64_t last)
{
	return last & (last - 1);
}

/* Takes a realloc's second half from p on. Returns its end, or NULL, too. */
INLINE const uint8_t *take_moved(const uint8_t *p, bool pext,
				 struct decode_block *b)
{
	const uint64_t last = leb128_find_last_bytes(p, SECOND_BYTES);
	const unsigned address = ends_at(last) + 1;
	const unsigned size = ends_at(ends_next(last)) + 1;

	if (unlikely(((address - 1) >> 3 | (size - address - 1) >> 3) != 0))
		return NULL;
	b[1].kind = DECODE_MOVED;
	b[1].location[0] = b->location[0];
	b[1].location[1] = b->location[1];
	leb128_join_pair(p, address, size, pext, &b[1].address, &b[1].size);
	return p + size;
}

/*
 * Takes a heap event from p on, whose head stands for that in decode_heads:
 * one block, or two for a realloc. Returns its end, NULL if it has a location
 * or an integer that is longer than any real one.
 */
INLINE const uint8_t *take_blocks(const uint8_t *p, uint64_t as, bool pext,
				  struct decode_block *b)
{
	/* A bit for each last byte, from the second before the event on. */
	uint64_t last = (leb128_find_not_last(p, FIRST_BYTES) << 2) ^ ~as;
	const uint8_t *const before = p - 1;
	unsigned location, address, size;

	last = ends_next(last);
	location = ends_at(last) - 1;
	last = ends_next(last);
	address = ends_at(last) - 1;
	last = ends_next(last);
	size = ends_at(last) - 1;
	/* Up to eight bytes hold no size beyond LJM_SIZE_MAX. */
	if (unlikely(((address - location - 1) >> 3 |
		      (size - address - 1) >> 3) != 0) ||
	    (unlikely(location > LOCATION_ONE) &&
	     (as != DECODE_HEAD_TWO || location > LOCATION_TWO)))
		return NULL;
	b->kind = *p & LJM_KIND_MASK;
	take_location(p, location, b->location);
	leb128_join_pair(p + location, address - location, size - location,
			 pext, &b->address, &b->size);
	p = before + ends_at(last);
	return b->kind == LJM_KIND_REALLOC ? take_moved(p, pext, b) : p;
}

INLINE size_t take_all(struct decoder *d, struct decode_input *in, bool pext,
		       struct decode_block *blocks, size_t cap)
{
	const uint8_t *const heads = d->heads;
	const uint8_t *const end = in->src + in->size;
	const uint8_t *p = in->src + in->pos;
	size_t n = 0;

	/* A realloc takes two. */
	while (n + 1 < cap && end - p >= DECODE_BLOCK_BYTES) {
		const uint8_t as = heads[*p];
		const uint8_t *next;

		if (unlikely(as == 0))
			break;
		next = take_blocks(p, as, pext, &blocks[n]);
		if (unlikely(next == NULL))
			break;
		n += 1 + (blocks[n].kind == LJM_KIND_REALLOC);
		p = next;
	}
	in->pos = (size_t)(p - in->src);
	return n;
}

#ifdef LEB128_PEXT
/* What has the one instruction has the others. */
__attribute__((target("bmi,bmi2")))
#endif
static size_t
take_with_pext(struct decoder *d, struct decode_input *in,
	       struct decode_block *blocks, size_t cap)
{
	return take_all(d, in, true, blocks, cap);
}

size_t decode_blocks(struct decoder *d, struct decode_input *in,
		     struct decode_block *blocks, size_t cap)
{
	if (d->heads == NULL || in->size - in->pos < DECODE_BLOCK_BYTES)
		return 0;
	return leb128_has_pext() ? take_with_pext(d, in, blocks, cap)
				 : take_all(d, in, false, blocks, cap);
}

/* ---- to events */

/* The integer from *p on, which is whole; moves on behind it. */
static uint64_t take_int(const uint8_t **p)
{
	uint64_t value = 0;
	unsigned shift = 0;

	for (; **p & 0x80; shift += 7)
		value |= (uint64_t)(*(*p)++ & 0x7f) << (shift & 63);
	return value | (uint64_t) * (*p)++ << (shift & 63);
}

size_t decode_block_event(const struct decode_block *b, struct decode_event *e)
{
	uint8_t bytes[DECODE_LOCATION_SIZE];
	const uint8_t *p = bytes + 1;

	memcpy(bytes, b->location, sizeof(bytes));
	*e = (struct decode_event){
		.kind = b->kind,
		.source = bytes[0] >> LJM_SOURCE_SHIFT,
	};
	if (e->source != LJM_SOURCE_INTERNAL)
		e->address = take_int(&p);
	if (e->source == LJM_SOURCE_LUA)
		e->line = take_int(&p);
	if (b->kind == LJM_KIND_ALLOC) {
		e->new_address = b->address;
		e->new_size = b->size;
		return 1;
	}
	e->old_address = b->address;
	e->old_size = b->size;
	if (b->kind == LJM_KIND_FREE)
		return 1;
	e->new_address = b[1].address;
	e->new_size = b[1].size;
	return 2;
}
