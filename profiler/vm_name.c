/*
 * vm_name.c - what a Lua function is called, by the one who called it.
 */
#include "vm_name.h"

#include "vm_frame.h"

/* Far more than a call has arguments. */
#define LOADS_MAX 300

static uint32_t op_of(uint32_t instruction)
{
	return instruction & 0xff;
}

static uint32_t a_of(uint32_t instruction)
{
	return instruction >> 8 & 0xff;
}

static uint32_t c_of(uint32_t instruction)
{
	return instruction >> 16 & 0xff;
}

static uint32_t d_of(uint32_t instruction)
{
	return instruction >> 16;
}

uintptr_t vm_name_constant(const struct vm_layout *y,
			   const struct vm_name_facts *facts, uintptr_t proto,
			   uint32_t n)
{
	uintptr_t k = vm_ref(y->gc64, proto + (unsigned)facts->pt_k);
	return vm_ref(y->gc64, k - (n + 1) * (uintptr_t)(y->gc64 ? 8 : 4));
}

static const char *constant_text(const struct vm_layout *y,
				 const struct vm_name_facts *facts,
				 uintptr_t proto, uint32_t n)
{
	return (const char *)vm_name_constant(y, facts, proto, n) + y->str_data;
}

const char *vm_name_upvalue(const char *names, uint32_t n)
{
	while (n--)
		while (*names++)
			continue;
	return names;
}

static uint32_t take_uleb128(const uint8_t **at)
{
	uint32_t value = 0, shift = 0;
	uint8_t byte;
	do {
		byte = *(*at)++;
		value |= (uint32_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte >= 0x80 && shift < 35);
	return value;
}

/* Lower bytes than this stand for names that the compiler gave. */
#define OWN_NAMES 7

const char *vm_name_local(const char *info, uint32_t slot, uint32_t pos)
{
	const uint8_t *p = (const uint8_t *)info;
	uint32_t start = 0;
	for (;;) {
		const uint8_t *name = p;
		if (*p == 0)
			return NULL;
		if (*p >= OWN_NAMES)
			while (*p)
				p++;
		p++;
		start += take_uleb128(&p);
		if (start > pos)
			return NULL;
		if (pos < start + take_uleb128(&p) && slot-- == 0)
			return *name < OWN_NAMES ? NULL : (const char *)name;
	}
}

/* The slot was set by this instruction, the pos-th. */
static const char *name_of_load(const struct vm_layout *y,
				const struct vm_name_facts *facts,
				uintptr_t proto, uint32_t instruction,
				uint32_t pos)
{
	uint32_t op = op_of(instruction);
	uintptr_t names;
	if (op == facts->op_gget)
		return constant_text(y, facts, proto, d_of(instruction));
	if (op == facts->op_tgets)
		return constant_text(y, facts, proto, c_of(instruction));
	if (op == facts->op_uget) {
		names = vm_ref(y->gc64, proto + (unsigned)facts->pt_uvinfo);
		return names ? vm_name_upvalue((const char *)names,
					       d_of(instruction))
			     : NULL;
	}
	names = vm_ref(y->gc64, proto + (unsigned)facts->pt_varinfo);
	if (op != facts->op_mov || !names ||
	    d_of(instruction) <
		    *(const uint8_t *)(proto + (unsigned)facts->pt_numparams))
		return NULL;
	return vm_name_local((const char *)names, d_of(instruction), pos);
}

/* Is there a way that gets between two instructions without the first? */
static bool is_bypassed(const struct vm_name_facts *facts, uintptr_t code,
			uint32_t from, uint32_t to)
{
	uint32_t i;
	for (i = 1; i < from; i++) {
		uint32_t instruction = vm_u32(code + 4 * (uintptr_t)i), target;
		if (op_of(instruction) != facts->op_jmp)
			continue;
		target = vm_name_jump_target(instruction, i);
		if (target > from && target <= to)
			return true;
	}
	return false;
}

const char *vm_name_called(const struct vm_layout *y,
			   const struct vm_name_facts *facts, uintptr_t caller,
			   uintptr_t pc)
{
	uintptr_t code = caller + (unsigned)y->pt_size;
	uint32_t count = vm_u32(caller + (unsigned)y->pt_sizebc), pos, least;
	uint32_t slot, call, instruction;
	const char *name;
	if (!facts->known || (pc & 3) || pc < code + 8 ||
	    pc - code > 4 * (uintptr_t)count)
		return NULL;
	pos = call = (uint32_t)((pc - code) / 4 - 1);
	instruction = vm_u32(code + 4 * (uintptr_t)pos);
	if (op_of(instruction) != facts->op_call &&
	    op_of(instruction) != facts->op_callm)
		return NULL;
	slot = a_of(instruction);
	least = pos > LOADS_MAX ? pos - LOADS_MAX : 1;
	while (pos-- > least) {
		instruction = vm_u32(code + 4 * (uintptr_t)pos);
		if (!facts->op_loads[op_of(instruction)])
			return NULL;
		if (a_of(instruction) == slot)
			break;
		/* The results of a call may reach up to the slot. */
		if (a_of(instruction) < slot)
			return NULL;
	}
	if (pos < least || is_bypassed(facts, code, pos, call))
		return NULL;
	name = name_of_load(y, facts, caller, instruction, pos);
	return name && *name ? name : NULL;
}
