/*
 * vm_layout_stack.c - what stacks need: names of built-ins, how a coroutine's
 * C frame lies to that of who resumed it; and the walk put to the test.
 */
#include <stdio.h>
#include <string.h>

#include "vm_layout_search.h"
#include "vm_stack.h"

/* Keeps the first name of each. */
static void see_builtin(void *arg, const void *function, const char *name)
{
	struct search *s = arg;
	uint8_t head[64], id;
	if (peek_memory(function, head, sizeof head) < 48)
		return;
	id = head[s->y.fn_ffid];
	if (id <= 1 || s->facts.builtins[id][0])
		return;
	snprintf(s->facts.builtins[id], VM_BUILTIN_NAME, "%s", name);
	s->facts.builtin_addresses[id] = peek_u64(head + s->y.fn_c);
}

/* The C frame of the main thread lies at one distance, always. */
static void see_resumed(void *arg, struct probe *probe, lua_State *L, int kind)
{
	struct search *s = arg;
	const struct vm_layout *y = &s->y;
	uintptr_t main = vm_cframe(y, (uintptr_t)probe->L), cframe, prev;
	uintptr_t *from = &s->facts.resume_returns[kind];
	uint32_t distance;
	cframe = vm_cframe(y, (uintptr_t)L);
	while ((prev = vm_u64(cframe + (unsigned)y->cf_prev) & ~(uint64_t)3) >
	       cframe)
		cframe = prev;
	distance = (uint32_t)(main - cframe);
	if (main <= cframe || distance > 4096 ||
	    (s->facts.resume_distance &&
	     s->facts.resume_distance != distance) ||
	    (*from && *from != vm_u64(main - 8))) {
		s->stacks_wrong++;
		return;
	}
	s->facts.resume_distance = distance;
	*from = vm_u64(main - 8);
}

void layout_measure_stacks(struct search *s)
{
	char error[160];
	s->facts.main_distance =
		(uint32_t)((uintptr_t)s->probe.global - (uintptr_t)s->probe.L);
	if (!probe_builtins(&s->probe, see_builtin, see_resumed, s, error,
			    sizeof error))
		s->stacks_wrong++;
}

/* Is the frame at i the level that the debug API tells? */
static bool is_level(const struct search *s, uint32_t i,
		     const struct probe_level *level)
{
	const struct vm_layout *y = &s->y;
	uintptr_t function = (uintptr_t)level->function;
	struct vm_place place;
	uint32_t line;
	if (s->stack.keys[i] & VM_KEY_TAG)
		return level->line < 0 && s->objects[i] == function;
	place.proto = s->objects[i];
	place.pc = (const uint32_t *)(uintptr_t)s->stack.keys[i];
	return place.proto == vm_ref(y->gc64, function + (unsigned)y->fn_pc) -
				      (unsigned)y->pt_size &&
	       vm_place_line(y, &place, &line) && (int)line == level->line;
}

/*
 * The levels are those from before the step's allocation: a built-in that it
 * calls is one frame more.
 */
static bool is_stack(const struct search *s)
{
	uint32_t n = (uint32_t)s->probe.level_count, i, more;
	more = s->stack.count - n;
	if (s->stack.count < n || more > 1 ||
	    (more && !(s->stack.keys[0] & VM_KEY_TAG)))
		return false;
	for (i = 0; i < n; i++)
		if (!is_level(s, i + more, &s->probe.levels[i]))
			return false;
	return true;
}

void layout_watch_stack(struct search *s)
{
	const struct vm_layout *y = &s->y;
	uintptr_t L = vm_ref(y->gc64,
			     (uintptr_t)s->probe.global + (unsigned)y->g_cur_L);
	vm_stack_begin(&s->quick);
	vm_stack_walk(y, &s->facts, L, LJM_DEPTH_MAX, &s->quick, NULL);
	vm_stack_begin(&s->stack);
	vm_stack_walk(y, &s->facts, L, LJM_DEPTH_MAX, &s->stack, s->objects);
	if (s->quick.count == s->stack.count &&
	    !memcmp(s->quick.keys, s->stack.keys,
		    s->stack.count * sizeof *s->stack.keys) &&
	    is_stack(s))
		s->stacks_right++;
	else
		s->stacks_wrong++;
	layout_watch_names(s);
}
