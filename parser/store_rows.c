/*
 * store_rows.c - the rows of lives, samples and profiles.
 */
#include "store_private.h"

#include <string.h>
#include <time.h>

#include "store_binder.h"
#include "store_columns.h"

#define ROW "(?,?,?,?,?,?,?,?)"
#define INSERT_ALLOCATION                                                      \
	"INSERT INTO allocation_data (callsite_id, died_callsite_id, "         \
	"born_event, "                                                         \
	"died_event, realloc_of, address, size, how) VALUES "

/* The bits of allocation_data.how. */
#define HOW_BORN_BY_REALLOC 1u
#define HOW_DIED_BY_REALLOC 2u
#define HOW_REPLACED	    4u

bool store_rows_open(struct store *s)
{
	return store_prepare(s, &s->insert_batch,
			     INSERT_ALLOCATION STORE_BATCH_ROWS(ROW)) &&
	       store_prepare(s, &s->insert_one, INSERT_ALLOCATION ROW);
}

void store_rows_close(struct store *s)
{
	store_writer_stop(s->writer);
	s->writer = NULL;
	sqlite3_finalize(s->insert_batch);
	sqlite3_finalize(s->insert_one);
	s->insert_batch = s->insert_one = NULL;
}

/* ---- lives */

static void bind_callsite(struct binder *b, const struct store *s,
			  uint32_t callsite)
{
	if (callsite == MODEL_NO_CALLSITE)
		bind_null(b);
	else
		bind_int(b, (uint64_t)s->first_callsite + callsite);
}

static void bind_event(struct binder *b, const struct store *s, uint64_t event)
{
	bind_int_or_null(b, event == 0 ? 0 : s->event_base + event);
}

static void bind_life(struct binder *b, const struct store *s,
		      const struct model_life *life)
{
	bind_callsite(b, s, life->born_callsite);
	bind_callsite(b, s, life->died_callsite);
	bind_event(b, s, life->born_event);
	bind_event(b, s, life->died_event);
	bind_event(b, s, life->realloc_of);
	bind_int(b, life->address);
	bind_int(b, life->size);
	bind_int(b, (life->born_by_realloc ? HOW_BORN_BY_REALLOC : 0) |
			    (life->died_by_realloc ? HOW_DIED_BY_REALLOC : 0) |
			    (life->replaced ? HOW_REPLACED : 0));
}

bool store_lives(struct store *s, const struct model_life *lives,
		 unsigned count)
{
	struct binder all = {s->insert_batch, 0, SQLITE_OK};
	struct binder one = {s->insert_one, 0, SQLITE_OK};
	const bool full = count == STORE_BATCH;

	for (unsigned i = 0; i < count; i++) {
		bind_life(full ? &all : &one, s, &lives[i]);
		if (!full && !store_insert(s, &one))
			return false;
	}
	s->next_allocation += count;
	return !full || store_insert(s, &all);
}

/* Inserts what waits in the batch. */
static bool insert_batch(struct store *s)
{
	const unsigned count = s->batched;

	s->batched = 0;
	s->lives += count;
	return store_lives(s, s->batch, count);
}

/* Inserts all that waits; the database is this thread's then. */
static bool flush(struct store *s)
{
	return insert_batch(s) &&
	       (s->writer == NULL || store_writer_settle(s->writer));
}

bool store_life(void *arg, const struct model_life *life)
{
	struct store *const s = arg;

	if (s->writer != NULL)
		return store_writer_put(s->writer, life);
	s->batch[s->batched++] = *life;
	if (s->batched < STORE_BATCH)
		return true;
	if (!insert_batch(s))
		return false;
	if (s->lives == STORE_WRITER_LIVES)
		s->writer = store_writer_start(s);
	return true;
}

bool store_live(struct store *s)
{
	if (!flush(s))
		return false;
	/* The first stream of several: the view leaves out what has ended. */
	if (s->first_live == 0)
		s->first_live = s->next_allocation;
	return true;
}

/* ---- begin, streams, end */

/* The first free number after those in use; 0 on failure. */
static int64_t next_number(struct store *s, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t number = 0;

	if (!store_prepare(s, &stmt, sql))
		return 0;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	else
		store_fail_sqlite(s, sqlite3_errcode(s->db));
	sqlite3_finalize(stmt);
	return number;
}

#define NEXT(table, column)                                                    \
	"SELECT coalesce(max(" column "), 0) + 1 FROM " table

