/*
 * report.c - running a query and writing its rows.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "embedded_sql.h"
#include "format.h"

/* ---- what a query may do */

static int authorize(void *arg, int action, const char *name,
		     const char *detail, const char *database,
		     const char *inner)
{
	struct report *const r = arg;

	(void)detail;
	(void)database;
	(void)inner;
	switch (action) {
	case SQLITE_READ:
		if (name != NULL && strcmp(name, "allocation_data") == 0)
			r->needs_blocks = true;
		return SQLITE_OK;
	case SQLITE_SELECT:
	case SQLITE_FUNCTION:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

/* ---- errors */

/* Whose fault a result of SQLite is. */
static enum report_result blame(int result)
{
	switch (result & 0xff) {
	case SQLITE_ERROR:
	case SQLITE_AUTH:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
	case SQLITE_TOOBIG:
	case SQLITE_READONLY:
		return REPORT_WRONG;
	default:
		return REPORT_FAILED;
	}
}

/* Makes an error of one line of what SQLite says. */
static enum report_result fail(struct report *r, int result, unsigned line)
{
	const char *const what = (result & 0xff) == SQLITE_NOMEM
					 ? sqlite3_errstr(SQLITE_NOMEM)
					 : sqlite3_errmsg(r->db);
	/* There is room for all bytes as \xNN, without memory, too. */
	char room[4 * sizeof(r->error)], place[32] = "";
	struct format_buffer b = {room, 0, sizeof(room), false};

	if ((result & 0xff) == SQLITE_AUTH) {
		snprintf(r->error, sizeof(r->error),
			 "a query may only read: it is one SELECT");
		return REPORT_WRONG;
	}
	if (line != 0)
		snprintf(place, sizeof(place), "line %u: ", line);
	format_printable(&b, what, strnlen(what, sizeof(r->error)));
	snprintf(r->error, sizeof(r->error), "%s%.*s", place, (int)b.size,
		 room);
	return blame(result);
}

static enum report_result wrong(struct report *r, const char *what)
{
	snprintf(r->error, sizeof(r->error), "%s", what);
	return REPORT_WRONG;
}

/* The line of the last error in the SQL, 0 if it is not known. */
static unsigned error_line(sqlite3 *db, const char *sql)
{
	const int offset = sqlite3_error_offset(db);
	unsigned line = 1;

	for (int i = 0; i < offset; i++)
		line += sql[i] == '\n';
	return offset < 0 ? 0 : line;
}

/* ---- preparing */

enum report_result report_prepare(struct report *r, sqlite3 *db,
				  const char *sql)
{
	sqlite3_stmt *more = NULL;
	const char *tail = sql;
	int result;

	memset(r, 0, sizeof(*r));
	r->db = db;
	sqlite3_set_authorizer(db, authorize, r);
	result = sqlite3_prepare_v2(db, sql, -1, &r->stmt, &tail);
	if (result != SQLITE_OK)
		return fail(r, result, error_line(db, sql));
	if (r->stmt == NULL)
		return wrong(r, "there is no query in it");
	result = sqlite3_prepare_v2(db, tail, -1, &more, NULL);
	sqlite3_finalize(more);
	if (result != SQLITE_OK || more != NULL)
		return wrong(r, "more than one statement: a query is one "
				"SELECT");
	if (sqlite3_column_count(r->stmt) == 0 ||
	    !sqlite3_stmt_readonly(r->stmt))
		return wrong(r, "a query may only read: it is one SELECT");
	r->has_profile = sqlite3_bind_parameter_index(r->stmt, ":profile") != 0;
	return REPORT_OK;
}

/* Says which parameters there are. */
static enum report_result no_such_param(struct report *r, const char *name,
					size_t size)
{
	const int count = sqlite3_bind_parameter_count(r->stmt);
	char list[256] = "";
	size_t used = 0;

	for (int i = 1; i <= count && used < sizeof(list); i++) {
		const char *const other =
			sqlite3_bind_parameter_name(r->stmt, i);

		if (other != NULL && strcmp(other, ":profile") != 0)
			used += (size_t)snprintf(
				list + used, sizeof(list) - used, "%s%s",
				used == 0 ? "" : ", ", other + 1);
	}
	snprintf(r->error, sizeof(r->error),
		 "the query has no parameter '%.*s'%s%s",
		 (int)(size < 100 ? size : 100), name,
		 used == 0 ? "" : ", but ", list);
	return REPORT_WRONG;
}

/* True if all of the text is a number of this kind. */
static bool is_whole(const char *text, sqlite3_int64 *value)
{
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static bool is_real(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && *end == '\0';
}

enum report_result report_param(struct report *r, const char *param)
{
	const size_t size = strcspn(param, "=");
	const char *const text = param + size + 1;
	char *const name = sqlite3_mprintf(":%.*s", (int)size, param);
	sqlite3_int64 whole;
	double real;
	int index, result;

	if (name == NULL)
		return fail(r, SQLITE_NOMEM, 0);
	index = sqlite3_bind_parameter_index(r->stmt, name);
	sqlite3_free(name);
	if (index == 0)
		return no_such_param(r, param, size);
	if (is_whole(text, &whole))
		result = sqlite3_bind_int64(r->stmt, index, whole);
	else if (is_real(text, &real))
		result = sqlite3_bind_double(r->stmt, index, real);
	else
		result = sqlite3_bind_text(r->stmt, index, text, -1,
					   SQLITE_TRANSIENT);
	return result == SQLITE_OK ? REPORT_OK : fail(r, result, 0);
}

void report_close(struct report *r)
{
	sqlite3_finalize(r->stmt);
	r->stmt = NULL;
	if (r->db != NULL)
		sqlite3_set_authorizer(r->db, NULL, NULL);
	r->db = NULL;
}

/* ---- cells */

/* A cell as bytes: a blob as hexadecimal digits in *scratch. */
static const char *cell_bytes(sqlite3_stmt *stmt, int column, size_t *size,
			      struct format_buffer *scratch)
{
	static const char digits[] = "0123456789abcdef";
	const int type = sqlite3_column_type(stmt, column);
	const unsigned char *bytes;

	*size = 0;
	if (type == SQLITE_NULL)
		return "";
	if (type != SQLITE_BLOB) {
		bytes = sqlite3_column_text(stmt, column);
		*size = (size_t)sqlite3_column_bytes(stmt, column);
		return (const char *)bytes;
	}
	bytes = sqlite3_column_blob(stmt, column);
	scratch->size = 0;
	for (int i = 0; i < sqlite3_column_bytes(stmt, column); i++) {
		format_append(scratch, &digits[bytes[i] >> 4], 1);
		format_append(scratch, &digits[bytes[i] & 15], 1);
	}
	if (scratch->failed)
		return NULL;
	*size = scratch->size;
	return scratch->size == 0 ? "" : scratch->data;
}

/* The same where NULL means that memory ran out. */
static const char *cell(struct report *r, int column, size_t *size,
			struct format_buffer *scratch)
{
	const char *const bytes = cell_bytes(r->stmt, column, size, scratch);

	if (bytes == NULL)
		snprintf(r->error, sizeof(r->error), "%s",
			 sqlite3_errstr(SQLITE_NOMEM));
	return bytes;
}

static enum report_result no_memory(struct report *r)
{
	return fail(r, SQLITE_NOMEM, 0);
}

/* After the loop over the rows. */
static enum report_result ended(struct report *r, int result, FILE *out)
{
	/* The caller sees ferror(): rows were left out on purpose. */
	if (result == SQLITE_DONE || (result == SQLITE_ROW && ferror(out)))
		return REPORT_OK;
	return fail(r, result, 0);
}

/* ---- tables */

static enum report_result print_table(struct report *r,
				      enum format_table_kind kind, FILE *out)
{
	const int columns = sqlite3_column_count(r->stmt);
	struct format_table *const t =
		format_table_new(out, kind, (unsigned)columns);
	struct format_buffer scratch = {NULL, 0, 0, false};
	enum report_result ok = REPORT_OK;
	int result = SQLITE_ROW;

	if (t == NULL)
		return no_memory(r);
	for (int i = 0; i < columns; i++) {
		const char *const name = sqlite3_column_name(r->stmt, i);

		format_table_cell(t, name ? name : "", name ? strlen(name) : 0,
				  false);
	}
	while (!ferror(out) && ok == REPORT_OK &&
	       (result = sqlite3_step(r->stmt)) == SQLITE_ROW) {
		for (int i = 0; i < columns && ok == REPORT_OK; i++) {
			const int type = sqlite3_column_type(r->stmt, i);
			size_t size;
			const char *const bytes = cell(r, i, &size, &scratch);

			if (bytes == NULL)
				ok = REPORT_FAILED;
			else
				format_table_cell(t, bytes, size,
						  type == SQLITE_INTEGER ||
							  type == SQLITE_FLOAT);
		}
	}
	format_clear(&scratch);
	if (!format_table_end(t))
		return no_memory(r);
	return ok == REPORT_OK ? ended(r, result, out) : ok;
}

/* ---- CSV */

static enum report_result print_csv(struct report *r, FILE *out)
{
	const int columns = sqlite3_column_count(r->stmt);
	struct format_buffer scratch = {NULL, 0, 0, false};
	enum report_result ok = REPORT_OK;
	int result = SQLITE_ROW;

	for (int i = 0; i < columns; i++) {
		const char *const name = sqlite3_column_name(r->stmt, i);

		format_csv(out, name ? name : "", name ? strlen(name) : 0);
		putc(i + 1 < columns ? ',' : '\n', out);
	}
	while (!ferror(out) && ok == REPORT_OK &&
	       (result = sqlite3_step(r->stmt)) == SQLITE_ROW) {
		for (int i = 0; i < columns && ok == REPORT_OK; i++) {
			size_t size;
			const char *const bytes = cell(r, i, &size, &scratch);

			if (bytes == NULL)
				ok = REPORT_FAILED;
			else if (sqlite3_column_type(r->stmt, i) != SQLITE_NULL)
				format_csv(out, bytes, size);
			putc(i + 1 < columns ? ',' : '\n', out);
		}
	}
	format_clear(&scratch);
	return ok == REPORT_OK ? ended(r, result, out) : ok;
}

/* ---- HTML: a table for mail, with its style in every cell that needs one */

static void html_heads(struct report *r, int columns, FILE *out)
{
	fputs("<table border=\"1\" cellpadding=\"4\" cellspacing=\"0\">\n<tr>",
	      out);
	for (int i = 0; i < columns; i++) {
		const char *const name = sqlite3_column_name(r->stmt, i);

		fputs("<th>", out);
		format_html(out, name ? name : "", name ? strlen(name) : 0);
		fputs("</th>", out);
	}
	fputs("</tr>\n", out);
}

static enum report_result html_row(struct report *r, int columns,
				   struct format_buffer *scratch, FILE *out)
{
	fputs("<tr>", out);
	for (int i = 0; i < columns; i++) {
		const int type = sqlite3_column_type(r->stmt, i);
		size_t size;
		const char *const bytes = cell(r, i, &size, scratch);

		if (bytes == NULL)
			return REPORT_FAILED;
		fputs(type == SQLITE_INTEGER || type == SQLITE_FLOAT
			      ? "<td align=\"right\">"
			      : "<td>",
		      out);
		format_html(out, bytes, size);
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
	return REPORT_OK;
}

static enum report_result print_html(struct report *r, FILE *out)
{
	const int columns = sqlite3_column_count(r->stmt);
	struct format_buffer scratch = {NULL, 0, 0, false};
	enum report_result ok = REPORT_OK;
	int result = SQLITE_ROW;

	html_heads(r, columns, out);
	while (!ferror(out) && ok == REPORT_OK &&
	       (result = sqlite3_step(r->stmt)) == SQLITE_ROW)
		ok = html_row(r, columns, &scratch, out);
	fputs("</table>\n", out);
	format_clear(&scratch);
	return ok == REPORT_OK ? ended(r, result, out) : ok;
}

/* ---- JSON: SQLite's own function writes every value */

struct json {
	struct report *report;
	sqlite3_stmt *quote; /* SELECT json_quote(?) */
	struct format_buffer scratch;
	FILE *out;
};

/* Writes what was bound to json_quote(?). */
static bool write_quoted(struct json *j)
{
	const int result = sqlite3_step(j->quote);
	const void *text = NULL;

	if (result == SQLITE_ROW)
		text = sqlite3_column_text(j->quote, 0);
	if (text == NULL) {
		fail(j->report, result == SQLITE_ROW ? SQLITE_NOMEM : result,
		     0);
		sqlite3_reset(j->quote);
		return false;
	}
	fwrite(text, 1, (size_t)sqlite3_column_bytes(j->quote, 0), j->out);
	sqlite3_reset(j->quote);
	return true;
}

/* Binds a text; one that is no UTF-8 in its printable form. */
static bool write_text(struct json *j, const char *bytes, size_t size)
{
	struct format_buffer printable = {NULL, 0, 0, false};
	bool ok;

	if (!format_is_utf8(bytes, size)) {
		format_printable(&printable, bytes, size);
		bytes = printable.data;
		size = printable.size;
	}
	ok = !printable.failed &&
	     sqlite3_bind_text64(j->quote, 1, bytes, size, SQLITE_STATIC,
				 SQLITE_UTF8) == SQLITE_OK;
	if (!ok)
		no_memory(j->report);
	ok = ok && write_quoted(j);
	format_clear(&printable);
	return ok;
}

static bool write_value(struct json *j, int column)
{
	sqlite3_stmt *const stmt = j->report->stmt;
	const int type = sqlite3_column_type(stmt, column);
	const char *bytes;
	size_t size;

	if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
		bytes = cell(j->report, column, &size, &j->scratch);
		return bytes != NULL && write_text(j, bytes, size);
	}
	if (sqlite3_bind_value(j->quote, 1,
			       sqlite3_column_value(stmt, column)) !=
	    SQLITE_OK) {
		no_memory(j->report);
		return false;
	}
	return write_quoted(j);
}

static bool write_object(struct json *j, int columns)
{
	for (int i = 0; i < columns; i++) {
		const char *const name =
			sqlite3_column_name(j->report->stmt, i);

		fputs(i == 0 ? "{" : ",", j->out);
		if (!write_text(j, name ? name : "", name ? strlen(name) : 0))
			return false;
		putc(':', j->out);
		if (!write_value(j, i))
			return false;
	}
	putc('}', j->out);
	return true;
}

static enum report_result print_json(struct report *r, FILE *out)
{
	struct json j = {.report = r, .out = out};
	const char *before = "[";
	bool ok = true;
	int result = sqlite3_prepare_v2(r->db, "SELECT json_quote(?)", -1,
					&j.quote, NULL);

	if (result != SQLITE_OK)
		return fail(r, result, 0);
	while (ok && !ferror(out) &&
	       (result = sqlite3_step(r->stmt)) == SQLITE_ROW) {
		fputs(before, out);
		ok = write_object(&j, sqlite3_column_count(r->stmt));
		before = ",\n";
	}
	if (*before == '[')
		fputs(before, out);
	fputs("]\n", out);
	sqlite3_finalize(j.quote);
	format_clear(&j.scratch);
	return ok ? ended(r, result, out) : REPORT_FAILED;
}

/* ---- printing */

static enum report_result print_as(struct report *r, enum report_format format,
				   FILE *out)
{
	switch (format) {
	case REPORT_BOX:
		return print_table(r, FORMAT_BOX, out);
	case REPORT_HTML:
		return print_html(r, out);
	case REPORT_MARKDOWN:
		return print_table(r, FORMAT_MARKDOWN, out);
	case REPORT_CSV:
		return print_csv(r, out);
	case REPORT_JSON:
		return print_json(r, out);
	default:
		return print_table(r, FORMAT_TEXT, out);
	}
}

enum report_result report_print(struct report *r, int64_t profile,
				enum report_format format, FILE *out)
{
	const int index = sqlite3_bind_parameter_index(r->stmt, ":profile");
	/* The C library knows how wide characters are, if asked for UTF-8. */
	const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	const locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	enum report_result result;

	if (index != 0 && profile != 0)
		sqlite3_bind_int64(r->stmt, index, profile);
	result = print_as(r, format, out);
	sqlite3_reset(r->stmt);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return result;
}

/* ---- the queries inside */

const char *report_find(const char *name)
{
	for (const struct embedded_sql *q = embedded_queries; q->name; q++)
		if (strcmp(q->name, name) == 0)
			return q->text;
	return NULL;
}

int report_list(unsigned i, const char **name, const char **question)
{
	const char *dash;

	for (unsigned at = 0; at <= i; at++)
		if (embedded_queries[at].name == NULL)
			return -1;
	*name = embedded_queries[i].name;
	/* The first line of a query's file is "-- NAME - QUESTION". */
	dash = strstr(embedded_queries[i].text, " - ");
	*question = dash != NULL ? dash + 3 : "";
	return (int)strcspn(*question, "\n");
}
