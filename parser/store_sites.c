/*
 * store_sites.c - the rows of sites, of their names, of overrides.
 */
#include "store_private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store_binder.h"
#include "store_columns.h"

/* ---- names */

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

/* ---- names, each once */

/* Of a longer one the views leave out the middle. */
#define SHORT_MAX (64u << 10)
#define ELLIPSIS  "…"

/* A name, known by where the model has its text, as a chunk or as a symbol. */
struct name_use {
	const struct model_name *name;
	bool is_symbol;
	int64_t id; /* 0: not stored yet */
};

/* What a profile's names are, in an order that a search can use. */
struct name_uses {
	struct name_use *list;
	size_t count;
	int64_t next; /* the next free number */
	struct binder binder;
};

/* Where a site is, or where a trace starts. */
static enum model_site_kind place_of(const struct model_site *site)
{
	if (site->kind != MODEL_SITE_TRACE)
		return site->kind;
	return site->trace_has_start ? site->start_kind : MODEL_SITE_INTERNAL;
}

static bool is_in_chunk(const struct model_site *site)
{
	return place_of(site) == MODEL_SITE_LUA;
}

static bool has_symbol(const struct model_site *site)
{
	return place_of(site) == MODEL_SITE_C;
}

/* A trace that starts nowhere known, as INTERNAL, has the address 0. */
static bool has_address(const struct model_site *site)
{
	return has_symbol(site) || site->kind == MODEL_SITE_C_UNKNOWN ||
	       (site->kind == MODEL_SITE_TRACE && site->trace_has_start &&
		!is_in_chunk(site));
}

/* The model keeps each text once: its address tells it from others. */
static int compare_uses(const void *left, const void *right)
{
	const struct name_use *const a = left, *const b = right;
	const uintptr_t x = (uintptr_t)a->name->text;
	const uintptr_t y = (uintptr_t)b->name->text;

	if (x != y)
		return x < y ? -1 : 1;
	return a->is_symbol - b->is_symbol;
}

static void list_uses(const struct model *m, struct name_uses *uses)
{
	const size_t aliases = model_alias_count(m);
	const uint32_t sites = (uint32_t)model_site_count(m);
	size_t count = 0;

	for (size_t i = 0; i < aliases; i++)
		uses->list[count++] =
			(struct name_use){model_alias(m, i), false, 0};
	for (uint32_t i = 0; i < sites; i++) {
		const struct model_site *const site = model_site(m, i);

		if (is_in_chunk(site) || has_symbol(site))
			uses->list[count++] = (struct name_use){
				&site->name, has_symbol(site), 0};
	}
	qsort(uses->list, count, sizeof(*uses->list), compare_uses);
	for (size_t i = 0; i < count; i++)
		if (uses->count == 0 ||
		    compare_uses(&uses->list[uses->count - 1],
				 &uses->list[i]) != 0)
			uses->list[uses->count++] = uses->list[i];
}

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Makes *text short if it is too long, else NULL. False without memory. */
static bool shorten(const char *text, char **out)
{
	const size_t size = strlen(text);
	size_t head = SHORT_MAX / 2, tail = size - SHORT_MAX / 2;

	*out = NULL;
	if (size <= SHORT_MAX)
		return true;
	while (is_continuation(text[head]))
		head--;
	while (is_continuation(text[tail]))
		tail++;
	*out = sqlite3_mprintf("%.*s" ELLIPSIS "%s", (int)head, text,
			       text + tail);
	return *out != NULL;
}

static bool insert_name(struct store *s, struct name_uses *uses,
			struct name_use *use)
{
	const struct model_name *const name = use->name;
	struct binder *const b = &uses->binder;
	char *const text = name->alias != 0
				   ? printable_lines(name->text, name->size)
				   : store_printable(name->text, name->size);
	char *text_short = NULL;
	bool ok;

