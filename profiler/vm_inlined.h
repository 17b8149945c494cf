/*
 * vm_inlined.h - who called the line inside compiled code: the frames that a
 * trace inlined, from the log of its recording.
 *
 * The recorder tells at each instruction how many frames it is above the one
 * in which the trace was entered. The caller of an instruction is the last one
 * before it that was less deep. What was inlined when a side trace begins is
 * taken from its parent's log, where all places that the exit can belong to
 * have the same callers.
 */
#ifndef LJMEMPROF_VM_INLINED_H
#define LJMEMPROF_VM_INLINED_H

#include <stdbool.h>
#include <stdint.h>

#include "vm_layout.h"

struct trace_view;
struct vm_trace_log;
struct vm_trace_step;

struct vm_inlined_frame {
	uintptr_t proto; /* 0: a built-in */
	uint32_t line;
	uint16_t depth;
	uint8_t ffid; /* of the built-in */
};

#define VM_INLINED_MAX 24

struct vm_inlined {
	bool whole; /* the outermost is in the function at jit_base */
	uint32_t count;
	struct vm_inlined_frame frames[VM_INLINED_MAX]; /* innermost first */
};

/* The callers of a step of the log. */
void vm_inlined_callers(const struct vm_trace_log *log,
			const struct vm_layout *y,
			const struct vm_trace_step *step,
			struct vm_inlined *out);

/*
 * The callers of the first step of a side trace, of this prototype and depth,
 * that leaves its parent by an exit. log is the parent's.
 */
void vm_inlined_at_exit(const struct vm_trace_log *log,
			const struct trace_view *parent, uint32_t exit,
			uintptr_t proto, uint32_t depth,
			struct vm_inlined *out);

bool vm_inlined_equal(const struct vm_inlined *a, const struct vm_inlined *b);

#endif
