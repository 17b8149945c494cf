/*
 * labels.h - how sites print, and in which order they do.
 *
 * Many sites bear the same few names, and are compared more often than they
 * are printed: each distinct name is made printable once. Memory: 4 bytes for
 * each site, 44 to 60 and its length for each distinct name. One thread.
 */
#ifndef MEMPARSE_LABELS_H
#define MEMPARSE_LABELS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "model.h"

struct label_name;

struct labels {
	const struct model *model;
	uint32_t *of_site; /* index of the name of each site, or none */
	uint32_t *ranks;   /* of the sites in their order, or NULL */
	struct label_name *names;
	uint32_t count, cap;
	uint32_t *slots; /* index + 1 of a name, 0: free */
	uint32_t slot_cap;
};

/*
 * Of all sites of a model, which has to stay as it is. False without memory;
 * labels_clear() in any case. ranked: they are to be compared again and again,
 * so are put in order once, for 4 bytes each, and 8 while that is done.
 */
bool labels_init(struct labels *l, const struct model *m, bool ranked);
void labels_clear(struct labels *l);

/*
 * The order of what model_site_print() writes, byte by byte, as far as that is
 * no longer than 4 KiB: what agrees in so many bytes is in the order of its
 * names, then of the rest. Never takes more time than that; 0 for sites that
 * print alike.
 */
int labels_compare(const struct labels *l, uint32_t site, uint32_t other);

/* Writes what model_site_print() would. */
void labels_write(const struct labels *l, uint32_t site, FILE *out);

/*
 * Makes a name printable, as model_site_print() does. The caller frees it;
 * NULL without memory.
 */
char *labels_print_name(const struct model_name *name, size_t *size);

#endif
