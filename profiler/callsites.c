/*
 * callsites.c - from where the VM is to the number of a callsite.
 */
#include "callsites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MIN 256

/* With more, their table starts anew: those that died are in it, too. */
#define STEPS_MAX (1u << 22)

/* The most frames that one key stands for. */
#define SPOT_FRAMES_MAX 32

bool callsites_open(struct callsites *c, struct wbuf *out,
		    const struct vm_layout *y,
		    const struct vm_stack_facts *facts,
		    struct vm_traces *traces, uint32_t depth)
{
	c->y = y;
	c->facts = facts;
	c->traces = traces;
	c->learnt = traces->learnt;
	c->depth = depth;
	c->unloads = elf_names_unloads();
	c->places = calloc(CALLSITE_PLACES, sizeof *c->places);
	c->steps = calloc(STEPS_MIN, sizeof *c->steps);
	c->step_mask = STEPS_MIN - 1;
	c->stack = &c->stacks[0];
	c->before = &c->stacks[1];
	return definitions_open(&c->d, out, y) && c->places && c->steps &&
	       pair_map_open(&c->by_key);
}

void callsites_free(struct callsites *c)
{
	definitions_free(&c->d);
	pair_map_free(&c->by_key);
	free(c->places);
	free(c->spots);
	free(c->spot_frames);
	free(c->steps);
	memset(c, 0, sizeof *c);
}

static bool fail(struct callsites *c)
{
	if (!c->d.error)
		c->d.error = ENOMEM;
	return false;
}

/* Room for one more element of this size at *array. */
static bool grow(struct callsites *c, void *array, uint32_t count,
		 uint32_t *room, uint32_t wanted, size_t size)
{
	void *old, *more;
	uint32_t n = *room ? *room : 64;
	if (count + wanted <= *room)
		return true;
	while (n < count + wanted)
		n *= 2;
	memcpy(&old, array, sizeof old);
	more = realloc(old, n * size);
	if (!more)
		return fail(c);
	memcpy(array, &more, sizeof more);
	*room = n;
	return true;
}

/* ---- a key's frames */

/* Frames of one key, innermost first, while they are found. */
struct frames {
	uint32_t block, count;
	uint32_t doubt; /* when no line was found: by what was learnt, and 1 */
	uint32_t numbers[SPOT_FRAMES_MAX];
};

static void add_frame(struct callsites *c, struct frames *f,
		      enum ljm_frame kind, uint64_t a, uint64_t b, uint64_t d)
{
	uint32_t number = definitions_frame(&c->d, kind, a, b, d);
	if (number && f->count < SPOT_FRAMES_MAX)
		f->numbers[f->count++] = number;
}

static void add_gap(struct callsites *c, struct frames *f, enum ljm_gap why)
{
	add_frame(c, f, LJM_FRAME_GAP, why, 0, 0);
}

/* What the frame of the walk that is the i-th called; 0: is there none? */
static const char *name_at(const struct callsites *c, uint32_t i)
{
	if (!i || c->stack->keys[i] & VM_KEY_TAG || !c->objects[i])
		return NULL;
	return vm_name_called(c->y, &c->facts->names, c->objects[i],
			      (uintptr_t)c->stack->keys[i]);
}

/* outer: the index of the caller's frame in the walk, or 0. */
static void find_lua(struct callsites *c, uint64_t key, uintptr_t proto,
		     uint32_t outer, struct frames *f)
{
	struct vm_place place;
	uint32_t line;
	place.proto = proto;
	place.pc = (const uint32_t *)(uintptr_t)key;
	if (proto && vm_place_line(c->y, &place, &line)) {
		f->block = definitions_proto(&c->d, proto, name_at(c, outer));
		if (f->block)
			add_frame(c, f, LJM_FRAME_LUA,
				  c->d.blocks[f->block].proto, line, 0);
	}
}

static void find_c(struct callsites *c, uintptr_t address, const char *name,
		   struct frames *f)
{
	uint32_t function = definitions_function(&c->d, address, name);
	if (!c->c_block)
		c->c_block = definitions_block(&c->d, 1);
	f->block = c->c_block;
	if (function)
		add_frame(c, f, LJM_FRAME_C, function, 0, 0);
}

/* A built-in; its function is 0 when only its id is known. */
static void find_builtin(struct callsites *c, uint32_t id, uintptr_t function,
			 struct frames *f)
{
	const char *name = c->facts->builtins[id];
	if (*name)
		find_c(c, c->facts->builtin_addresses[id], name, f);
	else if (function)
		find_c(c, vm_u64(function + (unsigned)c->y->fn_c), NULL, f);
	else
		add_gap(c, f, LJM_GAP_INLINED);
}

