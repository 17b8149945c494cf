/*
 * live.c - growth of and removal from the table of live blocks.
 */
#include "live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "huge.h"

/* Small parts grow fast and stay roomy: they are in the cache anyway. */
#define FIRST_CAP  64u
#define SMALL_CAP  16384u
#define SMALL_LOAD 2 /* one in so many slots is used */

/*
 * Memory that goes back to the system when a part has outgrown it. Where the
 * system has huge pages it may use them: a look-up then needs no walk through
 * page tables, which costs as much as the block's own cache line. It is
 * populated at once: refill() touches all of it, reading first, which would be
 * two faults a page.
 */
#define LINE_SIZE   (LIVE_LINE * sizeof(struct live_entry))
#define MAPPED_SIZE (64u << 10)

/* What a part without memory points to: one free slot, never filled. */
static struct live_entry no_entries[LIVE_LINE];

static void *map_pages(size_t size, int flags)
{
	void *const p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Maps more than is wanted and returns what makes it begin at an odd place. */
static void *map_huge(size_t size)
{
	char *const p = map_pages(size + HUGE_SIZE, 0);
	size_t before, after;

	if (p == NULL)
		return NULL;
	before = (HUGE_SIZE - (uintptr_t)p % HUGE_SIZE) % HUGE_SIZE;
	after = HUGE_SIZE - before;
	if (before != 0)
		munmap(p, before);
	munmap(p + before + size, after);
#ifdef MADV_HUGEPAGE
	madvise(p + before, size, MADV_HUGEPAGE);
#endif
#ifdef MADV_POPULATE_WRITE
	madvise(p + before, size, MADV_POPULATE_WRITE);
#endif
	return p + before;
}

/* The size of mapped memory: whole pages. */
static size_t mapped_size(size_t size)
{
	return (size + 4095) & ~(size_t)4095;
}

static void *take_zeroed(size_t size)
{
	void *p;

	if (size < MAPPED_SIZE) {
		p = aligned_alloc(LINE_SIZE, size);
		if (p != NULL)
			memset(p, 0, size);
		return p;
	}
	return size < HUGE_SIZE ? map_pages(mapped_size(size), MAP_POPULATE)
				: map_huge(mapped_size(size));
}

static void give_back(void *p, size_t size)
{
	if (size < MAPPED_SIZE)
		free(p);
	else if (p != NULL)
		munmap(p, mapped_size(size));
}

static void drop_part(struct live_part *p)
{
	if (p->entries != no_entries)
		give_back(p->entries, p->cap * sizeof(*p->entries));
	give_back(p->history, p->cap * sizeof(*p->history));
	*p = (struct live_part){.entries = no_entries, .cap = LIVE_LINE};
}

void live_init(struct live *l, bool with_history)
{
	memset(l, 0, sizeof(*l));
	l->seed = hash_seed();
	l->with_history = with_history;
	for (unsigned i = 0; i < LIVE_PARTS; i++)
		l->parts[i] = (struct live_part){.entries = no_entries,
						 .cap = LIVE_LINE};
}

void live_clear(struct live *l)
{
	for (unsigned i = 0; i < LIVE_PARTS; i++)
		drop_part(&l->parts[i]);
	free(l->bigs);
	l->bigs = NULL;
	l->big_count = l->big_cap = l->big_free = 0;
}

/* Copies all entries; in order of home, so both sides are walked once. */
static void refill(struct live *l, struct live_part *to,
		   const struct live_part *from)
{
	for (uint32_t i = 0; i < from->cap; i++) {
		const struct live_entry *const e = &from->entries[i];
		uint32_t at;

		if (e->address == 0)
			continue;
		at = live_home(live_hash(l, e->address), to->cap);
		while (to->entries[at].address != 0)
			at = at + 1 == to->cap ? 0 : at + 1;
		to->entries[at] = *e;
		if (l->with_history)
			to->history[at] = from->history[i];
		to->count++;
	}
}

static bool grow_part(struct live *l, struct live_part *p)
{
	struct live_part larger = {0};

	if (p->entries == no_entries)
		larger.cap = FIRST_CAP;
	else if (p->cap < SMALL_CAP)
		larger.cap = p->cap * 4;
	else if (p->cap <= UINT32_MAX / 3 * 2)
		larger.cap = (p->cap + p->cap / 2) & ~(LIVE_LINE - 1);
	else
		return false;
	larger.limit = larger.cap < SMALL_CAP ? larger.cap / SMALL_LOAD
					      : larger.cap / 10 * 7;
	larger.entries = take_zeroed(larger.cap * sizeof(*larger.entries));
	if (larger.entries == NULL)
		return false;
	if (l->with_history) {
		larger.history =
			take_zeroed(larger.cap * sizeof(*larger.history));
		if (larger.history == NULL) {
			give_back(larger.entries,
				  larger.cap * sizeof(*larger.entries));
			return false;
		}
	}
	refill(l, &larger, p);
	drop_part(p);
	*p = larger;
	return true;
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

bool live_reserve(struct live *l, uint64_t hash, uint64_t size)
{
	struct live_part *const p = live_part(l, hash);

	if (p->count >= p->limit && !grow_part(l, p))
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
static uint32_t distance(const struct live_part *p, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + p->cap - from;
}

/*
 * Frees a slot of a full line. Blocks in lines behind it that belong into it,
 * or before it, must move up, as a search ends at the first line that is not
 * full: one into the hole, then others into the hole that it leaves.
 */
void live_pull_up(struct live *l, struct live_part *p, struct live_entry *hole)
{
	uint32_t at = (uint32_t)(hole - p->entries), line = at;
	bool full = true;

	for (at &= ~(LIVE_LINE - 1); full;) {
		struct live_entry *moved = NULL;

		line &= ~(LIVE_LINE - 1);
		line = line + LIVE_LINE == p->cap ? 0 : line + LIVE_LINE;
		for (uint32_t i = line; i < line + LIVE_LINE; i++) {
			struct live_entry *const e = &p->entries[i];
			const uint32_t home =
				live_home(live_hash(l, e->address), p->cap);

			if (e->address == 0)
				full = false;
			else if (distance(p, home, line) >=
				 distance(p, at, line))
				moved = e;
		}
		if (moved == NULL)
			continue;
		*hole = *moved;
		if (l->with_history)
			p->history[hole - p->entries] =
				p->history[moved - p->entries];
		hole = moved;
		at = line;
	}
	hole->address = 0;
}
