/*
 * test_symtab.c - address tables, names, symbols and what locations become.
 */
#include "cmocka_all.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addrmap.h"
#include "names.h"
#include "symbol_event.h"
#include "symtab.h"

/* ---- addrmap.h */

static void test_addrmap(void **state)
{
	struct addrmap m = {0};
	uint64_t seed = 1;
	(void)state;

	assert_null(addrmap_find(&m, 0));
	for (uint32_t i = 0; i < 20000; i++)
		assert_true(addrmap_add(&m, (uint64_t)i * 16, i));
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(addrmap_find(&m, (uint64_t)i * 16)->value, i);
	for (uint32_t i = 0; i < 20000; i++)
		assert_null(addrmap_find(&m, (next_random(&seed) << 4) + 8));
	addrmap_clear(&m);
	assert_null(addrmap_find(&m, 0));
}

static int compare_keys(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The floor of key by going through all. */
static bool slow_floor(const uint64_t *keys, size_t n, uint64_t at_most,
		       uint64_t *key)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (keys[i] <= at_most && (!found || keys[i] > *key)) {
			*key = keys[i];
			found = true;
		}
	}
	return found;
}

static void check_floors(const struct addrset *s, const uint64_t *keys,
			 size_t n, uint64_t seed)
{
	for (int i = 0; i < 200; i++) {
		const uint64_t near = keys[next_random(&seed) % n];
		const uint64_t at = near + (uint64_t)(i % 5) - 2;
		uint64_t expected = 0, got = 0;
		const bool found = slow_floor(keys, n, at, &expected);

		assert_int_equal(addrset_floor(s, at, &got), found);
		assert_true(got == expected);
	}
}

/* order 0: random, 1: rising, 2: falling. */
static void check_addrset(size_t n, int order, uint64_t seed)
{
	uint64_t *const keys = calloc(n, sizeof(*keys));
	struct addrset s = {0};
	uint64_t key;

	assert_non_null(keys);
	assert_false(addrset_floor(&s, UINT64_MAX, &key));
	for (size_t i = 0; i < n; i++)
		keys[i] = (next_random(&seed) >> (i % 2 * 40)) / n * n + i;
	if (order != 0)
		qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++) {
		if (order == 2 && i < n / 2) {
			key = keys[i];
			keys[i] = keys[n - 1 - i];
			keys[n - 1 - i] = key;
		}
		assert_true(addrset_add(&s, keys[i]));
		if (i % 997 == 0 || i == n - 1)
			check_floors(&s, keys, i + 1, seed + i);
	}
	addrset_clear(&s);
	free(keys);
}

static void test_addrset(void **state)
{
	(void)state;
	for (int order = 0; order < 3; order++) {
		check_addrset(1, order, 1);
		check_addrset(600, order, 2);
		check_addrset(20000, order, 3);
	}
}

/* A million symbols: an insertion must not move all of them. */
static void test_many_keys(void **state)
{
	struct addrset s = {0};
	uint64_t seed = 7, key;
	(void)state;

	for (uint64_t i = 0; i < 1000000; i++) {
		/* Distinct, and in no order: an odd factor permutes them. */
		assert_true(addrset_add(&s, i * 0x9e3779b97f4a7c15ull));
		assert_true(addrset_floor(&s, UINT64_MAX - 1, &key));
	}
	for (int i = 0; i < 1000; i++) {
		key = next_random(&seed) % 1000000 * 0x9e3779b97f4a7c15ull;
		assert_true(addrset_floor(&s, key, &seed));
		assert_true(seed == key);
	}
	addrset_clear(&s);
}

/* ---- names.h */

static void test_names(void **state)
{
	struct names n;
	char text[32];
	(void)state;

	names_init(&n);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 5000; i++) {
			const int size = sprintf(text, "name %u", i);

			assert_int_equal(names_intern(&n, text, (size_t)size),
					 i);
		}
	}
	assert_int_equal(n.count, 5000);
	assert_true(names_is(&n, 17, "name 17", 7));
	assert_false(names_is(&n, 17, "name 18", 7));
	assert_false(names_is(&n, 17, "name 1", 6));
	names_clear(&n);
}

