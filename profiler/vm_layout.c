/*
 * vm_layout.c - the one place that fits every photograph.
 *
 * Each wanted offset has a test, fits_NAME(search, offset), that says whether
 * it is consistent with all scenes; find() accepts it only when it is the sole
 * one. The order of the list in measure_all() is the order of dependence.
 */
#define _GNU_SOURCE
#include "vm_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm_frame.h"
#include "vm_probe.h"

struct search {
	struct probe probe;
	struct vm_layout y;
	int ref;	 /* bytes of a reference */
	uintptr_t proto; /* of probe.functions[0] */
	int trial_steps, trial_wrong;
	char *error;
	size_t error_size;
};

typedef bool fits_fn(const struct search *s, int offset);

/* The only offset in [from, to) that fits; else says so and is false. */
static bool find(struct search *s, const char *name, int from, int to, int step,
		 fits_fn *fits, int32_t *out)
{
	int offset, found = 0;
	for (offset = from; offset < to; offset += step) {
		if (!fits(s, offset))
			continue;
		if (!found++)
			*out = offset;
	}
	if (found == 1)
		return true;
	snprintf(s->error, s->error_size, "%s has %d candidates", name, found);
	return false;
}

static const struct probe_photo *photo(const struct search *s, int scene)
{
	return &s->probe.photo[scene];
}

static uint64_t global_ref(const struct search *s, int scene, int offset)
{
	return probe_ref(s->y.gc64, photo(s, scene)->global + offset);
}

static int32_t global_i32(const struct search *s, int scene, int offset)
{
	return (int32_t)probe_u32(photo(s, scene)->global + offset);
}

/* ---- lua_State */

static bool fits_base(const struct search *s, int offset)
{
	static const int scenes[] = {PROBE_C, PROBE_C_COROUTINE,
				     PROBE_C_COROUTINE2};
	size_t i;
	for (i = 0; i < 3; i++) {
		const struct probe_photo *p = photo(s, scenes[i]);
		uint64_t base = probe_u64(p->state + offset);
		uint64_t top = probe_u64(p->state + offset + 8);
		if (base <= p->stack || base - p->stack >= p->stack_size ||
		    top - base != 8 * (uint64_t)p->arguments)
			return false;
	}
	return true;
}

static bool fits_stack(const struct search *s, int offset)
{
	int i;
	for (i = 0; i < PROBE_SCENES; i++)
		if (photo(s, i)->taken && photo(s, i)->stack_offset != offset)
			return false;
	return true;
}

/* ---- global_State */

/*
 * vmstate: alike in all C functions, one less in the collector, higher but
 * negative in Lua code, the trace's number on a trace.
 */
static bool fits_vmstate(const struct search *s, int offset)
{
	static const int in_c[] = {PROBE_C_COROUTINE, PROBE_C_COROUTINE2,
				   PROBE_C_ALLOC, PROBE_CALL, PROBE_CALL2};
	int32_t c = global_i32(s, PROBE_C, offset);
	int32_t lua = global_i32(s, PROBE_LUA, offset);
	int32_t builtin = global_i32(s, PROBE_BUILTIN, offset);
	size_t i;
	if (c >= 0 || c < -16)
		return false;
	for (i = 0; i < sizeof in_c / sizeof *in_c; i++)
		if (global_i32(s, in_c[i], offset) != c)
			return false;
	if (global_i32(s, PROBE_GC, offset) != c - 1 ||
	    global_i32(s, PROBE_LUA_COROUTINE, offset) != lua || lua >= 0 ||
	    lua <= c || builtin >= 0 || builtin <= c)
		return false;
	return !s->y.has_jit || global_i32(s, PROBE_TRACE, offset) ==
					s->probe.functions[1].trace;
}

/* cur_L or a twin of it: the running thread in every scene. */
static bool is_thread(const struct search *s, int offset)
{
	int i;
	for (i = 0; i < PROBE_SCENES; i++)
		if (photo(s, i)->taken &&
		    global_ref(s, i, offset) != (uintptr_t)photo(s, i)->L)
			return false;
	return true;
}

