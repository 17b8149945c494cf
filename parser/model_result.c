/*
 * model_result.c - what has come of a replay: figures, and stored ones.
 *
 * The figures of callsites are made of what the replay has counted when
 * somebody asks; those of a site are the sum over its callsites.
 */
#include "model_private.h"

/* ---- derived figures */

static struct model_figures figures_of(const struct model *m, uint32_t callsite)
{
	return tallies_figures(&m->replay.tallies, &m->replay.others, callsite);
}

/* Before figures are shown: makes them whole. The model is never const. */
static void show(const struct model *asked)
{
	struct model *const m = (struct model *)asked;
	const struct replay *const r = &m->replay;
	struct model_totals *const t = &m->totals;
	const size_t count = model_callsite_count(m);

	if (m->shown)
		return;
	tallies_derive(&m->replay.tallies, &r->pairs);
	*t = r->totals;
	if (m->further != MODEL_NO_CALLSITE) {
		const struct model_figures f = figures_of(m, m->further);

		t->further_events = tally_count_events(&f);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct model_figures f = figures_of(m, i);

		tally_add_figures(&t->figures, &f);
	}
	t->peak_event = r->peak.event;
	t->peak_bytes = r->peak.bytes;
	t->last_collector_free_event = r->collected.event;
	t->begun_bytes_since_collector =
		r->now.begun_bytes - r->collected.bytes;
	t->lost_events = m->lost_events;
	t->further_moments = m->moments.further;
	m->shown = true;
}

bool model_sum_up_pairs(struct model *m)
{
	const struct overrides *const pairs = &m->replay.pairs;

	if (!m->callsites.listed)
		return true;
	overrides_clear(&m->site_pairs);
	for (uint32_t i = 0; i < pairs->count; i++) {
		const struct override *const o = &pairs->list[i];
		struct override *const sum = overrides_get(
			&m->site_pairs,
			owner_of(model_callsite_site(m, override_by(o)),
				 override_by_realloc(o)),
			model_callsite_site(m, override_of(o)));

		if (sum == NULL)
			return false;
		sum->sum.blocks += o->sum.blocks;
		sum->sum.bytes += o->sum.bytes;
	}
	return true;
}

/* ---- stored profiles */

/* Where the figures of a stored site are counted. */
static uint32_t leaf_of(struct model *m, uint32_t site)
{
	if (!m->callsites.listed || site == MODEL_NO_SITE)
		return site;
	return callsites_leaf(&m->callsites, &m->names, &m->sites, site,
			      SITE_MAX);
}

uint32_t model_add_site(struct model *m, const struct model_site *site)
{
	const uint32_t index = sites_intern_stored(&m->sites, &m->names, site);
	const uint32_t leaf = leaf_of(m, index);

	m->shown = false;
	m->replay.totals.events += tally_count_events(&site->figures);
	if (leaf == MODEL_NO_CALLSITE ||
	    !tallies_add_stored(&m->replay.tallies, &m->replay.others, leaf,
				&site->figures))
		return MODEL_NO_SITE;
	return index;
}

bool model_add_override(struct model *m, const struct model_override *o)
{
	const struct model_override leaves = {
		.by_site = leaf_of(m, o->by_site),
		.of_site = leaf_of(m, o->of_site),
		.by_realloc = o->by_realloc,
		.blocks = o->blocks,
		.bytes = o->bytes,
	};
	struct override *sum;

	m->shown = false;
	if (leaves.by_site == MODEL_NO_CALLSITE ||
	    leaves.of_site == MODEL_NO_CALLSITE ||
	    !overrides_add_stored(&m->replay.pairs, &m->replay.tallies,
				  &m->replay.others, &leaves))
		return false;
	if (!m->callsites.listed)
		return true;
	sum = overrides_get(&m->site_pairs, owner_of(o->by_site, o->by_realloc),
			    o->of_site);
	if (sum == NULL)
		return false;
	sum->sum.blocks += o->blocks;
	sum->sum.bytes += o->bytes;
	return true;
}

/* ---- what has come of it */

size_t model_site_count(const struct model *m)
{
	return m->sites.count;
}

