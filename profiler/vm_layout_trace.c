/*
 * vm_layout_trace.c - the layout of traces: their table, and all that the
 * line inside compiled code needs.
 */
#include <stdio.h>
#include <string.h>

#include "vm_frame.h"
#include "vm_layout_search.h"

/* The trace with the number of the i-th known function, from J->trace. */
static uint64_t trace_of(const struct search *s, int offset, int i)
{
	uint8_t word[8], entry[8], head[16];
	uint64_t trace;
	if (peek_memory(s->probe.global + offset, word, 8) != 8)
		return 0;
	if (peek_memory((void *)(peek_u64(word) +
				 (uint64_t)s->ref *
					 (unsigned)s->probe.functions[i].trace),
			entry, (size_t)s->ref) != (size_t)s->ref)
		return 0;
	trace = peek_ref(s->y.gc64, entry);
	if (trace < 65536 || (trace & 3) || trace >> 47 ||
	    peek_memory((void *)trace, head, 16) != 16 ||
	    head[s->y.gc64 ? 9 : 5] != VM_GCT_TRACE)
		return 0;
	return trace;
}

static bool trace_refers(const struct search *s, uint64_t trace, int at, int i,
			 bool to_proto)
{
	uint8_t word[8];
	uint64_t proto = layout_proto(s, s->y.fn_pc, s->y.pt_size,
				      &s->probe.functions[i]);
	uint64_t start = proto + (unsigned)s->y.pt_size, to;
	if (peek_memory((void *)(trace + (unsigned)at), word, 8) != 8)
		return false;
	to = peek_ref(s->y.gc64, word);
	if (to_proto)
		return to == proto;
	return to >= start &&
	       to < start + 4 * (uint64_t)s->probe.functions[i].instructions;
}

static bool fits_startpt(const struct search *s, int offset)
{
	return trace_refers(s, trace_of(s, s->y.g_trace, 1), offset, 1, true) &&
	       trace_refers(s, trace_of(s, s->y.g_trace, 2), offset, 2, true);
}

static bool fits_startpc(const struct search *s, int offset)
{
	return trace_refers(s, trace_of(s, s->y.g_trace, 1), offset, 1,
			    false) &&
	       trace_refers(s, trace_of(s, s->y.g_trace, 2), offset, 2, false);
}

static bool fits_trace(const struct search *s, int offset)
{
	int i, at;
	for (i = 1; i <= 2; i++) {
		uint64_t trace = trace_of(s, offset, i);
		if (!trace)
			return false;
		for (at = 16; at < 128; at += s->ref)
			if (trace_refers(s, trace, at, i, true))
				break;
		if (at >= 128)
			return false;
	}
	return true;
}

/* The trace table is in jit_State, some way behind global_State. */
#define JIT_STATE_REACH 16384

bool layout_measure_trace(struct search *s)
{
	struct vm_layout *y = &s->y;
	if (!y->has_jit)
		return true;
	return layout_find(s, "the trace table", 0, JIT_STATE_REACH, 8,
			   fits_trace, &y->g_trace) &&
	       layout_find(s, "the trace's prototype", 16, 128, s->ref,
			   fits_startpt, &y->trace_startpt) &&
	       layout_find(s, "the trace's start", 16, 128, s->ref,
			   fits_startpc, &y->trace_startpc);
}

/* J->parent, and the number of the exit behind it, while a trace is left. */
static bool fits_parent(const struct search *s, int offset)
{
	int i;
	for (i = 0; i < 2; i++) {
		const uint8_t *at = s->probe.exit_states[i] + offset;
		if ((int)peek_u32(at) != s->probe.functions[3 + i].trace ||
		    peek_u32(at + 4) > 64)
			return false;
	}
	return true;
}

