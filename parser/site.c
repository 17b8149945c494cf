/*
 * site.c - the tables of sites and overrides, and their figures.
 */
#include "site.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define FIRST_SLOTS 256u
#define BLOCK_SITES (1u << SITE_BLOCK_LOG)

/* ---- sites */

static uint32_t hash_site(const struct sites *s, const struct model_site *k)
{
	uint64_t h = s->seed + k->kind * 8 + k->start_kind;

	/* The text is an interned one: its address stands for it. */
	h = hash_u64(h ^ (uintptr_t)k->name.text, s->seed);
	h = hash_u64(h ^ k->line, s->seed);
	h = hash_u64(h ^ k->address, s->seed);
	h = hash_u64(h ^ k->trace_number, s->seed);
	return (uint32_t)(h >> 32);
}

static bool same_site(const struct model_site *a, const struct model_site *b)
{
	return a->kind == b->kind && a->name.text == b->name.text &&
	       a->line == b->line && a->address == b->address &&
	       a->trace_number == b->trace_number &&
	       a->trace_has_start == b->trace_has_start &&
	       a->start_kind == b->start_kind;
}

static bool grow_site_slots(struct sites *s)
{
	const uint32_t cap = s->slot_cap ? s->slot_cap * 2 : FIRST_SLOTS;
	uint32_t *const slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return false;
	if (s->slots == NULL)
		s->seed = hash_seed();
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t at = hash_site(s, sites_get(s, i)) & (cap - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cap - 1);
		slots[at] = i + 1;
	}
	free(s->slots);
	s->slots = slots;
	s->slot_cap = cap;
	return true;
}

static bool add_site_block(struct sites *s)
{
	const uint32_t used = s->count >> SITE_BLOCK_LOG;
	const uint32_t cap = s->block_cap + s->block_cap / 2 + 16;
	struct model_site **blocks;

	if (used == s->block_cap) {
		blocks = realloc(s->blocks, cap * sizeof(*blocks));
		if (blocks == NULL)
			return false;
		s->blocks = blocks;
		s->block_cap = cap;
	}
	s->blocks[used] = malloc(BLOCK_SITES * sizeof(**s->blocks));
	return s->blocks[used] != NULL;
}

uint32_t sites_intern(struct sites *s, const struct model_site *key,
		      uint32_t limit)
{
	struct model_site *site;
	uint32_t at;

	if (s->count >= s->slot_cap / 4 * 3 && !grow_site_slots(s))
		return MODEL_NO_SITE;
	at = hash_site(s, key) & (s->slot_cap - 1);
	for (; s->slots[at] != 0; at = (at + 1) & (s->slot_cap - 1))
		if (same_site(sites_get(s, s->slots[at] - 1), key))
			return s->slots[at] - 1;
	if (s->count >= limit)
		return SITE_FULL;
	if (s->count == SITE_MAX ||
	    (s->count % BLOCK_SITES == 0 && !add_site_block(s)))
		return MODEL_NO_SITE;
	site = sites_get(s, s->count);
	*site = *key;
	memset(&site->figures, 0, sizeof(site->figures));
	s->slots[at] = ++s->count;
	return s->count - 1;
}

void sites_clear(struct sites *s)
{
	for (uint32_t i = 0; i < s->count; i += BLOCK_SITES)
		free(s->blocks[i >> SITE_BLOCK_LOG]);
	free(s->blocks);
	free(s->slots);
	memset(s, 0, sizeof(*s));
}

/* ---- tallies */

bool tallies_reserve_slow(struct tallies *t, uint32_t site)
{
	while (site >= t->count) {
		const uint32_t used = t->count >> SITE_BLOCK_LOG;
		const uint32_t cap = t->block_cap + t->block_cap / 2 + 16;
		struct tally **blocks;

		if (used == t->block_cap) {
			blocks = realloc(t->blocks, cap * sizeof(*blocks));
			if (blocks == NULL)
				return false;
			t->blocks = blocks;
			t->block_cap = cap;
		}
		t->blocks[used] = calloc(BLOCK_SITES, sizeof(**t->blocks));
		if (t->blocks[used] == NULL)
			return false;
		t->count += BLOCK_SITES;
	}
	return true;
}

void tallies_clear(struct tallies *t)
{
	for (uint32_t i = 0; i < t->count; i += BLOCK_SITES)
		free(t->blocks[i >> SITE_BLOCK_LOG]);
	free(t->blocks);
	memset(t, 0, sizeof(*t));
}

/* ---- overrides */

/* What an empty table points to. */
static uint32_t no_slots[1];

