/*
 * replay_ops.c - the steps of many events, fast.
 *
 * Nearly all steps are of a common kind, which is done here; the others are
 * left to replay.c, one by one.
 */
#include "replay.h"
#include "replay_private.h"

#define INLINE	    static inline __attribute__((always_inline))
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- a common step */

/*
 * The override that a step counts at if it is a death; of is the block's
 * owner. For births it does not matter, if only it is always the same.
 */
static inline uint64_t pair_key(const struct replay_op *op, uint32_t of)
{
	return override_key(op->owner, owner_site(of)) &
	       ((uint64_t)(op->flags & REPLAY_BIRTH) - 1);
}

/* Without a branch: a if all bits are set, b if none is. */
static inline void *choose(uint64_t bits, void *a, void *b)
{
	return (void *)(((uintptr_t)a & (uintptr_t)bits) |
			((uintptr_t)b & ~(uintptr_t)bits));
}

/* What a common step counts in all; its event has begun. */
static inline void count_common(struct replay *r, const struct replay_op *op,
				uint64_t if_death, struct replay_now *now)
{
	const bool collected = op->flags == (REPLAY_FIRST | REPLAY_INTERNAL);
	bool peak;

	now->live_bytes += (op->size ^ if_death) - if_death;
	now->begun_bytes += op->size & ~if_death;
	peak = now->live_bytes > r->peak[1].bytes;
	r->peak[peak].event = now->event;
	r->peak[peak].bytes = now->live_bytes;
	r->collected[collected].event = now->event;
	r->collected[collected].bytes = now->begun_bytes;
}

/* Where a step's block is or would be, if all goes as it mostly does. */
struct place {
	struct live_entry *entries; /* of a line or a group */
	struct live_head *head;	    /* in a large table, as is */
	uint32_t tag;
};

#define NO_SLOT UINT32_MAX

/*
 * The slot of a block that dies, or of one that is born; NO_SLOT: it takes
 * more to find it, or it is not as it should be.
 */
INLINE unsigned find_slot(const struct place *place, const struct replay_op *op,
			  bool large)
{
	const unsigned birth = op->flags & REPLAY_BIRTH;
	const unsigned if_death = birth - 1;
	unsigned bits, same;

	if (!large) {
		bits = live_look(place->entries, op->address);
		if (unlikely(bits <= 0xff) ||
		    unlikely(((bits & 0xff) == 0) != birth))
			return NO_SLOT;
		return live_look_slot(bits);
	}
	same = live_same(place->head, place->tag);
	bits = (same & if_death) |
	       ((live_free(place->head) ^ LIVE_UNPASSED) & ~if_death);
	if (unlikely(bits - 1 >= LIVE_SLOTS) ||
	    unlikely((same & ~if_death) != 0))
		return NO_SLOT;
	return (unsigned)__builtin_ctz(bits);
}

/* Puts in or takes out the block of a common step. */
INLINE void write_common(struct replay *r, const struct replay_op *op,
			 const struct place *place, unsigned slot, bool large)
{
	const uint64_t birth = op->flags & REPLAY_BIRTH;
	const uint64_t if_death = birth - 1;

	if (large)
		place->head->tags[slot] = (uint8_t)(place->tag & ~if_death);
	place->entries[slot] = (struct live_entry){
		op->address & ~if_death, (uint32_t)op->size, op->owner};
	r->live.count += 2 * birth - 1;
}

/*
 * Applies a step if it is one of the common kind: its block belongs where
 * there is room, and is there if it dies and is not if it is born; sizes
 * agree; what it counts at has been counted at. What a stream does next is as
 * good as random, and a branch on it would be guessed wrong: so births and
 * deaths take the same way here, and differ in what is selected.
 *
 * The table has room for one more block, and there is a tally.
 */
