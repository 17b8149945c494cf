/*
 * export_graph.c - who calls whom, and what that costs, for GraphViz.
 *
 * A function is a node, with what it allocated itself and what was allocated
 * below it; recursion counts once. Only the NODES_MAX heaviest functions that
 * make at least a NODE_PART of the whole are drawn; an edge over functions
 * that are left out is dashed.
 */
#define _GNU_SOURCE /* qsort_r */
#include "export_tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report_text.h"

#define NODES_MAX 80
#define NODE_PART 200  /* a two-hundredth: 0.5% */
#define EDGE_PART 1000 /* 0.1% */

#define NOT_DRAWN UINT32_MAX

/* A function, all frames of it. */
struct box {
	uint32_t frame; /* one of its frames */
	int64_t self, cumulative;
	uint32_t seen;	/* the last stack that it was on, + 1 */
	uint32_t drawn; /* its number in the graph, or NOT_DRAWN */
};

struct edge {
	int64_t value;
	uint32_t seen; /* the last stack that it was on, + 1 */
	bool dashed;   /* on some stack there was something in between */
};

struct graph {
	const struct export_tree *tree;
	enum export_metric metric;
	uint32_t *box_of; /* by frame */
	struct box *boxes;
	uint32_t box_count;
	uint32_t drawn[NODES_MAX]; /* boxes */
	uint32_t drawn_count;
	struct edge edges[NODES_MAX * NODES_MAX]; /* caller, callee */
	uint32_t *path;
};

/* ---- functions */

static int compare_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int compare_functions(const struct export_frame *a,
			     const struct export_frame *b)
{
	const int functions = compare_text(a->function, b->function);
	const int files = compare_text(a->file, b->file);

	if (functions != 0)
		return functions;
	if (files != 0)
		return files;
	return (a->first_line > b->first_line) -
	       (a->first_line < b->first_line);
}

static int compare_frames(const void *left, const void *right, void *arg)
{
	const uint32_t *const a = left, *const b = right;
	const struct export_tree *const t = arg;
	const int functions = compare_functions(&t->frames[*a], &t->frames[*b]);

	return functions != 0 ? functions : (*a > *b) - (*a < *b);
}

/* Finds out which frames are of one function. */
static bool make_boxes(struct graph *g, char *error)
{
	const struct export_tree *const t = g->tree;
	const size_t count = (size_t)t->frame_count + 1;
	uint32_t *const order = malloc(count * sizeof(*order));

	g->box_of = malloc(count * sizeof(*g->box_of));
	g->boxes = calloc(count, sizeof(*g->boxes));
	g->path = malloc(((size_t)t->depth + 1) * sizeof(*g->path));
	if (order == NULL || g->box_of == NULL || g->boxes == NULL ||
	    g->path == NULL) {
		free(order);
		return export_no_memory(error);
	}
	for (uint32_t i = 0; i < t->frame_count; i++)
		order[i] = i;
	qsort_r(order, t->frame_count, sizeof(*order), compare_frames,
		(void *)t);
	for (uint32_t i = 0; i < t->frame_count; i++) {
		if (i == 0 || compare_functions(&t->frames[order[i - 1]],
						&t->frames[order[i]]) != 0)
			g->boxes[g->box_count++] = (struct box){
				.frame = order[i], .drawn = NOT_DRAWN};
		g->box_of[order[i]] = g->box_count - 1;
	}
	free(order);
	return true;
}

static void add_stack(struct graph *g, uint32_t node, int64_t value)
{
	const uint32_t count = export_path(g->tree, node, g->path);

	g->boxes[g->box_of[g->path[0]]].self += value;
	for (uint32_t i = 0; i < count; i++) {
		struct box *const b = &g->boxes[g->box_of[g->path[i]]];

		if (b->seen != node + 1)
			b->cumulative += value;
		b->seen = node + 1;
	}
}

/* ---- what is drawn */

/* Heavier first, by what is below; then by name. */
static int compare_boxes(const void *left, const void *right, void *arg)
{
	const struct graph *const g = arg;
	const struct box *const a = &g->boxes[*(const uint32_t *)left];
	const struct box *const b = &g->boxes[*(const uint32_t *)right];

	if (a->cumulative != b->cumulative)
		return a->cumulative < b->cumulative ? 1 : -1;
	if (a->self != b->self)
		return a->self < b->self ? 1 : -1;
	return (a->frame > b->frame) - (a->frame < b->frame);
}

static bool choose_boxes(struct graph *g, char *error)
{
	const int64_t least = g->tree->totals[g->metric] / NODE_PART;
	uint32_t *const order =
		malloc(((size_t)g->box_count + 1) * sizeof(*order));
	uint32_t count = 0;

	if (order == NULL)
		return export_no_memory(error);
	for (uint32_t i = 0; i < g->box_count; i++)
		if (g->boxes[i].cumulative > 0 &&
		    g->boxes[i].cumulative >= least)
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_boxes, g);
	for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
		g->boxes[order[i]].drawn = i;
		g->drawn[g->drawn_count++] = order[i];
	}
	free(order);
	return true;
}