/* Without it, what is allocated when a trace is left is INTERNAL. */
void layout_measure_exit(struct search *s)
{
	struct vm_layout *y = &s->y;
	char error[160], *kept = s->error;
	int i;
	for (i = 0; i < 2; i++) {
		const struct probe_photo *p = layout_photo(s, PROBE_EXIT + i);
		if (!p->taken || !s->probe.functions[3 + i].trace ||
		    (int32_t)peek_u32(p->global + y->g_vmstate) !=
			    y->state_gc - 1)
			return;
	}
	s->error = error;
	if (!layout_find(s, "J->parent", 0, PROBE_JIT_SIZE - 8, 4, fits_parent,
			 &y->g_parent))
		y->g_parent = 0;
	s->error = kept;
}

/* ---- what the line inside compiled code needs */

/* Both known traces, from a test of one. */
static bool both(const struct search *s, int offset,
		 bool (*fits)(const struct search *s, const uint8_t *trace,
			      int offset, const struct probe_trace *t))
{
	uint8_t trace[160];
	int i;
	for (i = 1; i <= 2; i++) {
		uint64_t at = trace_of(s, s->y.g_trace, i);
		if (peek_memory((void *)at, trace, sizeof trace) !=
			    sizeof trace ||
		    !s->probe.traces[i].known ||
		    !fits(s, trace, offset, &s->probe.traces[i]))
			return false;
	}
	return true;
}

static bool is_mcode(const struct search *s, const uint8_t *trace, int offset,
		     const struct probe_trace *t)
{
	(void)s;
	return peek_u64(trace + offset) == t->mcode;
}

static bool fits_mcode(const struct search *s, int offset)
{
	return both(s, offset, is_mcode);
}

static bool is_szmcode(const struct search *s, const uint8_t *trace, int offset,
		       const struct probe_trace *t)
{
	(void)s;
	return peek_u32(trace + offset) == t->szmcode;
}

static bool fits_szmcode(const struct search *s, int offset)
{
	return both(s, offset, is_szmcode);
}

static bool is_nsnap(const struct search *s, const uint8_t *trace, int offset,
		     const struct probe_trace *t)
{
	(void)s;
	return (peek_u32(trace + offset) & 0xffff) == t->nsnap;
}

static bool fits_nsnap(const struct search *s, int offset)
{
	return both(s, offset, is_nsnap);
}

/* References are biased by 0x8000, and the one that comes next counts. */
static bool is_nins(const struct search *s, const uint8_t *trace, int offset,
		    const struct probe_trace *t)
{
	(void)s;
	return peek_u32(trace + offset) == 0x8000 + t->nins + 1;
}

static bool fits_nins(const struct search *s, int offset)
{
	return both(s, offset, is_nins);
}

/* The IR: every instruction has the type and opcode that jit.util tells. */
static bool is_ir(const struct search *s, const uint8_t *trace, int offset,
		  const struct probe_trace *t)
{
	uint8_t ir[8 * PROBE_IR_MAX];
	uint64_t first = peek_u64(trace + offset) + 8 * 0x8001;
	uint32_t i;
	(void)s;
	if (first >> 47 ||
	    peek_memory((void *)first, ir, 8 * t->nins) != 8 * t->nins)
		return false;
	for (i = 0; i < t->nins; i++)
		if ((peek_u32(ir + 8 * i + 4) & 0xffff) != t->types[i])
			return false;
	return true;
}

static bool fits_ir(const struct search *s, int offset)
{
	return both(s, offset, is_ir);
}

static size_t read_snapshots(const uint8_t *trace, int offset,
			     const struct probe_trace *t, uint8_t *out)
{
	return peek_memory((void *)peek_u64(trace + offset), out,
			   VM_SNAP_SIZE * t->nsnap);
}

