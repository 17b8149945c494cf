/*
 * labels.c - how sites print, and in which order they do.
 */
#define _GNU_SOURCE /* qsort_r */
#include "labels.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define NO_LABEL    UINT32_MAX
#define FIRST_SLOTS 64u

/* Prints that agree in so many bytes are sorted by the ranks of their names. */
#define COMPARE_MAX 4096u

struct label_name {
	const char *text;  /* as the model has it; tells names apart, with: */
	uint32_t alias;	   /* a C symbol may have the text of such a chunk */
	uint32_t rank;	   /* in the order of prints; equal for equal ones */
	const char *print; /* text itself, or malloc'ed */
	size_t size;	   /* of print */
};

/* The longest of what stands around a name. */
#define AROUND_MAX                                                             \
	sizeof("TRACE [18446744073709551615] started at :0x"                   \
	       "ffffffffffffffff")

/* How a site prints: its name between the two parts of around. */
struct label {
	const char *name;
	size_t size, before; /* bytes of the name, and of around before it */
	uint32_t rank;
	char around[AROUND_MAX];
};

/* ---- names */

/* A Lua line is called by its chunk's name, and ":0". */
char *labels_print_name(const struct model_name *name, size_t *size)
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

static uint32_t *find_slot(const struct labels *l, const char *text,
			   uint32_t alias)
{
	uint64_t at = hash_u64((uintptr_t)text, hash_seed()) >> 32;

	for (;; at++) {
		uint32_t *const slot = &l->slots[at & (l->slot_cap - 1)];
		const struct label_name *const n = &l->names[*slot - 1];

		if (*slot == 0 || (n->text == text && n->alias == alias))
			return slot;
	}
}

