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
 *    below), each of which makes at most one call. Which class, is narrowed
 *    down by every stretch of code that calls it: classes are out whose members
 *    are fewer than the calls, those of other known helpers of the class
 *    included. Only when one is left it counts as known.
 *  - If the stretch has as many members of the class as calls of the helper,
 *    the n-th call is the n-th member. Else all members must agree.
 *  - The part after the loop mark is a copy, in order, of the part before.
 *  - The log belongs to the trace: it has its start, its end and its snapshots.
 *  - What is made when a trace is left is one of the objects that the snapshot
 *    of the exit needs, or a key of one: which, is known from the order in
 * which they are made (vm_exit.h), or all of these must agree.
 *  - What a side trace makes anew of its parent's sunk objects has the lines of
 *    the parent's log, if number, order and kinds of these objects agree.
 *
 * Not thread-safe; one per recorder. Memory from malloc.
 */
#ifndef LJMEMPROF_VM_TRACE_H
#define LJMEMPROF_VM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm_exit.h"
#include "vm_frame.h"
#include "vm_layout.h"
#include "vm_trace_log.h"

/* A function that machine code calls, and what it may be called for. */
#define VM_HELPER_CLASSES 12
struct vm_helper {
	uintptr_t target; /* 0: free */
	uint32_t count;	  /* of classes; 0: none fits, never use it */
	uint32_t classes[VM_HELPER_CLASSES];
};

#define VM_HELPERS 128

struct vm_traces {
	struct vm_trace_logs logs;
	struct vm_helper helpers[VM_HELPERS]; /* open addressing */
	uint32_t helper_count;
	uint32_t learnt; /* changes with what is known of the helpers */
	struct vm_exits exits;
};

/* Starts with the helpers that a primed one (or NULL) knows, and no logs. */
void vm_traces_init(struct vm_traces *t, const struct vm_traces *primed);
void vm_traces_free(struct vm_traces *t);

struct vm_trace_line {
	uintptr_t proto;
	uint32_t line;
	struct vm_inlined callers; /* not whole: unknown from there on */
};

/*
 * The line of the call that returns to this address. trace is the live trace
 * of that number. Returns false when it is not certain.
 */
bool vm_traces_line(struct vm_traces *t, const struct vm_layout *y,
		    uintptr_t trace, uint32_t number, uintptr_t return_address,
		    struct vm_trace_line *found);

/*
 * The same for what is made when the trace is left. at: what
 * vm_traces_exit_at() returned.
 */
bool vm_traces_exit_line(struct vm_traces *t, const struct vm_layout *y,
			 uintptr_t trace, uint32_t number, uintptr_t at,
			 struct vm_trace_line *found);

/*
 * What tells the line of what the exit of this snapshot asks for, nsize bytes,
 * in place of a block that is there if it moves: the address of an instruction
 * of the trace's IR, or else of the snapshot; 0 when no line can be known.
 * vm_exits_knows() the exit.
 */
uintptr_t vm_traces_exit_at(struct vm_traces *t, const struct vm_layout *y,
			    uintptr_t trace, uintptr_t snapshot, bool moves,
			    size_t nsize);

/*
 * The base of the function in which the trace was entered, when the exit of the
 * snapshot asks for what at tells (see above). base is the running function's:
 * narrow VMs have it follow the frames that they restore.
 */
uintptr_t vm_traces_exit_base(const struct vm_layout *y, uintptr_t trace,
			      uintptr_t snapshot, uintptr_t at, uintptr_t base);

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
	struct vm_near n;
	vm_near_init(&n, y, global);
	return vm_near_return_address(&n, gc64, trace);
}

/*
 * The snapshot that is restored while a trace is left; 0 when that is not what
 * the VM does just now: it is restored in a C frame of its own.
 */
static inline uintptr_t vm_exit_snapshot(const struct vm_layout *y, bool gc64,
					 uintptr_t global, uintptr_t trace)
{
	uintptr_t L = vm_ref(gc64, global + (unsigned)y->g_cur_L);
	uintptr_t cframe = L ? vm_cframe(y, L) : 0;
	uint32_t exit = vm_u32(global + (unsigned)y->g_parent + 4);
	if (!cframe || *(const int32_t *)(cframe + (unsigned)y->cf_nres) >= 0 ||
	    exit >= *(const uint16_t *)(trace + (unsigned)y->trace_nsnap))
		return 0;
	return vm_u64(trace + (unsigned)y->trace_snap) +
	       VM_SNAP_SIZE * (uintptr_t)exit;
}

#endif
