/*
 * export_collapsed.c - a line for each stack, as flamegraph.pl reads it.
 */
#include "export_tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A longer name is written without its middle: it is there once a stack. */
#define NAME_MAX_BYTES 1024
#define ELLIPSIS       "…"

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/* What separates frames or lines is written as reports write such bytes. */
static void write_bytes(FILE *out, const char *name, size_t size)
{
	for (const char *const end = name + size; name < end; name++) {
		const unsigned char c = (unsigned char)*name;

		if (c == ';' || c < ' ')
			fprintf(out, "\\x%02x", c);
		else
			putc(c, out);
	}
}

static void write_name(FILE *out, const char *name)
{
	const size_t size = strlen(name);
	size_t head = NAME_MAX_BYTES / 2, tail = size - NAME_MAX_BYTES / 2;

	if (size <= NAME_MAX_BYTES) {
		write_bytes(out, name, size);
		return;
	}
	while (is_continuation(name[head]))
		head--;
	while (is_continuation(name[tail]))
		tail++;
	write_bytes(out, name, head);
	fputs(ELLIPSIS, out);
	write_bytes(out, name + tail, size - tail);
}

bool export_collapsed(const struct export_tree *t, enum export_metric metric,
		      FILE *out, char *error)
{
	uint32_t *const path = malloc(((size_t)t->depth + 1) * sizeof(*path));

	if (path == NULL)
		return export_no_memory(error);
	for (uint32_t i = 0; i < t->node_count && !ferror(out); i++) {
		const int64_t value = t->nodes[i].values[metric];
		uint32_t count;

		if (value == 0)
			continue;
		count = export_path(t, i, path);
		while (count-- != 0) {
			write_name(out, t->frames[path[count]].name);
			putc(count != 0 ? ';' : ' ', out);
		}
		fprintf(out, "%" PRId64 "\n", value);
	}
	free(path);
	return true;
}
