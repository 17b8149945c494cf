/*
 * store_schema.c - is the schema of a database the one that memparse makes?
 *
 * Views and tables are code. What stands there in their place could go on for
 * ever, or say anything.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "embedded_sql.h"
#include "store_read.h"

#define CREATE "CREATE "

/* A reader of SQL that makes one space of spaces and comments. */
struct reader {
	const char *at;
	bool quoted;
};

/* The next character of a statement; 0 at its end. */
static char next(struct reader *r)
{
	bool space = false;

	while (!r->quoted) {
		if (strncmp(r->at, "--", 2) == 0)
			r->at += strcspn(r->at, "\n");
		else if (isspace((unsigned char)*r->at))
			r->at++;
		else
			break;
		space = true;
	}
	if (space)
		return ' ';
	if (*r->at == '\0' || (*r->at == ';' && !r->quoted))
		return '\0';
	if (*r->at == '\'')
		r->quoted = !r->quoted;
	return *r->at++;
}

/* Moves to the end of a statement. */
static void skip(struct reader *r)
{
	while (next(r) != '\0')
		;
}

/* Compares two statements, of which either may end in a space. */
static bool is_same(struct reader a, struct reader b)
{
	char x, y;

	do {
		x = next(&a);
		y = next(&b);
	} while (x == y && x != '\0');
	if (x == ' ' && y == '\0')
		x = next(&a);
	if (y == ' ' && x == '\0')
		y = next(&b);
	return x == y;
}

/* Compares a statement "CREATE what name ..." with what the database has. */
static int check(sqlite3 *db, const struct reader *ours, bool *same, char *what,
		 size_t size)
{
	const char *const type = ours->at + strlen(CREATE);
	const char *const name = strchr(type, ' ') + 1;
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(
		db, "SELECT sql FROM main.sqlite_schema WHERE name = ?", -1,
		&stmt, NULL);

	snprintf(what, size, "%.*s %.*s", (int)(name - 1 - type), type,
		 (int)strcspn(name, " "), name);
	for (char *p = what; *p != ' '; p++)
		*p = (char)tolower((unsigned char)*p);
	if (result == SQLITE_OK)
		result = sqlite3_bind_text(
			stmt, 1, name, (int)strcspn(name, " "), SQLITE_STATIC);
	if (result == SQLITE_OK)
		result = sqlite3_step(stmt);
	if (result == SQLITE_ROW) {
		const char *const sql =
			(const char *)sqlite3_column_text(stmt, 0);

		*same = sql != NULL &&
			is_same(*ours, (struct reader){sql, false});
		if (sql == NULL && sqlite3_errcode(db) == SQLITE_NOMEM)
			result = SQLITE_NOMEM;
	} else {
		*same = false;
	}
	sqlite3_finalize(stmt);
	return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK
							     : result;
}

/* Moves to the next statement that creates something; false: no more. */
static bool find_statement(struct reader *r)
{
	while (*r->at != '\0' && strncmp(r->at, CREATE, strlen(CREATE)) != 0) {
		/* Between statements one character is as good as another. */
		if (next(r) == '\0' && *r->at == ';')
			r->at++;
	}
	return *r->at != '\0';
}

static enum store_result check_all(sqlite3 *db, const char *sql, char *error,
				   size_t size)
{
	struct reader r = {sql, false};
	char what[64];
	bool same;
	int result;

	for (; find_statement(&r); skip(&r)) {
		result = check(db, &r, &same, what, sizeof(what));
		if (result != SQLITE_OK) {
			snprintf(error, size, "%s", sqlite3_errstr(result));
			return STORE_FAILED;
		}
		if (same)
			continue;
		snprintf(error, size,
			 "its %s is not what this memparse makes: ingest again "
			 "into a new one",
			 what);
		return STORE_REFUSED;
	}
	return STORE_OK;
}

enum store_result store_check_schema(sqlite3 *db, char *error, size_t size)
{
	const enum store_result tables = check_all(
		db, embedded_schema[EMBEDDED_TABLES].text, error, size);

	return tables != STORE_OK
		       ? tables
		       : check_all(db, embedded_schema[EMBEDDED_VIEWS].text,
				   error, size);
}
