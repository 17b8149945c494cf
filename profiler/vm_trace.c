/*
 * vm_trace.c - the source line of an allocation inside compiled code.
 */
#include "vm_trace.h"

#include <string.h>

#include "vm_frame.h"
#include "vm_trace_view.h"

/* call rel32 */
#define CALL_OPCODE 0xe8
#define CALL_SIZE   5

/* A stretch between two snapshots: its code and its IR. */
struct stretch {
	uint32_t code_from, code_to;
	uint32_t ref_from, ref_to;
};

/* What a side trace does before its first snapshot is in its first stretch. */
static void get_stretch(const struct trace_view *v, uint32_t i,
			struct stretch *s)
{
	bool last = i + 1 == v->nsnap;
	s->code_from = snap_code(v, i);
	s->code_to = last ? v->code_size : snap_code(v, i + 1);
	s->ref_from = i ? snap_ref(v, i) : REF_FIRST;
	s->ref_to = last ? v->nins : snap_ref(v, i + 1);
}

/* The stretch that the code at this offset was made from. */
static bool find_stretch(const struct trace_view *v, uint32_t offset,
			 struct stretch *s)
{
	uint32_t i, found = v->nsnap;
	for (i = 0; i < v->nsnap; i++)
		if (snap_code(v, i) <= offset)
			found = i;
	if (found == v->nsnap)
		return false;
	get_stretch(v, found, s);
	return s->code_from <= offset && offset < s->code_to;
}

/* ---- calls of machine code */

static uintptr_t call_target(const struct trace_view *v, uint32_t at)
{
	int32_t distance;
	if (v->code[at] != CALL_OPCODE)
		return 0;
	memcpy(&distance, v->code + at + 1, sizeof distance);
	return (uintptr_t)(v->code + at + CALL_SIZE) +
	       (uintptr_t)(intptr_t)distance;
}

/* Calls of the target; *nth is how many of them come before offset stop. */
static uint32_t count_calls(const struct trace_view *v, const struct stretch *s,
			    uintptr_t target, uint32_t stop, uint32_t *nth)
{
	uint32_t at, n = 0;
	*nth = 0;
	for (at = s->code_from; at + CALL_SIZE <= s->code_to; at++) {
		if (call_target(v, at) != target)
			continue;
		if (at < stop)
			(*nth)++;
		n++;
		at += CALL_SIZE - 1;
	}
	return n;
}

/* ---- what a helper is called for */

static struct vm_helper *helper_slot(struct vm_traces *t, uintptr_t target)
{
	size_t i = (target * 0x9e3779b97f4a7c15 >> 32) % VM_HELPERS;
	while (t->helpers[i].target && t->helpers[i].target != target)
		i = (i + 1) % VM_HELPERS;
	return &t->helpers[i];
}

static uint32_t count_class(const struct trace_view *v, const struct stretch *s,
			    uint32_t class)
{
	uint32_t ref, n = 0;
	for (ref = s->ref_from; ref < s->ref_to; ref++)
		n += class_of(v, ref) == class;
	return n;
}

/* The classes with at least as many members in the stretch as calls. */
static void first_classes(struct vm_helper *h, const struct trace_view *v,
			  const struct stretch *s, uint32_t calls)
{
	uint32_t ref, i;
	h->count = 0;
	for (ref = s->ref_from; ref < s->ref_to; ref++) {
		uint32_t class = class_of(v, ref);
		for (i = 0; i < h->count; i++)
			if (h->classes[i] == class)
				break;
		if (!class || i < h->count || count_class(v, s, class) < calls)
			continue;
		if (h->count == VM_HELPER_CLASSES) {
			/* Too many to keep: another stretch will tell. */
			h->target = 0;
			return;
		}
		h->classes[h->count++] = class;
	}
}

/* The calls that members of the class make of other helpers. */
static uint32_t count_others(struct vm_traces *t, const struct trace_view *v,
			     const struct stretch *s, uint32_t class,
			     uintptr_t target)
{
	uint32_t at, n = 0;
	for (at = s->code_from; at + CALL_SIZE <= s->code_to; at++) {
		uintptr_t other = call_target(v, at);
		const struct vm_helper *h =
			other ? helper_slot(t, other) : NULL;
		if (h && h->target && other != target && h->count == 1 &&
		    h->classes[0] == class)
			n++;
	}
	return n;
}

static void narrow(struct vm_traces *t, struct vm_helper *h,
		   const struct trace_view *v, const struct stretch *s,
		   uint32_t calls)
{
	uint32_t i, kept = 0;
	for (i = 0; i < h->count; i++)
		if (count_class(v, s, h->classes[i]) >=
		    calls + count_others(t, v, s, h->classes[i], h->target))
			h->classes[kept++] = h->classes[i];
	t->learnt += h->count != kept;
	h->count = kept;
}

