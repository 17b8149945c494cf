/*
 * filter.c - a profile as if only some of it had been recorded.
 */
#include "filter.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded_sql.h"
#include "filter_sql.h"

/* A filter at work. */
struct work {
	sqlite3 *db;
	int64_t profile;
	const struct filter *filter;
	int64_t from_event, to_event;
	regex_t focus, ignore;
	bool has_focus, has_ignore; /* they are compiled */
	bool wrong;		    /* the user's fault, not the system's */
	char *error;
};

static bool fail(struct work *w)
{
	snprintf(w->error, FILTER_ERROR_SIZE, "%s", sqlite3_errmsg(w->db));
	return false;
}

static bool no_memory(struct work *w)
{
	snprintf(w->error, FILTER_ERROR_SIZE, "%s",
		 sqlite3_errstr(SQLITE_NOMEM));
	return false;
}

static bool prepare(struct work *w, sqlite3_stmt **stmt, const char *sql)
{
	return sqlite3_prepare_v2(w->db, sql, -1, stmt, NULL) == SQLITE_OK ||
	       fail(w);
}

static bool run(struct work *w, const char *sql)
{
	return sqlite3_exec(w->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       fail(w);
}

/* ---- expressions */

static bool compile(struct work *w, const char *option, const char *text,
		    regex_t *regex, bool *compiled)
{
	char why[128];
	int result;

	if (text == NULL)
		return true;
	result = regcomp(regex, text, REG_EXTENDED | REG_NOSUB);
	*compiled = result == 0;
	if (*compiled)
		return true;
	regerror(result, regex, why, sizeof(why));
	if (result == REG_ESPACE)
		return no_memory(w);
	w->wrong = true;
	snprintf(w->error, FILTER_ERROR_SIZE,
		 "%s wants a regular expression: %s", option, why);
	return false;
}

static bool compile_all(struct work *w)
{
	return compile(w, "--focus", w->filter->focus, &w->focus,
		       &w->has_focus) &&
	       compile(w, "--ignore", w->filter->ignore, &w->ignore,
		       &w->has_ignore);
}

static void drop_all(struct work *w)
{
	if (w->has_focus)
		regfree(&w->focus);
	if (w->has_ignore)
		regfree(&w->ignore);
}

/* ---- which callsites are asked for */

/* What matched, of a frame or of a path. */
#define MATCHED_FOCUS  1
#define MATCHED_IGNORE 2

/* What matched, by number. */
struct matches {
	int64_t first;
	size_t count;
	unsigned char *list;
};

static bool make_matches(struct work *w, struct matches *m, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t last;
	bool ok = prepare(w, &stmt, sql);

	if (ok) {
		sqlite3_bind_int64(stmt, 1, w->profile);
		ok = sqlite3_step(stmt) == SQLITE_ROW || fail(w);
	}
	if (ok) {
		m->first = sqlite3_column_int64(stmt, 0);
		last = sqlite3_column_int64(stmt, 1);
		m->count = last < m->first || last - m->first > UINT32_MAX
				   ? 0
				   : (size_t)(last - m->first) + 1;
		m->list = calloc(m->count + 1, 1);
		ok = m->list != NULL || no_memory(w);
	}
	sqlite3_finalize(stmt);
	return ok;
}

/* Of a number that is not there, the byte after the last. */
static unsigned char *match_of(const struct matches *m, int64_t id)
{
	return &m->list[id < m->first || id - m->first >= (int64_t)m->count
				? m->count
				: (size_t)(id - m->first)];
}

/*
 * Names are matched as the column stack has them, without their middle: an
 * expression that finds nothing may look at each pair of characters.
 */
static bool match_frames(struct work *w, struct matches *frames)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok = prepare(w, &stmt,
			  "SELECT frame_id, CASE WHEN length(name) <= 400 "
			  "THEN name ELSE substr(name, 1, 200) || '…' || "
			  "substr(name, -199) END FROM main.frame "
			  "WHERE profile_id = ?");

	if (ok)
		sqlite3_bind_int64(stmt, 1, w->profile);
	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *const name =
			(const char *)sqlite3_column_text(stmt, 1);
		unsigned char *const match =
			match_of(frames, sqlite3_column_int64(stmt, 0));

		if (name == NULL) {
			ok = no_memory(w);
			break;
		}
		if (w->has_focus && regexec(&w->focus, name, 0, NULL, 0) == 0)
			*match |= MATCHED_FOCUS;
		if (w->has_ignore && regexec(&w->ignore, name, 0, NULL, 0) == 0)
			*match |= MATCHED_IGNORE;
	}
	if (ok && result != SQLITE_DONE)
		ok = fail(w);
	sqlite3_finalize(stmt);
	return ok;
}

