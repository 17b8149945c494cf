/*
 * store_read.c - stored profiles, back to a model's figures.
 */
#include "store_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_columns.h"

/* How long to wait for somebody who is about to commit. */
#define BUSY_MS 60000

static bool fail(struct store_reader *r, int result)
{
	snprintf(r->error, sizeof(r->error), "%s",
		 r->db != NULL && result != SQLITE_NOMEM
			 ? sqlite3_errmsg(r->db)
			 : sqlite3_errstr(result));
	return false;
}

/* ---- opening */

/* Asks for the value of a pragma; returns SQLite's result. */
static int pragma(sqlite3 *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	*value = 0;
	if (result == SQLITE_OK) {
		result = sqlite3_step(stmt);
		if (result == SQLITE_ROW)
			*value = sqlite3_column_int64(stmt, 0);
	}
	sqlite3_finalize(stmt);
	return result == SQLITE_ROW ? SQLITE_OK : result;
}

enum store_result store_check_ours(sqlite3 *db, char *error, size_t size)
{
	int64_t id, version;
	int result = pragma(db, "PRAGMA application_id", &id);

	if (result == SQLITE_OK)
		result = pragma(db, "PRAGMA user_version", &version);
	if (result != SQLITE_OK && (result & 0xff) != SQLITE_NOTADB) {
		snprintf(error, size, "%s", sqlite3_errstr(result));
		return STORE_FAILED;
	}
	if (id != STORE_APPLICATION_ID) {
		snprintf(error, size, "not a database of memparse");
		return STORE_REFUSED;
	}
	if (version == STORE_USER_VERSION)
		return store_check_schema(db, error, size);
	snprintf(error, size,
		 "a database of version %lld, this memparse knows "
		 "version %d: ingest again into a new one",
		 (long long)version, STORE_USER_VERSION);
	return STORE_REFUSED;
}

