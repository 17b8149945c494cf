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
#define CACHE_FIRST_LOG 12
#define CACHE_LAST_LOG	19
#define CACHE_NEAR_LOG	13 /* so large it is near the processor */

bool model_open_locations(struct model *m)
{
	m->location_shift = 65 - CACHE_FIRST_LOG;
	m->locations = calloc(1u << CACHE_FIRST_LOG, sizeof(*m->locations));
	return m->locations != NULL;
}

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
	return 65 - m->location_shift;
}

/* Makes the cache twice as large, if it can be. */
static void grow_cache(struct model *m)
{
	struct location *const larger =
		calloc(2u << cache_log(m), sizeof(*larger));

	if (larger == NULL)
		return;
	free(m->locations);
	m->locations = larger;
	m->location_shift--;
	huge_advise(larger, sizeof(*larger) << cache_log(m));
}

/* When an epoch needs more than the 32 bits, the cache begins anew. */
uint32_t model_location_epoch(struct model *m)
{
	const uint64_t epoch = symtab_epoch(&m->symtab);

	if (epoch >> 32 != m->location_epochs) {
		memset(m->locations, 0, sizeof(*m->locations) << cache_log(m));
		m->location_epochs = epoch >> 32;
	}
	return (uint32_t)epoch;
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

/* The same of any, with CALLSITES_INTERNAL if it is that. */
static uint32_t resolve(struct model *m, const struct decode_event *e)
{
	const uint32_t site =
		e->source == LJM_SOURCE_INTERNAL || e->address == 0
			? internal_site(m)
			: resolve_symbol(m, e);

	if (site != MODEL_NO_CALLSITE && site == m->internal)
		return site | CALLSITES_INTERNAL;
	return site;
}

static uint32_t locate(struct model *m, const uint64_t key[2],
		       const struct decode_event *e)
{
	const uint32_t epoch = model_location_epoch(m);
	struct location *place = location_place(m, key);
	uint32_t site;

	if (location_is(&place[0], key, epoch))
		return place[0].site;
	if (location_is(&place[1], key, epoch))
		return place[1].site;
	site = resolve(m, e);
	if (site == MODEL_NO_CALLSITE)
		return MODEL_NO_CALLSITE;
	place = location_place(m, key); /* it may have grown */
	place[1] = place[0];
	place[0] = (struct location){{key[0], key[1]}, epoch, site};
	return site;
}

uint32_t model_locate_block(struct model *m, const struct decode_block *block,
			    const struct decode_event *e)
{
	return locate(m, block->location, e);
}

uint32_t model_locate(struct model *m, const struct decode_event *e)
{
	/* No block's, the lowest bit of whose first byte is not set. */
	const uint64_t key[2] = {
		htole64(e->address << 8 | (uint64_t)e->source << 1 | 1),
		e->line,
	};
	uint32_t found;

	if (e->source != DECODE_CALLSITE)
		return e->address >> 56 == 0 ? locate(m, key, e)
					     : resolve(m, e);
	found = callsites_find(&m->callsites, e->address);
	return found == CALLSITES_FURTHER ? further_site(m) : found;
}

void model_fetch_locations(const struct model *m,
			   const struct decode_block *blocks, size_t count)
{
	if (cache_log(m) <= CACHE_NEAR_LOG)
		return;
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(location_place(m, blocks[i].location));
}