/* Room for one more name, half of the slots at least being free. */
static bool grow(struct labels *l)
{
	const uint32_t cap = l->cap != 0 ? l->cap * 2 : FIRST_SLOTS / 2;
	struct label_name *const names =
		realloc(l->names, cap * sizeof(*names));
	uint32_t *slots;

	if (names == NULL)
		return false;
	l->names = names;
	slots = calloc(2 * (size_t)cap, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(l->slots);
	l->slots = slots;
	l->slot_cap = 2 * cap;
	l->cap = cap;
	for (uint32_t i = 0; i < l->count; i++)
		*find_slot(l, names[i].text, names[i].alias) = i + 1;
	return true;
}

static bool make_name(struct label_name *n, const struct model_name *name)
{
	size_t size;
	char *const print = labels_print_name(name, &size);

	if (print == NULL)
		return false;
	*n = (struct label_name){name->text, name->alias, 0, print, size};
	if (size == name->size && memcmp(print, name->text, size) == 0) {
		n->print = name->text;
		free(print);
	}
	return true;
}

/* The index of a name, NO_LABEL without memory. */
static uint32_t add_name(struct labels *l, const struct model_name *name)
{
	uint32_t *slot;

	if (l->count == l->cap && !grow(l))
		return NO_LABEL;
	slot = find_slot(l, name->text, name->alias);
	if (*slot != 0)
		return *slot - 1;
	if (!make_name(&l->names[l->count], name))
		return NO_LABEL;
	*slot = ++l->count;
	return *slot - 1;
}

static int compare_names(const void *left, const void *right, void *arg)
{
	const struct labels *const l = arg;
	const struct label_name *const a = &l->names[*(const uint32_t *)left];
	const struct label_name *const b = &l->names[*(const uint32_t *)right];
	const int order = memcmp(a->print, b->print,
				 a->size < b->size ? a->size : b->size);

	return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static bool rank_names(struct labels *l)
{
	uint32_t *const order = malloc((l->count + 1) * sizeof(*order));

	if (order == NULL)
		return false;
	for (uint32_t i = 0; i < l->count; i++)
		order[i] = i;
	qsort_r(order, l->count, sizeof(*order), compare_names, l);
	for (uint32_t i = 0; i < l->count; i++)
		l->names[order[i]].rank =
			i != 0 && compare_names(&order[i - 1], &order[i], l) ==
						0
				? l->names[order[i - 1]].rank
				: i;
	free(order);
	return true;
}

/* Notes the name of each site. */
static bool list_names(struct labels *l, uint32_t sites)
{
	l->of_site = malloc((sites + (size_t)1) * sizeof(*l->of_site));
	if (l->of_site == NULL)
		return false;
	for (uint32_t i = 0; i < sites; i++) {
		const struct model_site site = model_site_place(l->model, i);

		l->of_site[i] = NO_LABEL;
		if (!has_name(&site))
			continue;
		l->of_site[i] = add_name(l, &site.name);
		if (l->of_site[i] == NO_LABEL)
			return false;
	}
	return true;
}

void labels_clear(struct labels *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->names[i].print != l->names[i].text)
			free((char *)l->names[i].print);
	free(l->names);
	free(l->slots);
	free(l->of_site);
	free(l->ranks);
	memset(l, 0, sizeof(*l));
}

/* ---- whole prints */

static void make_label(const struct labels *l, uint32_t index,
		       const struct model_site *site, struct label *label)
{
	struct model_site bare = *site;
	const char *colon;

	label->name = "";
	label->size = label->rank = 0;
	if (l->of_site[index] != NO_LABEL) {
		const struct label_name *const n = &l->names[l->of_site[index]];

		label->name = n->print;
		label->size = n->size;
		label->rank = n->rank;
	}
	bare.name = (struct model_name){"", 0, 0};
	model_site_print(&bare, label->around, sizeof(label->around));
	colon = strrchr(label->around, ':');
	label->before = colon != NULL ? (size_t)(colon - label->around)
				      : strlen(label->around);
}

/* The bytes of a label from a place on that are in one piece; *size: them. */
static const char *piece(const struct label *label, size_t at, size_t *size)
{
	const char *rest;

	if (at < label->before) {
		*size = label->before - at;
		return label->around + at;
	}
	at -= label->before;
	if (at < label->size) {
		*size = label->size - at;
		return label->name + at;
	}
	rest = label->around + label->before + (at - label->size);
	*size = strlen(rest);
	return rest;
}

static int compare_labels(const struct label *a, const struct label *b)
{
	size_t at = 0;

	while (at < COMPARE_MAX) {
		size_t size, other;
		const char *const p = piece(a, at, &size);
		const char *const q = piece(b, at, &other);
		int order;

		/* A name may be empty, but not what is around it: an end. */
		if (size == 0 || other == 0)
			return (size != 0) - (other != 0);
		size = size < other ? size : other;
		size = size < COMPARE_MAX - at ? size : COMPARE_MAX - at;
		order = memcmp(p, q, size);
		if (order != 0)
			return order;
		at += size;
	}
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return strcmp(a->around, b->around);
}

/* Two numbers as texts: the shorter one gets zeros, for a moment. */
static int compare_decimals(uint64_t a, uint64_t b)
{
	unsigned char x[20], y[20];
	size_t i = sizeof(x), j = sizeof(y), size;
	int order;

	do
		x[--i] = (unsigned char)(a % 10);
	while ((a /= 10) != 0);
	do
		y[--j] = (unsigned char)(b % 10);
	while ((b /= 10) != 0);
	size = sizeof(x) - (i > j ? i : j);
	order = memcmp(x + i, y + j, size);
	return order != 0 ? order : (j > i) - (i > j);
}

int labels_compare(const struct labels *l, uint32_t site, uint32_t other)
{
	struct model_site a, b;
	struct label x, y;

	if (l->ranks != NULL)
		return (l->ranks[site] > l->ranks[other]) -
		       (l->ranks[site] < l->ranks[other]);
	a = model_site_place(l->model, site);
	b = model_site_place(l->model, other);
	/* What most streams have most of. */
	if (a.kind == MODEL_SITE_LUA && b.kind == MODEL_SITE_LUA &&
	    l->of_site[site] == l->of_site[other])
		return compare_decimals(a.line, b.line);
	make_label(l, site, &a, &x);
	make_label(l, other, &b, &y);
	return compare_labels(&x, &y);
}

static int compare_sites(const void *left, const void *right, void *labels)
{
	return labels_compare(labels, *(const uint32_t *)left,
			      *(const uint32_t *)right);
}

static bool rank_sites(struct labels *l, uint32_t sites)
{
	uint32_t *const order = malloc((sites + (size_t)1) * sizeof(*order));
	uint32_t *const ranks = malloc((sites + (size_t)1) * sizeof(*ranks));

	if (order == NULL || ranks == NULL) {
		free(order);
		free(ranks);
		return false;
	}
	for (uint32_t i = 0; i < sites; i++)
		order[i] = i;
	qsort_r(order, sites, sizeof(*order), compare_sites, l);
	for (uint32_t i = 0; i < sites; i++)
		ranks[order[i]] =
			i != 0 && labels_compare(l, order[i - 1], order[i]) == 0
				? ranks[order[i - 1]]
				: i;
	free(order);
	l->ranks = ranks;
	return true;
}

bool labels_init(struct labels *l, const struct model *m, bool ranked)
{
	const uint32_t sites = (uint32_t)model_site_count(m);

	memset(l, 0, sizeof(*l));
	l->model = m;
	return list_names(l, sites) && rank_names(l) &&
	       (!ranked || rank_sites(l, sites));
}

void labels_write(const struct labels *l, uint32_t site, FILE *out)
{
	const struct model_site place = model_site_place(l->model, site);
	struct label label;

	make_label(l, site, &place, &label);
	fwrite(label.around, 1, label.before, out);
	fwrite(label.name, 1, label.size, out);
	fputs(label.around + label.before, out);
}
