/*
 * store_history.c - profiles among others: their streams and labels, and how
 * they go.
 */
#include "store_private.h"

#include <string.h>

/* ---- streams and labels */

static bool insert_streams(struct store *s, const struct store_profile *profile)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(s, &b.stmt,
				"INSERT INTO stream_data (profile_id, number, "
				"source, fingerprint, end_offset) "
				"VALUES (?, ?, ?, nullif(?, ''), ?)");

	for (size_t i = 0; ok && i < profile->stream_count; i++) {
		const struct store_stream *const stream = &profile->streams[i];
		char *const source =
			store_printable(stream->source, strlen(stream->source));

		if (source == NULL) {
			ok = store_fail_sqlite(s, SQLITE_NOMEM);
			break;
		}
		bind_int(&b, (uint64_t)s->profile_id);
		bind_int(&b, i + 1);
		bind_text(&b, source);
		bind_text(&b, stream->fingerprint);
		bind_int(&b, stream->end_offset);
		ok = store_insert(s, &b);
		sqlite3_free(source);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

/* Inserts KEY=VALUE; what is no UTF-8 in its printable form. */
static bool insert_label(struct store *s, struct binder *b, const char *label)
{
	const size_t size = strcspn(label, "=");
	const char *const text = label + size + (label[size] == '=');
	char *const key = store_printable(label, size);
	char *const value = store_printable(text, strlen(text));
	bool ok = key != NULL && value != NULL;

	if (!ok) {
		store_fail_sqlite(s, SQLITE_NOMEM);
	} else {
		bind_int(b, (uint64_t)s->profile_id);
		bind_text(b, key);
		bind_text(b, value);
		ok = store_insert(s, b);
	}
	sqlite3_free(key);
	sqlite3_free(value);
	return ok;
}

bool store_origin(struct store *s, const struct store_profile *profile)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = insert_streams(s, profile) &&
		  store_prepare(s, &b.stmt,
				"INSERT INTO label_data (profile_id, key, "
				"value) VALUES (?, ?, ?)");

	for (size_t i = 0; ok && i < profile->label_count; i++)
		ok = insert_label(s, &b, profile->labels[i]);
	sqlite3_finalize(b.stmt);
	return ok;
}

/* Runs a statement to its end; the number in its first row, if any. */
static bool finish(struct store *s, struct binder *b, int64_t *number)
{
	int result = b->result;

	if (result == SQLITE_OK)
		result = sqlite3_step(b->stmt);
	if (result == SQLITE_ROW && number != NULL)
		*number = sqlite3_column_int64(b->stmt, 0);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		store_fail_sqlite(s, result);
	sqlite3_finalize(b->stmt);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool store_find_stream(struct store *s, const char *fingerprint, int64_t *id)
{
	struct binder b = {NULL, 0, SQLITE_OK};

	*id = 0;
	if (*fingerprint == '\0')
		return true;
	if (!store_prepare(s, &b.stmt,
			   "SELECT profile_id FROM stream_data "
			   "WHERE fingerprint = ?"))
		return false;
	bind_text(&b, fingerprint);
	return finish(s, &b, id);
}

/* Does the profile bear the label KEY=VALUE, as it was inserted? */
static bool has_label(struct store *s, int64_t id, const char *label,
		      int64_t *has)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	const size_t size = strcspn(label, "=");
	const char *const text = label + size + (label[size] == '=');
	char *const key = store_printable(label, size);
	char *const value = store_printable(text, strlen(text));
	bool ok = key != NULL && value != NULL;

	if (!ok)
		store_fail_sqlite(s, SQLITE_NOMEM);
	ok = ok && store_prepare(s, &b.stmt,
				 "SELECT count(*) FROM label_data "
				 "WHERE profile_id = ? AND key = ? "
				 "AND value = ?");
	if (ok) {
		bind_int(&b, (uint64_t)id);
		bind_text(&b, key);
		bind_text(&b, value);
		ok = finish(s, &b, has);
	}
	sqlite3_free(key);
	sqlite3_free(value);
	return ok;
}

bool store_lacks(struct store *s, int64_t id, const char *const *list,
		 size_t count, bool *labels, bool *source)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	int64_t has = 1, texts = 0;

	for (size_t i = 0; i < count && has != 0; i++)
		if (!has_label(s, id, list[i], &has))
			return false;
	if (!store_prepare(s, &b.stmt,
			   "SELECT EXISTS (SELECT 1 FROM site_data "
			   "JOIN signature_data AS g USING (signature_id) "
			   "WHERE profile_id = ? AND g.kind = 'text')"))
		return false;
	bind_int(&b, (uint64_t)id);
	*labels = has == 0;
	if (!finish(s, &b, &texts))
		return false;
	*source = texts == 0;
	return true;
}

/* ---- dropping */

/* Runs a statement on a profile. */
static bool run_on(struct store *s, const char *sql, int64_t id)
{
	struct binder b = {NULL, 0, SQLITE_OK};

	if (!store_prepare(s, &b.stmt, sql))
		return false;
	bind_int(&b, (uint64_t)id);
	return finish(s, &b, NULL);
}

