/*
 * report_text.c - the default report.
 *
 * The order of lines is total, so that equal streams make equal reports:
 * bytes, then events, both largest first, then the name.
 */
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A chunk's or a symbol's name, printed once for all of its sites. */
struct name {
	const char *text; /* as the model has it; tells names apart */
	uint32_t site;	  /* one that bears it */
	uint32_t rank;	  /* in the order of prints; equal for equal ones */
	size_t size;
	char *print;
};

/* The longest of what stands around a name. */
#define AROUND_MAX                                                             \
	sizeof("TRACE [18446744073709551615] started at :0x"                   \
	       "ffffffffffffffff")

/* How a site prints: its name between the two parts of around. */
struct print {
	const struct name *name;
	size_t before; /* bytes of around that stand before the name */
	char around[AROUND_MAX];
};

/* Names that agree in so many bytes are sorted by their ranks. */
#define COMPARE_MAX 4096

/* A line: what it is sorted by, and which site it is about. */
struct line {
	uint64_t bytes, events;
	uint32_t site;
	const struct print *print;
};

/* Overrides of one section, grouped by the site that ended the lives. */
struct pair {
	uint32_t by_site;
	const struct print *print; /* of the other site */
};

struct report {
	FILE *out;
	const struct model *model;
	bool human;
	struct name *names;
	size_t name_count;
	struct print *prints; /* of all sites */
	struct line *lines;
	struct pair *pairs;
};

enum section {
	ALLOCATIONS,
	REALLOCATIONS,
	DEALLOCATIONS,
	HEAP_SUMMARY
};

void report_text_bytes(char out[REPORT_BYTES_MAX], uint64_t bytes, bool human)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	if (!human || bytes < 1024) {
		snprintf(out, REPORT_BYTES_MAX, "%" PRIu64 "B", bytes);
		return;
	}
	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	if (bytes % (1ull << (10 * unit)) == 0)
		snprintf(out, REPORT_BYTES_MAX, "%" PRIu64 "%s",
			 bytes >> (10 * unit), units[unit]);
	else
		snprintf(out, REPORT_BYTES_MAX, "%.2f%s", value, units[unit]);
}

/* ---- names */

/* Prints a name: a Lua line is called by its chunk's, and ":0". */
static char *print_name(const struct model_name *name, size_t *size)
{
	const struct model_site site = {.kind = MODEL_SITE_LUA, .name = *name};
	char *print;

	*size = model_site_print(&site, NULL, 0) - 2;
	print = malloc(*size + 3);
	if (print != NULL)
		model_site_print(&site, print, *size + 3);
	return print;
}

static bool has_name(const struct model_site *site)
{
	const enum model_site_kind kind =
		site->kind != MODEL_SITE_TRACE ? site->kind : site->start_kind;

	return (site->kind != MODEL_SITE_TRACE || site->trace_has_start) &&
	       (kind == MODEL_SITE_LUA || kind == MODEL_SITE_C);
}

/*
 * A C symbol may have the text of a chunk with an alias: it is told whole.
 * Chunks first, so that a search finds the right one.
 */