/* Snapshots: references, sizes; places in the code that only go up. */
static bool is_snap(const struct search *s, const uint8_t *trace, int offset,
		    const struct probe_trace *t)
{
	uint8_t snaps[VM_SNAP_SIZE * PROBE_SNAP_MAX];
	uint32_t i, code = 0;
	(void)s;
	if (read_snapshots(trace, offset, t, snaps) != VM_SNAP_SIZE * t->nsnap)
		return false;
	for (i = 0; i < t->nsnap; i++) {
		const uint8_t *snap = snaps + VM_SNAP_SIZE * i;
		uint32_t at = peek_u32(snap + VM_SNAP_MCOFS) & 0xffff;
		if ((peek_u32(snap + VM_SNAP_REF) & 0xffff) !=
			    0x8000 + t->snap_ref[i] ||
		    snap[VM_SNAP_NENT] != t->snap_nent[i] || at < code ||
		    at > t->szmcode)
			return false;
		code = at;
	}
	/* Builds without places in the code have something else there. */
	return t->nsnap > 1 && code > 0;
}

static bool fits_snap(const struct search *s, int offset)
{
	return both(s, offset, is_snap);
}

/* The snapshots' map: behind the first one's slots is the trace's start. */
static bool is_snapmap(const struct search *s, const uint8_t *trace, int offset,
		       const struct probe_trace *t)
{
	uint64_t map = peek_u64(trace + offset), pc;
	uint64_t start = peek_ref(s->y.gc64, trace + s->y.trace_startpc);
	uint8_t snap[VM_SNAP_SIZE], link[8];
	uint32_t slot;
	if (peek_memory((void *)peek_u64(trace + s->y.trace_snap), snap,
			sizeof snap) != sizeof snap)
		return false;
	(void)t;
	slot = peek_u32(snap) + snap[VM_SNAP_NENT];
	if (map >> 47 ||
	    peek_memory((void *)(map + 4 * (uint64_t)slot), link, 8) != 8)
		return false;
	pc = s->y.gc64 ? peek_u64(link) >> 8 : peek_u32(link);
	/* Snapshot 0 resumes at or near where the trace starts. */
	return pc >= start - 512 && pc <= start + 512 && !(pc & 3);
}

static bool fits_snapmap(const struct search *s, int offset)
{
	return both(s, offset, is_snapmap);
}

/* The word below the C frame and the adjustment; 0 out of reach. */
static uint64_t return_address(const struct search *s, int scene, int i,
			       int offset, int distance)
{
	uint8_t trace[160];
	uint32_t adjust;
	int at;
	if (peek_memory((void *)trace_of(s, s->y.g_trace, i), trace,
			sizeof trace) != sizeof trace)
		return 0;
	adjust = peek_u32(trace + offset) & 0xffff;
	at = PROBE_BELOW_SIZE - distance - (int)adjust;
	if (at < 0 || (adjust & 7))
		return 0;
	return peek_u64(layout_photo(s, scene)->below + at);
}

static bool is_return(const struct search *s, int scene, int i, int offset,
		      int distance)
{
	const struct probe_trace *t = &s->probe.traces[i];
	uint64_t ra = return_address(s, scene, i, offset, distance);
	return ra > t->mcode && ra < t->mcode + t->szmcode;
}

/* The distance is what fits with an adjustment that differs. */
static bool fits_spadjust(const struct search *s, int offset)
{
	return is_return(s, PROBE_TRACE, 1, offset, s->y.return_offset) &&
	       is_return(s, PROBE_TRACE2, 2, offset, s->y.return_offset);
}

static bool measure_return(struct search *s)
{
	struct vm_layout found = s->y;
	int distance, n = 0;
	for (distance = 8; distance <= 128; distance += 8) {
		int32_t offset;
		s->y.return_offset = distance;
		if (!layout_find(s, "spadjust", 64, 128, 2, fits_spadjust,
				 &offset))
			continue;
		found.return_offset = distance;
		found.trace_spadjust = offset;
		n++;
	}
	s->y = found;
	return n == 1;
}