INLINE bool apply_common(struct replay *r, const struct replay_op *op,
			 const struct place *place, struct replay_now *now,
			 bool large)
{
	const uint64_t birth = op->flags & REPLAY_BIRTH;
	const uint64_t if_death = birth - 1;
	struct live_entry *entry;
	struct override *pair;
	struct count *count;
	uint64_t key, other_death;
	unsigned slot;

	/* Before a first step a sample may be due. */
	if (unlikely(op->flags & REPLAY_ODD) ||
	    unlikely(now->event == r->samples.next))
		return false;
	slot = find_slot(place, op, large);
	if (slot == NO_SLOT)
		return false;
	entry = &place->entries[slot];
	key = pair_key(op, entry->owner);
	pair = overrides_at_home(&r->pairs, key);
	other_death = (pair->key ^ key) | (entry->size ^ op->size) |
		      (entry->owner & LIVE_BIG);
	if (large)
		other_death |= entry->address ^ op->address;
	count = choose(if_death, &pair->sum,
		       &tallies_get(&r->tallies, op->owner)->sum);
	if (unlikely((other_death & if_death) != 0) ||
	    unlikely(count->last_event == 0))
		return false;
	now->event += op->flags / REPLAY_FIRST % 2;
	count->blocks++;
	count->bytes += op->size;
	count->last_event = now->event;
	write_common(r, op, place, slot, large);
	count_common(r, op, if_death, now);
	return true;
}

/* ---- many steps */

/* What is looked up early for steps, by their index modulo twice a block. */
#define EARLY (2 * REPLAY_BLOCK)

struct early {
	struct place places[EARLY];
	uint32_t pairs[EARLY]; /* where overrides belong, perhaps */
};

/* What is to be known of a replay before its steps are applied. */
struct form {
	bool large; /* the table of blocks is */
	bool wide;  /* sites or pairs are more than a cache near by holds */
};

/* Finds out where a step's block belongs, and fetches what is seen first. */
INLINE void find_place(const struct live *l, const struct replay_op *op,
		       struct place *place, bool large)
{
	const uint64_t hash = live_hash(l, op->address);
	const size_t home = live_home(hash, l->cap);

	if (large) {
		place->entries = &l->entries[home * LIVE_GROUP];
		place->head = &l->heads[home];
		place->tag = live_tag(hash);
		__builtin_prefetch(place->head, 1);
	} else {
		place->entries = &l->entries[home * LIVE_LINE];
		__builtin_prefetch(place->entries, 1);
	}
}

/*
 * Does so for some steps, and sees to it that they have tallies, which are
 * fetched as well if there are many. False without memory.
 */
INLINE bool find_places(struct replay *r, struct early *early,
			const struct replay_op *ops, size_t from, size_t to,
			struct form form)
{
	uint32_t last = 0;

	for (size_t i = from; i < to; i++) {
		find_place(&r->live, &ops[i], &early->places[i % EARLY],
			   form.large);
		last = ops[i].owner > last ? ops[i].owner : last;
	}
	if (!tallies_reserve(&r->tallies, owner_site(last)))
		return false;
	for (size_t i = from; form.wide && i < to; i++)
		tallies_prefetch(&r->tallies, ops[i].owner);
	return true;
}

/* Where a step's block most likely is or will be. */
INLINE const struct live_entry *guess(const struct early *early,
				      const struct replay_op *ops, size_t i,
				      bool large)
{
	const struct place *const place = &early->places[i % EARLY];
	unsigned bits;

	if (!large)
		return place->entries +
		       live_look_slot(
			       live_look(place->entries, ops[i].address) |
			       1u << 31);
	bits = live_same(place->head, place->tag);
	bits |= live_free(place->head) & ((unsigned)(bits != 0) - 1u);
	return place->entries + __builtin_ctz(bits | 1u << (LIVE_GROUP - 1));
}

/*
 * Fetches what steps that come soon need and what has just been fetched tells:
 * a large table's entries; what leads to the overrides, if there are many.
 */
INLINE void find_more(const struct replay *r, struct early *early,
		      const struct replay_op *ops, size_t i, size_t count,
		      struct form form)
{
	const size_t slot = i + REPLAY_AHEAD_SLOT;
	const size_t owner = i + REPLAY_AHEAD_OWNER;
	const size_t pair = i + REPLAY_AHEAD_PAIR;