static int open_with(struct store_reader *r, const char *path, int flags)
{
	int result;

	sqlite3_close(r->db);
	r->db = NULL;
	result = sqlite3_open_v2(path, &r->db, flags | SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (result != SQLITE_OK)
		return result;
	sqlite3_extended_result_codes(r->db, 1);
	sqlite3_busy_timeout(r->db, BUSY_MS);
	/* What is in the file may come from anybody. */
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	result = sqlite3_exec(r->db,
			      "PRAGMA query_only = 1;"
			      "PRAGMA cache_size = -16384;"
			      "SELECT count(*) FROM sqlite_schema",
			      NULL, NULL, NULL);
	return result;
}

enum store_result store_read_open(struct store_reader *r, const char *path)
{
	char *const name =
		sqlite3_mprintf("%s%s", path[0] == '/' ? "" : "./", path);
	int result = SQLITE_NOMEM;

	memset(r, 0, sizeof(*r));
	if (name != NULL)
		result = open_with(r, name, SQLITE_OPEN_READONLY);
	/* What a killed ingest left must be rolled back first: by a writer. */
	if (result == SQLITE_READONLY_ROLLBACK ||
	    result == SQLITE_READONLY_RECOVERY)
		result = open_with(r, name, SQLITE_OPEN_READWRITE);
	sqlite3_free(name);
	if (result != SQLITE_OK && (result & 0xff) != SQLITE_NOTADB) {
		fail(r, result);
		return STORE_FAILED;
	}
	return store_check_ours(r->db, r->error, sizeof(r->error));
}

void store_read_close(struct store_reader *r)
{
	sqlite3_close(r->db);
	r->db = NULL;
}

/* ---- statements */

/* Prepares a statement whose first parameter is the profile. */
static bool ask(struct store_reader *r, sqlite3_stmt **stmt, const char *sql,
		int64_t id)
{
	int result = sqlite3_prepare_v2(r->db, sql, -1, stmt, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_bind_int64(*stmt, 1, id);
	return result == SQLITE_OK || fail(r, result);
}

/* After the last step: frees the statement; false if it did not end well. */
static bool finish(struct store_reader *r, sqlite3_stmt *stmt, bool ok,
		   int result)
{
	if (ok && result != SQLITE_DONE)
		ok = fail(r, result);
	sqlite3_finalize(stmt);
	return ok;
}

static bool no_memory(struct store_reader *r)
{
	return fail(r, SQLITE_NOMEM);
}

enum store_result store_read_choose(struct store_reader *r, int64_t *id,
				    bool *summary)
{
	const int64_t wanted = *id;
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_ERROR;
	bool found;

	if (!ask(r, &stmt,
		 "SELECT profile_id, summary FROM profile WHERE profile_id = "
		 "coalesce(nullif(?, 0), (SELECT max(profile_id) FROM "
		 "profile))",
		 wanted)) {
		sqlite3_finalize(stmt);
		return STORE_FAILED;
	}
	result = sqlite3_step(stmt);
	found = result == SQLITE_ROW;
	if (found) {
		*id = sqlite3_column_int64(stmt, 0);
		*summary = sqlite3_column_int(stmt, 1) != 0;
		result = sqlite3_step(stmt);
	}
	if (!finish(r, stmt, true, result))
		return STORE_FAILED;
	if (found)
		return STORE_OK;
	if (wanted == 0)
		snprintf(r->error, sizeof(r->error), "it has no profiles");
	else
		snprintf(r->error, sizeof(r->error),
			 "it has no profile %lld: --list shows them",
			 (long long)wanted);
	return STORE_REFUSED;
}

/* ---- sites */

/* The bytes of a column that has them raw if they are not printable. */
static struct model_name column_name(sqlite3_stmt *stmt, int text, int raw)
{
	const int column =
		sqlite3_column_type(stmt, raw) == SQLITE_NULL ? text : raw;
	const char *const bytes = sqlite3_column_blob(stmt, column);

	return (struct model_name){
		.text = bytes != NULL ? bytes : "",
		.size = (size_t)sqlite3_column_bytes(stmt, column),
	};
}

static bool has(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt, column) != SQLITE_NULL;
}

/* The columns of SELECT_SITES before the figures. */
enum {
	SITE_ID,
	SITE_IS_TRACE,
	SITE_LINE,
	SITE_ADDRESS,
	SITE_TRACE,
	SITE_NAME_ID,
	SITE_IS_SYMBOL,
	SITE_FIGURES,
};

#define SELECT_SITES                                                           \
	"SELECT site_id, kind = 'trace', line, address, trace_number, "        \
	"s.name_id, n.is_symbol" STORE_FIGURE_NAMES                            \
	", first_event, last_event "                                           \
	"FROM site_data AS s LEFT JOIN name_data AS n USING (name_id) "        \
	"WHERE s.profile_id = ? ORDER BY site_id"

/*
 * Names of sites before, as the model keeps them, at their numbers' places. A
 * name may be long, and have thousands of sites: they are not joined.
 */
#define NAME_PLACES 1024u

struct known_name {
	int64_t id;
	struct model_name name; /* without text: none */
};

struct name_reader {
	sqlite3_stmt *stmt; /* of SELECT_NAME */
	struct known_name places[NAME_PLACES];
};

#define SELECT_NAME "SELECT text, raw FROM name_data WHERE name_id = ?"

static struct known_name *place_of(struct name_reader *names, int64_t id)
{
	return &names->places[(uint64_t)id % NAME_PLACES];
}

/* Reads a name, good until the next one is read. */
static bool read_name(struct store_reader *r, struct name_reader *names,
		      int64_t id, struct model_name *name)
{
	const struct known_name *const known = place_of(names, id);
	int result;

	if (known->name.text != NULL && known->id == id) {
		*name = known->name;
		return true;
	}
	sqlite3_reset(names->stmt);
	result = sqlite3_bind_int64(names->stmt, 1, id);
	if (result == SQLITE_OK)
		result = sqlite3_step(names->stmt);
	if (result == SQLITE_ROW)
		*name = column_name(names->stmt, 0, 1);
	else if (result == SQLITE_DONE) /* somebody has edited the tables */
		*name = (struct model_name){"", 0, 0};
	else
		return fail(r, result);
	return true;
}

static void read_place(sqlite3_stmt *stmt, struct model_site *site)
{
	enum model_site_kind kind = MODEL_SITE_INTERNAL;

	if (has(stmt, SITE_NAME_ID))
		kind = sqlite3_column_int(stmt, SITE_IS_SYMBOL) != 0
			       ? MODEL_SITE_C
			       : MODEL_SITE_LUA;
	else if (sqlite3_column_int64(stmt, SITE_ADDRESS) != 0)
		kind = MODEL_SITE_C_UNKNOWN;
	site->line = (uint64_t)sqlite3_column_int64(stmt, SITE_LINE);
	site->address = (uint64_t)sqlite3_column_int64(stmt, SITE_ADDRESS);
	site->kind = kind;
	if (!sqlite3_column_int(stmt, SITE_IS_TRACE))
		return;
	site->kind = MODEL_SITE_TRACE;
	site->trace_number = (uint64_t)sqlite3_column_int64(stmt, SITE_TRACE);
	site->trace_has_start =
		has(stmt, SITE_NAME_ID) || has(stmt, SITE_ADDRESS);
	site->start_kind = kind;
}

static void read_figures(sqlite3_stmt *stmt, struct model_figures *f)
{
	int column = SITE_FIGURES;

#define READ_FIGURE(name)                                                      \
	f->name = (uint64_t)sqlite3_column_int64(stmt, column++);
	STORE_FIGURES(READ_FIGURE)
	READ_FIGURE(first_event)
	READ_FIGURE(last_event)
#undef READ_FIGURE
}

/* Which site of the model a stored one has become. */
struct known_site {
	int64_t id;
	uint32_t index;
};

struct known_sites {
	struct known_site *list; /* in the order of their ids */
	size_t count, cap;
};

static bool note_site(struct known_sites *known, int64_t id, uint32_t index)
{
	if (known->count == known->cap) {
		const size_t cap = known->cap * 2 + 64;
		struct known_site *const list =
			realloc(known->list, cap * sizeof(*list));

		if (list == NULL)
			return false;
		known->list = list;
		known->cap = cap;
	}
	known->list[known->count++] = (struct known_site){id, index};
	return true;
}

static uint32_t find_site(const struct known_sites *known, int64_t id)
{
	size_t low = 0, high = known->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (known->list[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < known->count && known->list[low].id == id
		       ? known->list[low].index
		       : MODEL_NO_SITE;
}

static bool read_sites(struct store_reader *r, int64_t id, struct model *m,
		       struct known_sites *known)
{
	sqlite3_stmt *stmt = NULL;
	struct name_reader names = {.stmt = NULL};
	int result = SQLITE_DONE;
	bool ok = ask(r, &stmt, SELECT_SITES, id) &&
		  ask(r, &names.stmt, SELECT_NAME, 0);

	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		const int64_t name = sqlite3_column_int64(stmt, SITE_NAME_ID);
		struct model_site site = {0};
		uint32_t index;

		read_place(stmt, &site);
		read_figures(stmt, &site.figures);
		if (has(stmt, SITE_NAME_ID) &&
		    !read_name(r, &names, name, &site.name)) {
			ok = false;
			break;
		}
		index = model_add_site(m, &site);
		if (index == MODEL_NO_SITE ||
		    !note_site(known, sqlite3_column_int64(stmt, SITE_ID),
			       index))
			ok = no_memory(r);
		else if (has(stmt, SITE_NAME_ID))
			*place_of(&names, name) = (struct known_name){
				name, model_site_place(m, index).name};
	}
	sqlite3_finalize(names.stmt);
	return finish(r, stmt, ok, result);
}

/*
 * Texts get their alias numbers in the order in which they come to the model:
 * they come first, in the stored order, as sites that did nothing.
 */
static bool read_aliases(struct store_reader *r, int64_t id, struct model *m)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok = ask(r, &stmt,
		      "SELECT text, raw FROM name_data WHERE profile_id = ? "
		      "AND alias IS NOT NULL ORDER BY alias",
		      id);

	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		const struct model_site site = {
			.kind = MODEL_SITE_LUA,
			.name = column_name(stmt, 0, 1),
		};

		if (model_add_site(m, &site) == MODEL_NO_SITE)
			ok = no_memory(r);
	}
	return finish(r, stmt, ok, result);
}

