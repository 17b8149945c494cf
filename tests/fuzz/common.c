/*
 * common.c - feeding and checking a model.
 */
#include "fuzz.h"

#include <string.h>

#define EVENTS 64

/* Feeds what there is of steps. */
static bool feed_steps(struct model *m, struct decoder *d,
		       struct decode_input *in, size_t cap)
{
	struct decode_steps done;
	struct step *steps;
	size_t room;

	do {
		steps = model_room(m, &room);
		done = decode_steps(d, in, model_locations(m), steps,
				    room < cap ? room : cap);
		CHECK(done.count <= cap && done.events <= done.count);
		if (done.no_memory || model_take_steps(m, &done) != MODEL_OK)
			return false;
	} while (done.count != 0);
	return true;
}

/* Is a model's result about the content of the stream? */
static bool has_culprit(enum model_result result)
{
	return result != MODEL_NO_MEMORY && result != MODEL_STOPPED;
}

bool fuzz_feed(struct model *m, const uint8_t *data, size_t size,
	       size_t bytes_step, size_t events_step)
{
	const size_t cap = events_step < EVENTS ? events_step : EVENTS;
	enum decode_result result = DECODE_MORE;
	struct decode_input in = {data, 0, 0};
	struct decode_event events[EVENTS];
	enum model_result fed;
	size_t count, taken;
	struct decoder d;

	decode_init(&d);
	while (result == DECODE_FULL ||
	       (result == DECODE_MORE && in.size < size)) {
		if (result == DECODE_MORE)
			in.size = size - in.size < bytes_step
					  ? size
					  : in.size + bytes_step;
		if (!feed_steps(m, &d, &in, cap < 2 ? 2 : cap))
			return false;
		result = decode_others(&d, &in, events, cap, &count);
		CHECK(count <= cap);
		fed = model_feed(m, events, count, &taken);
		if (fed != MODEL_OK) {
			CHECK(taken < count || !has_culprit(fed));
			return false;
		}
		CHECK(taken == count);
	}
	return true;
}

static void check_figures(const struct model_figures *f)
{
	CHECK(f->born_blocks - f->ended_blocks == f->live_blocks);
	CHECK(f->live_blocks <= f->born_blocks);
	CHECK(f->alloc_bytes + f->realloc_new_bytes - f->ended_bytes ==
	      f->live_bytes);
	CHECK(f->live_bytes <= f->alloc_bytes + f->realloc_new_bytes);
	CHECK(f->live_blocks != 0 || f->live_bytes == 0);
	CHECK(f->born_blocks <= f->alloc_events + f->realloc_events);
	CHECK(f->earlier_realloc_events <= f->realloc_events);
	CHECK(f->first_event <= f->last_event);
	CHECK((f->first_event == 0) == (f->born_blocks == 0));
}

static void check_overrides(const struct model *m)
{
	const struct model_totals *const t = model_totals(m);
	const struct model_figures *const sum = &t->figures;
	uint64_t freed = 0, freed_bytes = 0, moved_bytes = 0;

	for (size_t i = 0; i < model_override_count(m); i++) {
		const struct model_override o = model_override(m, i);

		CHECK(o.by_site < model_site_count(m));
		CHECK(o.of_site < model_site_count(m));
		CHECK(o.blocks != 0);
		freed += o.by_realloc ? 0 : o.blocks;
		freed_bytes += o.by_realloc ? 0 : o.bytes;
		moved_bytes += o.by_realloc ? o.bytes : 0;
	}
	CHECK(freed <= sum->free_events);
	if (t->unlisted_blocks != 0)
		return;
	CHECK(freed == sum->free_events);
	CHECK(freed_bytes == sum->free_bytes);
	CHECK(moved_bytes == sum->realloc_old_bytes);
}

static void check_callsites(const struct model *m)
{
	const size_t count = model_callsite_count(m);
	struct model_figures sum = {0};
	struct model_callsite c;
	struct model_frame f;

	for (uint32_t i = 0; i < count; i++) {
		model_callsite(m, i, &c);
		CHECK(c.site < model_site_count(m));
		CHECK(c.site == model_callsite_site(m, i));
		CHECK(c.frame < model_frame_count(m));
		CHECK(c.parent == MODEL_NO_CALLSITE || c.parent < i);
		CHECK((c.parent == MODEL_NO_CALLSITE) == (c.depth == 1));
		model_frame(m, c.frame, &f);
		CHECK(f.kind <= MODEL_FRAME_GAP);
		check_figures(&c.figures);
		sum.live_bytes += c.figures.live_bytes;
		sum.alloc_events += c.figures.alloc_events;
		sum.free_events += c.figures.free_events;
	}
	CHECK(sum.live_bytes == model_totals(m)->figures.live_bytes);
	CHECK(sum.alloc_events == model_totals(m)->figures.alloc_events);
	CHECK(sum.free_events == model_totals(m)->figures.free_events);
}

static void check_moments(const struct model *m)
{
	CHECK(model_clock_count(m) <= MODEL_CLOCKS);
	CHECK(model_mark_count(m) <= MODEL_MARKS);
	CHECK(model_collection_count(m) <= MODEL_MARKS);
	for (size_t i = 0; i < model_collection_count(m); i++) {
		const struct model_collection c = model_collection(m, i);

		CHECK(c.began <= c.event);
		CHECK(i == 0 || model_collection(m, i - 1).event <= c.began);
	}
	for (size_t i = 1; i < model_clock_count(m); i++) {
		const struct model_clock a = model_clock(m, i - 1);
		const struct model_clock b = model_clock(m, i);

		CHECK(a.event < b.event && a.time_us <= b.time_us);
	}
	for (size_t i = 1; i < model_mark_count(m); i++)
		CHECK(model_mark(m, i - 1).event <= model_mark(m, i).event);
}

void fuzz_check_model(const struct model *m)
{
	const struct model_totals *const t = model_totals(m);
	const struct model_figures *const sum = &t->figures;
	uint64_t live = 0;
	char name[64];

	for (uint32_t i = 0; i < model_site_count(m); i++) {
		const struct model_site site = model_site(m, i);
		const size_t length = model_site_print(&site, name, 64);

		check_figures(&site.figures);
		CHECK(strlen(name) == (length < 64 ? length : 63));
		live += site.figures.live_bytes;
	}
	check_figures(sum);
	check_overrides(m);
	check_callsites(m);
	check_moments(m);
	CHECK(live == sum->live_bytes);
	CHECK(sum->alloc_bytes + sum->realloc_new_bytes - sum->free_bytes -
		      sum->realloc_old_bytes - t->replaced_bytes ==
	      live);
	CHECK(t->events == sum->alloc_events + sum->realloc_events +
				   sum->free_events + sum->earlier_free_events +
				   sum->failed_events);
	CHECK(t->peak_event <= t->events);
	CHECK((t->conflict_events == 0) == (t->first_conflict_event == 0));
	for (size_t i = 1; i < model_sample_count(m); i++)
		CHECK(model_sample(m, i - 1)->event <
		      model_sample(m, i)->event);
}