static bool is_wanted(const struct work *w, unsigned char match)
{
	return (!w->has_focus || (match & MATCHED_FOCUS)) &&
	       !(match & MATCHED_IGNORE);
}

/* A path matches where its frame does, or the path that called it. */
static bool keep_callsites(struct work *w, const struct matches *frames,
			   const struct matches *callsites)
{
	sqlite3_stmt *stmt = NULL, *insert = NULL;
	int result = SQLITE_DONE;
	bool ok = prepare(w, &stmt,
			  "SELECT callsite_id, parent_id, frame_id "
			  "FROM main.callsite WHERE profile_id = ? "
			  "ORDER BY callsite_id") &&
		  prepare(w, &insert,
			  "INSERT INTO temp.filter_callsite VALUES (?)");

	if (ok)
		sqlite3_bind_int64(stmt, 1, w->profile);
	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		const int64_t id = sqlite3_column_int64(stmt, 0);
		unsigned char *const match = match_of(callsites, id);

		*match = *match_of(frames, sqlite3_column_int64(stmt, 2));
		if (sqlite3_column_type(stmt, 1) != SQLITE_NULL)
			*match |= *match_of(callsites,
					    sqlite3_column_int64(stmt, 1));
		if (!is_wanted(w, *match))
			continue;
		sqlite3_bind_int64(insert, 1, id);
		ok = sqlite3_step(insert) == SQLITE_DONE || fail(w);
		sqlite3_reset(insert);
	}
	if (ok && result != SQLITE_DONE)
		ok = fail(w);
	sqlite3_finalize(stmt);
	sqlite3_finalize(insert);
	return ok;
}

static bool choose_callsites(struct work *w)
{
	struct matches frames = {0}, callsites = {0};
	const bool ok =
		run(w, "CREATE TEMP TABLE filter_callsite "
		       "(callsite_id INTEGER PRIMARY KEY)") &&
		make_matches(w, &frames,
			     "SELECT min(frame_id), max(frame_id) "
			     "FROM main.frame WHERE profile_id = ?") &&
		make_matches(w, &callsites,
			     "SELECT min(callsite_id), max(callsite_id) "
			     "FROM main.callsite WHERE profile_id = ?") &&
		match_frames(w, &frames) &&
		keep_callsites(w, &frames, &callsites);

	free(frames.list);
	free(callsites.list);
	return ok;
}

/* ---- which events are asked for */

/* Says which marks there are. */
static bool no_such_mark(struct work *w, const char *option, const char *label)
{
	sqlite3_stmt *stmt = NULL;
	const char *labels = NULL;

	if (!prepare(w, &stmt,
		     "SELECT group_concat('''' || label || '''', ', ') || "
		     "CASE WHEN more > 0 THEN ' and ' || more || ' more' "
		     "ELSE '' END FROM "
		     "(SELECT label, count(*) OVER () - 8 AS more "
		     "FROM main.mark WHERE profile_id = ? "
		     "GROUP BY label ORDER BY min(number) LIMIT 8)"))
		return false;
	sqlite3_bind_int64(stmt, 1, w->profile);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		labels = (const char *)sqlite3_column_text(stmt, 0);
	w->wrong = true;
	if (labels == NULL)
		snprintf(w->error, FILTER_ERROR_SIZE,
			 "%s: the profile has no marks", option);
	else
		snprintf(w->error, FILTER_ERROR_SIZE,
			 "%s: no mark '%.100s'%s; there are %s", option, label,
			 w->filter->from != NULL && w->filter->to == label
				 ? " behind that of --from"
				 : "",
			 labels);
	sqlite3_finalize(stmt);
	return false;
}

