/*
 * definitions.h - what a compact stream refers to by numbers: strings,
 * prototypes, functions, frames, callsites, each written at first sight.
 *
 * The numbers stay good for the whole recording. A prototype or trace that is
 * freed ends its block here: what lives at its address later is another one.
 * All memory comes from malloc.
 */
#ifndef LJMEMPROF_DEFINITIONS_H
#define LJMEMPROF_DEFINITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf_names.h"
#include "ljm_format.h"
#include "pair_map.h"
#include "vm_layout.h"

struct texts;
struct wbuf;

/* A prototype or trace that a frame is in. */
struct definitions_block {
	bool alive;
	uint32_t proto; /* its number; 0: not defined, or a trace */
};

/* Counters, not bits: what is forgotten leaves no trace. */
#define DEFINITIONS_FILTER 8192

struct definitions {
	struct wbuf *out;
	const struct vm_layout *y;
	struct texts *texts; /* NULL: they are not kept */
	int error;	     /* the first errno, 0 none */
	uint32_t defined[LJM_RECORD_CALLSITE + 1];
	struct pair_map strings;   /* 128 bits of hash */
	struct pair_map functions; /* address and name */
	struct pair_map frames;
	struct pair_map callsites; /* parent and frame */
	struct pair_map by_address;
	struct definitions_block *blocks; /* from 1 on */
	uint32_t block_count, block_room;
	uint16_t filter[DEFINITIONS_FILTER]; /* of addresses */
	struct elf_names names;
};

/* Returns false without memory. Borrows both. */
bool definitions_open(struct definitions *d, struct wbuf *out,
		      const struct vm_layout *y);
void definitions_free(struct definitions *d);

/*
 * All that follow return a number, or 0 without memory, or when there are as
 * many as there may be. Texts are cut to the longest there may be.
 */
uint32_t definitions_string(struct definitions *d, const char *text, size_t n);

/*
 * Of a live prototype: its block's index. name is what it is called, NULL if
 * that is not known; that of the first time counts.
 */
uint32_t definitions_proto(struct definitions *d, uintptr_t proto,
			   const char *name);

/* By its address alone; also watches it. */
uint32_t definitions_block(struct definitions *d, uintptr_t address);

/* A C function; name is NULL for the one that the library has for it. */
uint32_t definitions_function(struct definitions *d, uintptr_t address,
			      const char *name);

/* a, b and c are the operands in their order. Never fails for lack of numbers:
 * is that of a gap then. */
uint32_t definitions_frame(struct definitions *d, enum ljm_frame kind,
			   uint64_t a, uint64_t b, uint64_t c);

/* Likewise. */
uint32_t definitions_callsite(struct definitions *d, uint32_t parent,
			      uint32_t frame);

/* A block is freed; true if it was watched. */
bool definitions_forget(struct definitions *d, uintptr_t address);

/* Frees have been missed: what is watched may be gone. */
void definitions_forget_all(struct definitions *d);

static inline size_t definitions_filter(uintptr_t address)
{
	return address * 0x9e3779b97f4a7c15 >> 51; /* 13 bits */
}

/* false: certainly not watched. */
static inline bool definitions_may_be_watched(const struct definitions *d,
					      uintptr_t address)
{
	return d->filter[definitions_filter(address)] != 0;
}

#endif
