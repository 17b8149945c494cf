/*
 * vm_layout_exit.c - the layout of tables, and the plans of what exits make
 * anew (vm_exit.h) put to the test in the scratch VM. Not found is no error.
 */
#include <stdlib.h>
#include <string.h>

#include "vm_frame.h"
#include "vm_layout_search.h"

/* ---- tables */

#define TABLES	   5
#define TABLE_SIZE 128

/* What a table is made with: as lua_createtable() is told. */
static const struct {
	int slots, nodes;      /* wanted */
	uint32_t asize, hmask; /* then had */
} tables_wanted[TABLES] = {
	{0, 0, 0, 0},	{5, 0, 6, 0},	 {0, 4, 0, 3},
	{15, 2, 16, 1}, {16, 9, 17, 15},
};

struct tables {
	lua_Alloc alloc; /* the scratch VM's, and its ud */
	void *alloc_ud;
	struct made_table {
		uint32_t count; /* of what it asked for: */
		size_t sizes[3];
		const void *blocks[3];
		uint8_t bytes[TABLE_SIZE]; /* of its header */
	} all[TABLES], *now;
};

static void *tables_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct tables *t = ud;
	struct made_table *made = t->now;
	void *block = t->alloc(t->alloc_ud, ptr, osize, nsize);
	if (nsize && made->count < 3) {
		made->blocks[made->count] = block;
		made->sizes[made->count++] = nsize;
	}
	return block;
}

static int make_tables(lua_State *L)
{
	struct tables *t = lua_touserdata(L, 1);
	int i;
	t->alloc = lua_getallocf(L, &t->alloc_ud);
	for (i = 0; i < TABLES; i++) {
		t->now = &t->all[i];
		lua_setallocf(L, tables_alloc, t);
		lua_createtable(L, tables_wanted[i].slots,
				tables_wanted[i].nodes);
		lua_setallocf(L, t->alloc, t->alloc_ud);
		peek_memory(lua_topointer(L, -1), t->now->bytes, TABLE_SIZE);
		lua_pop(L, 1);
	}
	return 0;
}

typedef bool fits_table_fn(const struct tables *t, bool gc64, int i, int at);

static bool fits_asize(const struct tables *t, bool gc64, int i, int at)
{
	(void)gc64;
	return peek_u32(t->all[i].bytes + at) == tables_wanted[i].asize;
}

static bool fits_hmask(const struct tables *t, bool gc64, int i, int at)
{
	(void)gc64;
	return peek_u32(t->all[i].bytes + at) == tables_wanted[i].hmask;
}

/* The last but one block, or behind the header; 0 where there is none. */
static bool fits_array(const struct tables *t, bool gc64, int i, int at)
{
	const struct made_table *made = &t->all[i];
	uint64_t array = peek_ref(gc64, made->bytes + at);
	if (!tables_wanted[i].asize)
		return !array;
	return array == (made->count == 3 ? (uintptr_t)made->blocks[1]
					  : (uintptr_t)made->blocks[0] +
						    t->all[0].sizes[0]);
}

/* The last block; where there is none, one that all tables share. */
static bool fits_node(const struct tables *t, bool gc64, int i, int at)
{
	const struct made_table *made = &t->all[i];
	uint64_t node = peek_ref(gc64, made->bytes + at);
	if (!tables_wanted[i].hmask)
		return node == peek_ref(gc64, t->all[0].bytes + at);
	return node == (uintptr_t)made->blocks[made->count - 1];
}

/* Where all tables have it; 0 unless that is one place within the header. */
static int32_t find_in_tables(const struct tables *t, bool gc64, int step,
			      fits_table_fn *fits)
{
	int size = (int)t->all[0].sizes[0], at, i, n = 0;
	int32_t found = 0;
	for (at = 8; at + step <= size && at + 8 <= TABLE_SIZE; at += step) {
		for (i = 0; i < TABLES; i++)
			if (!fits(t, gc64, i, at))
				break;
		if (i < TABLES)
			continue;
		found = at;
		n++;
	}
	return n == 1 ? found : 0;
}

/* Slots of 8 bytes, up to 16 of them behind the header; nodes of 24. */
static bool has_sizes(const struct tables *t)
{
	const struct made_table *a = t->all;
	size_t header = a[0].sizes[0];
	return a[0].count == 1 && a[1].count == 1 && a[2].count == 2 &&
	       a[3].count == 2 && a[4].count == 3 && header <= TABLE_SIZE &&
	       a[1].sizes[0] == header + 8 * 6 && a[2].sizes[0] == header &&
	       a[2].sizes[1] == 24 * 4 && a[3].sizes[0] == header + 8 * 16 &&
	       a[3].sizes[1] == 24 * 2 && a[4].sizes[0] == header &&
	       a[4].sizes[1] == 8 * 17 && a[4].sizes[2] == 24 * 16;
}

