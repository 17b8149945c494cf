/*
 * store_sites.c - the rows of sites, of the chunks they are in, of overrides.
 */
#include "store_private.h"

#include <stdlib.h>
#include <string.h>

#include "store_binder.h"
#include "store_columns.h"

/* ---- names */

/* A malloc'ed print of the site, or NULL; sqlite3_free() it. */
static char *print_site(const struct model_site *site)
{
	const size_t size = model_site_print(site, NULL, 0) + 1;
	char *const text = sqlite3_malloc64(size);

	if (text != NULL)
		model_site_print(site, text, size);
	return text;
}

/* As store_printable(), without a terminator; *length is what it took. */
static void print_bytes(const char *bytes, size_t size, char *out, size_t room,
			size_t *length)
{
	/* The name of a Lua line is its chunk's, and ":0". */
	const struct model_site site = {.kind = MODEL_SITE_LUA,
					.name = {bytes, size, 0}};

	*length = model_site_print(&site, out, room) - 2;
}

char *store_printable(const char *bytes, size_t size)
{
	char *text;
	size_t length;

	print_bytes(bytes, size, NULL, 0, &length);
	text = sqlite3_malloc64(length + 3);
	if (text == NULL)
		return NULL;
	print_bytes(bytes, size, text, length + 3, &length);
	text[length] = '\0';
	return text;
}

/* The same for a text of several lines, with its newlines and tabs kept. */
static char *printable_lines(const char *bytes, size_t size)
{
	sqlite3_str *const out = sqlite3_str_new(NULL);

	while (size != 0) {
		size_t run = 0;
		char *part;

		while (run < size && bytes[run] != '\n' && bytes[run] != '\t')
			run++;
		part = store_printable(bytes, run);
		if (part == NULL) {
			sqlite3_free(sqlite3_str_finish(out));
			return NULL;
		}
		sqlite3_str_appendall(out, part);
		sqlite3_free(part);
		if (run < size)
			sqlite3_str_append(out, bytes + run++, 1);
		bytes += run;
		size -= run;
	}
	/* An empty string is NULL there, and has no lines here. */
	return sqlite3_str_finish(out);
}

static void bind_raw(struct binder *b, const char *text,
		     const struct model_name *name)
{
	if (text != NULL && strlen(text) == name->size &&
	    memcmp(text, name->text, name->size) == 0)
		bind_null(b);
	else
		bind_blob(b, name->text, name->size);
}

/* ---- chunks */

/* A name to store as a chunk, and who asks for its number. */
struct chunk_use {
	const struct model_name *name;
	uint32_t site; /* MODEL_NO_SITE: only the list of aliases */
};

static bool is_in_chunk(const struct model_site *site)
{
	return site->kind == MODEL_SITE_LUA ||
	       (site->kind == MODEL_SITE_TRACE && site->trace_has_start &&
		site->start_kind == MODEL_SITE_LUA);
}

static int compare_names(const struct model_name *a, const struct model_name *b)
{
	if (a->text == b->text && a->size == b->size)
		return 0;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return a->size == 0 ? 0 : memcmp(a->text, b->text, a->size);
}

static int compare_uses(const void *left, const void *right)
{
	const struct chunk_use *const a = left, *const b = right;
	const struct model_name *const x = a->name, *const y = b->name;

	/* Aliases in the order of their numbers, before all others. */
	if (x->alias != y->alias)
		return x->alias - 1 < y->alias - 1 ? -1 : 1;
	return compare_names(x, y);
}

static size_t list_uses(const struct model *m, struct chunk_use *uses)
{
	const size_t aliases = model_alias_count(m);
	const uint32_t sites = (uint32_t)model_site_count(m);
	size_t count = 0;

	for (size_t i = 0; i < aliases; i++)
		uses[count++] =
			(struct chunk_use){model_alias(m, i), MODEL_NO_SITE};
	for (uint32_t i = 0; i < sites; i++)
		if (is_in_chunk(model_site(m, i)))
			uses[count++] =
				(struct chunk_use){&model_site(m, i)->name, i};
	qsort(uses, count, sizeof(*uses), compare_uses);
	return count;
}

static bool insert_chunk(struct store *s, struct binder *b, int64_t id,
			 const struct model_name *name)
{
	char *const text = name->alias != 0
				   ? printable_lines(name->text, name->size)
				   : store_printable(name->text, name->size);
	bool ok;

	if (text == NULL)
		return store_fail_sqlite(s, SQLITE_NOMEM);
	bind_int(b, (uint64_t)id);
	bind_int(b, (uint64_t)s->profile_id);
	bind_int_or_null(b, name->alias);
	bind_text(b, text);
	bind_raw(b, text, name);
	ok = store_insert(s, b);
	sqlite3_free(text);
	return ok;
}

/* Stores the chunks; chunks[site] is the number of each site's. */
static bool insert_chunks(struct store *s, const struct model *m,
			  struct chunk_use *uses, int64_t *chunks)
{
	const size_t count = list_uses(m, uses);
	struct binder b = {NULL, 0, SQLITE_OK};
	int64_t next = s->first_chunk;
	bool ok = store_prepare(s, &b.stmt,
				"INSERT INTO chunk_data (chunk_id, profile_id, "
				"alias, text, raw) VALUES (?, ?, ?, ?, ?)");