static void find_small(struct callsites *c, uint32_t what, uintptr_t function,
		       struct frames *f)
{
	if (what >= VM_SMALL_GAP)
		add_gap(c, f, what - VM_SMALL_GAP);
	else if (what >= VM_SMALL_INTERNAL)
		add_frame(c, f, LJM_FRAME_INTERNAL, what - VM_SMALL_INTERNAL, 0,
			  0);
	else
		find_builtin(c, what, function, f);
}

/* The trace itself, where its line is not certain. */
static void find_trace(struct callsites *c, const struct callsite_trace *t,
		       struct frames *f)
{
	const struct vm_layout *y = c->y;
	uintptr_t proto =
		vm_ref(y->gc64, t->trace + (unsigned)y->trace_startpt);
	uint32_t i = definitions_proto(&c->d, proto, NULL), line;
	if (!i)
		return;
	line = vm_trace_start_line(y, t->trace);
	add_frame(c, f, LJM_FRAME_TRACE, t->number, c->d.blocks[i].proto, line);
}

static void add_line_on_trace(struct callsites *c, uint32_t number,
			      uintptr_t proto, uint32_t line, struct frames *f)
{
	uint32_t i = definitions_proto(&c->d, proto, NULL);
	if (i)
		add_frame(c, f, LJM_FRAME_LUA_TRACE, c->d.blocks[i].proto, line,
			  number);
}

/* The line, and who called it, down to the function that was entered. */
static void find_on_trace(struct callsites *c, const struct callsite_trace *t,
			  struct frames *f)
{
	struct vm_trace_line found;
	uint32_t i, learnt = c->traces->learnt;
	found.callers.whole = false;
	found.callers.count = 0;
	if (t->at && (t->exit ? vm_traces_exit_line
			      : vm_traces_line)(c->traces, c->y, t->trace,
						t->number, t->at, &found)) {
		add_line_on_trace(c, t->number, found.proto, found.line, f);
	} else {
		find_trace(c, t, f);
		f->doubt = t->at ? learnt + 1 : 0;
	}
	for (i = 0; c->depth && i < found.callers.count; i++) {
		const struct vm_inlined_frame *one = &found.callers.frames[i];
		if (one->proto)
			add_line_on_trace(c, t->number, one->proto, one->line,
					  f);
		else
			find_builtin(c, one->ffid, 0, f);
	}
	if (c->depth && !found.callers.whole)
		add_gap(c, f, LJM_GAP_INLINED);
	f->block = definitions_block(&c->d, t->trace);
}

static void find_frames(struct callsites *c, uint64_t key, uintptr_t object,
			uint32_t outer, const struct callsite_trace *trace,
			struct frames *f)
{
	f->count = f->block = f->doubt = 0;
	switch (key & 3) {
	case VM_KEY_SMALL:
		find_small(c, (uint32_t)VM_KEY_WHAT(key), object, f);
		break;
	case VM_KEY_C:
		find_c(c, VM_KEY_WHAT(key), NULL, f);
		break;
	case VM_KEY_TRACE:
		find_on_trace(c, trace, f);
		break;
	default:
		find_lua(c, key, object, outer, f);
	}
	if (!f->count) {
		/* Not to be kept: it may be known the next time. */
		add_gap(c, f, LJM_GAP_UNKNOWN);
		f->block = 0;
	}
}

static bool keep_spot(struct callsites *c, uint64_t key, uint32_t i,
		      const struct frames *f)
{
	struct callsite_spot *s;
	if (!i) {
		if (!grow(c, &c->spots, c->spot_count + 1, &c->spot_room, 1,
			  sizeof *c->spots))
			return false;
		i = c->spot_count + 1;
		if (!pair_map_put(&c->by_key, key, 0, i))
			return fail(c);
		c->spots[i].count = 0;
		c->spot_count++;
	}
	s = &c->spots[i];
	if (s->count < f->count) {
		if (!grow(c, &c->spot_frames, c->spot_frame_count,
			  &c->spot_frame_room, f->count,
			  sizeof *c->spot_frames))
			return false;
		s->first = c->spot_frame_count;
		c->spot_frame_count += f->count;
	}
	s->block = f->block;
	s->count = f->count;
	s->doubt = f->doubt;
	memcpy(c->spot_frames + s->first, f->numbers,
	       f->count * sizeof *f->numbers);
	return true;
}

/* Does the spot tell what its key stands for? 0: there is none. */
static bool stands(const struct callsites *c, uint32_t i)
{
	const struct callsite_spot *s = &c->spots[i];
	return i && c->d.blocks[s->block].alive &&
	       (!s->doubt || s->doubt == c->traces->learnt + 1);
}

/* The key's frames; out has room for SPOT_FRAMES_MAX. Their number; 0: none. */
static uint32_t frames_of(struct callsites *c, uint64_t key, uintptr_t object,
			  uint32_t outer, const struct callsite_trace *trace,
			  uint32_t *out)
{
	uint32_t i = pair_map_get(&c->by_key, key, 0);
	const struct callsite_spot *s = &c->spots[i];
	struct frames f;
	if (stands(c, i)) {
		memcpy(out, c->spot_frames + s->first, s->count * sizeof *out);
		return s->count;
	}
	find_frames(c, key, object, outer, trace, &f);
	memcpy(out, f.numbers, f.count * sizeof *out);
	if (f.block && !keep_spot(c, key, i, &f))
		return 0;
	return f.count;
}

