/*
 * model_locations.c - which callsite a location of the stream is.
 *
 * From a cache, as long as no symbol changes.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "huge.h"
#include "model_private.h"

/*
 * The cache has at least as many places as there are sites, up to a limit;
 * places are fetched early when there are many.
 */
#define CACHE_FIRST_LOG 14
#define CACHE_LAST_LOG	19
#define CACHE_NEAR_LOG	14 /* so large it is near the processor */

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

static inline unsigned cache_log(const struct model *m)
{
	return 65 - m->locations.shift;
}

/* Makes the cache twice as large, if it can be. */
static void grow_cache(struct model *m)
{
	struct location *const larger =
		calloc(2u << cache_log(m), sizeof(*larger));

	if (larger == NULL)
		return;
	free(m->locations.list);
	m->locations.list = larger;
	m->locations.shift--;
	m->locations.far = cache_log(m) > CACHE_NEAR_LOG;
	huge_advise(larger, sizeof(*larger) << cache_log(m));
}

const struct locations *model_locations(struct model *m)
{
	struct locations *const l = &m->locations;
	const uint64_t epoch = symtab_epoch(&m->symtab);

	/* When an epoch needs more than the 32 bits, the cache begins anew. */
	if (epoch >> 32 != m->location_epochs) {
		memset(l->list, 0, sizeof(*l->list) << cache_log(m));
		m->location_epochs = epoch >> 32;
	}
	l->epoch = (uint32_t)epoch;
	return l;
}

/* The callsite of a location that is not INTERNAL. */
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
	if (m->sites.count > 1u << cache_log(m) &&
	    cache_log(m) < CACHE_LAST_LOG)
		grow_cache(m);
	return site;
}

/* What locations have for a callsite that there may be no memory for. */
static uint32_t owner_if_any(uint32_t callsite)
{
	return callsite == MODEL_NO_CALLSITE ? LOCATION_UNKNOWN
					     : location_owner(callsite);
}

/* Who is at any location; LOCATION_UNKNOWN without memory. */
static uint32_t resolve(struct model *m, const struct decode_event *e)
{
	const uint32_t site =
		e->source == LJM_SOURCE_INTERNAL || e->address == 0
			? internal_site(m)
			: resolve_symbol(m, e);

	return owner_if_any(site) |
	       (site == m->internal ? LOCATION_INTERNAL : 0);
}

/* The same, and makes it known. */
static uint32_t locate(struct model *m, const uint64_t key[2],
		       const struct decode_event *e)
{
	const struct locations *const known = model_locations(m);
	uint32_t owner = locations_find(known, key);
	struct location *place;

	if (owner != LOCATION_UNKNOWN)
		return owner;
	owner = resolve(m, e);
	if (owner == LOCATION_UNKNOWN)
		return LOCATION_UNKNOWN;
	place = locations_place(known, key);
	place[1] = place[0];
	place[0] = (struct location){{key[0], key[1]}, known->epoch, owner};
	return owner;
}

/* See locations_learn_fn. */
static uint32_t learn(void *model, const uint64_t location[2])
{
	struct decode_event e;

	decode_location(location, &e);
	return locate(model, location, &e);
}

bool model_open_locations(struct model *m)
{
	m->locations = (struct locations){
		.list = calloc(1u << CACHE_FIRST_LOG,
			       sizeof(*m->locations.list)),
		.shift = 65 - CACHE_FIRST_LOG,
		.learn = learn,
		.arg = m,
	};
	return m->locations.list != NULL;
}

uint32_t model_locate(struct model *m, const struct decode_event *e)
{
	/* No location's own, the lowest bit of whose first byte is not set. */
	const uint64_t key[2] = {
		htole64(e->address << 8 | (uint64_t)e->source << 1 | 1),
		e->line,
	};
	uint32_t found;

	if (e->source != DECODE_CALLSITE)
		return e->address >> 56 == 0 ? locate(m, key, e)
					     : resolve(m, e);
	found = callsites_find(&m->callsites, e->address);
	if (found == CALLSITES_FURTHER)
		found = further_site(m);
	return owner_if_any(found);
}
