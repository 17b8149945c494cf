/*
 * store_private.h - what the files of the store share.
 *
 * store.c opens and commits, store_file.c guards the new file's name,
 * store_rows.c and store_sites.c make the rows.
 */
#ifndef MEMPARSE_STORE_PRIVATE_H
#define MEMPARSE_STORE_PRIVATE_H

#include "store.h"
#include "store_binder.h"

/* Rows of allocation_data that one statement inserts. */
#define STORE_BATCH 32

struct store {
	sqlite3 *db;
	sqlite3_stmt *insert_batch, *insert_one; /* of allocation_data */
	bool summary;
	bool temporary; /* no path */
	bool create;	/* writes the file path.partial */
	char *path;	/* as SQLite gets it */
	char *partial;	/* path.partial, locked while lock >= 0 */
	int lock;

	int64_t first_profile, last_profile;	    /* stored so far */
	int64_t profile_id, first_name, first_site; /* next free numbers */
	int64_t first_allocation, first_live, next_allocation;
	uint64_t event_base; /* events of the streams before this one */
	uint64_t begun_base; /* bytes begun in them */
	struct model_life batch[STORE_BATCH];
	unsigned batched;

	char error[512];
};

/* Sets the error from SQLite's, or from the system's; returns false. */
bool store_fail_sqlite(struct store *s, int result);
bool store_fail_system(struct store *s, const char *what, int error);

/* Runs statements without results. */
bool store_run(struct store *s, const char *sql);

/* Prepares one statement; the caller finalizes it, prepared or not. */
bool store_prepare(struct store *s, sqlite3_stmt **stmt, const char *sql);

/* Inserts the row that was bound and makes *b ready for the next one. */
bool store_insert(struct store *s, struct binder *b);

/*
 * Finds out what to do with s->path and sets s->create. A file to create is
 * made empty, at s->partial, and locked against other processes.
 */
bool store_file_open(struct store *s);

/* Gives the closed file its name; the lock is free then. */
bool store_file_finish(struct store *s);

/* Removes the unfinished file, frees the lock. */
void store_file_drop(struct store *s);

/* Prepares and drops the statements of store_rows.c. */
bool store_rows_open(struct store *s);
void store_rows_close(struct store *s);

/*
 * Bytes as printable UTF-8, in the way of model_site_print(); NULL without
 * memory. The caller frees it with sqlite3_free().
 */
char *store_printable(const char *bytes, size_t size);

/* Writes names, sites and overrides of the profile at hand. */
bool store_sites(struct store *s, const struct model *m);

#endif
