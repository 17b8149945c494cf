/*
 * replay_steps.c - the steps of many events, fast.
 *
 * Nearly all steps are of a common kind, which is done here; the others are
 * left to replay.c, one by one.
 */
#include "replay.h"

#include <string.h>

#include "replay_private.h"

#define INLINE	    static inline __attribute__((always_inline))
#define NOINLINE    static __attribute__((noinline))
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- the block of a common step */

/* Where a step's block is or would be, if all goes as it mostly does. */
struct place {
	uint32_t home; /* line or group */
	uint32_t tag;  /* in a large table */
};

INLINE struct live_entry *entries_at(const struct live *l,
				     const struct place *place, bool large)
{
	return l->entries +
	       (size_t)place->home * (large ? LIVE_GROUP : LIVE_LINE);
}

#define NO_SLOT UINT32_MAX

/*
 * The slot of a block that dies, or of one that is born; NO_SLOT: it takes
 * more to find it, or it is not as it should be.
 */
INLINE unsigned find_slot(const struct live_entry *entries,
			  const struct live_head *head,
			  const struct place *place, uint64_t address,
			  unsigned birth, bool large)
{
	const unsigned if_death = birth - 1;
	unsigned bits, same, none;

	if (!large) {
		bits = live_look(entries, address);
		if (unlikely(bits <= 0xff) ||
		    unlikely(((bits & 0xff) == 0) != birth))
			return NO_SLOT;
		return live_look_slot(bits);
	}
	same = live_same(head, place->tag);
	none = live_free(head) ^ LIVE_UNPASSED;
	bits = (same & if_death) | (none & ~if_death);
	if (unlikely(bits - 1 >= LIVE_SLOTS) ||
	    unlikely((same & ~if_death) != 0))
		return NO_SLOT;
	return (unsigned)__builtin_ctz(bits);
}

/* The same as exchange(), where it takes more. */
NOINLINE bool exchange_elsewhere(struct live *l, const struct step *step,
				 uint32_t *of)
{
	const uint64_t hash = live_hash(l, step->address);
	const size_t count = l->count;
	struct live_entry *const e = live_find(l, step->address, hash);

	if (step->flags & STEP_BIRTH) {
		if (e != NULL)
			return false;
		live_insert(l, step->address, hash, step->size, step->owner);
	} else {
		if (e == NULL || e->size != step->size || e->owner & LIVE_BIG)
			return false;
		*of = e->owner;
		live_remove(l, e);
	}
	l->count = count;
	return true;
}

/*
 * Puts in or takes out a step's block, but does not count it; *of is a dying
 * one's owner. False: nothing has changed, as its block is there at its birth,
 * or not at its death, or with another size, or where it takes more to find it.
 * What a stream does next is as good as random, and a branch on it would be
 * guessed wrong: so births and deaths take the same way here, and differ in
 * what is selected.
 *
 * The table has room for one more block.
 */
INLINE bool exchange(const struct live *l, const struct step *step,
		     const struct place *place, uint32_t *of, bool large)
{
	struct live_entry *const entries = entries_at(l, place, large);
	struct live_head *const head = large ? &l->heads[place->home] : NULL;
	const uint64_t address = step->address;
	const uint64_t if_birth = 0 - (uint64_t)(step->flags & STEP_BIRTH);
	const unsigned slot =
		find_slot(entries, head, place, address, if_birth != 0, large);
	struct live_entry *entry;
	uint32_t owner, other;

	if (unlikely(slot == NO_SLOT))
		return false;
	entry = &entries[slot];
	owner = entry->owner;
	other = (entry->size ^ step->size) | (owner & LIVE_BIG);
	if (large)
		other |= entry->address != address;
	if (unlikely((other & ~(uint32_t)if_birth) != 0))
		return false;
	if (large)
		head->tags[slot] = (uint8_t)(place->tag & if_birth);
	_Static_assert(
		offsetof(struct step, owner) - offsetof(struct step, size) ==
				offsetof(struct live_entry, owner) -
					offsetof(struct live_entry, size) &&
			STEP_SIZE_MAX < LIVE_SIZE_BIG,
		"");
	entry->address = address & if_birth;
	memcpy(&entry->size, &step->size,
	       sizeof(*entry) - offsetof(struct live_entry, size));
	*of = owner;
	return true;
}

