/*
 * vm_layout_names.c - what names of functions need: opcodes and places in a
 * prototype, from small functions whose bytecode is known. Whatever does not
 * fit leaves the stacks without names, no more.
 */
#include <stdio.h>
#include <string.h>

#include "vm_layout_search.h"
#include "vm_name.h"

#define INSTRUCTIONS_MAX 64
#define HEADER_MAX	 192

/* One of the functions, copied. */
struct specimen {
	uintptr_t proto;
	uint32_t count;
	uint32_t code[INSTRUCTIONS_MAX];
	uint8_t header[HEADER_MAX];
};

static bool copy_specimen(const struct search *s, const void *function,
			  struct specimen *out)
{
	const struct vm_layout *y = &s->y;
	size_t size = (unsigned)y->pt_size;
	out->proto = vm_ref(y->gc64, (uintptr_t)function + (unsigned)y->fn_pc) -
		     size;
	out->count = vm_u32(out->proto + (unsigned)y->pt_sizebc);
	if (size > HEADER_MAX || out->count > INSTRUCTIONS_MAX)
		return false;
	return peek_memory((const void *)out->proto, out->header, size) ==
		       size &&
	       peek_memory((const void *)(out->proto + size), out->code,
			   4 * out->count) == 4 * out->count;
}

static uint8_t op_at(const struct specimen *p, uint32_t i)
{
	return (uint8_t)p->code[i];
}

static bool text_is(uintptr_t at, const char *text)
{
	char copy[32];
	size_t n = strlen(text) + 1;
	return at >= 65536 && peek_memory((const void *)at, copy, n) == n &&
	       !memcmp(copy, text, n);
}

/* Does the n-th reference below where at leads to lead to that string? */
static bool fits_constant(const struct search *s, uintptr_t at, uint32_t n)
{
	uint8_t ref[8] = {0};
	size_t size = (size_t)s->ref;
	if (at < 65536 ||
	    peek_memory((const void *)(at - (n + 1) * size), ref, size) != size)
		return false;
	return text_is(peek_ref(s->y.gc64, ref) + (unsigned)s->y.str_data,
		       PROBE_NAME);
}

static bool fits_upvalue(const struct search *s, uintptr_t at, uint32_t n)
{
	(void)s;
	return n == 0 && text_is(at, PROBE_NAME);
}

/* Two locals: "a", and the name; the second is in the slot. */
static bool fits_local(const struct search *s, uintptr_t at, uint32_t n)
{
	char copy[64] = "";
	const char *name;
	(void)s;
	if (at < 65536 ||
	    peek_memory((const void *)at, copy, sizeof copy - 16) == 0 ||
	    memcmp(copy, "a", 2) != 0)
		return false;
	name = vm_name_local(copy, n, 3);
	return n == 1 && name && !strcmp(name, PROBE_NAME);
}

typedef bool fits_fn(const struct search *s, uintptr_t at, uint32_t n);

/* The only reference in the header that fits; it must be *out if that is set.
 */
static bool find_place(const struct search *s, const struct specimen *p,
		       fits_fn *fits, uint32_t n, int32_t *out)
{
	int32_t at, found = 0;
	for (at = 8; at + s->ref <= s->y.pt_size; at += 4) {
		if (!fits(s, peek_ref(s->y.gc64, p->header + at), n))
			continue;
		if (found)
			return false;
		found = at;
	}
	if (!found || (*out && *out != found))
		return false;
	*out = found;
	return true;
}

/* Is it what it was, or is it the first? */
static bool agree(uint8_t *op, uint8_t now)
{
	bool same = !*op || *op == now;
	*op = now;
	return same;
}

