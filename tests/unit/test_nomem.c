/*
 * test_nomem.c - the n-th allocation fails, for every n: the model says so,
 * keeps its figures in order, and leaks nothing (the sanitizers look).
 *
 * Linked with --wrap, so that the model's calls come here.
 */
#include "cmocka_all.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cluster.h"
#include "decode.h"
#include "model.h"

/* How many allocations may still succeed. */
static uint64_t left = UINT64_MAX;
static uint64_t refused;

static bool refuse(void)
{
	if (left == 0) {
		refused++;
		return true;
	}
	left--;
	return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd,
		  off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd,
		  off_t offset);

void *__wrap_malloc(size_t size)
{
	return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return refuse() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return refuse() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd,
		  off_t offset)
{
	return refuse() ? MAP_FAILED
			: __real_mmap(at, size, protection, flags, fd, offset);
}

#define EVENTS 24000

/* Many of everything: symbols, aliases, sites, blocks, large blocks. */
static void make_events(struct decode_event *events, char (*names)[16])
{
	uint64_t seed = 1;

	for (uint64_t i = 0; i < EVENTS; i++) {
		struct decode_event *const e = &events[i];
		const uint64_t dice = next_random(&seed);

		*e = (struct decode_event){.kind = LJM_KIND_SYMBOL};
		if (i % 8 == 0) {
			e->source = (uint8_t)(LJM_SOURCE_LUA + i / 8 % 3);
			e->address = i;
			e->start_address = dice % (i + 1);
			memcpy(names[i], &dice, 8);
			names[i][8] = i % 16 == 0 ? '\n' : 'x';
			if (e->source != LJM_SOURCE_TRACE) {
				e->name = names[i];
				e->name_size = 9;
			}
			continue;
		}
		e->kind = (uint8_t)(i % 8 == 1	 ? LJM_KIND_FREE
				    : i % 8 == 2 ? LJM_KIND_REALLOC
						 : LJM_KIND_ALLOC);
		e->source = (uint8_t)(1 + dice % 4);
		e->address = dice >> 8 & 4095;
		if (e->kind != LJM_KIND_ALLOC)
			e->old_address = 16 * (dice % (i + 1) + 1);
		if (e->kind != LJM_KIND_FREE) {
			e->new_address = 16 * (i + 1);
			e->new_size = i % 5 ? 8 : 1ull << 33;
		}
	}
}

static bool any_life(void *arg, const struct model_life *life)
{
	*(uint64_t *)arg += life->born_event != 0;
	return true;
}

static void check_law(const struct model *m)
{
	for (uint32_t i = 0; i < model_site_count(m); i++) {
		const struct model_site site = model_site(m, i);
		const struct model_figures *const f = &site.figures;

		assert_true(f->born_blocks - f->ended_blocks == f->live_blocks);
		assert_true(f->live_blocks <= f->born_blocks);
		assert_true(f->live_bytes <=
			    f->alloc_bytes + f->realloc_new_bytes);
	}
}

/*
 * A whole life with so many allocations; true when that was enough. Without
 * lives handed out most of it goes another way, the fast one.
 */
static bool run(const struct decode_event *events, uint64_t allocations,
		bool with_lives)
{
	enum model_result result;
	uint64_t lives = 0;
	struct model *m;
	size_t taken;

	left = allocations;
	refused = 0;
	m = model_new(with_lives ? any_life : NULL, &lives);
	if (m == NULL) {
		left = UINT64_MAX;
		return false;
	}
	result = model_feed(m, events, EVENTS, &taken);
	assert_int_equal(result, refused ? MODEL_NO_MEMORY : MODEL_OK);
	assert_true(taken == EVENTS || refused != 0);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	left = UINT64_MAX;
	check_law(m);
	/* No life is lost: each that began was handed out, once. */
	assert_true(!with_lives ||
		    lives == model_totals(m)->figures.born_blocks);
	model_free(m);
	return refused == 0;
}

