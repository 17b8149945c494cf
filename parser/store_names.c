/*
 * store_names.c - the rows of names, each once.
 */
#include "store_private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store_binder.h"

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

#define NAMES_MIN 256

/* The model keeps each text once: its address tells it from others. */
static int compare_uses(const void *left, const void *right)
{
	const struct store_name *const a = left, *const b = right;
	const uintptr_t x = (uintptr_t)a->name.text;
	const uintptr_t y = (uintptr_t)b->name.text;

	if (x != y)
		return x < y ? -1 : 1;
	return a->is_symbol - b->is_symbol;
}

static void sort_uses(struct store_names *names)
{
	size_t count = 0;

	if (names->count != 0)
		qsort(names->list, names->count, sizeof(*names->list),
		      compare_uses);
	for (size_t i = 0; i < names->count; i++)
		if (count == 0 ||
		    compare_uses(&names->list[count - 1], &names->list[i]) != 0)
			names->list[count++] = names->list[i];
	names->count = count;
}

bool store_names_add(struct store *s, struct store_names *names,
		     const struct model_name *name, bool is_symbol)
{
	struct store_name *list;
	size_t cap;

	if (names->count == names->cap)
		sort_uses(names);
	if (names->count > names->cap / 2 || names->cap == 0) {
		cap = names->cap ? 2 * names->cap : NAMES_MIN;
		list = realloc(names->list, cap * sizeof(*list));
		if (list == NULL)
			return store_fail_sqlite(s, SQLITE_NOMEM);
		names->list = list;
		names->cap = cap;
	}
	names->list[names->count++] = (struct store_name){*name, is_symbol, 0};
	return true;
}

bool store_names_ready(struct store *s, struct store_names *names)
{
	sort_uses(names);
	names->next = s->first_name;
	names->binder = (struct binder){NULL, 0, SQLITE_OK};
	return store_prepare(
		s, &names->binder.stmt,
		"INSERT INTO name_data (name_id, profile_id, is_symbol, "
		"alias, short, text, raw) VALUES (?, ?, ?, ?, ?, ?, ?)");
}

void store_names_close(struct store_names *names)
{
	sqlite3_finalize(names->binder.stmt);
	free(names->list);
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

static bool insert_name(struct store *s, struct store_names *names,
			struct store_name *use)
{
	const struct model_name *const name = &use->name;
	struct binder *const b = &names->binder;
	char *const text = name->alias != 0
				   ? printable_lines(name->text, name->size)
				   : store_printable(name->text, name->size);
	char *text_short = NULL;
	bool ok;

	if (text == NULL || (name->alias == 0 && !shorten(text, &text_short))) {
		sqlite3_free(text);
		return store_fail_sqlite(s, SQLITE_NOMEM);
	}
	use->id = names->next++;
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

bool store_name_id(struct store *s, struct store_names *names,
		   const struct model_name *name, bool is_symbol, int64_t *id)
{
	const struct store_name key = {*name, is_symbol, 0};
	struct store_name *const use = bsearch(&key, names->list, names->count,
					       sizeof(key), compare_uses);

	if (use->id == 0 && !insert_name(s, names, use))
		return false;
	*id = use->id;
	return true;
}