/* jit_base: zero but on a trace; there, the base of the compiled function. */
static bool is_jit_base(const struct search *s, int offset)
{
	const struct probe_photo *p = photo(s, PROBE_TRACE);
	uint64_t base = global_ref(s, PROBE_TRACE, offset);
	uint64_t at = base - p->stack, slot;
	int i;
	for (i = 0; i < PROBE_SCENES; i++)
		if (i != PROBE_TRACE && photo(s, i)->taken &&
		    global_ref(s, i, offset) != 0)
			return false;
	if ((base & 7) || base < p->stack + 16 || at >= p->stack_size)
		return false;
	slot = s->y.gc64 ? probe_u64(p->stack_bytes + at - 16) << 17 >> 17
			 : probe_u32(p->stack_bytes + at - 8);
	return slot == (uintptr_t)s->probe.functions[1].address;
}

/*
 * cur_L has a twin in some builds (the parser's or recorder's idea of the
 * thread): jit_base stands within two words after the right one.
 */
static bool fits_cur_L(const struct search *s, int offset)
{
	int i;
	if (!is_thread(s, offset))
		return false;
	if (!s->y.has_jit)
		return true;
	for (i = 1; i <= 2; i++)
		if (is_jit_base(s, offset + i * s->ref))
			return true;
	return false;
}

static bool fits_jit_base(const struct search *s, int offset)
{
	return offset > s->y.g_cur_L && offset <= s->y.g_cur_L + 2 * s->ref &&
	       is_jit_base(s, offset);
}

/* ---- the interpreter's C frame */

/* The copy of a scene's C frame that the state's offset points to. */
static const uint8_t *cframe_at(const struct search *s, int scene, int offset,
				uintptr_t *address)
{
	const struct probe_photo *p = photo(s, scene);
	int i;
	for (i = 0; i < p->frame_count; i++) {
		if (p->frames[i].offset != offset)
			continue;
		if (address)
			*address = p->frames[i].address;
		return p->frames[i].bytes;
	}
	return NULL;
}

/* A word of the frame that is the thread in every scene; -1 none. */
static int thread_in_cframe(const struct search *s, int offset)
{
	int at, i;
	for (at = 0; at + 8 <= 128; at += s->ref) {
		for (i = 0; i < PROBE_SCENES; i++) {
			const uint8_t *frame = cframe_at(s, i, offset, NULL);
			if (photo(s, i)->taken &&
			    (!frame || probe_ref(s->y.gc64, frame + at) !=
					       (uintptr_t)photo(s, i)->L))
				break;
		}
		if (i == PROBE_SCENES)
			return at;
	}
	return -1;
}

static bool fits_cframe(const struct search *s, int offset)
{
	return thread_in_cframe(s, offset) >= 0;
}

static bool fits_cf_L(const struct search *s, int offset)
{
	return thread_in_cframe(s, s->y.l_cframe) == offset;
}

/* The saved PC: inside the plain function, on the line that armed. */
static bool fits_cf_pc(const struct search *s, int offset)
{
	const uint8_t *frame = cframe_at(s, PROBE_LUA, s->y.l_cframe, NULL);
	const struct probe_function *f = &s->probe.functions[0];
	uint64_t pc = probe_ref(s->y.gc64, frame + offset);
	uint64_t start = s->proto + (unsigned)s->y.pt_size;
	uint64_t pos = (pc - start) / 4;
	if (pc <= start || (pc & 3) || pos < 2 ||
	    pos > (uint64_t)f->instructions)
		return false;
	return f->lines[pos - 2] == photo(s, PROBE_LUA)->line;
}

static bool fits_cf_prev(const struct search *s, int offset)
{
	uintptr_t outer = 0;
	const uint8_t *inner = cframe_at(s, PROBE_CALL2, s->y.l_cframe, NULL);
	cframe_at(s, PROBE_CALL, s->y.l_cframe, &outer);
	return (probe_u64(inner + offset) & ~(uint64_t)3) == outer;
}