static bool read_overrides(struct store_reader *r, int64_t id, struct model *m,
			   const struct known_sites *known)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok = ask(r, &stmt,
		      "SELECT by_site_id, of_site_id, by_realloc, blocks, "
		      "bytes FROM site_override_data WHERE profile_id = ?",
		      id);

	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		const struct model_override o = {
			.by_site =
				find_site(known, sqlite3_column_int64(stmt, 0)),
			.of_site =
				find_site(known, sqlite3_column_int64(stmt, 1)),
			.by_realloc = sqlite3_column_int(stmt, 2) != 0,
			.blocks = (uint64_t)sqlite3_column_int64(stmt, 3),
			.bytes = (uint64_t)sqlite3_column_int64(stmt, 4),
		};

		if (o.by_site == MODEL_NO_SITE || o.of_site == MODEL_NO_SITE)
			continue; /* somebody has edited the tables */
		if (!model_add_override(m, &o))
			ok = no_memory(r);
	}
	return finish(r, stmt, ok, result);
}

bool store_read_profile(struct store_reader *r, int64_t id, struct model *m)
{
	struct known_sites known = {NULL, 0, 0};
	const bool ok = read_aliases(r, id, m) &&
			read_sites(r, id, m, &known) &&
			read_overrides(r, id, m, &known);

	free(known.list);
	return ok;
}

bool store_read_remarks(struct store_reader *r, int64_t id, bool *complete,
			store_remark_fn *each, void *arg)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	const bool ok = ask(r, &stmt,
			    "SELECT 0, 0, printf('profile %d is not complete: "
			    "%s: offset %d: %s', profile_id, source, "
			    "end_offset, end_reason) FROM profile "
			    "WHERE profile_id = ?1 AND complete = 0 UNION ALL "
			    "SELECT 1, number, 'warning: ' || text "
			    "FROM warning WHERE profile_id = ?1 ORDER BY 1, 2",
			    id);

	*complete = true;
	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *const text =
			(const char *)sqlite3_column_text(stmt, 2);

		if (sqlite3_column_int(stmt, 0) == 0)
			*complete = false;
		each(arg, text != NULL ? text : "");
	}
	return finish(r, stmt, ok, result);
}
