/*
 * tally.c - counting by site, and what figures that makes.
 */
#define _GNU_SOURCE /* mremap */
#include "tally.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_SITES (1u << SITE_BLOCK_LOG)

/* ---- tallies */

/*
 * What few sites have, or only while somebody asks for figures, is memory that
 * is not touched before: mapped, to be zeroed by the system.
 */
static void *map_sites(size_t size)
{
	void *const p =
		mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t derived_size(uint32_t blocks)
{
	return (size_t)blocks * BLOCK_SITES * sizeof(struct derived);
}

static size_t ended_size(uint32_t blocks)
{
	return (size_t)blocks * BLOCK_SITES * sizeof(struct ended);
}

/* What was in it stays. */
static struct ended *grow_ended(const struct tallies *t, uint32_t cap)
{
	void *p;

	if (t->ended == NULL)
		return map_sites(ended_size(cap));
	p = mremap(t->ended, ended_size(t->block_cap), ended_size(cap),
		   MREMAP_MAYMOVE);
	return p == MAP_FAILED ? NULL : p;
}

/* Of sites without births. */
static struct tally no_births[2 * BLOCK_SITES];

/* Makes room for more blocks. */
static bool grow_tallies(struct tallies *t)
{
	const uint32_t cap = t->block_cap + t->block_cap / 2 + 16;
	struct tally **const blocks = realloc(t->blocks, cap * sizeof(*blocks));
	struct derived *derived;
	struct ended *ended;

	if (blocks == NULL)
		return false;
	t->blocks = blocks;
	derived = map_sites(derived_size(cap));
	if (derived == NULL)
		return false;
	ended = grow_ended(t, cap);
	if (ended == NULL) {
		munmap(derived, derived_size(cap));
		return false;
	}
	if (t->derived != NULL)
		munmap(t->derived, derived_size(t->block_cap));
	t->derived = derived;
	t->ended = ended;
	t->block_cap = cap;
	return true;
}

bool tallies_reserve_slow(struct tallies *t, uint32_t site)
{
	while (site >= t->count) {
		const uint32_t used = t->count >> SITE_BLOCK_LOG;

		if (used == t->block_cap && !grow_tallies(t))
			return false;
		t->blocks[used] = no_births;
		t->count += BLOCK_SITES;
	}
	return true;
}

bool tallies_make(struct tallies *t, uint32_t site)
{
	struct tally **const block = &t->blocks[site >> SITE_BLOCK_LOG];
	struct tally *made;

	if (*block != no_births)
		return true;
	/* Two of them fill a line of the cache. */
	made = aligned_alloc(2 * sizeof(*made), sizeof(no_births));
	if (made == NULL)
		return false;
	memset(made, 0, sizeof(no_births));
	*block = made;
	return true;
}

void tallies_clear(struct tallies *t)
{
	for (uint32_t i = 0; i < t->count; i += BLOCK_SITES)
		if (t->blocks[i >> SITE_BLOCK_LOG] != no_births)
			free(t->blocks[i >> SITE_BLOCK_LOG]);
	free(t->blocks);
	if (t->derived != NULL) {
		munmap(t->derived, derived_size(t->block_cap));
		munmap(t->ended, ended_size(t->block_cap));
	}
	memset(t, 0, sizeof(*t));
}

/* ---- figures */

void tallies_derive(struct tallies *t, const struct overrides *pairs)
{
	const size_t size = derived_size(t->block_cap);

	if (size != 0 && madvise(t->derived, size, MADV_DONTNEED) != 0)
		memset(t->derived, 0, size);
	for (uint32_t i = 0; i < pairs->count; i++) {
		const struct override *const o = &pairs->list[i];
		struct derived *const by = &t->derived[override_by(o)];
		struct derived *const of = &t->derived[override_of(o)];

		if (override_by_realloc(o)) {
			by->realloc_old_bytes += o->sum.bytes;
		} else {
			by->free_events += o->sum.blocks;
			by->free_bytes += o->sum.bytes;
		}
		of->ended_blocks += o->sum.blocks;
		of->ended_bytes += o->sum.bytes;
	}
}

static void add_other(struct model_figures *f, const struct override *o)
{
	switch ((enum other)override_of(o)) {
	case OTHER_EARLIER_FREE:
		f->earlier_free_events += o->sum.blocks;
		f->earlier_free_bytes += o->sum.bytes;
		break;
	case OTHER_EARLIER_REALLOC:
		f->earlier_realloc_events += o->sum.blocks;
		f->earlier_realloc_bytes += o->sum.bytes;
		break;
	case OTHER_FAILED:
		f->failed_events += o->sum.blocks;
		f->failed_bytes += o->sum.bytes;
		break;
	case OTHER_UNBORN:
		f->born_blocks -= o->sum.blocks;
		break;
	case OTHER_FREED:
		f->free_events += o->sum.blocks;
		f->free_bytes += o->sum.bytes;
		break;
	case OTHER_REALLOCATED:
		f->realloc_old_bytes += o->sum.bytes;
		break;
	}
}

/* Of two event numbers, 0: none. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a != 0 && (b == 0 || a < b) ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The last birth at the site that two tallies are of. */
static uint64_t last_event(const struct tally own[2])
{
	const uint64_t last =
		later(own[0].sum.last_event, own[1].sum.last_event);

	return last != 0 ? last : own[1].site_event;
}

void tallies_begin_stream(struct tallies *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct tally *const own = tallies_get(t, owner_of(i, false));

		if (t->blocks[i >> SITE_BLOCK_LOG] == no_births)
			continue;
		own[1].site_event = last_event(own);
		own[0].sum.last_event = own[1].sum.last_event = 0;
	}
}

