/*
 * test_oracle.c - random streams through the model and through the oracle:
 * every figure of every site and callsite, every override, every life must be
 * the same.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "locations.h"
#include "oracle.h"
#include "random_events.h"
#include "step.h"

#define STREAM_EVENTS 2000

/* ---- lives */

struct lives {
	struct model_life list[ORACLE_LIVES];
	size_t count;
};

static bool collect(void *arg, const struct model_life *life)
{
	struct lives *const l = arg;

	assert_true(l->count < ORACLE_LIVES);
	l->list[l->count++] = *life;
	return true;
}

static int compare_lives(const void *a, const void *b)
{
	const struct model_life *const x = a, *const y = b;
	const uint64_t keys[][2] = {{x->died_event, y->died_event},
				    {x->born_event, y->born_event},
				    {x->address, y->address},
				    {x->size, y->size}};

	for (size_t i = 0; i < 4; i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

/* ---- comparing */

/* The oracle's index of each of the model's sites. */
struct match {
	const struct model *m;
	const struct oracle *o;
	size_t of[ORACLE_SITES];
	size_t of_callsite[ORACLE_CALLSITES];
};

static const struct model_figures nothing;

/* A site or callsite that no event belongs to is no news to the oracle. */
static void check_unknown(const struct model_figures *f, const char *name)
{
	if (memcmp(f, &nothing, sizeof(nothing)) != 0)
		fail_msg("the oracle has no %s", name);
}

static void match_sites(struct match *match)
{
	char name[ORACLE_NAME];
	size_t found = 0;

	for (uint32_t i = 0; i < model_site_count(match->m); i++) {
		const struct model_site site = model_site(match->m, i);

		model_site_print(&site, name, sizeof(name));
		match->of[i] = oracle_find_site(match->o, name);
		found += match->of[i] != SIZE_MAX;
		if (match->of[i] == SIZE_MAX)
			check_unknown(&site.figures, name);
	}
	assert_int_equal(found, match->o->site_count);
}

/* The oracle's word for a callsite of the model. */
static void print_key(const struct model *m, uint32_t index, char *out)
{
	struct model_frame frames[ORACLE_DEPTH];
	const struct model_site site =
		model_site(m, model_callsite_site(m, index));
	struct model_callsite c;
	char name[ORACLE_NAME];
	uint32_t depth = 0;

	for (; index != MODEL_NO_CALLSITE; index = c.parent) {
		assert_true(depth < ORACLE_DEPTH);
		model_callsite(m, index, &c);
		assert_true(c.frame < model_frame_count(m));
		model_frame(m, c.frame, &frames[depth++]);
		assert_true(c.parent == MODEL_NO_CALLSITE || c.parent < index);
		assert_int_equal(c.depth == 1, c.parent == MODEL_NO_CALLSITE);
	}
	model_site_print(&site, name, sizeof(name));
	oracle_key(name, frames, depth, out);
}

static void match_callsites(struct match *match)
{
	const size_t count = model_callsite_count(match->m);
	struct model_callsite c;
	char key[ORACLE_PATH];
	size_t found = 0;

	assert_true(count <= ORACLE_CALLSITES);
	for (uint32_t i = 0; i < count; i++) {
		print_key(match->m, i, key);
		model_callsite(match->m, i, &c);
		assert_int_equal(c.site, model_callsite_site(match->m, i));
		match->of_callsite[i] = oracle_find_callsite(match->o, key);
		found += match->of_callsite[i] != SIZE_MAX;
		if (match->of_callsite[i] == SIZE_MAX)
			check_unknown(&c.figures, key);
	}
	assert_int_equal(found, match->o->callsite_count);
}

static void check_figures(const struct model_figures *got,
			  const struct model_figures *expected,
			  const char *whose)
{
	const uint64_t *const a = (const uint64_t *)got;
	const uint64_t *const b = (const uint64_t *)expected;

	for (size_t i = 0; i < sizeof(*got) / sizeof(*a); i++)
		if (a[i] != b[i])
			fail_msg("field %zu of %s: %llu, the oracle says %llu",
				 i, whose, (unsigned long long)a[i],
				 (unsigned long long)b[i]);
	assert_true(got->alloc_bytes + got->realloc_new_bytes -
			    got->ended_bytes ==
		    got->live_bytes);
	assert_true(got->born_blocks - got->ended_blocks == got->live_blocks);
}

static void check_sites(const struct match *match)
{
	for (uint32_t i = 0; i < model_site_count(match->m); i++) {
		const struct model_site site = model_site(match->m, i);
		const size_t of = match->of[i];

		if (of != SIZE_MAX)
			check_figures(&site.figures,
				      &match->o->sites[of].figures,
				      match->o->sites[of].name);
	}
}

static void check_callsites(const struct match *match)
{
	struct model_callsite c;

	for (uint32_t i = 0; i < model_callsite_count(match->m); i++) {
		const size_t of = match->of_callsite[i];

		model_callsite(match->m, i, &c);
		if (of != SIZE_MAX)
			check_figures(&c.figures,
				      &match->o->callsites[of].figures,
				      match->o->callsites[of].key);
	}
}

static void check_overrides(const struct match *match)
{
	assert_int_equal(model_override_count(match->m), match->o->pair_count);
	for (size_t i = 0; i < match->o->pair_count; i++) {
		const struct model_override p = model_override(match->m, i);
		const struct oracle_pair *q = match->o->pairs;

		while (q->by_site != match->of[p.by_site] ||
		       q->of_site != match->of[p.of_site] ||
		       q->by_realloc != p.by_realloc)
			assert_true(++q <
				    match->o->pairs + match->o->pair_count);
		assert_true(p.blocks == q->blocks);
		assert_true(p.bytes == q->bytes);
	}
}

static void check_totals(const struct match *match)
{
	const struct model_totals *const a = model_totals(match->m);
	const struct model_totals *const b = &match->o->totals;

	check_figures(&a->figures, &b->figures, "the totals");
	assert_true(a->events == b->events);
	assert_true(a->peak_bytes == b->peak_bytes);
	assert_true(a->peak_event == b->peak_event);
	assert_true(a->conflict_events == b->conflict_events);
	assert_true(a->first_conflict_event == b->first_conflict_event);
	assert_true(a->replaced_blocks == b->replaced_blocks);
	assert_true(a->replaced_bytes == b->replaced_bytes);
	assert_true(a->last_collector_free_event ==
		    b->last_collector_free_event);
	assert_true(a->begun_bytes_since_collector ==
		    b->begun_bytes_since_collector);
	assert_true(a->lost_events == b->lost_events);
}

static size_t oracle_index(const struct match *match, uint32_t callsite)
{
	return callsite == MODEL_NO_CALLSITE ? MODEL_NO_CALLSITE
					     : match->of_callsite[callsite];
}

static void check_lives(const struct match *match, struct lives *l)
{
	struct oracle *const o = (struct oracle *)match->o;

	assert_int_equal(l->count, o->life_count);
	qsort(l->list, l->count, sizeof(*l->list), compare_lives);
	qsort(o->lives, l->count, sizeof(*l->list), compare_lives);
	for (size_t i = 0; i < l->count; i++) {
		const struct model_life *const a = &l->list[i];
		const struct model_life *const b = &o->lives[i];

		assert_int_equal(compare_lives(a, b), 0);
		assert_true(a->realloc_of == b->realloc_of);
		assert_true(oracle_index(match, a->born_callsite) ==
			    b->born_callsite);
		assert_true(oracle_index(match, a->died_callsite) ==
			    b->died_callsite);
		assert_int_equal(a->born_by_realloc, b->born_by_realloc);
		assert_int_equal(a->died_by_realloc, b->died_by_realloc);
		assert_int_equal(a->replaced, b->replaced);
	}
}

static void check_aliases(const struct match *match)
{
	assert_int_equal(model_alias_count(match->m), match->o->alias_count);
	for (size_t i = 0; i < match->o->alias_count; i++) {
		const struct model_name *const a = model_alias(match->m, i);

		assert_int_equal(a->size, strlen(match->o->aliases[i]));
		assert_memory_equal(a->text, match->o->aliases[i], a->size);
		assert_int_equal(a->alias, i + 1);
	}
}

/* ---- running */

static size_t put_integer(uint8_t *to, uint64_t value)
{
	size_t size = 0;

	for (; value > 0x7f; value >>= 7)
		to[size++] = (uint8_t)(value | 0x80);
	to[size++] = (uint8_t)value;
	return size;
}

/* Where a heap event is from, as locations have it. False: too long for that.
 */
static bool to_location(const struct decode_event *e, uint64_t location[2])
{
	uint8_t bytes[32] = {LJM_HEAD(0, e->source)};
	size_t size = 1;

	if (e->source != LJM_SOURCE_INTERNAL)
		size += put_integer(bytes + size, e->address);
	if (e->source == LJM_SOURCE_LUA)
		size += put_integer(bytes + size, e->line);
	memcpy(location, bytes, 2 * sizeof(*location));
	return size <= 2 * sizeof(*location);
}

static struct step to_step(uint64_t address, uint64_t size, unsigned flags,
			   uint32_t owner)
{
	return (struct step){address, flags, (uint32_t)size, owner};
}

/* Steps that have not been fed yet. */
struct pending {
	struct model *m;
	struct step *steps; /* NULL: nowhere yet */
	size_t room;
	struct decode_steps done;
};

static void feed_pending(struct pending *p)
{
	if (p->steps != NULL)
		assert_int_equal(model_take_steps(p->m, &p->done), MODEL_OK);
	p->done = (struct decode_steps){0};
	p->steps = NULL;
}

/* Who is at a location, learnt if need be; there is room for two steps. */
static uint32_t find_owner(struct pending *p, const uint64_t location[2])
{
	const struct locations *known;
	uint32_t owner;

	if (p->steps == NULL || p->room - p->done.count < 2) {
		feed_pending(p);
		p->steps = model_room(p->m, &p->room);
		assert_in_range(p->room, 2, SIZE_MAX);
	}
	known = model_locations(p->m);
	owner = locations_find(known, location);
	return owner != LOCATION_UNKNOWN ? owner
					 : known->learn(known->arg, location);
}

/*
 * Adds a heap event as steps, as decode_steps() would have them. False: it is
 * none, or not for that.
 */
static bool add_steps(struct pending *p, const struct decode_event *e)
{
	const uint64_t address =
		e->kind == LJM_KIND_ALLOC ? e->new_address : e->old_address;
	const uint64_t size =
		e->kind == LJM_KIND_ALLOC ? e->new_size : e->old_size;
	const bool moved = e->kind == LJM_KIND_REALLOC;
	unsigned flags = STEP_FIRST;
	uint64_t location[2];
	uint32_t owner;

	if (e->source == DECODE_CALLSITE || e->kind == LJM_KIND_SYMBOL ||
	    e->kind > LJM_KIND_REALLOC || !to_location(e, location) ||
	    !step_fits(address, size) ||
	    (moved && !step_fits(e->new_address, e->new_size)))
		return false;
	owner = find_owner(p, location);
	assert_int_not_equal(owner, LOCATION_UNKNOWN);
	if (owner & LOCATION_INTERNAL && !moved)
		flags |= STEP_INTERNAL;
	if (e->kind == LJM_KIND_ALLOC)
		flags |= STEP_BIRTH;
	owner = (owner & ~LOCATION_INTERNAL) | moved;
	p->steps[p->done.count++] = to_step(address, size, flags, owner);
	if (moved)
		p->steps[p->done.count++] =
			to_step(e->new_address, e->new_size, STEP_BIRTH, owner);
	p->done.events++;
	p->done.bytes += e->old_size + e->new_size;
	return true;
}

/* Feeds events, most of those that can be as steps. */
static void feed_mixed(struct model *m, const struct decode_event *events,
		       size_t count, uint64_t *seed)
{
	struct pending p = {.m = m};
	size_t taken;

	for (size_t i = 0; i < count; i++) {
		if (next_random(seed) % 16 != 0 && add_steps(&p, &events[i]))
			continue;
		feed_pending(&p);
		assert_int_equal(model_feed(m, &events[i], 1, &taken),
				 MODEL_OK);
		assert_int_equal(taken, 1);
	}
	feed_pending(&p);
}

/* One way, or all of it as events. */
static void feed_somehow(struct model *m, const struct decode_event *events,
			 size_t count, uint64_t *seed)
{
	size_t taken;

	if (next_random(seed) % 2 == 0) {
		feed_mixed(m, events, count, seed);
		return;
	}
	assert_int_equal(model_feed(m, events, count, &taken), MODEL_OK);
	assert_int_equal(taken, count);
}

/* One stream into both; the model gets it in pieces and is asked between. */
static void run_stream(struct model *m, struct oracle *o, const struct mix *mix,
		       uint64_t *seed)
{
	const bool compact =
		mix->compact != 0 && next_random(seed) % mix->compact == 0;
	struct decode_event events[256];
	size_t count = 0;

	if (compact) {
		random_start(&events[0]);
		oracle_apply(o, &events[count++]);
	}
	for (int i = 0; i < STREAM_EVENTS; i++) {
		if (compact)
			random_compact(mix, o, seed, &events[count]);
		else if (next_random(seed) % mix->symbol_share == 0)
			random_symbol(seed, &events[count]);
		else
			random_heap_event(mix, o, seed, &events[count]);
		oracle_apply(o, &events[count++]);
		if (count < 256 && next_random(seed) % 40 != 0)
			continue;
		feed_somehow(m, events, count, seed);
		if (next_random(seed) % 4 == 0) {
			assert_int_equal(model_settle(m), MODEL_OK);
			assert_true(model_totals(m)->figures.live_bytes >=
				    o->live_bytes);
		}
		count = 0;
	}
	feed_somehow(m, events, count, seed);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	oracle_end_stream(o);
}

static void run(const struct mix *mix, uint64_t seed, int streams,
		bool with_lives, bool with_thread)
{
	struct oracle *const o = calloc(1, sizeof(*o));
	struct lives *const l = calloc(1, sizeof(*l));
	struct model *const m =
		with_lives ? model_new(collect, l) : model_new(NULL, NULL);
	struct match match = {.m = m, .o = o};

	assert_non_null(o);
	assert_non_null(l);
	assert_non_null(m);
	if (with_thread)
		model_use_thread(m);
	for (int i = 0; i < streams; i++)
		run_stream(m, o, mix, &seed);
	oracle_sum(o);
	match_sites(&match);
	match_callsites(&match);
	check_sites(&match);
	check_callsites(&match);
	check_totals(&match);
	check_overrides(&match);
	check_aliases(&match);
	if (with_lives)
		check_lives(&match, l);
	model_free(m);
	free(l);
	free(o);
}

static void test_random_streams(void **state)
{
	static const struct mix mixes[] = {
		{40, 10, false, false, 0}, {400, 50, true, false, 0},
		{8, 3, false, false, 0},   {60, 20, false, true, 0},
		{40, 10, false, false, 1}, {400, 50, true, false, 1},
		{40, 10, false, false, 2}, {300, 500, false, false, 0},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		for (uint64_t seed = 0; seed < 16; seed++)
			run(&mixes[i], seed, 1 + (int)(seed % 3), seed % 2 == 0,
			    seed % 8 >= 6);
}

static struct decode_event one_line_event(uint8_t kind, uint64_t address)
{
	struct decode_event e = {.kind = kind,
				 .source = LJM_SOURCE_LUA,
				 .address = 1,
				 .line = 7};

	if (kind == LJM_KIND_ALLOC) {
		e.new_address = address;
		e.new_size = 8;
	} else {
		e.old_address = address;
		e.old_size = 8;
	}
	return e;
}

/*
 * One block again and again, then many at once, all of one line: once nothing
 * but blocks is new, and samples are rare, all events go the common way.
 */
static void test_one_line(void **state)
{
	enum {
		AGAIN = 4000,
		BLOCKS = 120,
		EVENTS = 2 * (AGAIN + BLOCKS)
	};
	struct oracle *const o = calloc(1, sizeof(*o));
	struct model *const m = model_new(NULL, NULL);
	struct match match = {.m = m, .o = o};
	struct decode_event *const e = calloc(EVENTS, sizeof(*e));
	size_t count = 0, taken;
	(void)state;

	assert_non_null(o);
	assert_non_null(m);
	assert_non_null(e);
	for (uint64_t i = 0; i < AGAIN; i++) {
		e[count++] = one_line_event(LJM_KIND_ALLOC, 16);
		e[count++] = one_line_event(LJM_KIND_FREE, 16);
	}
	for (uint64_t i = 1; i <= BLOCKS; i++)
		e[count++] = one_line_event(LJM_KIND_ALLOC, 16 * i);
	for (uint64_t i = 1; i <= BLOCKS; i++)
		e[count++] = one_line_event(LJM_KIND_FREE, 16 * i);
	for (size_t i = 0; i < EVENTS; i++)
		oracle_apply(o, &e[i]);
	assert_int_equal(model_feed(m, e, EVENTS, &taken), MODEL_OK);
	assert_int_equal(taken, EVENTS);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	oracle_end_stream(o);
	oracle_sum(o);
	match_sites(&match);
	match_callsites(&match);
	check_sites(&match);
	check_totals(&match);
	check_overrides(&match);
	model_free(m);
	free(e);
	free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
