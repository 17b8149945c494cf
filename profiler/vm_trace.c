/*
 * vm_trace.c - the source line of an allocation inside compiled code.
 */
#include "vm_trace.h"

#include <stdlib.h>
#include <string.h>

#include "vm_frame.h"

/* IR references are biased; the first instruction follows the bias. */
#define REF_BIAS  0x8000u
#define REF_FIRST (REF_BIAS + 1)

/* Register marks of instructions that were sunk: no code was made. */
#define REG_SUNK 253
#define REG_SINK 254

/* call rel32 */
#define CALL_OPCODE 0xe8
#define CALL_SIZE   5

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

/* A stretch between two snapshots: its code and its IR. */
struct stretch {
	uint32_t code_from, code_to;
	uint32_t ref_from, ref_to;
};

/* ---- the trace's parts */

static uint16_t u16_at(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static uint8_t op_of(const struct trace_view *v, uint32_t ref)
{
	return v->ir[(size_t)ref * 8 + 5];
}

static uint32_t snap_ref(const struct trace_view *v, uint32_t i)
{
	return u16_at(v->snap + (size_t)i * VM_SNAP_SIZE + VM_SNAP_REF);
}

static uint32_t snap_code(const struct trace_view *v, uint32_t i)
{
	return u16_at(v->snap + (size_t)i * VM_SNAP_SIZE + VM_SNAP_MCOFS);
}

/* The PC that the snapshot resumes at. */
static uintptr_t snap_pc(const struct trace_view *v, uint32_t i)
{
	const uint8_t *s = v->snap + (size_t)i * VM_SNAP_SIZE;
	const uint32_t *end;
	uint32_t map;
	uint64_t link;
	memcpy(&map, s, sizeof map);
	end = v->snapmap + map + s[VM_SNAP_NENT];
	if (!v->y->gc64)
		return *end;
	memcpy(&link, end, sizeof link);
	return link >> 8;
}

static void view_trace(struct trace_view *v, const struct vm_layout *y,
		       uintptr_t trace)
{
	uint32_t ref;
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
	for (ref = REF_FIRST; ref < v->nins; ref++)
		if (op_of(v, ref) == y->ir_loop)
			v->loop = ref;
}

static void get_stretch(const struct trace_view *v, uint32_t i,
			struct stretch *s)
{
	bool last = i + 1 == v->nsnap;
	s->code_from = snap_code(v, i);
	s->code_to = last ? v->code_size : snap_code(v, i + 1);
	s->ref_from = snap_ref(v, i);
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

/* What kind of call an instruction may make: its family; 0 for none. */
static uint32_t class_of(const struct trace_view *v, uint32_t ref)
{
	const uint8_t *ir = v->ir + (size_t)ref * 8;
	uint32_t family = v->y->ir_family[ir[5]];
	return family == VM_IR_TOSTR ? family | (uint32_t)u16_at(ir + 2) << 8
				     : family;
}

static bool is_sunk(const struct trace_view *v, uint32_t ref)
{
	uint8_t reg = v->ir[(size_t)ref * 8 + 6];
	return reg == REG_SUNK || reg == REG_SINK;
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

static void narrow(struct vm_helper *h, const struct trace_view *v,
		   const struct stretch *s, uint32_t calls)
{
	uint32_t i, kept = 0;
	for (i = 0; i < h->count; i++)
		if (count_class(v, s, h->classes[i]) >= calls)
			h->classes[kept++] = h->classes[i];
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
			narrow(h, v, &s, calls);
			continue;
		}
		if (t->helper_count >= VM_HELPERS / 2)
			return;
		h->target = target;
		first_classes(h, v, &s, calls);
		t->helper_count += h->target != 0;
	}
}

/* ---- the log */

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
	uint32_t i;
	for (i = 0; i < t->log_count; i++)
		free(t->logs[i].steps);
	free(t->logs);
	memset(t, 0, sizeof *t);
}

static struct vm_trace_log *log_of(struct vm_traces *t, uint32_t number)
{
	struct vm_trace_log *logs;
	uint32_t count = number + 64;
	if (number < t->log_count)
		return &t->logs[number];
	if (number > 65535)
		return NULL;
	logs = realloc(t->logs, count * sizeof *logs);
	if (!logs)
		return NULL;
	memset(logs + t->log_count, 0, (count - t->log_count) * sizeof *logs);
	t->logs = logs;
	t->log_count = count;
	return &logs[number];
}

static void add_step(struct vm_traces *t, uint32_t number, uint32_t ir,
		     uintptr_t startpt, uintptr_t startpc, uintptr_t proto,
		     uint32_t pos)
{
	struct vm_trace_log *log = log_of(t, number);
	struct vm_trace_step *step;
	if (!log)
		return;
	/* References only grow: this is a new recording of that number. */
	if (log->count && ir < log->steps[log->count - 1].ir)
		log->count = 0;
	if (!log->count) {
		log->startpt = startpt;
		log->startpc = startpc;
	}
	if (log->count == log->room) {
		uint32_t room = log->room ? 2 * log->room : 64;
		step = realloc(log->steps, room * sizeof *step);
		if (!step) {
			log->count = 0;
			return;
		}
		log->steps = step;
		log->room = room;
	}
	step = &log->steps[log->count++];
	step->ir = ir;
	step->proto = proto;
	step->pos = pos;
}

