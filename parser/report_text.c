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

/* A line: what it is sorted by, and which site it is about. */
struct line {
	uint64_t bytes, events;
	uint32_t site;
	const char *name;
};

/* Overrides of one section, grouped by the site that ended the lives. */
struct pair {
	uint32_t by_site;
	const char *name; /* of the other site */
};

struct report {
	FILE *out;
	const struct model *model;
	bool human;
	char **names; /* of all sites, printed */
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

static char *print_site(const struct model_site *site)
{
	const size_t size = model_site_print(site, NULL, 0) + 1;
	char *const name = malloc(size);

	if (name != NULL)
		model_site_print(site, name, size);
	return name;
}

static void free_report(struct report *r)
{
	const size_t count = model_site_count(r->model);

	for (size_t i = 0; r->names != NULL && i < count; i++)
		free(r->names[i]);
	free(r->names);
	free(r->lines);
	free(r->pairs);
}

static bool prepare(struct report *r)
{
	const size_t count = model_site_count(r->model);

	r->names = calloc(count + 1, sizeof(*r->names));
	r->lines = calloc(count + 1, sizeof(*r->lines));
	r->pairs =
		calloc(model_override_count(r->model) + 1, sizeof(*r->pairs));
	if (r->names == NULL || r->lines == NULL || r->pairs == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		r->names[i] = print_site(model_site(r->model, (uint32_t)i));
		if (r->names[i] == NULL)
			return false;
	}
	return true;
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
	order = strcmp(a->name, b->name);
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
		struct line line =
			line_of(section, &model_site(r->model, i)->figures);

		line.site = i;
		line.name = r->names[i];
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
	return strcmp(a->name, b->name);
}

/* Fills r->pairs with the overrides of a section; returns how many. */
static size_t collect_pairs(struct report *r, enum section section)
{
	const size_t overrides = model_override_count(r->model);
	size_t count = 0;

	for (size_t i = 0; i < overrides; i++) {
		const struct model_override *const o =
			model_override(r->model, i);

		if (o->blocks != 0 &&
		    o->by_realloc == (section == REALLOCATIONS))
			r->pairs[count++] =
				(struct pair){o->by_site, r->names[o->of_site]};
	}
	qsort(r->pairs, count, sizeof(*r->pairs), compare_pairs);
	return count;
}

/* ---- sections */

/* Lists the distinct names of what the site's events ended, if any. */
static void print_overrides(struct report *r, size_t pairs, uint32_t site)
{
	size_t low = 0, high = pairs;
	const char *last = NULL;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->pairs[middle].by_site < site)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < pairs && r->pairs[low].by_site == site; low++) {
		if (last == NULL)
			fputs("\tOverrides:\n", r->out);
		if (last == NULL || strcmp(last, r->pairs[low].name) != 0)
			fprintf(r->out, "\t\t%s\n", r->pairs[low].name);
		last = r->pairs[low].name;
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
		const struct model_figures *const f =
			&model_site(r->model, line->site)->figures;

		report_text_bytes(got,
				  section == DEALLOCATIONS ? 0 : line->bytes,
				  r->human);
		report_text_bytes(gave,
				  section == ALLOCATIONS ? 0
				  : section == DEALLOCATIONS
					  ? line->bytes
					  : f->realloc_old_bytes +
						    f->earlier_realloc_bytes,
				  r->human);
		fprintf(r->out, "%s: %" PRIu64 " events\t+%s\t-%s\n",
			line->name, line->events, got, gave);
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
		const struct model_figures *const f =
			&model_site(r->model, line->site)->figures;

		report_text_bytes(bytes, line->bytes, r->human);
		fprintf(r->out,
			"%s holds %s: %" PRIu64 " allocs, %" PRIu64 " frees\n",
			line->name, bytes, f->born_blocks, f->ended_blocks);
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
		/* The name of a Lua line is its chunk's, and ":0". */
		const struct model_site site = {.kind = MODEL_SITE_LUA,
						.name = {text, run, 0}};
		char *const print = print_site(&site);

		if (print == NULL)
			return false;
		fwrite(print, 1, strlen(print) - 2, out);
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
