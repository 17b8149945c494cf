/*
 * hidden.c - what a frame hides is written to temporary tables.
 */
#include "hidden.h"

#include <string.h>

/* suppression(name): the number of the one that matches, or NULL. */
static void find_suppression(sqlite3_context *context, int count,
			     sqlite3_value **values)
{
	const struct suppressions *const list = sqlite3_user_data(context);
	const char *const name = (const char *)sqlite3_value_text(values[0]);
	const unsigned by = name != NULL ? suppressions_find(list, name) : 0;

	(void)count;
	if (by != 0)
		sqlite3_result_int64(context, by);
}

static bool run(struct hidden *h, const char *sql)
{
	return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool prepare(struct hidden *h, sqlite3_stmt **stmt, const char *sql)
{
	return sqlite3_prepare_v2(h->db, sql, -1, stmt, NULL) == SQLITE_OK;
}

bool hidden_open(struct hidden *h, sqlite3 *db, struct suppressions *list,
		 bool by_name)
{
	memset(h, 0, sizeof(*h));
	h->db = db;
	h->list = list;
	h->by_name = by_name;
	return sqlite3_create_function(
		       db, "suppression", 1,
		       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
		       list, find_suppression, NULL, NULL) == SQLITE_OK &&
	       run(h, "CREATE TEMP TABLE hidden_path ("
		      "callsite_id INTEGER PRIMARY KEY, site_id INTEGER, "
		      "by INTEGER, blocks INTEGER, bytes INTEGER)") &&
	       prepare(h, &h->find,
		       "SELECT by FROM temp.hidden_path "
		       "WHERE callsite_id = ?") &&
	       prepare(h, &h->insert,
		       "INSERT OR IGNORE INTO temp.hidden_path "
		       "VALUES (?, ?, ?, ?, ?)");
}

/* What hides the path that called this one: 0, nothing does. */
static int64_t find_caller(struct hidden *h, sqlite3_stmt *row)
{
	int64_t by = 0;

	sqlite3_bind_value(h->find, 1, sqlite3_column_value(row, 1));
	if (sqlite3_step(h->find) == SQLITE_ROW)
		by = sqlite3_column_int64(h->find, 0);
	sqlite3_reset(h->find);
	return by;
}

/*
 * Hides the path of a row, if something does: a frame, or its caller's. If the
 * line is suppressed by its name, which the caller counts, nothing is left of
 * it but what leads on.
 */
static bool add_path(struct hidden *h, sqlite3_stmt *row)
{
	const bool named = sqlite3_column_int64(row, 6) != 0 && !h->by_name;
	const int64_t blocks = named ? 0 : sqlite3_column_int64(row, 3);
	const int64_t bytes = named ? 0 : sqlite3_column_int64(row, 4);
	int64_t by = sqlite3_column_int64(row, 5);
	int result;

	if (by == 0)
		by = find_caller(h, row);
	if (by <= 0 || by > h->list->count)
		return true;
	sqlite3_bind_value(h->insert, 1, sqlite3_column_value(row, 0));
	sqlite3_bind_value(h->insert, 2, sqlite3_column_value(row, 2));
	sqlite3_bind_int64(h->insert, 3, by);
	sqlite3_bind_int64(h->insert, 4, blocks);
	sqlite3_bind_int64(h->insert, 5, bytes);
	result = sqlite3_step(h->insert);
	sqlite3_reset(h->insert);
	h->list->list[by - 1].blocks += (uint64_t)blocks;
	h->blocks += (uint64_t)blocks;
	h->bytes += (uint64_t)bytes;
	h->paths++;
	return result == SQLITE_DONE;
}

/* A path comes after the one that called it. */
static const char paths[] =
	"WITH f AS MATERIALIZED (SELECT frame_id, suppression(name) AS by "
	"FROM main.frame WHERE profile_id = ?1), "
	"s AS MATERIALIZED (SELECT site_id, suppression(name) AS by "
	"FROM main.site WHERE profile_id = ?1) "
	"SELECT c.callsite_id, c.parent_id, c.site_id, c.self_live_blocks, "
	"c.self_live_bytes, coalesce(f.by, CASE WHEN ?2 THEN s.by END), s.by "
	"FROM main.callsite AS c LEFT JOIN f ON f.frame_id = c.frame_id "
	"LEFT JOIN s ON s.site_id = c.site_id "
	"WHERE c.profile_id = ?1 ORDER BY c.callsite_id";

bool hidden_add(struct hidden *h, int64_t profile)
{
	sqlite3_stmt *row = NULL;
	bool ok = prepare(h, &row, paths);
	int result = SQLITE_DONE;

	h->blocks = h->bytes = 0;
	if (ok) {
		sqlite3_bind_int64(row, 1, profile);
		sqlite3_bind_int(row, 2, h->by_name);
	}
	while (ok && (result = sqlite3_step(row)) == SQLITE_ROW)
		ok = add_path(h, row);
	sqlite3_finalize(row);
	return ok && result == SQLITE_DONE;
}

static const char views[] =
	"CREATE TEMP TABLE hidden_site AS "
	"SELECT site_id, sum(blocks) AS blocks, sum(bytes) AS bytes "
	"FROM temp.hidden_path GROUP BY site_id;"
	"CREATE UNIQUE INDEX temp.hidden_site_id ON hidden_site (site_id);"

	"CREATE TEMP VIEW site AS SELECT s.site_id, s.profile_id, s.name, "
	"s.signature, s.signature_kind, s.born_blocks, s.ended_bytes, "
	"s.live_blocks - coalesce((SELECT blocks FROM temp.hidden_site AS h "
	"WHERE h.site_id = s.site_id), 0) AS live_blocks, "
	"s.live_bytes - coalesce((SELECT bytes FROM temp.hidden_site AS h "
	"WHERE h.site_id = s.site_id), 0) AS live_bytes FROM main.site AS s;"

	"CREATE TEMP VIEW callsite AS SELECT c.callsite_id, c.profile_id, "
	"c.parent_id, c.frame_id, c.site_id, c.self_born_blocks, "
	"c.self_live_blocks - coalesce((SELECT blocks FROM temp.hidden_path "
	"AS h WHERE h.callsite_id = c.callsite_id), 0) AS self_live_blocks, "
	"c.self_live_bytes - coalesce((SELECT bytes FROM temp.hidden_path "
	"AS h WHERE h.callsite_id = c.callsite_id), 0) AS self_live_bytes "
	"FROM main.callsite AS c;";

bool hidden_show(struct hidden *h)
{
	if (h->paths == 0)
		return true;
	h->shown = run(h, views);
	return h->shown;
}

void hidden_close(struct hidden *h)
{
	sqlite3_finalize(h->find);
	sqlite3_finalize(h->insert);
	h->find = h->insert = NULL;
	if (h->shown)
		run(h, "DROP VIEW temp.site; DROP VIEW temp.callsite");
	h->shown = false;
}
