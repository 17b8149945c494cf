/*
 * replay.c - what heap events do.
 */
#include "replay.h"

#include <string.h>

#include "ljm_format.h"

#define INLINE	    static inline __attribute__((always_inline))
#define unlikely(x) __builtin_expect(!!(x), 0)

void replay_init(struct replay *r, model_life_fn *on_life, void *arg)
{
	memset(r, 0, sizeof(*r));
	r->on_life = on_life;
	r->arg = arg;
	live_init(&r->live, on_life != NULL);
	overrides_init(&r->pairs);
	overrides_init(&r->others);
}

void replay_clear(struct replay *r)
{
	live_clear(&r->live);
	tallies_clear(&r->tallies);
	overrides_clear(&r->pairs);
	overrides_clear(&r->others);
}

/* A conflict counts once per event. */
static void note_conflict(struct replay *r)
{
	if (r->conflict_event == r->now.event)
		return;
	r->conflict_event = r->now.event;
	if (r->totals.conflict_events++ == 0)
		r->totals.first_conflict_event = r->now.event;
	if (r->first_conflict_event == 0)
		r->first_conflict_event = r->now.event;
}

static inline uint32_t site_of(const struct replay_op *op)
{
	return owner_site(op->owner);
}

static inline bool by_realloc(const struct replay_op *op)
{
	return op->owner & OWNER_BY_REALLOC;
}

/* ---- lives handed out */

/* op is NULL for a life that has not ended. */
static bool hand_out(struct replay *r, const struct replay_op *op,
		     const struct live_entry *entry)
{
	const struct live_history *const h = live_history_of(&r->live, entry);
	const bool replaced = op != NULL && op->flags & REPLAY_BIRTH;
	const struct model_life life = {
		.address = entry->address,
		.size = live_size(&r->live, entry),
		.born_event = h->born_event,
		.died_event = op ? r->now.event : 0,
		.realloc_of = h->realloc_of,
		.born_callsite = owner_site(entry->owner),
		.died_callsite = op ? site_of(op) : MODEL_NO_CALLSITE,
		.born_by_realloc = entry->owner & OWNER_BY_REALLOC,
		.died_by_realloc = op && !replaced && by_realloc(op),
		.replaced = replaced,
	};

	return r->on_life(r->arg, &life);
}

/* The life of a block from before the recording, of which only the end is. */
static bool hand_out_earlier(struct replay *r, const struct replay_op *op)
{
	const struct model_life life = {
		.address = op->address,
		.size = op->size,
		.died_event = r->now.event,
		.born_callsite = MODEL_NO_CALLSITE,
		.died_callsite = site_of(op),
		.died_by_realloc = by_realloc(op),
	};

	return r->on_life == NULL || life.address == 0 ||
	       r->on_life(r->arg, &life);
}

/* ---- deaths */

/* Counts at a site what has no tally and no override. */
static bool count_other(struct replay *r, uint32_t site, enum other what,
			uint64_t bytes)
{
	struct override *const o =
		overrides_get(&r->others, owner_of(site, false), what);

	if (o == NULL)
		return false;
	o->sum.blocks++;
	o->sum.bytes += bytes;
	return true;
}

static enum model_result end_earlier(struct replay *r,
				     const struct replay_op *op)
{
	if (!count_other(r, site_of(op),
			 by_realloc(op) ? OTHER_EARLIER_REALLOC
					: OTHER_EARLIER_FREE,
			 op->size))
		return MODEL_NO_MEMORY;
	return hand_out_earlier(r, op) ? MODEL_OK : MODEL_STOPPED;
}

/*
 * Counts a death whose pair has no place any more: at both sites, as if the
 * pair had been added up already.
 */
static bool count_unlisted(struct replay *r, const struct replay_op *op,
			   uint32_t of_site, uint64_t bytes)
{
	if (!overrides_full(&r->pairs) ||
	    !count_other(r, site_of(op),
			 by_realloc(op) ? OTHER_REALLOCATED : OTHER_FREED,
			 bytes))
		return false;
	r->totals.unlisted_blocks++;
	tallies_end(&r->tallies, of_site, bytes);
	return true;
}