static void learn(struct vm_traces *t, const struct trace_view *v,
		  uintptr_t target)
{
	struct vm_helper *h = helper_slot(t, target);
	uint32_t i, nth;
	if (h->target && h->count <= 1)
		return;
	for (i = 0; i < v->nsnap; i++) {
		struct stretch s;
		uint32_t calls;
		get_stretch(v, i, &s);
		calls = count_calls(v, &s, target, 0, &nth);
		if (!calls)
			continue;
		if (h->target) {
			narrow(t, h, v, &s, calls);
			continue;
		}
		if (t->helper_count >= VM_HELPERS / 2)
			return;
		h->target = target;
		first_classes(h, v, &s, calls);
		t->helper_count += h->target != 0;
		t->learnt += h->target != 0;
	}
}

/* ---- beginning, end, and what the recorder tells */

void vm_traces_init(struct vm_traces *t, const struct vm_traces *primed)
{
	memset(t, 0, sizeof *t);
	if (!primed)
		return;
	memcpy(t->helpers, primed->helpers, sizeof t->helpers);
	t->helper_count = primed->helper_count;
}

void vm_traces_free(struct vm_traces *t)
{
	vm_trace_logs_free(&t->logs);
	vm_exits_free(&t->exits);
	memset(t, 0, sizeof *t);
}

void vm_traces_record(struct vm_traces *t, const struct vm_layout *y,
		      uintptr_t global, lua_State *L)
{
	uint32_t number = (uint32_t)lua_tointeger(L, 1);
	uintptr_t function = (uintptr_t)lua_topointer(L, 2);
	int pos = (int)lua_tointeger(L, 3);
	lua_Integer depth = lua_tointeger(L, 4);
	struct vm_trace_at at = {.pos = (uint32_t)pos};
	at.depth = lua_isnumber(L, 4) && depth >= 0 && depth < 1000
			   ? (uint16_t)depth
			   : VM_DEPTH_UNKNOWN;
	if (function)
		at.ffid = *(const uint8_t *)(function + (unsigned)y->fn_ffid);
	if (pos >= 0 && function && !at.ffid)
		at.proto = vm_ref(y->gc64, function + (unsigned)y->fn_pc) -
			   (unsigned)y->pt_size;
	vm_trace_logs_record(&t->logs, y, global, number, &at);
}

/* ---- from call to line */

static bool may_be(const struct vm_helper *h, uint32_t class)
{
	uint32_t i;
	if (!class || !h)
		return class != 0;
	for (i = 0; i < h->count; i++)
		if (h->classes[i] == class)
			return true;
	return false;
}

/* The line must be that of what was found before, if anything was. */
static bool agree(const struct trace_view *v, const struct vm_trace_log *log,
		  uint32_t ref, struct vm_trace_line *found)
{
	const struct vm_layout *y = v->y;
	const struct vm_trace_step *step = vm_trace_log_step(log, v, ref);
	struct vm_inlined callers;
	uint32_t line;
	if (!step || step->pos >= vm_u32(step->proto + (unsigned)y->pt_sizebc))
		return false;
	line = vm_line(y, step->proto, step->pos);
	vm_inlined_callers(log, y, step, &callers);
	if (!found->proto) {
		found->proto = step->proto;
		found->line = line;
		found->callers = callers;
		return true;
	}
	if (found->proto != step->proto || found->line != line)
		return false;
	if (!vm_inlined_equal(&found->callers, &callers))
		memset(&found->callers, 0, sizeof found->callers);
	return true;
}

/*
 * The line of the instructions that may have called the helper (NULL: nothing
 * is known of it): of the nth one, or of all if they agree when nth is -1.
 */
static bool line_of_members(const struct trace_view *v,
			    const struct vm_trace_log *log,
			    const struct stretch *s, const struct vm_helper *h,
			    int64_t nth, struct vm_trace_line *found)
{
	uint32_t ref;
	int64_t n = 0;
	for (ref = s->ref_from; ref < s->ref_to; ref++) {
		if (!may_be(h, class_of(v, ref)) || is_sunk(v, ref))
			continue;
		if (nth >= 0 && n++ != nth)
			continue;
		if (!agree(v, log, ref, found))
			return false;
	}
	return found->proto != 0;
}

bool vm_traces_line(struct vm_traces *t, const struct vm_layout *y,
		    uintptr_t trace, uint32_t number, uintptr_t return_address,
		    struct vm_trace_line *found)
{
	struct trace_view v;
	struct stretch s;
	const struct vm_trace_log *log;
	const struct vm_helper *h;
	uint32_t offset, ref, calls, nth, members = 0;
	uintptr_t target;
	memset(found, 0, sizeof *found);
	view_trace(&v, y, trace);
	offset = (uint32_t)(return_address - (uintptr_t)v.code) - CALL_SIZE;
	if (return_address - (uintptr_t)v.code > v.code_size ||
	    return_address - (uintptr_t)v.code < CALL_SIZE ||
	    !find_stretch(&v, offset, &s))
		return false;
	log = vm_trace_log_of(&t->logs, &v, trace, number);
	if (!log)
		return false;
	target = call_target(&v, offset);
	if (!target)
		return false;
	learn(t, &v, target);
	h = helper_slot(t, target);
	if (h->target == target && !h->count)
		return false; /* what calls it is none of what we know */
	if (h->target != target)
		h = NULL;
	calls = count_calls(&v, &s, target, offset, &nth);
	for (ref = s.ref_from; h && ref < s.ref_to; ref++)
		members += may_be(h, class_of(&v, ref)) && !is_sunk(&v, ref);
	if (h && h->count == 1 && members == calls)
		return line_of_members(&v, log, &s, h, nth, found);
	return line_of_members(&v, log, &s, h, -1, found);
}