static int compare_texts(const void *left, const void *right)
{
	const struct name *const a = left, *const b = right;

	if (a->text != b->text)
		return (uintptr_t)a->text < (uintptr_t)b->text ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static int compare_prints(const void *left, const void *right)
{
	const struct name *const a = *(struct name *const *)left;
	const struct name *const b = *(struct name *const *)right;
	const int order = memcmp(a->print, b->print,
				 a->size < b->size ? a->size : b->size);

	return order != 0 ? order : a->size < b->size ? -1 : a->size > b->size;
}

/* What tells two names apart; rank is free until the ranks are known. */
static struct name key_of(const struct model_site *site, uint32_t index)
{
	return (struct name){.text = site->name.text,
			     .site = index,
			     .rank = site->name.alias};
}

/* Lists the distinct names of all sites. */
static bool list_names(struct report *r)
{
	const uint32_t sites = (uint32_t)model_site_count(r->model);
	size_t count = 0, distinct = 0;

	for (uint32_t i = 0; i < sites; i++) {
		const struct model_site site = model_site(r->model, i);

		if (has_name(&site))
			r->names[count++] = key_of(&site, i);
	}
	qsort(r->names, count, sizeof(*r->names), compare_texts);
	for (size_t i = 0; i < count; i++)
		if (i == 0 ||
		    compare_texts(&r->names[distinct - 1], &r->names[i]) != 0)
			r->names[distinct++] = r->names[i];
	r->name_count = distinct;
	for (size_t i = 0; i < distinct; i++) {
		struct name *const n = &r->names[i];
		const struct model_name name =
			model_site_name(r->model, n->site);

		n->print = print_name(&name, &n->size);
		if (n->print == NULL)
			return false;
	}
	return true;
}

static bool rank_names(struct report *r)
{
	struct name **const order =
		malloc((r->name_count + 1) * sizeof(struct name *));

	if (order == NULL)
		return false;
	for (size_t i = 0; i < r->name_count; i++)
		order[i] = &r->names[i];
	qsort(order, r->name_count, sizeof(struct name *), compare_prints);
	for (size_t i = 0; i < r->name_count; i++)
		order[i]->rank =
			i != 0 && compare_prints(&order[i - 1], &order[i]) == 0
				? order[i - 1]->rank
				: (uint32_t)i;
	free(order);
	return true;
}

/* Prints what stands around the name of a site, or all there is. */
static void print_around(const struct model_site *site, struct print *p)
{
	struct model_site bare = *site;
	const char *colon;

	bare.name = (struct model_name){"", 0, 0};
	model_site_print(&bare, p->around, sizeof(p->around));
	colon = strrchr(p->around, ':');
	p->before =
		colon != NULL ? (size_t)(colon - p->around) : strlen(p->around);
}

static void free_report(struct report *r)
{
	for (size_t i = 0; r->names != NULL && i < r->name_count; i++)
		free(r->names[i].print);
	free(r->names);
	free(r->prints);
	free(r->lines);
	free(r->pairs);
}

static bool prepare(struct report *r)
{
	const uint32_t count = (uint32_t)model_site_count(r->model);
	static char empty[] = "";
	static const struct name none = {.print = empty};

	r->names = calloc((size_t)count + 1, sizeof(*r->names));
	r->prints = calloc((size_t)count + 1, sizeof(*r->prints));
	r->lines = calloc((size_t)count + 1, sizeof(*r->lines));
	r->pairs =
		calloc(model_override_count(r->model) + 1, sizeof(*r->pairs));
	if (r->names == NULL || r->prints == NULL || r->lines == NULL ||
	    r->pairs == NULL || !list_names(r))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const struct model_site site = model_site(r->model, i);
		const struct name key = key_of(&site, i);

		print_around(&site, &r->prints[i]);
		r->prints[i].name =
			!has_name(&site)
				? &none
				: bsearch(&key, r->names, r->name_count,
					  sizeof(key), compare_texts);
	}
	return rank_names(r);
}

/* The byte of a print at a place, 0 behind its end. */
static unsigned char byte_at(const struct print *p, size_t at)
{
	if (at < p->before)
		return (unsigned char)p->around[at];
	if (at < p->before + p->name->size)
		return (unsigned char)p->name->print[at - p->before];
	at -= p->name->size;
	return at < AROUND_MAX ? (unsigned char)p->around[at] : 0;
}

/*
 * The order of prints, byte by byte, as far as names are no longer than
 * COMPARE_MAX. In no case does it take more time than that.
 */
