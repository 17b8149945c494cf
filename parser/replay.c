/*
 * replay.c - what heap events do.
 */
#include "replay.h"

#include <string.h>

#include "ljm_format.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

/* Where a block that is not alive is. */
static struct live_entry nowhere;

static void forget_blocks(struct replay_ahead *a)
{
	for (unsigned i = 0; i < REPLAY_AHEAD; i++)
		a->old[i] = &nowhere;
}

void replay_init(struct replay *r, model_life_fn *on_life, void *arg)
{
	memset(r, 0, sizeof(*r));
	r->on_life = on_life;
	r->arg = arg;
	live_init(&r->live, on_life != NULL);
	overrides_init(&r->pairs);
	overrides_init(&r->others);
	forget_blocks(&r->ahead);
}

void replay_clear(struct replay *r)
{
	live_clear(&r->live);
	tallies_clear(&r->tallies);
	overrides_clear(&r->pairs);
	overrides_clear(&r->others);
}

/* An event on its way through. */
struct step {
	const struct replay_event *e;
	unsigned ahead; /* its place in the ring */
	uint64_t old_hash, new_hash;
	bool conflict;
	uint64_t realloc_of; /* what the new life continues */
};

/* A conflict counts once per event. */
static void note_conflict(struct replay *r, struct step *s)
{
	if (s->conflict)
		return;
	s->conflict = true;
	if (r->totals.conflict_events++ == 0)
		r->totals.first_conflict_event = r->event;
	if (r->first_conflict_event == 0)
		r->first_conflict_event = r->event;
}

/* Makes room for the new block. False without memory. */
static inline bool reserve(struct replay *r, const struct step *s)
{
	if (live_has_room(&r->live, s->e->new_size))
		return true;
	/* The table may move. */
	forget_blocks(&r->ahead);
	return live_reserve(&r->live, s->e->new_size);
}

/* The old block's entry, or one with the address 0. */
static inline struct live_entry *find_old(struct replay *r,
					  const struct step *s)
{
	struct live_entry *const e = r->ahead.old[s->ahead];

	if (e->address == s->e->old_address)
		return e;
	return live_probe(&r->live, s->e->old_address, s->old_hash);
}

/* ---- lives handed out */

/* s is NULL for a life that has not ended. */
static bool hand_out(struct replay *r, const struct step *s,
		     const struct live_entry *entry, bool replaced)
{
	const struct live_history *const h = live_history_of(&r->live, entry);
	const struct model_life life = {
		.address = entry->address,
		.size = live_size(&r->live, entry),
		.born_event = h->born_event,
		.died_event = s ? r->event : 0,
		.realloc_of = h->realloc_of,
		.born_callsite = entry->owner & LIVE_SITE_MASK,
		.died_callsite = s ? s->e->site : MODEL_NO_CALLSITE,
		.born_by_realloc = entry->owner & LIVE_BY_REALLOC,
		.died_by_realloc =
			s && !replaced && s->e->kind == LJM_KIND_REALLOC,
		.replaced = replaced,
	};

	return r->on_life(r->arg, &life);
}

/* The life of a block from before the recording, of which only the end is. */
static bool hand_out_earlier(struct replay *r, const struct replay_event *e)
{
	const struct model_life life = {
		.address = e->old_address,
		.size = e->old_size,
		.died_event = r->event,
		.born_callsite = MODEL_NO_CALLSITE,
		.died_callsite = e->site,
		.died_by_realloc = e->kind == LJM_KIND_REALLOC,
	};

	return r->on_life == NULL || life.address == 0 ||
	       r->on_life(r->arg, &life);
}

/* ---- births and deaths */

/* Counts at the event's site what has no tally and no override. */
static bool count_other(struct replay *r, const struct replay_event *e,
			enum other what, uint64_t bytes)
{
	struct override *const o =
		overrides_get(&r->others, e->site, what, false);

	if (o == NULL)
		return false;
	o->blocks++;
	o->bytes += bytes;
	return true;
}