void overrides_init(struct overrides *o)
{
	memset(o, 0, sizeof(*o));
	o->slots = no_slots;
	o->slot_cap = 1;
	o->limit = UINT32_MAX;
	o->seed = hash_seed();
}

void overrides_clear(struct overrides *o)
{
	free(o->list);
	if (o->slots != no_slots)
		free(o->slots);
	overrides_init(o);
}

/* A free slot for a pair that is not in the table. */
static uint32_t *free_slot(const struct overrides *o,
			   const struct model_override *p)
{
	uint32_t at = overrides_home(o, p->by_site, p->of_site, p->by_realloc);

	while (o->slots[at] != 0)
		at = (at + 1) & (o->slot_cap - 1);
	return &o->slots[at];
}

static bool grow_pair_slots(struct overrides *o)
{
	struct overrides larger = *o;

	larger.slot_cap = o->slots == no_slots ? FIRST_SLOTS : o->slot_cap * 2;
	if (larger.slot_cap < o->slot_cap)
		return false;
	larger.slots = calloc(larger.slot_cap, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return false;
	for (uint32_t i = 0; i < o->count; i++)
		*free_slot(&larger, &o->list[i]) = i + 1;
	if (o->slots != no_slots)
		free(o->slots);
	*o = larger;
	return true;
}

static bool grow_pairs(struct overrides *o)
{
	const size_t cap = (size_t)o->cap + o->cap / 2 + 64;
	struct model_override *const list =
		realloc(o->list, cap * sizeof(*list));

	if (list == NULL)
		return false;
	o->list = list;
	o->cap = (uint32_t)cap;
	return true;
}

struct model_override *overrides_get_slow(struct overrides *o, uint32_t by_site,
					  uint32_t of_site, bool by_realloc)
{
	uint32_t at = overrides_home(o, by_site, of_site, by_realloc);
	struct model_override *p;

	for (; o->slots[at] != 0; at = (at + 1) & (o->slot_cap - 1)) {
		p = &o->list[o->slots[at] - 1];
		if (override_is(p, by_site, of_site, by_realloc))
			return p;
	}
	if (overrides_full(o) ||
	    (o->count >= o->slot_cap / 4 && !grow_pair_slots(o)) ||
	    (o->count == o->cap && !grow_pairs(o)))
		return NULL;
	p = &o->list[o->count];
	*p = (struct model_override){.by_site = by_site,
				     .of_site = of_site,
				     .by_realloc = by_realloc};
	*free_slot(o, p) = ++o->count;
	return p;
}

/* ---- figures */

static void set_births(struct model_figures *f, const struct tally *t)
{
	memset(f, 0, sizeof(*f));
	f->alloc_events = t->alloc_events;
	f->alloc_bytes = t->alloc_bytes;
	f->realloc_events = t->realloc_events;
	f->realloc_new_bytes = t->realloc_new_bytes;
	f->born_blocks = t->alloc_events + t->realloc_events;
	f->ended_blocks = t->ended_blocks;
	f->ended_bytes = t->ended_bytes;
	f->first_event = t->first_event;
	f->last_event = t->last_event;
}

static void add_pair(struct sites *s, const struct model_override *o)
{
	struct model_figures *const by = &sites_get(s, o->by_site)->figures;
	struct model_figures *const of = &sites_get(s, o->of_site)->figures;

	if (o->by_realloc) {
		by->realloc_old_bytes += o->bytes;
	} else {
		by->free_events += o->blocks;
		by->free_bytes += o->bytes;
	}
	of->ended_blocks += o->blocks;
	of->ended_bytes += o->bytes;
}

static void add_other(struct model_figures *f, const struct model_override *o)
{
	switch ((enum other)o->of_site) {
	case OTHER_EARLIER_FREE:
		f->earlier_free_events += o->blocks;
		f->earlier_free_bytes += o->bytes;
		break;
	case OTHER_EARLIER_REALLOC:
		f->earlier_realloc_events += o->blocks;
		f->earlier_realloc_bytes += o->bytes;
		break;
	case OTHER_FAILED:
		f->failed_events += o->blocks;
		f->failed_bytes += o->bytes;
		break;
	case OTHER_UNBORN:
		f->born_blocks -= o->blocks;
		break;
	case OTHER_FREED:
		f->free_events += o->blocks;
		f->free_bytes += o->bytes;
		break;
	case OTHER_REALLOCATED:
		f->realloc_old_bytes += o->bytes;
		break;
	}
}

void sites_derive(struct sites *s, const struct tallies *t,
		  const struct overrides *pairs, const struct overrides *others)
{
	static const struct tally nothing;

	for (uint32_t i = 0; i < s->count; i++)
		set_births(&sites_get(s, i)->figures,
			   i < t->count ? tallies_get(t, i) : &nothing);
	for (uint32_t i = 0; i < pairs->count; i++)
		add_pair(s, &pairs->list[i]);
	for (uint32_t i = 0; i < others->count; i++)
		add_other(&sites_get(s, others->list[i].by_site)->figures,
			  &others->list[i]);
	for (uint32_t i = 0; i < s->count; i++) {
		struct model_figures *const f = &sites_get(s, i)->figures;

		f->live_blocks = f->born_blocks - f->ended_blocks;
		f->live_bytes =
			f->alloc_bytes + f->realloc_new_bytes - f->ended_bytes;
	}
}

void site_add_figures(struct model_figures *sum, const struct model_figures *f)
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
	if (f->first_event != 0 &&
	    (sum->first_event == 0 || f->first_event < sum->first_event))
		sum->first_event = f->first_event;
	if (f->last_event > sum->last_event)
		sum->last_event = f->last_event;
}

