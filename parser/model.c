/*
 * model.c - the replay of a stream.
 *
 * In two steps, a batch of events at a time: here symbols are applied and the
 * sites of locations found, from a cache as long as no symbol changes; then
 * replay.c does what the events say. The sites' figures are made of what it
 * has counted when somebody asks.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "hash.h"
#include "huge.h"
#include "names.h"
#include "replay.h"
#include "replayer.h"
#include "site.h"
#include "symtab.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

#define BATCH	  512u
#define BYTES_MAX (1ull << 60)

/*
 * The cache of locations has at least as many places as there are sites, up
 * to a limit; places are fetched some events ahead.
 */
#define SITE_CACHE_FIRST_LOG 12
#define SITE_CACHE_LAST_LOG  20
#define SITE_CACHE_AHEAD     16u

struct cached_site {
	uint64_t address;
	uint64_t line;
	uint32_t tag; /* see tag_of(); 0: free */
	uint32_t site;
};

struct model {
	struct symtab symtab;
	struct names names;
	struct sites sites;
	uint32_t site_limit;
	uint32_t internal; /* the site, MODEL_NO_SITE before it is used */
	uint32_t further;  /* the same, of all beyond the limit */

	bool begun;		   /* a stream */
	uint64_t bytes;		   /* the sum of all sizes of all streams */
	struct cached_site *cache; /* 1 << cache_log places */
	unsigned cache_log;
	uint64_t cache_epoch; /* what its tags leave out; see tag_of() */
	struct replay_event batch[BATCH]; /* without a second thread */

	struct replayer *replayer; /* NULL: no second thread */
	struct replay_event *room; /* of the replayer, NULL: none yet */
	size_t in_room;

	struct replay replay; /* maybe the second thread's: settle first */
	struct model_totals totals; /* once shown */
	bool shown;		    /* these, and the sites' figures */
};

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
	m->internal = m->further = MODEL_NO_SITE;
	m->symtab.epoch = 1;
	names_init(&m->names);
	replay_init(&m->replay, on_life, arg);
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
	free(m->cache);
	free(m);
}

/* ---- derived figures */

/* Before figures are shown: makes them whole. The model is never const. */
static void show(const struct model *asked)
{
	struct model *const m = (struct model *)asked;
	const struct replay *const r = &m->replay;
	struct model_totals *const t = &m->totals;

	if (m->shown)
		return;
	tallies_derive(&m->replay.tallies, &r->pairs);
	*t = r->totals;
	if (m->further != MODEL_NO_SITE) {
		const struct model_figures f =
			tallies_figures(&r->tallies, &r->others, m->further);

		t->further_events = site_count_events(&f);
	}
	for (uint32_t i = 0; i < m->sites.count; i++) {
		const struct model_figures f =
			tallies_figures(&r->tallies, &r->others, i);

		site_add_figures(&t->figures, &f);
	}
	t->begun_bytes_since_collector = r->begun_bytes - r->collector_mark;
	m->shown = true;
}

/* ---- sites of locations */

static uint32_t add_internal_site(struct model *m)
{
	const struct model_site key = {.kind = MODEL_SITE_INTERNAL};

	m->internal = sites_intern(&m->sites, &key, SITE_MAX);
	return m->internal;
}

static inline uint32_t internal_site(struct model *m)
{
	return unlikely(m->internal == MODEL_NO_SITE) ? add_internal_site(m)
						      : m->internal;
}

