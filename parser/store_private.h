/*
 * store_private.h - what the files of the store share.
 *
 * store.c opens and commits, store_file.c guards the new file's name,
 * store_rows.c makes the rows of blocks and of the profile, store_writer.c has
 * a second thread do it, store_sites.c,
 * store_stacks.c and store_names.c those of what the blocks belong to.
 */
#ifndef MEMPARSE_STORE_PRIVATE_H
#define MEMPARSE_STORE_PRIVATE_H

#include "store.h"
#include "store_binder.h"

/* Rows that one statement inserts where there are many; that many of a row. */
#define STORE_BATCH	  32
#define STORE_4_ROWS(row) row "," row "," row "," row
#define STORE_BATCH_ROWS(row)                                                  \
	STORE_4_ROWS(STORE_4_ROWS(row)) "," STORE_4_ROWS(STORE_4_ROWS(row))

/* After so many lives a second thread pays. */
#define STORE_WRITER_LIVES (1u << 15)

struct store_writer;

struct store {
	sqlite3 *db;
	sqlite3_stmt *insert_batch, *insert_one; /* of allocation_data */
	bool summary;
	bool temporary; /* no path */
	bool create;	/* writes the file path.partial */
	char *path;	/* as SQLite gets it */
	char *partial;	/* path.partial, locked while lock >= 0 */
	int lock;
	bool made; /* partial was not there before, and is nobody else's */

	int64_t first_profile, last_profile; /* stored so far */
	/* The next free numbers. */
	int64_t profile_id, first_name, first_site, first_frame, first_callsite;
	int64_t first_allocation, first_live, next_allocation;
	uint64_t event_base;	     /* events of the streams before this one */
	uint64_t begun_base;	     /* bytes begun in them */
	uint64_t last_base;	     /* events before the last one that ended */
	uint64_t time_base;	     /* microseconds that they took */
	uint64_t marks, collections; /* of this profile, so far */
	struct model_life batch[STORE_BATCH];
	unsigned batched;
	uint64_t lives;		     /* inserted without the writer */
	struct store_writer *writer; /* inserts them, or NULL */

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

/* Inserts rows of lives, at most STORE_BATCH. */
bool store_lives(struct store *s, const struct model_life *lives,
		 unsigned count);

/* NULL where there can be no second thread or it would not help. */
struct store_writer *store_writer_start(struct store *s);

/* Hands over a life. False if one before it could not be inserted. */
bool store_writer_put(struct store_writer *w, const struct model_life *life);

/* Waits until all is inserted; the database is the caller's then. */
bool store_writer_settle(struct store_writer *w);

/* Ends the thread, whatever waits is lost; w may be NULL. */
void store_writer_stop(struct store_writer *w);

/*
 * Bytes as printable UTF-8, in the way of model_site_print(); NULL without
 * memory. The caller frees it with sqlite3_free().
 */
char *store_printable(const char *bytes, size_t size);

/* Inserts the streams and labels of the profile at hand. */
bool store_origin(struct store *s, const struct store_profile *profile);

/* ---- names, each stored once */

/* A name, known by where the model has its text, as a chunk or as a symbol. */
struct store_name {
	struct model_name name; /* borrows the text */
	bool is_symbol;
	int64_t id; /* 0: not stored yet */
};

/* Zeroed memory is none; store_names_close() in any case. */
struct store_names {
	struct store_name *list;
	size_t count, cap;
	int64_t next; /* the next free number */
	struct binder binder;
};

/* Notes a name that will be asked for. */
bool store_names_add(struct store *s, struct store_names *names,
		     const struct model_name *name, bool is_symbol);

/* After the last one was noted and before the first one is asked for. */
bool store_names_ready(struct store *s, struct store_names *names);

/* The number of a name that was noted; it is stored when it is asked for. */
bool store_name_id(struct store *s, struct store_names *names,
		   const struct model_name *name, bool is_symbol, int64_t *id);

void store_names_close(struct store_names *names);

/* ---- what blocks belong to; the first of each pair notes its names */

/* Sites and overrides. */
bool store_sites_names(struct store *s, const struct model *m,
		       struct store_names *names);
bool store_sites(struct store *s, const struct model *m,
		 struct store_names *names);

/* Frames and callsites. */
bool store_stacks_names(struct store *s, const struct model *m,
			struct store_names *names);
bool store_stacks(struct store *s, const struct model *m,
		  struct store_names *names);

/* ---- times, of a stream that has ended */

/* Clocks, marks and collections; sets s->time_base to where they end. */
bool store_times(struct store *s, const struct model *m);

#endif