/* The sum over the callsites of a site. */
static struct model_figures sum_of_site(const struct model *m, uint32_t site)
{
	const struct callsites *const c = &m->callsites;
	struct model_figures sum = {0};
	uint32_t i = site < c->site_cap ? c->of_site[site] : MODEL_NO_CALLSITE;

	for (; i != MODEL_NO_CALLSITE; i = c->list[i].next) {
		const struct model_figures f = figures_of(m, i);

		tally_add_figures(&sum, &f);
	}
	return sum;
}

struct model_site model_site(const struct model *m, uint32_t index)
{
	struct model_site site = sites_describe(&m->sites, index);

	show(m);
	site.figures = m->callsites.listed ? sum_of_site(m, index)
					   : figures_of(m, index);
	return site;
}

struct model_site model_site_place(const struct model *m, uint32_t index)
{
	return sites_describe(&m->sites, index);
}

static const struct overrides *site_pairs(const struct model *m)
{
	return m->callsites.listed ? &m->site_pairs : &m->replay.pairs;
}

size_t model_override_count(const struct model *m)
{
	return site_pairs(m)->count;
}

struct model_override model_override(const struct model *m, size_t i)
{
	const struct override *const o = &site_pairs(m)->list[i];

	return (struct model_override){
		.by_site = override_by(o),
		.of_site = override_of(o),
		.by_realloc = override_by_realloc(o),
		.blocks = o->sum.blocks,
		.bytes = o->sum.bytes,
	};
}

const struct model_totals *model_totals(const struct model *m)
{
	show(m);
	return &m->totals;
}

struct model_remarks model_remarks(const struct model *m)
{
	const struct model_totals *const all = model_totals(m);
	const struct model_totals *const before = &m->before;

	return (struct model_remarks){
		.conflict_events =
			all->conflict_events - before->conflict_events,
		.first_conflict_event = m->replay.first_conflict_event,
		.further_events = all->further_events - before->further_events,
		.unlisted_blocks =
			all->unlisted_blocks - before->unlisted_blocks,
		.lost_events = all->lost_events - before->lost_events,
	};
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

/* ---- callsites and frames */

size_t model_frame_count(const struct model *m)
{
	return m->callsites.listed ? m->callsites.frame_count : m->sites.count;
}

void model_frame(const struct model *m, uint32_t index, struct model_frame *out)
{
	struct model_site site;

	if (m->callsites.listed) {
		callsites_frame(&m->callsites, &m->names, index, out);
		return;
	}
	site = sites_describe(&m->sites, index);
	callsites_frame_of_site(&site, out);
}

size_t model_callsite_count(const struct model *m)
{
	return m->callsites.listed ? m->callsites.count : m->sites.count;
}

uint32_t model_callsite_site(const struct model *m, uint32_t index)
{
	return m->callsites.listed ? m->callsites.list[index].site : index;
}

void model_callsite(const struct model *m, uint32_t index,
		    struct model_callsite *out)
{
	const struct callsite leaf = {.parent = MODEL_NO_CALLSITE,
				      .frame = index,
				      .site = index,
				      .depth = 1};
	const struct callsite *const c =
		m->callsites.listed ? &m->callsites.list[index] : &leaf;

	show(m);
	*out = (struct model_callsite){.parent = c->parent,
				       .frame = c->frame,
				       .site = c->site,
				       .depth = c->depth,
				       .figures = figures_of(m, index)};
}

/* ---- moments */

struct model_start model_start(const struct model *m)
{
	return m->moments.start;
}

size_t model_clock_count(const struct model *m)
{
	return moments_clock_count(&m->moments);
}

struct model_clock model_clock(const struct model *m, size_t i)
{
	return moments_clock(&m->moments, i);
}

size_t model_mark_count(const struct model *m)
{
	return m->moments.marks.count;
}

struct model_mark model_mark(const struct model *m, size_t i)
{
	return moments_mark(&m->moments, i);
}

size_t model_collection_count(const struct model *m)
{
	return m->moments.collections.count;
}

struct model_collection model_collection(const struct model *m, size_t i)
{
	return moments_collection(&m->moments, i);
}
