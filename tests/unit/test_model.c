/*
 * test_model.c - the replay, case by case; what random streams do not reach.
 */
#include "cmocka_all.h"

#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"
#include "model.h"
#include "symbol_event.h"

/* Feeds a stream written as text, and ends it. */
static void feed(struct model *m, const char *text)
{
	struct ljm_bytes stream = {0};
	struct decode_input in;
	struct decode_event events[64];
	size_t count, taken;
	struct decoder d;

	assert_int_equal(ljm_encode(text, &stream), 0);
	in = (struct decode_input){stream.data, stream.size, 0};
	decode_init(&d);
	assert_int_equal(decode_events(&d, &in, events, 64, &count),
			 DECODE_END);
	assert_int_equal(model_feed(m, events, count, &taken), MODEL_OK);
	assert_int_equal(taken, count);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	ljm_free(&stream);
}

static struct model *replay(const char *text)
{
	struct model *const m = model_new(NULL, NULL);

	assert_non_null(m);
	feed(m, text);
	return m;
}

/* The site is good until the next one is looked for. */
static const struct model_site *find_site(const struct model *m,
					  const char *printed)
{
	static struct model_site site;
	char name[128];

	for (uint32_t i = 0; i < model_site_count(m); i++) {
		site = model_site(m, i);
		model_site_print(&site, name, sizeof(name));
		if (strcmp(name, printed) == 0)
			return &site;
	}
	fail_msg("no site %s", printed);
	return NULL;
}

#define PROLOGUE "ljs 3\nlua 0x100 \"@a.lua\" 1\nljm 3\n"

/* The phantom leak of Tarantool's reader: grown on another line, freed. */
static void test_a_realloc_owns(void **state)
{
	struct model *const m =
		replay(PROLOGUE "alloc lua 0x100:6 0x10 32\n"
				"realloc lua 0x100:8 0x10 32 0x20 72\n"
				"realloc lua 0x100:9 0x20 72 0x20 136\n"
				"free int 0x20 136\n"
				"alloc lua 0x100:6 0x30 32\n"
				"realloc lua 0x100:8 0x30 32 0x40 72\n"
				"end\n");
	const struct model_figures *f;
	(void)state;

	f = &find_site(m, "@a.lua:6")->figures;
	assert_int_equal(f->alloc_events, 2);
	assert_int_equal(f->born_blocks, 2);
	assert_int_equal(f->ended_blocks, 2);
	assert_int_equal(f->live_bytes, 0);
	f = &find_site(m, "@a.lua:8")->figures;
	assert_int_equal(f->realloc_events, 2);
	assert_int_equal(f->realloc_new_bytes, 144);
	assert_int_equal(f->realloc_old_bytes, 64);
	assert_int_equal(f->live_blocks, 1);
	assert_int_equal(f->live_bytes, 72);
	assert_int_equal(f->first_event, 2);
	assert_int_equal(f->last_event, 6);
	f = &find_site(m, "INTERNAL")->figures;
	assert_int_equal(f->free_events, 1);
	assert_int_equal(f->free_bytes, 136);
	assert_int_equal(model_totals(m)->peak_bytes, 136);
	assert_int_equal(model_totals(m)->peak_event, 3);
	assert_int_equal(model_totals(m)->conflict_events, 0);
	assert_int_equal(model_override_count(m), 3);
	model_free(m);
}

static void test_failed_attempts(void **state)
{
	struct model *const m =
		replay(PROLOGUE "alloc lua 0x100:1 0x10 32\n"
				"alloc lua 0x100:2 0 1000\n"
				"realloc lua 0x100:2 0x10 32 0 2000\n"
				"end\n");
	const struct model_figures *const f =
		&find_site(m, "@a.lua:2")->figures;
	const struct model_totals *const t = model_totals(m);
	(void)state;

	assert_int_equal(f->failed_events, 2);
	assert_int_equal(f->failed_bytes, 3000);
	assert_int_equal(f->alloc_events + f->realloc_events, 0);
	assert_int_equal(f->first_event, 0);
	assert_int_equal(t->events, 3);
	assert_int_equal(t->figures.live_blocks, 1);
	assert_int_equal(t->figures.live_bytes, 32);
	assert_int_equal(model_override_count(m), 0);
	model_free(m);
}

