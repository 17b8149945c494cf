/*
 * vm_layout.h - where an unmodified LuaJIT keeps what the recorder reads.
 *
 * No table of versions: the layout is measured in a scratch VM of the same
 * process and library, in situations that are known, and is taken only when
 * exactly one place fits every situation (vm_probe.h takes the photographs).
 * Then the frame walker is tried out in the scratch VM against lines that the
 * debug API names. Whatever is not certain is an error, never a guess.
 */
#ifndef LJMEMPROF_VM_LAYOUT_H
#define LJMEMPROF_VM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct vm_stack_facts;
struct vm_traces;

/* Byte offsets, unless said otherwise. */
struct vm_layout {
	bool gc64;    /* references are 8 bytes wide, else 4 */
	bool has_jit; /* compiles traces: jit_base and trace_* are valid */

	/* In global_State. */
	int32_t g_allocf;   /* lua_Alloc, and its ud right after it */
	int32_t g_vmstate;  /* int32_t: below 0 a state, above 0 a trace */
	int32_t g_cur_L;    /* reference: the running thread */
	int32_t g_jit_base; /* reference: non-zero on a trace */
	int32_t g_trace;    /* pointer: array of references to traces */
	int32_t g_parent;   /* uint32_t: the trace that is left; 0 not found */
	bool has_gc_state;
	int32_t g_white; /* byte: of new objects; enum vm_gc_state is behind */

	/* In lua_State. */
	int32_t l_glref;  /* reference: global_State */
	int32_t l_base;	  /* pointer: base of the running function */
	int32_t l_stack;  /* reference: bottom of the stack */
	int32_t l_cframe; /* pointer: C frame, two low bits are flags */

	/* In the C frame of the interpreter. */
	int32_t cf_L;	 /* reference: the thread */
	int32_t cf_pc;	 /* reference: the instruction after the running one */
	int32_t cf_prev; /* pointer: the C frame below */
	int32_t cf_nres; /* int32_t: results wanted; below 0: a cpcall */

	/* In a function. */
	int32_t fn_ffid; /* byte: 0 Lua, 1 C, above: built-in */
	int32_t fn_pc;	 /* reference: first instruction */
	int32_t fn_c;	 /* pointer: the lua_CFunction */

	/* In a prototype. */
	int32_t pt_size;      /* its header; the instructions follow */
	int32_t pt_sizebc;    /* uint32_t: number of instructions */
	int32_t pt_chunkname; /* reference: string */
	int32_t pt_firstline; /* int32_t, and the number of lines after it */
	int32_t pt_lineinfo;  /* reference: line per instruction, or 0 */
	int32_t str_data;     /* in a string: the text */

	/* In a trace. */
	int32_t trace_startpt; /* reference: prototype where it starts */
	int32_t trace_startpc; /* reference: instruction where it starts */

	/*
	 * What the line inside compiled code needs; all of it was found only
	 * if has_trace_lines.
	 */
	bool has_trace_lines;
	int32_t g_cur;		/* jit_State's trace that is recorded */
	int32_t trace_nsnap;	/* uint16_t: number of snapshots */
	int32_t trace_nins;	/* uint32_t: the IR reference that comes next */
	int32_t trace_ir;	/* pointer: IR, 8 bytes a reference */
	int32_t trace_snap;	/* pointer: snapshots */
	int32_t trace_snapmap;	/* pointer: their slots, and their PCs */
	int32_t trace_mcode;	/* pointer: machine code */
	int32_t trace_szmcode;	/* uint32_t: its size */
	int32_t trace_spadjust; /* uint16_t: more stack than the C frame has */
	int32_t return_offset;	/* below the C frame and spadjust */
	uint8_t ir_loop;	/* opcodes: the loop mark */
	uint8_t ir_nop;		/* what was left out */
	uint8_t ir_sload;	/* loads of slots */
	uint8_t ir_retf;	/* a return to a function below */
	uint8_t bc_ret0;	/* bytecode: return without results */
	uint8_t ir_family[256]; /* enum vm_ir_family, by opcode */
	uint8_t ir_role[256];	/* enum vm_ir_role, by opcode */

