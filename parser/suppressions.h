/*
 * suppressions.h - leaks that are known, in LeakSanitizer's form.
 *
 * A line is "leak:" and a pattern, in which * is any text; it may match
 * anywhere in a name unless ^ ties it to the begin or $ to the end. Empty
 * lines and those that begin with # are remarks.
 */
#ifndef MEMPARSE_SUPPRESSIONS_H
#define MEMPARSE_SUPPRESSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct suppression {
	char *pattern; /* as written, a terminated part of the text */
	unsigned line; /* in the file, from 1 */
	/* What it matched, counted by the user of this header. */
	uint64_t blocks, bytes;
};

/* Zeroed memory is none. */
struct suppressions {
	char *text; /* malloc'ed, holds the patterns */
	struct suppression *list;
	unsigned count;
	char error[256]; /* of suppressions_read(), one line */
};

enum suppressions_result {
	SUPPRESSIONS_OK,
	SUPPRESSIONS_WRONG,  /* not such a file */
	SUPPRESSIONS_SYSTEM, /* it cannot be read, or no memory */
};

/* Files of more bytes are refused. */
#define SUPPRESSIONS_MAX (1u << 20)

/* Reads a file. On failure s->error says why. suppressions_clear() always. */
enum suppressions_result suppressions_read(struct suppressions *s,
					   const char *path);
void suppressions_clear(struct suppressions *s);

/*
 * The number from 1 of the first one that matches a name, 0 if none does.
 * Takes time in proportion to the name, for each suppression.
 */
unsigned suppressions_find(const struct suppressions *s, const char *name);

#endif
