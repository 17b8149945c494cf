/*
 * vm_trace_log.c - which bytecode each IR instruction of a trace is from.
 */
#include "vm_trace_log.h"

#include <stdlib.h>
#include <string.h>

#include "vm_trace_view.h"

void vm_trace_logs_free(struct vm_trace_logs *logs)
{
	uint32_t i;
	for (i = 0; i < logs->count; i++)
		free(logs->logs[i].steps);
	free(logs->logs);
	memset(logs, 0, sizeof *logs);
}

static struct vm_trace_log *make_log(struct vm_trace_logs *t, uint32_t number)
{
	struct vm_trace_log *logs;
	uint32_t count = number + 64;
	if (number < t->count)
		return &t->logs[number];
	if (number > 65535)
		return NULL;
	logs = realloc(t->logs, count * sizeof *logs);
	if (!logs)
		return NULL;
	memset(logs + t->count, 0, (count - t->count) * sizeof *logs);
	t->logs = logs;
	t->count = count;
	return &logs[number];
}

static bool add_step(struct vm_trace_log *log, const struct trace_view *v,
		     uint32_t ir, const struct vm_trace_at *at)
{
	struct vm_trace_step *step;
	if (log->count == log->room) {
		uint32_t room = log->room ? 2 * log->room : 64;
		step = realloc(log->steps, room * sizeof *step);
		if (!step) {
			log->count = 0;
			return false;
		}
		log->steps = step;
		log->room = room;
	}
	step = &log->steps[log->count++];
	step->ir = (uint16_t)ir;
	step->last_op = op_of(v, ir - 1);
	step->last_ops = u32_at(ir_at(v, ir - 1));
	step->proto = at->proto;
	step->pos = at->pos;
	step->depth = at->depth;
	step->ffid = at->ffid;
	return true;
}

/* ---- from IR to bytecode */

/* The last step that began at or before the reference; -1 none. */
static int64_t step_at(const struct vm_trace_log *log, uint32_t ref)
{
	uint32_t low = 0, high = log->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (log->steps[middle].ir <= ref)
			low = middle + 1;
		else
			high = middle;
	}
	return (int64_t)low - 1;
}

/* The recorded instruction that a copy behind the loop mark was made of. */
static uint32_t recorded_of(const struct trace_view *v, uint32_t ref)
{
	uint32_t class = class_of(v, ref), i, nth = 0, copies = 0, n = 0;
	uint32_t found = 0;
	if (!v->loop || ref < v->loop)
		return ref;
	for (i = v->loop + 1; i < v->nins; i++)
		if (class_of(v, i) == class) {
			nth += i < ref;
			copies++;
		}
	for (i = REF_FIRST; i < v->loop; i++)
		if (class_of(v, i) == class && n++ == nth)
			found = i;
	return n == copies ? found : 0;
}

/*
 * A return makes nothing itself: what was recorded with it goes on with an
 * instruction that had called a metamethod, such as the rest of a long "..".
 */
static bool is_return(const struct vm_layout *y,
		      const struct vm_trace_step *step)
{
	uintptr_t code = step->proto + (unsigned)y->pt_size;
	if (step->pos >= vm_u32(step->proto + (unsigned)y->pt_sizebc))
		return false;
	return (uint8_t)(vm_u32(code + 4 * (uintptr_t)step->pos) -
			 (y->bc_ret0 - 2u)) < 4;
}

const struct vm_trace_step *vm_trace_log_step(const struct vm_trace_log *log,
					      const struct trace_view *v,
					      uint32_t ref)
{
	int64_t i;
	ref = recorded_of(v, ref);
	if (!ref)
		return NULL;
	i = step_at(log, ref);
	/* A built-in belongs to the instruction that called it. */
	while (i >= 0 && !log->steps[i].proto)
		i--;
	if (i < 0 || log->steps[i].proto == VM_STEP_UNKNOWN ||
	    is_return(v->y, &log->steps[i]))
		return NULL;
	return &log->steps[i];
}

