/*
 * replay.c - what heap events do.
 */
#include "replay.h"

#include <string.h>

#include "replay_private.h"

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

/* A step in full. */
struct deed {
	uint64_t address, size;
	uint32_t owner;
	unsigned flags;
};

static struct deed deed_of(const struct step *step)
{
	struct deed d = {step->address, step->size, step->owner, step->flags};

	if (step->flags & STEP_ODD) {
		d.address |= (uint64_t)step[1].address << STEP_ADDRESS_BITS;
		d.size |= (uint64_t)step[1].size << STEP_SIZE_BITS;
	}
	return d;
}

static inline uint32_t site_of(const struct deed *deed)
{
	return owner_site(deed->owner);
}

static inline bool by_realloc(const struct deed *deed)
{
	return deed->owner & OWNER_BY_REALLOC;
}

/* ---- lives handed out */

/* deed is NULL for a life that has not ended. */
static bool hand_out(struct replay *r, const struct deed *deed,
		     const struct live_entry *entry)
{
	const struct live_history *const h = live_history_of(&r->live, entry);
	const bool replaced = deed != NULL && deed->flags & STEP_BIRTH;
	const struct model_life life = {
		.address = entry->address,
		.size = live_size(&r->live, entry),
		.born_event = h->born_event,
		.died_event = deed ? r->now.event : 0,
		.realloc_of = h->realloc_of,
		.born_callsite = owner_site(entry->owner),
		.died_callsite = deed ? site_of(deed) : MODEL_NO_CALLSITE,
		.born_by_realloc = entry->owner & OWNER_BY_REALLOC,
		.died_by_realloc = deed && !replaced && by_realloc(deed),
		.replaced = replaced,
	};

	return r->on_life(r->arg, &life);
}