bool store_begin(struct store *s)
{
	s->event_base = s->begun_base = s->time_base = 0;
	s->marks = s->collections = 0;
	s->last_base = 0;
	s->first_live = 0;
	s->first_name = next_number(s, NEXT("name_data", "name_id"));
	s->first_site = next_number(s, NEXT("site_data", "site_id"));
	s->first_frame = next_number(s, NEXT("frame_data", "frame_id"));
	s->first_callsite =
		next_number(s, NEXT("callsite_data", "callsite_id"));
	s->first_allocation =
		next_number(s, NEXT("allocation_data", "allocation_id"));
	s->next_allocation = s->first_allocation;
	/* Also of profiles that were dropped: numbers are not given again. */
	s->profile_id = next_number(
		s, "SELECT max((SELECT coalesce(max(profile_id), 0) FROM "
		   "profile_data), coalesce((SELECT seq FROM sqlite_sequence "
		   "WHERE name = 'profile_data'), 0)) + 1");
	return s->first_name != 0 && s->first_site != 0 &&
	       s->first_frame != 0 && s->first_callsite != 0 &&
	       s->first_allocation != 0 && s->profile_id != 0;
}

bool store_stream(struct store *s, const struct model *m)
{
	const struct model_totals *const t = model_totals(m);
	const size_t count = model_sample_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok;

	ok = flush(s) && store_times(s, m) &&
	     store_prepare(
		     s, &b.stmt,
		     "INSERT INTO heap_sample_data (profile_id, event, "
		     "live_blocks, live_bytes, begun_bytes, time_us) "
		     "VALUES (?1, ?2, ?3, ?4, ?5, (SELECT time_us "
		     "FROM clock_data WHERE profile_id = ?1 AND event <= ?2 "
		     "ORDER BY event DESC LIMIT 1))");
	for (size_t i = 0; ok && i < count; i++) {
		const struct model_sample *const sample = model_sample(m, i);

		bind_int(&b, (uint64_t)s->profile_id);
		bind_int(&b, s->event_base + sample->event);
		bind_int(&b, sample->live_blocks);
		bind_int(&b, sample->live_bytes);
		bind_int(&b, s->begun_base + sample->begun_bytes);
		ok = store_insert(s, &b);
	}
	sqlite3_finalize(b.stmt);
	s->last_base = s->event_base;
	s->event_base = t->events;
	s->begun_base = t->figures.alloc_bytes + t->figures.realloc_new_bytes;
	return ok;
}

/* ---- the profile's own row, and its warnings */

static void bind_range(struct binder *b, const struct store *s)
{
	if (s->summary) {
		bind_null(b);
		bind_null(b);
		bind_null(b);
		return;
	}
	bind_int(b, (uint64_t)s->first_allocation);
	bind_int(b, (uint64_t)s->first_live);
	bind_int(b, (uint64_t)s->next_allocation);
}

static void bind_totals(struct binder *b, const struct store *s,
			const struct model_totals *t)
{
#define BIND_FIGURE(name) bind_int(b, t->figures.name);
	bind_int(b, t->events);
	STORE_FIGURES(BIND_FIGURE)
#undef BIND_FIGURE
	bind_int(b, t->peak_bytes);
	/* The peak is that of the last stream. */
	bind_int_or_null(b,
			 t->peak_event == 0 ? 0 : s->last_base + t->peak_event);
	bind_int(b, t->conflict_events);
	bind_int_or_null(b, t->first_conflict_event);
	bind_int(b, t->replaced_blocks);
	bind_int(b, t->replaced_bytes);
	bind_int_or_null(b, t->last_collector_free_event);
	bind_int(b, t->begun_bytes_since_collector);
}

/* start_us, process_id, stack_depth, vm */
#define START_COLUMNS 4

/* Binds what the stream's start told; *vm is the caller's to free. */
static bool bind_start(struct binder *b, const struct model_start *start,
		       char **vm)
{
	*vm = NULL;
	if (!start->present) {
		for (int i = 0; i < START_COLUMNS; i++)
			bind_null(b);
		return true;
	}
	if (start->vm.size != 0) {
		*vm = store_printable(start->vm.text, start->vm.size);
		if (*vm == NULL)
			return false;
	}
	bind_int(b, start->start_us);
	bind_int(b, start->process_id);
	bind_int(b, start->depth);
	bind_text(b, *vm);
	return true;
}

