/*
 * step_events.h - steps back to events, to compare what makes them with others.
 */
#ifndef TESTS_STEP_EVENTS_H
#define TESTS_STEP_EVENTS_H

#include <string.h>

#include "decode.h"
#include "locations.h"
#include "step.h"

#define MET_LOG 3

/* The locations met so far, by their owners. */
struct met {
	uint64_t (*locations)[2]; /* of the caller: limit of them */
	uint32_t count, limit;
	struct location list[1u << MET_LOG]; /* so few that some are lost */
	struct locations known;
	bool wrong; /* asked for what is known, or for what is no location */
};

/* Each time under a new number. */
static uint32_t met_learn(void *arg, const uint64_t location[2])
{
	struct met *const m = arg;
	struct location *const place = locations_place(&m->known, location);

	m->wrong |= locations_find(&m->known, location) != LOCATION_UNKNOWN ||
		    ((uint8_t)location[0] & LJM_KIND_MASK) != 0;
	if (m->count == m->limit)
		return LOCATION_UNKNOWN;
	memcpy(m->locations[m->count], location, sizeof(*m->locations));
	place[1] = place[0];
	place[0] = (struct location){{location[0], location[1]},
				     m->known.epoch,
				     owner_of(m->count++, false)};
	if ((uint8_t)location[0] == LJM_HEAD(0, LJM_SOURCE_INTERNAL))
		place[0].owner |= LOCATION_INTERNAL;
	return place[0].owner;
}

static inline void met_begin(struct met *m, uint64_t (*locations)[2],
			     uint32_t limit, bool far)
{
	*m = (struct met){.locations = locations, .limit = limit};
	m->known =
		(struct locations){m->list, 65 - MET_LOG, 7, far, met_learn, m};
}

/*
 * The event of a step, or of two; returns how many, or 0: no common event has
 * such steps.
 */
static inline size_t met_event(const struct met *m, const struct step *s,
			       struct decode_event *e)
{
	const bool moved = s->owner & OWNER_BY_REALLOC;
	const bool birth = s->flags & STEP_BIRTH;
	unsigned flags = STEP_FIRST | (birth ? STEP_BIRTH : 0);

	if (owner_site(s->owner) >= m->count || !step_fits(s->address, s->size))
		return 0;
	*e = (struct decode_event){.kind = birth ? LJM_KIND_ALLOC
						 : LJM_KIND_FREE};
	decode_location(m->locations[owner_site(s->owner)], e);
	if (e->source == LJM_SOURCE_INTERNAL && !moved)
		flags |= STEP_INTERNAL;
	if (s->flags != flags)
		return 0;
	if (birth) {
		e->new_address = s->address;
		e->new_size = s->size;
	} else {
		e->old_address = s->address;
		e->old_size = s->size;
	}
	if (!moved)
		return 1;
	if (birth || s[1].flags != STEP_BIRTH || s[1].owner != s->owner ||
	    !step_fits(s[1].address, s[1].size))
		return 0;
	e->kind = LJM_KIND_REALLOC;
	e->new_address = s[1].address;
	e->new_size = s[1].size;
	return 2;
}

#endif
