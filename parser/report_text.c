/*
 * report_text.c - the default report.
 *
 * The order of lines is total, so that equal streams make equal reports:
 * bytes, then events, both largest first, then the name.
 */
#define _GNU_SOURCE /* qsort_r */
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "labels.h"

/* A line: what it is sorted by, and which site it is about. */
struct line {
	uint64_t bytes, events;
	uint32_t site;
};

/* The lines of a section: sorted is their order, which takes less room. */
struct lines {
	const struct labels *labels;
	struct line *list;
	uint32_t *sorted; /* indexes of list */
	size_t count;
};

/* An override of one section. */
struct pair {
	uint32_t by_site, of_site;
};

struct pairs {
	struct pair *list;
	size_t count;
};

struct report {
	FILE *out;
	const struct model *model;
	bool human;
	struct labels labels;
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

/* ---- what is in a section, and in which order */

/* The figures that a section sorts by; without events there is no line. */
static struct line line_of(enum section section, const struct model_figures *f)
{
	switch (section) {
	case ALLOCATIONS:
		return (struct line){f->alloc_bytes, f->alloc_events, 0};
	case REALLOCATIONS:
		return (struct line){f->realloc_new_bytes, f->realloc_events,
				     0};
	case DEALLOCATIONS:
		return (struct line){f->free_bytes + f->earlier_free_bytes,
				     f->free_events + f->earlier_free_events,
				     0};
	default:
		return (struct line){f->live_bytes, f->live_blocks, 0};
	}
}

static int compare_lines(const void *left, const void *right, void *arg)
{
	const struct lines *const l = arg;
	const struct line *const a = &l->list[*(const uint32_t *)left];
	const struct line *const b = &l->list[*(const uint32_t *)right];
	int order;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	if (a->events != b->events)
		return a->events > b->events ? -1 : 1;
	order = labels_compare(l->labels, a->site, b->site);
	if (order != 0)
		return order;
	return a->site < b->site ? -1 : a->site > b->site;
}

/* Goes over the sites that have a line; into l->list, if there is one. */
static size_t list_lines(const struct report *r, enum section section,
			 struct lines *l)
{
	const uint32_t sites = (uint32_t)model_site_count(r->model);
	size_t count = 0;

	for (uint32_t i = 0; i < sites; i++) {
		const struct model_site site = model_site(r->model, i);
		struct line line = line_of(section, &site.figures);

		line.site = i;
		if (line.events == 0)
			continue;
		if (l->list != NULL)
			l->list[count] = line;
		count++;
	}
	return count;
}

static void free_lines(struct lines *l)
{
	free(l->list);
	free(l->sorted);
}

/* The lines of a section in their order. False without memory. */
static bool collect_lines(const struct report *r, enum section section,
			  struct lines *l)
{
	*l = (struct lines){.labels = &r->labels};
	l->count = list_lines(r, section, l);
	l->list = malloc((l->count + 1) * sizeof(*l->list));
	l->sorted = malloc((l->count + 1) * sizeof(*l->sorted));
	if (l->list == NULL || l->sorted == NULL)
		return false;
	list_lines(r, section, l);
	for (size_t i = 0; i < l->count; i++)
		l->sorted[i] = (uint32_t)i;
	qsort_r(l->sorted, l->count, sizeof(*l->sorted), compare_lines, l);
	return true;
}

static int compare_pairs(const void *left, const void *right, void *labels)
{
	const struct pair *const a = left, *const b = right;

	if (a->by_site != b->by_site)
		return a->by_site < b->by_site ? -1 : 1;
	return labels_compare(labels, a->of_site, b->of_site);
}

/* The overrides of a section, if one has them, by the site that ended lives. */
static bool collect_pairs(struct report *r, enum section section,
			  struct pairs *p)
{
	const size_t overrides =
		section == ALLOCATIONS ? 0 : model_override_count(r->model);

