/*
 * texts.h - what a recording's strings and prototypes are, by their numbers.
 *
 * Definitions write them and forget them; whoever wants to read them in the
 * same process has them kept here. Memory from malloc.
 */
#ifndef LJMEMPROF_TEXTS_H
#define LJMEMPROF_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct texts {
	char **strings; /* by number */
	uint32_t string_room;
	uint32_t *chunks; /* of prototypes by number: their names' strings */
	uint32_t chunk_room;
};

void texts_free(struct texts *t);

/*
 * These are told each number once. They copy; and return false without
 * memory, or when the number is 0 or beyond LJM_NUMBER_MAX.
 */
bool texts_string(struct texts *t, uint32_t number, const char *text, size_t n);
bool texts_proto(struct texts *t, uint32_t number, uint32_t chunk);

/* The string; "" when it is not there. Owned by t. */
const char *texts_get(const struct texts *t, uint32_t number);

/* The string's number that is the prototype's chunk name; 0: not there. */
uint32_t texts_chunk(const struct texts *t, uint32_t proto);

#endif