/* ---- whose log */

/* IR that the last instruction of a recording may make. */
#define LAST_STEP_IR_MAX 512

/*
 * The IR is the one that was recorded, at every step. The optimizer leaves out
 * some instructions and changes the flags of loads from slots.
 */
static bool same_ir(const struct vm_trace_log *log, const struct trace_view *v)
{
	uint32_t i, same = 0;
	for (i = 0; i < log->count; i++) {
		const struct vm_trace_step *step = &log->steps[i];
		uint32_t ref = step->ir - 1u;
		uint8_t op = op_of(v, ref);
		if (op == v->y->ir_nop)
			continue;
		if (op != step->last_op ||
		    (u32_at(ir_at(v, ref)) != step->last_ops &&
		     op != v->y->ir_sload))
			return false;
		same++;
	}
	return same > 0;
}

/* A side trace can be ended before its first step: no log is its own. */
static bool has_steps(const struct vm_trace_log *log,
		      const struct trace_view *v)
{
	uint32_t i;
	for (i = 0; i < v->nsnap; i++)
		if (snap_pc(v, i) != log->startpc)
			return true;
	return false;
}

/*
 * The log is the one of this trace's recording: it starts where the trace
 * starts, ends where its loop begins or the trace ends, and was made of the
 * same IR.
 */
static bool log_fits(const struct vm_trace_log *log, const struct trace_view *v,
		     uintptr_t trace)
{
	const struct vm_layout *y = v->y;
	uint32_t end = v->loop ? v->loop : v->nins;
	return log->count && log->steps[log->count - 1].ir <= end &&
	       end - log->steps[log->count - 1].ir <= LAST_STEP_IR_MAX &&
	       log->startpt ==
		       vm_ref(y->gc64, trace + (unsigned)y->trace_startpt) &&
	       log->startpc ==
		       vm_ref(y->gc64, trace + (unsigned)y->trace_startpc) &&
	       (!log->parent || has_steps(log, v)) && same_ir(log, v);
}

const struct vm_trace_log *vm_trace_log_of(const struct vm_trace_logs *t,
					   const struct trace_view *v,
					   uintptr_t trace, uint32_t number)
{
	if (number >= t->count || !log_fits(&t->logs[number], v, trace))
		return NULL;
	return &t->logs[number];
}

/* ---- what a side trace makes anew */

/* Makes an object that may be sunk. */
static bool makes_object(const struct trace_view *v, uint32_t ref)
{
	uint32_t class = class_of(v, ref);
	return class == VM_IR_TNEW || class == VM_IR_TDUP ||
	       class == VM_IR_CNEW;
}

/* Do two instructions of two traces make the same kind of object? */
static bool same_object(const struct trace_view *v, uint32_t ref,
			const struct trace_view *p, uint32_t parent_ref)
{
	uint32_t a = op1_of(v, ref), b = op1_of(p, parent_ref);
	if (op_of(v, ref) != op_of(p, parent_ref))
		return false;
	switch (class_of(v, ref)) {
	case VM_IR_TNEW: /* sizes of both parts */
		return a == b && op2_of(v, ref) == op2_of(p, parent_ref);
	case VM_IR_TDUP: /* the template */
		return a < REF_BIAS && b < REF_BIAS &&
		       constant_object(v, a) == constant_object(p, b);
	default: /* the C type's number */
		return a < REF_BIAS && b < REF_BIAS &&
		       u32_at(ir_at(v, a)) == u32_at(ir_at(p, b));
	}
}