static enum model_result end_earlier(struct replay *r, const struct step *s)
{
	if (!count_other(r, s->e,
			 s->e->kind == LJM_KIND_REALLOC ? OTHER_EARLIER_REALLOC
							: OTHER_EARLIER_FREE,
			 s->e->old_size))
		return MODEL_NO_MEMORY;
	return hand_out_earlier(r, s->e) ? MODEL_OK : MODEL_STOPPED;
}

/*
 * Counts a death whose pair has no place any more: at both sites, as if the
 * pair had been added up already.
 */
static bool count_unlisted(struct replay *r, const struct replay_event *e,
			   uint32_t of_site, uint64_t bytes)
{
	struct tally *const of = tallies_get(&r->tallies, of_site);

	if (!overrides_full(&r->pairs) ||
	    !count_other(r, e,
			 e->kind == LJM_KIND_REALLOC ? OTHER_REALLOCATED
						     : OTHER_FREED,
			 bytes))
		return false;
	of->ended_blocks++;
	of->ended_bytes += bytes;
	r->totals.unlisted_blocks++;
	return true;
}

/* Counts a death. False without memory: nothing has changed. */
static inline bool count_death(struct replay *r, const struct replay_event *e,
			       uint32_t of_site, uint64_t bytes)
{
	struct override *const o = overrides_get(&r->pairs, e->site, of_site,
						 e->kind == LJM_KIND_REALLOC);

	if (unlikely(o == NULL))
		return count_unlisted(r, e, of_site, bytes);
	o->blocks++;
	o->bytes += bytes;
	return true;
}

/* Ends the life of a free's or realloc's old block and takes it out. */
static inline enum model_result end_life(struct replay *r, struct step *s,
					 struct live_entry *old)
{
	const uint64_t size = live_size(&r->live, old);
	bool go_on = true;

	if (unlikely(!count_death(r, s->e, old->owner & LIVE_SITE_MASK, size)))
		return MODEL_NO_MEMORY;
	r->live_blocks--;
	r->live_bytes -= size;
	if (unlikely(size != s->e->old_size))
		note_conflict(r, s);
	if (r->on_life != NULL) {
		s->realloc_of = live_history_of(&r->live, old)->born_event;
		go_on = hand_out(r, s, old, false);
	}
	live_remove(&r->live, old);
	return go_on ? MODEL_OK : MODEL_STOPPED;
}

/* Ends a life because another one begins at its address. */
static bool replace_life(struct replay *r, struct step *s,
			 const struct live_entry *entry)
{
	const uint64_t size = live_size(&r->live, entry);
	struct tally *const of =
		tallies_get(&r->tallies, entry->owner & LIVE_SITE_MASK);

	of->ended_blocks++;
	of->ended_bytes += size;
	r->live_blocks--;
	r->live_bytes -= size;
	r->totals.replaced_blocks++;
	r->totals.replaced_bytes += size;
	note_conflict(r, s);
	return r->on_life == NULL || hand_out(r, s, entry, true);
}

/* Puts the new block in, for which live_reserve() has made room. */
static inline enum model_result begin_life(struct replay *r, struct step *s,
					   struct tally *t, uint32_t flags)
{
	const struct replay_event *const e = s->e;
	struct live_entry *const entry =
		live_probe(&r->live, e->new_address, s->new_hash);
	bool go_on = true;

	if (unlikely(entry->address != 0)) {
		go_on = replace_life(r, s, entry);
		live_replace(&r->live, entry, e->new_size, e->site | flags);
	} else {
		live_insert(&r->live, entry, e->new_address, e->new_size,
			    e->site | flags);
	}
	if (r->on_life != NULL)
		*live_history_of(&r->live, entry) =
			(struct live_history){r->event, s->realloc_of};
	if (unlikely(t->first_event == 0))
		t->first_event = r->event;
	t->last_event = r->event;
	r->live_blocks++;
	r->live_bytes += e->new_size;
	r->begun_bytes += e->new_size;
	if (r->live_bytes > r->totals.peak_bytes) {
		r->totals.peak_bytes = r->live_bytes;
		r->totals.peak_event = r->event;
	}
	return go_on ? MODEL_OK : MODEL_STOPPED;
}

