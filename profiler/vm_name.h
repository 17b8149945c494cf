/*
 * vm_name.h - what a Lua function is called, by the one who called it.
 *
 * A prototype has no name. The calling function's bytecode tells from where
 * the called one was taken: a global, a field, a method, an upvalue, a local.
 * The debug API names it likewise, but guesses where branches meet; here a
 * name is given only when nothing but loads of arguments lies between, and not
 * for a parameter of the caller, whose name says nothing of the called.
 */
#ifndef LJMEMPROF_VM_NAME_H
#define LJMEMPROF_VM_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_layout;

/* Opcodes, and places in a prototype. */
struct vm_name_facts {
	bool known; /* all of it was found, and no name was wrong */
	uint8_t op_gget, op_tgets, op_uget, op_mov, op_call, op_callm, op_jmp;
	bool op_loads[256];   /* it does no more than set the slot of its A */
	int32_t pt_k;	      /* reference: constants, strings below it */
	int32_t pt_uvinfo;    /* reference: names of upvalues, or 0 */
	int32_t pt_varinfo;   /* reference: names of locals, or 0 */
	int32_t pt_numparams; /* uint8_t */
};

/* A prototype's n-th constant that is an object: a reference. */
uintptr_t vm_name_constant(const struct vm_layout *y,
			   const struct vm_name_facts *facts, uintptr_t proto,
			   uint32_t n);

/* The n-th name in what pt_uvinfo leads to. */
const char *vm_name_upvalue(const char *names, uint32_t n);

/*
 * The name of the local in that slot at the pos-th instruction, in what
 * pt_varinfo leads to; NULL for none.
 */
const char *vm_name_local(const char *info, uint32_t slot, uint32_t pos);

/* Where a jump at the pos-th instruction goes. */
static inline uint32_t vm_name_jump_target(uint32_t instruction, uint32_t pos)
{
	return pos + 1 + (instruction >> 16) - 0x8000;
}

/*
 * The name of the function that the live prototype caller called by the
 * instruction before pc. NULL where it is not certain; else it is the VM's.
 */
const char *vm_name_called(const struct vm_layout *y,
			   const struct vm_name_facts *facts, uintptr_t caller,
			   uintptr_t pc);

#endif
