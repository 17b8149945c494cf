/*
 * step.h - what events do to blocks: from the decoder to the replay.
 *
 * An event is one step, a realloc is two: the death of the old block, and what
 * comes of it. So that many can go from one thread to the other, a step is
 * small; an odd one, which does not fit, takes two places in a row.
 */
#ifndef MEMPARSE_STEP_H
#define MEMPARSE_STEP_H

#include <stdbool.h>
#include <stdint.h>

enum step_flags {
	STEP_BIRTH = 1,	   /* of the block at the address; else its death */
	STEP_FIRST = 2,	   /* of its event */
	STEP_INTERNAL = 4, /* the owner's site is INTERNAL; not of a realloc */
	/*
	 * There is no address, it or the size does not fit, or it is one of the
	 * next two. The next place has the upper parts of both, and no owner.
	 */
	STEP_ODD = 8,
	STEP_FAILED = 16, /* an attempt that got nothing */
	STEP_UNBORN = 32, /* nothing was asked for, and nothing came */
};

#define STEP_ADDRESS_BITS 48
#define STEP_SIZE_BITS	  32
/* The largest size that is not odd: the table of blocks has another use. */
#define STEP_SIZE_MAX (UINT32_MAX - 1)

struct step {
	uint64_t address : STEP_ADDRESS_BITS, flags : 64 - STEP_ADDRESS_BITS;
	uint32_t size;
	uint32_t owner; /* who does it; see owner_of() */
};

/* Has a block neither of the first two reasons to be odd? */
static inline bool step_fits(uint64_t address, uint64_t size)
{
	return address - 1 < (1ull << STEP_ADDRESS_BITS) - 1 &&
	       size <= STEP_SIZE_MAX;
}

/* Who does something: a site or callsite, and whether by realloc. */
#define OWNER_BY_REALLOC 1u
#define OWNER_SITE_MAX	 0x3fffffffu

static inline uint32_t owner_of(uint32_t site, bool by_realloc)
{
	return site << 1 | by_realloc;
}

static inline uint32_t owner_site(uint32_t owner)
{
	return owner >> 1 & OWNER_SITE_MAX;
}

#endif