uint32_t vm_trace_sunk_objects(const struct trace_view *p, uint32_t exit,
			       uint32_t *refs, uint32_t max)
{
	uint32_t slots, i, j, n = 0;
	const uint32_t *slot = snap_slots(p, exit, &slots);
	for (i = 0; i < slots; i++) {
		uint32_t ref = slot[i] & 0xffff;
		if (ref < REF_FIRST || reg_of(p, ref) != REG_SUNK)
			continue;
		for (j = 0; j < n; j++)
			if (refs[j] == ref)
				break;
		if (j < n)
			continue;
		if (n == max)
			return max + 1;
		refs[n++] = ref;
	}
	return n;
}

/* A parent's object, for which its side trace makes a new one. */
struct sunk_object {
	const struct trace_view *p;
	const struct vm_trace_log *log;
	uint32_t exit, ref;
};

/* The n-th step that puts a new key into the object; NULL unknown. */
static const struct vm_trace_step *key_step(const struct sunk_object *o,
					    uint32_t nth, uint32_t of)
{
	uint32_t ref, n = 0, found = 0;
	for (ref = o->ref + 1; ref < snap_ref(o->p, o->exit); ref++)
		if (class_of(o->p, ref) == VM_IR_NEWREF &&
		    op1_of(o->p, ref) == o->ref && n++ == nth)
			found = ref;
	return n == of ? vm_trace_log_step(o->log, o->p, found) : NULL;
}

static bool add_found(struct vm_trace_log *log, const struct trace_view *v,
		      uint32_t ref, const struct vm_trace_step *step)
{
	struct vm_trace_at at = {.proto = VM_STEP_UNKNOWN,
				 .depth = VM_DEPTH_UNKNOWN};
	if (step) {
		at.proto = step->proto;
		at.pos = step->pos;
	}
	return add_step(log, v, ref, &at);
}

/* Adds the steps of one object, from its reference to that of the next. */
static bool add_object(struct vm_trace_log *log, const struct trace_view *v,
		       uint32_t from, uint32_t to, const struct sunk_object *o)
{
	uint32_t ref, keys = 0, nth = 0;
	if (!add_found(log, v, from, vm_trace_log_step(o->log, o->p, o->ref)))
		return false;
	for (ref = from + 1; ref < to; ref++)
		keys += class_of(v, ref) == VM_IR_NEWREF;
	for (ref = from + 1; ref < to; ref++) {
		uint32_t class = class_of(v, ref);
		if (class == VM_IR_NEWREF &&
		    !add_found(log, v, ref, key_step(o, nth++, keys)))
			return false;
		if (class && class != VM_IR_NEWREF &&
		    !add_found(log, v, ref, NULL))
			return false;
	}
	return true;
}

/* The recording of a side trace has begun: v is what it has so far. */
static void add_sunk(struct vm_trace_logs *t, struct vm_trace_log *log,
		     const struct trace_view *v, uint32_t parent_number)
{
	struct trace_view p;
	struct sunk_object object = {.p = &p, .exit = log->exit};
	uint32_t sunk[VM_SUNK_MAX], made[VM_SUNK_MAX + 1], n = 0, ref, i;
	for (ref = REF_FIRST; ref < v->nins; ref++)
		if (makes_object(v, ref)) {
			if (n == VM_SUNK_MAX)
				return;
			made[n++] = ref;
		}
	if (!n)
		return;
	made[n] = v->nins;
	view_trace(&p, v->y, log->parent);
	object.log = vm_trace_log_of(t, &p, log->parent, parent_number);
	if (!object.log || object.log == log || log->exit >= p.nsnap ||
	    snap_pc(&p, log->exit) != log->startpc ||
	    vm_trace_sunk_objects(&p, log->exit, sunk, VM_SUNK_MAX) != n)
		return;
	for (i = 0; i < n; i++)
		if (!same_object(v, made[i], &p, sunk[i]))
			return;
	for (i = 0; i < n; i++) {
		object.ref = sunk[i];
		if (!add_object(log, v, made[i], made[i + 1], &object))
			return;
	}
}

/* ---- recording */

