/*
 * fuzz_ingest.c - any bytes as a stream into a database in memory, then every
 * query of queries/ in every format; a stored profile read back must have the
 * figures of the model.
 */
#include "fuzz.h"

#include <string.h>

#include "embedded_sql.h"
#include "report.h"
#include "report_text.h"
#include "store.h"

static struct store *open_store(bool summary)
{
	struct store *s;

	CHECK(store_open(&s, NULL, summary) == STORE_OK);
	CHECK(store_begin(s));
	return s;
}

static void put_text(const struct model *m, FILE *out)
{
	const struct report_text_options all = {0};
	const struct report_text_options leaks = {.leak_only = true,
						  .human_readable = true};

	CHECK(report_text(out, m, &all));
	CHECK(report_text(out, m, &leaks));
}

static void put_queries(sqlite3 *db, unsigned format, FILE *out)
{
	for (unsigned i = 0; embedded_queries[i].name != NULL; i++) {
		struct report r = {0};

		CHECK(report_prepare(&r, db, embedded_queries[i].text) ==
		      REPORT_OK);
		CHECK(report_print(&r, 0,
				   (enum report_format)((i + format) % 5),
				   out) == REPORT_OK);
		report_close(&r);
	}
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *out;
	const struct store_profile profile = {
		.source = "fuzz", .version = "0", .complete = true};
	struct store *const s = open_store(false);
	struct model *const m = model_new(store_life, s);

	if (out == NULL)
		out = fopen("/dev/null", "w");
	CHECK(out != NULL && m != NULL);
	fuzz_feed(m, data, size, size + 1, 64);
	CHECK(store_live(s));
	CHECK(model_end_stream(m) == MODEL_OK);
	CHECK(store_stream(s, m));
	CHECK(store_profile(s, m, &profile));
	CHECK(store_commit(s));
	check_rows(store_database(s), m);
	put_queries(store_database(s), size == 0 ? 0 : data[size - 1], out);
	put_text(m, out);
	model_free(m);
	store_close(s);
	return 0;
}