/* Finds a mark behind the one that *number is; both become its own. */
static bool find_mark(struct work *w, const char *option, const char *label,
		      int64_t *number, int64_t *event)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_ERROR;

	if (label == NULL)
		return true;
	if (!prepare(w, &stmt,
		     "SELECT number, event FROM main.mark WHERE profile_id = "
		     "?1 AND label = ?2 AND number > ?3 ORDER BY number "
		     "LIMIT 1"))
		return false;
	sqlite3_bind_int64(stmt, 1, w->profile);
	sqlite3_bind_text(stmt, 2, label, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, *number);
	result = sqlite3_step(stmt);
	if (result == SQLITE_ROW) {
		*number = sqlite3_column_int64(stmt, 0);
		*event = sqlite3_column_int64(stmt, 1);
	}
	sqlite3_finalize(stmt);
	if (result == SQLITE_ROW)
		return true;
	return result == SQLITE_DONE ? no_such_mark(w, option, label) : fail(w);
}

/* Events of several streams are laid end to end: marks part no phases there. */
static bool is_one_stream(struct work *w)
{
	sqlite3_stmt *stmt = NULL;
	bool ok;

	if (w->filter->from == NULL && w->filter->to == NULL)
		return true;
	ok = prepare(w, &stmt,
		     "SELECT 1 FROM main.profile WHERE profile_id = ? "
		     "AND earlier_stream_events > 0");
	if (ok)
		sqlite3_bind_int64(stmt, 1, w->profile);
	if (ok && sqlite3_step(stmt) == SQLITE_ROW) {
		snprintf(w->error, FILTER_ERROR_SIZE,
			 "--from and --to want a profile of one stream: each "
			 "of several has marks of its own");
		w->wrong = true;
		ok = false;
	}
	sqlite3_finalize(stmt);
	return ok;
}

static bool find_marks(struct work *w)
{
	int64_t number = 0;

	w->from_event = 0;
	w->to_event = INT64_MAX;
	return is_one_stream(w) &&
	       find_mark(w, "--from", w->filter->from, &number,
			 &w->from_event) &&
	       find_mark(w, "--to", w->filter->to, &number, &w->to_event);
}

static bool has_blocks(struct work *w)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = prepare(w, &stmt,
			  "SELECT summary FROM main.profile "
			  "WHERE profile_id = ?");

	if (ok) {
		sqlite3_bind_int64(stmt, 1, w->profile);
		ok = sqlite3_step(stmt) == SQLITE_ROW || fail(w);
	}
	if (ok && sqlite3_column_int(stmt, 0) != 0) {
		snprintf(w->error, FILTER_ERROR_SIZE,
			 "profile %lld has no rows of single blocks, which "
			 "--focus, --ignore, --from and --to need: ingest "
			 "without --summary",
			 (long long)w->profile);
		w->wrong = true;
		ok = false;
	}
	sqlite3_finalize(stmt);
	return ok;
}

/* ---- the tables and views */

/* Appends sql, with what for word wherever that is. */
static void append_for(sqlite3_str *out, const char *sql, const char *word,
		       const char *what)
{
	const char *at;

	while ((at = strstr(sql, word)) != NULL) {
		sqlite3_str_append(out, sql, (int)(at - sql));
		sqlite3_str_appendall(out, what);
		sql = at + strlen(word);
	}
	sqlite3_str_appendall(out, sql);
}

/* The schema once more, all of it temporary. */
static bool make_schema(struct work *w)
{
	static const char table[] = "CREATE TABLE ";
	const char *const tables = embedded_schema[EMBEDDED_TABLES].text;
	sqlite3_str *const out = sqlite3_str_new(w->db);
	char *sql;
	bool ok;

	/* What stands before the first table is about the file. */
	append_for(out, strstr(tables, table), table, "CREATE TEMP TABLE ");
	append_for(out, embedded_schema[EMBEDDED_VIEWS].text, "CREATE VIEW ",
		   "CREATE TEMP VIEW ");
	append_for(out, embedded_schema[EMBEDDED_INDEXES].text, "CREATE INDEX ",
		   "CREATE INDEX temp.");
	/* What no filter changes is seen as it is. */
	sqlite3_str_appendall(out, "DROP TABLE temp.name_data;"
				   "DROP TABLE temp.frame_data;"
				   "DROP TABLE temp.label_data;"
				   "DROP TABLE temp.warning_data;");
	sql = sqlite3_str_finish(out);
	ok = sql != NULL ? run(w, sql) : no_memory(w);
	sqlite3_free(sql);
	return ok;
}

