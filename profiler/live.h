/*
 * live.h - the blocks that are alive, and how much each line holds after
 * every run of what is checked.
 *
 * The events of a recording that has no stream end here. Their callsites are
 * those of a compact recording without stacks; at the end of a run what the
 * callsites hold is added up by place: all traces and prototypes of one line
 * are one place. What the VM makes for itself is of no place.
 *
 * Memory from malloc; about 50 to 100 bytes a block. No function raises or
 * calls Lua.
 */
#ifndef LJMEMPROF_LIVE_H
#define LJMEMPROF_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ljm_format.h"
#include "pair_map.h"
#include "texts.h"

struct definitions;

struct live_sum {
	uint64_t bytes, blocks;
};

struct live_place {
	enum ljm_frame kind; /* never LJM_FRAME_LUA_TRACE */
	uint32_t text;	     /* string of the chunk's name, or function's */
	uint32_t line;	     /* of a trace where it starts; 0 of a function */
	struct live_sum first, before, now; /* held after which run */
	uint32_t larger;  /* runs after which it held more bytes than before */
	uint32_t more;	  /* likewise more blocks */
	bool smaller;	  /* it held less bytes once */
	bool larger_late; /* larger after a run of the later half */
};

struct live {
	int error;     /* the first errno, 0 none */
	uint32_t runs; /* that will be counted */
	uint32_t run;  /* the last one of them that ended */
	bool warm;     /* the warm-up has ended */
	uint64_t events;
	struct pair_map blocks; /* address -> callsite */
	struct live_sum *sums;	/* by callsite: what is alive now */
	uint32_t *place_of;	/* by callsite; 0: the VM's own, or not yet */
	uint32_t room;		/* of these two */
	uint32_t placed;	/* callsites up to this one have their place */
	struct live_place *places; /* from 1 on */
	uint32_t place_count, place_room;
	struct pair_map by_text; /* kind and string, line -> place */
	struct texts texts;	 /* of the definitions, which fill it */
};

/* Returns false without memory; to be freed all the same. */
bool live_open(struct live *l, uint32_t runs);
void live_free(struct live *l);

/*
 * For the hook: a block was made by, or is freed; a block that was made before
 * is not known. Errors are latched.
 */
void live_alloc(struct live *l, uintptr_t block, size_t size,
		uint32_t callsite);
void live_release(struct live *l, uintptr_t block, size_t size);

/*
 * A run has ended. The first call is for the end of the warm-up, with which
 * the runs are compared. Returns 0 or the errno.
 */
int live_run_ended(struct live *l, const struct definitions *d);

/*
 * Is it a leak? When the place holds more than max_bytes (a number of bytes a
 * run) more than after the warm-up, and
 *  - every run left it with more blocks, or
 *  - it never held less than before, and grew in two runs at least (of one run
 *    in all, in that), one of them in the later half.
 */
bool live_leaks(const struct live *l, const struct live_place *p,
		double max_bytes);

#endif
