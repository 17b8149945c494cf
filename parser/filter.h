/*
 * filter.h - a profile as if only some of it had been recorded.
 *
 * What is left are the blocks whose birth is on a stack that was asked for,
 * and the events between two marks: as if the recording had begun at the one
 * and ended at the other. Tables and views of these, with the names of the
 * schema, are put into the database's temporary schema, where every query
 * finds them first. The file is only read.
 *
 * Frames are matched by their names, "function (chunk:line)". What no life of
 * a block tells is left out: attempts that failed, and blocks from before the
 * recording when a stack is asked for.
 */
#ifndef MEMPARSE_FILTER_H
#define MEMPARSE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

/* Each may be NULL. Borrows the texts. */
struct filter {
	const char *focus;  /* POSIX extended: some frame must match */
	const char *ignore; /* none may match */
	const char *from;   /* a mark's label; of several the first */
	const char *to;	    /* the first one behind from */
};

enum filter_result {
	FILTER_OK,
	/* Wrong expression, no such mark, no rows of blocks. */
	FILTER_WRONG,
	/* The system or SQLite refused. */
	FILTER_FAILED,
};

#define FILTER_ERROR_SIZE 512

static inline bool filter_is_any(const struct filter *f)
{
	return f->focus != NULL || f->ignore != NULL || f->from != NULL ||
	       f->to != NULL;
}

/* Whether the expressions are right, without a database. */
enum filter_result filter_check(const struct filter *f, char *error);

/*
 * Filters the profile, once for an open database; other profiles are not seen
 * from then on. On failure error, of FILTER_ERROR_SIZE bytes, has one line.
 * Costs a copy of the rows that are left, in SQLite's temporary storage.
 */
enum filter_result filter_apply(sqlite3 *db, int64_t profile,
				const struct filter *f, char *error);

/*
 * After filter_apply() with a mark to end at: is what is alive there known to
 * be no garbage, since a full collection came last? If up to a tenth of it, or
 * 4 KiB, was born since, it is. Else one line of FILTER_ERROR_SIZE bytes says
 * so in text, which is empty otherwise.
 */
enum filter_result filter_warning(sqlite3 *db, int64_t profile,
				  const struct filter *f, char *text);

#endif
