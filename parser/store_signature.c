/*
 * store_signature.c - what the sites of a profile are known by in others.
 */
#include "store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signature.h"

/* A site's row, and the one that it shall refer to. */
struct signed_site {
	int64_t site_id, signature_id;
};

struct signer {
	struct store *store;
	const char *directory; /* NULL: no sources */
	sqlite3_stmt *sites;
	struct binder find, insert, update;
	bool all_known; /* the last signature was stored already */
	struct signed_site *list;
	size_t count, cap;
	struct signature_source source;
	int64_t source_of; /* the name_id that it is of, 0: none yet */
	/* The function at hand: its chunk and line, its place in the chunk. */
	int64_t chunk, first_line;
	uint64_t nth;
};

enum {
	SITE_ID,
	SITE_KIND,
	SITE_NAME_ID,
	SITE_NAME,
	SITE_IS_SYMBOL,
	SITE_LINE,
	SITE_FIRST_LINE,
	SITE_FUNCTION,
};

/*
 * The function that a line belongs to is known if all its frames agree. Those
 * of a chunk come in the order of their lines, what is in none of them first.
 */
static const char sites[] =
	"WITH called AS MATERIALIZED ("
	"SELECT chunk_name_id, line, CASE WHEN count(*) = "
	"count(function_name_id) AND min(function_name_id) = "
	"max(function_name_id) THEN min(function_name_id) END AS function_id "
	"FROM frame_data WHERE profile_id = ?1 AND kind = 'lua' "
	"GROUP BY chunk_name_id, line) "
	"SELECT s.site_id, s.kind, s.name_id, n.text, n.is_symbol, s.line, "
	"s.first_line, f.text FROM site_data AS s "
	"LEFT JOIN name_data AS n ON n.name_id = s.name_id "
	"LEFT JOIN called AS c ON c.chunk_name_id = s.name_id "
	"AND c.line = s.line "
	"LEFT JOIN name_data AS f ON f.name_id = c.function_id "
	"WHERE s.profile_id = ?1 AND s.signature_id IS NULL "
	"ORDER BY s.name_id, s.first_line, s.site_id";

static const char *column_text(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}

/* Has the source of the site's chunk read, if it is not. */
static bool find_source(struct signer *g, const char *chunk)
{
	const int64_t id = sqlite3_column_int64(g->sites, SITE_NAME_ID);

	if (g->directory == NULL || id == g->source_of)
		return true;
	g->source_of = id;
	signature_source_clear(&g->source);
	return signature_source_read(&g->source, g->directory, chunk) ||
	       store_fail_sqlite(g->store, SQLITE_NOMEM);
}

/* Counts the functions of the chunk up to the one of the row at hand. */
static void count_functions(struct signer *g)
{
	const int64_t chunk = sqlite3_column_int64(g->sites, SITE_NAME_ID);
	const int64_t line = sqlite3_column_int64(g->sites, SITE_FIRST_LINE);

	if (chunk != g->chunk)
		g->nth = 0;
	if (line != 0 && (chunk != g->chunk || line != g->first_line))
		g->nth++;
	g->chunk = chunk;
	g->first_line = line;
}

/* Writes the signature of the row at hand; *kind is NULL without memory. */
static bool make(struct signer *g, char out[SIGNATURE_SIZE], const char **kind)
{
	const char *const what = column_text(g->sites, SITE_KIND);
	const char *const name = column_text(g->sites, SITE_NAME);
	const bool trace = strcmp(what, "trace") == 0;
	const size_t used = trace ? strlen("TRACE ") : 0;
	char text[SIGNATURE_SIZE];

	*kind = "symbol";
	if (name == NULL || sqlite3_column_int(g->sites, SITE_IS_SYMBOL)) {
		/* Addresses change from run to run. */
		snprintf(out, SIGNATURE_SIZE, "%s%.*s", trace ? "TRACE " : "",
			 SIGNATURE_SIZE / 2,
			 name != NULL			? name
			 : strcmp(what, "unknown") == 0 ? "CFUNC"
							: "INTERNAL");
		return true;
	}
	count_functions(g);
	if (!find_source(g, name))
		return false;
	*kind = signature_make(
		text,
		&(struct signature_place){
			.chunk = name,
			.function = column_text(g->sites, SITE_FUNCTION),
			.line = (uint64_t)sqlite3_column_int64(g->sites,
							       SITE_LINE),
			.first_line = (uint64_t)g->first_line,
			.nth = g->nth,
		},
		&g->source);
	snprintf(out, SIGNATURE_SIZE, "%s%.*s", trace ? "TRACE " : "",
		 (int)(SIGNATURE_SIZE - used - 1), text);
	return true;
}

