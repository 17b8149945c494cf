/*
 * numbered.c - lists that grow.
 */
#include "numbered.h"

#include <stdlib.h>
#include <string.h>

bool numbered_add(struct numbered *a, const void *thing, size_t size)
{
	const size_t cap = (size_t)a->cap + a->cap / 2 + 64;
	void *larger;

	if (a->count == a->cap) {
		larger = realloc(a->list, cap * size);
		if (larger == NULL)
			return false;
		a->list = larger;
		a->cap = (uint32_t)cap;
	}
	memcpy((char *)a->list + a->count++ * size, thing, size);
	return true;
}

void numbered_clear(struct numbered *a)
{
	free(a->list);
	memset(a, 0, sizeof(*a));
}