	if (text == NULL || (name->alias == 0 && !shorten(text, &text_short))) {
		sqlite3_free(text);
		return store_fail_sqlite(s, SQLITE_NOMEM);
	}
	use->id = uses->next++;
	bind_int(b, (uint64_t)use->id);
	bind_int(b, (uint64_t)s->profile_id);
	bind_int(b, use->is_symbol);
	bind_int_or_null(b, name->alias);
	bind_text(b, text_short);
	bind_text(b, text);
	bind_raw(b, text, name);
	ok = store_insert(s, b);
	sqlite3_free(text_short);
	sqlite3_free(text);
	return ok;
}

/* Finds a name's number; stores it when it comes for the first time. */
static bool find_name(struct store *s, struct name_uses *uses,
		      const struct model_name *name, bool is_symbol,
		      int64_t *id)
{
	const struct name_use key = {name, is_symbol, 0};
	struct name_use *const use = bsearch(&key, uses->list, uses->count,
					     sizeof(key), compare_uses);

	if (use->id == 0 && !insert_name(s, uses, use))
		return false;
	*id = use->id;
	return true;
}

/* Texts with aliases come first, in the order of their numbers. */
static bool insert_aliases(struct store *s, const struct model *m,
			   struct name_uses *uses)
{
	const size_t count = model_alias_count(m);
	int64_t id;

	for (size_t i = 0; i < count; i++)
		if (!find_name(s, uses, model_alias(m, i), false, &id))
			return false;
	return true;
}

/* ---- sites */

static void bind_figures(struct binder *b, const struct model_figures *f)
{
#define BIND_FIGURE(name) bind_int(b, f->name);
	STORE_FIGURES(BIND_FIGURE)
#undef BIND_FIGURE
	bind_int_or_null(b, f->first_event);
	bind_int_or_null(b, f->last_event);
}

static void bind_if(struct binder *b, bool is, uint64_t value)
{
	if (is)
		bind_int(b, value);
	else
		bind_null(b);
}

static bool insert_site(struct store *s, struct binder *b, uint32_t index,
			const struct model_site *site, int64_t name)
{
	static const char *const kinds[] = STORE_KINDS;

	bind_int(b, (uint64_t)s->first_site + index);
	bind_int(b, (uint64_t)s->profile_id);
	bind_text(b, kinds[site->kind]);
	bind_int_or_null(b, (uint64_t)name);
	bind_if(b, is_in_chunk(site), site->line);
	bind_if(b, has_address(site), site->address);
	bind_if(b, site->kind == MODEL_SITE_TRACE, site->trace_number);
	bind_figures(b, &site->figures);
	return store_insert(s, b);
}

static bool insert_sites(struct store *s, const struct model *m,
			 struct name_uses *uses)
{
	const uint32_t count = (uint32_t)model_site_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO site_data (site_id, profile_id, kind, name_id, "
		"line, address, trace_number" STORE_FIGURE_NAMES
		", first_event, last_event) "
		"VALUES (?, ?, ?, ?, ?, ?, ?" STORE_FIGURE_MARKS ", ?, ?)");

	for (uint32_t i = 0; ok && i < count; i++) {
		const struct model_site *const site = model_site(m, i);
		int64_t name = 0;

		if (is_in_chunk(site) || has_symbol(site))
			ok = find_name(s, uses, &site->name, has_symbol(site),
				       &name);
		ok = ok && insert_site(s, &b, i, site, name);
	}
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
	const size_t most = model_site_count(m) + model_alias_count(m);
	struct name_uses uses = {
		.list = calloc(most + 1, sizeof(*uses.list)),
		.next = s->first_name,
		.binder = {NULL, 0, SQLITE_OK},
	};
	bool ok;

	if (uses.list == NULL)
		return store_fail_sqlite(s, SQLITE_NOMEM);
	list_uses(m, &uses);
	ok = store_prepare(
		     s, &uses.binder.stmt,
		     "INSERT INTO name_data (name_id, profile_id, is_symbol, "
		     "alias, short, text, raw) VALUES (?, ?, ?, ?, ?, ?, ?)") &&
	     insert_aliases(s, m, &uses) && insert_sites(s, m, &uses) &&
	     insert_overrides(s, m);
	sqlite3_finalize(uses.binder.stmt);
	free(uses.list);
	return ok;
}
