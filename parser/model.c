/*
 * model.c - the replay of a stream.
 *
 * In two parts, a batch of events at a time: symbols and records are applied
 * here, and heap events made to steps by the decoder or, if it cannot, by
 * model_steps.c; whose they are both know from model_locations.c. Then replay.c
 * does what the steps say. What has come of it is told by model_result.c.
 */
#include <stdlib.h>

#include "model_private.h"

struct model *model_new(model_life_fn *on_life, void *arg)
{
	struct model *const m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	if (!model_open_locations(m)) {
		free(m);
		return NULL;
	}
	m->internal = m->further = MODEL_NO_CALLSITE;
	m->symtab.epoch = 1;
	names_init(&m->names);
	replay_init(&m->replay, on_life, arg);
	overrides_init(&m->site_pairs);
	model_set_limits(m, MODEL_SITES, MODEL_OVERRIDES);
	return m;
}

void model_set_limits(struct model *m, uint32_t sites, uint32_t overrides)
{
	m->site_limit = sites;
	m->replay.pairs.limit = overrides;
}

void model_free(struct model *m)
{
	if (m == NULL)
		return;
	replayer_stop(m->replayer);
	symtab_clear(&m->symtab);
	names_clear(&m->names);
	sites_clear(&m->sites);
	replay_clear(&m->replay);
	callsites_clear(&m->callsites);
	moments_clear(&m->moments);
	overrides_clear(&m->site_pairs);
	free(m->locations.list);
	free(m);
}

/* ---- the stream */

static void begin_stream(struct model *m)
{
	m->before = *model_totals(m);
	m->shown = false;
	m->begun = true;
	m->event = 0;
	moments_clear(&m->moments);
	replay_begin_stream(&m->replay);
}

static enum model_result define(struct model *m, const struct decode_event *e)
{
	switch (callsites_define(&m->callsites, &m->names, &m->sites, e,
				 m->site_limit)) {
	case CALLSITES_OK:
		return MODEL_OK;
	case CALLSITES_DEEP:
		return MODEL_TOO_DEEP;
	default:
		return MODEL_NO_MEMORY;
	}
}

/* Applies a record of a compact stream. */
static enum model_result apply_record(struct model *m,
				      const struct decode_event *e)
{
	switch ((enum ljm_record)e->source) {
	case LJM_RECORD_START:
		if (!m->callsites.listed &&
		    !callsites_list(&m->callsites, &m->names, &m->sites))
			return MODEL_NO_MEMORY;
		break;
	case LJM_RECORD_UNIT:
		return MODEL_OK;
	case LJM_RECORD_LOST:
		/* No stream loses so many that this runs over twice. */
		m->lost_events +=
			e->address > MODEL_SUM_MAX ? MODEL_SUM_MAX : e->address;
		if (m->lost_events > MODEL_SUM_MAX)
			m->lost_events = MODEL_SUM_MAX;
		return MODEL_OK;
	case LJM_RECORD_CLOCK:
	case LJM_RECORD_MARK:
	case LJM_RECORD_COLLECTION:
		break;
	default:
		return define(m, e);
	}
	return moments_apply(&m->moments, &m->callsites, &m->names, e,
			     m->event);
}

/* Applies a symbol or a record. */
static enum model_result apply_other(struct model *m,
				     const struct decode_event *e)
{
	if (e->kind == DECODE_RECORD)
		return apply_record(m, e);
	return symtab_define(&m->symtab, &m->names, e) ? MODEL_OK
						       : MODEL_NO_MEMORY;
}

static enum model_result steps_of_event(struct model *m,
					const struct decode_event *e,
					struct step *out, size_t *prepared)
{
	uint32_t owner;

	/* Before anything is known of its site. */
	if (model_is_too_much(m, e))
		return MODEL_OVERFLOW;
	owner = model_locate(m, e);
	if (owner == LOCATION_UNKNOWN)
		return MODEL_NO_MEMORY;
	model_steps(m, e, owner, out, prepared);
	return MODEL_OK;
}

/*
 * Applies the symbols and records among events and makes ready the rest, until
 * something is wrong or there is no room: *taken is how many events that were.
 */