static bool fits_cf_nres(const struct search *s, int offset)
{
	const uint8_t *one = cframe_at(s, PROBE_CALL, s->y.l_cframe, NULL);
	const uint8_t *two = cframe_at(s, PROBE_CALL2, s->y.l_cframe, NULL);
	return probe_u32(one + offset) == PROBE_CALL_RESULTS + 1 &&
	       probe_u32(two + offset) == PROBE_CALL_RESULTS + 2;
}

/* ---- functions and prototypes */

/* 0 for Lua functions, 1 for C functions. */
static bool fits_fn_ffid(const struct search *s, int offset)
{
	uint8_t lua[16], lua2[16], c[16];
	probe_read(s->probe.functions[0].address, lua, 16);
	probe_read(s->proto ? photo(s, PROBE_LUA)->function : NULL, lua2, 16);
	probe_read(photo(s, PROBE_C)->function, c, 16);
	/* Behind the type byte; the bytes before it change with the mark. */
	return lua[offset] == 0 && lua2[offset] == 0 && c[offset] == 1 &&
	       c[offset - 1] == VM_GCT_FUNC && lua[offset - 1] == VM_GCT_FUNC;
}

/* The first of our closures' upvalue-less pointers: the lua_CFunction. */
static bool fits_fn_c(const struct search *s, int offset)
{
	static const int scenes[] = {PROBE_C, PROBE_C_COROUTINE, PROBE_CALL};
	uint8_t c[3][64];
	uint64_t first;
	size_t i;
	for (i = 0; i < 3; i++)
		if (probe_read(photo(s, scenes[i])->function, c[i], 64) < 64)
			return false;
	first = probe_u64(c[0] + offset);
	return first == probe_shoot_address() &&
	       probe_u64(c[1] + offset) == first &&
	       probe_u64(c[2] + offset) == first;
}

/* The prototype before the instructions that a function's word points to. */
static uintptr_t proto_before(const struct search *s, int fn_pc, int pt_size,
			      const struct probe_function *f)
{
	uint8_t function[64], head[160];
	int type = s->y.gc64 ? 9 : 5, at;
	uintptr_t proto;
	if (probe_read(f->address, function, 64) != 64)
		return 0;
	proto = probe_ref(s->y.gc64, function + fn_pc) - (unsigned)pt_size;
	if ((proto & 3) || proto < 65536 || proto >> 47 ||
	    probe_read((void *)proto, head, (size_t)pt_size) !=
		    (size_t)pt_size ||
	    head[type] != VM_GCT_PROTO)
		return 0;
	/* The lines it was compiled from are the surest mark. */
	for (at = 8; at + 8 <= pt_size; at += 4)
		if ((int)probe_u32(head + at) == f->first_line &&
		    (int)probe_u32(head + at + 4) ==
			    f->last_line - f->first_line)
			return proto;
	return 0;
}

static bool is_pt_size(const struct search *s, int fn_pc, int pt_size)
{
	int i, n = s->y.has_jit ? 3 : 1;
	for (i = 0; i < n; i++)
		if (!proto_before(s, fn_pc, pt_size, &s->probe.functions[i]))
			return false;
	return true;
}

static bool fits_fn_pc(const struct search *s, int offset)
{
	int size;
	for (size = 48; size <= 160; size += 4)
		if (is_pt_size(s, offset, size))
			return true;
	return false;
}

static bool fits_pt_size(const struct search *s, int size)
{
	return is_pt_size(s, s->y.fn_pc, size);
}

/* Copies a prototype's header; the i-th known function's. */
static bool read_proto(const struct search *s, int i, uint8_t *head)
{
	uintptr_t proto = proto_before(s, s->y.fn_pc, s->y.pt_size,
				       &s->probe.functions[i]);
	return proto && probe_read((void *)proto, head, (size_t)s->y.pt_size) ==
				(size_t)s->y.pt_size;
}

static bool fits_sizebc(const struct search *s, int offset)
{
	uint8_t head[160];
	int i, n = s->y.has_jit ? 3 : 1;
	for (i = 0; i < n; i++)
		if (!read_proto(s, i, head) ||
		    (int)probe_u32(head + offset) !=
			    s->probe.functions[i].instructions)
			return false;
	return true;
}

