/*
 * vm_exit_plan.c - all that an exit from a trace will ask the allocator for.
 *
 * Follows lj_snap_restore(): the slots in order, each object at its first one;
 * then its stores in the order of the IR. The calibration tries it out.
 */
#include "vm_exit_plan.h"

#include <string.h>

#include "vm_exit_table.h"
#include "vm_trace_view.h"

static bool add_request(struct vm_exit_plan *plan, bool moves, uint32_t size,
			uint32_t ref)
{
	struct vm_exit_request *r = &plan->requests[plan->count];
	if (plan->count == VM_EXIT_REQUESTS)
		return false;
	r->size = size;
	r->ref = (uint16_t)ref;
	r->moves = moves;
	plan->count++;
	return true;
}

static bool add_requests(struct vm_exit_plan *plan,
			 const struct vm_table_requests *all, uint32_t ref)
{
	uint32_t i;
	for (i = 0; i < all->count; i++)
		if (!add_request(plan, all->all[i].moves, all->all[i].size,
				 ref))
			return false;
	return true;
}

/* ---- the IR */

static enum vm_ir_role role_of(const struct trace_view *v, uint32_t ref)
{
	return v->y->ir_role[op_of(v, ref)];
}

static bool read_key(const struct trace_view *v, uint32_t ref,
		     struct vm_table_key *key)
{
	double d;
	if (ref < REF_BIAS && role_of(v, ref) == VM_IR_KSLOT)
		ref = op1_of(v, ref);
	if (ref >= REF_BIAS)
		return false;
	key->is_integer = false;
	switch (role_of(v, ref)) {
	case VM_IR_KPRI:
		/* Unlike any address; as a number it would be none. */
		key->id = ~(uint64_t)ref;
		return true;
	case VM_IR_KGC:
		key->id = constant_object(v, ref);
		return true;
	case VM_IR_KINT:
		return vm_table_number((int32_t)u32_at(ir_at(v, ref)), key);
	case VM_IR_KNUM:
		memcpy(&d, ir_at(v, ref + 1), sizeof d);
		return vm_table_number(d, key);
	default:
		return false;
	}
}

/* A constant that is made into cdata, or an object inside of an object. */
static bool makes_more(const struct trace_view *v, uint32_t ref)
{
	if (ref < REF_BIAS)
		return role_of(v, ref) == VM_IR_KINT64;
	return reg_of(v, ref) == REG_SUNK;
}

/* The object that a store which was sunk goes to; 0 for another instruction. */
static uint32_t stored_to(const struct trace_view *v, uint32_t ref)
{
	enum vm_ir_role role = role_of(v, ref);
	uint32_t at;
	if (reg_of(v, ref) != REG_SINK ||
	    (role != VM_IR_TABLE_STORE && role != VM_IR_OTHER_STORE))
		return 0;
	at = op1_of(v, ref);
	if (role_of(v, at) == VM_IR_AREF || role_of(v, at) == VM_IR_HREFK)
		at = op1_of(v, at);
	return op1_of(v, at);
}

#define TYPE_MASK 0x1f
#define TYPE_NIL  0

/* One store into a table; only a new reference may be to a new key. */
static bool follow_store(struct vm_exit_plan *plan, const struct trace_view *v,
			 struct vm_table_model *t, uint32_t store)
{
	struct vm_table_requests requests;
	struct vm_table_key key;
	uint32_t at = op1_of(v, store);
	bool is_new = class_of(v, at) == VM_IR_NEWREF;
	if (makes_more(v, op2_of(v, store)))
		return false;
	if (role_of(v, store) == VM_IR_OTHER_STORE)
		return true; /* the metatable */
	if (!is_new && role_of(v, at) != VM_IR_AREF &&
	    role_of(v, at) != VM_IR_HREF && role_of(v, at) != VM_IR_HREFK)
		return false;
	if (!read_key(v, op2_of(v, at), &key))
		t->known = false;
	if (!t->known)
		return !is_new;
	return vm_table_set(t, &key,
			    (ir_at(v, store)[4] & TYPE_MASK) == TYPE_NIL,
			    &requests) &&
	       (is_new || !requests.count) && add_requests(plan, &requests, at);
}

/* ---- objects */

static bool begin_table(struct vm_table_model *t, const struct trace_view *v,
			uint32_t ref, struct vm_table_requests *out)
{
	uint32_t template = op1_of(v, ref);
	if (class_of(v, ref) == VM_IR_TNEW)
		return vm_table_new(t, v->y, op1_of(v, ref), op2_of(v, ref),
				    out);
	return template <REF_BIAS &&role_of(v, template) ==
			 VM_IR_KGC &&vm_table_copy(
				 t, v->y, constant_object(v, template), out);
}

static bool plan_table(struct vm_exit_plan *plan, const struct trace_view *v,
		       uint32_t ref, uint32_t end)
{
	struct vm_table_model t;
	struct vm_table_requests requests;
	uint32_t store;
	if (!begin_table(&t, v, ref, &requests) ||
	    !add_requests(plan, &requests, ref))
		return false;
	for (store = ref + 1; store < end; store++)
		if (stored_to(v, store) == ref &&
		    !follow_store(plan, v, &t, store))
			return false;
	return true;
}

static bool plan_cdata(struct vm_exit_plan *plan, const struct trace_view *v,
		       uint32_t ref, uint32_t end)
{
	uint32_t store;
	for (store = ref + 1; store < end; store++)
		if (stored_to(v, store) == ref &&
		    makes_more(v, op2_of(v, store)) &&
		    op2_of(v, store) >= REF_BIAS)
			return false;
	return add_request(plan, false, 0, ref);
}

static bool plan_object(struct vm_exit_plan *plan, const struct trace_view *v,
			uint32_t ref, uint32_t end)
{
	switch (class_of(v, ref)) {
	case VM_IR_TNEW:
	case VM_IR_TDUP:
		return plan_table(plan, v, ref, end);
	case VM_IR_CNEW:
		return plan_cdata(plan, v, ref, end);
	default:
		return false;
	}
}

/* Was the slot's object made for a slot before? */
static bool seen_before(const uint32_t *slots, uint32_t i)
{
	uint32_t j;
	for (j = 0; j < i; j++)
		if ((slots[j] & 0xffff) == (slots[i] & 0xffff))
			return true;
	return false;
}

static bool plan_slots(struct vm_exit_plan *plan, const struct trace_view *v,
		       uint32_t exit)
{
	uint32_t i, n, end = snap_ref(v, exit);
	const uint32_t *slots = snap_slots(v, exit, &n);
	for (i = 0; i < n; i++) {
		uint32_t ref = slots[i] & 0xffff;
		if (!makes_more(v, ref) || seen_before(slots, i))
			continue;
		if (ref < REF_FIRST || (slots[i] & SLOT_MARKS) ||
		    !plan_object(plan, v, ref, end))
			return false;
	}
	return true;
}

void vm_exit_plan_make(struct vm_exit_plan *plan, const struct vm_layout *y)
{
	struct trace_view v;
	plan->count = 0;
	view_parts(&v, y, plan->trace);
	if (!plan_slots(plan, &v,
			(uint32_t)((plan->snapshot - (uintptr_t)v.snap) /
				   VM_SNAP_SIZE)))
		plan->count = 0;
}