static void test_odd_names(void **state)
{
	char *const large = calloc(1, 1 << 20);
	struct names n;
	uint32_t empty, nul, long_one;
	(void)state;

	assert_non_null(large);
	names_init(&n);
	empty = names_intern(&n, NULL, 0);
	nul = names_intern(&n, "\0", 1);
	long_one = names_intern(&n, large, 1 << 20);
	assert_int_not_equal(empty, nul);
	assert_int_equal(names_intern(&n, "", 0), empty);
	assert_int_equal(names_intern(&n, "\0", 1), nul);
	assert_int_equal(names_intern(&n, large, 1 << 20), long_one);
	large[1 << 19] = 'x';
	assert_int_not_equal(names_intern(&n, large, 1 << 20), long_one);
	/* Sites know names by the address of their text. */
	assert_ptr_not_equal(names_get(&n, empty)->text,
			     names_get(&n, nul)->text);
	names_clear(&n);
	free(large);
}

static void test_aliases(void **state)
{
	struct names n;
	uint32_t a, b, c;
	(void)state;

	names_init(&n);
	/* As the name of a C function, a text has no alias yet. */
	assert_int_equal(names_get(&n, names_intern(&n, "x\ny", 3))->alias, 0);
	a = names_intern_chunk(&n, "a\nb", 3);
	b = names_intern_chunk(&n, "plain", 5);
	c = names_intern_chunk(&n, "x\ny", 3);
	assert_int_equal(names_intern_chunk(&n, "a\nb", 3), a);
	assert_int_equal(names_get(&n, a)->alias, 1);
	assert_int_equal(names_get(&n, b)->alias, 0);
	assert_int_equal(names_get(&n, c)->alias, 2);
	assert_int_equal(n.alias_count, 2);
	assert_memory_equal(n.aliases[1].text, "x\ny", 3);
	names_clear(&n);
}

/* ---- symtab.h */

struct table {
	struct symtab t;
	struct names n;
};

static void define(struct table *s, unsigned source, uint64_t address,
		   const char *name)
{
	const struct decode_event e = symbol_event(source, address, name);

	assert_true(symtab_define(&s->t, &s->n, &e));
}

static void define_trace(struct table *s, uint64_t number, uint64_t start,
			 uint64_t line)
{
	const struct decode_event e = {.kind = LJM_KIND_SYMBOL,
				       .source = LJM_SOURCE_TRACE,
				       .address = number,
				       .line = line,
				       .start_address = start};

	assert_true(symtab_define(&s->t, &s->n, &e));
}

static void check_site(const struct table *s, unsigned source, uint64_t address,
		       uint64_t line, const char *printed)
{
	struct model_site site;
	char text[128];

	symtab_resolve(&s->t, &s->n, source, address, line, &site);
	model_site_print(&site, text, sizeof(text));
	assert_string_equal(text, printed);
}

static void open_table(struct table *s)
{
	memset(s, 0, sizeof(*s));
	names_init(&s->n);
}

static void close_table(struct table *s)
{
	symtab_clear(&s->t);
	names_clear(&s->n);
}

static void test_resolve(void **state)
{
	struct table s;
	(void)state;

	open_table(&s);
	check_site(&s, LJM_SOURCE_LUA, 0, 3, "INTERNAL");
	check_site(&s, LJM_SOURCE_C, 0, 0, "INTERNAL");
	check_site(&s, LJM_SOURCE_TRACE, 0, 0, "INTERNAL");
	check_site(&s, LJM_SOURCE_INTERNAL, 0, 0, "INTERNAL");
	check_site(&s, LJM_SOURCE_LUA, 0x500, 3, "CFUNC 0x500");
	check_site(&s, LJM_SOURCE_TRACE, 4, 0, "TRACE [4]");

	define(&s, LJM_SOURCE_C, 0x400, "low");
	define(&s, LJM_SOURCE_C, 0x600, "high");
	define(&s, LJM_SOURCE_LUA, 0x500, "@a.lua");
	define_trace(&s, 4, 0x500, 9);
	define_trace(&s, 5, 0x501, 9);
	define_trace(&s, 6, 0x3ff, 9);
	define_trace(&s, 7, 0, 9);

	check_site(&s, LJM_SOURCE_C, 0x3ff, 0, "CFUNC 0x3ff");
	check_site(&s, LJM_SOURCE_C, 0x400, 0, "low:0x400");
	check_site(&s, LJM_SOURCE_C, 0x5ff, 0, "low:0x400");
	check_site(&s, LJM_SOURCE_C, 0x600, 0, "high:0x600");
	check_site(&s, LJM_SOURCE_C, UINT64_MAX, 0, "high:0x600");
	/* A Lua symbol wins for either source, else the floor is taken. */
	check_site(&s, LJM_SOURCE_LUA, 0x500, 3, "@a.lua:3");
	check_site(&s, LJM_SOURCE_C, 0x500, 0, "@a.lua:0");
	check_site(&s, LJM_SOURCE_LUA, 0x501, 3, "low:0x400");
	check_site(&s, LJM_SOURCE_TRACE, 4, 0, "TRACE [4] started at @a.lua:9");
	check_site(&s, LJM_SOURCE_TRACE, 5, 0,
		   "TRACE [5] started at low:0x400");
	check_site(&s, LJM_SOURCE_TRACE, 6, 0,
		   "TRACE [6] started at CFUNC 0x3ff");
	check_site(&s, LJM_SOURCE_TRACE, 7, 0, "TRACE [7] started at INTERNAL");

	define(&s, LJM_SOURCE_LUA, 0x500, "@b.lua");
	define(&s, LJM_SOURCE_C, 0x400, "lower");
	define_trace(&s, 6, 0x500, 8);
	check_site(&s, LJM_SOURCE_LUA, 0x500, 3, "@b.lua:3");
	check_site(&s, LJM_SOURCE_C, 0x400, 0, "lower:0x400");
	check_site(&s, LJM_SOURCE_TRACE, 4, 0, "TRACE [4] started at @b.lua:9");
	check_site(&s, LJM_SOURCE_TRACE, 6, 0, "TRACE [6] started at @b.lua:8");
	define(&s, LJM_SOURCE_LUA, 0x500, "return\n1");
	check_site(&s, LJM_SOURCE_LUA, 0x500, 3, "function_alias_1:3");
	close_table(&s);
}