	/* What an exit makes anew can be foreseen (vm_exit.h). */
	bool has_exit_plans;
	int32_t tab_size;  /* of a table's header, bytes */
	int32_t tab_array; /* reference: its array */
	int32_t tab_node;  /* reference: its hash part */
	int32_t tab_asize; /* uint32_t: slots of its array */
	int32_t tab_hmask; /* uint32_t: nodes of its hash part, less one */

	/* Values of vmstate. */
	int32_t state_c;
	int32_t state_gc;
};

/*
 * Families of IR instructions that call what may allocate. No helper function
 * is called by two families.
 */
enum vm_ir_family {
	VM_IR_NO_CALL,
	VM_IR_TNEW,
	VM_IR_TDUP,
	VM_IR_CNEW, /* CNEW and CNEWI */
	VM_IR_SNEW, /* SNEW and XSNEW */
	VM_IR_NEWREF,
	VM_IR_BUFSTR,
	VM_IR_TOSTR, /* further told apart by its mode, operand 2 */
	VM_IR_OTHER, /* BUFPUT, CALL*: these share helpers */
};

/* What other IR instructions are in an object that was saved. */
enum vm_ir_role {
	VM_IR_NO_ROLE,
	VM_IR_TABLE_STORE, /* into the array or hash part */
	VM_IR_OTHER_STORE, /* into the header, or cdata */
	VM_IR_AREF,	   /* a slot of the array */
	VM_IR_HREF,	   /* a key that is there */
	VM_IR_HREFK,
	VM_IR_KPRI, /* constants */
	VM_IR_KGC,
	VM_IR_KINT,
	VM_IR_KNUM,
	VM_IR_KINT64,
	VM_IR_KSLOT, /* a key and its slot */
};

/* A snapshot, in builds since 2021; the calibration compares with jit.util. */
enum vm_snapshot_layout {
	VM_SNAP_SIZE = 12,
	VM_SNAP_REF = 4,   /* uint16_t */
	VM_SNAP_MCOFS = 6, /* uint16_t */
	VM_SNAP_NENT = 10, /* uint8_t */
};

/* What the collector is at; the calibration sees four of them. */
enum vm_gc_state {
	VM_GC_PAUSE = 0,
	VM_GC_PROPAGATE = 1,
	VM_GC_ATOMIC = 2,
	VM_GC_SWEEPSTRING = 3,
	VM_GC_SWEEP = 4,
	VM_GC_FINALIZE = 5,
};

/* Fixed for all of LuaJIT 2.1. */
enum vm_layout_constants {
	VM_GCT_THREAD = 6, /* type byte in an object's header */
	VM_GCT_PROTO = 7,
	VM_GCT_FUNC = 8,
	VM_GCT_TRACE = 9,
};

/*
 * Measures the layout of the LuaJIT that this process runs.
 *
 * traces: what is known of compiled code, to be given to vm_traces_init().
 * facts: what stacks need; facts->verified tells whether it was found.
 * version: what was found, such as "LuaJIT 2.1.0-beta3"; always set.
 * Returns true, or false with a sentence in error.
 * Cost: a few milliseconds and a VM that is closed again. Thread-safe.
 */
bool vm_layout_measure(struct vm_layout *layout, struct vm_traces *traces,
		       struct vm_stack_facts *facts, char *version,
		       size_t version_size, char *error, size_t error_size);

/*
 * Checks the layout against the VM of L, from a C function that runs on L,
 * without changing it. Returns true, or false with a sentence in error.
 */
bool vm_layout_verify(const struct vm_layout *layout, lua_State *L, char *error,
		      size_t error_size);

#endif
