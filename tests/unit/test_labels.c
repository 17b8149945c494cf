/*
 * test_labels.c - the order of sites against strcmp() of what they print.
 */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "labels.h"
#include "model.h"

#define SITES 400

/* Names that begin alike, also with what stands around others. */
static const char *const names[] = {
	"@a",	 "@a:",	  "@a:1",	"@a:10",
	"@a:9",	 "",	  "TRACE [1]",	"TRACE [1] started at @a",
	"CFUNC", "\x01",  "\xff",	"INTERNAL",
	"a\nb",	 "@a:0x", "CFUNC 0x1f", "function_alias_1",
};

static struct model_site any_site(uint64_t *seed)
{
	static const uint64_t numbers[] = {0,  1,   9,	10,
					   11, 100, 31, UINT64_MAX};
	const char *const name =
		names[next_random(seed) % (sizeof(names) / sizeof(*names))];
	struct model_site site = {
		.kind = (enum model_site_kind)(next_random(seed) % 5),
		.line = numbers[next_random(seed) % 8],
		.address = numbers[next_random(seed) % 8],
		.trace_number = next_random(seed) % 12,
		.trace_has_start = next_random(seed) % 2,
		.start_kind = (enum model_site_kind)(next_random(seed) % 4),
		.figures = {.alloc_events = 1},
	};
	const enum model_site_kind kind =
		site.kind == MODEL_SITE_TRACE ? site.start_kind : site.kind;

	/* Of a trace without start nothing else is known. */
	if (site.kind != MODEL_SITE_TRACE)
		site.trace_number = site.trace_has_start = 0;
	if (kind == MODEL_SITE_LUA || kind == MODEL_SITE_C)
		site.name = (struct model_name){name, strlen(name), 0};
	return site;
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static char *print_site(const struct model *m, uint32_t i)
{
	const struct model_site site = model_site(m, i);
	const size_t size = model_site_print(&site, NULL, 0) + 1;
	char *const print = malloc(size);

	assert_non_null(print);
	model_site_print(&site, print, size);
	return print;
}

static void check_written(const struct labels *l, uint32_t i, const char *print)
{
	char *text = NULL;
	size_t size;
	FILE *const out = open_memstream(&text, &size);

	assert_non_null(out);
	labels_write(l, i, out);
	fclose(out);
	assert_string_equal(text, print);
	free(text);
}

static void check_order(const struct model *m, bool ranked)
{
	const uint32_t count = (uint32_t)model_site_count(m);
	char **const prints = calloc(count, sizeof(*prints));
	struct labels l;

	assert_non_null(prints);
	assert_in_range(count, SITES / 2, SITES);
	assert_true(labels_init(&l, m, ranked));
	for (uint32_t i = 0; i < count; i++) {
		prints[i] = print_site(m, i);
		check_written(&l, i, prints[i]);
	}
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < count; j++)
			if (sign(labels_compare(&l, i, j)) !=
			    sign(strcmp(prints[i], prints[j])))
				fail_msg("%s and %s", prints[i], prints[j]);
	for (uint32_t i = 0; i < count; i++)
		free(prints[i]);
	free(prints);
	labels_clear(&l);
}

static void test_order(void **state)
{
	uint64_t seed = 1;
	(void)state;

	for (int round = 0; round < 4; round++) {
		struct model *const m = model_new(NULL, NULL);

		assert_non_null(m);
		for (int i = 0; i < SITES; i++) {
			const struct model_site site = any_site(&seed);

			assert_int_not_equal(model_add_site(m, &site),
					     MODEL_NO_SITE);
		}
		check_order(m, false);
		check_order(m, true);
		model_free(m);
	}
}

/* Beyond 4 KiB the names' order counts, whatever stands before and behind. */
static void test_long_names(void **state)
{
	static char text[2][5000];
	struct model *const m = model_new(NULL, NULL);
	struct labels l;
	(void)state;

	assert_non_null(m);
	for (int i = 0; i < 4; i++) {
		struct model_site site = {.kind = MODEL_SITE_LUA,
					  .line = (uint64_t)(i / 2),
					  .figures = {.alloc_events = 1}};

		memset(text[i % 2], 'x', sizeof(text[0]));
		text[1][4999] = 'w';
		site.name = (struct model_name){text[i % 2], 5000, 0};
		assert_int_equal(model_add_site(m, &site), i);
	}
	for (int ranked = 0; ranked < 2; ranked++) {
		assert_true(labels_init(&l, m, ranked));
		assert_true(labels_compare(&l, 3, 0) < 0);
		assert_true(labels_compare(&l, 1, 0) < 0);
		assert_true(labels_compare(&l, 1, 3) < 0);
		assert_true(labels_compare(&l, 2, 0) > 0);
		assert_int_equal(labels_compare(&l, 2, 2), 0);
		labels_clear(&l);
	}
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