/* jit_State's trace while functions[1] was recorded, at both moments. */
static bool fits_cur(const struct search *s, int offset)
{
	const struct probe_function *f = &s->probe.functions[1];
	uintptr_t proto = layout_proto(s, s->y.fn_pc, s->y.pt_size, f);
	uint64_t code = proto + (unsigned)s->y.pt_size, pc;
	uint32_t nins, before = 0x8000;
	int i;
	for (i = 0; i < 2; i++) {
		const uint8_t *at = s->probe.jit_states[i] + offset;
		pc = peek_ref(s->y.gc64, at + s->y.trace_startpc);
		nins = peek_u32(at + s->y.trace_nins);
		if (peek_ref(s->y.gc64, at + s->y.trace_startpt) != proto ||
		    pc < code || pc >= code + 4 * (uint64_t)f->instructions ||
		    nins <= before || nins > 0xffff)
			return false;
		before = nins;
	}
	return true;
}

/* Opcodes by their names: "TNEW  " and so on, six characters each. */
static bool measure_opcodes(struct search *s)
{
	static const struct {
		const char *name;
		uint8_t family;
	} kinds[] = {
		{"TNEW  ", VM_IR_TNEW},	  {"TDUP  ", VM_IR_TDUP},
		{"CNEW  ", VM_IR_CNEW},	  {"CNEWI ", VM_IR_CNEW},
		{"SNEW  ", VM_IR_SNEW},	  {"XSNEW ", VM_IR_SNEW},
		{"NEWREF", VM_IR_NEWREF}, {"BUFSTR", VM_IR_BUFSTR},
		{"TOSTR ", VM_IR_TOSTR},  {"BUFPUT", VM_IR_OTHER},
		{"CALLN ", VM_IR_OTHER},  {"CALLA ", VM_IR_OTHER},
		{"CALLL ", VM_IR_OTHER},  {"CALLS ", VM_IR_OTHER},
		{"CALLXS", VM_IR_OTHER},
	};
	static const struct {
		const char *name;
		uint8_t role;
	} roles[] = {
		{"ASTORE", VM_IR_TABLE_STORE}, {"HSTORE", VM_IR_TABLE_STORE},
		{"FSTORE", VM_IR_OTHER_STORE}, {"XSTORE", VM_IR_OTHER_STORE},
		{"AREF  ", VM_IR_AREF},	       {"HREF  ", VM_IR_HREF},
		{"HREFK ", VM_IR_HREFK},       {"KGC   ", VM_IR_KGC},
		{"KINT  ", VM_IR_KINT},	       {"KNUM  ", VM_IR_KNUM},
		{"KINT64", VM_IR_KINT64},      {"KSLOT ", VM_IR_KSLOT},
		{"KPRI  ", VM_IR_KPRI},
	};
	size_t op, i, n = strlen(s->probe.irnames) / 6;
	struct {
		const char *name;
		uint8_t *opcode;
	} marks[] = {{"LOOP  ", &s->y.ir_loop},
		     {"NOP   ", &s->y.ir_nop},
		     {"SLOAD ", &s->y.ir_sload},
		     {"RETF  ", &s->y.ir_retf}};
	size_t found = 0;
	for (op = 0; op < n && op < 256; op++) {
		const char *name = s->probe.irnames + 6 * op;
		for (i = 0; i < sizeof marks / sizeof *marks; i++) {
			if (memcmp(name, marks[i].name, 6))
				continue;
			*marks[i].opcode = (uint8_t)op;
			found++;
		}
		for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
			if (!memcmp(name, kinds[i].name, 6))
				s->y.ir_family[op] = kinds[i].family;
		for (i = 0; i < sizeof roles / sizeof *roles; i++)
			if (!memcmp(name, roles[i].name, 6))
				s->y.ir_role[op] = roles[i].role;
	}
	return found == sizeof marks / sizeof *marks;
}