static void add_edges(struct graph *g, uint32_t node, int64_t value)
{
	uint32_t callee = NOT_DRAWN, between = 0;
	const uint32_t count = export_path(g->tree, node, g->path);

	for (uint32_t i = 0; i < count; i++) {
		const uint32_t caller = g->boxes[g->box_of[g->path[i]]].drawn;
		struct edge *e;

		if (caller == NOT_DRAWN) {
			between++;
			continue;
		}
		if (callee != NOT_DRAWN) {
			e = &g->edges[caller * NODES_MAX + callee];
			if (e->seen != node + 1)
				e->value += value;
			e->seen = node + 1;
			e->dashed = e->dashed || between != 0;
		}
		callee = caller;
		between = 0;
	}
}

/* ---- writing */

/* In quotes; GraphViz knows backslashes and HTML's names of characters. */
static void write_escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '&')
			fputs("&amp;", out);
		else if (c < ' ')
			fprintf(out, "\\\\x%02x", c);
		else
			putc(c, out);
	}
}

static void write_value(const struct graph *g, FILE *out, int64_t value)
{
	char text[REPORT_BYTES_MAX];

	if (g->metric == EXPORT_INUSE_OBJECTS ||
	    g->metric == EXPORT_ALLOC_OBJECTS) {
		fprintf(out, "%" PRId64, value);
		return;
	}
	report_text_bytes(text, (uint64_t)value, true);
	fputs(text, out);
}

static double part(const struct graph *g, int64_t value)
{
	const int64_t total = g->tree->totals[g->metric];

	return total > 0 ? (double)value / (double)total : 0;
}

/* From grey to red, as hue, saturation and value. */
static void write_colour(FILE *out, double part_of_all, double value)
{
	fprintf(out, "\"0.000 %.3f %.3f\"", part_of_all, value);
}

static void write_box(const struct graph *g, FILE *out, uint32_t number)
{
	const struct box *const b = &g->boxes[g->drawn[number]];
	const struct export_frame *const f = &g->tree->frames[b->frame];
	const double self = part(g, b->self);

	fprintf(out, "  n%" PRIu32 " [label=\"", number + 1);
	write_escaped(out, f->function);
	if (f->named && f->file != NULL && f->first_line > 0) {
		fputs("\\n", out);
		write_escaped(out, f->file);
		fprintf(out, ":%" PRId64, f->first_line);
	}
	fputs("\\n", out);
	write_value(g, out, b->self);
	fprintf(out, " (%.1f%%)", 100 * self);
	if (b->cumulative != b->self) {
		fputs("\\nof ", out);
		write_value(g, out, b->cumulative);
		fprintf(out, " (%.1f%%)", 100 * part(g, b->cumulative));
	}
	fprintf(out, "\" fontsize=%.0f fillcolor=", 10 + 14 * self);
	write_colour(out, 0.45 * part(g, b->cumulative), 0.97);
	fputs("]\n", out);
}

static void write_edge(const struct graph *g, FILE *out, uint32_t caller,
		       uint32_t callee)
{
	const struct edge *const e = &g->edges[caller * NODES_MAX + callee];
	const double heavy = part(g, e->value);

	fprintf(out, "  n%" PRIu32 " -> n%" PRIu32 " [label=\" ", caller + 1,
		callee + 1);
	write_value(g, out, e->value);
	fprintf(out,
		"\" weight=%d penwidth=%.1f color=", 1 + (int)(100 * heavy),
		1 + 6 * heavy);
	write_colour(out, heavy, 0.70);
	fputs(e->dashed ? " style=dashed]\n" : "]\n", out);
}

static void write_graph(const struct graph *g, FILE *out)
{
	const int64_t least = g->tree->totals[g->metric] / EDGE_PART;

	fputs("digraph memparse {\n  label=\"", out);
	write_escaped(out, g->tree->title);
	fprintf(out, ": %s, ", export_metric_name(g->metric));
	write_value(g, out, g->tree->totals[g->metric]);
	fprintf(out,
		" in all; %" PRIu32 " of %" PRIu32 " functions\"\n"
		"  labelloc=t\n  fontname=\"sans-serif\"\n"
		"  node [shape=box style=filled fontname=\"sans-serif\"]\n"
		"  edge [fontname=\"sans-serif\" fontsize=9]\n",
		g->drawn_count, g->box_count);
	for (uint32_t i = 0; i < g->drawn_count; i++)
		write_box(g, out, i);
	for (uint32_t i = 0; i < NODES_MAX * NODES_MAX; i++)
		if (g->edges[i].value > 0 && g->edges[i].value >= least)
			write_edge(g, out, i / NODES_MAX, i % NODES_MAX);
	fputs("}\n", out);
}

bool export_dot(const struct export_tree *t, enum export_metric metric,
		FILE *out, char *error)
{
	struct graph *const g = calloc(1, sizeof(*g));
	bool ok;

	if (g == NULL)
		return export_no_memory(error);
	g->tree = t;
	g->metric = metric;
	ok = make_boxes(g, error);
	for (uint32_t i = 0; ok && i < t->node_count; i++)
		if (t->nodes[i].values[metric] != 0)
			add_stack(g, i, t->nodes[i].values[metric]);
	ok = ok && choose_boxes(g, error);
	for (uint32_t i = 0; ok && i < t->node_count; i++)
		if (t->nodes[i].values[metric] != 0)
			add_edges(g, i, t->nodes[i].values[metric]);
	if (ok)
		write_graph(g, out);
	free(g->box_of);
	free(g->boxes);
	free(g->path);
	free(g);
	return ok;
}