/* Events with no block: counted, nothing begins. */
static void test_events_without_blocks(void **state)
{
	struct model *const m =
		replay(PROLOGUE "free int 0 0\n"
				"alloc int 0 0\n"
				"alloc lua 0x100:1 0x10 32\n"
				"realloc lua 0x100:2 0x10 32 0 0\n"
				"realloc lua 0x100:2 0 0 0x20 8\n"
				"alloc lua 0x100:3 0x30 0\n"
				"end\n");
	const struct model_totals *const t = model_totals(m);
	const struct model_figures *const f =
		&find_site(m, "@a.lua:2")->figures;
	(void)state;

	assert_int_equal(t->events, 6);
	assert_int_equal(t->figures.earlier_free_events, 1);
	assert_int_equal(t->figures.earlier_free_bytes, 0);
	assert_int_equal(t->figures.alloc_events, 3);
	assert_int_equal(t->figures.born_blocks, 3);
	assert_int_equal(t->figures.live_blocks, 2);
	assert_int_equal(t->last_collector_free_event, 0);
	assert_int_equal(f->realloc_events, 2);
	assert_int_equal(f->realloc_old_bytes, 32);
	assert_int_equal(f->earlier_realloc_events, 1);
	assert_int_equal(f->born_blocks, 1);
	model_free(m);
}

static void test_symbols_as_of_the_event(void **state)
{
	struct model *const m = replay("ljs 3\nljm 3\n"
				       "alloc lua 0x100:1 0x10 1\n"
				       "c 0x90 \"f\"\n"
				       "alloc lua 0x100:1 0x20 2\n"
				       "lua 0x100 \"@a.lua\" 1\n"
				       "alloc lua 0x100:1 0x30 4\n"
				       "lua 0x100 \"@b.lua\" 1\n"
				       "alloc lua 0x100:1 0x40 8\n"
				       "lua 0x200 \"@a.lua\" 1\n"
				       "alloc lua 0x200:1 0x50 16\n"
				       "end\n");
	(void)state;

	assert_int_equal(model_site_count(m), 4);
	assert_int_equal(find_site(m, "CFUNC 0x100")->figures.live_bytes, 1);
	assert_int_equal(find_site(m, "f:0x90")->figures.live_bytes, 2);
	/* Two prototypes that print alike are one site. */
	assert_int_equal(find_site(m, "@a.lua:1")->figures.live_bytes, 4 + 16);
	assert_int_equal(find_site(m, "@b.lua:1")->figures.live_bytes, 8);
	model_free(m);
}

static void test_streams_are_apart(void **state)
{
	struct model *const m = replay(PROLOGUE "alloc lua 0x100:1 0x10 32\n"
						"alloc lua 0x100:1 0x20 32\n"
						"alloc int 0x30 0\n"
						"free int 0x30 0\n"
						"end\n");
	(void)state;

	assert_int_equal(model_totals(m)->last_collector_free_event, 4);
	feed(m, "ljs 3\nljm 3\nfree lua 0x100:1 0x10 32\nend\n");
	assert_int_equal(model_totals(m)->figures.live_blocks, 2);
	assert_int_equal(model_totals(m)->figures.earlier_free_events, 1);
	assert_int_equal(
		find_site(m, "CFUNC 0x100")->figures.earlier_free_bytes, 32);
	assert_int_equal(model_totals(m)->peak_bytes, 0);
	assert_int_equal(model_totals(m)->last_collector_free_event, 0);
	assert_int_equal(model_sample_count(m), 1);
	feed(m, PROLOGUE "free lua 0x100:1 0x10 32\n"
			 "alloc lua 0x100:1 0x10 8\nend\n");
	assert_int_equal(find_site(m, "@a.lua:1")->figures.alloc_bytes, 72);
	assert_int_equal(model_totals(m)->events, 7);
	assert_int_equal(model_totals(m)->peak_bytes, 8);
	assert_int_equal(model_totals(m)->peak_event, 2);
	model_free(m);
}

