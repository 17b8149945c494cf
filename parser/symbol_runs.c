/*
 * symbol_runs.c - keeping runs of C symbols, and finding them again.
 */
#include "symbol_runs.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES (64u << 10)

void symbol_runs_clear(struct symbol_runs *r)
{
	free(r->bytes);
	memset(r, 0, sizeof(*r));
}

/* Forgets all runs but the one that is being taken. */
static void forget(struct symbol_runs *r)
{
	if (r->taken != 0)
		memmove(r->bytes, r->bytes + r->size - r->taken, r->taken);
	r->size = r->taken;
	r->count = r->next = 0;
}

static void keep_up(struct symbol_runs *r, uint64_t epoch)
{
	if (r->epoch != epoch)
		forget(r);
	r->epoch = epoch;
}

size_t symbol_runs_find(struct symbol_runs *r, uint64_t epoch,
			const uint8_t *bytes, size_t size, size_t *matched)
{
	size_t from = *matched;

	*matched = 0;
	keep_up(r, epoch);
	if (size == 0)
		return 0;
	/* They come in the same order as before. */
	for (unsigned i = 0; i < r->count; i++, from = 0) {
		const unsigned at = (r->next + i) % r->count;
		const struct symbol_run run = r->list[at];
		const size_t common = size < run.size ? size : run.size;

		if (memcmp(bytes + from, r->bytes + run.at + from,
			   common - from) != 0)
			continue;
		if (common < run.size) {
			*matched = common;
			r->next = at;
			return 0;
		}
		r->next = at + 1;
		return run.size;
	}
	return 0;
}

/* Makes room for so many bytes more. */
static bool reserve(struct symbol_runs *r, size_t size)
{
	size_t capacity = r->capacity != 0 ? r->capacity : FIRST_BYTES;
	uint8_t *larger;

	if (size > SYMBOL_RUNS_BYTES - r->size)
		forget(r);
	if (size > SYMBOL_RUNS_BYTES - r->size)
		return false;
	while (capacity < r->size + size)
		capacity *= 2;
	if (capacity == r->capacity)
		return true;
	larger = realloc(r->bytes, capacity);
	if (larger == NULL)
		return false;
	r->bytes = larger;
	r->capacity = (uint32_t)capacity;
	return true;
}

/* Keeps nothing of the run that is being taken. */
static void keep_nothing(struct symbol_runs *r)
{
	r->size -= r->taken;
	r->taken = 0;
}

void symbol_runs_take(struct symbol_runs *r, const uint8_t *bytes, size_t size)
{
	if (r->begun && r->taken == 0)
		return;
	r->begun = true;
	if (!reserve(r, size)) {
		keep_nothing(r);
		return;
	}
	memcpy(r->bytes + r->size, bytes, size);
	r->size += (uint32_t)size;
	r->taken += (uint32_t)size;
}

void symbol_runs_end(struct symbol_runs *r, uint64_t epoch)
{
	if (r->taken < SYMBOL_RUN_LEAST) {
		symbol_runs_drop(r);
		return;
	}
	r->begun = false;
	keep_up(r, epoch);
	if (r->count == SYMBOL_RUNS)
		forget(r);
	r->list[r->count++] = (struct symbol_run){r->size - r->taken, r->taken};
	r->next = r->count;
	r->taken = 0;
}

void symbol_runs_drop(struct symbol_runs *r)
{
	keep_nothing(r);
	r->begun = false;
}
