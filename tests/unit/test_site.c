/*
 * test_site.c - sites and overrides are kept once; how sites print.
 */
#include "cmocka_all.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

static void test_sites_are_kept_once(void **state)
{
	static const char a[] = "a", b[] = "b";
	struct sites s = {0};
	(void)state;

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 1000; i++) {
			const struct model_site lua = {
				.kind = MODEL_SITE_LUA,
				.name = {i % 2 ? a : b, 1, 0},
				.line = i / 2};

			assert_int_equal(sites_intern(&s, &lua, SITE_MAX), i);
		}
	}
	assert_int_equal(s.count, 1000);
	assert_ptr_equal(sites_describe(&s, 999).name.text, a);
	assert_int_equal(sites_describe(&s, 999).line, 499);
	sites_clear(&s);
}

/* Each field that shows makes another site. */
static void test_what_makes_a_site(void **state)
{
	static const char name[] = "n";
	const struct model_site keys[] = {
		{.kind = MODEL_SITE_INTERNAL},
		{.kind = MODEL_SITE_C_UNKNOWN},
		{.kind = MODEL_SITE_C_UNKNOWN, .address = 1},
		{.kind = MODEL_SITE_C, .name = {name, 1, 0}, .address = 1},
		{.kind = MODEL_SITE_C, .name = {name, 1, 0}, .address = 2},
		{.kind = MODEL_SITE_LUA, .name = {name, 1, 0}, .line = 1},
		{.kind = MODEL_SITE_TRACE, .trace_number = 1},
		{.kind = MODEL_SITE_TRACE, .trace_number = 2},
		{.kind = MODEL_SITE_TRACE,
		 .trace_number = 1,
		 .trace_has_start = true},
		{.kind = MODEL_SITE_TRACE,
		 .trace_number = 1,
		 .trace_has_start = true,
		 .start_kind = MODEL_SITE_C_UNKNOWN},
	};
	const uint32_t count = sizeof(keys) / sizeof(keys[0]);
	struct sites s = {0};
	(void)state;

	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal(sites_intern(&s, &keys[i], SITE_MAX),
					 i);
	sites_clear(&s);
}

static void test_overrides_are_kept_once(void **state)
{
	struct overrides o;
	(void)state;

	overrides_init(&o);
	for (uint32_t round = 1; round <= 2; round++) {
		for (uint32_t i = 0; i < 2000; i++) {
			struct override *const p = overrides_get(
				&o, owner_of(i / 20, i % 2), i / 2 % 10);

			assert_int_equal(p - o.list, i);
			assert_int_equal(override_by(p), i / 20);
			assert_int_equal(override_of(p), i / 2 % 10);
			assert_int_equal(override_by_realloc(p), i % 2);
			assert_int_equal(++p->sum.blocks, round);
		}
	}
	assert_int_equal(o.count, 2000);
	overrides_clear(&o);
}

static void check_print(const struct model_site *site, const char *expected)
{
	const size_t length = strlen(expected);
	char text[256];

	assert_int_equal(model_site_print(site, text, sizeof(text)), length);
	assert_string_equal(text, expected);
	/* Cut at every length, like snprintf(). */
	assert_int_equal(model_site_print(site, NULL, 0), length);
	for (size_t size = 1; size <= length + 1; size++) {
		char *const room = malloc(size);

		assert_non_null(room);
		assert_int_equal(model_site_print(site, room, size), length);
		assert_int_equal(strlen(room), size - 1);
		assert_memory_equal(room, expected, size - 1);
		free(room);
	}
}

/* The name has no byte behind it that could be read. */
static void check_name(const char *name, size_t size, const char *printed)
{
	char *const copy = malloc(size + (size == 0));
	const struct model_site site = {
		.kind = MODEL_SITE_LUA, .name = {copy, size, 0}, .line = 7};

	assert_non_null(copy);
	memcpy(copy, name, size);
	check_print(&site, printed);
	free(copy);
}

#define CHECK_NAME(name, printed)                                              \
	check_name(name, sizeof(name) - 1, printed ":7")

static void test_printable_names(void **state)
{
	(void)state;
	CHECK_NAME("@dir/a b.lua", "@dir/a b.lua");
	CHECK_NAME("=[C]", "=[C]");
	CHECK_NAME("", "");
	CHECK_NAME("\\x41\"'", "\\x41\"'");
	CHECK_NAME("\u00e9\u4e2d\U0001f600\u00a0", "\u00e9\u4e2d\U0001f600"
						   "\u00a0");
	CHECK_NAME("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80");
	CHECK_NAME("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

static void test_unprintable_names(void **state)
{
	(void)state;
	CHECK_NAME("a\tb\x1b[31m\x7f\r", "a\\x09b\\x1b[31m\\x7f\\x0d");
	CHECK_NAME("\0a\0", "\\x00a\\x00");
	/* C1 controls, in UTF-8 and as bare bytes. */
	CHECK_NAME("\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f");
	CHECK_NAME("\x80\x9b\xff", "\\x80\\x9b\\xff");
	/* Overlong, surrogates, beyond the last character, cut off. */
	CHECK_NAME("\xc0\xaf\xc1\xbf", "\\xc0\\xaf\\xc1\\xbf");
	CHECK_NAME("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");
	CHECK_NAME("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
	CHECK_NAME("\xed\xa0\x80", "\\xed\\xa0\\x80");
	CHECK_NAME("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	CHECK_NAME("\xe4\xb8", "\\xe4\\xb8");
	CHECK_NAME("\xe4\xb8x", "\\xe4\\xb8x");
}

static void test_kinds_print(void **state)
{
	struct model_site site = {.kind = MODEL_SITE_INTERNAL};
	(void)state;

	check_print(&site, "INTERNAL");
	site = (struct model_site){.kind = MODEL_SITE_LUA,
				   .name = {"a\nb", 3, 12},
				   .line = UINT64_MAX};
	check_print(&site, "function_alias_12:18446744073709551615");
	site = (struct model_site){
		.kind = MODEL_SITE_C, .name = {"f\n", 2, 0}, .address = 0xabc};
	check_print(&site, "f\\x0a:0xabc");
	site.kind = MODEL_SITE_C_UNKNOWN;
	check_print(&site, "CFUNC 0xabc");
	site = (struct model_site){.kind = MODEL_SITE_TRACE, .trace_number = 3};
	check_print(&site, "TRACE [3]");
	site.trace_has_start = true;
	check_print(&site, "TRACE [3] started at INTERNAL");
	site.start_kind = MODEL_SITE_LUA;
	site.name = (struct model_name){"@a.lua", 6, 0};
	site.line = 4;
	check_print(&site, "TRACE [3] started at @a.lua:4");
	site.start_kind = MODEL_SITE_C;
	site.address = 0x10;
	check_print(&site, "TRACE [3] started at @a.lua:0x10");
	site.start_kind = MODEL_SITE_C_UNKNOWN;
	check_print(&site, "TRACE [3] started at CFUNC 0x10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites_are_kept_once),
		cmocka_unit_test(test_what_makes_a_site),
		cmocka_unit_test(test_overrides_are_kept_once),
		cmocka_unit_test(test_printable_names),
		cmocka_unit_test(test_unprintable_names),
		cmocka_unit_test(test_kinds_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