/* The number of a signature that is stored; 0 if it is not, -1 on failure. */
static int64_t find(struct signer *g, const char *text, const char *kind)
{
	struct binder *const b = &g->find;
	int64_t id = 0;
	int result;

	bind_text(b, text);
	bind_text(b, kind);
	result = b->result == SQLITE_OK ? sqlite3_step(b->stmt) : b->result;
	if (result == SQLITE_ROW) {
		id = sqlite3_column_int64(b->stmt, 0);
	} else if (result != SQLITE_DONE) {
		store_fail_sqlite(g->store, result);
		id = -1;
	}
	sqlite3_reset(b->stmt);
	b->bound = 0;
	return id;
}

/*
 * Inserts a signature, unless it is stored; its number, 0 if it is stored, -1
 * on failure.
 */
static int64_t insert(struct signer *g, const char *text, const char *kind)
{
	bind_text(&g->insert, text);
	bind_text(&g->insert, kind);
	if (!store_insert(g->store, &g->insert))
		return -1;
	return sqlite3_changes(g->store->db) != 0
		       ? sqlite3_last_insert_rowid(g->store->db)
		       : 0;
}

/*
 * Stores a signature once; its number, -1 on failure. In a new database hardly
 * any is there, in one of many builds nearly all: what was so last is tried
 * first. An upsert would do it in one statement, which costs several times as
 * much.
 */
static int64_t number_of(struct signer *g, const char *text, const char *kind)
{
	int64_t id = g->all_known ? find(g, text, kind) : insert(g, text, kind);

	if (id != 0)
		return id;
	g->all_known = !g->all_known;
	id = g->all_known ? find(g, text, kind) : insert(g, text, kind);
	/* Neither there nor to be inserted: it breaks a rule of the table. */
	if (id == 0)
		store_fail_sqlite(g->store, SQLITE_CONSTRAINT);
	return id;
}

static bool add(struct signer *g, int64_t site, int64_t signature)
{
	if (g->count == g->cap) {
		const size_t cap = g->cap != 0 ? 2 * g->cap : 256;
		struct signed_site *const larger =
			realloc(g->list, cap * sizeof(*larger));

		if (larger == NULL)
			return store_fail_sqlite(g->store, SQLITE_NOMEM);
		g->list = larger;
		g->cap = cap;
	}
	g->list[g->count++] = (struct signed_site){site, signature};
	return true;
}

static bool sign_row(struct signer *g)
{
	const int64_t site = sqlite3_column_int64(g->sites, SITE_ID);
	char text[SIGNATURE_SIZE];
	const char *kind;
	char *printable;
	int64_t id;

	if (!make(g, text, &kind))
		return false;
	printable = store_printable(text, strlen(text));
	if (printable == NULL)
		return store_fail_sqlite(g->store, SQLITE_NOMEM);
	id = number_of(g, printable, kind);
	sqlite3_free(printable);
	return id > 0 && add(g, site, id);
}

static int compare_sites(const void *left, const void *right)
{
	const int64_t a = ((const struct signed_site *)left)->site_id;
	const int64_t b = ((const struct signed_site *)right)->site_id;

	return (a > b) - (a < b);
}

/* Updates the sites in their order, so that each page is written once. */
static bool update_sites(struct signer *g)
{
	bool ok = true;

	if (g->count != 0)
		qsort(g->list, g->count, sizeof(*g->list), compare_sites);
	for (size_t i = 0; ok && i < g->count; i++) {
		bind_int(&g->update, (uint64_t)g->list[i].signature_id);
		bind_int(&g->update, (uint64_t)g->list[i].site_id);
		ok = store_insert(g->store, &g->update);
	}
	return ok;
}

bool store_sign(struct store *s, const char *directory)
{
	struct signer g = {.store = s, .directory = directory};
	bool ok = store_prepare(s, &g.sites, sites) &&
		  store_prepare(s, &g.find.stmt,
				"SELECT signature_id FROM signature_data "
				"WHERE text = ? AND kind = ?") &&
		  store_prepare(s, &g.insert.stmt,
				"INSERT OR IGNORE INTO signature_data "
				"(text, kind) VALUES (?, ?)") &&
		  store_prepare(s, &g.update.stmt,
				"UPDATE site_data SET signature_id = ? "
				"WHERE site_id = ?") &&
		  sqlite3_bind_int64(g.sites, 1, s->last_profile) == SQLITE_OK;
	int result = SQLITE_DONE;

	while (ok && (result = sqlite3_step(g.sites)) == SQLITE_ROW)
		ok = sign_row(&g);
	if (ok && result != SQLITE_DONE)
		ok = store_fail_sqlite(s, result);
	ok = ok && update_sites(&g);
	free(g.list);
	signature_source_clear(&g.source);
	sqlite3_finalize(g.sites);
	sqlite3_finalize(g.find.stmt);
	sqlite3_finalize(g.insert.stmt);
	sqlite3_finalize(g.update.stmt);
	return ok;
}
