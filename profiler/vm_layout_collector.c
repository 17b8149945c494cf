/*
 * vm_layout_collector.c - where the collector has its state.
 *
 * Two full collections are held, of a string and a table each, and a step
 * behind each one: then what the collector is at is known. Not found is no
 * error: its cycles are not told then.
 */
#include <string.h>

#include <lua.h>

#include "vm_layout_search.h"

#define CYCLES 2

enum moment {
	FREES_STRING,
	FREES_TABLE,
	HAS_COLLECTED,
	HAS_STEPPED,
};
#define MOMENTS 4

struct collections {
	struct probe *probe;
	int cycle;
	const void *garbage[2]; /* what the moments FREES_* wait for */
	bool taken[CYCLES][MOMENTS];
	uint8_t global[CYCLES][MOMENTS][PROBE_GLOBAL_SIZE];
};

static void take(struct collections *c, enum moment moment)
{
	if (c->taken[c->cycle][moment])
		return;
	memcpy(c->global[c->cycle][moment], c->probe->global,
	       PROBE_GLOBAL_SIZE);
	c->taken[c->cycle][moment] = true;
}

static void see_free(void *arg, const void *block)
{
	struct collections *c = arg;
	if (block == c->garbage[FREES_STRING])
		take(c, FREES_STRING);
	else if (block == c->garbage[FREES_TABLE])
		take(c, FREES_TABLE);
}

static int collect(lua_State *L)
{
	struct collections *c = lua_touserdata(L, 1);
	for (c->cycle = 0; c->cycle < CYCLES; c->cycle++) {
		lua_newtable(L);
		lua_pushfstring(L, "ljmemprof garbage %d", c->cycle);
		c->garbage[FREES_TABLE] = lua_topointer(L, -2);
		c->garbage[FREES_STRING] = lua_topointer(L, -1);
		lua_pop(L, 2);
		lua_gc(L, LUA_GCCOLLECT, 0);
		take(c, HAS_COLLECTED);
		lua_gc(L, LUA_GCSTEP, 0);
		take(c, HAS_STEPPED);
	}
	return 0;
}

/*
 * The white is one bit of two (others beside them do not change), another one
 * in each cycle; the state is behind.
 */
static bool is_white_and_state(const struct collections *c, int offset)
{
	static const uint8_t states[MOMENTS] = {
		[FREES_STRING] = VM_GC_SWEEPSTRING,
		[FREES_TABLE] = VM_GC_SWEEP,
		[HAS_COLLECTED] = VM_GC_PAUSE,
		[HAS_STEPPED] = VM_GC_PROPAGATE,
	};
	uint8_t white = c->global[0][0][offset];
	int cycle, i;
	if ((white & 3) != 1 && (white & 3) != 2)
		return false;
	for (cycle = 0; cycle < CYCLES; cycle++, white ^= 3)
		for (i = 0; i < MOMENTS; i++)
			if (!c->taken[cycle][i] ||
			    c->global[cycle][i][offset] != white ||
			    c->global[cycle][i][offset + 1] != states[i])
				return false;
	return true;
}

void layout_measure_collector(struct search *s)
{
	struct collections c;
	int offset, found = 0;
	memset(&c, 0, sizeof c);
	c.probe = &s->probe;
	s->probe.on_free = see_free;
	s->probe.watch_arg = &c;
	if (lua_cpcall(s->probe.L, collect, &c))
		lua_pop(s->probe.L, 1);
	s->probe.on_free = NULL;
	lua_gc(s->probe.L, LUA_GCSTOP, 0);
	for (offset = 0; offset + 1 < PROBE_GLOBAL_SIZE; offset++) {
		if (!is_white_and_state(&c, offset))
			continue;
		s->y.g_white = offset;
		found++;
	}
	s->y.has_gc_state = found == 1;
}
