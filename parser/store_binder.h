/*
 * store_binder.h - binding the values of a row, one after the other.
 */
#ifndef MEMPARSE_STORE_BINDER_H
#define MEMPARSE_STORE_BINDER_H

#include <stdint.h>

#include <sqlite3.h>

/* Borrows the statement, NULL does nothing; begins with {stmt, 0, SQLITE_OK}.
 */
struct binder {
	sqlite3_stmt *stmt;
	int bound;  /* values of the row so far */
	int result; /* the first failure, SQLITE_OK before */
};

static inline void binder_note(struct binder *b, int result)
{
	if (b->result == SQLITE_OK)
		b->result = result;
}

/* Beyond 2^63, which only nonsense is, it is stored as a negative number. */
static inline void bind_int(struct binder *b, uint64_t value)
{
	binder_note(b, sqlite3_bind_int64(b->stmt, ++b->bound,
					  (sqlite3_int64)value));
}

static inline void bind_null(struct binder *b)
{
	binder_note(b, sqlite3_bind_null(b->stmt, ++b->bound));
}

/* Zero is how the model says that there is none. */
static inline void bind_int_or_null(struct binder *b, uint64_t value)
{
	if (value == 0)
		bind_null(b);
	else
		bind_int(b, value);
}

/* Borrows the text, NULL is NULL, until the row is inserted. */
static inline void bind_text(struct binder *b, const char *text)
{
	binder_note(b, sqlite3_bind_text(b->stmt, ++b->bound, text, -1,
					 SQLITE_STATIC));
}

static inline void bind_blob(struct binder *b, const void *data, uint64_t size)
{
	binder_note(b, sqlite3_bind_blob64(b->stmt, ++b->bound, data, size,
					   SQLITE_STATIC));
}

#endif
