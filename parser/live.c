/*
 * live.c - the table of live blocks: what both of its forms share.
 */
#include "live.h"

#include <stdlib.h>
#include <string.h>

#include "live_private.h"

const struct live_history live_unknown;

/* What a table without memory points to: one free line, never filled. */
static struct live_entry no_entries[LIVE_LINE];

void live_init(struct live *l, bool with_history)
{
	memset(l, 0, sizeof(*l));
	l->seed = hash_seed();
	l->with_history = with_history;
	l->entries = no_entries;
	l->cap = 1;
}

static void free_table(struct live *l)
{
	if (live_is_large(l))
		live_large_free(l);
	else if (l->entries != no_entries)
		live_small_free(l);
}

void live_clear(struct live *l)
{
	free_table(l);
	free(l->bigs);
	live_init(l, l->with_history);
}

/* ---- growth */

static struct live_entry *put(struct live *l, const struct live_entry *e,
			      uint64_t hash, const struct live_history *h)
{
	return live_is_large(l) ? live_large_put(l, e, hash, h)
				: live_small_put(l, e, hash, h);
}

/* The empty table that comes after a small one; larger begins as a copy. */
static bool make_larger(const struct live *l, struct live *larger)
{
	if (l->entries == no_entries)
		return live_small_make(larger, LIVE_SMALL_FIRST);
	if (l->cap < LIVE_SMALL_LAST)
		return live_small_make(larger, l->cap * LIVE_SMALL_FASTER);
	return live_large_make(larger);
}

/* Moves what is in a small table there. */
static bool grow_small(struct live *l)
{
	struct live larger = *l;
	const struct live_entry *e;
	size_t place = 0;

	if (!make_larger(l, &larger))
		return false;
	while ((e = live_next(l, &place)) != NULL)
		put(&larger, e, live_hash(l, e->address),
		    l->with_history ? live_history_of(l, e) : &live_unknown);
	free_table(l);
	*l = larger;
	return true;
}

static bool grow(struct live *l)
{
	if (l->broken)
		return false;
	return live_is_large(l) ? live_large_grow(l) : grow_small(l);
}

static bool grow_bigs(struct live *l)
{
	const uint64_t cap = (uint64_t)l->big_cap + l->big_cap / 2 + 16;
	uint64_t *larger;

	if (cap > UINT32_MAX)
		return false;
	larger = realloc(l->bigs, cap * sizeof(*larger));
	if (larger == NULL)
		return false;
	l->bigs = larger;
	l->big_cap = (uint32_t)cap;
	return true;
}

bool live_reserve(struct live *l, uint64_t size)
{
	if (l->count >= l->limit && !grow(l))
		return false;
	return size < LIVE_SIZE_BIG || l->big_free != l->big_count ||
	       l->big_count < l->big_cap || grow_bigs(l);
}

/* ---- sizes */

/* Writes an entry's size; its old one, if any, has been forgotten. */
static void set_size(struct live *l, struct live_entry *e, uint64_t size)
{
	const uint32_t at = l->big_free;

	if (size < LIVE_SIZE_BIG) {
		e->size = (uint32_t)size;
		return;
	}
	if (at == l->big_count)
		l->big_free = ++l->big_count;
	else
		l->big_free = (uint32_t)l->bigs[at];
	l->bigs[at] = size;
	e->size = at;
	e->owner |= LIVE_BIG;
}

static void forget_size(struct live *l, const struct live_entry *e)
{
	if (!(e->owner & LIVE_BIG))
		return;
	l->bigs[e->size] = l->big_free;
	l->big_free = e->size;
}

/* ---- blocks */

struct live_entry *live_find(const struct live *l, uint64_t address,
			     uint64_t hash)
{
	return live_is_large(l) ? live_large_find(l, address, hash)
				: live_small_find(l, address, hash);
}

struct live_entry *live_insert(struct live *l, uint64_t address, uint64_t hash,
			       uint64_t size, uint32_t owner)
{
	struct live_entry e = {.address = address, .owner = owner};

	set_size(l, &e, size);
	l->count++;
	return put(l, &e, hash, &live_unknown);
}

void live_replace(struct live *l, struct live_entry *e, uint64_t size,
		  uint32_t owner)
{
	forget_size(l, e);
	e->owner = owner;
	set_size(l, e, size);
}

void live_remove(struct live *l, struct live_entry *e)
{
	forget_size(l, e);
	l->count--;
	if (live_is_large(l))
		live_large_take(l, e);
	else
		live_small_take(l, e);
}

static bool is_used(const struct live *l, size_t slot)
{
	if (!live_is_large(l))
		return l->entries[slot].address != 0;
	return l->heads[slot / LIVE_GROUP].tags[slot % LIVE_GROUP] != 0;
}

struct live_entry *live_next(const struct live *l, size_t *place)
{
	const size_t end = l->cap * (live_is_large(l) ? LIVE_GROUP : LIVE_LINE);

	while (*place < end)
		if (is_used(l, (*place)++))
			return &l->entries[*place - 1];
	return NULL;
}
