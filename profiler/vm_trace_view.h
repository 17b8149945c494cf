/*
 * vm_trace_view.h - the parts of a trace: its IR and its snapshots.
 *
 * Reads the live trace, or the one that is being recorded (its IR only).
 */
#ifndef LJMEMPROF_VM_TRACE_VIEW_H
#define LJMEMPROF_VM_TRACE_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vm_frame.h"
#include "vm_layout.h"

/* IR references are biased; the first instruction follows the bias. */
#define REF_BIAS  0x8000u
#define REF_FIRST (REF_BIAS + 1)

/* Register marks of instructions that were sunk: no code was made. */
#define REG_SUNK 253 /* and a snapshot needs it */
#define REG_SINK 254

/* A trace that is looked at. */
struct trace_view {
	const struct vm_layout *y;
	const uint8_t *code;
	uint32_t code_size;
	const uint8_t *ir; /* of reference 0 */
	uint32_t nins;
	const uint8_t *snap;
	uint32_t nsnap;
	const uint32_t *snapmap;
	uint32_t loop; /* reference of the loop mark; 0 none */
};

static inline uint16_t u16_at(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline const uint8_t *ir_at(const struct trace_view *v, uint32_t ref)
{
	return v->ir + (size_t)ref * 8;
}

static inline uint32_t op1_of(const struct trace_view *v, uint32_t ref)
{
	return u16_at(ir_at(v, ref));
}

static inline uint32_t op2_of(const struct trace_view *v, uint32_t ref)
{
	return u16_at(ir_at(v, ref) + 2);
}

static inline uint8_t op_of(const struct trace_view *v, uint32_t ref)
{
	return ir_at(v, ref)[5];
}

static inline uint8_t reg_of(const struct trace_view *v, uint32_t ref)
{
	return ir_at(v, ref)[6];
}

static inline bool is_sunk(const struct trace_view *v, uint32_t ref)
{
	return reg_of(v, ref) == REG_SUNK || reg_of(v, ref) == REG_SINK;
}

/* What kind of call an instruction may make: its family; 0 for none. */
static inline uint32_t class_of(const struct trace_view *v, uint32_t ref)
{
	uint32_t family = v->y->ir_family[op_of(v, ref)];
	return family == VM_IR_TOSTR ? family | op2_of(v, ref) << 8 : family;
}

/* The object that a constant refers to. */
static inline uint64_t constant_object(const struct trace_view *v, uint32_t ref)
{
	uint64_t object;
	if (!v->y->gc64)
		return u32_at(ir_at(v, ref));
	memcpy(&object, ir_at(v, ref + 1), sizeof object);
	return object;
}

static inline const uint8_t *snap_at(const struct trace_view *v, uint32_t i)
{
	return v->snap + (size_t)i * VM_SNAP_SIZE;
}

static inline uint32_t snap_ref(const struct trace_view *v, uint32_t i)
{
	return u16_at(snap_at(v, i) + VM_SNAP_REF);
}

static inline uint32_t snap_code(const struct trace_view *v, uint32_t i)
{
	return u16_at(snap_at(v, i) + VM_SNAP_MCOFS);
}

/* Its slots: the low half of each is an IR reference. */
static inline const uint32_t *snap_slots(const struct trace_view *v, uint32_t i,
					 uint32_t *count)
{
	*count = snap_at(v, i)[VM_SNAP_NENT];
	return v->snapmap + u32_at(snap_at(v, i));
}

/* The PC that the snapshot resumes at. */
static inline uintptr_t snap_pc(const struct trace_view *v, uint32_t i)
{
	uint32_t count;
	const uint32_t *end = snap_slots(v, i, &count);
	uint64_t link;
	end += count;
	if (!v->y->gc64)
		return *end;
	memcpy(&link, end, sizeof link);
	return link >> 8;
}

/* A slot of a snapshot: its marks, and which one it is from the entry on. */
#define SLOT_MARKS	0x00ff0000u /* a frame's, not restored, and so on */
#define SLOT_FRAME_MARK 0x00030000u /* a frame's link, or continuation's */
#define SLOT_NUMBER(s)	((s) >> 24)

/* All but the loop mark. */
static inline void view_parts(struct trace_view *v, const struct vm_layout *y,
			      uintptr_t trace)
{
	v->y = y;
	v->code = (const uint8_t *)vm_u64(trace + (unsigned)y->trace_mcode);
	v->code_size = vm_u32(trace + (unsigned)y->trace_szmcode);
	v->ir = (const uint8_t *)vm_u64(trace + (unsigned)y->trace_ir);
	v->nins = vm_u32(trace + (unsigned)y->trace_nins);
	v->snap = (const uint8_t *)vm_u64(trace + (unsigned)y->trace_snap);
	v->nsnap = *(const uint16_t *)(trace + (unsigned)y->trace_nsnap);
	v->snapmap =
		(const uint32_t *)vm_u64(trace + (unsigned)y->trace_snapmap);
	v->loop = 0;
}

static inline void view_trace(struct trace_view *v, const struct vm_layout *y,
			      uintptr_t trace)
{
	uint32_t ref;
	view_parts(v, y, trace);
	for (ref = REF_FIRST; ref < v->nins; ref++)
		if (op_of(v, ref) == y->ir_loop)
			v->loop = ref;
}

#endif