/* Of a stored profile: its lives, which know it by its range, come first. */
static const char *const drops[] = {
	"DELETE FROM allocation_data WHERE allocation_id >= "
	"(SELECT first_allocation_id FROM profile_data WHERE profile_id = ?1) "
	"AND allocation_id < "
	"(SELECT end_allocation_id FROM profile_data WHERE profile_id = ?1)",
	"DELETE FROM heap_sample_data WHERE profile_id = ?",
	"DELETE FROM clock_data WHERE profile_id = ?",
	"DELETE FROM mark_data WHERE profile_id = ?",
	"DELETE FROM collection_data WHERE profile_id = ?",
	"DELETE FROM site_override_data WHERE profile_id = ?",
	"DELETE FROM callsite_data WHERE profile_id = ?",
	"DELETE FROM frame_data WHERE profile_id = ?",
	"DELETE FROM site_data WHERE profile_id = ?",
	"DELETE FROM name_data WHERE profile_id = ?",
	"DELETE FROM warning_data WHERE profile_id = ?",
	"DELETE FROM stream_data WHERE profile_id = ?",
	"DELETE FROM label_data WHERE profile_id = ?",
	"DELETE FROM profile_data WHERE profile_id = ?",
};

static bool drop_rows(struct store *s, int64_t id)
{
	for (size_t i = 0; i < sizeof(drops) / sizeof(*drops); i++)
		if (!run_on(s, drops[i], id))
			return false;
	return true;
}

bool store_discard(struct store *s)
{
	return run_on(s, "DELETE FROM allocation_data WHERE allocation_id >= ?",
		      s->first_allocation) &&
	       drop_rows(s, s->profile_id);
}

/*
 * Drops the profiles that are listed in the table doomed, and the list. What a
 * statement walks over is not what it deletes from.
 */
static bool drop_doomed(struct store *s, uint64_t *count)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(s, &b.stmt, "SELECT profile_id FROM doomed");
	int result = SQLITE_DONE;

	*count = 0;
	while (ok && (result = sqlite3_step(b.stmt)) == SQLITE_ROW) {
		ok = drop_rows(s, sqlite3_column_int64(b.stmt, 0));
		++*count;
	}
	if (ok && result != SQLITE_DONE)
		ok = store_fail_sqlite(s, result);
	sqlite3_finalize(b.stmt);
	return ok &&
	       store_run(s, "DROP TABLE doomed;"
			    "DELETE FROM signature_data WHERE NOT EXISTS "
			    "(SELECT 1 FROM site_data AS s WHERE "
			    "s.signature_id = signature_data.signature_id)");
}

bool store_drop(struct store *s, int64_t id, uint64_t *count)
{
	return store_run(s, "CREATE TEMP TABLE doomed (profile_id INTEGER)") &&
	       run_on(s,
		      "INSERT INTO doomed SELECT profile_id FROM profile_data "
		      "WHERE profile_id = ?",
		      id) &&
	       drop_doomed(s, count);
}

bool store_drop_labelled(struct store *s, const char *key, const char *value,
			 uint64_t *count)
{
	struct binder b = {NULL, 0, SQLITE_OK};
	/* As insert_label() has stored them. */
	char *const stored_key = store_printable(key, strlen(key));
	char *const stored_value = store_printable(value, strlen(value));
	bool ok = false;

	if (stored_key == NULL || stored_value == NULL)
		store_fail_sqlite(s, SQLITE_NOMEM);
	else
		ok = store_run(s, "CREATE TEMP TABLE doomed "
				  "(profile_id INTEGER)") &&
		     store_prepare(s, &b.stmt,
				   "INSERT INTO doomed SELECT profile_id "
				   "FROM label_data "
				   "WHERE key = ? AND value = ?");
	if (ok) {
		bind_text(&b, stored_key);
		bind_text(&b, stored_value);
		ok = finish(s, &b, NULL) && drop_doomed(s, count);
	}
	sqlite3_free(stored_key);
	sqlite3_free(stored_value);
	return ok;
}

bool store_keep(struct store *s, uint64_t most, uint64_t *count)
{
	return store_run(s, "CREATE TEMP TABLE doomed (profile_id INTEGER)") &&
	       run_on(s,
		      "INSERT INTO doomed SELECT profile_id FROM ("
		      "SELECT profile_id, row_number() OVER ("
		      "PARTITION BY labels ORDER BY profile_id DESC) AS nth "
		      "FROM (SELECT profile_id, (SELECT group_concat("
		      "quote(key) || quote(value)) FROM (SELECT key, value "
		      "FROM label_data AS l "
		      "WHERE l.profile_id = p.profile_id AND key != 'build' "
		      "ORDER BY key)) AS labels FROM profile_data AS p)) "
		      "WHERE nth > ?",
		      (int64_t)most) &&
	       drop_doomed(s, count);
}
