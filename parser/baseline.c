/*
 * baseline.c - reading the builds before a profile, and judging by them.
 */
#include "baseline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hidden.h"

static bool fail(struct baseline *b)
{
	snprintf(b->error, sizeof(b->error), "%s", sqlite3_errmsg(b->db));
	return false;
}

static bool no_memory(struct baseline *b)
{
	snprintf(b->error, sizeof(b->error), "out of memory");
	return false;
}

static bool run(struct baseline *b, const char *sql)
{
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       fail(b);
}

static bool prepare(struct baseline *b, sqlite3_stmt **stmt, const char *sql)
{
	return sqlite3_prepare_v2(b->db, sql, -1, stmt, NULL) == SQLITE_OK ||
	       fail(b);
}

/* Runs a statement that gives no rows, and makes it ready again. */
static bool step(struct baseline *b, sqlite3_stmt *stmt)
{
	const bool ok = sqlite3_step(stmt) == SQLITE_DONE || fail(b);

	sqlite3_reset(stmt);
	return ok;
}

static const char *text(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}

/* ---- the builds */

/*
 * The judged profile, then the earlier ones that bear the same labels, or
 * :key=:value for its label of that key, newest first.
 */
static const char candidates[] =
	"WITH wanted (labels) AS MATERIALIZED ("
	"SELECT group_concat(quote(key) || quote(value)) FROM ("
	"SELECT key, value FROM label WHERE profile_id = :profile "
	"AND key NOT IN ('build', coalesce(:key, 'build')) "
	"UNION ALL SELECT :key, :value "
	"WHERE :key IS NOT NULL AND :key != 'build' ORDER BY 1)) "
	"SELECT p.profile_id, b.value FROM profile AS p "
	"LEFT JOIN label AS b ON b.profile_id = p.profile_id "
	"AND b.key = 'build' "
	"WHERE p.profile_id = :profile OR (p.profile_id < :profile "
	"AND p.complete AND (SELECT group_concat(quote(key) || quote(value)) "
	"FROM (SELECT key, value FROM label AS l "
	"WHERE l.profile_id = p.profile_id AND key != 'build' ORDER BY key)) "
	"IS (SELECT labels FROM wanted)) "
	"ORDER BY p.profile_id DESC";

/* Was a profile of this build chosen? */
static bool is_known(const struct baseline *b, const char *name)
{
	for (unsigned i = 0; i < b->count; i++)
		if (strcmp(b->builds[i], name) == 0)
			return true;
	return false;
}

/* Adds the candidate at hand; newest first, for now. */
static bool choose(struct baseline *b, sqlite3_stmt *row, sqlite3_stmt *insert)
{
	const sqlite3_int64 profile = sqlite3_column_int64(row, 0);
	const bool has_build = sqlite3_column_type(row, 1) != SQLITE_NULL;
	const char *const build = text(row, 1);
	char *const name = has_build ? sqlite3_mprintf("build=%s", build)
				     : sqlite3_mprintf("profile %lld", profile);

	if (name == NULL || (has_build && build == NULL)) {
		sqlite3_free(name);
		return no_memory(b);
	}
	if (is_known(b, name)) {
		sqlite3_free(name);
		return true;
	}
	b->builds[b->count++] = name;
	sqlite3_bind_int64(insert, 1, b->count);
	sqlite3_bind_int64(insert, 2, profile);
	return step(b, insert);
}

static bool bind_wanted(struct baseline *b, sqlite3_stmt *stmt, int64_t profile,
			const char *label)
{
	const size_t key = label != NULL ? strcspn(label, "=") : 0;
	int result = sqlite3_bind_int64(stmt, 1, profile);

	if (label != NULL && result == SQLITE_OK)
		result = sqlite3_bind_text(stmt, 2, label, (int)key,
					   SQLITE_TRANSIENT);
	if (label != NULL && result == SQLITE_OK)
		result = sqlite3_bind_text(stmt, 3, label + key + 1, -1,
					   SQLITE_TRANSIENT);
	return result == SQLITE_OK || fail(b);
}

