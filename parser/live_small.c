/*
 * live_small.c - the small form of the table of live blocks.
 */
#include <stdlib.h>
#include <string.h>

#include "live_private.h"

/* One slot in so many is used. */
#define LOAD 2

bool live_small_make(struct live *l, size_t cap)
{
	const size_t slots = cap * LIVE_LINE;

	l->heads = NULL;
	l->history = NULL;
	l->entries =
		aligned_alloc(LIVE_CACHE_LINE, slots * sizeof(*l->entries));
	if (l->entries == NULL)
		return false;
	memset(l->entries, 0, slots * sizeof(*l->entries));
	if (l->with_history) {
		l->history = malloc(slots * sizeof(*l->history));
		if (l->history == NULL) {
			free(l->entries);
			return false;
		}
	}
	l->cap = cap;
	l->limit = slots / LOAD;
	return true;
}

void live_small_free(struct live *l)
{
	free(l->entries);
	free(l->history);
}

static size_t next_line(const struct live *l, size_t line)
{
	return line + 1 == l->cap ? 0 : line + 1;
}

/* The block's entry, or the free slot where it would go. */
static struct live_entry *probe(const struct live *l, uint64_t address,
				uint64_t hash)
{
	size_t line = live_home(hash, l->cap);

	for (;;) {
		struct live_entry *const first = &l->entries[line * LIVE_LINE];
		const unsigned bits = live_look(first, address);

		if (bits != 0)
			return first + live_look_slot(bits);
		line = next_line(l, line);
	}
}

struct live_entry *live_small_find(const struct live *l, uint64_t address,
				   uint64_t hash)
{
	struct live_entry *const e = probe(l, address, hash);

	return e->address != 0 ? e : NULL;
}

struct live_entry *live_small_put(struct live *l, const struct live_entry *e,
				  uint64_t hash, const struct live_history *h)
{
	struct live_entry *const to = probe(l, e->address, hash);

	*to = *e;
	if (l->with_history)
		*live_history_of(l, to) = *h;
	return to;
}

/* How far it is from one line to another one behind it, round the end. */
static size_t distance(const struct live *l, size_t from, size_t to)
{
	return to >= from ? to - from : to + l->cap - from;
}

/*
 * The last block of a line that belongs into line at, or before it; NULL: none.
 */
static struct live_entry *find_early(const struct live *l, size_t line,
				     size_t at)
{
	struct live_entry *found = NULL;

	for (size_t i = 0; i < LIVE_LINE; i++) {
		struct live_entry *const e = &l->entries[line * LIVE_LINE + i];
		const size_t home = live_home(live_hash(l, e->address), l->cap);

		if (e->address != 0 &&
		    distance(l, home, line) >= distance(l, at, line))
			found = e;
	}
	return found;
}

/*
 * If its line was full, blocks in lines behind it that belong into it, or
 * before it, must move up, as a search ends at the first line that is not
 * full: one into the hole, then others into the hole that it leaves.
 */
void live_small_take(struct live *l, struct live_entry *e)
{
	struct live_entry *hole = e;
	size_t at = (size_t)(e - l->entries) / LIVE_LINE;
	size_t line = at;

	while (live_look(&l->entries[line * LIVE_LINE], 0) == 0) {
		struct live_entry *moved;

		line = next_line(l, line);
		moved = find_early(l, line, at);
		if (moved == NULL)
			continue;
		*hole = *moved;
		if (l->with_history)
			*live_history_of(l, hole) = *live_history_of(l, moved);
		hole = moved;
		at = line;
	}
	hole->address = 0;
}
