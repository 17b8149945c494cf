/*
 * store.h - what a model found, to the rows of a database.
 *
 * A profile is stored in this order:
 *
 *	store_open(&s, path, summary);
 *	store_begin(s);
 *	m = model_new(summary ? NULL : store_life, s);
 *	...feed m, then for each stream...
 *	store_live(s); model_end_stream(m); store_stream(s, m);
 *	store_profile(s, m, &profile);
 *	store_commit(s);
 *	store_close(s);
 *
 * begin to profile may be repeated for more profiles. Nothing is there for
 * others before store_commit() has returned true; without it store_close()
 * leaves everything as it was.
 *
 * Memory: SQLite's cache, and what one profile's sites and chunks take up
 * while they are sorted; no rows of blocks but the 300 KiB that wait for a
 * second thread, which inserts them when there are many and shows in nothing
 * else. One thread at a time.
 */
#ifndef MEMPARSE_STORE_H
#define MEMPARSE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "model.h"

/* 'ljmp', and the version of the schema: as in sqlschema/tables.sql. */
#define STORE_APPLICATION_ID 0x6c6a6d70
#define STORE_USER_VERSION   6

enum store_result {
	STORE_OK,
	/* The file is not a database of ours, or one of another version. */
	STORE_REFUSED,
	/* The system or SQLite refused; nothing has changed. */
	STORE_FAILED,
};

struct store; /* private */

/* What is known of a stream when it has been read. Borrows all strings. */
struct store_profile {
	const char *source;	 /* the file's name, any bytes */
	const char *version;	 /* of the program that stores */
	unsigned symtab_version; /* 0: not read */
	unsigned events_version; /* 0: not read */
	bool complete;
	uint64_t end_offset;
	const char *end_reason; /* NULL when complete */
	const char *const *warnings;
	size_t warning_count;
	const struct store_stream
		*streams;	   /* that it was made of; not stored */
	size_t stream_count;	   /* where there are none */
	const char *const *labels; /* KEY=VALUE, no key twice */
	size_t label_count;
};

/* A stream that a profile is made of. Borrows all strings. */
struct store_stream {
	const char *source;	 /* the file's name, any bytes */
	const char *fingerprint; /* "": none */
	uint64_t end_offset;
};

/*
 * Opens the database at path to add to it, or to create it when there is
 * none: then everything goes to path.partial first. A path of NULL is a
 * database of its own that vanishes with store_close(), in memory with
 * summary. Waits for others that write to the same database.
 *
 * *s is NULL only without memory; store_error() has the reason of a failure.
 */
enum store_result store_open(struct store **s, const char *path, bool summary);

/* Why the last call failed: one line, owned by s. */
const char *store_error(const struct store *s);

/* Begins a profile. False: see store_error(); so for all that follow. */
bool store_begin(struct store *s);

/* A model_life_fn; arg is a struct store *. */
bool store_life(void *arg, const struct model_life *life);

/* Tells that the lives that follow are alive at the end. */
bool store_live(struct store *s);

/* Ends a stream: takes its samples, counts events on behind its last one. */
bool store_stream(struct store *s, const struct model *m);

/* Writes all that the model found and ends the profile. */
bool store_profile(struct store *s, const struct model *m,
		   const struct store_profile *profile);

/*
 * Finds the stored profile that has a stream of this fingerprint; *id is 0
 * when there is none, or the fingerprint is "".
 */
bool store_find_stream(struct store *s, const char *fingerprint, int64_t *id);

/*
 * What of these a stored profile lacks: any label, *labels; lines known by the
 * text of a source, *source.
 */
bool store_lacks(struct store *s, int64_t id, const char *const *list,
		 size_t count, bool *labels, bool *source);

/* Takes back what was begun, instead of store_profile(). */
bool store_discard(struct store *s);

/* ---- of profiles that are stored; see store_history.c */

/* Drops a profile; *count tells whether there was one. */
bool store_drop(struct store *s, int64_t id, uint64_t *count);

/* Drops the profiles that bear a label; *count is how many that were. */
bool store_drop_labelled(struct store *s, const char *key, const char *value,
			 uint64_t *count);

/*
 * Keeps the newest profiles, so many of each set of labels, in which the label
 * build does not count; drops all others, *count is how many that were.
 */
bool store_keep(struct store *s, uint64_t most, uint64_t *count);

/*
 * Finds out what the sites of the profile that was stored last are known by in
 * others; reads the sources of chunks below a directory, unless it is NULL.
 */
bool store_sign(struct store *s, const char *directory);

/* Makes everything permanent; the database of a path is closed by it. */
bool store_commit(struct store *s);

/* The numbers of the first and the last profile stored, 0 for none. */
void store_profiles(const struct store *s, int64_t *first, int64_t *last);

/* The database, for reports on one without a path; NULL after a commit. */
sqlite3 *store_database(struct store *s);

/* Closes and frees; s may be NULL. */
void store_close(struct store *s);

/*
 * For a signal handler: removes the unfinished new database, if there is one.
 * True when there was one, or none is being written, so that the process can
 * end at once; false when a transaction should be rolled back first.
 */
bool store_drop_from_signal(void);

#endif