/* Counts a death. False without memory: nothing has changed. */
static bool count_death(struct replay *r, const struct replay_op *op,
			uint32_t of_site, uint64_t bytes)
{
	struct override *const o = overrides_get(&r->pairs, op->owner, of_site);

	if (o == NULL)
		return count_unlisted(r, op, of_site, bytes);
	o->sum.blocks++;
	o->sum.bytes += bytes;
	o->sum.last_event = r->now.event;
	return true;
}

/* Ends a life and takes the block out. */
static enum model_result end_life(struct replay *r, const struct replay_op *op,
				  struct live_entry *old)
{
	const uint64_t size = live_size(&r->live, old);
	bool go_on = true;

	if (!count_death(r, op, owner_site(old->owner), size))
		return MODEL_NO_MEMORY;
	r->now.live_bytes -= size;
	if (size != op->size)
		note_conflict(r);
	if (r->on_life != NULL) {
		r->realloc_of = live_history_of(&r->live, old)->born_event;
		go_on = hand_out(r, op, old);
	}
	live_remove(&r->live, old);
	return go_on ? MODEL_OK : MODEL_STOPPED;
}

static enum model_result apply_death(struct replay *r,
				     const struct replay_op *op)
{
	struct live_entry *const old = live_probe(
		&r->live, op->address, live_hash(&r->live, op->address));

	if (op->flags & REPLAY_INTERNAL && op->address != 0)
		r->collected[1] =
			(struct replay_point){r->now.event, r->now.begun_bytes};
	return old->address == 0 ? end_earlier(r, op) : end_life(r, op, old);
}

/* ---- births */

/* Ends a life because another one begins at its address. */
static bool replace_life(struct replay *r, const struct replay_op *op,
			 const struct live_entry *entry)
{
	const uint64_t size = live_size(&r->live, entry);

	tallies_end(&r->tallies, owner_site(entry->owner), size);
	r->now.live_bytes -= size;
	r->totals.replaced_blocks++;
	r->totals.replaced_bytes += size;
	note_conflict(r);
	return r->on_life == NULL || hand_out(r, op, entry);
}

static void count_birth(struct replay *r, const struct replay_op *op)
{
	struct tally *const of_site =
		tallies_get(&r->tallies, owner_of(site_of(op), false));
	struct count *const births = &of_site[by_realloc(op)].sum;

	births->blocks++;
	births->bytes += op->size;
	births->last_event = r->now.event;
	if (of_site->site_event == 0)
		of_site->site_event = r->now.event;
	r->now.live_bytes += op->size;
	r->now.begun_bytes += op->size;
	if (r->now.live_bytes > r->peak[1].bytes)
		r->peak[1] =
			(struct replay_point){r->now.event, r->now.live_bytes};
}

static enum model_result apply_birth(struct replay *r,
				     const struct replay_op *op)
{
	struct live_entry *entry;
	bool go_on = true;

	if (!tallies_make(&r->tallies, site_of(op)) ||
	    !live_reserve(&r->live, op->size))
		return MODEL_NO_MEMORY;
	entry = live_probe(&r->live, op->address,
			   live_hash(&r->live, op->address));
	if (entry->address != 0) {
		go_on = replace_life(r, op, entry);
		live_replace(&r->live, entry, op->size, op->owner);
	} else {
		live_insert(&r->live, entry, op->address, op->size, op->owner);
	}
	if (r->on_life != NULL)
		*live_history_of(&r->live, entry) =
			(struct live_history){r->now.event, r->realloc_of};
	count_birth(r, op);
	return go_on ? MODEL_OK : MODEL_STOPPED;
}

/* An attempt, or a birth of nothing. */
static enum model_result apply_nothing(struct replay *r,
				       const struct replay_op *op)
{
	const bool failed = op->flags & REPLAY_FAILED;

	if ((!failed && !tallies_make(&r->tallies, site_of(op))) ||
	    !count_other(r, site_of(op), failed ? OTHER_FAILED : OTHER_UNBORN,
			 op->size))
		return MODEL_NO_MEMORY;
	if (!failed)
		tallies_get(&r->tallies, op->owner)->sum.blocks++;
	return MODEL_OK;
}

/* ---- a step */

/* The state after the event at hand. */
static struct model_sample sample(const struct replay *r)
{
	return (struct model_sample){r->now.event, r->live.count,
				     r->now.live_bytes, r->now.begun_bytes};
}

/* Takes the sample that is due after the event at hand, if it is. */
static void take_sample(struct replay *r)
{
	if (r->now.event == r->samples.next)
		samples_regular(&r->samples, sample(r));
}

