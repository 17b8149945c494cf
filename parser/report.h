/*
 * report.h - a query's rows, as text, box, CSV, JSON, Markdown or HTML.
 *
 * A query is one SELECT, one of queries/ or a user's own. It can only read:
 * SQLite asks for every table and function that it uses, and all else is
 * refused. The parameter :profile, if it has one, is the profile to report.
 * Parameters that are not set are NULL.
 */
#ifndef MEMPARSE_REPORT_H
#define MEMPARSE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <sqlite3.h>

enum report_format {
	REPORT_TEXT,
	REPORT_BOX,
	REPORT_CSV,
	REPORT_JSON,
	REPORT_MARKDOWN,
	REPORT_HTML,
};

enum report_result {
	REPORT_OK,
	/* The query is wrong: its syntax, or it wants to do more than read. */
	REPORT_WRONG,
	/* The system or SQLite refused. */
	REPORT_FAILED,
};

/* A prepared query. Zeroed memory is none; report_close() in any case. */
struct report {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *stmt;
	bool needs_blocks; /* it reads views over allocation_data */
	bool has_profile;  /* it has a parameter :profile */
	char error[512];   /* of the last call that failed: one line */
};

/*
 * Sets a parameter, as "NAME=VALUE": a number if that is what the value looks
 * like, else a text. REPORT_WRONG when the query has none of that name.
 */
enum report_result report_param(struct report *r, const char *param);

/* Prepares sql, which may be followed by comments only. */
enum report_result report_prepare(struct report *r, sqlite3 *db,
				  const char *sql);

/*
 * Writes the rows; profile 0 leaves :profile NULL, which means the newest.
 * Errors of out end it early and are the caller's to look for. Memory: see
 * format.h; no rows are kept for CSV and JSON.
 */
enum report_result report_print(struct report *r, int64_t profile,
				enum report_format format, FILE *out);

void report_close(struct report *r);

/* The SQL of a query of queries/, NULL if there is none of that name. */
const char *report_find(const char *name);

/*
 * The name and the question of the i-th query, for a help text. The question
 * is not terminated; returns its length, or -1 after the last query.
 */
int report_list(unsigned i, const char **name, const char **question);

#endif
