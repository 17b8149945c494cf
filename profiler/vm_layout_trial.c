/*
 * vm_layout_trial.c - the layout put to the test: in the scratch VM against
 * the debug API, and on the host's VM.
 */
#include <stdio.h>
#include <string.h>

#include "vm_frame.h"
#include "vm_layout_search.h"

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
	layout_watch_stack(s);
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

bool layout_hold_trial(struct search *s)
{
	if (!probe_trial(&s->probe, watch_trial, s, s->error, s->error_size))
		return false;
	if (s->trial_wrong)
		return false;
	s->facts.verified =
		s->stacks_right >= TRIAL_STEPS_MIN && !s->stacks_wrong;
	if (s->trial_steps >= TRIAL_STEPS_MIN)
		return true;
	snprintf(s->error, s->error_size, "the trial made only %d steps",
		 s->trial_steps);
	return false;
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
	if (peek_memory(L, state, sizeof state) != sizeof state ||
	    state[type] != VM_GCT_THREAD) {
		snprintf(error, error_size, "lua_State is not as measured");
		return false;
	}
	if (peek_memory((void *)peek_ref(y->gc64, state + y->l_glref), global,
			sizeof global) != sizeof global) {
		snprintf(error, error_size, "global_State cannot be read");
		return false;
	}
	base = peek_u64(state + y->l_base);
	memset(slots, 0, sizeof slots);
	peek_memory((void *)(base - 16), slots, sizeof slots);
	slot = y->gc64 ? peek_u64(slots) << 17 >> 17 : peek_u32(slots + 8);
	if (peek_u64(global + y->g_allocf) != (uintptr_t)allocf ||
	    peek_u64(global + y->g_allocf + 8) != (uintptr_t)ud)
		what = "the allocator";
	else if (peek_ref(y->gc64, global + y->g_cur_L) != (uintptr_t)L)
		what = "cur_L";
	else if ((int32_t)peek_u32(global + y->g_vmstate) != y->state_c)
		what = "vmstate";
	else if (peek_u64(state + y->l_base + 8) - base != 8 * (uint64_t)top)
		what = "L->base";
	else if (!function || slot != (uintptr_t)function)
		what = "the function on top";
	if (!what)
		return true;
	snprintf(error, error_size, "%s is not where it was measured", what);
	return false;
}