static int compare_sites(const struct print *a, const struct print *b)
{
	if (a->name != b->name || a->before != b->before)
		for (size_t i = 0; i < COMPARE_MAX; i++) {
			const unsigned char x = byte_at(a, i);
			const unsigned char y = byte_at(b, i);

			if (x != y)
				return x < y ? -1 : 1;
			if (x == 0)
				return 0;
		}
	if (a->name->rank != b->name->rank)
		return a->name->rank < b->name->rank ? -1 : 1;
	return strcmp(a->around, b->around);
}

static void write_site(FILE *out, const struct print *p)
{
	fwrite(p->around, 1, p->before, out);
	fwrite(p->name->print, 1, p->name->size, out);
	fputs(p->around + p->before, out);
}

/* ---- what is in a section, and in which order */

/* The figures that a section sorts by; without events there is no line. */
static struct line line_of(enum section section, const struct model_figures *f)
{
	switch (section) {
	case ALLOCATIONS:
		return (struct line){f->alloc_bytes, f->alloc_events, 0, NULL};
	case REALLOCATIONS:
		return (struct line){f->realloc_new_bytes, f->realloc_events, 0,
				     NULL};
	case DEALLOCATIONS:
		return (struct line){f->free_bytes + f->earlier_free_bytes,
				     f->free_events + f->earlier_free_events, 0,
				     NULL};
	default:
		return (struct line){f->live_bytes, f->live_blocks, 0, NULL};
	}
}

static int compare_lines(const void *left, const void *right)
{
	const struct line *const a = left, *const b = right;
	int order;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	if (a->events != b->events)
		return a->events > b->events ? -1 : 1;
	order = compare_sites(a->print, b->print);
	if (order != 0)
		return order;
	return a->site < b->site ? -1 : a->site > b->site;
}

/* Fills r->lines; returns how many. */
static size_t collect_lines(struct report *r, enum section section)
{
	const uint32_t sites = (uint32_t)model_site_count(r->model);
	size_t count = 0;

	for (uint32_t i = 0; i < sites; i++) {
		const struct model_site site = model_site(r->model, i);
		struct line line = line_of(section, &site.figures);

		line.site = i;
		line.print = &r->prints[i];
		if (line.events != 0)
			r->lines[count++] = line;
	}
	qsort(r->lines, count, sizeof(*r->lines), compare_lines);
	return count;
}

static int compare_pairs(const void *left, const void *right)
{
	const struct pair *const a = left, *const b = right;

	if (a->by_site != b->by_site)
		return a->by_site < b->by_site ? -1 : 1;
	return compare_sites(a->print, b->print);
}

/* Fills r->pairs with the overrides of a section; returns how many. */
static size_t collect_pairs(struct report *r, enum section section)
{
	const size_t overrides = model_override_count(r->model);
	size_t count = 0;

	for (size_t i = 0; i < overrides; i++) {
		const struct model_override o = model_override(r->model, i);

		if (o.blocks != 0 && o.by_realloc == (section == REALLOCATIONS))
			r->pairs[count++] =
				(struct pair){o.by_site, &r->prints[o.of_site]};
	}
	qsort(r->pairs, count, sizeof(*r->pairs), compare_pairs);
	return count;
}

/* ---- sections */

/* Lists the distinct names of what the site's events ended, if any. */
static void print_overrides(struct report *r, size_t pairs, uint32_t site)
{
	size_t low = 0, high = pairs;
	const struct print *last = NULL;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->pairs[middle].by_site < site)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < pairs && r->pairs[low].by_site == site; low++) {
		const struct print *const print = r->pairs[low].print;

		if (last == NULL)
			fputs("\tOverrides:\n", r->out);
		if (last == NULL || compare_sites(last, print) != 0) {
			fputs("\t\t", r->out);
			write_site(r->out, print);
			fputc('\n', r->out);
		}
		last = print;
	}
	if (last != NULL)
		fputc('\n', r->out);
}