/* The bytecode that a known function ends in. */
static int last_bytecode(const struct search *s, int i)
{
	const struct probe_function *f = &s->probe.functions[i];
	uint64_t proto = layout_proto(s, s->y.fn_pc, s->y.pt_size, f);
	uint8_t word[4];
	if (!proto || f->instructions < 1 ||
	    peek_memory((void *)(proto + (unsigned)s->y.pt_size +
				 4 * (uint64_t)(f->instructions - 1)),
			word, sizeof word) != sizeof word)
		return -1;
	return word[0];
}

/* The returns stand together: RETM, RET, RET0, RET1. */
static bool measure_returns(struct search *s)
{
	int ret = last_bytecode(s, 0), ret0 = last_bytecode(s, 1);
	s->y.bc_ret0 = (uint8_t)ret0;
	return ret > 0 && ret0 == ret + 1 && ret0 == last_bytecode(s, 2);
}

/* ---- the trial: loops whose one allocating line is known */

static void watch_trace_trial(void *arg, struct probe *probe)
{
	struct search *s = arg;
	const struct vm_layout *y = &s->y;
	uintptr_t global = (uintptr_t)probe->global, trace, ra;
	struct vm_place place;
	struct vm_trace_line found;
	vm_place(y, y->gc64, global, &place);
	if (place.where != VM_TRACE)
		return;
	trace = vm_ref(y->gc64, vm_u64(global + (unsigned)y->g_trace) +
					(unsigned)s->ref * place.trace);
	ra = vm_return_address(y, y->gc64, global, trace);
	if (ra == s->last_call)
		return; /* the same line once more: it takes time only */
	s->last_call = ra;
	if (!vm_traces_line(&s->traces, y, trace, place.trace, ra, &found)) {
		s->inexact++;
		return;
	}
	s->exact++;
	if ((int)found.line != probe->watch_line)
		s->trial_wrong++;
}

void layout_log_trace(void *arg, struct probe *probe, lua_State *L)
{
	struct search *s = arg;
	vm_traces_record(&s->traces, &s->y, (uintptr_t)probe->global, L);
}

/* Of some hundred calls of compiled code. */
#define TRACE_TRIAL_EXACT_MIN 40

static bool hold_trace_trial(struct search *s)
{
	char error[160];
	vm_traces_init(&s->traces, NULL);
	s->trial_wrong = 0;
	return probe_trace_trial(&s->probe, watch_trace_trial, layout_log_trace,
				 s, error, sizeof error) &&
	       !s->trial_wrong && s->exact >= TRACE_TRIAL_EXACT_MIN;
}

/*
 * Nothing of this is needed to record: where a part is not found, events of
 * compiled code keep their trace.
 */
void layout_measure_trace_lines(struct search *s)
{
	struct vm_layout *y = &s->y;
	char error[160];
	char *kept = s->error;
	s->error = error;
	s->error_size = sizeof error;
	y->has_trace_lines =
		y->has_jit && s->probe.jit_state_count == 2 &&
		measure_opcodes(s) && measure_returns(s) &&
		layout_find(s, "mcode", 16, 136, 8, fits_mcode,
			    &y->trace_mcode) &&
		layout_find(s, "szmcode", 16, 140, 4, fits_szmcode,
			    &y->trace_szmcode) &&
		layout_find(s, "nsnap", 4, 24, 2, fits_nsnap,
			    &y->trace_nsnap) &&
		layout_find(s, "nins", 4, 32, 4, fits_nins, &y->trace_nins) &&
		layout_find(s, "ir", 8, 136, 8, fits_ir, &y->trace_ir) &&
		layout_find(s, "snap", 8, 136, 8, fits_snap, &y->trace_snap) &&
		layout_find(s, "snapmap", 8, 136, 8, fits_snapmap,
			    &y->trace_snapmap) &&
		measure_return(s) &&
		layout_find(s, "J->cur", 0, PROBE_JIT_SIZE - 160, 8, fits_cur,
			    &y->g_cur) &&
		hold_trace_trial(s);
	s->error = kept;
}