void vm_traces_record(struct vm_traces *t, const struct vm_layout *y,
		      uintptr_t global, lua_State *L)
{
	uint32_t number = (uint32_t)lua_tointeger(L, 1);
	uintptr_t function = (uintptr_t)lua_topointer(L, 2), proto = 0;
	uintptr_t cur = global + (unsigned)y->g_cur;
	int pos = (int)lua_tointeger(L, 3);
	if (pos >= 0 && function &&
	    !*(const uint8_t *)(function + (unsigned)y->fn_ffid))
		proto = vm_ref(y->gc64, function + (unsigned)y->fn_pc) -
			(unsigned)y->pt_size;
	add_step(t, number, vm_u32(cur + (unsigned)y->trace_nins),
		 vm_ref(y->gc64, cur + (unsigned)y->trace_startpt),
		 vm_ref(y->gc64, cur + (unsigned)y->trace_startpc), proto,
		 (uint32_t)pos);
}

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

/* So far may a snapshot's instruction be from its IR reference's, in steps. */
#define SNAPSHOT_REACH 6

/* IR that the last instruction of a recording may make. */
#define LAST_STEP_IR_MAX 64

/* Is the PC that of the step, or of the instruction after it? */
static bool step_is_at(const struct vm_trace_log *log,
		       const struct vm_layout *y, int64_t i, uintptr_t pc)
{
	uintptr_t at;
	if (i < 0 || i >= log->count || !log->steps[i].proto)
		return false;
	at = log->steps[i].proto + (unsigned)y->pt_size +
	     4 * (uintptr_t)log->steps[i].pos;
	return pc == at || pc == at + 4;
}

/*
 * The log is the one of this trace's recording: it starts where the trace
 * starts, ends where its loop begins or the trace ends, and its snapshots
 * resume where the log was at their IR reference (but for those whose PC a
 * comparison has moved to its other branch).
 */
static bool log_fits(const struct vm_trace_log *log, const struct trace_view *v,
		     uintptr_t trace)
{
	const struct vm_layout *y = v->y;
	uint32_t i, in = 0, out = 0, end = v->loop ? v->loop : v->nins;
	if (!log->count || log->steps[log->count - 1].ir > end ||
	    end - log->steps[log->count - 1].ir > LAST_STEP_IR_MAX ||
	    log->startpt !=
		    vm_ref(y->gc64, trace + (unsigned)y->trace_startpt) ||
	    log->startpc != vm_ref(y->gc64, trace + (unsigned)y->trace_startpc))
		return false;
	for (i = 0; i < v->nsnap; i++) {
		uint32_t ref = snap_ref(v, i);
		uintptr_t pc = snap_pc(v, i);
		int64_t step, reach;
		if (v->loop && ref >= v->loop)
			break;
		step = step_at(log, ref);
		for (reach = -SNAPSHOT_REACH; reach <= SNAPSHOT_REACH; reach++)
			if (step_is_at(log, y, step + reach, pc))
				break;
		if (reach <= SNAPSHOT_REACH)
			in++;
		else
			out++;
	}
	return in && in >= out;
}

/* ---- from call to line */

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

/* The line an IR instruction was recorded from. */
static bool line_of_ref(const struct trace_view *v,
			const struct vm_trace_log *log, uint32_t ref,
			uintptr_t *proto, uint32_t *line)
{
	const struct vm_layout *y = v->y;
	int64_t i;
	ref = recorded_of(v, ref);
	if (!ref)
		return false;
	i = step_at(log, ref);
	/* A built-in belongs to the instruction that called it. */
	while (i >= 0 && !log->steps[i].proto)
		i--;
	if (i < 0 || log->steps[i].pos >= vm_u32(log->steps[i].proto +
						 (unsigned)y->pt_sizebc))
		return false;
	*proto = log->steps[i].proto;
	*line = vm_line(y, *proto, log->steps[i].pos);
	return true;
}

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

/*
 * The line of the instructions that may have called the helper (NULL: nothing
 * is known of it): of the nth one, or of all if they agree when nth is -1.
 */
static bool line_of_members(const struct trace_view *v,
			    const struct vm_trace_log *log,
			    const struct stretch *s, const struct vm_helper *h,
			    int64_t nth, uintptr_t *proto, uint32_t *line)
{
	uint32_t ref;
	int64_t n = 0;
	bool any = false;
	for (ref = s->ref_from; ref < s->ref_to; ref++) {
		uintptr_t one_proto;
		uint32_t one_line;
		if (!may_be(h, class_of(v, ref)) || is_sunk(v, ref))
			continue;
		if (nth >= 0 && n++ != nth)
			continue;
		if (!line_of_ref(v, log, ref, &one_proto, &one_line))
			return false;
		if (any && (one_proto != *proto || one_line != *line))
			return false;
		*proto = one_proto;
		*line = one_line;
		any = true;
	}
	return any;
}

bool vm_traces_line(struct vm_traces *t, const struct vm_layout *y,
		    uintptr_t trace, uint32_t number, uintptr_t return_address,
		    uintptr_t *proto, uint32_t *line)
{
	struct trace_view v;
	struct stretch s;
	const struct vm_helper *h;
	uint32_t offset, ref, calls, nth, members = 0;
	uintptr_t target;
	view_trace(&v, y, trace);
	offset = (uint32_t)(return_address - (uintptr_t)v.code) - CALL_SIZE;
	if (return_address - (uintptr_t)v.code > v.code_size ||
	    return_address - (uintptr_t)v.code < CALL_SIZE ||
	    number >= t->log_count || !log_fits(&t->logs[number], &v, trace) ||
	    !find_stretch(&v, offset, &s))
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
		return line_of_members(&v, &t->logs[number], &s, h, nth, proto,
				       line);
	return line_of_members(&v, &t->logs[number], &s, h, -1, proto, line);
}
