/*
 * compare.h - two profiles, or all that bear a label and others, side by side.
 *
 * The rows are those of queries/compare.sql, or compare_stacks.sql.
 */
#ifndef MEMPARSE_COMPARE_H
#define MEMPARSE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

enum compare_status {
	COMPARE_NEW, /* held nothing before */
	COMPARE_GROWN,
	COMPARE_SHRUNK,
	COMPARE_GONE,
	COMPARE_SAME,
};

/* What is alive at the end, before and after. Strings last as long as a row. */
struct compare_row {
	enum compare_status status;
	const char *site;      /* as printed, or the stack */
	const char *signature; /* what it is known by on both sides */
	int64_t before_bytes, before_blocks, before_allocs;
	int64_t after_bytes, after_blocks, after_allocs;
};

struct compare {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *stmt;
	struct compare_row row; /* after compare_next() */
	char error[512];	/* of the last call that failed: one line */
};

enum compare_result {
	COMPARE_ROW,
	COMPARE_DONE,
	COMPARE_NO_PROFILE, /* a selector has none; error says which */
	COMPARE_FAILED,
};

/*
 * KEY=VALUE as labels are stored: what is not printable UTF-8 as \xNN. The
 * caller frees it; NULL without memory.
 */
char *compare_selector(const char *text);

/*
 * Splits "BASE..HEAD", printable then, into two selectors, each a profile's
 * number or KEY=VALUE; "KEY=A..B" is KEY=A..KEY=B. False if it is none of
 * these; true and both NULL without memory. The caller frees both with
 * sqlite3_free().
 */
bool compare_split(const char *text, char **base, char **head);

/* Finds out whether a selector has profiles: DONE, NO_PROFILE, FAILED. */
enum compare_result compare_check(struct compare *c, sqlite3 *db,
				  const char *selector);

/*
 * Calls each() with the number of every profile that a selector names, as long
 * as it returns true. DONE, also if it did not; or FAILED.
 */
typedef bool compare_profile_fn(void *arg, int64_t profile);
enum compare_result compare_profiles(struct compare *c, sqlite3 *db,
				     const char *selector,
				     compare_profile_fn *each, void *arg);

/*
 * Begins a comparison, of stacks or of sites, the same ones too if all. A
 * selector may be NULL, see the query. DONE, NO_PROFILE or FAILED;
 * compare_close() in any case. The one that grew most comes first.
 */
enum compare_result compare_open(struct compare *c, sqlite3 *db,
				 const char *base, const char *head,
				 bool stacks, bool all);

/* The next row, into c->row: ROW, DONE or FAILED. */
enum compare_result compare_next(struct compare *c);

void compare_close(struct compare *c);

#endif