/* Applies any step. */
static enum model_result apply(struct replay *r, const struct replay_op *op)
{
	enum model_result result;

	if (op->flags & REPLAY_FIRST) {
		take_sample(r);
		r->now.event++;
		r->realloc_of = 0;
	}
	if (op->flags & (REPLAY_FAILED | REPLAY_UNBORN))
		result = apply_nothing(r, op);
	else if (op->flags & REPLAY_BIRTH)
		result = apply_birth(r, op);
	else
		result = apply_death(r, op);
	if (result == MODEL_NO_MEMORY && op->flags & REPLAY_FIRST)
		r->now.event--;
	return result;
}

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

/*
 * Applies a step if it is one of the common kind: its block belongs into a
 * line with room, and is there if it dies and is not if it is born; sizes
 * agree; what it counts at has been counted at. What a stream does next is as
 * good as random, and a branch on it would be guessed wrong: so births and
 * deaths take the same way here, and differ in what is selected.
 *
 * The table has room for one more block, and there is a tally.
 */
static inline bool apply_common(struct replay *r, const struct replay_op *op,
				struct live_entry *line, struct replay_now *now)
{
	const uint64_t birth = op->flags & REPLAY_BIRTH;
	const uint64_t if_death = birth - 1;
	const unsigned bits = live_look(line, op->address);
	struct live_entry *entry;
	struct override *pair;
	struct count *count;
	uint64_t key, other_death;

	/* Before a first step a sample may be due. */
	if (unlikely(op->flags & REPLAY_ODD) ||
	    unlikely(now->event == r->samples.next) || unlikely(bits <= 0xff) ||
	    unlikely(((bits & 0xff) == 0) != birth))
		return false;
	entry = line + live_slot(bits);
	key = pair_key(op, entry->owner);
	pair = overrides_at_home(&r->pairs, key);
	other_death = (pair->key ^ key) | (entry->size ^ op->size) |
		      (entry->owner & LIVE_BIG);
	count = choose(if_death, &pair->sum,
		       &tallies_get(&r->tallies, op->owner)->sum);
	if (unlikely((other_death & if_death) != 0) ||
	    unlikely(count->last_event == 0))
		return false;
	now->event += op->flags / REPLAY_FIRST % 2;
	count->blocks++;
	count->bytes += op->size;
	count->last_event = now->event;
	*entry = (struct live_entry){op->address & ~if_death,
				     (uint32_t)op->size, op->owner};
	r->live.count += 2 * birth - 1;
	count_common(r, op, if_death, now);
	return true;
}

/* ---- the replay */

void replay_begin_stream(struct replay *r)
{
	r->now = (struct replay_now){0, 0, 0};
	r->peak[1] = r->collected[1] = (struct replay_point){0, 0};
	samples_begin(&r->samples);
	tallies_begin_stream(&r->tallies);
	r->first_conflict_event = r->conflict_event = 0;
}

/* What is looked up early for steps, by their index modulo twice a block. */
struct early {
	struct live_entry *lines[2 * REPLAY_BLOCK];
	uint32_t pairs[2 * REPLAY_BLOCK]; /* where overrides belong, perhaps */
};

/* Finds out in which lines blocks belong and fetches these. */
static inline void find_lines(const struct replay *r, struct early *early,
			      const struct replay_op *ops, size_t from,
			      size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct live_entry *const line = live_line(
			&r->live, live_hash(&r->live, ops[i].address));

		early->lines[i % (2 * REPLAY_BLOCK)] = line;
		__builtin_prefetch(line, 1);
	}
}

/* Sees to it that there are tallies, and fetches them if there are many. */
static bool find_tallies(struct replay *r, const struct replay_op *ops,
			 size_t from, size_t to, bool wide)
{
	uint32_t last = 0;

	for (size_t i = from; i < to; i++)
		last = ops[i].owner > last ? ops[i].owner : last;
	if (!tallies_reserve(&r->tallies, owner_site(last)))
		return false;
	for (size_t i = from; wide && i < to; i++)
		tallies_prefetch(&r->tallies, ops[i].owner);
	return true;
}