static void print_events(struct report *r, enum section section,
			 const char *title)
{
	const size_t pairs =
		section == ALLOCATIONS ? 0 : collect_pairs(r, section);
	const size_t count = collect_lines(r, section);
	char got[REPORT_BYTES_MAX], gave[REPORT_BYTES_MAX];

	fprintf(r->out, "%s\n", title);
	for (size_t i = 0; i < count; i++) {
		const struct line *const line = &r->lines[i];
		const struct model_site site = model_site(r->model, line->site);

		report_text_bytes(got,
				  section == DEALLOCATIONS ? 0 : line->bytes,
				  r->human);
		report_text_bytes(
			gave,
			section == ALLOCATIONS ? 0
			: section == DEALLOCATIONS
				? line->bytes
				: site.figures.realloc_old_bytes +
					  site.figures.earlier_realloc_bytes,
			r->human);
		write_site(r->out, line->print);
		fprintf(r->out, ": %" PRIu64 " events\t+%s\t-%s\n",
			line->events, got, gave);
		print_overrides(r, pairs, line->site);
	}
	fputc('\n', r->out);
}

static void print_heap_summary(struct report *r)
{
	const size_t count = collect_lines(r, HEAP_SUMMARY);
	char bytes[REPORT_BYTES_MAX];

	fputs("HEAP SUMMARY:\n", r->out);
	for (size_t i = 0; i < count; i++) {
		const struct line *const line = &r->lines[i];
		const struct model_site site = model_site(r->model, line->site);

		report_text_bytes(bytes, line->bytes, r->human);
		write_site(r->out, line->print);
		fprintf(r->out,
			" holds %s: %" PRIu64 " allocs, %" PRIu64 " frees\n",
			bytes, site.figures.born_blocks,
			site.figures.ended_blocks);
	}
	fputc('\n', r->out);
}

/* ---- aliases */

/* Prints one line of source text, with tabs; false without memory. */
static bool print_source_line(FILE *out, const char *text, size_t size)
{
	while (size != 0) {
		const char *const tab = memchr(text, '\t', size);
		const size_t run = tab != NULL ? (size_t)(tab - text) : size;
		size_t length;
		char *const print =
			print_name(&(struct model_name){text, run, 0}, &length);

		if (print == NULL)
			return false;
		fwrite(print, 1, length, out);
		free(print);
		if (tab != NULL)
			fputc('\t', out);
		text += run + (tab != NULL);
		size -= run + (tab != NULL);
	}
	return true;
}

/* Empty lines do not count: Tarantool's reader skips them. */
static bool print_alias(FILE *out, const struct model_name *alias)
{
	const char *text = alias->text;
	size_t left = alias->size;
	uint64_t number = 0;

	fprintf(out, "function_alias_%" PRIu32 ":\n", alias->alias);
	while (left != 0) {
		const char *const end = memchr(text, '\n', left);
		const size_t size = end != NULL ? (size_t)(end - text) : left;

		if (size != 0) {
			fprintf(out, "%" PRIu64 "\t| ", ++number);
			if (!print_source_line(out, text, size))
				return false;
			fputc('\n', out);
		}
		text += size + (end != NULL);
		left -= size + (end != NULL);
	}
	fputs("\n\n", out);
	return true;
}

static bool print_aliases(FILE *out, const struct model *m)
{
	const size_t count = model_alias_count(m);

	if (count != 0)
		fputs("ALIASES:\n", out);
	for (size_t i = 0; i < count; i++)
		if (!print_alias(out, model_alias(m, i)))
			return false;
	return true;
}

bool report_text(FILE *out, const struct model *m,
		 const struct report_text_options *options)
{
	struct report r = {
		.out = out, .model = m, .human = options->human_readable};
	bool ok = prepare(&r);

	if (ok && !options->leak_only) {
		print_events(&r, ALLOCATIONS, "ALLOCATIONS");
		print_events(&r, REALLOCATIONS, "REALLOCATIONS");
		print_events(&r, DEALLOCATIONS, "DEALLOCATIONS");
	}
	if (ok)
		print_heap_summary(&r);
	ok = ok && print_aliases(out, m);
	free_report(&r);
	return ok;
}
