/*
 * model.c - the replay of a stream.
 *
 * What every event pays for is kept small. A birth counts at its site, a
 * death at its override (who ended whose block); all other figures follow
 * from these, and sites_derive() adds them up when somebody asks. Locations
 * come from a cache as long as no symbol changes. Blocks of 16 bytes are found
 * by a hash that is computed, and prefetched, a batch ahead.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "hash.h"
#include "live.h"
#include "names.h"
#include "samples.h"
#include "site.h"
#include "symtab.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

#define BATCH	       32u
#define BYTES_MAX      (1ull << 60)
#define SITE_CACHE_LOG 12

struct cached_site {
	uint64_t address;
	uint64_t line;
	uint64_t tag; /* the symbols' epoch and the source; 0: free */
	uint32_t site;
};

struct model {
	struct live live;
	struct symtab symtab;
	struct names names;
	struct sites sites;
	struct overrides overrides;
	struct model_totals totals;
	uint32_t internal; /* the site, MODEL_NO_SITE before it is used */
	bool derived;	   /* sites_derive() has been applied */

	/* Of the current stream. */
	bool begun;
	uint64_t event; /* the number of the event at hand */
	uint64_t live_blocks, live_bytes;
	uint64_t begun_bytes;
	uint64_t collector_mark; /* begun_bytes at INTERNAL's last free */

	uint64_t bytes; /* the sum of all sizes of all streams */
	model_life_fn *on_life;
	void *arg;
	struct cached_site cache[1u << SITE_CACHE_LOG];
	struct samples samples;
};

struct model *model_new(model_life_fn *on_life, void *arg)
{
	struct model *const m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->on_life = on_life;
	m->arg = arg;
	m->internal = MODEL_NO_SITE;
	m->symtab.epoch = 1;
	live_init(&m->live, on_life != NULL);
	names_init(&m->names);
	return m;
}

void model_free(struct model *m)
{
	if (m == NULL)
		return;
	live_clear(&m->live);
	symtab_clear(&m->symtab);
	names_clear(&m->names);
	sites_clear(&m->sites);
	overrides_clear(&m->overrides);
	free(m);
}

/* ---- derived figures */

/* Before figures are shown: makes them whole. The model is never const. */
static void show(const struct model *asked)
{
	struct model *const m = (struct model *)asked;
	struct model_totals *const t = &m->totals;

	if (m->derived)
		return;
	sites_derive(&m->sites, &m->overrides, 1);
	memset(&t->figures, 0, sizeof(t->figures));
	for (uint32_t i = 0; i < m->sites.count; i++)
		site_add_figures(&t->figures,
				 &sites_get(&m->sites, i)->figures);
	t->begun_bytes_since_collector = m->begun_bytes - m->collector_mark;
	m->derived = true;
}

/* Before figures change. */
static void hide(struct model *m)
{
	if (m->derived)
		sites_derive(&m->sites, &m->overrides, (uint64_t)-1);
	m->derived = false;
}

/* ---- sites of locations */

static uint32_t internal_site(struct model *m)
{
	const struct model_site key = {.kind = MODEL_SITE_INTERNAL};

	if (m->internal == MODEL_NO_SITE)
		m->internal = sites_intern(&m->sites, &key);
	return m->internal;
}

static uint32_t resolve_anew(struct model *m, const struct decode_event *e,
			     struct cached_site *cached, uint64_t tag)
{
	struct model_site key;
	uint32_t site;

	symtab_resolve(&m->symtab, &m->names, e->source, e->address, e->line,
		       &key);
	site = sites_intern(&m->sites, &key);
	if (site == MODEL_NO_SITE)
		return MODEL_NO_SITE;
	*cached = (struct cached_site){e->address, e->line, tag, site};
	return site;
}

/* The index of the event's site, MODEL_NO_SITE without memory. */
static inline uint32_t resolve(struct model *m, const struct decode_event *e)
{
	const uint64_t tag = m->symtab.epoch << 3 | e->source;
	const uint64_t hash = (e->address ^ e->line * HASH_ODD_1) * HASH_ODD_2;
	struct cached_site *const cached =
		&m->cache[hash >> (64 - SITE_CACHE_LOG)];

	if (e->source == LJM_SOURCE_INTERNAL || e->address == 0)
		return internal_site(m);
	if (cached->address == e->address && cached->line == e->line &&
	    cached->tag == tag)
		return cached->site;
	return resolve_anew(m, e, cached, tag);
}

/* ---- births and deaths */

