/*
 * test_oracle.c - random streams through the model and through the oracle:
 * every figure of every site, every override, every life must be the same.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

#define STREAM_EVENTS 2000

/* What a random stream is made of. */
struct mix {
	unsigned addresses;    /* of blocks: few make conflicts */
	unsigned symbol_share; /* one in so many events is a symbol */
	bool orderly;	       /* free only what is alive, with its size */
	bool big;	       /* sizes beyond 32 bits */
};

static const char *const names[] = {"@a.lua", "@b.lua", "return 1\n",
				    "x\ny",   "",	"=stdin"};

static void random_symbol(uint64_t *seed, struct decode_event *e)
{
	*e = (struct decode_event){.kind = LJM_KIND_SYMBOL};
	e->source = (uint8_t)(LJM_SOURCE_LUA + next_random(seed) % 3);
	e->line = next_random(seed) % 3;
	if (e->source == LJM_SOURCE_TRACE) {
		e->address = next_random(seed) % 4;
		e->start_address = next_random(seed) % 10;
		return;
	}
	e->address = 2 + next_random(seed) % 7;
	if (e->source == LJM_SOURCE_C)
		e->line = 0;
	/* C functions get the names without a newline. */
	e->name = e->source == LJM_SOURCE_C ? names[next_random(seed) % 2]
					    : names[next_random(seed) % 6];
	e->name_size = strlen(e->name);
}

static void random_heap_event(const struct mix *mix, const struct oracle *o,
			      uint64_t *seed, struct decode_event *e)
{
	*e = (struct decode_event){
		.kind = (uint8_t)(1 + next_random(seed) % 3)};
	e->source = (uint8_t)(1 + next_random(seed) % 4);
	if (e->source != LJM_SOURCE_INTERNAL)
		e->address = next_random(seed) % 10;
	if (e->source == LJM_SOURCE_LUA)
		e->line = next_random(seed) % 3;
	if (e->kind != LJM_KIND_ALLOC) {
		e->old_address = next_random(seed) % mix->addresses * 16;
		e->old_size = next_random(seed) % 4 * 8;
		if (o->block_count != 0 &&
		    (mix->orderly || next_random(seed) % 2)) {
			const struct oracle_block *const b =
				&o->blocks[next_random(seed) % o->block_count];

			e->old_address = b->address;
			e->old_size = b->size;
		}
	}
	if (e->kind != LJM_KIND_FREE) {
		e->new_address = next_random(seed) % mix->addresses * 16;
		if (next_random(seed) % 8 == 0)
			e->new_address = e->old_address;
		e->new_size = next_random(seed) % 4 * 8;
		if (mix->big && next_random(seed) % 2)
			e->new_size += 0xfffffff8;
	}
}

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
};

static void match_sites(struct match *match)
{
	char name[ORACLE_NAME];

	assert_int_equal(model_site_count(match->m), match->o->site_count);
	for (uint32_t i = 0; i < model_site_count(match->m); i++) {
		const struct model_site site = model_site(match->m, i);

		model_site_print(&site, name, sizeof(name));
		match->of[i] = oracle_find_site(match->o, name);
		if (match->of[i] == SIZE_MAX)
			fail_msg("the oracle has no site %s", name);
	}
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

		check_figures(&site.figures,
			      &match->o->sites[match->of[i]].figures,
			      match->o->sites[match->of[i]].name);
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
}

static size_t oracle_index(const struct match *match, uint32_t site)
{
	return site == MODEL_NO_SITE ? MODEL_NO_SITE : match->of[site];
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

/* One stream into both; the model gets it in pieces and is asked between. */
static void run_stream(struct model *m, struct oracle *o, const struct mix *mix,
		       uint64_t *seed)
{
	struct decode_event events[256];
	size_t count = 0, taken;

	for (int i = 0; i < STREAM_EVENTS; i++) {
		if (next_random(seed) % mix->symbol_share == 0)
			random_symbol(seed, &events[count]);
		else
			random_heap_event(mix, o, seed, &events[count]);
		oracle_apply(o, &events[count++]);
		if (count < 256 && next_random(seed) % 40 != 0)
			continue;
		assert_int_equal(model_feed(m, events, count, &taken),
				 MODEL_OK);
		assert_int_equal(taken, count);
		if (next_random(seed) % 4 == 0) {
			assert_int_equal(model_settle(m), MODEL_OK);
			assert_true(model_totals(m)->figures.live_bytes >=
				    o->live_bytes);
		}
		count = 0;
	}
	assert_int_equal(model_feed(m, events, count, &taken), MODEL_OK);
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
	check_sites(&match);
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
		{40, 10, false, false},
		{400, 50, true, false},
		{8, 3, false, false},
		{60, 20, false, true},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		for (uint64_t seed = 0; seed < 16; seed++)
			run(&mixes[i], seed, 1 + (int)(seed % 3), seed % 2 == 0,
			    seed % 8 >= 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