/* The trace that is left to record a side trace from it, 0 none. */
static uintptr_t parent_trace(const struct vm_layout *y, uintptr_t global,
			      uint32_t *number)
{
	*number = y->g_parent ? vm_u32(global + (unsigned)y->g_parent) : 0;
	if (!*number)
		return 0;
	return vm_ref(y->gc64, vm_u64(global + (unsigned)y->g_trace) +
				       (y->gc64 ? 8 : 4) * (uintptr_t)*number);
}

/* What is recorded just now, as far as it is. */
static void view_recording(struct trace_view *v, const struct vm_layout *y,
			   uintptr_t cur)
{
	memset(v, 0, sizeof *v);
	v->y = y;
	v->ir = (const uint8_t *)vm_u64(cur + (unsigned)y->trace_ir);
	v->nins = vm_u32(cur + (unsigned)y->trace_nins);
}

/* Empties the log, but for what is made before the first step. */
static void begin_log(struct vm_trace_logs *t, struct vm_trace_log *log,
		      const struct vm_trace_log *start,
		      const struct trace_view *v, uint32_t parent_number)
{
	log->startpt = start->startpt;
	log->startpc = start->startpc;
	log->parent = start->parent;
	log->exit = start->exit;
	log->count = 0;
	log->stepped = false;
	memset(&log->inherited, 0, sizeof log->inherited);
	if (log->parent)
		add_sunk(t, log, v, parent_number);
}

/* Where the recording that goes on began; returns its parent's number. */
static uint32_t read_start(struct vm_trace_log *start,
			   const struct vm_layout *y, uintptr_t global)
{
	uintptr_t cur = global + (unsigned)y->g_cur;
	uint32_t parent_number;
	memset(start, 0, sizeof *start);
	start->startpt = vm_ref(y->gc64, cur + (unsigned)y->trace_startpt);
	start->startpc = vm_ref(y->gc64, cur + (unsigned)y->trace_startpc);
	start->parent = parent_trace(y, global, &parent_number);
	if (start->parent)
		start->exit = vm_u32(global + (unsigned)y->g_parent + 4);
	return parent_number;
}

/* The first step of a side trace: what its parent had inlined there. */
static void inherit(struct vm_trace_logs *t, struct vm_trace_log *log,
		    const struct vm_layout *y, uint32_t parent_number,
		    const struct vm_trace_at *at)
{
	const struct vm_trace_log *parent;
	struct trace_view p;
	log->stepped = true;
	if (!log->parent || !at->depth)
		return;
	view_trace(&p, y, log->parent);
	parent = vm_trace_log_of(t, &p, log->parent, parent_number);
	if (parent && parent != log && log->exit < p.nsnap &&
	    snap_pc(&p, log->exit) == log->startpc)
		vm_inlined_at_exit(parent, &p, log->exit, at->proto, at->depth,
				   &log->inherited);
}

void vm_trace_logs_record(struct vm_trace_logs *t, const struct vm_layout *y,
			  uintptr_t global, uint32_t number,
			  const struct vm_trace_at *at)
{
	struct vm_trace_log *log = make_log(t, number), now;
	uintptr_t cur = global + (unsigned)y->g_cur;
	struct trace_view v;
	uint32_t parent_number;
	bool early = *(const uint16_t *)(cur + (unsigned)y->trace_nsnap) <= 1;
	if (!log)
		return;
	view_recording(&v, y, cur);
	parent_number = read_start(&now, y, global);
	if (!log->count || v.nins < log->steps[log->count - 1].ir ||
	    log->startpt != now.startpt || log->startpc != now.startpc ||
	    (early && (log->parent != now.parent || log->exit != now.exit))) {
		/*
		 * The number is used again: in one recording references only
		 * grow. Handlers that run compiled code make old VMs forget
		 * the parent.
		 */
		begin_log(t, log, &now, &v, parent_number);
	}
	if (!log->stepped)
		inherit(t, log, y, parent_number, at);
	add_step(log, &v, v.nins, at);
}