/* More locations than are cached, twice each. */
static void test_many_sites(void **state)
{
	struct model *const m = model_new(NULL, NULL);
	struct decode_event e = {.kind = LJM_KIND_ALLOC,
				 .source = LJM_SOURCE_LUA,
				 .address = 0x100,
				 .new_size = 1};
	const uint64_t sites = 30000;
	size_t taken;
	(void)state;

	for (uint64_t i = 0; i < 2 * sites; i++) {
		e.line = i % sites;
		e.new_address = 16 * (i + 1);
		/* Without a symbol, all lines of a prototype print alike. */
		if (i == 0) {
			struct decode_event symbol = e;

			symbol.kind = LJM_KIND_SYMBOL;
			symbol.name = "@a.lua";
			symbol.name_size = 6;
			assert_int_equal(model_feed(m, &symbol, 1, &taken),
					 MODEL_OK);
		}
		assert_int_equal(model_feed(m, &e, 1, &taken), MODEL_OK);
	}
	assert_int_equal(model_site_count(m), sites);
	for (uint32_t i = 0; i < sites; i++) {
		assert_int_equal(model_site(m, i).line, i);
		assert_int_equal(model_site(m, i).figures.live_blocks, 2);
	}
	model_free(m);
}

static void test_samples(void **state)
{
	struct model *const m = replay(PROLOGUE "alloc int 0x10 32\n"
						"alloc int 0x20 8\n"
						"free int 0x10 32\n"
						"end\n");
	const struct model_sample *s;
	(void)state;

	assert_int_equal(model_sample_count(m), 3);
	s = model_sample(m, 1);
	assert_int_equal(s->event, 2);
	assert_int_equal(s->live_blocks, 2);
	assert_int_equal(s->live_bytes, 40);
	s = model_sample(m, 2);
	assert_int_equal(s->live_bytes, 8);
	assert_int_equal(s->begun_bytes, 40);
	model_free(m);
}

static void test_nothing_at_all(void **state)
{
	const struct decode_event e = {.kind = LJM_KIND_ALLOC,
				       .source = LJM_SOURCE_INTERNAL,
				       .new_address = 16};
	struct model *const m = model_new(NULL, NULL);
	size_t taken;
	(void)state;

	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(model_site_count(m), 0);
	assert_int_equal(model_sample_count(m), 0);
	assert_int_equal(model_totals(m)->events, 0);
	/* Freed in mid-stream: nothing may be left over. */
	assert_int_equal(model_feed(m, &e, 1, &taken), MODEL_OK);
	model_free(m);
	model_free(NULL);
}

/* The sum of all sizes may be 2^60 and no more. */
static void test_overflow(void **state)
{
	const uint64_t half = 1ull << 59;
	const struct decode_event events[] = {
		{.kind = LJM_KIND_ALLOC,
		 .source = LJM_SOURCE_INTERNAL,
		 .new_address = 16,
		 .new_size = half},
		{.kind = LJM_KIND_FREE,
		 .source = LJM_SOURCE_INTERNAL,
		 .old_address = 16,
		 .old_size = half},
		{.kind = LJM_KIND_FREE,
		 .source = LJM_SOURCE_INTERNAL,
		 .old_address = 32,
		 .old_size = 1},
	};
	struct decode_event huge = events[0];
	struct model *const m = model_new(NULL, NULL);
	size_t taken;
	(void)state;

	huge.new_size = UINT64_MAX;
	huge.old_size = 2;
	assert_int_equal(model_feed(m, &huge, 1, &taken), MODEL_OVERFLOW);
	assert_int_equal(taken, 0);
	huge.new_size = 2;
	huge.old_size = UINT64_MAX;
	assert_int_equal(model_feed(m, &huge, 1, &taken), MODEL_OVERFLOW);
	assert_int_equal(model_feed(m, events, 3, &taken), MODEL_OVERFLOW);
	assert_int_equal(taken, 2);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(model_totals(m)->events, 2);
	assert_int_equal(model_totals(m)->peak_bytes, half);
	model_free(m);
}