static void oldest_first(struct baseline *b)
{
	for (unsigned i = 0, j = b->count; i + 1 < j; i++) {
		char *const name = b->builds[i];

		b->builds[i] = b->builds[--j];
		b->builds[j] = name;
	}
}

/* Chooses the builds: their profiles are in temp.build, the newest first. */
static bool choose_builds(struct baseline *b, int64_t profile,
			  const char *label, unsigned most)
{
	sqlite3_stmt *row = NULL, *insert = NULL;
	int result = SQLITE_ROW;
	bool ok = run(b, "CREATE TEMP TABLE build (newest INTEGER PRIMARY KEY, "
			 "profile_id INTEGER NOT NULL)") &&
		  prepare(b, &row, candidates) &&
		  prepare(b, &insert, "INSERT INTO temp.build VALUES (?, ?)") &&
		  bind_wanted(b, row, profile, label);

	while (ok && b->count <= most &&
	       (result = sqlite3_step(row)) == SQLITE_ROW)
		ok = choose(b, row, insert);
	if (ok && result != SQLITE_DONE && result != SQLITE_ROW)
		ok = fail(b);
	sqlite3_finalize(row);
	sqlite3_finalize(insert);
	if (!ok)
		return false;
	oldest_first(b);
	/* The judged one is not one of those before. */
	b->count--;
	return true;
}

/* ---- the lines */

static char *copy(const char *from)
{
	return from != NULL ? strdup(from) : NULL;
}

/* Adds a line that holds nothing yet; NULL without memory. */
static struct baseline_line *add_line(struct baseline *b, const char *site,
				      const char *signature)
{
	struct baseline_line *l;

	if (b->line_count == b->cap) {
		const size_t cap = b->cap != 0 ? 2 * b->cap : 64;

		l = realloc(b->lines, cap * sizeof(*l));
		if (l == NULL)
			return NULL;
		b->lines = l;
		b->cap = cap;
	}
	l = &b->lines[b->line_count];
	memset(l, 0, sizeof(*l));
	l->site = copy(site);
	l->signature = copy(signature);
	l->bytes = calloc((size_t)b->count + 1, 2 * sizeof(*l->bytes));
	if (l->site == NULL || (signature != NULL && l->signature == NULL) ||
	    l->bytes == NULL) {
		free(l->site);
		free(l->signature);
		free(l->bytes);
		return NULL;
	}
	l->blocks = l->bytes + b->count + 1;
	b->line_count++;
	return l;
}

/* A figure of the views; what somebody has edited may be below 0. */
static double figure(sqlite3_stmt *row, int column)
{
	return fmax(sqlite3_column_double(row, column), 0);
}

/* Adds a row of a line in one build: the newest of each line comes first. */
static bool add_row(struct baseline *b, sqlite3_stmt *row,
		    const struct suppressions *suppressions)
{
	const unsigned newest = (unsigned)sqlite3_column_int(row, 1);
	const unsigned build = b->count + 1 - newest;
	const bool first = sqlite3_column_int(row, 0) == 1;
	const char *const site = text(row, 4), *const signature = text(row, 5);
	struct baseline_line *l;

	if (site == NULL || signature == NULL ||
	    (first && add_line(b, site, signature) == NULL))
		return no_memory(b);
	l = &b->lines[b->line_count - 1];
	if (first)
		l->suppression = suppressions_find(suppressions, site);
	l->bytes[build] = figure(row, 2);
	l->blocks[build] = figure(row, 3);
	if (l->suppression == 0) {
		b->lines[0].bytes[build] += l->bytes[build];
		b->lines[0].blocks[build] += l->blocks[build];
	}
	return true;
}