/* ---- what common steps count at */

/* Common steps in a row. */
struct run {
	const struct step *steps;
	size_t count, births;
	uint8_t of_birth[REPLAY_BLOCK], of_death[REPLAY_BLOCK]; /* the steps */
	uint32_t owners[REPLAY_BLOCK]; /* of blocks that die, by step */
	uint64_t events[REPLAY_BLOCK]; /* their numbers, by step */
};

/* Counts births at their tallies, which are readable. False: no memory. */
static bool count_births(struct replay *r, const struct run *run)
{
	const struct step *const steps = run->steps;
	const size_t births = run->births;

	for (size_t i = 0; i < births; i++) {
		const size_t step = run->of_birth[i];
		const uint32_t owner = steps[step].owner;
		struct tally *tally = tallies_get(&r->tallies, owner);

		if (unlikely(tally->sum.last_event == 0)) {
			if (!tallies_make(&r->tallies, owner_site(owner)))
				return false;
			replay_note_site(r, owner, run->events[step]);
			tally = tallies_get(&r->tallies, owner);
		}
		count_block(&tally->sum, steps[step].size, run->events[step]);
	}
	return true;
}

/* Of a death; its block's owner has no LIVE_BIG. */
static inline uint64_t pair_key(const struct run *run, const struct step *steps,
				size_t step)
{
	return override_key(steps[step].owner, run->owners[step] >> 1);
}

/* Fetches what leads to the overrides of deaths, and then these. */
static void prefetch_pairs(const struct replay *r, const struct run *run)
{
	const size_t deaths = run->count - run->births;
	uint32_t homes[REPLAY_BLOCK];

	for (size_t i = 0; i < deaths; i++) {
		homes[i] = overrides_home(
			&r->pairs, pair_key(run, run->steps, run->of_death[i]));
		__builtin_prefetch(&r->pairs.slots[homes[i]]);
	}
	for (size_t i = 0; i < deaths; i++)
		overrides_prefetch(&r->pairs, homes[i]);
}

/* Counts deaths at their overrides. False: no memory. */
static bool count_deaths(struct replay *r, const struct run *run)
{
	const struct step *const steps = run->steps;
	const size_t deaths = run->count - run->births;
	struct overrides pairs = r->pairs; /* in registers */

	for (size_t i = 0; i < deaths; i++) {
		const size_t step = run->of_death[i];
		const uint64_t key = pair_key(run, steps, step);
		struct override *const pair = overrides_at_home(&pairs, key);

		if (likely(pair->key == key)) {
			count_block(&pair->sum, steps[step].size,
				    run->events[step]);
			continue;
		}
		if (!replay_count_death(r, key, steps[step].size,
					run->events[step]))
			return false;
		pairs = r->pairs;
	}
	return true;
}

/* Numbers the events of a run, and counts what all of its steps count. */
static void count_all(struct replay *r, struct run *run)
{
	struct replay_now now = r->now;
	uint64_t begun_bytes[REPLAY_BLOCK];
	size_t collected = REPLAY_BLOCK;

	for (size_t i = 0; i < run->count; i++) {
		const struct step *const step = &run->steps[i];
		const uint64_t size = step->size;
		const uint64_t if_birth =
			0 - (uint64_t)(step->flags & STEP_BIRTH);

		now.event += step->flags / STEP_FIRST % 2;
		now.live_bytes += (size ^ ~if_birth) - ~if_birth;
		now.begun_bytes += size & if_birth;
		run->events[i] = now.event;
		begun_bytes[i] = now.begun_bytes;
		if (step->flags == (STEP_FIRST | STEP_INTERNAL))
			collected = i;
		if (unlikely(now.live_bytes > r->peak.bytes))
			r->peak = (struct replay_point){now.event,
							now.live_bytes};
	}
	if (collected != REPLAY_BLOCK)
		r->collected = (struct replay_point){run->events[collected],
						     begun_bytes[collected]};
	r->now = now;
	r->live.count += 2 * run->births - run->count;
}

