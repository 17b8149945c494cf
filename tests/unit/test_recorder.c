/*
 * test_recorder.c - the recorder's parts that need no VM: what is written can
 * be read back, sets forget what was removed, functions have names.
 */
#define _GNU_SOURCE
#include "cmocka_all.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "elf_names.h"
#include "sink.h"
#include "symbols.h"
#include "wbuf.h"

static uint64_t random_state = 42;

/* The definition, a group of seven bits at a time. */
static size_t plain_uleb128(uint8_t *out, uint64_t value)
{
	size_t n = 0;
	while (value >= 0x80) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

/* In both ways, if the processor has both. */
static void check_uleb128(uint64_t value)
{
	uint8_t fast[16], plain[16];
	size_t n = plain_uleb128(plain, value);
	assert_int_equal(wbuf_put(fast, value, false) - fast, n);
	assert_memory_equal(fast, plain, n);
	if (!wbuf_has_pdep())
		return;
	assert_int_equal(wbuf_put(fast, value, true) - fast, n);
	assert_memory_equal(fast, plain, n);
}

static void test_uleb128_is_by_definition(void **state)
{
	int i;
	(void)state;
	for (i = 0; i < 1000000; i++)
		check_uleb128(next_random(&random_state) >> (i % 64));
}

static void test_uleb128_at_the_edges(void **state)
{
	int bit, step;
	(void)state;
	for (bit = 0; bit < 64; bit++)
		for (step = -1; step <= 1; step++)
			check_uleb128(((uint64_t)1 << bit) + (uint64_t)step);
}

/* A string of several buffers, and all before and after it, arrives whole. */
static void test_long_strings_pass_the_buffer(void **state)
{
	char path[] = "/tmp/ljm-wbuf-XXXXXX";
	size_t n = 3 * WBUF_SIZE + 7, i, got;
	char *text = malloc(n), *back = malloc(2 * n);
	struct sink sink;
	struct wbuf w;
	FILE *f;
	(void)state;
	close(mkstemp(path));
	assert_int_equal(sink_open(&sink, path), 0);
	assert_true(wbuf_open(&w, &sink));
	for (i = 0; i < n; i++)
		text[i] = (char)(i * 31);
	wbuf_byte(&w, 0x11);
	wbuf_string(&w, text, n);
	wbuf_byte(&w, 0x22);
	wbuf_flush(&w);
	assert_int_equal(w.error, 0);
	assert_int_equal(sink_close(&sink), 0);
	wbuf_free(&w);
	f = fopen(path, "rb");
	got = fread(back, 1, 2 * n, f);
	fclose(f);
	assert_int_equal(got, n + 2 + 3);
	assert_int_equal(back[0], 0x11);
	assert_memory_equal(back + 4, text, n);
	assert_int_equal(back[got - 1], 0x22);
	unlink(path);
	free(text);
	free(back);
}

static void test_the_first_error_stays(void **state)
{
	struct sink sink;
	struct wbuf w;
	int i;
	(void)state;
	assert_int_equal(sink_open(&sink, "/dev/full"), 0);
	assert_true(wbuf_open(&w, &sink));
	for (i = 0; i < 1000000; i++)
		wbuf_byte(&w, 1);
	assert_int_equal(w.error, ENOSPC);
	wbuf_flush(&w);
	assert_int_equal(w.error, ENOSPC);
	sink_abandon(&sink);
	wbuf_free(&w);
}

static void test_sink_says_what_open_says(void **state)
{
	struct sink sink;
	(void)state;
	assert_int_equal(sink_open(&sink, "/nonexistent/x"), ENOENT);
	assert_int_equal(sink_open(&sink, "/tmp"), EISDIR);
	assert_int_equal(sink.fd, -1);
}

/* As many bytes as make the sink change its level, and change it back. */
#define DENSE_SIZE (48u << 20)

static uint8_t *read_back(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	data = malloc(*size);
	assert_int_equal(fread(data, 1, *size, f), *size);
	fclose(f);
	return data;
}

/*
 * A program that does nothing but record keeps the compressor busy: the level
 * changes, and with it the frame. What comes out is what went in.
 */
static void test_a_dense_recording_changes_its_level(void **state)
{
	static uint8_t dense[DENSE_SIZE], back[DENSE_SIZE];
	char path[] = "/tmp/ljmemprof-dense-XXXXXX.zst";
	int fd = mkstemps(path, 4);
	struct sink sink;
	uint8_t *packed;
	size_t size, i, at, frames = 0;
	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (i = 0; i < DENSE_SIZE; i++)
		dense[i] = next_random(&random_state) % 3 ? 7 : (uint8_t)i;
	assert_int_equal(sink_open(&sink, path), 0);
	for (i = 0; i < DENSE_SIZE; i += WBUF_SIZE)
		assert_int_equal(sink_write(&sink, dense + i, WBUF_SIZE), 0);
	assert_int_equal(sink_close(&sink), 0);
	packed = read_back(path, &size);
	for (at = 0; at < size; frames++)
		at += ZSTD_findFrameCompressedSize(packed + at, size - at);
	assert_true(frames >= 3);
	assert_int_equal(ZSTD_decompress(back, sizeof back, packed, size),
			 DENSE_SIZE);
	assert_memory_equal(back, dense, DENSE_SIZE);
	free(packed);
	unlink(path);
}

/* A set of the recorder against a plain array, random adds and removes. */
static void test_prototypes_are_forgotten_when_freed(void **state)
{
	enum {
		ADDRESSES = 700
	};
	static bool known[ADDRESSES];
	struct symbols s;
	struct vm_layout y;
	struct sink sink;
	struct wbuf w;
	/* A prototype as the layout describes it: all of it a name at 8. */
	static struct {
		uint64_t line;
		uint64_t name;
		char text[16];
	} protos[ADDRESSES];
	int i;
	(void)state;
	memset(&y, 0, sizeof y);
	y.gc64 = true;
	y.pt_chunkname = 8;
	assert_int_equal(sink_open(&sink, "/dev/null"), 0);
	assert_true(wbuf_open(&w, &sink));
	assert_true(symbols_open(&s));
	for (i = 0; i < ADDRESSES; i++)
		protos[i].name = (uintptr_t)protos[i].text;
	for (i = 0; i < 200000; i++) {
		int k = (int)(next_random(&random_state) % ADDRESSES);
		uintptr_t proto = (uintptr_t)&protos[k];
		uint8_t *before = w.pos;
		if (next_random(&random_state) % 2) {
			assert_true(symbols_see_proto(&s, &w, &y, proto));
			/* Written when new, and only then. */
			assert_int_equal(w.pos == before, known[k]);
			known[k] = true;
			assert_true(symbols_may_be_watched(&s, proto));
		} else {
			assert_int_equal(symbols_forget(&s, proto), known[k]);
			known[k] = false;
		}
		wbuf_flush(&w);
	}
	symbols_free(&s);
	sink_abandon(&sink);
	wbuf_free(&w);
}

/* Static, so that only the symbol table of the file knows it. */
static __attribute__((noinline)) int a_static_function(int x)
{
	return x * 3 + 1;
}

static void test_functions_have_names(void **state)
{
	struct elf_names names = {NULL};
	char name[64], small[8];
	int round;
	(void)state;
	for (round = 0; round < 2; round++) {
		elf_names_find(&names, (uintptr_t)a_static_function, name,
			       sizeof name);
		assert_string_equal(name, "a_static_function");
		elf_names_find(&names, (uintptr_t)a_static_function + 1, name,
			       sizeof name);
		assert_string_equal(name, "a_static_function+0x1");
		elf_names_find(&names, (uintptr_t)labs, name, sizeof name);
		assert_string_equal(name, "labs"); /* not imaxabs */
		elf_names_find(&names, 0x1234, name, sizeof name);
		assert_string_equal(name, "0x1234");
		elf_names_find(&names, (uintptr_t)a_static_function, small,
			       sizeof small);
		assert_string_equal(small, "a_stati");
	}
	elf_names_free(&names);
}

static void copy_file(const char *from, const char *to)
{
	char command[512];
	/* Not over a file that is loaded: a new one, as packages do it. */
	snprintf(command, sizeof command,
		 "cp '%s' '%s.new' && mv '%s.new' '%s'", from, to, to, to);
	assert_int_equal(system(command), 0);
}

/*
 * The library on disk is replaced while the first one is loaded: its names
 * are not those of what is called. With a build id and without.
 */
static void check_replaced(const char *first, const char *other)
{
	char path[] = "/tmp/ljm-build-XXXXXX", name[64], expected[64];
	struct elf_names before = {NULL}, after = {NULL};
	uintptr_t call, base;
	Dl_info info;
	void *library;
	close(mkstemp(path));
	copy_file(first, path);
	library = dlopen(path, RTLD_NOW);
	assert_non_null(library);
	call = (uintptr_t)dlsym(library, "build_marker");
	assert_int_not_equal(dladdr((void *)call, &info), 0);
	base = (uintptr_t)info.dli_fbase;
	elf_names_find(&before, call, name, sizeof name);
	assert_string_equal(name, "build_marker");
	copy_file(other, path);
	elf_names_find(&after, call, name, sizeof name);
	snprintf(expected, sizeof expected, "%s+0x%lx", strrchr(path, '/') + 1,
		 (unsigned long)(call - base));
	assert_string_equal(name, expected);
	copy_file(first, path);
	elf_names_free(&after);
	elf_names_find(&after, call, name, sizeof name);
	assert_string_equal(name, "build_marker");
	elf_names_free(&before);
	elf_names_free(&after);
	dlclose(library);
	unlink(path);
}

static void test_a_library_replaced_on_disk_has_no_names(void **state)
{
	(void)state;
	check_replaced(BUILD_DIR "/build-1.so", BUILD_DIR "/build-2.so");
	check_replaced(BUILD_DIR "/build-plain-1.so",
		       BUILD_DIR "/build-plain-2.so");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uleb128_is_by_definition),
		cmocka_unit_test(test_uleb128_at_the_edges),
		cmocka_unit_test(test_long_strings_pass_the_buffer),
		cmocka_unit_test(test_the_first_error_stays),
		cmocka_unit_test(test_sink_says_what_open_says),
		cmocka_unit_test(test_a_dense_recording_changes_its_level),
		cmocka_unit_test(test_prototypes_are_forgotten_when_freed),
		cmocka_unit_test(test_functions_have_names),
		cmocka_unit_test(test_a_library_replaced_on_disk_has_no_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