static void check_every_allocation(bool with_lives)
{
	struct decode_event *const events = calloc(EVENTS, sizeof(*events));
	char(*const names)[16] = calloc(EVENTS, sizeof(*names));
	uint64_t allocations = 0;

	assert_non_null(events);
	assert_non_null(names);
	make_events(events, names);
	while (!run(events, allocations, with_lives))
		allocations++;
	/* There was something to refuse: the tables have grown. */
	assert_in_range(allocations, 100, 100000);
	free(events);
	free(names);
}

static void test_every_allocation(void **state)
{
	(void)state;
	check_every_allocation(true);
}

static void test_every_allocation_fast(void **state)
{
	(void)state;
	check_every_allocation(false);
}

/* ---- the compact stream */

#define COMPACT 6000

/* Definitions among events; what is defined is counted by its type. */
static void make_compact(struct decode_event *events, char (*names)[16])
{
	uint64_t count[LJM_RECORD_LOST + 1] = {0};
	uint64_t seed = 2;

	for (uint64_t i = 0; i < COMPACT; i++) {
		static const uint8_t types[] = {
			LJM_RECORD_STRING,   LJM_RECORD_PROTO,
			LJM_RECORD_FUNCTION, LJM_RECORD_FRAME,
			LJM_RECORD_CALLSITE, LJM_RECORD_CLOCK,
			LJM_RECORD_MARK,     LJM_RECORD_COLLECTION};
		struct decode_event *const e = &events[i];
		const uint64_t dice = next_random(&seed);

		if (i == 0 || i % 16 >= 8) {
			*e = (struct decode_event){
				.kind = DECODE_RECORD,
				.source = i == 0 ? LJM_RECORD_START
						 : types[i % 8]};
			e->address = 1;
			e->start_address = 1;
			if (e->source <= LJM_RECORD_STRING) {
				e->name = names[i];
				e->name_size = 8;
				memcpy(names[i], &dice, 8);
			}
			if (e->source == LJM_RECORD_PROTO)
				e->address =
					1 + dice % count[LJM_RECORD_STRING];
			if (e->source == LJM_RECORD_FRAME) {
				e->address = i % 32 < 16 ? LJM_FRAME_LUA
							 : LJM_FRAME_C;
				e->start_address =
					1 + dice % count[LJM_RECORD_FUNCTION];
				e->line = i % 32 < 16 ? i : 0;
			}
			if (e->source == LJM_RECORD_CALLSITE) {
				e->address = count[e->source] / 2;
				e->start_address =
					1 + dice % count[LJM_RECORD_FRAME];
			}
			count[e->source]++;
			continue;
		}
		*e = (struct decode_event){.kind = LJM_KIND_ALLOC,
					   .source = DECODE_CALLSITE};
		if (i < 16) {
			*e = (struct decode_event){.kind = LJM_KIND_ALLOC,
						   .source =
							   LJM_SOURCE_INTERNAL};
		} else {
			e->kind = (uint8_t)(1 + i % 3);
			e->address = 1 + dice % count[LJM_RECORD_CALLSITE];
		}
		if (e->kind != LJM_KIND_ALLOC)
			e->old_address = 16 * (dice % (i + 1) + 1);
		if (e->kind != LJM_KIND_FREE) {
			e->new_address = 16 * (i + 1);
			e->new_size = 8;
		}
	}
}

/* Both sorts of stream with so many allocations; true when that was enough. */
static bool run_both(const struct decode_event *events,
		     const struct decode_event *compact, uint64_t allocations)
{
	enum model_result result, ended = MODEL_OK;
	struct model *const m = model_new(NULL, NULL);
	size_t taken;

	assert_non_null(m);
	left = allocations;
	refused = 0;
	result = model_feed(m, events, 400, &taken);
	if (result == MODEL_OK)
		result = model_end_stream(m);
	if (result == MODEL_OK)
		result = model_feed(m, compact, COMPACT, &taken);
	if (result == MODEL_OK)
		ended = model_end_stream(m);
	assert_int_equal(result == MODEL_OK && ended == MODEL_OK, refused == 0);
	left = UINT64_MAX;
	check_law(m);
	model_free(m);
	return refused == 0;
}