/* Instructions between the header and the return, as the parser makes them. */
static bool see_specimen(const struct search *s, struct vm_name_facts *f,
			 enum probe_name kind, const struct specimen *p)
{
	uint32_t n = p->count, i;
	switch (kind) {
	case PROBE_NAME_GLOBAL: /* GGET KNUM CALL */
		f->op_call = op_at(p, 3);
		f->op_gget = op_at(p, 1);
		return n == 5 && find_place(s, p, fits_constant,
					    p->code[1] >> 16, &f->pt_k);
	case PROBE_NAME_FIELD: /* VARG TGETS KNUM CALL */
		f->op_tgets = op_at(p, 2);
		return n == 6 && agree(&f->op_call, op_at(p, 4)) &&
		       find_place(s, p, fits_constant, p->code[2] >> 16 & 0xff,
				  &f->pt_k);
	case PROBE_NAME_METHOD: /* VARG MOV TGETS CALL */
		return n == 6 && agree(&f->op_mov, op_at(p, 2)) &&
		       agree(&f->op_tgets, op_at(p, 3));
	case PROBE_NAME_UPVALUE: /* UGET CALL */
		f->op_uget = op_at(p, 1);
		return n == 4 && agree(&f->op_call, op_at(p, 2)) &&
		       find_place(s, p, fits_upvalue, p->code[1] >> 16,
				  &f->pt_uvinfo);
	case PROBE_NAME_LOCAL: /* VARG MOV UGET CALL */
		return n == 6 && agree(&f->op_mov, op_at(p, 2)) &&
		       find_place(s, p, fits_local, p->code[2] >> 16,
				  &f->pt_varinfo);
	case PROBE_NAME_MANY: /* GGET VARG CALLM */
		f->op_callm = op_at(p, 3);
		f->op_loads[op_at(p, 2)] = true;
		return n == 5 && op_at(p, 1) == f->op_gget;
	case PROBE_NAME_LOADS: /* VARG, all of them, CALLM */
		for (i = 2; i + 2 < n; i++)
			f->op_loads[op_at(p, i)] = true;
		return n > 20;
	case PROBE_NAME_PARAMETERS: /* seven of them */
		return p->header[f->pt_numparams] == 7;
	case PROBE_NAME_JUMP: /* VARG ISF JMP GGET CALL */
		f->op_jmp = op_at(p, 3);
		return n == 7 && op_at(p, 4) == f->op_gget &&
		       vm_name_jump_target(p->code[3], 3) == 6;
	}
	return false;
}

static void see_named(void *arg, const void *function, int kind)
{
	struct search *s = arg;
	struct specimen p;
	s->names_seen++;
	if (!copy_specimen(s, function, &p) ||
	    !see_specimen(s, &s->facts.names, (enum probe_name)kind, &p))
		s->names_wrong++;
}

void layout_measure_names(struct search *s)
{
	struct vm_name_facts *f = &s->facts.names;
	char error[160];
	/* Right before the size of its frame, and the number of its code. */
	f->pt_numparams = s->y.pt_sizebc - 2;
	f->known = probe_names(&s->probe, see_named, s, error, sizeof error) &&
		   s->names_seen == PROBE_NAMES && !s->names_wrong &&
		   f->op_loads[f->op_gget] && f->op_loads[f->op_mov] &&
		   f->op_loads[f->op_tgets] && f->op_loads[f->op_uget] &&
		   !f->op_loads[f->op_callm] && !f->op_loads[f->op_jmp];
}

/* At a step of the trial: each name is the debug API's, or none. */
void layout_watch_names(struct search *s)
{
	struct vm_name_facts *f = &s->facts.names;
	uint32_t n = (uint32_t)s->probe.level_count, i, more;
	if (!f->known || s->stack.count < n)
		return;
	more = s->stack.count - n;
	for (i = 0; i + 1 < n; i++) {
		const char *name;
		if ((s->stack.keys[i + more] | s->stack.keys[i + more + 1]) &
		    VM_KEY_TAG)
			continue;
		name = vm_name_called(&s->y, f, s->objects[i + more + 1],
				      (uintptr_t)s->stack.keys[i + more + 1]);
		if (!name)
			continue;
		s->names_right++;
		if (strncmp(name, s->probe.levels[i].name,
			    PROBE_NAME_SIZE - 1) != 0)
			f->known = false;
	}
}
