/*
 * store_stacks.c - the rows of frames, callsites, clocks, marks, collections.
 */
#include <stdlib.h>

#include "store_private.h"

/* ---- frames */

/* The words of frame_data.kind, in the order of enum model_frame_kind. */
static const char *const kinds[] = {"internal", "lua", "c", "trace", "gap"};

/* The words of frame_data.what, in the orders of ljm_format.h. */
static const char *const internals[] = {
	"other", "gc", "recorder", "optimiser", "assembler", "exit", "host"};
static const char *const gaps[] = {"depth", "inlined", "unknown"};

/* The words of collection_data.reason, in the order of ljm_format.h. */
static const char *const reasons[] = {"program", "start", "mark", "stop"};

#define WORD(words, i)                                                         \
	((i) < sizeof(words) / sizeof(*(words)) ? (words)[i] : "unknown")

/* A trace may start where there is no chunk. */
static bool has_chunk(const struct model_frame *f)
{
	return f->kind == MODEL_FRAME_LUA ||
	       (f->kind == MODEL_FRAME_TRACE && f->chunk.text != NULL);
}

bool store_stacks_names(struct store *s, const struct model *m,
			struct store_names *names)
{
	const uint32_t count = (uint32_t)model_frame_count(m);
	struct model_frame f;
	bool ok = true;

	for (uint32_t i = 0; ok && i < count; i++) {
		model_frame(m, i, &f);
		if (has_chunk(&f))
			ok = store_names_add(s, names, &f.chunk, false);
		if (ok && f.function.size != 0)
			ok = store_names_add(s, names, &f.function, true);
	}
	return ok;
}

static void bind_what(struct binder *b, const struct model_frame *f)
{
	if (f->kind == MODEL_FRAME_INTERNAL)
		bind_text(b, WORD(internals, f->what));
	else if (f->kind == MODEL_FRAME_GAP)
		bind_text(b, WORD(gaps, f->what));
	else
		bind_null(b);
}

static bool insert_frame(struct store *s, struct binder *b, uint32_t index,
			 const struct model_frame *f, struct store_names *names)
{
	int64_t chunk = 0, function = 0;

	if (has_chunk(f) && !store_name_id(s, names, &f->chunk, false, &chunk))
		return false;
	if (f->function.size != 0 &&
	    !store_name_id(s, names, &f->function, true, &function))
		return false;
	bind_int(b, (uint64_t)s->first_frame + index);
	bind_int(b, (uint64_t)s->profile_id);
	bind_text(b, kinds[f->kind]);
	bind_int_or_null(b, (uint64_t)chunk);
	bind_int_or_null(b, (uint64_t)function);
	bind_int_or_null(b, f->first_line);
	if (has_chunk(f))
		bind_int(b, f->line);
	else
		bind_null(b);
	bind_int_or_null(b, f->trace_number);
	if (f->kind == MODEL_FRAME_C)
		bind_int(b, f->address);
	else
		bind_null(b);
	bind_what(b, f);
	return store_insert(s, b);
}

