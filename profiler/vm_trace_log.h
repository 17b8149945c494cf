/*
 * vm_trace_log.h - which bytecode instruction each IR instruction of a trace
 * was made from: a log kept while the trace is recorded.
 *
 * A side trace first makes the objects that its parent had saved itself (sunk)
 * and its own part needs: these belong to the lines of the parent's log, which
 * is consulted when the side trace's recording begins, while both are there.
 */
#ifndef LJMEMPROF_VM_TRACE_LOG_H
#define LJMEMPROF_VM_TRACE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "vm_inlined.h"
#include "vm_layout.h"

struct trace_view;

/* A step that stands for IR whose instruction is not known. */
#define VM_STEP_UNKNOWN 1

/* Its depth, and that of what is made anew of a parent's objects. */
#define VM_DEPTH_UNKNOWN UINT16_MAX

/* One bytecode instruction, as the recorder came to it. */
struct vm_trace_step {
	uint16_t ir;	   /* the IR reference that comes next */
	uint8_t last_op;   /* the IR instruction before that: its opcode */
	uint8_t ffid;	   /* of the built-in when proto is 0 */
	uint32_t last_ops; /* both operands of the one before */
	uint32_t pos;	   /* the instruction's place in its prototype */
	uint16_t depth;	   /* frames above the one that was entered */
	uintptr_t proto;   /* 0: the header of a built-in or C function */
};

struct vm_trace_log {
	struct vm_trace_step *steps;
	uint32_t count, room;
	uintptr_t startpt, startpc;  /* where the trace starts */
	uintptr_t parent;	     /* the trace it left, 0 none */
	uint32_t exit;		     /* by this exit */
	bool stepped;		     /* the first step has come */
	struct vm_inlined inherited; /* the first step's callers, side traces */
};

/* What the recorder has come to. */
struct vm_trace_at {
	uintptr_t proto; /* 0: a built-in's header */
	uint32_t pos;
	uint16_t depth;
	uint8_t ffid;
};

struct vm_trace_logs {
	struct vm_trace_log *logs; /* by trace number */
	uint32_t count;
};

void vm_trace_logs_free(struct vm_trace_logs *logs);

/*
 * The recorder of this global_State is about to record an instruction into
 * the trace of that number.
 */
void vm_trace_logs_record(struct vm_trace_logs *logs, const struct vm_layout *y,
			  uintptr_t global, uint32_t number,
			  const struct vm_trace_at *at);

/* The log of this trace; NULL when what is there is not certainly its own. */
const struct vm_trace_log *vm_trace_log_of(const struct vm_trace_logs *logs,
					   const struct trace_view *v,
					   uintptr_t trace, uint32_t number);

/* The bytecode instruction an IR instruction was made from; NULL unknown. */
const struct vm_trace_step *vm_trace_log_step(const struct vm_trace_log *log,
					      const struct trace_view *v,
					      uint32_t ref);

/*
 * The objects that the exit's snapshot needs and that were sunk, in the order
 * that they are made anew: their IR references, each once. Returns how many,
 * or max + 1 for more than that.
 */
uint32_t vm_trace_sunk_objects(const struct trace_view *v, uint32_t exit,
			       uint32_t *refs, uint32_t max);

/* More of them no one follows. */
#define VM_SUNK_MAX 32

#endif