	for (size_t i = 0; ok && i < count; i++) {
		if (i == 0 ||
		    compare_names(uses[i].name, uses[i - 1].name) != 0)
			ok = insert_chunk(s, &b, next++, uses[i].name);
		if (uses[i].site != MODEL_NO_SITE)
			chunks[uses[i].site] = next - 1;
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

/* ---- sites */

static bool has_symbol(const struct model_site *site)
{
	return site->kind == MODEL_SITE_C ||
	       (site->kind == MODEL_SITE_TRACE && site->trace_has_start &&
		site->start_kind == MODEL_SITE_C);
}

/* A trace that starts nowhere known, as INTERNAL, has the address 0. */
static bool has_address(const struct model_site *site)
{
	return has_symbol(site) || site->kind == MODEL_SITE_C_UNKNOWN ||
	       (site->kind == MODEL_SITE_TRACE && site->trace_has_start &&
		!is_in_chunk(site));
}

static void bind_symbol(struct binder *b, const char *symbol,
			const struct model_site *site)
{
	bind_text(b, symbol);
	if (symbol == NULL)
		bind_null(b);
	else
		bind_raw(b, symbol, &site->name);
	if (has_address(site))
		bind_int(b, site->address);
	else
		bind_null(b);
}

static void bind_figures(struct binder *b, const struct model_figures *f)
{
#define BIND_FIGURE(name) bind_int(b, f->name);
	STORE_FIGURES(BIND_FIGURE)
#undef BIND_FIGURE
	bind_int_or_null(b, f->first_event);
	bind_int_or_null(b, f->last_event);
}

static bool insert_site(struct store *s, struct binder *b, uint32_t index,
			const struct model_site *site, int64_t chunk)
{
	static const char *const kinds[] = STORE_KINDS;
	char *const name = print_site(site);
	char *const symbol = has_symbol(site) ? store_printable(site->name.text,
								site->name.size)
					      : NULL;
	bool ok = false;

	bind_int(b, (uint64_t)s->first_site + index);
	bind_int(b, (uint64_t)s->profile_id);
	bind_text(b, name);
	bind_text(b, kinds[site->kind]);
	if (is_in_chunk(site)) {
		bind_int(b, (uint64_t)chunk);
		bind_int(b, site->line);
	} else {
		bind_null(b);
		bind_null(b);
	}
	bind_symbol(b, symbol, site);
	if (site->kind == MODEL_SITE_TRACE)
		bind_int(b, site->trace_number);
	else
		bind_null(b);
	bind_figures(b, &site->figures);
	if (name == NULL || (symbol == NULL && has_symbol(site)))
		store_fail_sqlite(s, SQLITE_NOMEM);
	else
		ok = store_insert(s, b);
	sqlite3_free(name);
	sqlite3_free(symbol);
	return ok;
}

static bool insert_sites(struct store *s, const struct model *m,
			 const int64_t *chunks)
{
	const uint32_t count = (uint32_t)model_site_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO site_data (site_id, profile_id, name, kind, "
		"chunk_id, line, symbol, symbol_raw, address, "
		"trace_number" STORE_FIGURE_NAMES ", first_event, last_event) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?" STORE_FIGURE_MARKS
		", ?, ?)");

	for (uint32_t i = 0; ok && i < count; i++)
		ok = insert_site(s, &b, i, model_site(m, i), chunks[i]);
	sqlite3_finalize(b.stmt);
	return ok;
}

/* ---- overrides */

static bool insert_overrides(struct store *s, const struct model *m)
{
	const size_t count = model_override_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO site_override_data (profile_id, by_site_id, "
		"of_site_id, by_realloc, blocks, bytes) "
		"VALUES (?, ?, ?, ?, ?, ?)");

	for (size_t i = 0; ok && i < count; i++) {
		const struct model_override *const o = model_override(m, i);

		bind_int(&b, (uint64_t)s->profile_id);
		bind_int(&b, (uint64_t)s->first_site + o->by_site);
		bind_int(&b, (uint64_t)s->first_site + o->of_site);
		bind_int(&b, o->by_realloc);
		bind_int(&b, o->blocks);
		bind_int(&b, o->bytes);
		ok = store_insert(s, &b);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

bool store_sites(struct store *s, const struct model *m)
{
	const size_t sites = model_site_count(m);
	struct chunk_use *const uses =
		calloc(sites + model_alias_count(m) + 1, sizeof(*uses));
	int64_t *const chunks = calloc(sites + 1, sizeof(*chunks));
	bool ok = false;

	if (uses == NULL || chunks == NULL)
		store_fail_sqlite(s, SQLITE_NOMEM);
	else
		ok = insert_chunks(s, m, uses, chunks) &&
		     insert_sites(s, m, chunks) && insert_overrides(s, m);
	free(uses);
	free(chunks);
	return ok;
}