/* Of lines with one signature the one that holds most is named. */
static const char figures[] =
	"SELECT row_number() OVER line, newest, bytes, blocks, site, signature "
	"FROM (SELECT build.newest, sum(live_bytes) AS bytes, "
	"sum(live_blocks) AS blocks, "
	"substr(max(printf('%019d', live_bytes) || s.name), 20) AS site, "
	"coalesce(s.signature, s.name) AS signature, s.signature_kind "
	"FROM temp.build CROSS JOIN site AS s USING (profile_id) "
	"WHERE s.live_blocks > 0 GROUP BY coalesce(s.signature, s.name), "
	"s.signature_kind, build.newest) WINDOW line AS "
	"(PARTITION BY signature, signature_kind ORDER BY newest)";

static bool read_lines(struct baseline *b,
		       const struct suppressions *suppressions)
{
	sqlite3_stmt *row = NULL;
	int result = SQLITE_DONE;
	bool ok = prepare(b, &row, figures);

	if (ok && add_line(b, "all lines", NULL) == NULL)
		ok = no_memory(b);
	while (ok && (result = sqlite3_step(row)) == SQLITE_ROW)
		ok = add_row(b, row, suppressions);
	if (ok && result != SQLITE_DONE)
		ok = fail(b);
	sqlite3_finalize(row);
	return ok;
}

/* Leaves out what a frame hides, in all builds, until h is closed. */
static bool hide_frames(struct baseline *b, struct hidden *h,
			struct suppressions *suppressions)
{
	sqlite3_stmt *row = NULL;
	int result = SQLITE_DONE;
	bool ok;

	if (suppressions->count == 0)
		return true;
	ok = hidden_open(h, b->db, suppressions, false) &&
	     prepare(b, &row,
		     "SELECT profile_id FROM temp.build ORDER BY newest DESC");
	while (ok && (result = sqlite3_step(row)) == SQLITE_ROW)
		ok = hidden_add(h, sqlite3_column_int64(row, 0));
	ok = ok && result == SQLITE_DONE;
	sqlite3_finalize(row);
	/* The judged one was the last. */
	b->hidden_blocks = h->blocks;
	b->hidden_bytes = h->bytes;
	return (ok && hidden_show(h)) || fail(b);
}

bool baseline_open(struct baseline *b, sqlite3 *db, int64_t profile,
		   const char *label, unsigned most,
		   struct suppressions *suppressions)
{
	struct hidden h = {0};
	bool ok;

	memset(b, 0, sizeof(*b));
	b->db = db;
	/* Only the temporary schema is written to, of one state of the file. */
	ok = run(b, "PRAGMA query_only = 0; BEGIN") &&
	     choose_builds(b, profile, label, most) &&
	     hide_frames(b, &h, suppressions) && read_lines(b, suppressions);
	hidden_close(&h);
	return ok;
}

void baseline_close(struct baseline *b)
{
	for (unsigned i = 0; i <= BASELINE_BUILDS_MAX; i++)
		sqlite3_free(b->builds[i]);
	for (size_t i = 0; i < b->line_count; i++) {
		free(b->lines[i].site);
		free(b->lines[i].signature);
		free(b->lines[i].bytes);
	}
	free(b->lines);
	memset(b, 0, sizeof(*b));
}

/* ---- the verdict */

/* What is known of a line that is not judged. */
static void take_mean(struct baseline_line *l, unsigned builds)
{
	struct change_line *const c = &l->change;
	double squares = 0;

	c->builds = builds;
	c->p = c->adjusted = 1;
	for (unsigned i = 0; i < builds; i++)
		c->mean += l->bytes[i] / builds;
	for (unsigned i = 0; i < builds; i++)
		squares += (l->bytes[i] - c->mean) * (l->bytes[i] - c->mean);
	if (builds > 1)
		c->deviation = sqrt(squares / (builds - 1));
}

