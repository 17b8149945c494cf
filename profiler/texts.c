/*
 * texts.c - what a recording's strings and prototypes are, by their numbers.
 */
#include "texts.h"

#include <stdlib.h>
#include <string.h>

#include "ljm_format.h"

#define ROOM_MIN 64

void texts_free(struct texts *t)
{
	uint32_t i;
	for (i = 0; i < t->string_room; i++)
		free(t->strings[i]);
	free(t->strings);
	free(t->chunks);
	memset(t, 0, sizeof *t);
}

/* array with room for the number, its new elements 0; NULL: no memory. */
static void *make_room(void *array, uint32_t *room, uint32_t number,
		       size_t size)
{
	uint32_t more = *room ? *room : ROOM_MIN;
	void *larger;
	if (number == 0 || number > LJM_NUMBER_MAX)
		return NULL;
	if (number < *room)
		return array;
	while (more <= number)
		more *= 2;
	larger = realloc(array, more * size);
	if (!larger)
		return NULL;
	memset((char *)larger + *room * size, 0, (more - *room) * size);
	*room = more;
	return larger;
}

bool texts_string(struct texts *t, uint32_t number, const char *text, size_t n)
{
	char **strings =
		make_room(t->strings, &t->string_room, number, sizeof *strings);
	char *copy;
	if (!strings)
		return false;
	t->strings = strings;
	copy = malloc(n + 1);
	if (!copy)
		return false;
	memcpy(copy, text, n);
	copy[n] = 0;
	strings[number] = copy;
	return true;
}

bool texts_proto(struct texts *t, uint32_t number, uint32_t chunk)
{
	uint32_t *chunks =
		make_room(t->chunks, &t->chunk_room, number, sizeof *chunks);
	if (!chunks)
		return false;
	t->chunks = chunks;
	chunks[number] = chunk;
	return true;
}

const char *texts_get(const struct texts *t, uint32_t number)
{
	const char *text = number < t->string_room ? t->strings[number] : NULL;
	return text ? text : "";
}

uint32_t texts_chunk(const struct texts *t, uint32_t proto)
{
	return proto < t->chunk_room ? t->chunks[proto] : 0;
}
