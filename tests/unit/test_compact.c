/*
 * test_compact.c - what the recorder writes of the compact stream is what the
 * decoder reads: random events, addresses of any alignment, many definitions.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decode.h"
#include "sink.h"
#include "stream_compact.h"

#define EVENTS	  200000
#define CALLSITES 3000

/* Of vm_trace.c, which needs a VM. */
bool vm_traces_line(struct vm_traces *t, const struct vm_layout *y,
		    uintptr_t trace, uint32_t number, uintptr_t return_address,
		    struct vm_trace_line *found)
{
	(void)t, (void)y, (void)trace, (void)number, (void)return_address;
	(void)found;
	return false;
}

bool vm_traces_exit_line(struct vm_traces *t, const struct vm_layout *y,
			 uintptr_t trace, uint32_t number, uintptr_t snapshot,
			 struct vm_trace_line *found)
{
	return vm_traces_line(t, y, trace, number, snapshot, found);
}

struct item {
	unsigned kind;
	uint32_t callsite;
	uint64_t old_address, old_size, address, size;
};

static struct item items[EVENTS];
static uint64_t random_state = 7;

static uint64_t any(uint64_t below)
{
	return next_random(&random_state) % below;
}

/* Mostly small and even, as blocks are; some of any size. */
static uint64_t any_size(void)
{
	switch (any(8)) {
	case 0:
		return any(1000);
	case 1:
		return any(1ull << any(63));
	default:
		return 8 * any(40);
	}
}

static uint64_t any_address(unsigned unit)
{
	uint64_t address =
		any(16) ? 0x7f0000000000 + any(1 << 20) : any(1ull << 47);
	return address >> unit << unit;
}

static void make_items(unsigned (*unit_at)(int i))
{
	int i;
	for (i = 0; i < EVENTS; i++) {
		struct item *it = &items[i];
		unsigned unit = unit_at(i);
		it->kind = 1 + (unsigned)any(3);
		it->callsite = 1 + (uint32_t)any(any(2) ? 3 : CALLSITES);
		it->size = any_size();
		it->address = any_address(unit);
		it->old_size = any_size();
		it->old_address = any_address(unit);
	}
}

static void write_items(struct compact *c)
{
	int i;
	for (i = 0; i < EVENTS; i++) {
		const struct item *it = &items[i];
		if (c->out->pos >= c->soft)
			compact_look(c);
		if (it->kind == LJM_KIND_ALLOC)
			compact_alloc(c, it->callsite, it->address, it->size);
		else if (it->kind == LJM_KIND_FREE)
			compact_free_event(c, it->callsite, it->address,
					   it->size);
		else
			compact_realloc(c, it->callsite, it->old_address,
					it->old_size, it->address, it->size);
		if (i % 50000 == 0) {
			c->lost += 3;
			compact_tell_lost(c);
			compact_mark(c, "label", 5);
		}
	}
}

/* The stream in a file; returns its bytes. */
static uint8_t *write_stream(const char *path, size_t *size)
{
	static struct compact c;
	static struct vm_layout layout;
	static struct vm_stack_facts facts;
	static struct vm_traces no_traces;
	struct sink sink;
	struct wbuf out;
	uint8_t *bytes;
	FILE *file;
	uint32_t i, parent = 0;
	assert_int_equal(sink_open(&sink, path), 0);
	assert_true(wbuf_open(&out, &sink));
	assert_true(compact_open(&c, &out, &layout, &facts, &no_traces, 64,
				 "a VM", NULL));
	for (i = 1; i <= CALLSITES; i++) {
		uint32_t frame = definitions_frame(&c.callsites.d,
						   LJM_FRAME_GAP, i % 3, 0, 0);
		parent = definitions_callsite(&c.callsites.d, parent, frame);
		assert_int_equal(parent, i);
	}
	write_items(&c);
	wbuf_byte(&out, LJM_EPILOGUE);
	wbuf_flush(&out);
	assert_int_equal(out.error, 0);
	assert_int_equal(c.events, EVENTS);
	compact_free(&c);
	wbuf_free(&out);
	assert_int_equal(sink_close(&sink), 0);
	file = fopen(path, "rb");
	assert_non_null(file);
	bytes = malloc(64 << 20);
	*size = fread(bytes, 1, 64 << 20, file);
	fclose(file);
	unlink(path);
	return bytes;
}

