/*
 * live_large.c - the large form of the table of live blocks.
 */
#define _GNU_SOURCE /* mremap */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "huge.h"
#include "live_private.h"

/* Groups, no more than 32 bits of a hash can tell apart. */
#define CAP_MAX UINT32_MAX

/* ---- memory: zeroed, and it grows with what is in it */

/*
 * From MAPPED_SIZE on memory is mapped, so that to grow moves pages only, and
 * each is zeroed once. Where the system has huge pages it may use them: a
 * look-up then needs no walk through page tables, which costs as much as the
 * block's own line of the cache.
 */
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
			   p) == MAP_FAILED)
			/* p may be unmapped by now, and be another's. */
			return NULL;
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
	p = aligned_alloc(LIVE_CACHE_LINE, size);
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

/* ---- entries, put where they are found */

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

static size_t next_group(const struct live *l, size_t group)
{
	return group + 1 == l->cap ? 0 : group + 1;
}

/* The first group with a free slot from one on; cap: none, up to the end. */
static size_t find_room(const struct live *l, size_t group)
{
	while (group != l->cap &&
	       (live_free(&l->heads[group]) & LIVE_SLOTS) == 0)
		group++;
	return group;
}

/* One block more, or less, of this home is in another group. */
static void count_passed(struct live *l, size_t home, size_t group, int one)
{
	for (; home != group; home = next_group(l, home))
		if (l->heads[home].passed != LIVE_PASSED_MANY)
			l->heads[home].passed =
				(uint8_t)(l->heads[home].passed + one);
}

/* Takes a free slot of a group. */
static inline struct live_entry *put(struct live *l, size_t group, uint32_t tag,
				     const struct live_entry *e,
				     const struct live_history *h)
{
	const unsigned slot =
		(unsigned)__builtin_ctz(live_free(&l->heads[group]));
	struct live_entry *const to = &l->entries[group * LIVE_GROUP + slot];

	l->heads[group].tags[slot] = (uint8_t)tag;
	*to = *e;
	if (l->with_history)
		*live_history_of(l, to) = *h;
	return to;
}

struct live_entry *live_large_put(struct live *l, const struct live_entry *e,
				  uint64_t hash, const struct live_history *h)
{
	const size_t home = live_home(hash, l->cap);
	size_t group = find_room(l, home);

	if (group == l->cap)
		group = find_room(l, 0);
	count_passed(l, home, group, 1);
	return put(l, group, live_tag(hash), e, h);
}

/* The same up to the end, if the home is not before first; else false. */
static inline bool place_from(struct live *l, size_t first,
			      const struct live_entry *e,
			      const struct live_history *h)
{
	const uint64_t hash = live_hash(l, e->address);
	const size_t home = live_home(hash, l->cap);
	const size_t group = home < first ? l->cap : find_room(l, home);

	if (group == l->cap)
		return false;
	count_passed(l, home, group, 1);
	put(l, group, live_tag(hash), e, h);
	return true;
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
	put(l, find_room(l, 0), 1, e, h);
}

/* Takes out what is in a group, and puts it where it belongs now. */
static void spread_group(struct live *l, size_t group, struct waiting *w)
{
	unsigned used = ~live_free(&l->heads[group]) & LIVE_SLOTS;
	struct live_entry entries[LIVE_GROUP];
	struct live_history old[LIVE_GROUP];

	l->heads[group] = (struct live_head){{0}, 0};
	memcpy(entries, &l->entries[group * LIVE_GROUP], sizeof(entries));
	if (l->with_history)
		memcpy(old, &l->history[group * LIVE_GROUP], sizeof(old));
	for (; used != 0; used &= used - 1) {
		const unsigned i = (unsigned)__builtin_ctz(used);
		const struct live_entry *const e = &entries[i];
		const struct live_history *const h =
			l->with_history ? &old[i] : &live_unknown;

		if (place_from(l, group, e, h))
			continue;
		if (w->count == w->cap && !waiting_grow(w)) {
			misplace(l, e, h);
			continue;
		}
		w->entries[w->count] = *e;
		w->history[w->count++] = *h;
	}
}

/*
 * Sees to it that all entries, of old_cap groups, can be found. Homes keep
 * their order and move up; so the last group comes first, and entries go where
 * all groups are done. Those that belong before their group, as happens near
 * the beginning, or behind the last one, wait: few, with a hash that nobody can
 * foresee. False without memory for many: then the table is broken.
 */
