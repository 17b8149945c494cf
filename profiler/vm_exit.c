/*
 * vm_exit.c - which of the objects that a trace saved itself the VM makes just
 * now, on leaving it.
 */
#include "vm_exit.h"

#include <stdlib.h>
#include <string.h>

#include "vm_exit_plan.h"

/* No exit has begun, or inside one nothing is known of it. */
static void reset(struct vm_exits *e, bool inside)
{
	e->trace = e->snapshot = 0;
	e->inside = inside;
	e->stray = false;
}

void vm_exits_begin(struct vm_exits *e, bool inside)
{
	size_t i;
	for (i = 0; e->plans && i < VM_EXIT_PLANS; i++)
		e->plans[i].trace = 0;
	reset(e, inside);
}

void vm_exits_free(struct vm_exits *e)
{
	free(e->plans);
	memset(e, 0, sizeof *e);
}

static struct vm_exit_plan *plan_slot(const struct vm_exits *e,
				      uintptr_t snapshot)
{
	return &e->plans[(snapshot * 0x9e3779b97f4a7c15 >> 32) % VM_EXIT_PLANS];
}

bool vm_exits_knows(const struct vm_exits *e, uintptr_t trace,
		    uintptr_t snapshot)
{
	const struct vm_exit_plan *plan;
	if (!e->plans)
		return false;
	plan = plan_slot(e, snapshot);
	return plan->trace == trace && plan->snapshot == snapshot;
}

void vm_exits_learn(struct vm_exits *e, const struct vm_layout *y,
		    uintptr_t trace, uintptr_t snapshot)
{
	struct vm_exit_plan *plan;
	if (!e->plans)
		e->plans = calloc(VM_EXIT_PLANS, sizeof *e->plans);
	if (!e->plans)
		return;
	plan = plan_slot(e, snapshot);
	plan->trace = trace;
	plan->snapshot = snapshot;
	plan->count = 0;
	if (y->has_exit_plans)
		vm_exit_plan_make(plan, y);
}

void vm_exits_forget(struct vm_exits *e, uintptr_t trace)
{
	size_t i;
	for (i = 0; e->plans && i < VM_EXIT_PLANS; i++)
		if (e->plans[i].trace == trace)
			e->plans[i].trace = 0;
	/* No trace is freed while it is being left. */
	if (e->trace == trace)
		reset(e, false);
}

void vm_exits_refused(struct vm_exits *e)
{
	reset(e, false);
}

void vm_exits_missed(struct vm_exits *e)
{
	reset(e, true);
}

/* ---- a request */

static uint64_t all_of(const struct vm_exit_plan *plan)
{
	return plan->count < 64 ? ((uint64_t)1 << plan->count) - 1
				: ~(uint64_t)0;
}

/* What comes after one of these: the next one, after the last one the first. */
static uint64_t after(const struct vm_exit_plan *plan, uint64_t requests)
{
	bool ends = requests >> (plan->count - 1) & 1;
	return (requests << 1 & all_of(plan)) | ends;
}

static bool is_request(const struct vm_exit_request *r, bool moves,
		       size_t nsize)
{
	return r->moves == moves && (!r->size || r->size == nsize);
}

static uint64_t matching(const struct vm_exit_plan *plan, uint64_t requests,
			 bool moves, size_t nsize)
{
	uint64_t left, found = 0;
	for (left = requests; left; left &= left - 1)
		if (is_request(&plan->requests[__builtin_ctzll(left)], moves,
			       nsize))
			found |= left & -left;
	return found;
}

/* The instruction that all of these are of; 0: they are of several. */
static uint32_t common_ref(const struct vm_exit_plan *plan, uint64_t requests)
{
	uint32_t ref = plan->requests[__builtin_ctzll(requests)].ref;
	for (; requests; requests &= requests - 1)
		if (plan->requests[__builtin_ctzll(requests)].ref != ref)
			return 0;
	return ref;
}

/* An instruction makes cdata of one type, which the first one tells. */
static void learn_size(struct vm_exit_plan *plan, uint64_t found, size_t nsize)
{
	struct vm_exit_request *r;
	if (!found || (found & (found - 1)))
		return;
	r = &plan->requests[__builtin_ctzll(found)];
	if (!r->size && nsize <= UINT32_MAX)
		r->size = (uint32_t)nsize;
}

/*
 * What may come now. Another exit's request proves that this exit has just
 * begun.
 */
static uint64_t expected(const struct vm_exits *e,
			 const struct vm_exit_plan *plan, bool same)
{
	if (same)
		return after(plan, e->last);
	return e->snapshot || !e->inside ? 1 : all_of(plan);
}

uint32_t vm_exits_see(struct vm_exits *e, uintptr_t trace, uintptr_t snapshot,
		      bool moves, size_t nsize)
{
	struct vm_exit_plan *plan;
	bool same = e->trace == trace && e->snapshot == snapshot;
	uint64_t may, found;
	if (e->wrong || !vm_exits_knows(e, trace, snapshot)) {
		/* Without memory nothing is known of what was missed. */
		reset(e, true);
		return 0;
	}
	plan = plan_slot(e, snapshot);
	may = plan->count ? expected(e, plan, same) : 0;
	e->trace = trace;
	e->snapshot = snapshot;
	if (!same)
		e->stray = false;
	/* The Lua stack may grow before the first object is made. */
	if (moves && nsize >= VM_EXIT_STACK_DEEP)
		e->stray = true;
	if (e->stray)
		return VM_EXIT_STRAY;
	if (!plan->count)
		return 0;
	found = matching(plan, may, moves, nsize);
	if (moves && (may & 1)) {
		e->last = found | (uint64_t)1 << (plan->count - 1);
		return 0;
	}
	learn_size(plan, found, nsize);
	e->wrong = !found;
	e->last = found;
	return found ? common_ref(plan, found) : 0;
}
