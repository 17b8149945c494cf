/*
 * fuzz_ingest.c - any bytes as a stream into a database in memory, then
 * queries of queries/ in every format; a stored profile read back must have
 * the figures of the model.
 *
 * To be quick, most runs share a database and its prepared queries, of which
 * they ask a quarter, and take their rows back at the end; a few, and all that
 * replay.c makes, do everything.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "embedded_sql.h"
#include "report.h"
#include "report_text.h"
#include "store.h"
#include "store_read.h"

/* So often a run has a database of its own, and reads it back. */
#define ALL_EVERY 512

static FILE *out;

/* ---- SQLite's memory
 *
 * What it allocates to prepare and run statements is most of the time with
 * the sanitizer's malloc(), and is SQLite's own business: in a fuzzer it comes
 * from the C library's, behind its size.
 */

#define SIZE_ROOM 16 /* bytes, as the alignment wants them */

void *__libc_malloc(size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static void *note_size(uint8_t *p, int size)
{
	if (p == NULL)
		return NULL;
	memcpy(p, &size, sizeof(size));
	return p + SIZE_ROOM;
}

static void *plain_malloc(int size)
{
	return note_size(__libc_malloc((size_t)size + SIZE_ROOM), size);
}

static void plain_free(void *p)
{
	__libc_free((uint8_t *)p - SIZE_ROOM);
}

static void *plain_realloc(void *p, int size)
{
	return note_size(__libc_realloc((uint8_t *)p - SIZE_ROOM,
					(size_t)size + SIZE_ROOM),
			 size);
}

static int plain_size(void *p)
{
	int size;

	memcpy(&size, (uint8_t *)p - SIZE_ROOM, sizeof(size));
	return size;
}

static int plain_roundup(int size)
{
	return (size + 7) & ~7;
}

static int plain_init(void *arg)
{
	(void)arg;
	return SQLITE_OK;
}

static void plain_shutdown(void *arg)
{
	(void)arg;
}

static void use_plain_memory(void)
{
	const sqlite3_mem_methods methods = {
		plain_malloc,  plain_free, plain_realloc,  plain_size,
		plain_roundup, plain_init, plain_shutdown, NULL};

	CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
	CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
}

/* ---- one stream */

static void run_sql(struct store *s, const char *sql)
{
	CHECK(sqlite3_exec(store_database(s), sql, NULL, NULL, NULL) ==
	      SQLITE_OK);
}

static struct store *open_store(void)
{
	struct store *s;

	CHECK(store_open(&s, NULL, false) == STORE_OK);
	return s;
}

/* A new database writes no journal: without one nothing is taken back. */
static struct store *open_again_and_again(void)
{
	struct store *const s = open_store();

	CHECK(store_commit(s));
	run_sql(s, "PRAGMA journal_mode = MEMORY");
	return s;
}

static void put_text(const struct model *m)
{
	const struct report_text_options all = {0};
	const struct report_text_options leaks = {.leak_only = true,
						  .human_readable = true};

	CHECK(report_text(out, m, &all));
	CHECK(report_text(out, m, &leaks));
}

static void print(struct report *r, unsigned format)
{
	CHECK(report_print(r, 0, (enum report_format)(format % 5), out) ==
	      REPORT_OK);
}

static void put_query(sqlite3 *db, unsigned query, unsigned format)
{
	struct report r = {0};

	CHECK(report_prepare(&r, db, embedded_queries[query].text) ==
	      REPORT_OK);
	print(&r, format);
	report_close(&r);
}

static unsigned query_count(void)
{
	unsigned count = 0;

	while (embedded_queries[count].name != NULL)
		count++;
	return count;
}

/* What the tables say of the blocks alive, against the model. */
static void check_rows(sqlite3 *db, const struct model *m)
{
	sqlite3_stmt *stmt;

	CHECK(sqlite3_prepare_v2(db,
				 "SELECT count(*), coalesce(sum(size), 0) FROM "
				 "allocation_data WHERE died_event IS NULL",
				 -1, &stmt, NULL) == SQLITE_OK);
	CHECK(sqlite3_step(stmt) == SQLITE_ROW);
	CHECK((uint64_t)sqlite3_column_int64(stmt, 0) ==
	      model_totals(m)->figures.live_blocks);
	CHECK((uint64_t)sqlite3_column_int64(stmt, 1) ==
	      model_totals(m)->figures.live_bytes);
	sqlite3_finalize(stmt);
}

/* The profile read back, against the model it was made from. */
static void check_stored(sqlite3 *db, const struct model *m)
{
	struct store_reader r = {.db = db};
	struct model *const stored = model_new(NULL, NULL);
	int64_t profile = 0;
	bool summary;

	CHECK(stored != NULL);
	CHECK(store_read_choose(&r, &profile, &summary) == STORE_OK);
	CHECK(store_read_profile(&r, profile, stored));
	CHECK(memcmp(&model_totals(stored)->figures, &model_totals(m)->figures,
		     sizeof(struct model_figures)) == 0);
	put_text(stored);
	model_free(stored);
}

/* Stores the stream as a profile. The caller frees the model. */
static struct model *store_bytes(struct store *s, const uint8_t *data,
				 size_t size)
{
	const struct store_profile profile = {
		.source = "fuzz", .version = "0", .complete = true};
	struct model *const m = model_new(store_life, s);

	CHECK(m != NULL);
	CHECK(store_begin(s));
	fuzz_feed(m, data, size, size + 1, 64);
	CHECK(store_live(s));
	CHECK(model_end_stream(m) == MODEL_OK);
	CHECK(store_stream(s, m));
	CHECK(store_profile(s, m, &profile));
	check_rows(store_database(s), m);
	return m;
}

static void run_all(const uint8_t *data, size_t size, unsigned format)
{
	struct store *const s = open_store();
	struct model *const m = store_bytes(s, data, size);
	const unsigned queries = query_count();

	CHECK(store_commit(s));
	for (unsigned i = 0; i < queries; i++)
		put_query(store_database(s), i, i + format);
	put_text(m);
	check_stored(store_database(s), m);
	model_free(m);
	store_close(s);
}

/* Prepared once. What only lets queries read is taken off the database. */
static struct report *prepared_query(sqlite3 *db, unsigned query)
{
	static struct report *reports;
	struct report *r;

	if (reports == NULL)
		reports = calloc(query_count(), sizeof(*reports));
	CHECK(reports != NULL);
	r = &reports[query];
	if (r->stmt == NULL) {
		CHECK(report_prepare(r, db, embedded_queries[query].text) ==
		      REPORT_OK);
		sqlite3_set_authorizer(db, NULL, NULL);
	}
	return r;
}

static void run_quick(const uint8_t *data, size_t size, uint64_t dice)
{
	static struct store *s;
	const unsigned queries = query_count();
	struct model *m;

	if (s == NULL)
		s = open_again_and_again();
	run_sql(s, "BEGIN");
	m = store_bytes(s, data, size);
	for (unsigned i = dice >> 8 & 3; i < queries; i += 4)
		print(prepared_query(store_database(s), i),
		      i + (unsigned)(dice >> 16));
	if (dice >> 24 & 1)
		put_text(m);
	model_free(m);
	run_sql(s, "ROLLBACK");
}

static void start(void)
{
	if (!fuzz_thorough)
		use_plain_memory();
	out = fopen("/dev/null", "w");
	CHECK(out != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t dice = size;

	if (out == NULL)
		start();
	for (size_t i = 0; i < size; i++)
		dice = (dice ^ data[i]) * 0x9fb21c651e98df25ull;
	dice ^= dice >> 32;
	if (fuzz_thorough || dice % ALL_EVERY == 0)
		run_all(data, size, size == 0 ? 0 : data[size - 1]);
	else
		run_quick(data, size, dice);
	return 0;
}