/*
 * Does the trace return from the function in which it was entered? What was
 * made before that has other callers than the frame at its exit.
 */
static bool returns_below(const struct trace_view *v)
{
	uint32_t ref;
	for (ref = REF_FIRST; ref < v->nins; ref++)
		if (op_of(v, ref) == v->y->ir_retf)
			return true;
	return false;
}

uintptr_t vm_traces_exit_at(struct vm_traces *t, const struct vm_layout *y,
			    uintptr_t trace, uintptr_t snapshot, bool moves,
			    size_t nsize)
{
	uint32_t ref = vm_exits_see(&t->exits, trace, snapshot, moves, nsize);
	if (ref > VM_EXIT_STRAY)
		return vm_u64(trace + (unsigned)y->trace_ir) +
		       (uintptr_t)ref * 8;
	return ref || moves ? 0 : snapshot;
}

/* The instruction of the IR that is at this address; 0 for another address. */
static uint32_t ref_at(const struct trace_view *v, uintptr_t at)
{
	uintptr_t first = (uintptr_t)ir_at(v, REF_FIRST);
	if (at < first || at >= (uintptr_t)ir_at(v, v->nins))
		return 0;
	return REF_FIRST + (uint32_t)((at - first) / 8);
}

/* The slots of the frames that are restored before the object of its first. */
static uint32_t restored_before(const struct trace_view *v, uint32_t exit,
				uint32_t object)
{
	uint32_t i, n, at = 0;
	const uint32_t *slots = snap_slots(v, exit, &n);
	for (i = 0; i < n && (slots[i] & 0xffff) != object; i++)
		if (slots[i] & SLOT_FRAME_MARK)
			at = SLOT_NUMBER(slots[i]);
	return at;
}

static uint32_t exit_of(const struct trace_view *v, uintptr_t snapshot)
{
	return (uint32_t)((snapshot - (uintptr_t)v->snap) / VM_SNAP_SIZE);
}

uintptr_t vm_traces_exit_base(const struct vm_layout *y, uintptr_t trace,
			      uintptr_t snapshot, uintptr_t at, uintptr_t base)
{
	struct trace_view v;
	uint32_t ref;
	if (y->gc64)
		return base;
	view_parts(&v, y, trace);
	ref = ref_at(&v, at);
	if (!ref)
		return base;
	if (class_of(&v, ref) == VM_IR_NEWREF)
		ref = op1_of(&v, ref);
	return base -
	       8 * (uintptr_t)restored_before(&v, exit_of(&v, snapshot), ref);
}

/* Do all that the snapshot needs, and their keys, have one line? */
static bool line_of_snapshot(const struct trace_view *v,
			     const struct vm_trace_log *log, uint32_t exit,
			     struct vm_trace_line *found)
{
	uint32_t sunk[VM_SUNK_MAX], n, i, ref;
	n = vm_trace_sunk_objects(v, exit, sunk, VM_SUNK_MAX);
	if (n > VM_SUNK_MAX)
		return false;
	for (i = 0; i < n; i++) {
		if (!agree(v, log, sunk[i], found))
			return false;
		for (ref = sunk[i] + 1; ref < snap_ref(v, exit); ref++)
			if (class_of(v, ref) == VM_IR_NEWREF &&
			    op1_of(v, ref) == sunk[i] &&
			    !agree(v, log, ref, found))
				return false;
	}
	return n > 0;
}

bool vm_traces_exit_line(struct vm_traces *t, const struct vm_layout *y,
			 uintptr_t trace, uint32_t number, uintptr_t at,
			 struct vm_trace_line *found)
{
	struct trace_view v;
	const struct vm_trace_log *log;
	uint32_t ref;
	bool ok;
	memset(found, 0, sizeof *found);
	view_trace(&v, y, trace);
	log = vm_trace_log_of(&t->logs, &v, trace, number);
	if (!log)
		return false;
	ref = ref_at(&v, at);
	if (ref)
		ok = agree(&v, log, ref, found);
	else
		ok = line_of_snapshot(&v, log, exit_of(&v, at), found);
	/* Narrow VMs have gone on to another frame, who knows which. */
	if (!ref && !y->gc64 && restored_before(&v, exit_of(&v, at), 0))
		memset(&found->callers, 0, sizeof found->callers);
	if (returns_below(&v))
		memset(&found->callers, 0, sizeof found->callers);
	return ok;
}
