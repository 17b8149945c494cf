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

uint32_t sites_intern(struct sites *s, const struct model_site *key)
{
	struct model_site *site;
	uint32_t at;

	if (s->count >= s->slot_cap / 4 * 3 && !grow_site_slots(s))
		return MODEL_NO_SITE;
	at = hash_site(s, key) & (s->slot_cap - 1);
	for (; s->slots[at] != 0; at = (at + 1) & (s->slot_cap - 1))
		if (same_site(sites_get(s, s->slots[at] - 1), key))
			return s->slots[at] - 1;
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

/* ---- overrides */

static uint32_t hash_pair(const struct overrides *o, uint32_t by_site,
			  uint32_t of_site, bool by_realloc)
{
	const uint64_t key = (uint64_t)by_site << 32 | of_site;

	return (uint32_t)(hash_u64(key, o->seed + by_realloc) >> 32);
}

static bool grow_pair_slots(struct overrides *o)
{
	const uint32_t cap = o->slot_cap ? o->slot_cap * 2 : FIRST_SLOTS;
	uint32_t *const slots = calloc(cap, sizeof(*slots));

	if (slots == NULL || cap < o->slot_cap) {
		free(slots);
		return false;
	}
	if (o->slots == NULL)
		o->seed = hash_seed();
	for (uint32_t i = 0; i < o->count; i++) {
		const struct model_override *const p = &o->list[i];
		uint32_t at =
			hash_pair(o, p->by_site, p->of_site, p->by_realloc) &
			(cap - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cap - 1);
		slots[at] = i + 1;
	}
	free(o->slots);
	o->slots = slots;
	o->slot_cap = cap;
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

struct model_override *overrides_get(struct overrides *o, uint32_t by_site,
				     uint32_t of_site, bool by_realloc)
{
	struct model_override *p;
	uint32_t at;

	if (o->count >= o->slot_cap / 4 * 3 && !grow_pair_slots(o))
		return NULL;
	at = hash_pair(o, by_site, of_site, by_realloc) & (o->slot_cap - 1);
	for (; o->slots[at] != 0; at = (at + 1) & (o->slot_cap - 1)) {
		p = &o->list[o->slots[at] - 1];
		if (p->by_site == by_site && p->of_site == of_site &&
		    p->by_realloc == by_realloc)
			return p;
	}
	if (o->count == o->cap && !grow_pairs(o))
		return NULL;
	p = &o->list[o->count];
	*p = (struct model_override){.by_site = by_site,
				     .of_site = of_site,
				     .by_realloc = by_realloc};
	o->slots[at] = ++o->count;
	return p;
}

void overrides_clear(struct overrides *o)
{
	free(o->list);
	free(o->slots);
	memset(o, 0, sizeof(*o));
}

/* ---- figures */

void sites_derive(struct sites *s, const struct overrides *pairs, uint64_t sign)
{
	for (uint32_t i = 0; i < pairs->count; i++) {
		const struct model_override *const o = &pairs->list[i];
		struct model_figures *const by =
			&sites_get(s, o->by_site)->figures;
		struct model_figures *const of =
			&sites_get(s, o->of_site)->figures;

		if (o->by_realloc) {
			by->realloc_old_bytes += sign * o->bytes;
		} else {
			by->free_events += sign * o->blocks;
			by->free_bytes += sign * o->bytes;
		}
		of->ended_blocks += sign * o->blocks;
		of->ended_bytes += sign * o->bytes;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		struct model_figures *const f = &sites_get(s, i)->figures;

		f->born_blocks += sign * (f->alloc_events + f->realloc_events);
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

uint32_t sites_add_stored(struct sites *s, struct names *n,
			  const struct model_site *stored)
{
	const enum model_site_kind named = stored->kind == MODEL_SITE_TRACE
						   ? stored->start_kind
						   : stored->kind;
	struct model_site key = *stored;
	struct model_figures *f;
	const struct name *name;
	uint32_t number, index;

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
	index = sites_intern(s, &key);
	if (index == MODEL_NO_SITE)
		return MODEL_NO_SITE;
	f = &sites_get(s, index)->figures;
	site_add_figures(f, &stored->figures);
	/* sites_derive() will add these. */
	f->born_blocks -=
		stored->figures.alloc_events + stored->figures.realloc_events;
	return index;
}

bool overrides_add_stored(struct overrides *pairs, struct sites *s,
			  const struct model_override *stored)
{
	struct model_override *const o = overrides_get(
		pairs, stored->by_site, stored->of_site, stored->by_realloc);
	struct model_figures *by, *of;

	if (o == NULL)
		return false;
	o->blocks += stored->blocks;
	o->bytes += stored->bytes;
	/* The sites' figures hold it, and sites_derive() will add it. */
	by = &sites_get(s, stored->by_site)->figures;
	of = &sites_get(s, stored->of_site)->figures;
	of->ended_blocks -= stored->blocks;
	of->ended_bytes -= stored->bytes;
	if (stored->by_realloc) {
		by->realloc_old_bytes -= stored->bytes;
	} else {
		by->free_events -= stored->blocks;
		by->free_bytes -= stored->bytes;
	}
	return true;
}