/* Judges what can be; false without memory. */
static bool judge(struct baseline *b, double rate)
{
	struct change_line **const list =
		malloc(b->line_count * sizeof(struct change_line *));

	if (list == NULL)
		return no_memory(b);
	for (size_t i = 0; i < b->line_count; i++) {
		struct baseline_line *const l = &b->lines[i];

		l->change.bytes = l->bytes;
		l->change.blocks = l->blocks;
		l->change.by_bytes = i == 0;
		if (b->count < CHANGE_BUILDS || l->suppression != 0)
			take_mean(l, b->count);
		else
			list[b->tested++] = &l->change;
	}
	change_judge(list, b->tested, b->count, rate);
	free(list);
	return true;
}

static int compare_growth(const void *left, const void *right)
{
	const struct baseline_line *const a = left, *const b = right;

	if (a->more != b->more)
		return a->more > b->more ? -1 : 1;
	return strcmp(a->site, b->site);
}

static void put_largest_first(struct baseline *b)
{
	for (size_t i = 0; i < b->line_count; i++)
		b->lines[i].more =
			b->lines[i].bytes[b->count] - b->lines[i].change.mean;
	qsort(b->lines + 1, b->line_count - 1, sizeof(*b->lines),
	      compare_growth);
}

static const char *verdict(const struct baseline *b,
			   const struct baseline_line *l)
{
	if (l->suppression != 0)
		return "suppressed";
	if (b->count < CHANGE_BUILDS)
		return "unjudged";
	if (!l->change.changed)
		return "usual";
	return l->change.mean > 0 ? "changed" : "new";
}

/* Three digits are enough for a probability. */
static double rounded(double p)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%.3g", p);
	return strtod(digits, NULL);
}

static bool insert_line(struct baseline *b, sqlite3_stmt *insert,
			const struct baseline_line *l)
{
	const struct change_line *const c = &l->change;
	const bool judged = l->suppression == 0 && b->count >= CHANGE_BUILDS;

	sqlite3_clear_bindings(insert);
	if (sqlite3_bind_text(insert, 1, verdict(b, l), -1, SQLITE_STATIC) !=
		    SQLITE_OK ||
	    sqlite3_bind_text(insert, 2, l->site, -1, SQLITE_STATIC) !=
		    SQLITE_OK ||
	    sqlite3_bind_text(insert, 11, l->signature, -1, SQLITE_STATIC) !=
		    SQLITE_OK)
		return fail(b);
	sqlite3_bind_int64(insert, 4, (int64_t)l->bytes[b->count]);
	if (b->count > 0) {
		sqlite3_bind_int64(insert, 3, llround(l->more));
		sqlite3_bind_int64(insert, 5, llround(c->mean));
	}
	if (c->builds > 1)
		sqlite3_bind_int64(insert, 6, llround(c->deviation));
	sqlite3_bind_int64(insert, 7, c->builds);
	if (c->changed && sqlite3_bind_text(insert, 8, b->builds[c->since], -1,
					    SQLITE_STATIC) != SQLITE_OK)
		return fail(b);
	if (judged) {
		sqlite3_bind_double(insert, 9, rounded(c->p));
		sqlite3_bind_double(insert, 10, rounded(c->adjusted));
	}
	return step(b, insert);
}

bool baseline_judge(struct baseline *b, double rate)
{
	sqlite3_stmt *insert = NULL;
	bool ok = judge(b, rate) &&
		  run(b, "CREATE TEMP TABLE change (verdict, site, change, "
			 "bytes, mean, deviation, builds, since, p, "
			 "adjusted_p, signature)") &&
		  prepare(b, &insert,
			  "INSERT INTO temp.change VALUES "
			  "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	if (ok)
		put_largest_first(b);
	for (size_t i = 0; ok && i < b->line_count; i++)
		ok = insert_line(b, insert, &b->lines[i]);
	sqlite3_finalize(insert);
	return ok && run(b, "COMMIT; PRAGMA query_only = 1");
}

const char baseline_sql[] =
	"SELECT verdict, site, change, bytes, mean, deviation, builds, since, "
	"p, adjusted_p, signature FROM temp.change "
	"ORDER BY p IS NULL, p, change DESC, site, signature";
