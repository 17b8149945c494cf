/*
 * gate.c - sites and their limits.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#include "gate.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

void gate_limits_clear(struct gate_limits *limits)
{
	free(limits->at);
	memset(limits, 0, sizeof(*limits));
}

static void clear_site(struct gate_site *s)
{
	free(s->name);
	free(s->chunk);
	free(s->signature);
	free(s->reason);
}

void gate_clear(struct gate *g)
{
	for (size_t i = 0; i < g->count; i++)
		clear_site(&g->sites[i]);
	free(g->sites);
	for (size_t i = 0; i < g->blame_count; i++) {
		free(g->blames[i].name);
		free(g->blames[i].reason);
	}
	free(g->blames);
	free(g->total_reason);
	suppressions_clear(&g->suppressions);
	memset(g, 0, sizeof(*g));
}

static enum gate_result no_memory(struct gate *g)
{
	snprintf(g->error, sizeof(g->error), "out of memory");
	return GATE_FAILED;
}

static enum gate_result fail(struct gate *g, sqlite3 *db)
{
	snprintf(g->error, sizeof(g->error), "%s", sqlite3_errmsg(db));
	return GATE_FAILED;
}

/* ---- rows of the views */

/* What is done with a row; false without memory. */
typedef bool row_fn(void *arg, sqlite3_stmt *row);

/* Calls each() for the rows of a query with one parameter, the profile. */
static enum gate_result rows(struct gate *g, sqlite3 *db, int64_t profile,
			     const char *sql, row_fn *each, void *arg)
{
	sqlite3_stmt *stmt = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (result == SQLITE_OK)
		sqlite3_bind_int64(stmt, 1, profile);
	while (result == SQLITE_OK &&
	       (result = sqlite3_step(stmt)) == SQLITE_ROW)
		result = each(arg, stmt) ? SQLITE_OK : SQLITE_NOMEM;
	sqlite3_finalize(stmt);
	if (result == SQLITE_DONE)
		return GATE_OK;
	return result == SQLITE_NOMEM ? no_memory(g) : fail(g, db);
}

/* A copy of a text column, NULL for NULL; false without memory. */
static bool copy_text(sqlite3_stmt *row, int column, char **copy)
{
	const char *const text = (const char *)sqlite3_column_text(row, column);

	*copy = NULL;
	if (text == NULL)
		return sqlite3_column_type(row, column) == SQLITE_NULL;
	*copy = strdup(text);
	return *copy != NULL;
}

static uint64_t column(sqlite3_stmt *row, int number)
{
	return (uint64_t)sqlite3_column_int64(row, number);
}

/* ---- numbers by their id */

/* In the order of ids. */
struct entry {
	int64_t id;
	size_t value;
};

struct map {
	struct entry *list;
	size_t count, cap;
};

static bool map_add(struct map *m, int64_t id, size_t value)
{
	if (m->count == m->cap) {
		const size_t cap = m->cap != 0 ? 2 * m->cap : 64;
		struct entry *const list =
			realloc(m->list, cap * sizeof(*list));

		if (list == NULL)
			return false;
		m->list = list;
		m->cap = cap;
	}
	m->list[m->count++] = (struct entry){id, value};
	return true;
}