struct model_figures tallies_figures(const struct tallies *t,
				     const struct overrides *others,
				     uint32_t site)
{
	static const struct tally no_tally[2];
	static const struct derived nothing;
	static const struct ended none;
	const bool is = site < t->count;
	const struct tally *const own =
		is ? tallies_get(t, owner_of(site, false)) : no_tally;
	const struct derived *const d = is ? &t->derived[site] : &nothing;
	const struct ended *const ended = is ? &t->ended[site] : &none;
	struct model_figures f = {
		.alloc_events = own[0].sum.blocks,
		.alloc_bytes = own[0].sum.bytes,
		.realloc_events = own[1].sum.blocks,
		.realloc_new_bytes = own[1].sum.bytes,
		.realloc_old_bytes = d->realloc_old_bytes,
		.free_events = d->free_events,
		.free_bytes = d->free_bytes,
		.born_blocks = own[0].sum.blocks + own[1].sum.blocks,
		.ended_blocks = ended->blocks + d->ended_blocks,
		.ended_bytes = ended->bytes + d->ended_bytes,
		.first_event = own[0].site_event,
		.last_event = last_event(own),
	};

	for (unsigned what = 0; others->count != 0 && what < OTHERS; what++) {
		const struct override *const o = overrides_find(
			others, override_key(owner_of(site, false), what));

		if (o != NULL)
			add_other(&f, o);
	}
	f.live_blocks = f.born_blocks - f.ended_blocks;
	f.live_bytes = f.alloc_bytes + f.realloc_new_bytes - f.ended_bytes;
	return f;
}

