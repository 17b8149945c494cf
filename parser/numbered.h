/*
 * numbered.h - a list of things of one size, that grows by half. One thread.
 */
#ifndef MEMPARSE_NUMBERED_H
#define MEMPARSE_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory is an empty list. */
struct numbered {
	void *list;
	uint32_t count, cap;
};

/* Copies a thing of that size to the end. False without memory. */
bool numbered_add(struct numbered *a, const void *thing, size_t size);
void numbered_clear(struct numbered *a);

#endif
