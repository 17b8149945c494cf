/*
 * store_read.h - an existing database, opened only to be read.
 */
#ifndef MEMPARSE_STORE_READ_H
#define MEMPARSE_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

/* What a database says of itself and of a profile. */
struct store_reader {
	sqlite3 *db;	 /* owned */
	char error[512]; /* of the last call that failed: one line */
};

/* The first bytes of every SQLite file, the terminating zero included. */
#define STORE_MAGIC	 "SQLite format 3"
#define STORE_MAGIC_SIZE 16

/*
 * Opens the database at path. STORE_REFUSED: not ours, or another version.
 * Close *r in any case.
 */
enum store_result store_read_open(struct store_reader *r, const char *path);
void store_read_close(struct store_reader *r);

/*
 * Chooses a profile: *id is the one asked for, 0 the newest, and becomes its
 * number; *summary tells that it has no rows of blocks. STORE_REFUSED when
 * there is no such profile.
 */
enum store_result store_read_choose(struct store_reader *r, int64_t *id,
				    bool *summary);

/* Adds a stored profile's sites, overrides and aliases to a model. */
bool store_read_profile(struct store_reader *r, int64_t id, struct model *m);

/*
 * Tells of the stored profile what was told when it was stored: calls each()
 * with the reason why its stream is not complete, if so, and every warning.
 */
typedef void store_remark_fn(void *arg, const char *text);
bool store_read_remarks(struct store_reader *r, int64_t id, bool *complete,
			store_remark_fn *each, void *arg);

/*
 * Checks the database's application_id, user_version and, in store_schema.c,
 * tables and views: comments and others beside them do not matter. See
 * store_open().
 */
enum store_result store_check_ours(sqlite3 *db, char *error, size_t size);
enum store_result store_check_schema(sqlite3 *db, char *error, size_t size);

#endif
