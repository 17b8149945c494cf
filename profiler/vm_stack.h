/*
 * vm_stack.h - the stack of the VM that runs: who called whom, to the bottom.
 *
 * As vm_frame.h, called from inside the allocator: reads what the layout
 * vouches for, calls nothing of Lua's. Every step leads strictly down a stack,
 * from a coroutine strictly up the native stack to the C frame of the one
 * that resumed it, so that the walk always ends.
 */
#ifndef LJMEMPROF_VM_STACK_H
#define LJMEMPROF_VM_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ljm_format.h"
#include "vm_frame.h"
#include "vm_name.h"

/*
 * What stands for a frame: of a Lua function the instruction behind the one
 * that runs (a multiple of four), else a number and a tag in the low bits.
 */
#define VM_KEY_TAG	  3
#define VM_KEY_SMALL	  1 /* a built-in's id; VM_SMALL_* + a number */
#define VM_KEY_C	  2 /* the address of a C function */
#define VM_KEY_TRACE	  3 /* a return address into, or that of, a trace */
#define VM_KEY(tag, what) ((uint64_t)(what) << 2 | (tag))
#define VM_KEY_WHAT(key)  ((key) >> 2)

#define VM_SMALL_INTERNAL 256 /* + enum ljm_internal */
#define VM_SMALL_GAP	  512 /* + enum ljm_gap */
#define VM_KEY_GAP(why)	  VM_KEY(VM_KEY_SMALL, VM_SMALL_GAP + (why))

#define VM_BUILTINS	256
#define VM_BUILTIN_NAME 32

/* What is known of all VMs of this process beyond the layout. */
struct vm_stack_facts {
	bool verified; /* stacks were as the debug API names them */
	/*
	 * coroutine.resume and .wrap resume from their own C frame, which lies
	 * resume_distance above that of the coroutine: the call returns to one
	 * of resume_returns. 0: not known.
	 */
	uint32_t resume_distance;
	uintptr_t resume_returns[2];
	/* The main thread lies so far before its global_State. */
	uint32_t main_distance;
	/* Of built-ins, by their ids: C functions; and names, "": none. */
	uintptr_t builtin_addresses[VM_BUILTINS];
	char builtins[VM_BUILTINS][VM_BUILTIN_NAME];
	struct vm_name_facts names;
};

/* The frames of a walk, innermost first. */
struct vm_stack {
	uint32_t count;
	uint64_t keys[LJM_DEPTH_MAX + 1];
};

/* Begins a walk whose innermost frame is known already. */
static inline void vm_stack_begin(struct vm_stack *stack)
{
	stack->count = 0;
}

VM_INLINE void vm_stack_push(struct vm_stack *stack, uint64_t key)
{
	stack->keys[stack->count++] = key;
}

/*
 * Adds the frames of a thread that is interpreted, from the one on top on, and
 * of the threads that resumed it. With max frames in all the walk ends with a
 * gap behind them. objects, if not NULL, has room for as many as keys has: it
 * gets the prototype of each Lua frame that was added, of others the function,
 * 0 for gaps.
 */
void vm_stack_walk(const struct vm_layout *y,
		   const struct vm_stack_facts *facts, uintptr_t L,
		   uint32_t max, struct vm_stack *stack, uintptr_t *objects);

/* The same from the frames below the one at base on. */
void vm_stack_walk_below(const struct vm_layout *y,
			 const struct vm_stack_facts *facts, uintptr_t L,
			 uintptr_t base, uint32_t max, struct vm_stack *stack,
			 uintptr_t *objects);

#endif