static bool insert_profile(struct store *s, const struct model *m,
			   const struct store_profile *profile)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	const struct model_start start = model_start(m);
	char *source =
		store_printable(profile->source, strlen(profile->source));
	char *vm = NULL;
	bool ok;

	if (source == NULL)
		return store_fail_sqlite(s, SQLITE_NOMEM);
	ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO profile_data (profile_id, source, "
		"memparse_version, stored_at_s, symtab_version, "
		"events_version, complete, end_offset, end_reason, summary, "
		"first_allocation_id, first_live_id, end_allocation_id, "
		"events" STORE_FIGURE_NAMES ", peak_bytes, peak_event, "
		"conflict_events, first_conflict_event, replaced_blocks, "
		"replaced_bytes, last_collector_free_event, "
		"begun_bytes_since_collector, lost_events, "
		"earlier_stream_events, start_us, "
		"process_id, stack_depth, vm, duration_us) "
		"VALUES (?1, ?, ?, ?, ?, ?, ?, ?, "
		"?, ?, ?, ?, ?, ?" STORE_FIGURE_MARKS
		", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		"(SELECT max(time_us) FROM clock_data "
		"WHERE profile_id = ?1))");
	bind_int(&b, (uint64_t)s->profile_id);
	bind_text(&b, source);
	bind_text(&b, profile->version);
	bind_int(&b, (uint64_t)time(NULL));
	bind_int_or_null(&b, profile->symtab_version);
	bind_int_or_null(&b, profile->events_version);
	bind_int(&b, profile->complete);
	bind_int(&b, profile->end_offset);
	bind_text(&b, profile->end_reason);
	bind_int(&b, s->summary);
	bind_range(&b, s);
	bind_totals(&b, s, model_totals(m));
	bind_int(&b, model_totals(m)->lost_events);
	bind_int(&b, s->last_base);
	if (!bind_start(&b, &start, &vm))
		ok = store_fail_sqlite(s, SQLITE_NOMEM);
	ok = ok && store_insert(s, &b);
	sqlite3_finalize(b.stmt);
	sqlite3_free(source);
	sqlite3_free(vm);
	return ok;
}

static bool insert_warnings(struct store *s,
			    const struct store_profile *profile)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(s, &b.stmt,
				"INSERT INTO warning_data (profile_id, number, "
				"text) VALUES (?, ?, ?)");

	for (size_t i = 0; ok && i < profile->warning_count; i++) {
		bind_int(&b, (uint64_t)s->profile_id);
		bind_int(&b, i + 1);
		bind_text(&b, profile->warnings[i]);
		ok = store_insert(s, &b);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

/* Texts with aliases are stored first, in the order of their numbers. */
static bool insert_aliases(struct store *s, const struct model *m,
			   struct store_names *names)
{
	const size_t count = model_alias_count(m);
	int64_t id;

	for (size_t i = 0; i < count; i++)
		if (!store_name_id(s, names, model_alias(m, i), false, &id))
			return false;
	return true;
}

/* Writes what blocks belong to, in the order of the tables' references. */
static bool insert_named(struct store *s, const struct model *m)
{
	const size_t aliases = model_alias_count(m);
	struct store_names names = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < aliases; i++)
		ok = store_names_add(s, &names, model_alias(m, i), false);
	ok = ok && store_sites_names(s, m, &names) &&
	     store_stacks_names(s, m, &names) && store_names_ready(s, &names) &&
	     insert_aliases(s, m, &names) && store_sites(s, m, &names) &&
	     store_stacks(s, m, &names);
	store_names_close(&names);
	return ok;
}

bool store_profile(struct store *s, const struct model *m,
		   const struct store_profile *profile)
{
	/*
	 * Unlike those of blocks, the rows that follow come in no order. From
	 * the start it would only slow those down.
	 */
	if (!store_run(s, "PRAGMA cache_size = -16384") ||
	    !insert_profile(s, m, profile) || !insert_warnings(s, profile) ||
	    !store_origin(s, profile) || !insert_named(s, m))
		return false;
	if (s->first_profile == 0)
		s->first_profile = s->profile_id;
	s->last_profile = s->profile_id;
	return true;
}

void store_profiles(const struct store *s, int64_t *first, int64_t *last)
{
	*first = s->first_profile;
	*last = s->last_profile;
}
