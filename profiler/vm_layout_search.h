/*
 * vm_layout_search.h - what the files of the calibration share.
 *
 * Each wanted offset has a test, fits_NAME(search, offset), that says whether
 * it is consistent with all scenes.
 */
#ifndef LJMEMPROF_VM_LAYOUT_SEARCH_H
#define LJMEMPROF_VM_LAYOUT_SEARCH_H

#include "vm_layout.h"
#include "vm_probe.h"
#include "vm_stack.h"
#include "vm_trace.h"

struct search {
	struct probe probe;
	struct vm_layout y;
	int ref;	 /* bytes of a reference */
	uintptr_t proto; /* of probe.functions[0] */
	int trial_steps, trial_wrong;
	char *error;
	size_t error_size;
	struct vm_traces traces; /* what the trial learnt of helpers */
	int exact, inexact;	 /* calls of compiled code in the trial */
	uintptr_t last_call;	 /* the one before */
	struct vm_stack_facts facts;
	struct vm_stack quick, stack; /* at a step of the trial */
	uintptr_t objects[LJM_DEPTH_MAX + 1];
	int stacks_right, stacks_wrong;
	int names_seen, names_wrong, names_right;
};

typedef bool layout_fits_fn(const struct search *s, int offset);

/* The only offset in [from, to) that fits; else says so and is false. */
bool layout_find(struct search *s, const char *name, int from, int to, int step,
		 layout_fits_fn *fits, int32_t *out);

const struct probe_photo *layout_photo(const struct search *s, int scene);

/* The copy of a scene's C frame that the state's offset points to, or NULL. */
const uint8_t *layout_cframe(const struct search *s, int scene, int offset,
			     uintptr_t *address);

/*
 * The prototype of a known function, if fn_pc is where functions point to
 * their instructions and pt_size the size of the header; else 0.
 */
uintptr_t layout_proto(const struct search *s, int fn_pc, int pt_size,
		       const struct probe_function *f);

/*
 * The trace table; which trace is being left; what lines inside compiled code
 * need. Only the first is needed to record.
 */
bool layout_measure_trace(struct search *s);
void layout_measure_exit(struct search *s);
void layout_measure_trace_lines(struct search *s);

/* What an exit makes anew. Needs the lines, and their log. */
void layout_measure_exit_plans(struct search *s);

/* A handler of jit.attach(f, "record"), for s->traces. */
void layout_log_trace(void *arg, struct probe *probe, lua_State *L);

/*
 * What stacks need, and the walk against the debug API. Stacks are verified
 * when the trial has been held.
 */
void layout_measure_stacks(struct search *s);
void layout_measure_names(struct search *s);
void layout_watch_stack(struct search *s);
void layout_watch_names(struct search *s);

/* What the collector is at. Holds full collections, so it comes last. */
void layout_measure_collector(struct search *s);

/* The walker against the debug API, in every kind of frame. */
bool layout_hold_trial(struct search *s);

#endif