	if (form.large && slot < count)
		__builtin_prefetch(guess(early, ops, slot, true), 1);
	if (form.wide && owner < count) {
		const uint32_t of = guess(early, ops, owner, form.large)->owner;
		const uint32_t home =
			overrides_home(&r->pairs, pair_key(&ops[owner], of));

		early->pairs[owner % EARLY] = home;
		__builtin_prefetch(&r->pairs.slots[home]);
	}
	if (form.wide && pair < count)
		overrides_prefetch(&r->pairs, early->pairs[pair % EARLY]);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Applies common steps until there is another one, whose index it returns. */
INLINE size_t apply_commons(struct replay *r, struct early *early,
			    const struct replay_op *ops, size_t from, size_t to,
			    size_t count, struct form form)
{
	struct replay_now now = r->now;
	size_t i;

	for (i = from; i < to; i++) {
		const struct replay_op op = ops[i];

		if (!apply_common(r, &op, &early->places[i % EARLY], &now,
				  form.large))
			break;
		if (form.large || form.wide)
			find_more(r, early, ops, i, count, form);
	}
	r->now = now;
	return i;
}

/* Is what is left of a block of steps to be tried the common way? */
static bool all_common(const struct replay *r)
{
	return r->on_life == NULL &&
	       r->live.count + REPLAY_BLOCK < r->live.limit;
}

/*
 * Applies a block of steps, whose places have been found, as those behind it
 * up to found. *at moves on; anything but MODEL_OK: it is the culprit.
 */
INLINE enum model_result apply_block(struct replay *r, struct early *early,
				     const struct replay_op *ops, size_t *at,
				     size_t to, size_t found, size_t count,
				     struct form form)
{
	while (*at < to) {
		const size_t cap = r->live.cap;
		enum model_result result;

		if (all_common(r))
			*at = apply_commons(r, early, ops, *at, to, count,
					    form);
		if (*at == to)
			break;
		result = replay_apply(r, &ops[*at]);
		if (unlikely(result != MODEL_OK))
			return result;
		if (unlikely(r->live.cap != cap)) { /* it has moved */
			if (live_is_large(&r->live) != form.large)
				return ++*at, MODEL_OK;
			for (size_t i = *at + 1; i < found; i++)
				find_place(&r->live, &ops[i],
					   &early->places[i % EARLY],
					   form.large);
		}
		if (form.large || form.wide)
			find_more(r, early, ops, *at, count, form);
		++*at;
	}
	return MODEL_OK;
}

/* Applies steps until the form changes. */
INLINE enum model_result apply_all(struct replay *r,
				   const struct replay_op *ops, size_t count,
				   size_t *at, struct form form)
{
	struct early early = {.pairs = {0}};
	size_t found = least(*at + REPLAY_BLOCK, count);

	if (!find_places(r, &early, ops, *at, found, form))
		return MODEL_NO_MEMORY;
	while (*at < count && live_is_large(&r->live) == form.large) {
		const size_t to = found;
		enum model_result result;

		found = least(to + REPLAY_BLOCK, count);
		if (!find_places(r, &early, ops, to, found, form))
			return MODEL_NO_MEMORY;
		result =
			apply_block(r, &early, ops, at, to, found, count, form);
		if (result != MODEL_OK)
			return result;
	}
	return MODEL_OK;
}

/* The same with a copy of all of it for each form. */
static enum model_result apply_some(struct replay *r,
				    const struct replay_op *ops, size_t count,
				    size_t *at)
{
	const bool wide = r->pairs.count > REPLAY_WIDE_PAIRS ||
			  r->tallies.count > REPLAY_WIDE_SITES;

	if (live_is_large(&r->live))
		return wide ? apply_all(r, ops, count, at,
					(struct form){true, true})
			    : apply_all(r, ops, count, at,
					(struct form){true, false});
	return wide ? apply_all(r, ops, count, at, (struct form){false, true})
		    : apply_all(r, ops, count, at, (struct form){false, false});
}

enum model_result replay_ops(struct replay *r, const struct replay_op *ops,
			     size_t count, size_t *taken)
{
	const uint64_t before = r->now.event;
	enum model_result result;

	*taken = 0;
	if (r->live.broken)
		return MODEL_NO_MEMORY;
	do {
		result = apply_some(r, ops, count, taken);
	} while (*taken < count && result == MODEL_OK);
	r->totals.events += r->now.event - before;
	if (result == MODEL_OK)
		replay_take_sample(r);
	return result;
}