/* The life of a block from before the recording, of which only the end is. */
static bool hand_out_earlier(struct replay *r, const struct deed *deed)
{
	const struct model_life life = {
		.address = deed->address,
		.size = deed->size,
		.died_event = r->now.event,
		.born_callsite = MODEL_NO_CALLSITE,
		.died_callsite = site_of(deed),
		.died_by_realloc = by_realloc(deed),
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

static enum model_result end_earlier(struct replay *r, const struct deed *deed)
{
	if (!count_other(r, site_of(deed),
			 by_realloc(deed) ? OTHER_EARLIER_REALLOC
					  : OTHER_EARLIER_FREE,
			 deed->size))
		return MODEL_NO_MEMORY;
	return hand_out_earlier(r, deed) ? MODEL_OK : MODEL_STOPPED;
}

/*
 * Counts a death whose pair has no place any more: at both sites, as if the
 * pair had been added up already.
 */
static bool count_unlisted(struct replay *r, uint32_t by, uint32_t of_site,
			   uint64_t bytes)
{
	if (!overrides_full(&r->pairs) ||
	    !count_other(r, owner_site(by),
			 by & OWNER_BY_REALLOC ? OTHER_REALLOCATED
					       : OTHER_FREED,
			 bytes))
		return false;
	r->totals.unlisted_blocks++;
	tallies_end(&r->tallies, of_site, bytes);
	return true;
}

bool replay_count_death(struct replay *r, uint64_t key, uint64_t bytes,
			uint64_t event)
{
	const uint32_t by = (uint32_t)(key >> 32), of_site = (uint32_t)key;
	struct override *const o = overrides_get(&r->pairs, by, of_site);

	if (o == NULL)
		return count_unlisted(r, by, of_site, bytes);
	count_block(&o->sum, bytes, event);
	return true;
}

/* Ends a life and takes the block out. */
static enum model_result end_life(struct replay *r, const struct deed *deed,
				  struct live_entry *old)
{
	const uint64_t size = live_size(&r->live, old);
	bool go_on = true;

	if (!replay_count_death(
		    r, override_key(deed->owner, owner_site(old->owner)), size,
		    r->now.event))
		return MODEL_NO_MEMORY;
	r->now.live_bytes -= size;
	if (size != deed->size)
		note_conflict(r);
	if (r->on_life != NULL) {
		r->realloc_of = live_history_of(&r->live, old)->born_event;
		go_on = hand_out(r, deed, old);
	}
	live_remove(&r->live, old);
	return go_on ? MODEL_OK : MODEL_STOPPED;
}

static enum model_result apply_death(struct replay *r, const struct deed *deed)
{
	struct live_entry *const old = live_find(
		&r->live, deed->address, live_hash(&r->live, deed->address));

	if (deed->flags & STEP_INTERNAL && deed->address != 0)
		r->collected =
			(struct replay_point){r->now.event, r->now.begun_bytes};
	return old == NULL ? end_earlier(r, deed) : end_life(r, deed, old);
}

/* ---- births */

/* Ends a life because another one begins at its address. */
static bool replace_life(struct replay *r, const struct deed *deed,
			 const struct live_entry *entry)
{
	const uint64_t size = live_size(&r->live, entry);

	tallies_end(&r->tallies, owner_site(entry->owner), size);
	r->now.live_bytes -= size;
	r->totals.replaced_blocks++;
	r->totals.replaced_bytes += size;
	note_conflict(r);
	return r->on_life == NULL || hand_out(r, deed, entry);
}

void replay_note_site(struct replay *r, uint32_t owner, uint64_t event)
{
	struct tally *const of_site =
		tallies_get(&r->tallies, owner_of(owner_site(owner), false));

	if (of_site->site_event == 0)
		of_site->site_event = event;
}

static void count_birth(struct replay *r, const struct deed *deed)
{
	replay_note_site(r, deed->owner, r->now.event);
	count_block(&tallies_get(&r->tallies, deed->owner)->sum, deed->size,
		    r->now.event);
	r->now.live_bytes += deed->size;
	r->now.begun_bytes += deed->size;
	if (r->now.live_bytes > r->peak.bytes)
		r->peak =
			(struct replay_point){r->now.event, r->now.live_bytes};
}

static enum model_result apply_birth(struct replay *r, const struct deed *deed)
{
	const uint64_t hash = live_hash(&r->live, deed->address);
	struct live_entry *entry;
	bool go_on = true;

	if (!tallies_make(&r->tallies, site_of(deed)) ||
	    !live_reserve(&r->live, deed->size))
		return MODEL_NO_MEMORY;
	entry = live_find(&r->live, deed->address, hash);
	if (entry != NULL) {
		go_on = replace_life(r, deed, entry);
		live_replace(&r->live, entry, deed->size, deed->owner);
	} else {
		entry = live_insert(&r->live, deed->address, hash, deed->size,
				    deed->owner);
	}
	if (r->on_life != NULL)
		*live_history_of(&r->live, entry) =
			(struct live_history){r->now.event, r->realloc_of};
	count_birth(r, deed);
	return go_on ? MODEL_OK : MODEL_STOPPED;
}

/* An attempt, or a birth of nothing. */
static enum model_result apply_nothing(struct replay *r,
				       const struct deed *deed)
{
	const bool failed = deed->flags & STEP_FAILED;

	if ((!failed && !tallies_make(&r->tallies, site_of(deed))) ||
	    !count_other(r, site_of(deed), failed ? OTHER_FAILED : OTHER_UNBORN,
			 deed->size))
		return MODEL_NO_MEMORY;
	if (!failed)
		tallies_get(&r->tallies, deed->owner)->sum.blocks++;
	return MODEL_OK;
}

/* ---- a step */

/* The state after the event at hand. */
static struct model_sample sample(const struct replay *r)
{
	return (struct model_sample){r->now.event, r->live.count,
				     r->now.live_bytes, r->now.begun_bytes};
}

void replay_take_sample(struct replay *r)
{
	if (r->now.event == r->samples.next)
		samples_regular(&r->samples, sample(r));
}

enum model_result replay_apply(struct replay *r, const struct step *step)
{
	const struct deed whole = deed_of(step), *const deed = &whole;
	enum model_result result;

	if (deed->flags & STEP_FIRST) {
		replay_take_sample(r);
		r->now.event++;
		r->realloc_of = 0;
	}
	if (deed->flags & (STEP_FAILED | STEP_UNBORN))
		result = apply_nothing(r, deed);
	else if (deed->flags & STEP_BIRTH)
		result = apply_birth(r, deed);
	else
		result = apply_death(r, deed);
	if (result == MODEL_NO_MEMORY && deed->flags & STEP_FIRST)
		r->now.event--;
	return result;
}

/* ---- a stream */

void replay_begin_stream(struct replay *r)
{
	r->now = (struct replay_now){0, 0, 0};
	r->peak = r->collected = (struct replay_point){0, 0};
	samples_begin(&r->samples);
	tallies_begin_stream(&r->tallies);
	r->first_conflict_event = r->conflict_event = 0;
}

static enum model_result hand_out_alive(struct replay *r)
{
	const struct live_entry *e;
	size_t place = 0;

	while ((e = live_next(&r->live, &place)) != NULL)
		if (!hand_out(r, NULL, e))
			return MODEL_STOPPED;
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
