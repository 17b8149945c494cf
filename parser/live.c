/*
 * live.c - growth of and removal from the table of live blocks.
 */
#define _GNU_SOURCE /* mremap */
#include "live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "huge.h"

/* A small table grows fast and stays roomy: it is in the cache anyway. */
#define FIRST_CAP  256u
#define SMALL_CAP  65536u
#define SMALL_LOAD 2 /* one in so many slots is used */

/* As many lines as 32 bits of a hash can tell apart. */
#define CAP_MAX ((size_t)LIVE_LINE << 32)

/* What a table without memory points to: one free slot, never filled. */
static struct live_entry no_entries[LIVE_LINE];

/* ---- memory: zeroed, and it grows with what is in it */

/*
 * From MAPPED_SIZE on memory is mapped, so that to grow moves pages only, and
 * each is zeroed once. Where the system has huge pages it may use them: a
 * look-up then needs no walk through page tables, which costs as much as the
 * block's own line of the cache.
 */
#define LINE_SIZE   (LIVE_LINE * sizeof(struct live_entry))
#define MAPPED_SIZE HUGE_SIZE

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

/* Maps more than is wanted and returns what makes it begin at an odd place. */
static char *map_huge(size_t size)
{
	char *const p =
		mmap(NULL, size + HUGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = round_up((uintptr_t)p, HUGE_SIZE) - (uintptr_t)p;
	if (before != 0)
		munmap(p, before);
	munmap(p + before + size, HUGE_SIZE - before);
	return p + before;
}

/* All of what is new is about to be written, reading first: two faults. */
static void populate(char *p, size_t old_size, size_t size)
{
#ifdef MADV_HUGEPAGE
	madvise(p, size, MADV_HUGEPAGE);
#endif
#ifdef MADV_POPULATE_WRITE
	madvise(p + old_size, size - old_size, MADV_POPULATE_WRITE);
#else
	(void)old_size;
#endif
}

static void *grow_mapped(void *old, size_t old_size, size_t size)
{
	char *const p = map_huge(size);

	if (p == NULL)
		return NULL;
	if (old_size >= MAPPED_SIZE) {
		/* Onto it: one mapping, and huge pages are moved whole. */
		if (mremap(old, old_size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			   p) == MAP_FAILED) {
			munmap(p, size);
			return NULL;
		}
		populate(p, old_size, size);
		return p;
	}
	populate(p, 0, size);
	if (old_size != 0)
		memcpy(p, old, old_size);
	free(old);
	return p;
}

/* What was in it stays, zeros follow. NULL without memory: it is as it was. */
static void *grow_memory(void *old, size_t old_size, size_t size)
{
	char *p;

	if (size >= MAPPED_SIZE)
		return grow_mapped(old, old_size, size);
	p = aligned_alloc(LINE_SIZE, size);
	if (p == NULL)
		return NULL;
	if (old_size != 0)
		memcpy(p, old, old_size);
	memset(p + old_size, 0, size - old_size);
	free(old);
	return p;
}

static void give_back(void *p, size_t size)
{
	if (size >= MAPPED_SIZE)
		munmap(p, size);
	else
		free(p);
}

/* ---- the table */

void live_init(struct live *l, bool with_history)
{
	memset(l, 0, sizeof(*l));
	l->seed = hash_seed();
	l->with_history = with_history;
	l->entries = no_entries;
	l->cap = LIVE_LINE;
}

void live_clear(struct live *l)
{
	if (l->entries != no_entries)
		give_back(l->entries, l->cap * sizeof(*l->entries));
	give_back(l->history, l->history_cap * sizeof(*l->history));
	free(l->bigs);
	live_init(l, l->with_history);
}

/* Entries that have to wait until all others are where they belong. */
#define WAITING 256u

struct waiting {
	struct live_entry *entries; /* these, or malloc'ed ones */
	struct live_history *history;
	size_t count, cap;
	struct live_entry few[WAITING];
	struct live_history few_history[WAITING];
};

static void waiting_init(struct waiting *w)
{
	w->entries = w->few;
	w->history = w->few_history;
	w->count = 0;
	w->cap = WAITING;
}

static void waiting_clear(struct waiting *w)
{
	if (w->entries != w->few) {
		free(w->entries);
		free(w->history);
	}
}

static bool waiting_grow(struct waiting *w)
{
	const size_t cap = w->cap * 2;
	struct live_entry *const entries = malloc(cap * sizeof(*entries));
	struct live_history *const history = malloc(cap * sizeof(*history));

	if (entries == NULL || history == NULL) {
		free(entries);
		free(history);
		return false;
	}
	memcpy(entries, w->entries, w->count * sizeof(*entries));
	memcpy(history, w->history, w->count * sizeof(*history));
	waiting_clear(w);
	w->entries = entries;
	w->history = history;
	w->cap = cap;
	return true;
}

/* Puts an entry into the first free slot from a line on; false: none. */
static bool place(struct live *l, size_t line, const struct live_entry *e,
		  const struct live_history *h)
{
	for (; line != l->cap; line += LIVE_LINE) {
		const unsigned bits = live_look(&l->entries[line], 0);
		size_t at;

		if (bits == 0)
			continue;
		at = line + live_slot(bits);
		l->entries[at] = *e;
		if (l->with_history)
			l->history[at] = *h;
		return true;
	}
	return false;
}

/*
 * Puts an entry where a search does not find it: without memory to have it
 * wait, what is in the table must still be handed out.
 */
static void misplace(struct live *l, const struct live_entry *e,
		     const struct live_history *h)
{
	l->broken = true;
	l->limit = 0;
	place(l, 0, e, h);
}

/* Takes out what is in a line, and puts it where it belongs now. */
static void spread_line(struct live *l, size_t line, struct waiting *w)
{
	struct live_entry entries[LIVE_LINE];
	struct live_history history[LIVE_LINE] = {{0}};

	memcpy(entries, &l->entries[line], sizeof(entries));
	memset(&l->entries[line], 0, sizeof(entries));
	if (l->with_history)
		memcpy(history, &l->history[line], sizeof(history));
	for (unsigned i = 0; i < LIVE_LINE; i++) {
		const struct live_entry *const e = &entries[i];
		const size_t home = live_home(live_hash(l, e->address), l->cap);

		if (e->address == 0 ||
		    (home >= line && place(l, home, e, &history[i])))
			continue;
		if (w->count == w->cap && !waiting_grow(w)) {
			misplace(l, e, &history[i]);
			continue;
		}
		w->entries[w->count] = *e;
		w->history[w->count++] = history[i];
	}
}

/*
 * Sees to it that all entries, of old_cap slots, can be found. Homes keep
 * their order and move up; so the last line comes first, and entries go where
 * all lines are done. Those that belong before their line, as happens near the
 * beginning, or behind the last one, wait: few, with a hash that nobody can
 * foresee. False without memory for many: then the table is broken.
 */
static bool spread(struct live *l, size_t old_cap)
{
	struct waiting w;

	waiting_init(&w);
	for (size_t line = old_cap; line != 0; line -= LIVE_LINE)
		spread_line(l, line - LIVE_LINE, &w);
	for (size_t i = 0; i < w.count; i++) {
		const struct live_entry *const e = &w.entries[i];
		const size_t home = live_home(live_hash(l, e->address), l->cap);

		if (!place(l, home, e, &w.history[i]))
			place(l, 0, e, &w.history[i]);
	}
	waiting_clear(&w);
	return !l->broken;
}

/* The next size: half as much again, but whole huge pages if it is mapped. */
static size_t larger_cap(size_t cap)
{
	const size_t unit = HUGE_SIZE / sizeof(struct live_entry);
	const size_t next = (cap + cap / 2) & ~(unit - 1);

	if (cap == LIVE_LINE)
		return FIRST_CAP;
	if (cap < SMALL_CAP)
		return cap * 4;
	return next > cap ? next : round_up(cap + 1, unit);
}

/*
 * The blocks that a table holds before it grows. Just grown it has room for
 * half as many again: 39 bytes a block, or 64 with history.
 */
static size_t limit_of(const struct live *l)
{
	if (l->cap <= SMALL_CAP)
		return l->cap / SMALL_LOAD;
	return l->with_history ? l->cap / 4 * 3 : l->cap / 8 * 5;
}

static bool grow(struct live *l)
{
	const size_t old_cap = l->entries == no_entries ? 0 : l->cap;
	const size_t cap = larger_cap(l->cap);
	void *p;

	if (cap > CAP_MAX || l->broken)
		return false;
	if (l->with_history && l->history_cap < cap) {
		p = grow_memory(l->history,
				l->history_cap * sizeof(*l->history),
				cap * sizeof(*l->history));
		if (p == NULL)
			return false;
		l->history = p;
		l->history_cap = cap;
	}
	p = grow_memory(old_cap != 0 ? l->entries : NULL,
			old_cap * sizeof(*l->entries),
			cap * sizeof(*l->entries));
	if (p == NULL)
		return false;
	l->entries = p;
	l->cap = cap;
	l->limit = limit_of(l);
	return spread(l, old_cap);
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

void live_fill_big(struct live *l, struct live_entry *e, uint64_t size)
{
	const uint32_t at = l->big_free;

	if (at == l->big_count)
		l->big_free = ++l->big_count;
	else
		l->big_free = (uint32_t)l->bigs[at];
	l->bigs[at] = size;
	e->size = at;
	e->owner |= LIVE_BIG;
}

void live_forget_size(struct live *l, const struct live_entry *e)
{
	if (!(e->owner & LIVE_BIG))
		return;
	l->bigs[e->size] = l->big_free;
	l->big_free = e->size;
}

void live_replace(struct live *l, struct live_entry *e, uint64_t size,
		  uint32_t owner)
{
	live_forget_size(l, e);
	live_fill(l, e, e->address, size, owner);
}

/* How far it is from one slot to another one behind it, round the end. */
static size_t distance(const struct live *l, size_t from, size_t to)
{
	return to >= from ? to - from : to + l->cap - from;
}

/*
 * Frees a slot of a full line. Blocks in lines behind it that belong into it,
 * or before it, must move up, as a search ends at the first line that is not
 * full: one into the hole, then others into the hole that it leaves.
 */
void live_pull_up(struct live *l, struct live_entry *hole)
{
	size_t at = (size_t)(hole - l->entries) & ~(size_t)(LIVE_LINE - 1);
	size_t line = at;
	bool full = true;

	while (full) {
		struct live_entry *moved = NULL;

		line = line + LIVE_LINE == l->cap ? 0 : line + LIVE_LINE;
		for (size_t i = line; i < line + LIVE_LINE; i++) {
			struct live_entry *const e = &l->entries[i];
			const size_t home =
				live_home(live_hash(l, e->address), l->cap);

			if (e->address == 0)
				full = false;
			else if (distance(l, home, line) >=
				 distance(l, at, line))
				moved = e;
		}
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