	p->count = 0;
	p->list = malloc((overrides + 1) * sizeof(*p->list));
	if (p->list == NULL)
		return false;
	for (size_t i = 0; i < overrides; i++) {
		const struct model_override o = model_override(r->model, i);

		if (o.blocks != 0 && o.by_realloc == (section == REALLOCATIONS))
			p->list[p->count++] =
				(struct pair){o.by_site, o.of_site};
	}
	qsort_r(p->list, p->count, sizeof(*p->list), compare_pairs, &r->labels);
	return true;
}

/* ---- sections */

/* Lists the distinct names of what the site's events ended, if any. */
static void print_overrides(struct report *r, const struct pairs *p,
			    uint32_t site)
{
	size_t low = 0, high = p->count;
	const struct pair *last = NULL;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (p->list[middle].by_site < site)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < p->count && p->list[low].by_site == site; low++) {
		const struct pair *const pair = &p->list[low];

		if (last == NULL)
			fputs("\tOverrides:\n", r->out);
		if (last == NULL || labels_compare(&r->labels, last->of_site,
						   pair->of_site) != 0) {
			fputs("\t\t", r->out);
			labels_write(&r->labels, pair->of_site, r->out);
			fputc('\n', r->out);
		}
		last = pair;
	}
	if (last != NULL)
		fputc('\n', r->out);
}

static void print_event_line(struct report *r, enum section section,
			     const struct line *line)
{
	const struct model_figures f = model_site(r->model, line->site).figures;
	char got[REPORT_BYTES_MAX], gave[REPORT_BYTES_MAX];

	report_text_bytes(got, section == DEALLOCATIONS ? 0 : line->bytes,
			  r->human);
	report_text_bytes(gave,
			  section == ALLOCATIONS ? 0
			  : section == DEALLOCATIONS
				  ? line->bytes
				  : f.realloc_old_bytes +
					    f.earlier_realloc_bytes,
			  r->human);
	labels_write(&r->labels, line->site, r->out);
	fprintf(r->out, ": %" PRIu64 " events\t+%s\t-%s\n", line->events, got,
		gave);
}

static bool print_events(struct report *r, enum section section,
			 const char *title)
{
	struct lines l = {0};
	struct pairs p = {0};
	const bool ok =
		collect_pairs(r, section, &p) && collect_lines(r, section, &l);

	if (ok)
		fprintf(r->out, "%s\n", title);
	for (size_t i = 0; ok && i < l.count; i++) {
		const struct line *const line = &l.list[l.sorted[i]];

		print_event_line(r, section, line);
		print_overrides(r, &p, line->site);
	}
	if (ok)
		fputc('\n', r->out);
	free_lines(&l);
	free(p.list);
	return ok;
}

static bool print_heap_summary(struct report *r)
{
	struct lines l;
	const bool ok = collect_lines(r, HEAP_SUMMARY, &l);
	char bytes[REPORT_BYTES_MAX];

	if (ok)
		fputs("HEAP SUMMARY:\n", r->out);
	for (size_t i = 0; ok && i < l.count; i++) {
		const struct line *const line = &l.list[l.sorted[i]];
		const struct model_figures f =
			model_site(r->model, line->site).figures;

		report_text_bytes(bytes, line->bytes, r->human);
		labels_write(&r->labels, line->site, r->out);
		fprintf(r->out,
			" holds %s: %" PRIu64 " allocs, %" PRIu64 " frees\n",
			bytes, f.born_blocks, f.ended_blocks);
	}
	if (ok)
		fputc('\n', r->out);
	free_lines(&l);
	return ok;
}

/* ---- aliases */

/* Prints one line of source text, with tabs; false without memory. */
static bool print_source_line(FILE *out, const char *text, size_t size)
{
	while (size != 0) {
		const char *const tab = memchr(text, '\t', size);
		const size_t run = tab != NULL ? (size_t)(tab - text) : size;
		size_t length;
		char *const print = labels_print_name(
			&(struct model_name){text, run, 0}, &length);

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
	bool ok = labels_init(&r.labels, m, !options->leak_only);

	if (!options->leak_only)
		ok = ok && print_events(&r, ALLOCATIONS, "ALLOCATIONS") &&
		     print_events(&r, REALLOCATIONS, "REALLOCATIONS") &&
		     print_events(&r, DEALLOCATIONS, "DEALLOCATIONS");
	ok = ok && print_heap_summary(&r) && print_aliases(out, m);
	labels_clear(&r.labels);
	return ok;
}
