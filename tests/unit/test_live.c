/*
 * test_live.c - the table of live blocks against a plain array.
 */
#include "cmocka_all.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "live.h"

struct block {
	uint64_t address; /* 0: not alive */
	uint64_t size;
	uint32_t owner;
	uint64_t born;
};

/* Puts in a block, or changes the one that is there. */
static void put(struct live *l, const struct block *b)
{
	const uint64_t hash = live_hash(l, b->address);
	struct live_entry *e;

	assert_true(live_reserve(l, b->size));
	e = live_find(l, b->address, hash);
	if (e == NULL)
		e = live_insert(l, b->address, hash, b->size, b->owner);
	else
		live_replace(l, e, b->size, b->owner);
	if (l->with_history)
		*live_history_of(l, e) =
			(struct live_history){b->born, ~b->born};
}

static void take(struct live *l, uint64_t address)
{
	const uint64_t hash = live_hash(l, address);
	struct live_entry *const e = live_find(l, address, hash);

	assert_non_null(e);
	assert_true(e->address == address);
	live_remove(l, e);
	assert_null(live_find(l, address, hash));
}

static void check(struct live *l, const struct block *b)
{
	const uint64_t hash = live_hash(l, b->address);
	const struct live_entry *const e = live_find(l, b->address, hash);

	assert_non_null(e);
	assert_true(e->address == b->address);
	assert_true(live_size(l, e) == b->size);
	assert_int_equal(e->owner & ~LIVE_BIG, b->owner);
	if (l->with_history) {
		assert_true(live_history_of(l, e)->born_event == b->born);
		assert_true(live_history_of(l, e)->realloc_of == ~b->born);
	}
}

static uint64_t count_all(const struct live *l)
{
	uint64_t entries = 0;
	size_t place = 0;

	while (live_next(l, &place) != NULL)
		entries++;
	assert_int_equal(l->count, entries);
	return entries;
}

/* Random life at random addresses; stride makes them regular. */
static void churn(size_t blocks, uint64_t stride, bool history, uint64_t seed)
{
	struct block *const b = calloc(blocks, sizeof(*b));
	uint64_t alive = 0;
	struct live l;

	assert_non_null(b);
	live_init(&l, history);
	for (size_t step = 0; step < blocks * 8; step++) {
		const size_t i = next_random(&seed) % blocks;

		if (b[i].address != 0 && next_random(&seed) % 3 != 0) {
			check(&l, &b[i]);
			take(&l, b[i].address);
			b[i].address = 0;
			alive--;
			continue;
		}
		alive += b[i].address == 0;
		b[i].address = stride ? (i + 1) * stride : ~(uint64_t)i;
		b[i].size = next_random(&seed) >> (next_random(&seed) % 60 + 4);
		b[i].owner = (uint32_t)next_random(&seed) & ~LIVE_BIG;
		b[i].born = step;
		put(&l, &b[i]);
	}
	assert_int_equal(count_all(&l), alive);
	for (size_t i = 0; i < blocks; i++) {
		if (b[i].address != 0) {
			check(&l, &b[i]);
			take(&l, b[i].address);
		}
	}
	assert_int_equal(count_all(&l), 0);
	live_clear(&l);
	assert_int_equal(count_all(&l), 0);
	free(b);
}

static void test_churn(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 8; seed++) {
		churn(100, 16, seed % 2, seed);
		churn(5000, 48, seed % 2, seed);
		churn(5000, 1ull << 40, seed % 2, seed);
		churn(3000, 0, seed % 2, seed);
	}
	churn(300000, 32, true, 1);
}

/* Nothing is found at address 0, in an empty table neither. */
static void test_address_0(void **state)
{
	const struct block b = {.address = 16, .size = 1};
	struct live l;
	(void)state;

	live_init(&l, false);
	assert_null(live_find(&l, 0, live_hash(&l, 0)));
	assert_null(live_find(&l, 16, live_hash(&l, 16)));
	put(&l, &b);
	assert_null(live_find(&l, 0, live_hash(&l, 0)));
	live_clear(&l);
}

/* Sizes around the limit of an entry; their places are used again. */
static void test_big_sizes(void **state)
{
	static const uint64_t sizes[] = {LIVE_SIZE_BIG - 1, LIVE_SIZE_BIG,
					 LIVE_SIZE_BIG + 1ull, 1ull << 60};
	struct block b[4];
	struct live l;
	(void)state;

	live_init(&l, false);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < 4; i++) {
			b[i] = (struct block){
				.address = 16 * (i + 1),
				.size = sizes[(i + (size_t)round) % 4]};
			put(&l, &b[i]);
		}
		for (size_t i = 0; i < 4; i++)
			check(&l, &b[i]);
		if (round % 3 == 0)
			for (size_t i = 0; i < 4; i++)
				take(&l, b[i].address);
	}
	assert_in_range(l.big_count, 3, 4);
	live_clear(&l);
}

