/*
 * callsites.h - from where the VM is to the number of a callsite.
 *
 * A walk (vm_stack.h) gives keys. Compared with those of the walk before, from
 * the outermost on, they tell how much of its path still stands; from there
 * the path goes from callsite to callsite, by the pair of callsite and key. A
 * pair seen for the first time is resolved into definitions. When a prototype
 * or trace that may be part of a path is freed, the generation changes: a pair
 * of an older one is resolved again before it is believed, by which keys whose
 * block has died are found.
 */
#ifndef LJMEMPROF_CALLSITES_H
#define LJMEMPROF_CALLSITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "definitions.h"
#include "vm_stack.h"
#include "vm_trace.h"

/* What a key stands for: one frame, or what a trace inlined. */
struct callsite_spot {
	uint32_t block; /* the prototype or trace; 0: lives for ever */
	uint32_t count;
	uint32_t first; /* in spot_frames, innermost first */
	uint32_t doubt; /* 0: it stays what it is; see callsites.c */
};

/* From a callsite to one that it called. */
struct callsite_step {
	uint64_t key;
	uint32_t parent;
	uint32_t generation;
	uint32_t callsite; /* 0: empty */
};

/* A place without a stack, found by its key; a cache before the spots. */
struct callsite_place {
	uint64_t key;
	uintptr_t object; /* prototype or trace */
	uint32_t generation, callsite;
};

#define CALLSITE_PLACES 2048

/* The running trace, for its key. */
struct callsite_trace {
	uint32_t number;
	uintptr_t trace;
	bool exit;    /* it is being left */
	uintptr_t at; /* return address, vm_traces_exit_at(); 0: no line */
};

struct callsites {
	struct definitions d;
	const struct vm_layout *y;
	const struct vm_stack_facts *facts;
	struct vm_traces *traces;
	uint32_t depth; /* 0: without stacks */
	uint32_t generation;
	uint32_t learnt;  /* traces->learnt as of now */
	uint64_t unloads; /* elf_names_unloads() as of now */
	uint32_t c_block; /* C functions live until a library is unloaded */
	uint32_t internal[LJM_INTERNAL_LAST + 1]; /* their callsites */
	struct callsite_place *places;
	struct pair_map by_key; /* spots */
	struct callsite_spot *spots;
	uint32_t spot_count, spot_room;
	uint32_t *spot_frames;
	uint32_t spot_frame_count, spot_frame_room;
	struct callsite_step *steps; /* open addressing */
	uint32_t step_mask, step_count;
	struct vm_stack *stack;		  /* of the event at hand */
	struct vm_stack *before;	  /* of the one before, and */
	uint32_t path[LJM_DEPTH_MAX + 1]; /* its callsites, outermost first */
	uintptr_t objects[LJM_DEPTH_MAX + 1];
	struct vm_stack stacks[2];
};

/* Returns false without memory. Borrows all. */
bool callsites_open(struct callsites *c, struct wbuf *out,
		    const struct vm_layout *y,
		    const struct vm_stack_facts *facts,
		    struct vm_traces *traces, uint32_t depth);
void callsites_free(struct callsites *c);

/*
 * The callsite of c->stack, which was walked together with c->objects; trace
 * is that of the first key, if it is one. These functions return 0 without
 * memory; see c->d.error.
 */
uint32_t callsites_define(struct callsites *c,
			  const struct callsite_trace *trace);

/*
 * How many frames a trace's key stands for.
 */
uint32_t callsites_trace_frames(struct callsites *c, uint64_t key,
				const struct callsite_trace *trace);

/* What the VM does for itself. */
uint32_t callsites_internal(struct callsites *c, enum ljm_internal what);

/* A block is freed that definitions_may_be_watched(). */
void callsites_forget(struct callsites *c, uintptr_t address);

/* Frees were missed. */
void callsites_forget_all(struct callsites *c);

/* Now and then: has a library been unloaded? */
void callsites_check_libraries(struct callsites *c);

static inline struct callsite_place *callsites_place(struct callsites *c,
						     uint64_t key)
{
	return &c->places[key / 4 % CALLSITE_PLACES];
}

/* The step, or the empty slot where it belongs. */
static inline struct callsite_step *callsites_step(const struct callsites *c,
						   uint32_t parent,
						   uint64_t key)
{
	uint64_t hash = (key + ((uint64_t)parent << 32)) * 0x9e3779b97f4a7c15;
	uint32_t i = (uint32_t)(hash >> 32) & c->step_mask;
	for (;; i = (i + 1) & c->step_mask) {
		struct callsite_step *step = &c->steps[i];
		if (!step->callsite ||
		    (step->key == key && step->parent == parent))
			return step;
	}
}

/* The callsite of c->stack; 0 when it must be defined. */
static inline uint32_t callsites_find(struct callsites *c)
{
	struct vm_stack *stack = c->stack, *before = c->before;
	uint32_t n = stack->count, same = 0, callsite = 0;
	const uint64_t *key = stack->keys + n;
	const uint64_t *other = before->keys + before->count;
	uint32_t least = n < before->count ? n : before->count;
	while (same < least && key[-1] == other[-1]) {
		key--;
		other--;
		same++;
	}
	if (same)
		callsite = c->path[same - 1];
	for (; same < n; same++) {
		const struct callsite_step *step =
			callsites_step(c, callsite, *--key);
		if (!step->callsite || step->generation != c->generation) {
			before->count = 0;
			return 0;
		}
		callsite = c->path[same] = step->callsite;
	}
	c->stack = before;
	c->before = stack;
	return callsite;
}

#endif