static void check_event(const struct decode_event *e, int i)
{
	const struct item *it = &items[i];
	assert_int_equal(e->kind, it->kind);
	assert_int_equal(e->source, DECODE_CALLSITE);
	assert_int_equal(e->address, it->callsite);
	if (it->kind == LJM_KIND_FREE) {
		assert_int_equal(e->old_address, it->address);
		assert_int_equal(e->old_size, it->size);
		return;
	}
	assert_int_equal(e->new_address, it->address);
	assert_int_equal(e->new_size, it->size);
	if (it->kind == LJM_KIND_REALLOC) {
		assert_int_equal(e->old_address, it->old_address);
		assert_int_equal(e->old_size, it->old_size);
	}
}

static void check_stream(const uint8_t *bytes, size_t size)
{
	static struct decode_event events[1024];
	struct decode_input in = {bytes, size, 0};
	enum decode_result result;
	struct decoder d;
	int n = 0, lost = 0, marks = 0;
	size_t count, i;
	decode_init(&d);
	do {
		result = decode_events(&d, &in, events, 1024, &count);
		for (i = 0; i < count; i++) {
			const struct decode_event *e = &events[i];
			if (e->kind != DECODE_RECORD)
				check_event(e, n++);
			else if (e->source == LJM_RECORD_LOST)
				lost += (int)e->address;
			else
				marks += e->source == LJM_RECORD_MARK;
		}
	} while (result == DECODE_FULL);
	assert_int_equal(result, DECODE_END);
	assert_string_equal(d.error, "");
	assert_int_equal(n, EVENTS);
	assert_int_equal(lost, 3 * EVENTS / 50000);
	assert_int_equal(marks, EVENTS / 50000);
	assert_int_equal(in.pos, size);
}

static unsigned always_eight(int i)
{
	(void)i;
	return 3;
}

/* Smaller and smaller: the unit must change on the way. */
static unsigned finer(int i)
{
	return i < EVENTS / 4 ? 4 : i < EVENTS / 2 ? 2 : 0;
}

static void test_events_come_back(void **state)
{
	size_t size;
	uint8_t *bytes;
	(void)state;
	make_items(always_eight);
	bytes = write_stream("test_compact.bin", &size);
	check_stream(bytes, size);
	free(bytes);
}

static void test_units_come_back(void **state)
{
	size_t size;
	uint8_t *bytes;
	(void)state;
	make_items(finer);
	bytes = write_stream("test_compact2.bin", &size);
	check_stream(bytes, size);
	free(bytes);
}

/* Against a table that is searched from its start. */
static void test_pair_map(void **state)
{
	static struct {
		uint64_t a, b;
		uint32_t value;
	} known[500];
	struct pair_map map;
	int round, i;
	(void)state;
	assert_true(pair_map_open(&map));
	for (round = 0; round < 100000; round++) {
		i = (int)any(500);
		known[i].a = (uint64_t)i << 5;
		known[i].b = (uint64_t)i % 7;
		if (any(2)) {
			known[i].value = 1 + (uint32_t)any(1000);
			assert_true(pair_map_put(&map, known[i].a, known[i].b,
						 known[i].value));
		} else {
			assert_int_equal(
				pair_map_remove(&map, known[i].a, known[i].b),
				known[i].value);
			known[i].value = 0;
		}
		i = (int)any(500);
		assert_int_equal(
			pair_map_get(&map, (uint64_t)i << 5, (uint64_t)i % 7),
			known[i].value);
	}
	pair_map_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_come_back),
		cmocka_unit_test(test_units_come_back),
		cmocka_unit_test(test_pair_map),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
