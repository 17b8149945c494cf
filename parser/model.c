/*
 * model.c - the replay of a stream.
 *
 * In two steps, a batch of events at a time: here symbols are applied and the
 * sites of locations found, from a cache as long as no symbol changes; then
 * replay.c does what the events say. What has come of it is told by
 * model_result.c.
 */
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "hash.h"
#include "huge.h"
#include "model_private.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

#define BYTES_MAX (1ull << 60)

/*
 * The cache of locations has at least as many places as there are sites, up
 * to a limit; places are fetched some events ahead when there are many.
 */
#define SITE_CACHE_FIRST_LOG 12
#define SITE_CACHE_LAST_LOG  19
#define SITE_CACHE_NEAR_LOG  13 /* so large it is near the processor */
#define SITE_CACHE_AHEAD     16u

struct model *model_new(model_life_fn *on_life, void *arg)
{
	struct model *const m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->cache_log = SITE_CACHE_FIRST_LOG;
	m->cache = calloc(1u << m->cache_log, sizeof(*m->cache));
	if (m->cache == NULL) {
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
	free(m->cache);
	free(m);
}

/* ---- sites of locations */

/*
 * The callsite of a site of which no path is known: the site itself as long as
 * none is listed. MODEL_NO_CALLSITE without memory, CALLSITES_FULL.
 */
static uint32_t leaf_of(struct model *m, uint32_t site, uint32_t limit)
{
	if (!m->callsites.listed || site >= SITE_FULL)
		return site;
	return callsites_leaf(&m->callsites, &m->names, &m->sites, site, limit);
}

static uint32_t add_internal_site(struct model *m)
{
	const struct model_site key = {.kind = MODEL_SITE_INTERNAL};

	m->internal =
		leaf_of(m, sites_intern(&m->sites, &key, SITE_MAX), SITE_MAX);
	return m->internal;
}

static uint32_t internal_site(struct model *m)
{
	return m->internal == MODEL_NO_CALLSITE ? add_internal_site(m)
						: m->internal;
}

/* The callsite of all those that there is no place for. */
static uint32_t further_site(struct model *m)
{
	static const char text[] = "(further sites)";
	struct model_site key = {.kind = MODEL_SITE_LUA};
	uint32_t number;

	if (m->further != MODEL_NO_CALLSITE)
		return m->further;
	number = names_intern(&m->names, text, sizeof(text) - 1);
	if (number == NAME_NONE)
		return MODEL_NO_CALLSITE;
	key.name.text = names_get(&m->names, number)->text;
	key.name.size = sizeof(text) - 1;
	m->further =
		leaf_of(m, sites_intern(&m->sites, &key, SITE_MAX), SITE_MAX);
	return m->further;
}

/* Makes the cache twice as large, if it can be. */
static void grow_cache(struct model *m)
{
	struct cached_site *const larger =
		calloc(2u << m->cache_log, sizeof(*larger));

	if (larger == NULL)
		return;
	free(m->cache);
	m->cache = larger;
	m->cache_log++;
	huge_advise(larger, sizeof(*larger) << m->cache_log);
}

static inline struct cached_site *cache_place(const struct model *m,
					      const struct decode_event *e)
{
	const uint64_t hash = (e->address ^ e->line * HASH_ODD_1) * HASH_ODD_2;

	return &m->cache[hash >> (64 - m->cache_log)];
}

/*
 * What a location means depends on the symbols: their epoch and the source
 * are a cached one's tag, this is the epoch's part. When an epoch needs more
 * than the 29 bits that are there, the cache begins anew.
 */
static uint32_t epoch_tag(struct model *m)
{
	const uint64_t epoch = m->symtab.epoch;

	if (epoch >> 29 != m->cache_epoch) {
		memset(m->cache, 0, sizeof(*m->cache) << m->cache_log);
		m->cache_epoch = epoch >> 29;
	}
	return (uint32_t)epoch << 3;
}

/* The callsite of a location that is not INTERNAL, as resolve() says it. */
static uint32_t resolve_symbol(struct model *m, const struct decode_event *e)
{
	struct model_site key;
	uint32_t site;

	symtab_resolve(&m->symtab, &m->names, e->source, e->address, e->line,
		       &key);
	site = leaf_of(m, sites_intern(&m->sites, &key, m->site_limit),
		       m->site_limit);
	if (site == CALLSITES_FULL)
		site = further_site(m);
	if (m->sites.count > 1u << m->cache_log &&
	    m->cache_log < SITE_CACHE_LAST_LOG)
		grow_cache(m);
	return site;
}

static uint32_t resolve_anew(struct model *m, const struct decode_event *e,
			     uint32_t tag)
{
	uint32_t site;

	if (e->source == LJM_SOURCE_INTERNAL || e->address == 0)
		site = internal_site(m);
	else
		site = resolve_symbol(m, e);
	if (site == MODEL_NO_CALLSITE)
		return MODEL_NO_CALLSITE;
	if (site == m->internal)
		site |= CALLSITES_INTERNAL;
	*cache_place(m, e) =
		(struct cached_site){e->address, e->line, tag, site};
	return site;
}

/*
 * The index of the event's callsite, with CALLSITES_INTERNAL if it is that.
 * MODEL_NO_CALLSITE without memory.
 */
static inline uint32_t resolve(struct model *m, const struct decode_event *e,
			       uint32_t epoch_tag)
{
	const uint32_t tag = epoch_tag | e->source;
	const struct cached_site *const cached = cache_place(m, e);

	if (unlikely(cached->address != e->address) ||
	    unlikely(cached->line != e->line) || unlikely(cached->tag != tag))
		return resolve_anew(m, e, tag);
	return cached->site;
}

/* The same for an event of a compact stream. */
static inline uint32_t resolve_number(struct model *m,
				      const struct decode_event *e)
{
	const uint32_t found = callsites_find(&m->callsites, e->address);

	return unlikely(found == CALLSITES_FURTHER) ? further_site(m) : found;
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

/* Adds an event's sizes to the sum of all; false when it is too much. */
static inline bool add_bytes(struct model *m, const struct decode_event *e)
{
	const uint64_t sum = m->bytes + e->old_size + e->new_size;

	if (unlikely(((e->old_size | e->new_size | sum) & ~(BYTES_MAX - 1)) !=
		     0) &&
	    (e->old_size > BYTES_MAX || e->new_size > BYTES_MAX ||
	     sum > BYTES_MAX))
		return false;
	m->bytes = sum;
	return true;
}

/* What follows a realloc's first step; there is room for it. */
static inline void prepare_second(const struct decode_event *e,
				  struct replay_op *ops)
{
	ops[1] = (struct replay_op){
		.address = e->new_address,
		.size = e->new_size,
		.owner = ops[0].owner,
		.flags = REPLAY_BIRTH,
		.position = ops[0].position,
	};
	/* The collector only frees. */
	ops[0].flags &= (uint8_t)~REPLAY_INTERNAL;
}

/* The steps of an event that is not quite so simple; returns how many. */
static size_t prepare_odd(const struct decode_event *e, struct replay_op *ops)
{
	const bool moved = e->kind == LJM_KIND_REALLOC;
	const bool nothing = e->kind != LJM_KIND_FREE && e->new_address == 0;

	if (moved)
		prepare_second(e, ops);
	for (unsigned i = 0; i <= moved; i++)
		ops[i].flags |= REPLAY_ODD;
	if (nothing && e->new_size != 0) {
		ops[0].flags |= REPLAY_FAILED;
		ops[0].size = e->new_size;
		return 1;
	}
	if (nothing)
		ops[moved].flags |= REPLAY_UNBORN;
	return 1u + moved;
}

/* Writes the steps of an event, where there is room for two. */
static inline size_t prepare_ops(const struct decode_event *e, uint32_t site,
				 unsigned position, struct replay_op *ops)
{
	const bool alloc = e->kind == LJM_KIND_ALLOC;
	const bool moved = e->kind == LJM_KIND_REALLOC;
	const unsigned internal = site / CALLSITES_INTERNAL;
	uint64_t block[2];

	memcpy(block, (const char *)e + decode_block_at(e->kind),
	       sizeof(block));
	ops[0].address = block[0];
	ops[0].size = block[1];
	ops[0].owner = owner_of(site & ~CALLSITES_INTERNAL, moved);
	ops[0].flags = (uint8_t)(REPLAY_FIRST + alloc * REPLAY_BIRTH +
				 internal * REPLAY_INTERNAL);
	ops[0].position = (uint16_t)position;
	if (unlikely(ops[0].address == 0) ||
	    unlikely((e->old_size | e->new_size) >= LIVE_SIZE_BIG))
		return prepare_odd(e, ops);
	if (!moved)
		return 1;
	if (unlikely(e->new_address == 0))
		return prepare_odd(e, ops);
	prepare_second(e, ops);
	return 2;
}

/* Makes a heap event ready; ops has room for two steps. */
static inline enum model_result prepare(struct model *m,
					const struct decode_event *e,
					uint32_t epoch_tag, unsigned position,
					struct replay_op *ops, size_t *count)
{
	uint32_t site;

	if (unlikely(!add_bytes(m, e)))
		return MODEL_OVERFLOW;
	site = e->source == DECODE_CALLSITE ? resolve_number(m, e)
					    : resolve(m, e, epoch_tag);
	if (unlikely(site == MODEL_NO_CALLSITE))
		return MODEL_NO_MEMORY;
	*count += prepare_ops(e, site, position, ops);
	m->event++;
	return MODEL_OK;
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
			e->address > BYTES_MAX ? BYTES_MAX : e->address;
		if (m->lost_events > BYTES_MAX)
			m->lost_events = BYTES_MAX;
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

static inline bool is_heap_event(const struct decode_event *e)
{
	return (unsigned)e->kind - LJM_KIND_ALLOC <=
	       LJM_KIND_REALLOC - LJM_KIND_ALLOC;
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

/*
 * Applies the symbols and records among events and makes ready the rest, until
 * something is wrong or there is no room: *taken is how many events that were.
 */
static enum model_result prepare_batch(struct model *m,
				       const struct decode_event *events,
				       size_t count, size_t *taken,
				       struct replay_op *out, size_t room,
				       size_t *prepared)
{
	enum model_result result = MODEL_OK;
	uint32_t tag = epoch_tag(m);
	size_t ahead, n = 0, i;

	if (count > room / 2)
		count = room / 2;
	/* Events before this one have one whose place is to be fetched. */
	ahead = m->cache_log > SITE_CACHE_NEAR_LOG && count > SITE_CACHE_AHEAD
			? count - SITE_CACHE_AHEAD
			: 0;
	for (i = 0; i < count; i++) {
		const struct decode_event *const e = &events[i];

		if (i < ahead)
			__builtin_prefetch(
				cache_place(m, e + SITE_CACHE_AHEAD));
		if (unlikely(!is_heap_event(e))) {
			result = apply_other(m, e);
			tag = epoch_tag(m);
		} else {
			result = prepare(m, e, tag, (unsigned)i, &out[n], &n);
		}
		if (unlikely(result != MODEL_OK))
			break;
	}
	*taken = i;
	*prepared = n;
	return result;
}

static enum model_result feed_batch(struct model *m,
				    const struct decode_event *events,
				    size_t count, size_t *taken)
{
	enum model_result result, replayed;
	size_t prepared, done;

	result = prepare_batch(m, events, count, taken, m->batch, MODEL_BATCH,
			       &prepared);
	replayed = replay_ops(&m->replay, m->batch, prepared, &done);
	if (replayed == MODEL_OK)
		return result;
	*taken = m->batch[done].position;
	return replayed;
}

/* ---- with a second thread */

static enum model_result give_room(struct model *m)
{
	m->room = NULL;
	return replayer_give(m->replayer, m->in_room);
}

static enum model_result feed_room(struct model *m,
				   const struct decode_event *events,
				   size_t count, size_t *taken)
{
	enum model_result result, given = MODEL_OK;
	size_t prepared;

	if (m->room == NULL) {
		m->room = replayer_room(m->replayer);
		m->in_room = 0;
	}
	result = prepare_batch(m, events, count, taken, m->room + m->in_room,
			       REPLAYER_ROOM - m->in_room, &prepared);
	m->in_room += prepared;
	if (m->in_room + REPLAYER_LEAST > REPLAYER_ROOM)
		given = give_room(m);
	return given != MODEL_OK ? given : result;
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

enum model_result model_settle(struct model *m)
{
	if (m->replayer == NULL)
		return MODEL_OK;
	if (m->room != NULL)
		give_room(m);
	return replayer_settle(m->replayer);
}

/* ---- both ways */

enum model_result model_feed(struct model *m, const struct decode_event *events,
			     size_t count, size_t *taken)
{
	enum model_result result = MODEL_OK;
	size_t at = 0, done;

	m->shown = false;
	if (!m->begun)
		begin_stream(m);
	while (at < count && result == MODEL_OK) {
		result = (m->replayer != NULL ? feed_room : feed_batch)(
			m, events + at, count - at, &done);
		at += done;
	}
	*taken = at;
	return result;
}

enum model_result model_end_stream(struct model *m)
{
	const enum model_result settled = model_settle(m);
	enum model_result ended;

	m->shown = false;
	if (!m->begun)
		begin_stream(m);
	symtab_clear(&m->symtab);
	callsites_end_stream(&m->callsites);
	m->begun = false;
	ended = replay_end_stream(&m->replay);
	if (!model_sum_up_pairs(m))
		return MODEL_NO_MEMORY;
	return settled != MODEL_OK ? settled : ended;
}
