/*
 * vm_inlined.c - who called the line inside compiled code.
 */
#include "vm_inlined.h"

#include <string.h>

#include "vm_trace_log.h"
#include "vm_trace_view.h"

/* A function's header does not call: that of a vararg function is less deep. */
static bool can_call(const struct vm_trace_step *step)
{
	return !step->proto || step->pos > 0;
}

static bool add_caller(struct vm_inlined *out, const struct vm_layout *y,
		       const struct vm_trace_step *step)
{
	struct vm_inlined_frame *f = &out->frames[out->count];
	if (out->count == VM_INLINED_MAX || step->proto == VM_STEP_UNKNOWN)
		return false;
	memset(f, 0, sizeof *f);
	f->depth = step->depth;
	f->proto = step->proto;
	if (!step->proto) {
		f->ffid = step->ffid;
		out->count++;
		return step->ffid > 1;
	}
	if (step->pos >= vm_u32(step->proto + (unsigned)y->pt_sizebc))
		return false;
	f->line = vm_line(y, step->proto, step->pos);
	out->count++;
	return true;
}

/* Those that the side trace's parent inlined, below this depth. */
static void add_inherited(struct vm_inlined *out,
			  const struct vm_inlined *inherited, uint32_t depth)
{
	uint32_t i;
	for (i = 0; i < inherited->count; i++) {
		if (inherited->frames[i].depth >= depth)
			continue;
		if (out->count == VM_INLINED_MAX)
			return;
		out->frames[out->count++] = inherited->frames[i];
	}
	out->whole = inherited->whole;
}

void vm_inlined_callers(const struct vm_trace_log *log,
			const struct vm_layout *y,
			const struct vm_trace_step *step,
			struct vm_inlined *out)
{
	uint32_t i = (uint32_t)(step - log->steps), depth = step->depth;
	out->count = 0;
	out->whole = false;
	if (depth == VM_DEPTH_UNKNOWN)
		return;
	while (depth && i--) {
		const struct vm_trace_step *s = &log->steps[i];
		if (s->depth == VM_DEPTH_UNKNOWN)
			break;
		if (s->depth >= depth || !can_call(s))
			continue;
		if (!add_caller(out, y, s))
			return;
		depth = s->depth;
	}
	if (depth)
		add_inherited(out, &log->inherited, depth);
	else
		out->whole = true;
}

bool vm_inlined_equal(const struct vm_inlined *a, const struct vm_inlined *b)
{
	uint32_t i;
	if (a->whole != b->whole || a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (a->frames[i].proto != b->frames[i].proto ||
		    a->frames[i].line != b->frames[i].line ||
		    a->frames[i].depth != b->frames[i].depth ||
		    a->frames[i].ffid != b->frames[i].ffid)
			return false;
	return true;
}

/* The callers at a snapshot's exit, as far as all candidates agree. */
struct candidates {
	const struct vm_trace_log *log;
	const struct vm_layout *y;
	uintptr_t proto;
	uint32_t depth;
	bool any, differ;
	struct vm_inlined *callers;
};

/*
 * The snapshot was taken in the step that went on when its reference came:
 * one that began right there, or the last one before. Of these it is one of
 * the side trace's function and depth.
 */
static void add_candidates(struct candidates *c, uint32_t ref)
{
	struct vm_inlined one;
	uint32_t i;
	for (i = c->log->count; i--;) {
		const struct vm_trace_step *s = &c->log->steps[i];
		if (s->ir > ref)
			continue;
		if (s->proto == c->proto && s->depth == c->depth) {
			vm_inlined_callers(c->log, c->y, s, &one);
			c->differ |=
				c->any && !vm_inlined_equal(&one, c->callers);
			*c->callers = one;
			c->any = true;
		}
		if (s->ir < ref)
			return;
	}
}

/*
 * Snapshots behind the loop mark are copies of some before it, and resume at
 * the same place.
 */
void vm_inlined_at_exit(const struct vm_trace_log *log,
			const struct trace_view *parent, uint32_t exit,
			uintptr_t proto, uint32_t depth, struct vm_inlined *out)
{
	struct candidates c = {log, parent->y, proto, depth, false, false, out};
	uint32_t i;
	memset(out, 0, sizeof *out);
	if (!proto)
		return;
	if (!parent->loop || snap_ref(parent, exit) < parent->loop)
		add_candidates(&c, snap_ref(parent, exit));
	else
		for (i = 0; i < parent->nsnap; i++)
			if (snap_ref(parent, i) < parent->loop &&
			    snap_pc(parent, i) == snap_pc(parent, exit))
				add_candidates(&c, snap_ref(parent, i));
	if (!c.any || c.differ)
		memset(out, 0, sizeof *out);
}