static bool fits_firstline(const struct search *s, int offset)
{
	uint8_t head[160];
	int i, n = s->y.has_jit ? 3 : 1;
	for (i = 0; i < n; i++) {
		const struct probe_function *f = &s->probe.functions[i];
		if (!read_proto(s, i, head) ||
		    (int)probe_u32(head + offset) != f->first_line ||
		    (int)probe_u32(head + offset + 4) !=
			    f->last_line - f->first_line)
			return false;
	}
	return true;
}

/* Where the text starts in the string that is the chunk's name; -1 none. */
static int name_in_string(const struct search *s, uint64_t string)
{
	char bytes[80];
	size_t size = strlen(s->probe.chunkname) + 1, got;
	int at;
	if (string < 65536 || (string & 3) || string >> 47)
		return -1;
	got = probe_read((void *)string, bytes, sizeof bytes);
	for (at = 8; (size_t)at + size <= got; at += 4)
		if (!memcmp(bytes + at, s->probe.chunkname, size))
			return at;
	return -1;
}

static bool fits_chunkname(const struct search *s, int offset)
{
	uint8_t head[160];
	return read_proto(s, 0, head) &&
	       name_in_string(s, probe_ref(s->y.gc64, head + offset)) >= 0;
}

/* Every instruction of the plain function has the line jit.util tells. */
static bool fits_lineinfo(const struct search *s, int offset)
{
	const struct probe_function *f = &s->probe.functions[0];
	uint8_t head[160], lines[64];
	size_t n = (size_t)f->instructions - 1, i;
	uint64_t info;
	if (!read_proto(s, 0, head) || n > sizeof lines)
		return false;
	info = probe_ref(s->y.gc64, head + offset);
	if (info < s->proto || info > s->proto + 4096 ||
	    probe_read((void *)info, lines, n) != n)
		return false;
	for (i = 0; i < n; i++)
		if (f->first_line + lines[i] != f->lines[i])
			return false;
	return true;
}

/* ---- traces */

/* The trace with the number of the i-th known function, from J->trace. */
static uint64_t trace_of(const struct search *s, int offset, int i)
{
	uint8_t word[8], entry[8], head[16];
	uint64_t trace;
	if (probe_read(s->probe.global + offset, word, 8) != 8)
		return 0;
	if (probe_read((void *)(probe_u64(word) +
				(uint64_t)s->ref *
					(unsigned)s->probe.functions[i].trace),
		       entry, (size_t)s->ref) != (size_t)s->ref)
		return 0;
	trace = probe_ref(s->y.gc64, entry);
	if (trace < 65536 || (trace & 3) || trace >> 47 ||
	    probe_read((void *)trace, head, 16) != 16 ||
	    head[s->y.gc64 ? 9 : 5] != VM_GCT_TRACE)
		return 0;
	return trace;
}