/* Fetches what leads to the overrides of steps that come soon. */
static inline void find_pairs(const struct replay *r, struct early *early,
			      const struct replay_op *ops, size_t i,
			      size_t count)
{
	const size_t block = i + REPLAY_AHEAD_BLOCK;
	const size_t pair = i + REPLAY_AHEAD_PAIR;

	if (block < count) {
		const struct live_entry *const line =
			early->lines[block % (2 * REPLAY_BLOCK)];
		const unsigned bits = live_look(line, ops[block].address);
		const uint32_t of = line[live_slot(bits | 1u << 31)].owner;
		const uint32_t home =
			overrides_home(&r->pairs, pair_key(&ops[block], of));

		early->pairs[block % (2 * REPLAY_BLOCK)] = home;
		__builtin_prefetch(&r->pairs.slots[home]);
	}
	if (pair < count)
		overrides_prefetch(&r->pairs,
				   early->pairs[pair % (2 * REPLAY_BLOCK)]);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Applies common steps until there is another one, whose index it returns. */
INLINE size_t apply_commons(struct replay *r, struct early *early,
			    const struct replay_op *ops, size_t from, size_t to,
			    size_t count, bool wide)
{
	struct replay_now now = r->now;
	size_t i;

	for (i = from; i < to; i++) {
		const struct replay_op op = ops[i];

		if (!apply_common(r, &op, early->lines[i % (2 * REPLAY_BLOCK)],
				  &now))
			break;
		if (wide)
			find_pairs(r, early, ops, i, count);
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
 * Applies a block of steps, whose lines have been found, as those behind it
 * up to found. *at moves on; anything but MODEL_OK: it is the culprit.
 */
INLINE enum model_result apply_block(struct replay *r, struct early *early,
				     const struct replay_op *ops, size_t *at,
				     size_t to, size_t found, size_t count,
				     bool wide)
{
	while (*at < to) {
		const size_t cap = r->live.cap;
		enum model_result result;

		if (all_common(r))
			*at = apply_commons(r, early, ops, *at, to, count,
					    wide);
		if (*at == to)
			break;
		result = apply(r, &ops[*at]);
		if (unlikely(result != MODEL_OK))
			return result;
		if (unlikely(r->live.cap != cap)) /* it has moved */
			find_lines(r, early, ops, *at + 1, found);
		if (wide)
			find_pairs(r, early, ops, *at, count);
		++*at;
	}
	return MODEL_OK;
}

/* wide: sites and pairs are more than a cache near the processor holds. */
INLINE enum model_result apply_all(struct replay *r,
				   const struct replay_op *ops, size_t count,
				   size_t *at, bool wide)
{
	struct early early = {.pairs = {0}};
	size_t found = least(REPLAY_BLOCK, count);

	if (!find_tallies(r, ops, 0, found, wide))
		return MODEL_NO_MEMORY;
	find_lines(r, &early, ops, 0, found);
	while (*at < count) {
		const size_t to = found;
		enum model_result result;

		found = least(to + REPLAY_BLOCK, count);
		if (!find_tallies(r, ops, to, found, wide))
			return MODEL_NO_MEMORY;
		find_lines(r, &early, ops, to, found);
		result =
			apply_block(r, &early, ops, at, to, found, count, wide);
		if (result != MODEL_OK)
			return result;
	}
	return MODEL_OK;
}

enum model_result replay_ops(struct replay *r, const struct replay_op *ops,
			     size_t count, size_t *taken)
{
	const uint64_t before = r->now.event;
	enum model_result result;

	*taken = 0;
	if (r->live.broken)
		return MODEL_NO_MEMORY;
	if (r->pairs.count > REPLAY_WIDE || r->tallies.count > REPLAY_WIDE)
		result = apply_all(r, ops, count, taken, true);
	else
		result = apply_all(r, ops, count, taken, false);
	r->totals.events += r->now.event - before;
	if (result == MODEL_OK)
		take_sample(r);
	return result;
}

/* ---- the end */

static enum model_result hand_out_alive(struct replay *r)
{
	for (size_t i = 0; i < r->live.cap; i++) {
		const struct live_entry *const e = &r->live.entries[i];

		if (e->address != 0 && !hand_out(r, NULL, e))
			return MODEL_STOPPED;
	}
	return MODEL_OK;
}

enum model_result replay_end_stream(struct replay *r)
{
	enum model_result result = MODEL_OK;

	if (r->now.event != 0)
		samples_last(&r->samples, sample(r));
	if (r->on_life != NULL)
		result = hand_out_alive(r);
	live_clear(&r->live);
	return result;
}