/* ---- many steps */

/* Where the blocks of steps belong, by their index modulo twice a block. */
#define EARLY (2 * REPLAY_BLOCK)

struct early {
	struct place places[EARLY];
};

/*
 * Finds out where steps' blocks belong, and fetches what is seen first. Returns
 * the last owner.
 */
INLINE uint32_t find_some(const struct live *live, struct early *early,
			  const struct step *steps, size_t from, size_t to,
			  bool large)
{
	const struct live copy = *live, *const l = &copy; /* in registers */
	uint32_t last = 0;

	for (size_t i = from; i < to; i++) {
		struct place *const place = &early->places[i % EARLY];
		const uint64_t hash = live_hash(l, steps[i].address);
		const uint32_t owner = steps[i].owner;

		last = owner > last ? owner : last;
		place->home = (uint32_t)live_home(hash, l->cap);
		if (large) {
			place->tag = live_tag(hash);
			__builtin_prefetch(&l->heads[place->home], 1);
		} else {
			__builtin_prefetch(entries_at(l, place, false), 1);
		}
	}
	return last;
}

NOINLINE uint32_t find_places(const struct live *l, struct early *early,
			      const struct step *steps, size_t from, size_t to)
{
	return live_is_large(l) ? find_some(l, early, steps, from, to, true)
				: find_some(l, early, steps, from, to, false);
}

/* Are sites or overrides more than a cache near by holds? */
static bool has_many(const struct replay *r)
{
	return r->pairs.count > REPLAY_WIDE_PAIRS ||
	       r->tallies.count > REPLAY_WIDE_SITES;
}

/*
 * Gets ready what so many steps need: that their sites can be read, where their
 * blocks belong, and what is to be fetched. False without memory.
 */
static bool look_ahead(struct replay *r, struct early *early,
		       const struct step *steps, size_t from, size_t to)
{
	const uint32_t last = find_places(&r->live, early, steps, from, to);

	if (!tallies_reserve(&r->tallies, owner_site(last)))
		return false;
	if (has_many(r))
		for (size_t i = from; i < to; i++)
			tallies_prefetch(&r->tallies, steps[i].owner);
	return true;
}

/* Where a large table most likely has a step's block, or will have it. */
INLINE const struct live_entry *guess(const struct live *l,
				      const struct place *place)
{
	const struct live_head *const head = &l->heads[place->home];
	unsigned bits = live_same(head, place->tag);

	bits |= live_free(head) & ((unsigned)(bits != 0) - 1u);
	return entries_at(l, place, true) +
	       __builtin_ctz(bits | 1u << (LIVE_GROUP - 1));
}

