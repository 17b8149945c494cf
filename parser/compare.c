/*
 * compare.c - running the queries that compare.
 */
#include "compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "report.h"

static enum compare_result fail(struct compare *c)
{
	snprintf(c->error, sizeof(c->error), "%s", sqlite3_errmsg(c->db));
	return COMPARE_FAILED;
}

static bool is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text) &&
	       strlen(text) < 19;
}

static bool is_label(const char *text)
{
	const char *const equals = strchr(text, '=');

	return equals != NULL && equals != text && equals[1] != '\0';
}

char *compare_selector(const char *text)
{
	struct format_buffer b = {0};

	format_printable(&b, text, strlen(text));
	format_append(&b, "", 1);
	if (!b.failed)
		return b.data;
	format_clear(&b);
	return NULL;
}

/* The part behind the dots: a value alone has the key of the base. */
static char *split_head(const char *base, const char *after)
{
	if (is_label(base) && strchr(after, '=') == NULL)
		return sqlite3_mprintf("%.*s=%s", (int)strcspn(base, "="), base,
				       after);
	return sqlite3_mprintf("%s", after);
}

static bool is_selector(const char *text)
{
	return is_label(text) || is_number(text);
}

static bool split(const char *text, char **base, char **head)
{
	const char *const dots = strstr(text, "..");

	if (dots == NULL || dots == text || dots[2] == '\0')
		return false;
	*base = sqlite3_mprintf("%.*s", (int)(dots - text), text);
	*head = *base != NULL ? split_head(*base, dots + 2) : NULL;
	return *head == NULL || (is_selector(*base) && is_selector(*head));
}

bool compare_split(const char *text, char **base, char **head)
{
	char *const printable = compare_selector(text);
	bool ok = true;

	*base = *head = NULL;
	if (printable != NULL)
		ok = split(printable, base, head);
	free(printable);
	if (ok && *head != NULL)
		return true;
	sqlite3_free(*base);
	sqlite3_free(*head);
	*base = *head = NULL;
	return ok;
}

/* Binds a selector as the queries want it: a number is one. */
static int bind(sqlite3_stmt *stmt, const char *name, const char *selector)
{
	const int index = sqlite3_bind_parameter_index(stmt, name);

	if (selector == NULL)
		return SQLITE_OK;
	if (is_number(selector)) {
		sqlite3_int64 number = 0;

		sscanf(selector, "%lld", &number);
		return sqlite3_bind_int64(stmt, index, number);
	}
	return sqlite3_bind_text(stmt, index, selector, -1, SQLITE_TRANSIENT);
}

enum compare_result compare_profiles(struct compare *c, sqlite3 *db,
				     const char *selector,
				     compare_profile_fn *each, void *arg)
{
	static const char sql[] =
		"SELECT profile_id FROM profile WHERE profile_id = ?1 "
		"UNION SELECT profile_id FROM label "
		"WHERE key = substr(?1, 1, instr(?1, '=') - 1) "
		"AND value = substr(?1, instr(?1, '=') + 1)";
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	c->db = db;
	if (result == SQLITE_OK)
		result = bind(stmt, "?1", selector);
	if (result == SQLITE_OK)
		while ((result = sqlite3_step(stmt)) == SQLITE_ROW)
			if (!each(arg, sqlite3_column_int64(stmt, 0)))
				break;
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		fail(c);
	sqlite3_finalize(stmt);
	return result == SQLITE_ROW || result == SQLITE_DONE ? COMPARE_DONE
							     : COMPARE_FAILED;
}

static bool found(void *arg, int64_t profile)
{
	(void)profile;
	*(bool *)arg = true;
	return false;
}

enum compare_result compare_check(struct compare *c, sqlite3 *db,
				  const char *selector)
{
	bool any = false;
	const enum compare_result result =
		compare_profiles(c, db, selector, found, &any);

	if (result != COMPARE_DONE || any)
		return result;
	snprintf(c->error, sizeof(c->error),
		 "it has no profile %s: --list shows them", selector);
	return COMPARE_NO_PROFILE;
}

enum compare_result compare_open(struct compare *c, sqlite3 *db,
				 const char *base, const char *head,
				 bool stacks, bool all)
{
	const char *const sql =
		report_find(stacks ? "compare_stacks" : "compare");
	enum compare_result checked = COMPARE_DONE;
	int result;

	memset(c, 0, sizeof(*c));
	c->db = db;
	if (base != NULL)
		checked = compare_check(c, db, base);
	if (head != NULL && checked == COMPARE_DONE)
		checked = compare_check(c, db, head);
	if (checked != COMPARE_DONE)
		return checked;
	result = sqlite3_prepare_v2(db, sql, -1, &c->stmt, NULL);
	if (result == SQLITE_OK)
		result = bind(c->stmt, ":base", base);
	if (result == SQLITE_OK)
		result = bind(c->stmt, ":head", head);
	if (result == SQLITE_OK)
		result = bind(c->stmt, ":all", all ? "1" : "0");
	return result == SQLITE_OK ? COMPARE_DONE : fail(c);
}

/* A column by its name: those of the two queries differ in their order. */
static int column(const struct compare *c, const char *name)
{
	const int count = sqlite3_column_count(c->stmt);

	for (int i = 0; i < count; i++)
		if (strcmp(sqlite3_column_name(c->stmt, i), name) == 0)
			return i;
	return -1;
}

static int64_t number(const struct compare *c, const char *name)
{
	return sqlite3_column_int64(c->stmt, column(c, name));
}

static const char *text(const struct compare *c, int index)
{
	return (const char *)sqlite3_column_text(c->stmt, index);
}

enum compare_result compare_next(struct compare *c)
{
	static const char *const words[] = {"new", "grown", "shrunk", "gone",
					    "same"};
	const int result = sqlite3_step(c->stmt);
	struct compare_row *const row = &c->row;
	const char *status;

	if (result == SQLITE_DONE)
		return COMPARE_DONE;
	if (result != SQLITE_ROW)
		return fail(c);
	status = text(c, 0);
	row->site = text(c, 1);
	row->signature = text(c, column(c, "signature"));
	if (status == NULL || row->site == NULL || row->signature == NULL)
		return fail(c);
	row->status = COMPARE_NEW;
	while (row->status < COMPARE_SAME &&
	       strcmp(status, words[row->status]) != 0)
		row->status++;
	row->before_bytes = number(c, "before_bytes");
	row->before_blocks = number(c, "before_blocks");
	row->before_allocs = number(c, "before_allocs");
	row->after_bytes = number(c, "after_bytes");
	row->after_blocks = number(c, "after_blocks");
	row->after_allocs = number(c, "after_allocs");
	return COMPARE_ROW;
}

void compare_close(struct compare *c)
{
	sqlite3_finalize(c->stmt);
	c->stmt = NULL;
}