static bool stop_at_third(void *arg, const struct model_life *life)
{
	(void)life;
	return ++*(int *)arg != 3;
}

static void test_stopped(void **state)
{
	struct decode_event events[100];
	int lives = 0;
	struct model *const m = model_new(stop_at_third, &lives);
	size_t taken;
	(void)state;

	for (size_t i = 0; i < 100; i++)
		events[i] = (struct decode_event){.kind = LJM_KIND_FREE,
						  .source = LJM_SOURCE_INTERNAL,
						  .old_address = 16};
	assert_int_equal(model_feed(m, events, 100, &taken), MODEL_STOPPED);
	assert_int_equal(lives, 3);
	for (size_t i = 0; i < 100; i++)
		events[i] = (struct decode_event){.kind = LJM_KIND_ALLOC,
						  .source = LJM_SOURCE_INTERNAL,
						  .new_address = 16 * (i + 1)};
	lives = 0;
	assert_int_equal(model_feed(m, events, 100, &taken), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_STOPPED);
	assert_int_equal(lives, 3);
	model_free(m);
}

/* Beyond the limits nothing is lost but who it was. */
static void test_limits(void **state)
{
	struct model *const m = model_new(NULL, NULL);
	const struct model_figures *f;
	(void)state;

	assert_non_null(m);
	model_set_limits(m, 3, 1);
	for (int round = 1; round <= 2; round++)
		feed(m, PROLOGUE "alloc lua 0x100:1 0x10 1\n"
				 "alloc lua 0x100:2 0x20 2\n"
				 "alloc lua 0x100:3 0x30 4\n"
				 "alloc lua 0x100:4 0x40 8\n"
				 "free lua 0x100:5 0x10 1\n"
				 "free lua 0x100:1 0x20 2\n"
				 "realloc lua 0x100:1 0x30 4 0x30 16\n"
				 "free lua 0x100:5 0x10 1\n"
				 "alloc int 0x50 32\n"
				 "end\n");
	/* Three, the one for all others, and INTERNAL, as always. */
	assert_int_equal(model_site_count(m), 5);
	f = &find_site(m, "(further sites):0")->figures;
	assert_int_equal(f->alloc_bytes, 2 * 8);
	assert_int_equal(f->free_bytes, 2 * 1);
	assert_int_equal(f->earlier_free_bytes, 2 * 1);
	f = &find_site(m, "@a.lua:1")->figures;
	assert_int_equal(f->free_events, 2);
	assert_int_equal(f->free_bytes, 2 * 2);
	assert_int_equal(f->realloc_old_bytes, 2 * 4);
	assert_int_equal(f->ended_blocks, 2);
	assert_int_equal(f->live_bytes, 2 * 16);
	assert_int_equal(find_site(m, "@a.lua:2")->figures.live_blocks, 0);
	assert_int_equal(find_site(m, "@a.lua:3")->figures.live_blocks, 0);
	assert_int_equal(model_override_count(m), 1);
	assert_int_equal(model_totals(m)->further_events, 2 * 3);
	assert_int_equal(model_totals(m)->unlisted_blocks, 2 * 2);
	model_free(m);
}

/* A second thread's trouble is told, at the latest when all is settled. */
static void test_stopped_in_thread(void **state)
{
	struct decode_event events[100];
	enum model_result result = MODEL_OK;
	int lives = 0;
	struct model *const m = model_new(stop_at_third, &lives);
	size_t taken;
	(void)state;

	model_use_thread(m);
	for (size_t i = 0; i < 100; i++)
		events[i] = (struct decode_event){.kind = LJM_KIND_FREE,
						  .source = LJM_SOURCE_INTERNAL,
						  .old_address = 16};
	/* Far more than there is room for. */
	for (int i = 0; i < 5000 && result == MODEL_OK; i++)
		result = model_feed(m, events, 100, &taken);
	assert_int_equal(result, MODEL_STOPPED);
	assert_int_equal(model_settle(m), MODEL_STOPPED);
	assert_int_equal(lives, 3);
	model_free(m);
}