static bool trace_refers(const struct search *s, uint64_t trace, int at, int i,
			 bool to_proto)
{
	uint8_t word[8];
	uint64_t proto = proto_before(s, s->y.fn_pc, s->y.pt_size,
				      &s->probe.functions[i]);
	uint64_t start = proto + (unsigned)s->y.pt_size, to;
	if (probe_read((void *)(trace + (unsigned)at), word, 8) != 8)
		return false;
	to = probe_ref(s->y.gc64, word);
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

/* ---- all of it */

static bool measure_state(struct search *s)
{
	struct vm_layout *y = &s->y;
	y->l_glref = y->gc64 ? 16 : 8; /* probe_open() confirmed it */
	y->g_allocf = s->probe.allocf_offset;
	return find(s, "L->stack", 16, 128, s->ref, fits_stack, &y->l_stack) &&
	       find(s, "L->base", 8, 112, 8, fits_base, &y->l_base) &&
	       find(s, "vmstate", 0, PROBE_GLOBAL_SIZE, 4, fits_vmstate,
		    &y->g_vmstate) &&
	       find(s, "cur_L", 0, PROBE_GLOBAL_SIZE - 64, s->ref, fits_cur_L,
		    &y->g_cur_L) &&
	       (!y->has_jit || find(s, "jit_base", 0, PROBE_GLOBAL_SIZE - 64,
				    s->ref, fits_jit_base, &y->g_jit_base)) &&
	       find(s, "L->cframe", 0, PROBE_STATE_SIZE - 8, 8, fits_cframe,
		    &y->l_cframe) &&
	       find(s, "the C frame's thread", 0, 128, s->ref, fits_cf_L,
		    &y->cf_L);
}

static bool measure_function(struct search *s)
{
	struct vm_layout *y = &s->y;
	uint8_t head[160];
	int type = y->gc64 ? 9 : 5;
	if (!find(s, "the function's PC", 16, 56, s->ref, fits_fn_pc,
		  &y->fn_pc) ||
	    !find(s, "the prototype's size", 48, 161, 4, fits_pt_size,
		  &y->pt_size))
		return false;
	s->proto =
		proto_before(s, y->fn_pc, y->pt_size, &s->probe.functions[0]);
	if (!find(s, "the function's id", type + 1, type + 3, 1, fits_fn_ffid,
		  &y->fn_ffid) ||
	    !find(s, "the C function", 16, 56, 8, fits_fn_c, &y->fn_c) ||
	    !find(s, "the number of instructions", 4, y->pt_size, 4,
		  fits_sizebc, &y->pt_sizebc) ||
	    !find(s, "the first line", 8, y->pt_size - 4, 4, fits_firstline,
		  &y->pt_firstline) ||
	    !find(s, "the chunk name", 8, y->pt_size - s->ref + 1, s->ref,
		  fits_chunkname, &y->pt_chunkname) ||
	    !find(s, "the line table", 8, y->pt_size - s->ref + 1, s->ref,
		  fits_lineinfo, &y->pt_lineinfo) ||
	    !read_proto(s, 0, head))
		return false;
	y->str_data =
		name_in_string(s, probe_ref(y->gc64, head + y->pt_chunkname));
	return true;
}

static bool measure_cframe(struct search *s)
{
	struct vm_layout *y = &s->y;
	return find(s, "the saved PC", 0, 128, s->ref, fits_cf_pc, &y->cf_pc) &&
	       find(s, "the previous C frame", 0, 128, 8, fits_cf_prev,
		    &y->cf_prev) &&
	       /* Above it lie registers that lua_pcall() left its count in. */
	       find(s, "the number of results", 0, y->cf_prev, 4, fits_cf_nres,
		    &y->cf_nres);
}

/* The trace table is in jit_State, some way behind global_State. */
#define JIT_STATE_REACH 16384

static bool measure_trace(struct search *s)
{
	struct vm_layout *y = &s->y;
	if (!y->has_jit)
		return true;
	return find(s, "the trace table", 0, JIT_STATE_REACH, 8, fits_trace,
		    &y->g_trace) &&
	       find(s, "the trace's prototype", 16, 128, s->ref, fits_startpt,
		    &y->trace_startpt) &&
	       find(s, "the trace's start", 16, 128, s->ref, fits_startpc,
		    &y->trace_startpc);
}

static bool all_taken(struct search *s)
{
	const struct probe_function *f = s->probe.functions;
	int i;
	if (s->y.has_jit && !(f[1].trace && f[2].trace)) {
		snprintf(s->error, s->error_size,
			 "its JIT compiler is on but compiled nothing");
		return false;
	}
	for (i = 0; i < PROBE_SCENES; i++) {
		if (photo(s, i)->taken || (i == PROBE_TRACE && !s->y.has_jit))
			continue;
		snprintf(s->error, s->error_size, "scene %d did not happen", i);
		return false;
	}
	return true;
}

/* ---- the trial: our walker against the debug API */

static void watch_trial(void *arg, struct probe *probe)
{
	struct search *s = arg;
	struct vm_place place;
	uint32_t line = 0;
	const uint8_t *function = probe->watch_function;
	uintptr_t pc =
		vm_ref(s->y.gc64, (uintptr_t)function + (unsigned)s->y.fn_pc);
	vm_place(&s->y, s->y.gc64, (uintptr_t)probe->global, &place);
	s->trial_steps++;
	if (place.where != VM_LUA ||
	    place.proto != pc - (unsigned)s->y.pt_size ||
	    !vm_place_line(&s->y, &place, &line) ||
	    (int)line != probe->watch_line) {
		if (!s->trial_wrong++)
			snprintf(s->error, s->error_size,
				 "the trial at line %d found kind %d line %u",
				 probe->watch_line, (int)place.where, line);
	}
}

/* About as many steps as the trial's program has; it must really have run. */
#define TRIAL_STEPS_MIN 30

static bool hold_trial(struct search *s)
{
	if (!probe_trial(&s->probe, watch_trial, s, s->error, s->error_size))
		return false;
	if (s->trial_wrong)
		return false;
	if (s->trial_steps >= TRIAL_STEPS_MIN)
		return true;
	snprintf(s->error, s->error_size, "the trial made only %d steps",
		 s->trial_steps);
	return false;
}

static bool measure_all(struct search *s)
{
	if (!probe_open(&s->probe, s->error, s->error_size))
		return false;
	s->y.gc64 = s->probe.gc64;
	s->y.has_jit = s->probe.has_jit;
	s->ref = s->y.gc64 ? 8 : 4;
	if (!all_taken(s) || !measure_state(s) || !measure_function(s) ||
	    !measure_cframe(s) || !measure_trace(s))
		return false;
	s->y.state_c = global_i32(s, PROBE_C, s->y.g_vmstate);
	s->y.state_gc = global_i32(s, PROBE_GC, s->y.g_vmstate);
	return hold_trial(s);
}

bool vm_layout_measure(struct vm_layout *layout, char *version,
		       size_t version_size, char *error, size_t error_size)
{
	struct search *s = calloc(1, sizeof *s);
	bool ok;
	if (!s) {
		snprintf(error, error_size, "no memory for the scratch VM");
		snprintf(version, version_size, "an unknown Lua");
		return false;
	}
	s->error = error;
	s->error_size = error_size;
	ok = measure_all(s);
	snprintf(version, version_size, "%s", s->probe.version);
	probe_close(&s->probe);
	*layout = s->y;
	free(s);
	return ok;
}

bool vm_layout_verify(const struct vm_layout *layout, lua_State *L, char *error,
		      size_t error_size)
{
	const struct vm_layout *y = layout;
	uint8_t state[PROBE_STATE_SIZE], global[PROBE_GLOBAL_SIZE], slots[16];
	int type = y->gc64 ? 9 : 5, top = lua_gettop(L);
	const char *what = NULL;
	void *ud;
	lua_Alloc allocf = lua_getallocf(L, &ud);
	lua_Debug ar;
	const void *function = NULL;
	uint64_t base, slot;
	if (lua_getstack(L, 0, &ar) && lua_getinfo(L, "f", &ar)) {
		function = lua_topointer(L, -1);
		lua_settop(L, top);
	}
	if (probe_read(L, state, sizeof state) != sizeof state ||
	    state[type] != VM_GCT_THREAD) {
		snprintf(error, error_size, "lua_State is not as measured");
		return false;
	}
	if (probe_read((void *)probe_ref(y->gc64, state + y->l_glref), global,
		       sizeof global) != sizeof global) {
		snprintf(error, error_size, "global_State cannot be read");
		return false;
	}
	base = probe_u64(state + y->l_base);
	memset(slots, 0, sizeof slots);
	probe_read((void *)(base - 16), slots, sizeof slots);
	slot = y->gc64 ? probe_u64(slots) << 17 >> 17 : probe_u32(slots + 8);
	if (probe_u64(global + y->g_allocf) != (uintptr_t)allocf ||
	    probe_u64(global + y->g_allocf + 8) != (uintptr_t)ud)
		what = "the allocator";
	else if (probe_ref(y->gc64, global + y->g_cur_L) != (uintptr_t)L)
		what = "cur_L";
	else if ((int32_t)probe_u32(global + y->g_vmstate) != y->state_c)
		what = "vmstate";
	else if (probe_u64(state + y->l_base + 8) - base != 8 * (uint64_t)top)
		what = "L->base";
	else if (!function || slot != (uintptr_t)function)
		what = "the function on top";
	if (!what)
		return true;
	snprintf(error, error_size, "%s is not where it was measured", what);
	return false;
}