/* ---- the three kinds of event */

/* The recorder saw an allocation return NULL: nothing has changed. */
static enum model_result apply_failed(struct replay *r,
				      const struct replay_event *e)
{
	return count_other(r, e, OTHER_FAILED, e->new_size) ? MODEL_OK
							    : MODEL_NO_MEMORY;
}

static inline enum model_result apply_alloc(struct replay *r, struct step *s,
					    struct tally *t)
{
	const struct replay_event *const e = s->e;

	if (unlikely(e->new_address == 0)) {
		if (e->new_size != 0)
			return apply_failed(r, e);
		if (!count_other(r, e, OTHER_UNBORN, 0))
			return MODEL_NO_MEMORY;
		t->alloc_events++;
		return MODEL_OK;
	}
	if (unlikely(!reserve(r, s)))
		return MODEL_NO_MEMORY;
	t->alloc_events++;
	t->alloc_bytes += e->new_size;
	return begin_life(r, s, t, 0);
}

static inline enum model_result apply_free(struct replay *r, struct step *s)
{
	const struct replay_event *const e = s->e;
	struct live_entry *const old = find_old(r, s);

	if (e->internal && e->old_address != 0) {
		r->totals.last_collector_free_event = r->event;
		r->collector_mark = r->begun_bytes;
	}
	if (unlikely(old->address == 0))
		return end_earlier(r, s);
	return end_life(r, s, old);
}

static enum model_result apply_realloc(struct replay *r, struct step *s,
				       struct tally *t)
{
	const struct replay_event *const e = s->e;
	enum model_result ended, begun = MODEL_OK;
	struct live_entry *old;

	if (e->new_address == 0 && e->new_size != 0)
		return apply_failed(r, e);
	/* First all that may fail. */
	if (e->new_address == 0 ? overrides_get(&r->others, e->site,
						OTHER_UNBORN, false) == NULL
				: !reserve(r, s))
		return MODEL_NO_MEMORY;
	old = find_old(r, s);
	ended = old->address == 0 ? end_earlier(r, s) : end_life(r, s, old);
	if (ended == MODEL_NO_MEMORY)
		return ended;
	t->realloc_events++;
	if (e->new_address == 0) {
		count_other(r, e, OTHER_UNBORN, 0);
		return ended;
	}
	t->realloc_new_bytes += e->new_size;
	begun = begin_life(r, s, t, LIVE_BY_REALLOC);
	return ended != MODEL_OK ? ended : begun;
}

/* ---- the replay */

void replay_begin_stream(struct replay *r)
{
	r->event = 0;
	r->live_blocks = r->live_bytes = 0;
	r->begun_bytes = r->collector_mark = 0;
	samples_begin(&r->samples);
	r->totals.peak_bytes = r->totals.peak_event = 0;
	r->totals.last_collector_free_event = 0;
	r->first_conflict_event = 0;
}

/* The state after the event at hand. */
static struct model_sample now(const struct replay *r)
{
	return (struct model_sample){r->event, r->live_blocks, r->live_bytes,
				     r->begun_bytes};
}

static inline enum model_result apply(struct replay *r, struct step *s)
{
	enum model_result result;
	struct tally *t;

	if (unlikely(!tallies_reserve(&r->tallies, s->e->site)))
		return MODEL_NO_MEMORY;
	t = tallies_get(&r->tallies, s->e->site);
	r->event++;
	if (s->e->kind == LJM_KIND_ALLOC)
		result = apply_alloc(r, s, t);
	else if (s->e->kind == LJM_KIND_FREE)
		result = apply_free(r, s);
	else
		result = apply_realloc(r, s, t);
	if (r->event == r->samples.next)
		samples_regular(&r->samples, now(r));
	return result;
}