/* Other work for the second thread. */
static void count_work(void *arg)
{
	++*(atomic_uint *)arg;
}

static void feed_frees(struct model *m, unsigned times)
{
	struct decode_event events[1000];
	size_t taken;

	for (size_t i = 0; i < 1000; i++)
		events[i] = (struct decode_event){.kind = LJM_KIND_FREE,
						  .source = LJM_SOURCE_INTERNAL,
						  .old_address = 16};
	while (times-- != 0)
		assert_int_equal(model_feed(m, events, 1000, &taken), MODEL_OK);
	assert_int_equal(model_settle(m), MODEL_OK);
}

/* It is done, and not any more when all is settled. */
static void test_shared_work(void **state)
{
	struct model *const m = model_new(NULL, NULL);
	atomic_uint pieces = 0;
	(void)state;

	model_share_work(m, count_work, &pieces); /* with one thread: not */
	assert_false(model_work(m));
	feed_frees(m, 10);
	assert_int_equal(pieces, 0);
	model_use_thread(m);
	assert_false(model_work(m));
	feed_frees(m, 10);
	assert_int_equal(pieces, 0);
	model_share_work(m, count_work, &pieces);
	/* Each time that it is woken it is at it again. */
	for (unsigned before = 0; before < 100; before = pieces) {
		model_wake(m);
		while (pieces == before)
			sched_yield();
	}
	feed_frees(m, 1000);
	pieces = 0;
	feed_frees(m, 1000);
	model_wake(m);
	assert_int_equal(pieces, 0);
	model_end_stream(m);
	assert_int_equal(model_totals(m)->events, 2020000);
	model_free(m);
}

/* As long as the second thread is at other work, the first one replays. */
static void stay(void *arg)
{
	while (*(atomic_bool *)arg)
		sched_yield();
}

static void test_work_meanwhile(void **state)
{
	struct model *const m = model_new(NULL, NULL);
	atomic_bool stays = true;
	struct decode_event e = {.kind = LJM_KIND_FREE,
				 .source = LJM_SOURCE_INTERNAL,
				 .old_address = 16};
	size_t taken, fed = 0;
	(void)state;

	model_use_thread(m);
	model_share_work(m, stay, &stays);
	while (!model_work(m)) {
		assert_int_equal(model_feed(m, &e, 1, &taken), MODEL_OK);
		fed++;
	}
	/* Far more than there is room for: it would wait without end. */
	for (int i = 0; i < 1000000; i++)
		assert_int_equal(model_feed(m, &e, 1, &taken), MODEL_OK);
	stays = false;
	assert_int_equal(model_settle(m), MODEL_OK);
	assert_false(model_work(m));
	model_end_stream(m);
	assert_int_equal(model_totals(m)->events, 1000000 + fed);
	model_free(m);
}

/* Peak and samples are the last stream's, even if it had no events. */
static void test_empty_stream_after(void **state)
{
	struct model *const m =
		replay("ljs 3\nljm 3\nalloc int 0x10 32\nfree int 0x10 32\n"
		       "end\n");
	(void)state;

	assert_int_equal(model_totals(m)->peak_bytes, 32);
	assert_int_equal(model_totals(m)->last_collector_free_event, 2);
	model_end_stream(m);
	assert_int_equal(model_totals(m)->peak_bytes, 0);
	assert_int_equal(model_totals(m)->peak_event, 0);
	assert_int_equal(model_totals(m)->last_collector_free_event, 0);
	assert_int_equal(model_sample_count(m), 0);
	model_free(m);
}