void tally_add_figures(struct model_figures *sum, const struct model_figures *f)
{
	sum->alloc_events += f->alloc_events;
	sum->alloc_bytes += f->alloc_bytes;
	sum->realloc_events += f->realloc_events;
	sum->realloc_new_bytes += f->realloc_new_bytes;
	sum->realloc_old_bytes += f->realloc_old_bytes;
	sum->free_events += f->free_events;
	sum->free_bytes += f->free_bytes;
	sum->earlier_free_events += f->earlier_free_events;
	sum->earlier_free_bytes += f->earlier_free_bytes;
	sum->earlier_realloc_events += f->earlier_realloc_events;
	sum->earlier_realloc_bytes += f->earlier_realloc_bytes;
	sum->failed_events += f->failed_events;
	sum->failed_bytes += f->failed_bytes;
	sum->born_blocks += f->born_blocks;
	sum->ended_blocks += f->ended_blocks;
	sum->ended_bytes += f->ended_bytes;
	sum->live_blocks += f->live_blocks;
	sum->live_bytes += f->live_bytes;
	sum->first_event = earlier(f->first_event, sum->first_event);
	sum->last_event = later(f->last_event, sum->last_event);
}

uint64_t tally_count_events(const struct model_figures *f)
{
	return f->alloc_events + f->realloc_events + f->free_events +
	       f->earlier_free_events + f->failed_events;
}

/* ---- stored profiles */

/* Nothing, if it is nothing. */
static bool add_to_other(struct overrides *others, uint32_t site,
			 enum other what, uint64_t blocks, uint64_t bytes)
{
	struct override *o;

	if (blocks == 0 && bytes == 0)
		return true;
	o = overrides_get(others, owner_of(site, false), what);
	if (o == NULL)
		return false;
	o->sum.blocks += blocks;
	o->sum.bytes += bytes;
	return true;
}

/* t: of the site's owners. */
static void add_births(struct tally t[2], const struct model_figures *f)
{
	t[0].sum.blocks += f->alloc_events;
	t[0].sum.bytes += f->alloc_bytes;
	t[1].sum.blocks += f->realloc_events;
	t[1].sum.bytes += f->realloc_new_bytes;
	t[0].site_event = earlier(t[0].site_event, f->first_event);
	t[1].site_event = later(last_event(t), f->last_event);
	t[0].sum.last_event = t[1].sum.last_event = 0;
}

bool tallies_add_stored(struct tallies *t, struct overrides *others,
			uint32_t site, const struct model_figures *f)
{
	if (!tallies_reserve(t, site) || !tallies_make(t, site) ||
	    !add_to_other(others, site, OTHER_EARLIER_FREE,
			  f->earlier_free_events, f->earlier_free_bytes) ||
	    !add_to_other(others, site, OTHER_EARLIER_REALLOC,
			  f->earlier_realloc_events,
			  f->earlier_realloc_bytes) ||
	    !add_to_other(others, site, OTHER_FAILED, f->failed_events,
			  f->failed_bytes) ||
	    !add_to_other(others, site, OTHER_UNBORN,
			  f->alloc_events + f->realloc_events - f->born_blocks,
			  0) ||
	    !add_to_other(others, site, OTHER_FREED, f->free_events,
			  f->free_bytes) ||
	    !add_to_other(others, site, OTHER_REALLOCATED, 0,
			  f->realloc_old_bytes))
		return false;
	t->ended[site].blocks += f->ended_blocks;
	t->ended[site].bytes += f->ended_bytes;
	add_births(tallies_get(t, owner_of(site, false)), f);
	return true;
}

bool overrides_add_stored(struct overrides *pairs, struct tallies *t,
			  struct overrides *others,
			  const struct model_override *stored)
{
	struct override *const o = overrides_get(
		pairs, owner_of(stored->by_site, stored->by_realloc),
		stored->of_site);

	/* The sites' own figures hold it: what they say more is less now. */
	if (o == NULL || !tallies_reserve(t, stored->by_site) ||
	    !tallies_reserve(t, stored->of_site) ||
	    !add_to_other(others, stored->by_site,
			  stored->by_realloc ? OTHER_REALLOCATED : OTHER_FREED,
			  0 - stored->blocks, 0 - stored->bytes))
		return false;
	o->sum.blocks += stored->blocks;
	o->sum.bytes += stored->bytes;
	t->ended[stored->of_site].blocks -= stored->blocks;
	t->ended[stored->of_site].bytes -= stored->bytes;
	return true;
}