/* A conflict counts once per event. */
static void note_conflict(struct model *m, bool *noted)
{
	if (*noted)
		return;
	*noted = true;
	if (m->totals.conflict_events++ == 0)
		m->totals.first_conflict_event = m->event;
}

/* An event on its way through. */
struct replay {
	const struct decode_event *e;
	uint32_t site;
	uint64_t old_hash, new_hash;
	bool conflict;
	uint64_t realloc_of; /* what the new life continues */
};

static bool hand_out(struct model *m, const struct replay *r, uint64_t hash,
		     const struct live_entry *entry, bool replaced)
{
	const struct live_history *const h =
		live_history_of(&m->live, hash, entry);
	const struct model_life life = {
		.address = entry->address,
		.size = live_size(&m->live, entry),
		.born_event = h->born_event,
		.died_event = r ? m->event : 0,
		.realloc_of = h->realloc_of,
		.born_site = entry->owner & LIVE_SITE_MASK,
		.died_site = r ? r->site : MODEL_NO_SITE,
		.born_by_realloc = entry->owner & LIVE_BY_REALLOC,
		.died_by_realloc =
			r && !replaced && r->e->kind == LJM_KIND_REALLOC,
		.replaced = replaced,
	};

	return m->on_life(m->arg, &life);
}

/* The life of a block from before the recording, of which only the end is. */
static bool hand_out_earlier(struct model *m, const struct replay *r)
{
	const struct model_life life = {
		.address = r->e->old_address,
		.size = r->e->old_size,
		.died_event = m->event,
		.born_site = MODEL_NO_SITE,
		.died_site = r->site,
		.died_by_realloc = r->e->kind == LJM_KIND_REALLOC,
	};

	return m->on_life == NULL || life.address == 0 ||
	       m->on_life(m->arg, &life);
}

static enum model_result end_earlier(struct model *m, const struct replay *r)
{
	struct model_figures *const f = &sites_get(&m->sites, r->site)->figures;

	if (r->e->kind == LJM_KIND_REALLOC) {
		f->earlier_realloc_events++;
		f->earlier_realloc_bytes += r->e->old_size;
	} else {
		f->earlier_free_events++;
		f->earlier_free_bytes += r->e->old_size;
	}
	return hand_out_earlier(m, r) ? MODEL_OK : MODEL_STOPPED;
}

/* Ends the life of a free's or realloc's old block; its entry stays. */
static inline enum model_result end_life(struct model *m, struct replay *r,
					 const struct live_entry *old)
{
	const uint64_t size = live_size(&m->live, old);
	struct model_override *const o = overrides_get(
		&m->overrides, r->site, old->owner & LIVE_SITE_MASK,
		r->e->kind == LJM_KIND_REALLOC);

	if (unlikely(o == NULL))
		return MODEL_NO_MEMORY;
	o->blocks++;
	o->bytes += size;
	m->live_blocks--;
	m->live_bytes -= size;
	if (unlikely(size != r->e->old_size))
		note_conflict(m, &r->conflict);
	if (m->on_life == NULL)
		return MODEL_OK;
	r->realloc_of = live_history_of(&m->live, r->old_hash, old)->born_event;
	return hand_out(m, r, r->old_hash, old, false) ? MODEL_OK
						       : MODEL_STOPPED;
}

/* Ends a life because another one begins at its address. */
static bool replace_life(struct model *m, struct replay *r,
			 const struct live_entry *entry)
{
	const uint64_t size = live_size(&m->live, entry);
	struct model_figures *const of =
		&sites_get(&m->sites, entry->owner & LIVE_SITE_MASK)->figures;

	of->ended_blocks++;
	of->ended_bytes += size;
	m->live_blocks--;
	m->live_bytes -= size;
	m->totals.replaced_blocks++;
	m->totals.replaced_bytes += size;
	note_conflict(m, &r->conflict);
	return m->on_life == NULL || hand_out(m, r, r->new_hash, entry, true);
}