/* What malloc() has given out. */
static size_t used_bytes(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Sites that only end blocks of before: no more than the bound for each. */
static void test_memory_of_frees(void **state)
{
	const struct decode_event symbol =
		symbol_event(LJM_SOURCE_LUA, 0x100, "x");
	const size_t before = used_bytes();
	struct model *m;
	size_t taken;
	(void)state;

	if (before == 0)
		skip(); /* a sanitizer has a malloc of its own */
	m = model_new(NULL, NULL);
	assert_non_null(m);
	assert_int_equal(model_feed(m, &symbol, 1, &taken), MODEL_OK);
	for (uint64_t i = 1; i <= 500000; i++) {
		const struct decode_event e = {.kind = LJM_KIND_FREE,
					       .source = LJM_SOURCE_LUA,
					       .address = 0x100,
					       .line = i,
					       .old_address = i * 16,
					       .old_size = 16};

		assert_int_equal(model_feed(m, &e, 1, &taken), MODEL_OK);
	}
	assert_in_range(used_bytes() - before, 500000 * 40,
			(8 << 20) + 500000 * 128);
	model_free(m);
}

/* What is stored and put together again is what it was. */
static void test_stored_profiles(void **state)
{
	struct model *const m =
		replay("ljs 3\nlua 0x100 \"x\\x0ay\" 1\nc 0x90 \"f\"\n"
		       "trace 1 0x100 4\nljm 3\n"
		       "alloc lua 0x100:1 0x10 32\n"
		       "alloc trace:1 0x20 8\n"
		       "realloc c 0x91 0x10 32 0x30 64\n"
		       "alloc lua 0x100:1 0x30 16\n"
		       "free int 0x30 16\n"
		       "free int 0x50 1\n"
		       "alloc c 0x91 0 7\n"
		       "alloc c 0x91 0 0\n"
		       "end\n");
	struct model *const sum = model_new(NULL, NULL);
	char name[64], expected[64];
	(void)state;

	for (int round = 1; round <= 2; round++) {
		for (uint32_t i = 0; i < model_site_count(m); i++) {
			const struct model_site site = model_site(m, i);

			assert_int_equal(model_add_site(sum, &site), i);
		}
		for (size_t i = 0; i < model_override_count(m); i++) {
			const struct model_override o = model_override(m, i);

			assert_true(model_add_override(sum, &o));
		}
		assert_int_equal(model_totals(sum)->events,
				 model_totals(m)->events * (unsigned)round);
	}
	assert_int_equal(model_site_count(sum), model_site_count(m));
	for (uint32_t i = 0; i < model_site_count(m); i++) {
		const struct model_site site = model_site(m, i);
		const struct model_site twice = model_site(sum, i);
		const uint64_t *const a = (const uint64_t *)&site.figures;
		const uint64_t *const b = (const uint64_t *)&twice.figures;
		const size_t fields =
			sizeof(struct model_figures) / sizeof(uint64_t);

		for (size_t j = 0; j < fields; j++)
			assert_true(a[j] * (j < fields - 2 ? 2 : 1) == b[j]);
		model_site_print(&site, expected, sizeof(expected));
		model_site_print(&twice, name, sizeof(name));
		assert_string_equal(name, expected);
	}
	assert_int_equal(model_override(sum, 0).blocks, 2);
	assert_int_equal(model_alias_count(sum), 1);
	assert_memory_equal(model_alias(sum, 0)->text, "x\ny", 3);
	model_free(m);
	model_free(sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_realloc_owns),
		cmocka_unit_test(test_failed_attempts),
		cmocka_unit_test(test_events_without_blocks),
		cmocka_unit_test(test_symbols_as_of_the_event),
		cmocka_unit_test(test_streams_are_apart),
		cmocka_unit_test(test_many_sites),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_stopped_in_thread),
		cmocka_unit_test(test_shared_work),
		cmocka_unit_test(test_work_meanwhile),
		cmocka_unit_test(test_memory_of_frees),
		cmocka_unit_test(test_empty_stream_after),
		cmocka_unit_test(test_stored_profiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