/* Runs statements with the parameters of filter_sql.h. */
static bool fill(struct work *w, const char *const *list)
{
	bool ok = true;

	for (; ok && *list != NULL; list++) {
		sqlite3_stmt *stmt = NULL;
		const int64_t values[] = {w->profile, w->from_event,
					  w->to_event, w->has_focus};

		ok = prepare(w, &stmt, *list);
		for (int i = 0; ok && i < sqlite3_bind_parameter_count(stmt);
		     i++)
			sqlite3_bind_int64(stmt, i + 1, values[i]);
		ok = ok && (sqlite3_step(stmt) == SQLITE_DONE || fail(w));
		sqlite3_finalize(stmt);
	}
	return ok;
}

static bool is_query_only(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	bool is = false;

	if (sqlite3_prepare_v2(db, "PRAGMA query_only", -1, &stmt, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		is = sqlite3_column_int(stmt, 0) != 0;
	sqlite3_finalize(stmt);
	return is;
}

static bool apply(struct work *w)
{
	return has_blocks(w) && find_marks(w) && make_schema(w) &&
	       choose_callsites(w) && fill(w, filter_lives) &&
	       fill(w, filter_sums) && fill(w, filter_times) &&
	       fill(w, filter_profile);
}

enum filter_result filter_check(const struct filter *f, char *error)
{
	struct work w = {.filter = f, .error = error};
	const bool ok = compile_all(&w);

	drop_all(&w);
	if (ok)
		return FILTER_OK;
	return w.wrong ? FILTER_WRONG : FILTER_FAILED;
}

enum filter_result filter_apply(sqlite3 *db, int64_t profile,
				const struct filter *f, char *error)
{
	struct work w = {
		.db = db, .profile = profile, .filter = f, .error = error};
	const bool query_only = is_query_only(db);
	bool ok;

	ok = compile_all(&w);
	if (query_only)
		ok = ok && run(&w, "PRAGMA query_only = 0");
	ok = ok && run(&w, "BEGIN") && apply(&w) && run(&w, "COMMIT");
	if (query_only)
		ok = run(&w, "PRAGMA query_only = 1") && ok;
	drop_all(&w);
	if (ok)
		return FILTER_OK;
	return w.wrong ? FILTER_WRONG : FILTER_FAILED;
}

/* ---- garbage */

/* Less than this many bytes, or than one part in that many, is no matter. */
#define GARBAGE_MIN  4096
#define GARBAGE_PART 10

/*
 * What is alive, and what of it a line has made since the last full collection
 * began: what the collector makes for itself is no garbage.
 */
static const char not_collected[] =
	"SELECT live_bytes, (SELECT coalesce(sum(size), 0) "
	"FROM live_block AS b WHERE b.profile_id = ?1 AND born_event > "
	"coalesce((SELECT max(began_event) FROM collection "
	"WHERE profile_id = ?1), 0) AND site_id NOT IN (SELECT site_id "
	"FROM site WHERE profile_id = ?1 AND kind = 'internal')) "
	"FROM profile WHERE profile_id = ?1";

enum filter_result filter_warning(sqlite3 *db, int64_t profile,
				  const struct filter *f, char *text)
{
	struct work w = {.db = db, .profile = profile, .error = text};
	sqlite3_stmt *stmt = NULL;
	int64_t live = 0, young = 0;
	bool ok;

	*text = '\0';
	if (f->to == NULL)
		return FILTER_OK;
	ok = prepare(&w, &stmt, not_collected);
	if (ok) {
		sqlite3_bind_int64(stmt, 1, profile);
		ok = sqlite3_step(stmt) == SQLITE_ROW || fail(&w);
	}
	if (ok) {
		live = sqlite3_column_int64(stmt, 0);
		young = sqlite3_column_int64(stmt, 1);
	}
	sqlite3_finalize(stmt);
	if (ok && young > GARBAGE_MIN && young > live / GARBAGE_PART)
		snprintf(text, FILTER_ERROR_SIZE,
			 "no full collection was seen right before '%.100s', "
			 "as mark() with gc = true makes one: of %lldB that "
			 "are alive there, %lldB may be garbage",
			 f->to, (long long)live, (long long)young);
	return ok ? FILTER_OK : FILTER_FAILED;
}