static void test_compact(void **state)
{
	struct decode_event *const events = calloc(EVENTS, sizeof(*events));
	struct decode_event *const compact = calloc(COMPACT, sizeof(*compact));
	char(*const names)[16] = calloc(EVENTS + COMPACT, sizeof(*names));
	uint64_t allocations = 0;
	(void)state;

	assert_non_null(events);
	assert_non_null(compact);
	assert_non_null(names);
	make_events(events, names);
	make_compact(compact, names + EVENTS);
	while (!run_both(events, compact, allocations))
		allocations++;
	assert_in_range(allocations, 60, 100000);
	free(events);
	free(compact);
	free(names);
}

static void test_stored_profiles(void **state)
{
	const struct model_site site = {.kind = MODEL_SITE_LUA,
					.name = {"a\nb", 3, 0}};
	const struct model_override pair = {0};
	uint64_t allocations = 1;
	bool enough = false;
	(void)state;

	for (; !enough; allocations++) {
		struct model *const m = model_new(NULL, NULL);

		assert_non_null(m);
		left = allocations;
		refused = 0;
		enough = model_add_site(m, &site) == 0 &&
			 model_add_override(m, &pair);
		left = UINT64_MAX;
		assert_int_equal(enough, refused == 0);
		model_free(m);
	}
	assert_in_range(allocations, 7, 20);
}

/* ---- a table of live blocks that has to let many wait when it grows */

#define CLUSTER	    2048
#define CLUSTER_CAP 16384 /* groups, after it has grown */
#define BLOCKS	    96000 /* as many as half of them hold */

/* The cluster's, then others. */
static uint64_t block_address(const struct live *l, uint64_t i)
{
	return i < CLUSTER ? cluster_address(l, 0, CLUSTER_CAP, i) : i << 20;
}

static void fill_with_cluster(struct live *l)
{
	for (uint64_t i = 0; i < BLOCKS; i++) {
		const uint64_t address = block_address(l, i);
		struct live_entry *e;

		assert_true(live_reserve(l, i));
		e = live_insert(l, address, live_hash(l, address), i,
				(uint32_t)i);
		*live_history_of(l, e) = (struct live_history){i + 1, ~i};
	}
	assert_int_equal(l->count, l->limit);
}

/* All are there, once, each with its history. */
static void check_all(const struct live *l)
{
	static bool seen[BLOCKS];
	const struct live_entry *e;
	size_t count = 0, place = 0;

	memset(seen, 0, sizeof(seen));
	while ((e = live_next(l, &place)) != NULL) {
		assert_in_range(e->owner, 0, BLOCKS - 1);
		assert_false(seen[e->owner]);
		seen[e->owner] = true;
		assert_true(e->address == block_address(l, e->owner));
		assert_int_equal(e->size, e->owner);
		assert_int_equal(live_history_of(l, e)->born_event,
				 e->owner + 1);
		assert_true(live_history_of(l, e)->realloc_of ==
			    ~(uint64_t)e->owner);
		count++;
	}
	assert_int_equal(count, BLOCKS);
}

static void test_cluster(void **state)
{
	uint64_t allocations = 0;
	unsigned broken = 0;
	bool enough = false;
	(void)state;

	for (; !enough; allocations++) {
		struct live l;

		live_init(&l, true);
		fill_with_cluster(&l);
		left = allocations;
		enough = live_reserve(&l, 8);
		left = UINT64_MAX;
		check_all(&l);
		if (l.broken) {
			broken++;
			assert_false(live_reserve(&l, 8));
		} else {
			/* As it was, or larger: it goes on. */
			assert_true(live_reserve(&l, 8));
		}
		for (uint64_t i = 0; !l.broken && i < BLOCKS; i++) {
			const uint64_t address = block_address(&l, i);

			assert_non_null(
				live_find(&l, address, live_hash(&l, address)));
		}
		live_clear(&l);
		assert_false(l.broken);
	}
	/* Three arrays, and four times more for those that wait. */
	assert_int_equal(allocations, 3 + 4 * 2 + 1);
	assert_int_equal(broken, 4 * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation),
		cmocka_unit_test(test_every_allocation_fast),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_stored_profiles),
		cmocka_unit_test(test_cluster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