uint64_t site_count_events(const struct model_figures *f)
{
	return f->alloc_events + f->realloc_events + f->free_events +
	       f->earlier_free_events + f->failed_events;
}

/* ---- stored profiles */

/* Finds or makes the site that a stored one describes. */
static uint32_t intern_stored(struct sites *s, struct names *n,
			      const struct model_site *stored)
{
	const enum model_site_kind named = stored->kind == MODEL_SITE_TRACE
						   ? stored->start_kind
						   : stored->kind;
	struct model_site key = *stored;
	const struct name *name;
	uint32_t number;

	key.name = (struct model_name){0};
	if (named == MODEL_SITE_LUA || named == MODEL_SITE_C) {
		number = (named == MODEL_SITE_LUA ? names_intern_chunk
						  : names_intern)(
			n, stored->name.text, stored->name.size);
		if (number == NAME_NONE)
			return MODEL_NO_SITE;
		name = names_get(n, number);
		key.name = (struct model_name){
			name->text, name->size,
			named == MODEL_SITE_LUA ? name->alias : 0};
	}
	return sites_intern(s, &key, SITE_MAX);
}

/* Nothing, if it is nothing. */
static bool add_to_other(struct overrides *others, uint32_t site,
			 enum other what, uint64_t blocks, uint64_t bytes)
{
	struct model_override *o;

	if (blocks == 0 && bytes == 0)
		return true;
	o = overrides_get(others, site, what, false);
	if (o == NULL)
		return false;
	o->blocks += blocks;
	o->bytes += bytes;
	return true;
}

static void add_births(struct tally *t, const struct model_figures *f)
{
	t->alloc_events += f->alloc_events;
	t->alloc_bytes += f->alloc_bytes;
	t->realloc_events += f->realloc_events;
	t->realloc_new_bytes += f->realloc_new_bytes;
	t->ended_blocks += f->ended_blocks;
	t->ended_bytes += f->ended_bytes;
	if (f->first_event != 0 &&
	    (t->first_event == 0 || f->first_event < t->first_event))
		t->first_event = f->first_event;
	if (f->last_event > t->last_event)
		t->last_event = f->last_event;
}

uint32_t sites_add_stored(struct sites *s, struct names *n, struct tallies *t,
			  struct overrides *others,
			  const struct model_site *stored)
{
	const struct model_figures *const f = &stored->figures;
	const uint32_t site = intern_stored(s, n, stored);

	if (site == MODEL_NO_SITE || !tallies_reserve(t, site) ||
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
		return MODEL_NO_SITE;
	add_births(tallies_get(t, site), f);
	return site;
}

bool overrides_add_stored(struct overrides *pairs, struct tallies *t,
			  struct overrides *others,
			  const struct model_override *stored)
{
	struct model_override *const o = overrides_get(
		pairs, stored->by_site, stored->of_site, stored->by_realloc);
	struct tally *of;

	/* The sites' own figures hold it: what they say more is less now. */
	if (o == NULL || !tallies_reserve(t, stored->of_site) ||
	    !add_to_other(others, stored->by_site,
			  stored->by_realloc ? OTHER_REALLOCATED : OTHER_FREED,
			  0 - stored->blocks, 0 - stored->bytes))
		return false;
	o->blocks += stored->blocks;
	o->bytes += stored->bytes;
	of = tallies_get(t, stored->of_site);
	of->ended_blocks -= stored->blocks;
	of->ended_bytes -= stored->bytes;
	return true;
}
