/*
 * test_callsites.c - what a model tells of compact streams: paths, their
 * limits, streams of both sorts in one model, and moments.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ljm_text.h"
#include "model.h"

#define START                                                                  \
	"ljs 3\nljm 131\nstart 1700000000000000 42 64 \"LuaJIT\"\n"            \
	"string \"@a.lua\"\nstring \"f\"\nproto 1 10 2\n"

/* Feeds a stream, without its end; the result of the last event. */
static enum model_result feed(struct model *m, const char *text)
{
	struct ljm_bytes stream = {0};
	enum model_result result = MODEL_OK;
	enum decode_result decoded;
	struct decode_event events[7];
	struct decode_input in;
	struct decoder d;
	size_t count, taken;

	assert_int_equal(ljm_encode(text, &stream), 0);
	in = (struct decode_input){stream.data, stream.size, 0};
	decode_init(&d);
	do {
		decoded = decode_events(&d, &in, events, 7, &count);
		result = model_feed(m, events, count, &taken);
	} while (decoded == DECODE_FULL && result == MODEL_OK);
	if (decoded == DECODE_CORRUPT)
		fail_msg("%s", d.error);
	ljm_free(&stream);
	return result;
}

static struct model *feed_all(const char *text)
{
	struct model *const m = model_new(NULL, NULL);

	assert_non_null(m);
	assert_int_equal(feed(m, text), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	return m;
}

static struct model_callsite callsite(const struct model *m, uint32_t index)
{
	struct model_callsite c;

	model_callsite(m, index, &c);
	return c;
}

static struct model_frame frame(const struct model *m, uint32_t callsite_index)
{
	struct model_frame f;