static bool insert_frames(struct store *s, const struct model *m,
			  struct store_names *names)
{
	const uint32_t count = (uint32_t)model_frame_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	struct model_frame f;
	bool ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO frame_data (frame_id, profile_id, kind, "
		"chunk_name_id, function_name_id, first_line, line, "
		"trace_number, address, what) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	for (uint32_t i = 0; ok && i < count; i++) {
		model_frame(m, i, &f);
		ok = insert_frame(s, &b, i, &f, names);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

/* ---- callsites */

/* What callsite_data calls places, of a callsite and all that lead on from it.
 */
struct places {
	uint32_t count;
	uint32_t next; /* the first that none of them has yet */
};

/*
 * How many places each callsite takes: callers have lower indexes. The last
 * element is for those without one. NULL without memory; the caller frees it.
 */
static struct places *count_places(const struct model *m, uint32_t count)
{
	struct places *const list = calloc((size_t)count + 1, sizeof(*list));
	struct model_callsite c;

	for (uint32_t i = count; list != NULL && i-- > 0;) {
		model_callsite(m, i, &c);
		list[i].count++;
		if (c.parent != MODEL_NO_CALLSITE)
			list[c.parent].count += list[i].count;
	}
	return list;
}

/* The place of own, right behind what its caller has led to up to now. */
static uint32_t take_place(struct places *caller, struct places *own)
{
	const uint32_t place = caller->next;

	caller->next += own->count;
	own->next = place + 1;
	return place;
}

static void bind_callsite(struct binder *b, const struct store *s,
			  uint32_t index, const struct model_callsite *c)
{
	bind_int(b, (uint64_t)s->first_callsite + index);
	bind_int(b, (uint64_t)s->profile_id);
	if (c->parent == MODEL_NO_CALLSITE)
		bind_null(b);
	else
		bind_int(b, (uint64_t)s->first_callsite + c->parent);
	bind_int(b, (uint64_t)s->first_frame + c->frame);
	bind_int(b, (uint64_t)s->first_site + c->site);
	bind_int(b, c->depth);
	bind_int(b, c->figures.born_blocks);
	bind_int(b, c->figures.alloc_bytes + c->figures.realloc_new_bytes);
	bind_int(b, c->figures.live_blocks);
	bind_int(b, c->figures.live_bytes);
	bind_int_or_null(b, c->figures.first_event);
	bind_int_or_null(b, c->figures.last_event);
}

static bool insert_each(struct store *s, struct binder *b,
			const struct model *m, struct places *places,
			uint32_t count)
{
	struct model_callsite c;
	bool ok = true;

	places[count].next = 1;
	for (uint32_t i = 0; ok && i < count; i++) {
		uint32_t caller, place;

		model_callsite(m, i, &c);
		caller = c.parent == MODEL_NO_CALLSITE ? count : c.parent;
		place = take_place(&places[caller], &places[i]);
		bind_callsite(b, s, i, &c);
		bind_int(b, place);
		bind_int(b, place + places[i].count - 1);
		ok = store_insert(s, b);
	}
	return ok;
}

static bool insert_callsites(struct store *s, const struct model *m)
{
	const uint32_t count = (uint32_t)model_callsite_count(m);
	struct places *const places = count_places(m, count);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok;

	if (places == NULL)
		return store_fail_sqlite(s, SQLITE_NOMEM);
	ok = store_prepare(
		     s, &b.stmt,
		     "INSERT INTO callsite_data (callsite_id, profile_id, "
		     "parent_id, frame_id, site_id, depth, self_born_blocks, "
		     "self_born_bytes, self_live_blocks, self_live_bytes, "
		     "self_first_event, self_last_event, place, last_place) "
		     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") &&
	     insert_each(s, &b, m, places, count);
	sqlite3_finalize(b.stmt);
	free(places);
	return ok;
}

bool store_stacks(struct store *s, const struct model *m,
		  struct store_names *names)
{
	return insert_frames(s, m, names) && insert_callsites(s, m);
}

/* ---- times */

/* Notes a moment; of several after one event the last counts. */
static bool insert_time(struct store *s, struct binder *b, uint64_t event,
			uint64_t time_us, uint64_t *latest)
{
	if (time_us > *latest)
		*latest = time_us;
	bind_int(b, (uint64_t)s->profile_id);
	bind_int(b, s->event_base + event);
	bind_int(b, s->time_base + time_us);
	return store_insert(s, b);
}

static bool insert_times(struct store *s, const struct model *m,
			 uint64_t *latest)
{
	const size_t clocks = model_clock_count(m);
	const size_t marks = model_mark_count(m);
	const size_t collections = model_collection_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO clock_data (profile_id, event, time_us) "
		"VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
		"SET time_us = max(time_us, excluded.time_us)");

	if (ok && model_start(m).present)
		ok = insert_time(s, &b, 0, 0, latest);
	for (size_t i = 0; ok && i < clocks; i++) {
		const struct model_clock c = model_clock(m, i);

		ok = insert_time(s, &b, c.event, c.time_us, latest);
	}
	for (size_t i = 0; ok && i < marks; i++) {
		const struct model_mark mark = model_mark(m, i);

		ok = insert_time(s, &b, mark.event, mark.time_us, latest);
	}
	for (size_t i = 0; ok && i < collections; i++) {
		const struct model_collection c = model_collection(m, i);

		ok = insert_time(s, &b, c.event, c.time_us, latest);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

static bool insert_mark(struct store *s, struct binder *b,
			const struct model_mark *mark)
{
	char *const label = store_printable(mark->label.text, mark->label.size);
	bool ok;

	if (label == NULL)
		return store_fail_sqlite(s, SQLITE_NOMEM);
	bind_int(b, (uint64_t)s->profile_id);
	bind_int(b, s->event_base + mark->event);
	bind_int(b, ++s->marks);
	bind_int(b, s->time_base + mark->time_us);
	bind_text(b, label);
	ok = store_insert(s, b);
	sqlite3_free(label);
	return ok;
}

static bool insert_marks(struct store *s, const struct model *m)
{
	const size_t count = model_mark_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(s, &b.stmt,
				"INSERT INTO mark_data (profile_id, event, "
				"number, time_us, label) "
				"VALUES (?, ?, ?, ?, ?)");

	for (size_t i = 0; ok && i < count; i++) {
		const struct model_mark mark = model_mark(m, i);

		ok = insert_mark(s, &b, &mark);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

static bool insert_collections(struct store *s, const struct model *m)
{
	const size_t count = model_collection_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(s, &b.stmt,
				"INSERT INTO collection_data (profile_id, "
				"event, number, began_event, time_us, "
				"reason) VALUES (?, ?, ?, ?, ?, ?)");

	for (size_t i = 0; ok && i < count; i++) {
		const struct model_collection c = model_collection(m, i);

		bind_int(&b, (uint64_t)s->profile_id);
		bind_int(&b, s->event_base + c.event);
		bind_int(&b, ++s->collections);
		bind_int(&b, s->event_base + c.began);
		bind_int(&b, s->time_base + c.time_us);
		bind_text(&b, WORD(reasons, c.reason));
		ok = store_insert(s, &b);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

bool store_times(struct store *s, const struct model *m)
{
	uint64_t latest = 0;

	if (!insert_times(s, m, &latest) || !insert_marks(s, m) ||
	    !insert_collections(s, m))
		return false;
	s->time_base += latest;
	return true;
}