static int compare_ids(const void *left, const void *right)
{
	const struct entry *const a = left, *const b = right;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* The value of an id, otherwise if it is not in. */
static size_t map_get(const struct map *m, int64_t id, size_t otherwise)
{
	const struct entry key = {id, 0};
	const struct entry *const e =
		m->count == 0 ? NULL
			      : bsearch(&key, m->list, m->count, sizeof(key),
					compare_ids);

	return e != NULL ? e->value : otherwise;
}

/* ---- adding a profile */

struct adding {
	struct gate *g;
	struct map sites;     /* indexes of gate->sites */
	struct map frames;    /* the suppressions that match frames */
	struct map callsites; /* and those that match paths */
	struct map names;     /* and those that match sites */
};

#define NO_SITE SIZE_MAX

static bool add_site(void *arg, sqlite3_stmt *row)
{
	struct adding *const a = arg;
	struct gate *const g = a->g;
	struct gate_site *s;

	if (g->count == g->cap) {
		const size_t cap = g->cap != 0 ? 2 * g->cap : 64;
		struct gate_site *const sites =
			realloc(g->sites, cap * sizeof(*sites));

		if (sites == NULL)
			return false;
		g->sites = sites;
		g->cap = cap;
	}
	s = &g->sites[g->count];
	memset(s, 0, sizeof(*s));
	if (!copy_text(row, 1, &s->name) || s->name == NULL ||
	    !copy_text(row, 2, &s->chunk) ||
	    !copy_text(row, 8, &s->signature)) {
		clear_site(s);
		return false;
	}
	g->count++;
	s->line = sqlite3_column_int64(row, 3);
	s->born_blocks = column(row, 4);
	s->ended_blocks = column(row, 5);
	s->blocks = column(row, 6);
	s->bytes = column(row, 7);
	return map_add(&a->sites, sqlite3_column_int64(row, 0), g->count - 1) &&
	       map_add(&a->names, sqlite3_column_int64(row, 0),
		       suppressions_find(&g->suppressions, s->name));
}

static bool add_frame(void *arg, sqlite3_stmt *row)
{
	struct adding *const a = arg;
	const char *const name = (const char *)sqlite3_column_text(row, 1);

	return name != NULL &&
	       map_add(&a->frames, sqlite3_column_int64(row, 0),
		       suppressions_find(&a->g->suppressions, name));
}

/* A path comes after the one that called it, and inherits its suppression. */
static bool add_callsite(void *arg, sqlite3_stmt *row)
{
	struct adding *const a = arg;
	const uint64_t blocks = column(row, 4), bytes = column(row, 5);
	const int64_t site = sqlite3_column_int64(row, 3);
	const size_t index = map_get(&a->sites, site, NO_SITE);
	size_t path = map_get(&a->frames, sqlite3_column_int64(row, 2), 0);
	size_t hidden;
	struct gate_site *s;
	struct suppression *by;

	if (path == 0)
		path = map_get(&a->callsites, sqlite3_column_int64(row, 1), 0);
	hidden = map_get(&a->names, site, 0);
	if (hidden == 0)
		hidden = path;
	if (hidden != 0 && index != NO_SITE && blocks != 0) {
		s = &a->g->sites[index];
		by = &a->g->suppressions.list[hidden - 1];
		s->blocks -= blocks;
		s->bytes -= bytes;
		s->hidden_blocks += blocks;
		s->hidden_bytes += bytes;
		if (s->suppression == 0)
			s->suppression = (unsigned)hidden;
		by->blocks += blocks;
		by->bytes += bytes;
	}
	return map_add(&a->callsites, sqlite3_column_int64(row, 0), path);
}

static enum gate_result suppress(struct adding *a, sqlite3 *db, int64_t profile)
{
	enum gate_result result =
		rows(a->g, db, profile,
		     "SELECT frame_id, name FROM frame "
		     "WHERE profile_id = ?1 ORDER BY frame_id",
		     add_frame, a);

	if (result == GATE_OK)
		result = rows(a->g, db, profile,
			      "SELECT callsite_id, parent_id, frame_id, "
			      "site_id, self_live_blocks, self_live_bytes "
			      "FROM callsite WHERE profile_id = ?1 "
			      "ORDER BY callsite_id",
			      add_callsite, a);
	return result;
}

/* ---- which of them grow */

static int compare_pointers(const void *left, const void *right)
{
	return strcmp((*(struct gate_site *const *)left)->name,
		      (*(struct gate_site *const *)right)->name);
}

/* The sites of the profile that is being added, in the order of names. */
struct by_name {
	struct gate_site **list;
	size_t count;
};

/* A row of queries/verdicts.sql. */
static bool add_verdict(void *arg, sqlite3_stmt *row)
{
	const struct by_name *const sites = arg;
	char *const name = (char *)sqlite3_column_text(row, 0);
	const char *const verdict = (const char *)sqlite3_column_text(row, 1);
	struct gate_site key = {.name = name}, *const wanted = &key, **found;

	if (name == NULL || verdict == NULL)
		return false;
	if (strcmp(verdict, "growing") != 0 && strcmp(verdict, "unknown") != 0)
		return true;
	found = bsearch(&wanted, sites->list, sites->count,
			sizeof(*sites->list), compare_pointers);
	if (found != NULL && *verdict == 'u') {
		(*found)->unknown = true;
	} else if (found != NULL) {
		(*found)->growing = true;
		(*found)->slope = sqlite3_column_double(row, 3);
		(*found)->low = sqlite3_column_double(row, 4);
		(*found)->high = sqlite3_column_double(row, 5);
	}
	return true;
}

/* What a profile is made of. */
struct made {
	bool summary, several;
};

static bool look_made(void *arg, sqlite3_stmt *row)
{
	struct made *const made = arg;

	made->summary = sqlite3_column_int(row, 0) != 0;
	made->several = sqlite3_column_int64(row, 1) != 0;
	return true;
}

/* Finds out which of the sites from first on grow. */
static enum gate_result find_growing(struct gate *g, sqlite3 *db,
				     int64_t profile, size_t first)
{
	struct by_name sites = {.count = g->count - first};
	struct made made = {0};
	enum gate_result result =
		rows(g, db, profile,
		     "SELECT summary, earlier_stream_events FROM profile "
		     "WHERE profile_id = ?1",
		     look_made, &made);

	g->several = g->several || made.several;
	if (result == GATE_OK && made.summary) {
		snprintf(g->error, sizeof(g->error),
			 "profile %" PRId64 " has no rows of single blocks, "
			 "which --fail-on=growing needs: ingest without "
			 "--summary",
			 profile);
		return GATE_REFUSED;
	}
	sites.list = calloc(sites.count + 1, sizeof(*sites.list));
	if (sites.list == NULL)
		return no_memory(g);
	for (size_t i = 0; i < sites.count; i++)
		sites.list[i] = &g->sites[first + i];
	qsort(sites.list, sites.count, sizeof(*sites.list), compare_pointers);
	if (result == GATE_OK)
		result = rows(g, db, profile, report_find("verdicts"),
			      add_verdict, &sites);
	free(sites.list);
	return result;
}

enum gate_result gate_add(struct gate *g, sqlite3 *db, int64_t profile)
{
	const size_t first = g->count;
	struct adding a = {.g = g};
	enum gate_result result =
		rows(g, db, profile,
		     "SELECT site_id, name, chunk, line, born_blocks, "
		     "ended_blocks, live_blocks, live_bytes, signature "
		     "FROM site "
		     "WHERE profile_id = ?1 AND live_blocks > 0 "
		     "ORDER BY site_id",
		     add_site, &a);

	if (result == GATE_OK && g->suppressions.count != 0)
		result = suppress(&a, db, profile);
	if (result == GATE_OK && g->limits->growing)
		result = find_growing(g, db, profile, first);
	free(a.sites.list);
	free(a.frames.list);
	free(a.callsites.list);
	free(a.names.list);
	return result;
}

/* ---- judging */

bool gate_blame(struct gate *g, const char *name, char *reason)
{
	struct gate_blame *b;
	char *copy;

	if (reason == NULL)
		return false;
	if (name == NULL) {
		free(g->total_reason);
		g->total_reason = reason;
		return true;
	}
	copy = strdup(name);
	b = g->blames;
	if (copy != NULL && g->blame_count == g->blame_cap) {
		const size_t cap = g->blame_cap != 0 ? 2 * g->blame_cap : 16;

		b = realloc(g->blames, cap * sizeof(*b));
		if (b != NULL) {
			g->blames = b;
			g->blame_cap = cap;
		}
	}
	if (copy == NULL || b == NULL) {
		free(copy);
		free(reason);
		return false;
	}
	g->blames[g->blame_count++] = (struct gate_blame){copy, reason};
	return true;
}

static int compare_blames(const void *left, const void *right)
{
	const struct gate_blame *const a = left, *const b = right;

	return strcmp(a->name, b->name);
}

/* Gives the sites, in the order of names, what they are blamed for. */
static void take_blames(struct gate *g)
{
	size_t site = 0;

	if (g->blame_count == 0)
		return;
	qsort(g->blames, g->blame_count, sizeof(*g->blames), compare_blames);
	for (size_t i = 0; i < g->blame_count; i++) {
		struct gate_blame *const b = &g->blames[i];

		while (site < g->count &&
		       strcmp(g->sites[site].name, b->name) < 0)
			site++;
		if (site < g->count && g->sites[site].reason == NULL &&
		    strcmp(g->sites[site].name, b->name) == 0) {
			g->sites[site].reason = b->reason;
			b->reason = NULL;
		}
	}
}

static int compare_names(const void *left, const void *right)
{
	const struct gate_site *const a = left, *const b = right;

	return strcmp(a->name, b->name);
}

static int compare_bytes(const void *left, const void *right)
{
	const struct gate_site *const a = left, *const b = right;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	if (a->blocks != b->blocks)
		return a->blocks > b->blocks ? -1 : 1;
	return compare_names(left, right);
}

static void join(struct gate_site *to, struct gate_site *from)
{
	to->born_blocks += from->born_blocks;
	to->ended_blocks += from->ended_blocks;
	to->blocks += from->blocks;
	to->bytes += from->bytes;
	to->hidden_blocks += from->hidden_blocks;
	to->hidden_bytes += from->hidden_bytes;
	if (from->growing) {
		to->growing = true;
		to->slope = from->slope;
		to->low = from->low;
		to->high = from->high;
	}
	to->unknown = to->unknown || from->unknown;
	if (to->suppression == 0)
		to->suppression = from->suppression;
	clear_site(from);
}

/* Sites of several profiles that print alike become one. */
static void merge(struct gate *g)
{
	size_t count = 0;

	if (g->count == 0)
		return;
	qsort(g->sites, g->count, sizeof(*g->sites), compare_names);
	for (size_t i = 1; i < g->count; i++)
		if (strcmp(g->sites[count].name, g->sites[i].name) == 0)
			join(&g->sites[count], &g->sites[i]);
		else
			g->sites[++count] = g->sites[i];
	g->count = count + 1;
	take_blames(g);
	qsort(g->sites, g->count, sizeof(*g->sites), compare_bytes);
}

/* A name that is copied from a report is one, whatever is in it. */
static bool matches(const struct gate_at *at, const char *name)
{
	return strcmp(at->pattern, name) == 0 ||
	       fnmatch(at->pattern, name, 0) == 0;
}

/* The smallest limit that a site exceeds, NULL: none. */
static const struct gate_at *exceeded_at(const struct gate *g,
					 const struct gate_site *s)
{
	const struct gate_at *least = NULL;

	for (unsigned i = 0; i < g->limits->at_count; i++) {
		const struct gate_at *const at = &g->limits->at[i];

		if (s->bytes > at->bytes &&
		    (least == NULL || at->bytes < least->bytes) &&
		    matches(at, s->name))
			least = at;
	}
	return least;
}

static bool judge_site(const struct gate *g, struct gate_site *s)
{
	const struct gate_at *const at = exceeded_at(g, s);
	const bool growing = s->growing && s->blocks != 0;
	char holds[96] = "", grows[160] = "";

	/* A comparison has no other limits. */
	if (s->reason != NULL || (at == NULL && !growing))
		return true;
	if (at != NULL)
		snprintf(holds, sizeof(holds),
			 "holds %" PRIu64 "B, more than %" PRIu64 "B", s->bytes,
			 at->bytes);
	if (growing)
		snprintf(grows, sizeof(grows),
			 "grows by %.6g bytes in 1,000 events (95 %%: %.6g to "
			 "%.6g)",
			 s->slope, s->low, s->high);
	return asprintf(&s->reason, "%s%s%s", holds,
			at != NULL && growing ? ", and " : "", grows) >= 0;
}

/* What --fail-on=growing says nothing of. */
static void tell_unknown(struct gate *g)
{
	size_t count = 0;

	for (size_t i = 0; i < g->count; i++)
		count += g->sites[i].unknown && !g->sites[i].growing &&
			 g->sites[i].blocks != 0;
	if (g->several)
		snprintf(g->unjudged, sizeof(g->unjudged),
			 "a profile of several streams: whether its lines grow "
			 "is not known");
	else if (count != 0)
		snprintf(g->unjudged, sizeof(g->unjudged),
			 "%zu %s may grow, or hold garbage that was not "
			 "collected: see -q verdicts",
			 count, count == 1 ? "line" : "lines");
}

enum gate_result gate_judge(struct gate *g)
{
	merge(g);
	if (g->limits->growing)
		tell_unknown(g);
	for (size_t i = 0; i < g->count; i++) {
		struct gate_site *const s = &g->sites[i];

		g->blocks += s->blocks;
		g->bytes += s->bytes;
		g->hidden_blocks += s->hidden_blocks;
		g->hidden_bytes += s->hidden_bytes;
		if (!judge_site(g, s)) {
			s->reason = NULL;
			return no_memory(g);
		}
		g->exceeded = g->exceeded || s->reason != NULL;
	}
	g->total_exceeded = g->limits->has_bytes && g->bytes > g->limits->bytes;
	if (g->total_exceeded &&
	    asprintf(&g->total_reason,
		     "%" PRIu64 "B are alive at the end, more than %" PRIu64
		     "B",
		     g->bytes, g->limits->bytes) < 0) {
		g->total_reason = NULL;
		return no_memory(g);
	}
	g->exceeded =
		g->exceeded || g->total_reason != NULL || g->blame_count != 0;
	return GATE_OK;
}