static bool spread(struct live *l, size_t old_cap)
{
	struct waiting w;

	waiting_init(&w);
	for (size_t group = old_cap; group != 0; group--)
		spread_group(l, group - 1, &w);
	for (size_t i = 0; i < w.count; i++)
		live_large_put(l, &w.entries[i],
			       live_hash(l, w.entries[i].address),
			       &w.history[i]);
	waiting_clear(&w);
	return !l->broken;
}

/* ---- growth */

#define HEAD_SIZE    sizeof(struct live_head)
#define ENTRIES_SIZE (LIVE_GROUP * sizeof(struct live_entry))
#define HISTORY_SIZE (LIVE_GROUP * sizeof(struct live_history))

/*
 * The blocks that a table holds before it grows. Grown by half it has 37 bytes
 * for a block, or 64 with history.
 */
static size_t limit_of(const struct live *l)
{
	const size_t slots = l->cap * LIVE_GROUP;

	return l->with_history ? slots / 32 * 25 : slots / 10 * 7;
}

/* Makes room for cap groups in an array, where there is none. */
static bool grow_part(void **part, size_t *part_cap, size_t cap, size_t size)
{
	void *p;

	if (*part_cap >= cap)
		return true;
	p = grow_memory(*part, *part_cap * size, cap * size);
	if (p == NULL)
		return false;
	*part = p;
	*part_cap = cap;
	return true;
}

/* The heads come last: their number is the table's. */
static bool grow_parts(struct live *l, size_t cap)
{
	if (!grow_part((void **)&l->entries, &l->entries_cap, cap,
		       ENTRIES_SIZE) ||
	    (l->with_history &&
	     !grow_part((void **)&l->history, &l->history_cap, cap,
			HISTORY_SIZE)) ||
	    !grow_part((void **)&l->heads, &l->cap, cap, HEAD_SIZE))
		return false;
	l->limit = limit_of(l);
	return true;
}

void live_large_free(struct live *l)
{
	give_back(l->heads, l->cap * HEAD_SIZE);
	give_back(l->entries, l->entries_cap * ENTRIES_SIZE);
	give_back(l->history, l->history_cap * HISTORY_SIZE);
}

bool live_large_make(struct live *l)
{
	l->heads = NULL;
	l->entries = NULL;
	l->history = NULL;
	l->cap = l->entries_cap = l->history_cap = 0;
	if (grow_parts(l, LIVE_GROUPS))
		return true;
	live_large_free(l);
	return false;
}

/* By half, or by what comes next to it. */
bool live_large_grow(struct live *l)
{
	const size_t old_cap = l->cap;
	const size_t half = (old_cap / 2) & ~(LIVE_GROUPS - 1);
	const size_t cap = old_cap + (half != 0 ? half : LIVE_GROUPS);

	return cap <= CAP_MAX && grow_parts(l, cap) && spread(l, old_cap);
}

/* ---- blocks */

static struct live_entry *find_in(const struct live *l, size_t group,
				  uint32_t tag, uint64_t address)
{
	unsigned same = live_same(&l->heads[group], tag);

	for (; same != 0; same &= same - 1) {
		struct live_entry *const e =
			&l->entries[group * LIVE_GROUP +
				    (unsigned)__builtin_ctz(same)];

		if (e->address == address)
			return e;
	}
	return NULL;
}

struct live_entry *live_large_find(const struct live *l, uint64_t address,
				   uint64_t hash)
{
	const uint32_t tag = live_tag(hash);
	size_t group = live_home(hash, l->cap);
	struct live_entry *found = NULL;
	bool on = true;

	/* Not for ever, where blocks have passed by all groups. */
	for (size_t left = l->cap; on && found == NULL && left != 0; left--) {
		found = find_in(l, group, tag, address);
		on = l->heads[group].passed != 0;
		group = next_group(l, group);
	}
	return found;
}

void live_large_take(struct live *l, struct live_entry *e)
{
	const size_t slot = (size_t)(e - l->entries);
	const size_t group = slot / LIVE_GROUP;

	l->heads[group].tags[slot % LIVE_GROUP] = 0;
	count_passed(l, live_home(live_hash(l, e->address), l->cap), group, -1);
}