uint32_t callsites_trace_frames(struct callsites *c, uint64_t key,
				const struct callsite_trace *trace)
{
	uint32_t i = pair_map_get(&c->by_key, key, 0);
	uint32_t frames[SPOT_FRAMES_MAX];
	if (stands(c, i))
		return c->spots[i].count;
	return frames_of(c, key, 0, 0, trace, frames);
}

/* ---- paths */

static bool grow_steps(struct callsites *c)
{
	uint32_t old_mask = c->step_mask, i;
	struct callsite_step *old = c->steps, *steps;
	if (c->step_count > STEPS_MAX / 2) {
		memset(old, 0, (old_mask + 1) * sizeof *old);
		c->step_count = 0;
		return true;
	}
	steps = calloc(2 * ((size_t)old_mask + 1), sizeof *steps);
	if (!steps)
		return fail(c);
	c->steps = steps;
	c->step_mask = 2 * old_mask + 1;
	for (i = 0; i <= old_mask; i++)
		if (old[i].callsite)
			*callsites_step(c, old[i].parent, old[i].key) = old[i];
	free(old);
	return true;
}

static bool keep_step(struct callsites *c, uint32_t parent, uint64_t key,
		      uint32_t callsite)
{
	struct callsite_step *step;
	if (2 * c->step_count > c->step_mask && !grow_steps(c))
		return false;
	step = callsites_step(c, parent, key);
	c->step_count += !step->callsite;
	step->key = key;
	step->parent = parent;
	step->callsite = callsite;
	step->generation = c->generation;
	return true;
}

/*
 * From a callsite on to those of a key's frames. What a trace inlined may be
 * more than is wanted: the outermost give way to a gap.
 */
static uint32_t go_on(struct callsites *c, uint32_t callsite,
		      const uint32_t *frames, uint32_t count)
{
	uint32_t most = c->depth ? c->depth : 1;
	if (count > most && c->depth)
		callsite = definitions_callsite(
			&c->d, 0,
			definitions_frame(&c->d, LJM_FRAME_GAP, LJM_GAP_DEPTH,
					  0, 0));
	for (count = count < most ? count : most; count--;) {
		callsite = definitions_callsite(&c->d, callsite, frames[count]);
		if (!callsite)
			return 0;
	}
	return callsite;
}

/* What had no line may have one now: all paths are looked at again. */
static void see_learnt(struct callsites *c)
{
	if (c->learnt == c->traces->learnt)
		return;
	c->learnt = c->traces->learnt;
	c->generation++;
	c->before->count = 0;
}

uint32_t callsites_define(struct callsites *c,
			  const struct callsite_trace *trace)
{
	struct vm_stack *stack = c->stack;
	uint32_t frames[SPOT_FRAMES_MAX], callsite = 0, i, count;
	c->before->count = 0;
	for (i = stack->count; i--;) {
		uint32_t parent = callsite;
		count = frames_of(c, stack->keys[i], c->objects[i],
				  i + 1 < stack->count ? i + 1 : 0, trace,
				  frames);
		if (!count)
			return 0;
		callsite = go_on(c, callsite, frames, count);
		if (!callsite ||
		    !keep_step(c, parent, stack->keys[i], callsite))
			return 0;
		c->path[stack->count - 1 - i] = callsite;
	}
	c->stack = c->before;
	c->before = stack;
	see_learnt(c);
	return callsite;
}

uint32_t callsites_internal(struct callsites *c, enum ljm_internal what)
{
	uint32_t frame;
	if (!c->internal[what]) {
		frame = definitions_frame(&c->d, LJM_FRAME_INTERNAL, what, 0,
					  0);
		c->internal[what] = definitions_callsite(&c->d, 0, frame);
	}
	return c->internal[what];
}

/* ---- what dies */

void callsites_forget(struct callsites *c, uintptr_t address)
{
	if (!definitions_forget(&c->d, address))
		return;
	vm_exits_forget(&c->traces->exits, address);
	c->generation++;
	c->before->count = 0;
}

void callsites_forget_all(struct callsites *c)
{
	definitions_forget_all(&c->d);
	vm_exits_begin(&c->traces->exits, true);
	c->c_block = 0;
	c->generation++;
	c->before->count = 0;
}

void callsites_check_libraries(struct callsites *c)
{
	uint64_t unloads = elf_names_unloads();
	if (unloads == c->unloads)
		return;
	c->unloads = unloads;
	elf_names_free(&c->d.names);
	/* Another library may be where one was. */
	callsites_forget(c, 1);
	c->c_block = 0;
}
