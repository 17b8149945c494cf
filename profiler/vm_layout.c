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

#include "vm_layout_search.h"

bool layout_find(struct search *s, const char *name, int from, int to, int step,
		 layout_fits_fn *fits, int32_t *out)
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

const struct probe_photo *layout_photo(const struct search *s, int scene)
{
	return &s->probe.photo[scene];
}

static uint64_t global_ref(const struct search *s, int scene, int offset)
{
	return peek_ref(s->y.gc64, layout_photo(s, scene)->global + offset);
}

static int32_t global_i32(const struct search *s, int scene, int offset)
{
	return (int32_t)peek_u32(layout_photo(s, scene)->global + offset);
}

/* ---- lua_State */

static bool fits_base(const struct search *s, int offset)
{
	static const int scenes[] = {PROBE_C, PROBE_C_COROUTINE,
				     PROBE_C_COROUTINE2};
	size_t i;
	for (i = 0; i < 3; i++) {
		const struct probe_photo *p = layout_photo(s, scenes[i]);
		uint64_t base = peek_u64(p->state + offset);
		uint64_t top = peek_u64(p->state + offset + 8);
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
		if (layout_photo(s, i)->taken &&
		    layout_photo(s, i)->stack_offset != offset)
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
		if (layout_photo(s, i)->taken &&
		    global_ref(s, i, offset) !=
			    (uintptr_t)layout_photo(s, i)->L)
			return false;
	return true;
}

/* jit_base: zero but on a trace; there, the base of the compiled function. */
static bool is_jit_base(const struct search *s, int offset)
{
	const struct probe_photo *p = layout_photo(s, PROBE_TRACE);
	uint64_t base = global_ref(s, PROBE_TRACE, offset);
	uint64_t at = base - p->stack, slot;
	int i;
	for (i = 0; i < PROBE_SCENES; i++)
		if (i < PROBE_TRACE && layout_photo(s, i)->taken &&
		    global_ref(s, i, offset) != 0)
			return false;
	if ((base & 7) || base < p->stack + 16 || at >= p->stack_size)
		return false;
	slot = s->y.gc64 ? peek_u64(p->stack_bytes + at - 16) << 17 >> 17
			 : peek_u32(p->stack_bytes + at - 8);
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
const uint8_t *layout_cframe(const struct search *s, int scene, int offset,
			     uintptr_t *address)
{
	const struct probe_photo *p = layout_photo(s, scene);
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
			const uint8_t *frame =
				layout_cframe(s, i, offset, NULL);
			if (layout_photo(s, i)->taken &&
			    (!frame ||
			     peek_ref(s->y.gc64, frame + at) !=
				     (uintptr_t)layout_photo(s, i)->L))
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
	const uint8_t *frame = layout_cframe(s, PROBE_LUA, s->y.l_cframe, NULL);
	const struct probe_function *f = &s->probe.functions[0];
	uint64_t pc = peek_ref(s->y.gc64, frame + offset);
	uint64_t start = s->proto + (unsigned)s->y.pt_size;
	uint64_t pos = (pc - start) / 4;
	if (pc <= start || (pc & 3) || pos < 2 ||
	    pos > (uint64_t)f->instructions)
		return false;
	return f->lines[pos - 2] == layout_photo(s, PROBE_LUA)->line;
}

static bool fits_cf_prev(const struct search *s, int offset)
{
	uintptr_t outer = 0;
	const uint8_t *inner =
		layout_cframe(s, PROBE_CALL2, s->y.l_cframe, NULL);
	layout_cframe(s, PROBE_CALL, s->y.l_cframe, &outer);
	return (peek_u64(inner + offset) & ~(uint64_t)3) == outer;
}

static bool fits_cf_nres(const struct search *s, int offset)
{
	const uint8_t *one = layout_cframe(s, PROBE_CALL, s->y.l_cframe, NULL);
	const uint8_t *two = layout_cframe(s, PROBE_CALL2, s->y.l_cframe, NULL);
	return peek_u32(one + offset) == PROBE_CALL_RESULTS + 1 &&
	       peek_u32(two + offset) == PROBE_CALL_RESULTS + 2;
}

/* ---- functions and prototypes */

/* 0 for Lua functions, 1 for C functions. */
static bool fits_fn_ffid(const struct search *s, int offset)
{
	uint8_t lua[16], lua2[16], c[16];
	peek_memory(s->probe.functions[0].address, lua, 16);
	peek_memory(s->proto ? layout_photo(s, PROBE_LUA)->function : NULL,
		    lua2, 16);
	peek_memory(layout_photo(s, PROBE_C)->function, c, 16);
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
		if (peek_memory(layout_photo(s, scenes[i])->function, c[i],
				64) < 64)
			return false;
	first = peek_u64(c[0] + offset);
	return first == probe_shoot_address() &&
	       peek_u64(c[1] + offset) == first &&
	       peek_u64(c[2] + offset) == first;
}

/* The prototype before the instructions that a function's word points to. */
uintptr_t layout_proto(const struct search *s, int fn_pc, int pt_size,
		       const struct probe_function *f)
{
	uint8_t function[64], head[160];
	int type = s->y.gc64 ? 9 : 5, at;
	uintptr_t proto;
	if (peek_memory(f->address, function, 64) != 64)
		return 0;
	proto = peek_ref(s->y.gc64, function + fn_pc) - (unsigned)pt_size;
	if ((proto & 3) || proto < 65536 || proto >> 47 ||
	    peek_memory((void *)proto, head, (size_t)pt_size) !=
		    (size_t)pt_size ||
	    head[type] != VM_GCT_PROTO)
		return 0;
	/* The lines it was compiled from are the surest mark. */
	for (at = 8; at + 8 <= pt_size; at += 4)
		if ((int)peek_u32(head + at) == f->first_line &&
		    (int)peek_u32(head + at + 4) ==
			    f->last_line - f->first_line)
			return proto;
	return 0;
}

static bool is_pt_size(const struct search *s, int fn_pc, int pt_size)
{
	int i, n = s->y.has_jit ? 3 : 1;
	for (i = 0; i < n; i++)
		if (!layout_proto(s, fn_pc, pt_size, &s->probe.functions[i]))
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
	uintptr_t proto = layout_proto(s, s->y.fn_pc, s->y.pt_size,
				       &s->probe.functions[i]);
	return proto &&
	       peek_memory((void *)proto, head, (size_t)s->y.pt_size) ==
		       (size_t)s->y.pt_size;
}

static bool fits_sizebc(const struct search *s, int offset)
{
	uint8_t head[160];
	int i, n = s->y.has_jit ? 3 : 1;
	for (i = 0; i < n; i++)
		if (!read_proto(s, i, head) ||
		    (int)peek_u32(head + offset) !=
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
		    (int)peek_u32(head + offset) != f->first_line ||
		    (int)peek_u32(head + offset + 4) !=
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
	got = peek_memory((void *)string, bytes, sizeof bytes);
	for (at = 8; (size_t)at + size <= got; at += 4)
		if (!memcmp(bytes + at, s->probe.chunkname, size))
			return at;
	return -1;
}

static bool fits_chunkname(const struct search *s, int offset)
{
	uint8_t head[160];
	return read_proto(s, 0, head) &&
	       name_in_string(s, peek_ref(s->y.gc64, head + offset)) >= 0;
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
	info = peek_ref(s->y.gc64, head + offset);
	if (info < s->proto || info > s->proto + 4096 ||
	    peek_memory((void *)info, lines, n) != n)
		return false;
	for (i = 0; i < n; i++)
		if (f->first_line + lines[i] != f->lines[i])
			return false;
	return true;
}

/* ---- all of it */

static bool measure_state(struct search *s)
{
	struct vm_layout *y = &s->y;
	y->l_glref = y->gc64 ? 16 : 8; /* probe_open() confirmed it */
	y->g_allocf = s->probe.allocf_offset;
	return layout_find(s, "L->stack", 16, 128, s->ref, fits_stack,
			   &y->l_stack) &&
	       layout_find(s, "L->base", 8, 112, 8, fits_base, &y->l_base) &&
	       layout_find(s, "vmstate", 0, PROBE_GLOBAL_SIZE, 4, fits_vmstate,
			   &y->g_vmstate) &&
	       layout_find(s, "cur_L", 0, PROBE_GLOBAL_SIZE - 64, s->ref,
			   fits_cur_L, &y->g_cur_L) &&
	       (!y->has_jit ||
		layout_find(s, "jit_base", 0, PROBE_GLOBAL_SIZE - 64, s->ref,
			    fits_jit_base, &y->g_jit_base)) &&
	       layout_find(s, "L->cframe", 0, PROBE_STATE_SIZE - 8, 8,
			   fits_cframe, &y->l_cframe) &&
	       layout_find(s, "the C frame's thread", 0, 128, s->ref, fits_cf_L,
			   &y->cf_L);
}

static bool measure_function(struct search *s)
{
	struct vm_layout *y = &s->y;
	uint8_t head[160];
	int type = y->gc64 ? 9 : 5;
	if (!layout_find(s, "the function's PC", 16, 56, s->ref, fits_fn_pc,
			 &y->fn_pc) ||
	    !layout_find(s, "the prototype's size", 48, 161, 4, fits_pt_size,
			 &y->pt_size))
		return false;
	s->proto =
		layout_proto(s, y->fn_pc, y->pt_size, &s->probe.functions[0]);
	if (!layout_find(s, "the function's id", type + 1, type + 3, 1,
			 fits_fn_ffid, &y->fn_ffid) ||
	    !layout_find(s, "the C function", 16, 56, 8, fits_fn_c, &y->fn_c) ||
	    !layout_find(s, "the number of instructions", 4, y->pt_size, 4,
			 fits_sizebc, &y->pt_sizebc) ||
	    !layout_find(s, "the first line", 8, y->pt_size - 4, 4,
			 fits_firstline, &y->pt_firstline) ||
	    !layout_find(s, "the chunk name", 8, y->pt_size - s->ref + 1,
			 s->ref, fits_chunkname, &y->pt_chunkname) ||
	    !layout_find(s, "the line table", 8, y->pt_size - s->ref + 1,
			 s->ref, fits_lineinfo, &y->pt_lineinfo) ||
	    !read_proto(s, 0, head))
		return false;
	y->str_data =
		name_in_string(s, peek_ref(y->gc64, head + y->pt_chunkname));
	return true;
}

static bool measure_cframe(struct search *s)
{
	struct vm_layout *y = &s->y;
	return layout_find(s, "the saved PC", 0, 128, s->ref, fits_cf_pc,
			   &y->cf_pc) &&
	       layout_find(s, "the previous C frame", 0, 128, 8, fits_cf_prev,
			   &y->cf_prev) &&
	       /* Above it lie registers that lua_pcall() left its count in. */
	       layout_find(s, "the number of results", 0, y->cf_prev, 4,
			   fits_cf_nres, &y->cf_nres);
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
		if (layout_photo(s, i)->taken || i >= PROBE_EXIT ||
		    (i >= PROBE_TRACE && !s->y.has_jit))
			continue;
		snprintf(s->error, s->error_size, "scene %d did not happen", i);
		return false;
	}
	return true;
}

static bool measure_all(struct search *s)
{
	if (!probe_open(&s->probe, s->error, s->error_size))
		return false;
	s->y.gc64 = s->probe.gc64;
	s->y.has_jit = s->probe.has_jit;
	s->ref = s->y.gc64 ? 8 : 4;
	if (!all_taken(s) || !measure_state(s) || !measure_function(s) ||
	    !measure_cframe(s) || !layout_measure_trace(s))
		return false;
	s->y.state_c = global_i32(s, PROBE_C, s->y.g_vmstate);
	s->y.state_gc = global_i32(s, PROBE_GC, s->y.g_vmstate);
	layout_measure_exit(s);
	layout_measure_stacks(s);
	layout_measure_names(s);
	if (!layout_hold_trial(s))
		return false;
	layout_measure_trace_lines(s);
	layout_measure_exit_plans(s);
	layout_measure_collector(s);
	return true;
}

bool vm_layout_measure(struct vm_layout *layout, struct vm_traces *traces,
		       struct vm_stack_facts *facts, char *version,
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
	*facts = s->facts;
	vm_traces_init(traces, &s->traces);
	vm_traces_free(&s->traces);
	free(s);
	return ok;
}
