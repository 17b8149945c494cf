/*
 * hidden.h - a database without the blocks that suppressions hide by a frame
 * that led to them, for the limits of comparisons.
 *
 * While something is hidden, site and callsite are views of the temporary
 * schema, with the columns that the queries which compare need; they say what
 * is left alive. What the name of a line hides is left to the caller.
 */
#ifndef MEMPARSE_HIDDEN_H
#define MEMPARSE_HIDDEN_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "suppressions.h"

struct hidden {
	sqlite3 *db;		   /* borrowed */
	struct suppressions *list; /* borrowed: their blocks are counted */
	bool by_name;		   /* what a line's name hides, too */
	uint64_t blocks, bytes;	   /* of the last profile that was added */
	uint64_t paths;		   /* all that are hidden */
	bool shown;		   /* there are views */
	sqlite3_stmt *find, *insert;
};

/*
 * Begins; the database must let the temporary schema be written to. Each of
 * these is false if SQLite failed, as sqlite3_errmsg() says; hidden_close()
 * in any case, once for a connection.
 */
bool hidden_open(struct hidden *h, sqlite3 *db, struct suppressions *list,
		 bool by_name);

/* Hides what is suppressed in a profile; once more does no harm. */
bool hidden_add(struct hidden *h, int64_t profile);

/* After all profiles: makes the views, if anything is hidden, until the end. */
bool hidden_show(struct hidden *h);

void hidden_close(struct hidden *h);

#endif
