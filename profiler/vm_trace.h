/*
 * vm_trace.h - the source line of an allocation inside compiled code.
 *
 * The return address tells which call of the trace's machine code allocates.
 * Snapshots say which stretch of the trace's IR that piece of code was made
 * from, a log kept while the trace was recorded says which bytecode each IR
 * instruction was made from. A line is given only where all that is left of
 * the candidates is on one line:
 *
 *  - A helper function is called by one family of IR instructions (a class,
 *    below), each of which calls it at most once. Which class, is narrowed
 *    down by every stretch of code that calls it: classes with fewer members
 *    than calls are out. Only when one is left it counts as known.
 *  - If the stretch has as many members of the class as calls of the helper,
 *    the n-th call is the n-th member. Else all members must agree.
 *  - The part after the loop mark is a copy, in order, of the part before.
 *  - The log belongs to the trace: it has its start, its end and its snapshots.
 *
 * Not thread-safe; one per recorder. Memory from malloc.
 */
#ifndef LJMEMPROF_VM_TRACE_H
#define LJMEMPROF_VM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm_frame.h"
#include "vm_layout.h"

/* One bytecode instruction, as the recorder came to it. */
struct vm_trace_step {
	uint32_t ir;	 /* the IR reference that comes next */
	uint32_t pos;	 /* the instruction's place in its prototype */
	uintptr_t proto; /* 0: the header of a built-in or C function */
};

struct vm_trace_log {
	struct vm_trace_step *steps;
	uint32_t count, room;
	uintptr_t startpt, startpc; /* where the trace starts */
};

/* A function that machine code calls, and what it may be called for. */
#define VM_HELPER_CLASSES 12
struct vm_helper {
	uintptr_t target; /* 0: free */
	uint32_t count;	  /* of classes; 0: none fits, never use it */
	uint32_t classes[VM_HELPER_CLASSES];
};

#define VM_HELPERS 128

struct vm_traces {
	struct vm_trace_log *logs; /* by trace number */
	uint32_t log_count;
	struct vm_helper helpers[VM_HELPERS]; /* open addressing */
	uint32_t helper_count;
};

/* Starts with the helpers that a primed one (or NULL) knows, and no logs. */
void vm_traces_init(struct vm_traces *t, const struct vm_traces *primed);
void vm_traces_free(struct vm_traces *t);

/*
 * The line of the call that returns to this address. trace is the live trace
 * of that number. Returns false when it is not certain.
 */
bool vm_traces_line(struct vm_traces *t, const struct vm_layout *y,
		    uintptr_t trace, uint32_t number, uintptr_t return_address,
		    uintptr_t *proto, uint32_t *line);

/*
 * What a handler of jit.attach(f, "record") is told, its arguments on L's
 * stack: adds the step. Allocates nothing of Lua's, raises nothing.
 */
void vm_traces_record(struct vm_traces *t, const struct vm_layout *y,
		      uintptr_t global, lua_State *L);

/* The return address into the trace that runs, read off the C stack. */
static inline uintptr_t vm_return_address(const struct vm_layout *y, bool gc64,
					  uintptr_t global, uintptr_t trace)
{
	uintptr_t L = vm_ref(gc64, global + (unsigned)y->g_cur_L);
	uintptr_t cframe = L ? vm_cframe(y, L) : 0;
	uint16_t adjust =
		*(const uint16_t *)(trace + (unsigned)y->trace_spadjust);
	return cframe ? vm_u64(cframe - (unsigned)y->return_offset - adjust)
		      : 0;
}

#endif
