/*
 * vm_exit.h - which of the objects that a trace saved itself the VM makes just
 * now, on leaving it.
 *
 * An exit makes anew what its snapshot needs, slot by slot: of each object the
 * header, the array, the nodes of the hash part, and then what the keys that
 * were stored make it grow by. So all that an exit asks for, and the order, is
 * known in advance: its plan. Every request is compared with the plan, which
 * tells what may come next; its instruction is known when all that the request
 * may be is of one. A request that the plan has no place for proves that this
 * VM does something else: no plan is believed from then on.
 *
 * Where something cannot be foreseen there is no plan. Blocks that are freed
 * are no part of it.
 *
 * Not thread-safe; one per recorder. Memory from malloc.
 */
#ifndef LJMEMPROF_VM_EXIT_H
#define LJMEMPROF_VM_EXIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm_layout.h"

/* What an exit asks for. */
struct vm_exit_request {
	uint32_t size; /* 0: not known yet, of cdata */
	uint16_t ref;  /* the IR instruction whose line it has */
	bool moves;    /* a block that is there: an array grows */
};

/* A plan with more is none: sets of requests are bits of a word. */
#define VM_EXIT_REQUESTS 64

struct vm_exit_plan {
	uintptr_t trace; /* 0: empty */
	uintptr_t snapshot;
	uint32_t count; /* 0: not known */
	struct vm_exit_request requests[VM_EXIT_REQUESTS];
};

/* Plans that are kept; a power of two. */
#define VM_EXIT_PLANS 1024

struct vm_exits {
	struct vm_exit_plan *plans; /* by snapshot; NULL: none yet */
	/* What the last request may have been; of no exit when snapshot is 0.
	 */
	uintptr_t trace, snapshot;
	uint64_t last;
	bool inside; /* no request seen, and it may have been of any exit */
	bool stray;  /* what the exit asks for may be none of its objects */
	bool wrong;  /* a plan was: none is believed any more */
};

/*
 * Requests are seen from now on, all of them; forgets all plans. inside: an
 * exit may be half done.
 */
void vm_exits_begin(struct vm_exits *e, bool inside);
void vm_exits_free(struct vm_exits *e);

/* Has a plan for the exit been thought of? */
bool vm_exits_knows(const struct vm_exits *e, uintptr_t trace,
		    uintptr_t snapshot);

/*
 * Thinks of the exit's plan. The caller must tell when the trace is freed.
 * Does nothing without memory.
 */
void vm_exits_learn(struct vm_exits *e, const struct vm_layout *y,
		    uintptr_t trace, uintptr_t snapshot);
void vm_exits_forget(struct vm_exits *e, uintptr_t trace);

/* Not a reference. */
#define VM_EXIT_STRAY 1

/*
 * The exit asks for nsize bytes, in place of a block that is there if it moves.
 * Returns the reference of the IR instruction whose line that has; 0 when it is
 * one of the exit's objects, or of their keys, but not certainly which;
 * VM_EXIT_STRAY when it may be something else. What moves may be the Lua stack
 * where no instruction is returned. Every request must come by here but those
 * that free.
 */
uint32_t vm_exits_see(struct vm_exits *e, uintptr_t trace, uintptr_t snapshot,
		      bool moves, size_t nsize);

/* It was refused: the exit ends in an error. */
void vm_exits_refused(struct vm_exits *e);

/* Requests of an exit were not seen, or its end may not have been. */
void vm_exits_missed(struct vm_exits *e);

/*
 * From so many bytes of a Lua stack on, an exit that goes on there may find it
 * one too large: then it ends in an error, whose text is made. LuaJIT's limit
 * is 512 KiB, in some builds more.
 */
#define VM_EXIT_STACK_DEEP (128 * 1024)

#endif