/*
 * Hashes an event's addresses and fetches where they lead. An event has zero
 * where it has no address, so one of the two is the other's or both.
 */
static inline void look_ahead(struct replay *r, const struct replay_event *e,
			      size_t at)
{
	struct replay_ahead *const a = &r->ahead;
	const uint64_t old_hash = live_hash(&r->live, e->old_address);
	const uint64_t new_hash = live_hash(&r->live, e->new_address);

	a->old_hash[at % REPLAY_AHEAD] = old_hash;
	a->new_hash[at % REPLAY_AHEAD] = new_hash;
	/* Twice the same, mostly, but no branch. */
	live_prefetch(&r->live, e->old_address ? old_hash : new_hash);
	live_prefetch(&r->live, e->new_address ? new_hash : old_hash);
	tallies_prefetch(&r->tallies, e->site);
}

/* Looks for the old block, and fetches what leads to its override. */
static inline void look_for_block(struct replay *r,
				  const struct replay_event *e, size_t at)
{
	struct replay_ahead *const a = &r->ahead;
	struct live_entry *const old = live_peek(
		&r->live, e->old_address, a->old_hash[at % REPLAY_AHEAD]);
	struct live_entry *const known = old != NULL ? old : &nowhere;
	const uint32_t home = overrides_home(
		&r->pairs, override_key(e->site, known->owner & LIVE_SITE_MASK,
					e->kind == LJM_KIND_REALLOC));

	a->old[at % REPLAY_AHEAD] = known;
	a->pair[at % REPLAY_AHEAD] = home;
	__builtin_prefetch(&r->pairs.slots[home]);
}

/* What is done early for the event at so many steps before its own. */
static inline void prepare(struct replay *r, const struct replay_event *events,
			   size_t count, size_t at)
{
	if (at < count)
		look_ahead(r, &events[at], at);
	if (at >= REPLAY_AHEAD - REPLAY_AHEAD_BLOCK) {
		at -= REPLAY_AHEAD - REPLAY_AHEAD_BLOCK;
		if (at < count)
			look_for_block(r, &events[at], at);
	}
	if (at >= REPLAY_AHEAD_BLOCK - REPLAY_AHEAD_PAIR) {
		at -= REPLAY_AHEAD_BLOCK - REPLAY_AHEAD_PAIR;
		if (at < count)
			overrides_prefetch(&r->pairs,
					   r->ahead.pair[at % REPLAY_AHEAD]);
	}
}

enum model_result replay_events(struct replay *r,
				const struct replay_event *events, size_t count,
				size_t *taken)
{
	enum model_result result = MODEL_OK;
	size_t i;

	*taken = 0;
	if (r->live.broken)
		return MODEL_NO_MEMORY;
	forget_blocks(&r->ahead);
	for (i = 0; i < REPLAY_AHEAD; i++)
		prepare(r, events, count, i);
	for (i = 0; i < count; i++) {
		const unsigned at = i % REPLAY_AHEAD;
		struct step s = {
			.e = &events[i],
			.ahead = at,
			.old_hash = r->ahead.old_hash[at],
			.new_hash = r->ahead.new_hash[at],
		};

		result = apply(r, &s);
		if (unlikely(result != MODEL_OK))
			break;
		prepare(r, events, count, i + REPLAY_AHEAD);
	}
	r->totals.events += i;
	*taken = i;
	return result;
}

/* ---- the end */

static enum model_result hand_out_alive(struct replay *r)
{
	for (size_t i = 0; i < r->live.cap; i++) {
		const struct live_entry *const e = &r->live.entries[i];

		if (e->address != 0 && !hand_out(r, NULL, e, false))
			return MODEL_STOPPED;
	}
	return MODEL_OK;
}

enum model_result replay_end_stream(struct replay *r)
{
	enum model_result result = MODEL_OK;

	if (r->event != 0)
		samples_last(&r->samples, now(r));
	if (r->on_life != NULL)
		result = hand_out_alive(r);
	live_clear(&r->live);
	return result;
}