/* Puts the new block in, for which live_reserve() has made room. */
static inline bool begin_life(struct model *m, struct replay *r)
{
	const struct decode_event *const e = r->e;
	const uint32_t owner =
		r->site | (e->kind == LJM_KIND_REALLOC ? LIVE_BY_REALLOC : 0);
	struct model_figures *const f = &sites_get(&m->sites, r->site)->figures;
	struct live_entry *const entry =
		live_probe(&m->live, e->new_address, r->new_hash);
	bool go_on = true;

	if (unlikely(entry->address != 0)) {
		go_on = replace_life(m, r, entry);
		live_replace(&m->live, entry, e->new_size, owner);
	} else {
		live_insert(&m->live, r->new_hash, entry, e->new_address,
			    e->new_size, owner);
	}
	if (m->on_life != NULL)
		*live_history_of(&m->live, r->new_hash, entry) =
			(struct live_history){m->event, r->realloc_of};
	if (unlikely(f->first_event == 0))
		f->first_event = m->event;
	f->last_event = m->event;
	m->live_blocks++;
	m->live_bytes += e->new_size;
	m->begun_bytes += e->new_size;
	if (m->live_bytes > m->totals.peak_bytes) {
		m->totals.peak_bytes = m->live_bytes;
		m->totals.peak_event = m->event;
	}
	return go_on;
}

/* ---- the three kinds of event */

/* The recorder saw an allocation return NULL: nothing has changed. */
static enum model_result apply_failed(struct model *m, const struct replay *r)
{
	struct model_figures *const f = &sites_get(&m->sites, r->site)->figures;

	f->failed_events++;
	f->failed_bytes += r->e->new_size;
	return MODEL_OK;
}

static inline enum model_result apply_alloc(struct model *m, struct replay *r)
{
	const struct decode_event *const e = r->e;
	struct model_figures *const f = &sites_get(&m->sites, r->site)->figures;

	if (unlikely(e->new_address == 0)) {
		if (e->new_size != 0)
			return apply_failed(m, r);
		f->alloc_events++;
		f->born_blocks--; /* against what sites_derive() adds */
		return MODEL_OK;
	}
	if (unlikely(!live_reserve(&m->live, r->new_hash, e->new_size)))
		return MODEL_NO_MEMORY;
	f->alloc_events++;
	f->alloc_bytes += e->new_size;
	return begin_life(m, r) ? MODEL_OK : MODEL_STOPPED;
}

static inline enum model_result apply_free(struct model *m, struct replay *r)
{
	const struct decode_event *const e = r->e;
	struct live_entry *const old =
		live_probe(&m->live, e->old_address, r->old_hash);
	enum model_result result;

	if (r->site == m->internal && e->old_address != 0) {
		m->totals.last_collector_free_event = m->event;
		m->collector_mark = m->begun_bytes;
	}
	/* A probe for address 0 finds a free slot. */
	if (unlikely(old->address == 0))
		return end_earlier(m, r);
	result = end_life(m, r, old);
	if (result != MODEL_NO_MEMORY)
		live_remove(&m->live, r->old_hash, old);
	return result;
}

static enum model_result apply_realloc(struct model *m, struct replay *r)
{
	const struct decode_event *const e = r->e;
	struct model_figures *const f = &sites_get(&m->sites, r->site)->figures;
	enum model_result result;
	struct live_entry *old;

	if (e->new_address == 0 && e->new_size != 0)
		return apply_failed(m, r);
	if (e->new_address != 0 &&
	    !live_reserve(&m->live, r->new_hash, e->new_size))
		return MODEL_NO_MEMORY;
	old = live_probe(&m->live, e->old_address, r->old_hash);
	if (old->address == 0) {
		result = end_earlier(m, r);
	} else {
		result = end_life(m, r, old);
		if (result == MODEL_NO_MEMORY)
			return result;
		live_remove(&m->live, r->old_hash, old);
	}
	f->realloc_events++;
	if (e->new_address == 0) {
		f->born_blocks--; /* against what sites_derive() adds */
		return result;
	}
	f->realloc_new_bytes += e->new_size;
	return begin_life(m, r) ? result : MODEL_STOPPED;
}

/* ---- the replay */