/* Fetches the entry of a step that comes soon, whose group's head is here. */
INLINE void find_slot_early(const struct live *l, const struct early *early,
			    size_t i, size_t found)
{
	const size_t ahead = i + REPLAY_AHEAD_SLOT;

	if (ahead < found)
		__builtin_prefetch(guess(l, &early->places[ahead % EARLY]), 1);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Sees to the blocks of common steps until there is another step. */
INLINE void exchange_some(struct live *l, const struct early *early,
			  const struct step *steps, size_t from, size_t to,
			  size_t found, struct run *run, bool large)
{
	const struct live copy = *l; /* in registers */
	const struct place *const places = &early->places[from % EARLY];
	const size_t count = to - from;
	size_t births = 0, i;

	for (i = 0; i < count; i++) {
		const struct step *const step = &steps[from + i];
		const unsigned flags = step->flags;

		if (unlikely(flags & STEP_ODD) ||
		    (!exchange(&copy, step, &places[i], &run->owners[i],
			       large) &&
		     !exchange_elsewhere(l, step, &run->owners[i])))
			break;
		run->of_birth[births] = run->of_death[i - births] = (uint8_t)i;
		births += flags & STEP_BIRTH;
		if (large)
			find_slot_early(l, early, from + i, found);
	}
	run->steps = steps + from;
	run->count = i;
	run->births = births;
}

NOINLINE void exchange_blocks(struct live *l, const struct early *early,
			      const struct step *steps, size_t from, size_t to,
			      size_t found, struct run *run)
{
	if (live_is_large(l))
		exchange_some(l, early, steps, from, to, found, run, true);
	else
		exchange_some(l, early, steps, from, to, found, run, false);
}

/*
 * Applies common steps until there is another one; *at moves on to it. It is
 * done one thing at a time: in short loops the processor is at many steps at
 * once. False: no memory.
 */
static bool apply_commons(struct replay *r, const struct early *early,
			  const struct step *steps, size_t *at, size_t to,
			  size_t found)
{
	struct run run;

	exchange_blocks(&r->live, early, steps, *at, to, found, &run);
	if (run.count == 0)
		return true;
	*at += run.count;
	count_all(r, &run);
	if (has_many(r))
		prefetch_pairs(r, &run);
	return count_births(r, &run) && count_deaths(r, &run);
}

/*
 * How many steps may be tried the common way, of so many from step on: none
 * when lives are handed out, and none behind a sample, or when the table might
 * have to grow.
 */
static size_t all_common(const struct replay *r, const struct step *step,
			 size_t count)
{
	if (r->on_life != NULL || r->live.count >= r->live.limit ||
	    step->flags & STEP_ODD)
		return 0;
	count = least(count, r->live.limit - r->live.count);
	return least(count, r->samples.next - r->now.event);
}

/*
 * Applies a block of steps, which has been looked at, as have those behind it
 * up to found. *at moves on; anything but MODEL_OK: it is the culprit.
 */
static enum model_result apply_block(struct replay *r, struct early *early,
				     const struct step *steps, size_t *at,
				     size_t to, size_t found)
{
	while (*at < to) {
		const size_t common = all_common(r, &steps[*at], to - *at);
		const bool large = live_is_large(&r->live);
		const size_t cap = r->live.cap;
		enum model_result result;

		if (common != 0 &&
		    !apply_commons(r, early, steps, at, *at + common, found))
			return MODEL_NO_MEMORY;
		if (*at == to)
			break;
		result = replay_apply(r, &steps[*at]);
		if (unlikely(result != MODEL_OK))
			return result;
		if (unlikely(r->live.cap != cap ||
			     live_is_large(&r->live) != large))
			find_places(&r->live, early, steps, *at + 1, found);
		if (live_is_large(&r->live))
			find_slot_early(&r->live, early, *at, found);
		*at += steps[*at].flags & STEP_ODD ? 2 : 1;
	}
	return MODEL_OK;
}

enum model_result replay_steps(struct replay *r, const struct step *steps,
			       size_t count)
{
	const uint64_t before = r->now.event;
	enum model_result result = MODEL_OK;
	struct early early;
	size_t at = 0, found = least(REPLAY_BLOCK, count);

	if (r->live.broken || !look_ahead(r, &early, steps, 0, found))
		return MODEL_NO_MEMORY;
	while (at < count && result == MODEL_OK) {
		const size_t to = found;

		found = least(to + REPLAY_BLOCK, count);
		result = look_ahead(r, &early, steps, to, found)
				 ? apply_block(r, &early, steps, &at, to, found)
				 : MODEL_NO_MEMORY;
	}
	r->totals.events += r->now.event - before;
	if (result == MODEL_OK)
		replay_take_sample(r);
	return result;
}
