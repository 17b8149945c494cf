/*
 * store_sites.c - the rows of sites and of overrides.
 */
#define _GNU_SOURCE /* qsort_r */
#include "store_private.h"

#include <stdint.h>
#include <stdlib.h>

#include "store_binder.h"
#include "store_columns.h"

/* ---- sites */

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
	bind_if(b,
		site->first_line != 0 && site->first_line != MODEL_LINE_SEVERAL,
		site->first_line);
	return store_insert(s, b);
}

static bool insert_sites(struct store *s, const struct model *m,
			 struct store_names *names)
{
	const uint32_t count = (uint32_t)model_site_count(m);
	struct binder b = {NULL, 0, SQLITE_OK};
	bool ok = store_prepare(
		s, &b.stmt,
		"INSERT INTO site_data (site_id, profile_id, kind, name_id, "
		"line, address, trace_number" STORE_FIGURE_NAMES
		", first_event, last_event, first_line) "
		"VALUES (?, ?, ?, ?, ?, ?, ?" STORE_FIGURE_MARKS ", ?, ?, ?)");

	for (uint32_t i = 0; ok && i < count; i++) {
		const struct model_site site = model_site(m, i);
		int64_t name = 0;

		if (is_in_chunk(&site) || has_symbol(&site))
			ok = store_name_id(s, names, &site.name,
					   has_symbol(&site), &name);
		ok = ok && insert_site(s, &b, i, &site, name);
	}
	sqlite3_finalize(b.stmt);
	return ok;
}

/* ---- overrides
 *
 * Where any line ends blocks of any other there are millions.
 */

#define OVERRIDE_ROW "(?,?,?,?,?,?)"
#define INSERT_OVERRIDE                                                        \
	"INSERT INTO site_override_data (profile_id, by_site_id, "             \
	"of_site_id, by_realloc, blocks, bytes) VALUES "

/* Of two that the same site did. */
static int compare_overrides(const void *left, const void *right, void *model)
{
	const struct model_override a =
		model_override(model, *(const uint32_t *)left);
	const struct model_override b =
		model_override(model, *(const uint32_t *)right);

	if (a.of_site != b.of_site)
		return a.of_site < b.of_site ? -1 : 1;
	return a.by_realloc - b.by_realloc;
}

/*
 * Writes the overrides by the sites that did them; ends[0..sites], all zero at
 * first, are where those of each end, then.
 */
static void order_by_site(const struct model *m, uint32_t *order,
			  uint32_t *ends, size_t count)
{
	const size_t sites = model_site_count(m);

	for (size_t i = 0; i < count; i++)
		ends[model_override(m, i).by_site + 1]++;
	for (size_t i = 0; i < sites; i++)
		ends[i + 1] += ends[i];
	for (size_t i = 0; i < count; i++)
		order[ends[model_override(m, i).by_site]++] = (uint32_t)i;
}

/*
 * The overrides in the order of their table's key, so that each page of it is
 * written once. The caller frees it; NULL without memory.
 */
static uint32_t *order_overrides(const struct model *m, size_t count)
{
	const size_t sites = model_site_count(m);
	uint32_t *const order = malloc((count + 1) * sizeof(*order));
	uint32_t *const ends = calloc(sites + 1, sizeof(*ends));
	uint32_t begin = 0;

	if (order == NULL || ends == NULL) {
		free(order);
		free(ends);
		return NULL;
	}
	order_by_site(m, order, ends, count);
	for (size_t i = 0; i < sites; i++) {
		qsort_r(order + begin, ends[i] - begin, sizeof(*order),
			compare_overrides, (void *)m);
		begin = ends[i];
	}
	free(ends);
	return order;
}

static void bind_override(struct binder *b, const struct store *s,
			  const struct model_override *o)
{
	bind_int(b, (uint64_t)s->profile_id);
	bind_int(b, (uint64_t)s->first_site + o->by_site);
	bind_int(b, (uint64_t)s->first_site + o->of_site);
	bind_int(b, o->by_realloc);
	bind_int(b, o->blocks);
	bind_int(b, o->bytes);
}

static bool insert_ordered(struct store *s, const struct model *m,
			   const uint32_t *order, size_t count)
{
	const size_t batches = count / STORE_BATCH * STORE_BATCH;
	struct binder all = {NULL, 0, SQLITE_OK}, one = all;
	bool ok =
		store_prepare(s, &all.stmt,
			      INSERT_OVERRIDE STORE_BATCH_ROWS(OVERRIDE_ROW)) &&
		store_prepare(s, &one.stmt, INSERT_OVERRIDE OVERRIDE_ROW);

	for (size_t i = 0; ok && i < count; i++) {
		const struct model_override o = model_override(m, order[i]);
		struct binder *const b = i < batches ? &all : &one;

		bind_override(b, s, &o);
		if (b == &one || (i + 1) % STORE_BATCH == 0)
			ok = store_insert(s, b);
	}
	sqlite3_finalize(all.stmt);
	sqlite3_finalize(one.stmt);
	return ok;
}

static bool insert_overrides(struct store *s, const struct model *m)
{
	const size_t count = model_override_count(m);
	uint32_t *const order = order_overrides(m, count);
	const bool ok = order != NULL ? insert_ordered(s, m, order, count)
				      : store_fail_sqlite(s, SQLITE_NOMEM);

	free(order);
	return ok;
}

bool store_sites_names(struct store *s, const struct model *m,
		       struct store_names *names)
{
	const uint32_t sites = (uint32_t)model_site_count(m);
	bool ok = true;

	for (uint32_t i = 0; ok && i < sites; i++) {
		const struct model_site site = model_site(m, i);

		if (is_in_chunk(&site) || has_symbol(&site))
			ok = store_names_add(s, names, &site.name,
					     has_symbol(&site));
	}
	return ok;
}

bool store_sites(struct store *s, const struct model *m,
		 struct store_names *names)
{
	return insert_sites(s, m, names) && insert_overrides(s, m);
}