/* The epoch moves with every change of a symbol, and with nothing else. */
static void test_epoch(void **state)
{
	struct table s;
	uint64_t epoch, c_epoch;
	(void)state;

	open_table(&s);
	for (int round = 0; round < 3; round++) {
		for (int again = 0; again < 3; again++) {
			const unsigned change = again == 0;

			epoch = symtab_epoch(&s.t);
			c_epoch = symtab_c_epoch(&s.t);
			define(&s, LJM_SOURCE_LUA, 0x10,
			       round == 1 ? "b" : "a");
			epoch += change;
			assert_int_equal(symtab_epoch(&s.t), epoch);
			define_trace(&s, 1, 0x10, (uint64_t)(round % 2));
			epoch += change;
			assert_int_equal(symtab_epoch(&s.t), epoch);
			assert_int_equal(symtab_c_epoch(&s.t), c_epoch);
			define(&s, LJM_SOURCE_C, 0x10, round == 1 ? "b" : "a");
			epoch += change;
			assert_int_equal(symtab_epoch(&s.t), epoch);
			assert_int_equal(symtab_c_epoch(&s.t),
					 c_epoch + change);
		}
	}
	epoch = symtab_epoch(&s.t);
	c_epoch = symtab_c_epoch(&s.t);
	symtab_clear(&s.t);
	assert_true(symtab_epoch(&s.t) > epoch);
	assert_true(symtab_c_epoch(&s.t) > c_epoch);
	check_site(&s, LJM_SOURCE_LUA, 0x10, 3, "CFUNC 0x10");
	close_table(&s);
}

/* What is renamed, and again to what it was, is not changed. */
static void test_renamed(void **state)
{
	const uint64_t many = SYMTAB_RENAMED + 100;
	struct table s;
	uint64_t epoch;
	(void)state;

	open_table(&s);
	for (uint64_t i = 0; i < many; i++)
		define(&s, LJM_SOURCE_C, i, "old");
	epoch = symtab_epoch(&s.t);
	for (uint64_t i = 0; i < 100; i++) {
		define(&s, LJM_SOURCE_C, i, "new");
		define(&s, LJM_SOURCE_C, i, "newer");
		define(&s, LJM_SOURCE_C, i, "old");
	}
	assert_int_equal(symtab_epoch(&s.t), epoch);
	for (uint64_t i = 0; i < 100; i++)
		define(&s, LJM_SOURCE_C, i, "new");
	assert_int_equal(symtab_epoch(&s.t), epoch + 1);
	assert_int_equal(symtab_epoch(&s.t), epoch + 1);
	/* While the table grows, too. */
	define(&s, LJM_SOURCE_C, 5, "old");
	for (uint64_t i = many; i < 3 * many; i++)
		define(&s, LJM_SOURCE_C, i, "old");
	epoch = symtab_epoch(&s.t);
	/* More than are noted: may be a change or not, but is told if it is. */
	for (uint64_t i = 0; i < many; i++)
		define(&s, LJM_SOURCE_C, i, "newest");
	for (uint64_t i = 0; i < many - 1; i++)
		define(&s, LJM_SOURCE_C, i, "old");
	assert_true(symtab_epoch(&s.t) > epoch);
	close_table(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addrmap),
		cmocka_unit_test(test_addrset),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_renamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
