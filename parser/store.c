/*
 * store.c - opening, committing and leaving a database that is written.
 */
#include "store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded_sql.h"
#include "store_read.h"

/* How long SQLite waits for others who write to the same database. */
#define BUSY_MS 600000

/* ---- errors */

bool store_fail_sqlite(struct store *s, int result)
{
	const char *const what = s->db != NULL && result != SQLITE_NOMEM
					 ? sqlite3_errmsg(s->db)
					 : sqlite3_errstr(result);

	snprintf(s->error, sizeof(s->error), "%s", what);
	return false;
}

bool store_fail_system(struct store *s, const char *what, int error)
{
	/* The "./" that set_path() added is not what the user wrote. */
	if (what != NULL && strncmp(what, "./", 2) == 0)
		what += 2;
	snprintf(s->error, sizeof(s->error), "%s%s%s", what ? what : "",
		 what ? ": " : "", strerror(error));
	return false;
}

const char *store_error(const struct store *s)
{
	return s->error;
}

bool store_run(struct store *s, const char *sql)
{
	const int result = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return result == SQLITE_OK || store_fail_sqlite(s, result);
}

bool store_prepare(struct store *s, sqlite3_stmt **stmt, const char *sql)
{
	const int result = sqlite3_prepare_v2(s->db, sql, -1, stmt, NULL);

	return result == SQLITE_OK || store_fail_sqlite(s, result);
}

bool store_insert(struct store *s, struct binder *b)
{
	int result = b->result;

	if (result == SQLITE_OK)
		result = sqlite3_step(b->stmt);
	if (result != SQLITE_DONE) {
		store_fail_sqlite(s, result);
		sqlite3_reset(b->stmt);
		return false;
	}
	sqlite3_reset(b->stmt);
	b->bound = 0;
	return true;
}

/* ---- opening */

/* A name that SQLite takes for a file, be it ":memory:" or "file:x?y". */
static bool set_path(struct store *s, const char *path)
{
	s->path = sqlite3_mprintf("%s%s", path[0] == '/' ? "" : "./", path);
	s->partial = sqlite3_mprintf("%s.partial", s->path);
	return s->path != NULL && s->partial != NULL;
}

/* Nobody else sees the file: no journal, and fsync only at the end. */
static bool prepare_new(struct store *s)
{
	return store_run(s, "PRAGMA page_size = 16384;"
			    "PRAGMA journal_mode = OFF;"
			    "PRAGMA locking_mode = EXCLUSIVE;"
			    "PRAGMA synchronous = OFF;") &&
	       store_run(s, embedded_schema[EMBEDDED_TABLES].text) &&
	       store_run(s, embedded_schema[EMBEDDED_VIEWS].text) &&
	       store_run(s, "BEGIN");
}

static enum store_result prepare_old(struct store *s)
{
	enum store_result result;

	sqlite3_busy_timeout(s->db, BUSY_MS);
	result = store_check_ours(s->db, s->error, sizeof(s->error));
	if (result != STORE_OK)
		return result;
	return store_run(s, "PRAGMA cache_size = -16384; BEGIN IMMEDIATE")
		       ? STORE_OK
		       : STORE_FAILED;
}

static enum store_result open_database(struct store *s)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			  (s->create ? SQLITE_OPEN_CREATE : 0);
	const char *const name = s->temporary ? s->summary ? ":memory:" : ""
				 : s->create  ? s->partial
					      : s->path;
	const int result = sqlite3_open_v2(name, &s->db, flags, NULL);
	enum store_result prepared;

	if (result != SQLITE_OK) {
		store_fail_sqlite(s, result);
		return STORE_FAILED;
	}
	sqlite3_extended_result_codes(s->db, 1);
	if (s->create)
		prepared = prepare_new(s) ? STORE_OK : STORE_FAILED;
	else
		prepared = prepare_old(s);
	if (prepared == STORE_OK && !store_rows_open(s))
		prepared = STORE_FAILED;
	return prepared;
}

enum store_result store_open(struct store **out, const char *path, bool summary)
{
	struct store *const s = calloc(1, sizeof(*s));

	*out = s;
	if (s == NULL)
		return STORE_FAILED;
	s->summary = summary;
	s->lock = -1;
	s->temporary = path == NULL;
	s->create = s->temporary;
	if (s->temporary)
		return open_database(s);
	if (!set_path(s, path)) {
		store_fail_sqlite(s, SQLITE_NOMEM);
		return STORE_FAILED;
	}
	return store_file_open(s) ? open_database(s) : STORE_FAILED;
}

sqlite3 *store_database(struct store *s)
{
	return s->db;
}

/* ---- leaving */

/* Closes the database, for the error's sake with its statements first. */
static bool close_database(struct store *s)
{
	int result;

	store_rows_close(s);
	result = sqlite3_close(s->db);
	if (result != SQLITE_OK)
		return store_fail_sqlite(s, result);
	s->db = NULL;
	return true;
}

/*
 * A lock that cannot be given up fails what has been committed: the journal is
 * gone, and the lock goes when the file is closed.
 */
static bool commit(struct store *s)
{
	const int result = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);

	return result == SQLITE_OK || result == SQLITE_IOERR_UNLOCK ||
	       result == SQLITE_IOERR_RDLOCK || store_fail_sqlite(s, result);
}

bool store_commit(struct store *s)
{
	if (s->create && !store_run(s, embedded_schema[EMBEDDED_INDEXES].text))
		return false;
	if (!commit(s))
		return false;
	if (s->temporary)
		return true;
	if (!close_database(s))
		return false;
	if (s->create && !store_file_finish(s))
		return false;
	store_file_drop(s);
	return true;
}

/*
 * What failed for want of room, SQLite leaves to the next who opens the
 * database to roll back: but until then the room is taken.
 */
static void roll_back_now(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) ==
	    SQLITE_OK)
		sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL,
			     NULL, NULL);
	sqlite3_close(db);
}

void store_close(struct store *s)
{
	bool unfinished;

	if (s == NULL)
		return;
	unfinished = s->db != NULL && !s->create && *s->error != '\0';
	store_rows_close(s);
	/* Rolls back what is not committed. */
	sqlite3_close(s->db);
	if (unfinished)
		roll_back_now(s->path);
	store_file_drop(s);
	sqlite3_free(s->path);
	sqlite3_free(s->partial);
	free(s);
}