static bool measure_tables(struct search *s)
{
	struct vm_layout *y = &s->y;
	struct tables t;
	memset(&t, 0, sizeof t);
	if (lua_cpcall(s->probe.L, make_tables, &t)) {
		lua_pop(s->probe.L, 1);
		return false;
	}
	if (!has_sizes(&t))
		return false;
	y->tab_size = (int32_t)t.all[0].sizes[0];
	y->tab_asize = find_in_tables(&t, y->gc64, 4, fits_asize);
	y->tab_hmask = find_in_tables(&t, y->gc64, 4, fits_hmask);
	y->tab_array = find_in_tables(&t, y->gc64, s->ref, fits_array);
	y->tab_node = find_in_tables(&t, y->gc64, s->ref, fits_node);
	return y->tab_asize && y->tab_hmask && y->tab_array && y->tab_node;
}

/* ---- the trial */

/* Blocks made on leaving traces, and the lines that they were said to have. */
#define BLOCKS 512

struct exit_trial {
	struct search *s;
	lua_Alloc alloc;
	void *alloc_ud;
	struct {
		const void *block;
		uint32_t line;
	} blocks[BLOCKS];
	uint32_t count;
	uint32_t certain, uncertain, right, wrong;
};

/* The line of what is asked for just now; 0 for nothing that an exit makes. */
static uint32_t line_now(struct exit_trial *t, bool moves, size_t nsize)
{
	const struct vm_layout *y = &t->s->y;
	struct vm_traces *traces = &t->s->traces;
	uintptr_t global = (uintptr_t)t->s->probe.global, trace, snapshot, at;
	struct vm_trace_line found;
	uint32_t number;
	if ((int32_t)vm_u32(global + (unsigned)y->g_vmstate) != y->state_gc - 1)
		return 0;
	number = vm_u32(global + (unsigned)y->g_parent);
	trace = vm_ref(y->gc64, vm_u64(global + (unsigned)y->g_trace) +
					(unsigned)t->s->ref * number);
	snapshot = vm_exit_snapshot(y, y->gc64, global, trace);
	if (!snapshot)
		return 0;
	if (!vm_exits_knows(&traces->exits, trace, snapshot))
		vm_exits_learn(&traces->exits, y, trace, snapshot);
	at = vm_traces_exit_at(traces, y, trace, snapshot, moves, nsize);
	if (at && at != snapshot &&
	    vm_traces_exit_line(traces, y, trace, number, at, &found)) {
		t->certain++;
		return found.line;
	}
	t->uncertain++;
	return 0;
}

static void *trial_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct exit_trial *t = ud;
	uint32_t line = nsize ? line_now(t, ptr != NULL, nsize) : 0;
	void *block = t->alloc(t->alloc_ud, ptr, osize, nsize);
	if (!block && nsize)
		vm_exits_refused(&t->s->traces.exits);
	if (line && t->count < BLOCKS) {
		t->blocks[t->count].block = block;
		t->blocks[t->count++].line = line;
	}
	return block;
}

/* Which block it is in was found last. */
static void see_made(void *arg, const void *object, int line)
{
	struct exit_trial *t = arg;
	uint32_t i = t->count;
	while (i && t->blocks[i - 1].block != object)
		i--;
	if (i && (int)t->blocks[i - 1].line == line)
		t->right++;
	else
		t->wrong++;
}

static void log_exit_trial(void *arg, struct probe *probe, lua_State *L)
{
	struct exit_trial *t = arg;
	layout_log_trace(t->s, probe, L);
}

/* Three exits each of nine programs, and three tables each. */
#define EXIT_TRIAL_RIGHT_MIN 81

static bool run_exit_trial(struct search *s, struct exit_trial *t)
{
	char error[160];
	bool ran;
	t->s = s;
	vm_exits_begin(&s->traces.exits, false);
	t->alloc = lua_getallocf(s->probe.L, &t->alloc_ud);
	lua_setallocf(s->probe.L, trial_alloc, t);
	ran = probe_exit_trial(&s->probe, see_made, log_exit_trial, t, error,
			       sizeof error);
	lua_setallocf(s->probe.L, t->alloc, t->alloc_ud);
	return ran && !t->wrong && !t->uncertain && !s->traces.exits.wrong &&
	       t->right >= EXIT_TRIAL_RIGHT_MIN;
}

static bool hold_exit_trial(struct search *s)
{
	struct exit_trial *t = calloc(1, sizeof *t);
	bool ok = t && run_exit_trial(s, t);
	free(t);
	return ok;
}

void layout_measure_exit_plans(struct search *s)
{
	struct vm_layout *y = &s->y;
	if (!y->has_trace_lines || !y->g_parent || !measure_tables(s))
		return;
	y->has_exit_plans = true; /* for the trial */
	y->has_exit_plans = hold_exit_trial(s);
}