/* The site of all those that there is no place for. */
static uint32_t further_site(struct model *m)
{
	static const char text[] = "(further sites)";
	struct model_site key = {.kind = MODEL_SITE_LUA};
	uint32_t number;

	if (m->further != MODEL_NO_SITE)
		return m->further;
	number = names_intern(&m->names, text, sizeof(text) - 1);
	if (number == NAME_NONE)
		return MODEL_NO_SITE;
	key.name.text = names_get(&m->names, number)->text;
	key.name.size = sizeof(text) - 1;
	m->further = sites_intern(&m->sites, &key, SITE_MAX);
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
 * are a cached one's tag. When an epoch needs more than the 29 bits that are
 * there, the cache begins anew.
 */
static inline uint32_t tag_of(struct model *m, const struct decode_event *e)
{
	const uint64_t epoch = m->symtab.epoch;

	if (unlikely(epoch >> 29 != m->cache_epoch)) {
		memset(m->cache, 0, sizeof(*m->cache) << m->cache_log);
		m->cache_epoch = epoch >> 29;
	}
	return (uint32_t)epoch << 3 | e->source;
}

static uint32_t resolve_anew(struct model *m, const struct decode_event *e,
			     uint32_t tag)
{
	struct model_site key;
	uint32_t site;

	symtab_resolve(&m->symtab, &m->names, e->source, e->address, e->line,
		       &key);
	site = sites_intern(&m->sites, &key, m->site_limit);
	if (site == SITE_FULL)
		site = further_site(m);
	if (site == MODEL_NO_SITE)
		return MODEL_NO_SITE;
	if (m->sites.count > 1u << m->cache_log &&
	    m->cache_log < SITE_CACHE_LAST_LOG)
		grow_cache(m);
	*cache_place(m, e) =
		(struct cached_site){e->address, e->line, tag, site};
	return site;
}

/* The index of the event's site, MODEL_NO_SITE without memory. */
static inline uint32_t resolve(struct model *m, const struct decode_event *e)
{
	const uint32_t tag = tag_of(m, e);
	const struct cached_site *const cached = cache_place(m, e);

	if (e->source == LJM_SOURCE_INTERNAL || e->address == 0)
		return internal_site(m);
	if (cached->address == e->address && cached->line == e->line &&
	    cached->tag == tag)
		return cached->site;
	return resolve_anew(m, e, tag);
}

/* ---- the stream */

static void begin_stream(struct model *m)
{
	m->begun = true;
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

static inline enum model_result prepare(struct model *m,
					const struct decode_event *e,
					struct replay_event *out)
{
	uint32_t site;

	if (unlikely(!add_bytes(m, e)))
		return MODEL_OVERFLOW;
	site = resolve(m, e);
	if (unlikely(site == MODEL_NO_SITE))
		return MODEL_NO_MEMORY;
	out->old_address = e->old_address;
	out->old_size = e->old_size;
	out->new_address = e->new_address;
	out->new_size = e->new_size;
	out->site = site;
	out->kind = e->kind;
	out->internal = site == m->internal;
	return MODEL_OK;
}

/*
 * Applies the symbols among events and makes ready the rest, until something
 * is wrong or there is no room: *taken is how many events that were.
 */
static enum model_result prepare_batch(struct model *m,
				       const struct decode_event *events,
				       size_t count, size_t *taken,
				       struct replay_event *out, size_t room,
				       size_t *prepared)
{
	enum model_result result = MODEL_OK;
	size_t n = 0, i;

	for (i = 0; i < count && n < room; i++) {
		const struct decode_event *const e = &events[i];

		if (i + SITE_CACHE_AHEAD < count)
			__builtin_prefetch(
				cache_place(m, e + SITE_CACHE_AHEAD));
		if (e->kind == LJM_KIND_SYMBOL) {
			if (!symtab_define(&m->symtab, &m->names, e))
				result = MODEL_NO_MEMORY;
		} else if (e->kind == DECODE_RECORD) {
			continue;
		} else {
			out[n].position = (uint16_t)i;
			result = prepare(m, e, &out[n]);
			n += result == MODEL_OK;
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

	result = prepare_batch(m, events, count < BATCH ? count : BATCH, taken,
			       m->batch, BATCH, &prepared);
	replayed = replay_events(&m->replay, m->batch, prepared, &done);
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
	if (m->in_room == REPLAYER_ROOM)
		given = give_room(m);
	return given != MODEL_OK ? given : result;
}

void model_use_thread(struct model *m)
{
	if (m->replayer == NULL)
		m->replayer = replayer_start(&m->replay);
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
	m->begun = false;
	ended = replay_end_stream(&m->replay);
	return settled != MODEL_OK ? settled : ended;
}

/* ---- stored profiles */

uint32_t model_add_site(struct model *m, const struct model_site *site)
{
	m->shown = false;
	m->replay.totals.events += site_count_events(&site->figures);
	return sites_add_stored(&m->sites, &m->names, &m->replay.tallies,
				&m->replay.others, site);
}

bool model_add_override(struct model *m, const struct model_override *o)
{
	m->shown = false;
	return overrides_add_stored(&m->replay.pairs, &m->replay.tallies,
				    &m->replay.others, o);
}

/* ---- what has come of it */

size_t model_site_count(const struct model *m)
{
	return m->sites.count;
}

struct model_site model_site(const struct model *m, uint32_t index)
{
	const struct replay *const r = &m->replay;
	struct model_site site = sites_describe(&m->sites, index);

	show(m);
	site.figures = tallies_figures(&r->tallies, &r->others, index);
	return site;
}

struct model_name model_site_name(const struct model *m, uint32_t index)
{
	return sites_describe(&m->sites, index).name;
}

size_t model_override_count(const struct model *m)
{
	return m->replay.pairs.count;
}

struct model_override model_override(const struct model *m, size_t i)
{
	const struct override *const o = &m->replay.pairs.list[i];

	return (struct model_override){
		.by_site = override_by(o),
		.of_site = override_of(o),
		.by_realloc = override_by_realloc(o),
		.blocks = o->blocks,
		.bytes = o->bytes,
	};
}

const struct model_totals *model_totals(const struct model *m)
{
	show(m);
	return &m->totals;
}

size_t model_sample_count(const struct model *m)
{
	return m->replay.samples.count;
}

const struct model_sample *model_sample(const struct model *m, size_t i)
{
	return &m->replay.samples.list[i];
}

size_t model_alias_count(const struct model *m)
{
	return m->names.alias_count;
}

const struct model_name *model_alias(const struct model *m, size_t i)
{
	return &m->names.aliases[i];
}