static enum model_result prepare(struct model *m,
				 const struct decode_event *events,
				 size_t count, size_t *taken, struct step *out,
				 size_t room, size_t *prepared)
{
	enum model_result result = MODEL_OK;
	size_t i = 0;

	if (count > room / MODEL_EVENT_PLACES)
		count = room / MODEL_EVENT_PLACES;
	*prepared = 0;
	while (i < count) {
		if (model_is_heap_event(&events[i]))
			i = model_numbered_steps(m, events, i, count, out,
						 prepared);
		if (i == count)
			break;
		result = model_is_heap_event(&events[i])
				 ? steps_of_event(m, &events[i], out, prepared)
				 : apply_other(m, &events[i]);
		if (result != MODEL_OK)
			break;
		i++;
	}
	*taken = i;
	return result;
}

/* ---- both ways, with a second thread and without one */

/* Where steps may be written, and how many places there are. */
static struct step *find_room(struct model *m, size_t *count)
{
	if (m->replayer == NULL) {
		*count = MODEL_BATCH;
		return m->batch;
	}
	if (m->room == NULL) {
		m->room = replayer_room(m->replayer);
		m->in_room = 0;
	}
	*count = REPLAYER_ROOM - m->in_room;
	return m->room + m->in_room;
}

static enum model_result give_room(struct model *m)
{
	m->room = NULL;
	return replayer_give(m->replayer, m->in_room);
}

/* Has so many steps replayed that have been written there. */
static enum model_result give(struct model *m, size_t count)
{
	if (m->replayer == NULL)
		return replay_steps(&m->replay, m->batch, count);
	m->in_room += count;
	return m->in_room + REPLAYER_LEAST > REPLAYER_ROOM ? give_room(m)
							   : MODEL_OK;
}

bool model_use_thread(struct model *m)
{
	if (m->replayer == NULL)
		m->replayer = replayer_start(&m->replay);
	return m->replayer != NULL;
}

void model_share_work(struct model *m, model_work_fn *work, void *arg)
{
	if (m->replayer != NULL)
		replayer_share(m->replayer, work, arg);
}

void model_wake(struct model *m)
{
	if (m->replayer != NULL)
		replayer_wake(m->replayer);
}

bool model_work(struct model *m)
{
	return m->replayer != NULL && replayer_work(m->replayer);
}

enum model_result model_settle(struct model *m)
{
	if (m->replayer == NULL)
		return MODEL_OK;
	if (m->room != NULL)
		give_room(m);
	return replayer_settle(m->replayer);
}

/* ---- what is fed */

static void begin_feeding(struct model *m)
{
	m->shown = false;
	if (!m->begun)
		begin_stream(m);
}

enum model_result model_feed(struct model *m, const struct decode_event *events,
			     size_t count, size_t *taken)
{
	enum model_result result = MODEL_OK, given;
	size_t at = 0, room, prepared, done;

	begin_feeding(m);
	while (at < count && result == MODEL_OK) {
		struct step *const steps = find_room(m, &room);

		result = prepare(m, events + at, count - at, &done, steps, room,
				 &prepared);
		at += done;
		given = give(m, prepared);
		if (given != MODEL_OK)
			result = given;
	}
	*taken = at;
	return result;
}

struct step *model_room(struct model *m, size_t *count)
{
	begin_feeding(m);
	if (!model_is_nearly_too_much(m))
		return find_room(m, count);
	*count = 0;
	return NULL;
}

enum model_result model_take_steps(struct model *m,
				   const struct decode_steps *steps)
{
	m->bytes += steps->bytes;
	m->event += steps->events;
	return steps->count != 0 ? give(m, steps->count) : MODEL_OK;
}

uint64_t model_c_symbols_epoch(struct model *m)
{
	return symtab_c_epoch(&m->symtab);
}

enum model_result model_end_stream(struct model *m)
{
	const enum model_result settled = model_settle(m);
	enum model_result ended;

	begin_feeding(m);
	symtab_clear(&m->symtab);
	callsites_end_stream(&m->callsites);
	m->begun = false;
	ended = replay_end_stream(&m->replay);
	if (!model_sum_up_pairs(m))
		return MODEL_NO_MEMORY;
	return settled != MODEL_OK ? settled : ended;
}