static void begin_stream(struct model *m)
{
	m->begun = true;
	m->event = 0;
	m->live_blocks = m->live_bytes = 0;
	m->begun_bytes = m->collector_mark = 0;
	samples_begin(&m->samples);
	m->totals.peak_bytes = m->totals.peak_event = 0;
	m->totals.last_collector_free_event = 0;
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

/* The state after the event at hand. */
static struct model_sample now(const struct model *m)
{
	return (struct model_sample){m->event, m->live_blocks, m->live_bytes,
				     m->begun_bytes};
}

static inline enum model_result apply(struct model *m, struct replay *r)
{
	const struct decode_event *const e = r->e;
	enum model_result result;

	if (e->kind == LJM_KIND_SYMBOL)
		return symtab_define(&m->symtab, &m->names, e)
			       ? MODEL_OK
			       : MODEL_NO_MEMORY;
	if (unlikely(!add_bytes(m, e)))
		return MODEL_OVERFLOW;
	r->site = resolve(m, e);
	if (unlikely(r->site == MODEL_NO_SITE))
		return MODEL_NO_MEMORY;
	m->event++;
	m->totals.events++;
	if (e->kind == LJM_KIND_ALLOC)
		result = apply_alloc(m, r);
	else if (e->kind == LJM_KIND_FREE)
		result = apply_free(m, r);
	else
		result = apply_realloc(m, r);
	if (m->event == m->samples.next)
		samples_regular(&m->samples, now(m));
	return result;
}

/*
 * Hashes the addresses of a batch and fetches where they lead. An event has
 * zero where it has no address, so one of the two is the other's or both.
 */
static void look_ahead(struct model *m, const struct decode_event *events,
		       size_t count, struct replay *batch)
{
	for (size_t i = 0; i < count; i++) {
		const struct decode_event *const e = &events[i];

		batch[i].e = e;
		batch[i].conflict = false;
		batch[i].realloc_of = 0;
		batch[i].old_hash = live_hash(&m->live, e->old_address);
		batch[i].new_hash = live_hash(&m->live, e->new_address);
		live_prefetch(&m->live, e->kind == LJM_KIND_ALLOC
						? batch[i].new_hash
						: batch[i].old_hash);
		if (e->kind == LJM_KIND_REALLOC)
			live_prefetch(&m->live, batch[i].new_hash);
	}
}

enum model_result model_feed(struct model *m, const struct decode_event *events,
			     size_t count, size_t *taken)
{
	struct replay batch[BATCH];
	enum model_result result;

	hide(m);
	if (!m->begun)
		begin_stream(m);
	for (size_t at = 0; at < count; at += BATCH) {
		const size_t n = count - at < BATCH ? count - at : BATCH;

		look_ahead(m, events + at, n, batch);
		for (size_t i = 0; i < n; i++) {
			result = apply(m, &batch[i]);
			if (unlikely(result != MODEL_OK)) {
				*taken = at + i;
				return result;
			}
		}
	}
	*taken = count;
	return MODEL_OK;
}

/* Hands out all lives that have not ended. */
static enum model_result hand_out_alive(struct model *m)
{
	for (unsigned i = 0; i < LIVE_PARTS; i++) {
		const struct live_part *const p = &m->live.parts[i];

		for (uint32_t j = 0; j < p->cap; j++) {
			const struct live_entry *const e = &p->entries[j];

			if (e->address == 0)
				continue;
			if (!hand_out(m, NULL, live_hash(&m->live, e->address),
				      e, false))
				return MODEL_STOPPED;
		}
	}
	return MODEL_OK;
}

enum model_result model_end_stream(struct model *m)
{
	enum model_result result = MODEL_OK;

	if (!m->begun)
		begin_stream(m);
	if (m->event != 0)
		samples_last(&m->samples, now(m));
	if (m->on_life != NULL)
		result = hand_out_alive(m);
	live_clear(&m->live);
	symtab_clear(&m->symtab);
	m->begun = false;
	return result;
}

/* ---- stored profiles */

uint32_t model_add_site(struct model *m, const struct model_site *site)
{
	hide(m);
	m->totals.events += site_count_events(&site->figures);
	return sites_add_stored(&m->sites, &m->names, site);
}

bool model_add_override(struct model *m, const struct model_override *o)
{
	hide(m);
	return overrides_add_stored(&m->overrides, &m->sites, o);
}

/* ---- what has come of it */

size_t model_site_count(const struct model *m)
{
	return m->sites.count;
}

const struct model_site *model_site(const struct model *m, uint32_t index)
{
	show(m);
	return sites_get(&m->sites, index);
}

size_t model_override_count(const struct model *m)
{
	return m->overrides.count;
}

const struct model_override *model_override(const struct model *m, size_t i)
{
	return &m->overrides.list[i];
}

const struct model_totals *model_totals(const struct model *m)
{
	show(m);
	return &m->totals;
}

size_t model_sample_count(const struct model *m)
{
	return m->samples.count;
}

const struct model_sample *model_sample(const struct model *m, size_t i)
{
	return &m->samples.list[i];
}

size_t model_alias_count(const struct model *m)
{
	return m->names.alias_count;
}

const struct model_name *model_alias(const struct model *m, size_t i)
{
	return &m->names.aliases[i];
}