/* The promise of the header: bytes for a block, once there are many. */
static void check_memory_for_a_block(bool history, uint64_t lowest,
				     uint64_t highest)
{
	uint64_t blocks = 0, bytes, least = UINT64_MAX, most = 0;
	struct live l;

	live_init(&l, history);
	while (blocks < 1000000) {
		const struct block b = {.address = ++blocks * 16, .size = 8};

		put(&l, &b);
		if (blocks < 250000)
			continue;
		bytes = l.cap * sizeof(struct live_head) +
			l.entries_cap * LIVE_GROUP * sizeof(struct live_entry) +
			l.history_cap * LIVE_GROUP *
				sizeof(struct live_history);
		least = bytes / blocks < least ? bytes / blocks : least;
		most = bytes / blocks > most ? bytes / blocks : most;
	}
	assert_in_range(least, lowest, most);
	assert_in_range(most, least, highest);
	live_clear(&l);
}

static void test_memory_for_a_block(void **state)
{
	(void)state;
	check_memory_for_a_block(false, 24, 37);
	check_memory_for_a_block(true, 42, 64);
}

enum {
	CLUSTER = 3000
};

/* Blocks that all belong to one home, among cap. */
static void put_cluster(struct live *l, struct block *b, size_t home,
			size_t cap)
{
	for (size_t i = 0; i < CLUSTER; i++) {
		b[i].address = cluster_address(l, home, cap, i);
		b[i].size = i;
		b[i].owner = (uint32_t)i;
		b[i].born = i;
		put(l, &b[i]);
	}
}

static void check_cluster(struct live *l, const struct block *b, size_t home)
{
	assert_int_equal(live_home(live_hash(l, b[0].address), l->cap), home);
	for (size_t i = 0; i < CLUSTER; i++)
		check(l, &b[i]);
	for (size_t i = 0; i < CLUSTER; i += 2)
		take(l, b[i].address);
	for (size_t i = 1; i < CLUSTER; i += 2)
		check(l, &b[i]);
}

/* Through all that a small table grows. */
static void cluster_small(size_t line, bool history)
{
	struct block b[CLUSTER] = {{0}};
	struct live l;

	live_init(&l, history);
	put_cluster(&l, b, line, 4096);
	assert_null(l.heads);
	assert_int_equal(l.cap, 4096);
	check_cluster(&l, b, line);
	assert_int_equal(count_all(&l), CLUSTER / 2);
	live_clear(&l);
}

/* The nth of other blocks. */
static struct block other(size_t n)
{
	return (struct block){.address = (n + 1) << 20, .size = 1, .born = n};
}

/* More others, until there are so many blocks; *others are there now. */
static void fill(struct live *l, size_t blocks, size_t *others)
{
	while (l->count < blocks) {
		const struct block b = other((*others)++);

		put(l, &b);
	}
}

/* From a small table to a large one, and through its growth. */
static void cluster_large(size_t group, bool history)
{
	struct block b[CLUSTER] = {{0}};
	size_t others = 0;
	struct live l;

	live_init(&l, history);
	fill(&l, 32769, &others);
	assert_non_null(l.heads);
	assert_int_equal(l.cap, 8192);
	put_cluster(&l, b, group, 16384);
	fill(&l, l.limit + 1, &others);
	assert_int_equal(l.cap, 16384);
	check_cluster(&l, b, group);
	fill(&l, l.limit + 1, &others);
	assert_int_equal(l.cap, 24576);
	for (size_t i = 1; i < CLUSTER; i += 2)
		check(&l, &b[i]);
	for (size_t i = 0; i < others; i++) {
		const struct block o = other(i);

		check(&l, &o);
	}
	assert_int_equal(count_all(&l), others + CLUSTER / 2);
	live_clear(&l);
}

/* A search ends, though blocks have passed by all groups. */
static void test_all_passed(void **state)
{
	size_t others = 0;
	struct live l;
	(void)state;

	live_init(&l, false);
	fill(&l, 32769, &others);
	assert_non_null(l.heads);
	for (size_t i = 0; i < l.cap; i++)
		l.heads[i].passed = LIVE_PASSED_MANY;
	assert_null(live_find(&l, 8, live_hash(&l, 8)));
	for (size_t i = 0; i < others; i++) {
		const struct block b = other(i);

		check(&l, &b);
	}
	live_clear(&l);
}

/* Whoever knew the seed could make a stream of such blocks. */
static void test_clusters(void **state)
{
	(void)state;
	for (int history = 0; history < 2; history++) {
		cluster_small(0, history);
		cluster_small(7, history);
		cluster_small(2000, history);
		cluster_small(4095, history);
		cluster_large(0, history);
		cluster_large(7, history);
		cluster_large(8000, history);
		cluster_large(16383, history);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_address_0),
		cmocka_unit_test(test_big_sizes),
		cmocka_unit_test(test_memory_for_a_block),
		cmocka_unit_test(test_clusters),
		cmocka_unit_test(test_all_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