	model_frame(m, callsite(m, callsite_index).frame, &f);
	return f;
}

static void check_site(const struct model *m, uint32_t index, const char *name)
{
	const struct model_site site =
		model_site(m, model_callsite_site(m, index));
	char printed[128];

	model_site_print(&site, printed, sizeof(printed));
	assert_string_equal(printed, name);
}

static void check_name(const struct model_name *name, const char *text)
{
	assert_int_equal(name->size, strlen(text));
	if (name->size != 0)
		assert_memory_equal(name->text, text, name->size);
}

/* ---- paths */

static void test_paths(void **state)
{
	struct model *const m =
		feed_all(START "string \"string.rep\"\n"
			       "proto 1 0 0\n"
			       "function 0x2000 3\n"
			       "frame lua 2:30\n"
			       "frame lua 1:12 trace:7\n"
			       "frame c 1\n"
			       "frame int 1\n"
			       "frame gap 1\n"
			       "frame trace:7 1:11\n"
			       "callsite 0 1\n" /* the main chunk */
			       "callsite 1 2\n" /* f */
			       "callsite 2 3\n" /* string.rep, called by f */
			       "callsite 0 3\n" /* by the host */
			       "callsite 4 4\n" /* the collector, in there */
			       "callsite 2 5\n" /* something, called by f */
			       "callsite 0 5\n"
			       "callsite 6 6\n"
			       "alloc @3 0x10 32\n"
			       "alloc @2 0x40 8\n"
			       "alloc @6 0x80 8\n"
			       "free @5 0x10 32\n"
			       "realloc @4 0x40 8 0x60 16\n");
	(void)state;

	assert_int_equal(model_callsite_count(m), 8);
	assert_int_equal(model_frame_count(m), 6);
	check_site(m, 0, "@a.lua:30");
	check_site(m, 1, "@a.lua:12");
	check_site(m, 2, "@a.lua:12");
	check_site(m, 3, "string.rep:0x2000");
	check_site(m, 4, "INTERNAL");
	check_site(m, 5, "@a.lua:12");
	check_site(m, 6, "INTERNAL");
	check_site(m, 7, "TRACE [7] started at @a.lua:11");
	assert_int_equal(callsite(m, 2).parent, 1);
	assert_int_equal(callsite(m, 2).depth, 3);
	assert_int_equal(callsite(m, 0).parent, MODEL_NO_CALLSITE);
	assert_int_equal(callsite(m, 2).figures.ended_blocks, 1);
	assert_int_equal(callsite(m, 4).figures.free_bytes, 32);
	assert_int_equal(callsite(m, 3).figures.realloc_old_bytes, 8);
	assert_int_equal(model_totals(m)->last_collector_free_event, 4);

	assert_int_equal(frame(m, 1).kind, MODEL_FRAME_LUA);
	assert_int_equal(frame(m, 1).first_line, 10);
	assert_int_equal(frame(m, 1).line, 12);
	assert_int_equal(frame(m, 1).trace_number, 7);
	const struct model_frame f = frame(m, 1), main_chunk = frame(m, 0);
	const struct model_frame c = frame(m, 2);
	check_name(&f.chunk, "@a.lua");
	check_name(&f.function, "f");
	check_name(&main_chunk.function, "");
	check_name(&c.function, "string.rep");
	assert_int_equal(c.address, 0x2000);
	assert_int_equal(frame(m, 4).what, LJM_INTERNAL_GC);
	assert_int_equal(frame(m, 5).kind, MODEL_FRAME_GAP);
	assert_int_equal(frame(m, 5).what, LJM_GAP_INLINED);

	/* The lines' overrides are sums over their callsites. */
	assert_int_equal(model_override_count(m), 2);
	model_free(m);
}

/* The same path twice, in one stream and in two, is one callsite. */
static void test_paths_are_kept_once(void **state)
{
	static const char text[] = START "frame lua 1:12\nframe lua 1:12\n"
					 "callsite 0 1\ncallsite 0 2\n"
					 "callsite 1 2\ncallsite 2 1\n"
					 "alloc @1 0x10 8\nalloc @2 0x20 8\n"
					 "alloc @3 0x30 8\nalloc @4 0x40 8\n";
	struct model *const m = feed_all(text);
	(void)state;

	assert_int_equal(feed(m, text), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(model_callsite_count(m), 2);
	assert_int_equal(model_frame_count(m), 1);
	assert_int_equal(model_site_count(m), 1);
	assert_int_equal(callsite(m, 0).figures.live_blocks, 4);
	assert_int_equal(callsite(m, 1).figures.live_blocks, 4);
	assert_int_equal(model_site(m, 0).figures.live_blocks, 8);
	model_free(m);
}

static void test_depth(void **state)
{
	struct ljm_bytes text = {0};
	struct model *m;
	(void)state;

	ljm_printf(&text, START "frame lua 1:12\ncallsite 0 1\n");
	for (unsigned i = 1; i < LJM_DEPTH_MAX; i++)
		ljm_printf(&text, "callsite %u 1\n", i);
	ljm_put_byte(&text, '\0');
	m = feed_all((const char *)text.data);
	assert_int_equal(callsite(m, LJM_DEPTH_MAX - 1).depth, LJM_DEPTH_MAX);
	text.size--;
	ljm_printf(&text, "callsite %u 1\nalloc @1 0x10 8\n", LJM_DEPTH_MAX);
	ljm_put_byte(&text, '\0');
	assert_int_equal(feed(m, (const char *)text.data), MODEL_TOO_DEEP);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(model_totals(m)->events, 0);
	model_free(m);
	ljm_free(&text);
}

static void test_limit(void **state)
{
	struct model *const m = model_new(NULL, NULL);
	(void)state;

	assert_non_null(m);
	model_set_limits(m, 2, 100);
	assert_int_equal(feed(m,
			      START "frame lua 1:12\nframe lua 1:13\n"
				    "frame lua 1:14\n"
				    "callsite 0 1\ncallsite 0 2\ncallsite 1 1\n"
				    "callsite 0 3\ncallsite 4 1\ncallsite 0 2\n"
				    "alloc @1 0x10 8\nalloc @2 0x20 8\n"
				    "alloc @3 0x30 8\nalloc @4 0x40 8\n"
				    "alloc @5 0x50 8\nalloc @6 0x60 8\n"),
			 MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(model_callsite_count(m), 3);
	assert_int_equal(callsite(m, 0).figures.live_blocks, 1);
	assert_int_equal(callsite(m, 1).figures.live_blocks, 2);
	assert_int_equal(callsite(m, 2).figures.live_blocks, 3);
	assert_int_equal(model_totals(m)->further_events, 3);
	check_site(m, 2, "(further sites):0");
	model_free(m);
}

/* ---- streams of both sorts */

static const char old_stream[] = "ljs 3\n"
				 "lua 0x1000 \"@a.lua\" 10\n"
				 "c 0x2000 \"g\"\n"
				 "trace 1 0x2000 5\n"
				 "trace 2 0x3000 5\n"
				 "ljm 3\n"
				 "alloc lua 0x1000:12 0x10 8\n"
				 "alloc trace:1 0x20 8\n"
				 "alloc trace:2 0x30 8\n"
				 "alloc c 0x2004 0x40 8\n"
				 "free int 0x40 8\n";

static void check_both(struct model *m)
{
	uint32_t lines = 0, site = MODEL_NO_SITE;

	for (uint32_t i = 0; i < model_callsite_count(m); i++) {
		const struct model_frame f = frame(m, i);

		if (f.kind != MODEL_FRAME_LUA || f.line != 12)
			continue;
		assert_true(lines++ == 0 || callsite(m, i).site == site);
		site = callsite(m, i).site;
	}
	/* By the function's name, and without. */
	assert_int_equal(lines, 2);
	assert_int_equal(model_site_count(m), 5);
	assert_int_equal(model_callsite_count(m), 7);
	assert_int_equal(model_site(m, site).figures.live_blocks, 2);
	assert_int_equal(model_override_count(m), 2);
}

static void test_both_sorts(void **state)
{
	static const char compact[] = START "frame lua 1:12\nframe int 1\n"
					    "callsite 0 1\ncallsite 0 2\n"
					    "alloc @1 0x10 8\n"
					    "alloc @1 0x20 8\n"
					    "free @2 0x10 8\n";
	struct model *m = feed_all(old_stream);
	(void)state;

	/* Without a path, a callsite is its site. */
	assert_int_equal(model_callsite_count(m), 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(callsite(m, i).site, i);
		assert_int_equal(callsite(m, i).frame, i);
	}
	assert_int_equal(frame(m, 1).kind, MODEL_FRAME_TRACE);
	assert_int_equal(frame(m, 1).chunk.size, 0);
	assert_int_equal(frame(m, 3).address, 0x2000);
	assert_int_equal(feed(m, compact), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	check_both(m);
	model_free(m);

	m = feed_all(compact);
	assert_int_equal(feed(m, old_stream), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	check_both(m);
	model_free(m);
}

/* Stored sites and overrides, before and after a compact stream. */
static void test_stored_beside_compact(void **state)
{
	static const char compact[] = START "frame lua 1:12\n"
					    "callsite 0 1\n"
					    "alloc @1 0x10 8\n"
					    "free @1 0x10 8\n";
	struct model *const old = feed_all(old_stream);
	(void)state;

	for (int first = 0; first < 2; first++) {
		struct model *const m = model_new(NULL, NULL);
		struct model_override o = model_override(old, 0);
		uint32_t by = MODEL_NO_SITE, of = MODEL_NO_SITE;

		assert_non_null(m);
		for (int turn = 0; turn < 2; turn++) {
			if (turn != first) {
				assert_int_equal(feed(m, compact), MODEL_OK);
				assert_int_equal(model_end_stream(m), MODEL_OK);
				continue;
			}
			for (uint32_t i = 0; i < model_site_count(old); i++) {
				const struct model_site site =
					model_site(old, i);
				const uint32_t added = model_add_site(m, &site);

				assert_true(added != MODEL_NO_SITE);
				by = i == o.by_site ? added : by;
				of = i == o.of_site ? added : of;
			}
			o.by_site = by;
			o.of_site = of;
			assert_true(model_add_override(m, &o));
		}
		assert_int_equal(model_override_count(m), 2);
		assert_int_equal(model_totals(m)->figures.live_blocks, 3);
		assert_int_equal(model_totals(m)->figures.free_events, 2);
		assert_int_equal(model_site(m, of).figures.ended_blocks, 1);
		assert_int_equal(model_site(m, by).figures.free_events, 1);
		model_free(m);
	}
	model_free(old);
}

/* ---- moments */

static void test_moments(void **state)
{
	struct model *const m = feed_all(START "string \"phase\"\n"
					       "frame lua 1:12\ncallsite 0 1\n"
					       "collection 1 0\n"
					       "clock 1000\n"
					       "alloc @1 0x10 8\n"
					       "clock 500\n"
					       "clock 1\n"
					       "mark 3\n"
					       "alloc @1 0x20 8\n"
					       "lost 5\n"
					       "lost 6\n"
					       "collection 0 0\n"
					       /* Within the one before. */
					       "collection 2 1\n"
					       "alloc @1 0x30 8\n"
					       "alloc @1 0x40 8\n"
					       "collection 3 1\n"
					       "clock 2\n");
	const struct model_start start = model_start(m);
	(void)state;

	assert_true(start.present);
	assert_int_equal(start.start_us, 1700000000000000);
	assert_int_equal(start.process_id, 42);
	assert_int_equal(start.depth, 64);
	check_name(&start.vm, "LuaJIT");
	assert_int_equal(model_clock_count(m), 3);
	assert_int_equal(model_clock(m, 0).event, 0);
	assert_int_equal(model_clock(m, 0).time_us, 1000);
	assert_int_equal(model_clock(m, 1).event, 1);
	assert_int_equal(model_clock(m, 1).time_us, 1501);
	assert_int_equal(model_clock(m, 2).event, 4);
	assert_int_equal(model_clock(m, 2).time_us, 1503);
	assert_int_equal(model_mark_count(m), 1);
	const struct model_mark mark = model_mark(m, 0);
	assert_int_equal(mark.event, 1);
	assert_int_equal(mark.time_us, 1501);
	check_name(&mark.label, "phase");
	assert_int_equal(model_collection_count(m), 3);
	assert_int_equal(model_collection(m, 0).reason, LJM_COLLECTION_START);
	assert_int_equal(model_collection(m, 0).time_us, 0);
	assert_int_equal(model_collection(m, 0).began, 0);
	assert_int_equal(model_collection(m, 1).reason, LJM_COLLECTION_PROGRAM);
	assert_int_equal(model_collection(m, 1).event, 2);
	assert_int_equal(model_collection(m, 1).began, 2);
	assert_int_equal(model_collection(m, 2).reason, LJM_COLLECTION_STOP);
	assert_int_equal(model_collection(m, 2).event, 4);
	assert_int_equal(model_collection(m, 2).began, 3);
	assert_int_equal(model_totals(m)->lost_events, 11);
	assert_int_equal(model_totals(m)->further_moments, 0);

	/* They are the last stream's; what was lost adds up. */
	assert_int_equal(feed(m, START "lost 1\n"), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(model_mark_count(m), 0);
	assert_int_equal(model_clock_count(m), 0);
	assert_int_equal(model_totals(m)->lost_events, 12);
	assert_int_equal(feed(m, old_stream), MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_false(model_start(m).present);
	model_free(m);
}

/* Many clocks are thinned out evenly; the last one stays. */
static void test_many_clocks(void **state)
{
	const unsigned count = 200001;
	struct ljm_bytes text = {0};
	struct model *m;
	size_t clocks;
	(void)state;

	ljm_printf(&text, START "frame lua 1:12\ncallsite 0 1\n");
	for (unsigned i = 0; i < count; i++)
		ljm_printf(&text, "clock 10\nalloc @1 0x%x 8\n", i * 16);
	ljm_put_byte(&text, '\0');
	m = feed_all((const char *)text.data);
	clocks = model_clock_count(m);
	assert_true(clocks > MODEL_CLOCKS / 2 && clocks <= MODEL_CLOCKS);
	for (size_t i = 0; i < clocks; i++) {
		const struct model_clock c = model_clock(m, i);

		assert_int_equal(c.time_us, (c.event + 1) * 10);
		assert_true(i == 0 ||
			    c.event - model_clock(m, i - 1).event <= 4);
		assert_true(i == 0 || c.event > model_clock(m, i - 1).event);
	}
	assert_int_equal(model_clock(m, 0).event, 0);
	assert_int_equal(model_clock(m, clocks - 1).event, count - 1);
	model_free(m);
	ljm_free(&text);
}

static void test_many_marks(void **state)
{
	struct ljm_bytes text = {0};
	struct model *m;
	(void)state;

	ljm_printf(&text, START);
	for (unsigned i = 0; i < MODEL_MARKS + 3; i++)
		ljm_printf(&text, "mark 1\ncollection 2 0\n");
	ljm_put_byte(&text, '\0');
	m = feed_all((const char *)text.data);
	assert_int_equal(model_mark_count(m), MODEL_MARKS);
	assert_int_equal(model_collection_count(m), MODEL_MARKS);
	assert_int_equal(model_totals(m)->further_moments, 6);
	model_free(m);
	ljm_free(&text);
}

/* Of the program's own an even part is kept, of ours all. */
static void test_many_collections(void **state)
{
	const unsigned count = 100000;
	struct ljm_bytes text = {0};
	struct model *m;
	size_t programs = 0, ours = 0;
	uint64_t last = 0, apart = 0;
	(void)state;

	ljm_printf(&text, START "frame lua 1:12\ncallsite 0 1\n");
	for (unsigned i = 1; i <= count; i++)
		ljm_printf(&text, "alloc @1 0x%x 8\ncollection 0 1\n%s", i * 16,
			   i % 1000 ? "" : "collection 2 0\n");
	ljm_put_byte(&text, '\0');
	m = feed_all((const char *)text.data);
	for (size_t i = 0; i < model_collection_count(m); i++) {
		const struct model_collection c = model_collection(m, i);

		if (c.reason == LJM_COLLECTION_MARK) {
			assert_int_equal(c.event, ++ours * 1000);
			continue;
		}
		assert_int_equal(c.began, c.event - 1);
		if (++programs == 2)
			apart = c.event - last;
		assert_true(programs == 1 || c.event - last == apart);
		last = c.event;
	}
	assert_int_equal(ours, count / 1000);
	assert_true(programs > MODEL_COLLECTIONS / 2);
	assert_true(programs <= MODEL_COLLECTIONS);
	assert_true(count - last < apart);
	assert_int_equal(model_totals(m)->further_moments, 0);
	model_free(m);
	ljm_free(&text);
}

/* One that began before the stream, and a number that is no event's. */
static void test_collections_of_before(void **state)
{
	struct model *const m = feed_all(START "frame lua 1:12\ncallsite 0 1\n"
					       "alloc @1 0x10 8\n"
					       "collection 0 2\n"
					       "collection 0 "
					       "18446744073709551615\n");
	(void)state;

	assert_int_equal(model_collection_count(m), 1);
	assert_int_equal(model_collection(m, 0).event, 1);
	assert_int_equal(model_collection(m, 0).began, 0);
	model_free(m);
}

static void test_too_late(void **state)
{
	struct model *const m = feed_all(START "clock 1152921504606846976\n");
	(void)state;

	assert_int_equal(feed(m, START "clock 1152921504606846977\n"),
			 MODEL_TOO_LATE);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(feed(m, START "clock 1152921504606846976\nclock 1\n"),
			 MODEL_TOO_LATE);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_int_equal(feed(m, START "lost 18446744073709551615\n"
				       "lost 18446744073709551615\n"),
			 MODEL_OK);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_true(model_totals(m)->lost_events == 1ull << 60);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_paths_are_kept_once),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_both_sorts),
		cmocka_unit_test(test_stored_beside_compact),
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_many_clocks),
		cmocka_unit_test(test_many_marks),
		cmocka_unit_test(test_many_collections),
		cmocka_unit_test(test_collections_of_before),
		cmocka_unit_test(test_too_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
