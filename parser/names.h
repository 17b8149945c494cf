/*
 * names.h - names interned: each distinct text is kept once.
 *
 * Texts are bytes as the stream has them, without terminator. A text keeps its
 * address as long as the table lives, so two names are equal when their
 * addresses are. Memory: the distinct texts, and 32 bytes or so for each.
 * One thread.
 */
#ifndef MEMPARSE_NAMES_H
#define MEMPARSE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model.h"

#define NAME_NONE UINT32_MAX

struct name {
	const char *text;
	uint32_t size; /* at most LJM_NAME_MAX */
	uint32_t hash;
	uint32_t alias; /* N of function_alias_N; 0: none (yet) */
	bool chunk;	/* it has been used as a chunk's name */
};

/* Places for texts that were asked for by where they are kept. */
#define NAMES_RECENT 256u

struct names {
	uint32_t recent[NAMES_RECENT]; /* index + 1 into list, 0: free */
	struct name *list;
	uint32_t count, cap;
	uint32_t *slots; /* index + 1 into list, 0: free */
	uint32_t slot_cap;
	uint64_t seed;
	char *room; /* the rest of the newest block of texts */
	size_t room_size;
	void *blocks; /* all blocks, chained by their first word */
	struct model_name *aliases;
	uint32_t alias_count, alias_cap;
};

void names_init(struct names *n);
void names_clear(struct names *n);

/*
 * Finds or copies a text. Returns its number, NAME_NONE without memory. A text
 * of the table itself, which may be long, is mostly found without reading it.
 */
uint32_t names_intern(struct names *n, const char *text, size_t size);

/*
 * The same for the name of a chunk: one that holds a newline gets the next
 * alias when it comes for the first time.
 */
uint32_t names_intern_chunk(struct names *n, const char *text, size_t size);

static inline const struct name *names_get(const struct names *n,
					   uint32_t number)
{
	return &n->list[number];
}

static inline bool names_is(const struct names *n, uint32_t number,
			    const char *text, size_t size)
{
	const struct name *const name = names_get(n, number);

	return name->size == size &&
	       (size == 0 || memcmp(name->text, text, size) == 0);
}

#endif
