/*
 * site.c - the table of sites.
 */
#include "site.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "huge.h"

#define FIRST_SLOTS 256u
#define BLOCK_SITES (1u << SITE_BLOCK_LOG)

static inline struct site *site_at(const struct sites *s, uint32_t index)
{
	return &s->blocks[index >> SITE_BLOCK_LOG][index & (BLOCK_SITES - 1)];
}

/* Where it is, or where a trace starts. */
static bool has_line(enum model_site_kind kind)
{
	return kind == MODEL_SITE_LUA;
}

static struct site pack(const struct model_site *key)
{
	const enum model_site_kind at =
		key->kind == MODEL_SITE_TRACE ? key->start_kind : key->kind;

	return (struct site){
		.text = key->name.text,
		.place = has_line(at) ? key->line : key->address,
		.trace_number = key->trace_number,
		.size = (uint32_t)key->name.size,
		.alias = key->name.alias,
		.kind = (uint8_t)key->kind,
		.start_kind = (uint8_t)key->start_kind,
		.trace_has_start = key->trace_has_start,
		.first_line = key->first_line,
	};
}

struct model_site sites_describe(const struct sites *s, uint32_t index)
{
	const struct site *const site = site_at(s, index);
	const enum model_site_kind at =
		site->kind == MODEL_SITE_TRACE ? site->start_kind : site->kind;

	return (struct model_site){
		.kind = site->kind,
		.name = {site->text, site->size, site->alias},
		.line = has_line(at) ? site->place : 0,
		.address = has_line(at) ? 0 : site->place,
		.trace_number = site->trace_number,
		.trace_has_start = site->trace_has_start,
		.first_line = site->first_line,
		.start_kind = site->start_kind,
	};
}

/* The upper half of a slot, and where it belongs: not zero. */
static uint64_t hash_site(const struct sites *s, const struct site *k)
{
	uint64_t h = s->seed + k->kind * 8u + k->start_kind;

	h = hash_u64(h ^ (uintptr_t)k->text, s->seed);
	h = hash_u64(h ^ k->place, s->seed);
	h = hash_u64(h ^ k->trace_number, s->seed);
	return h >> 32 << 32;
}

static bool same_site(const struct site *a, const struct site *b)
{
	return a->text == b->text && a->place == b->place &&
	       a->trace_number == b->trace_number && a->kind == b->kind &&
	       a->start_kind == b->start_kind &&
	       a->trace_has_start == b->trace_has_start;
}

/* A line of several functions has no one of them. */
static uint32_t found_again(struct sites *s, uint32_t index,
			    const struct site *key)
{
	struct site *const site = site_at(s, index);

	if (site->first_line != key->first_line)
		site->first_line = MODEL_LINE_SEVERAL;
	return index;
}

/* The table is no larger than the upper half of a slot can tell. */
static uint32_t home_of(const struct sites *s, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & (s->slot_cap - 1);
}

static bool grow_site_slots(struct sites *s)
{
	const uint32_t old_cap = s->slot_cap;
	uint64_t *const old = s->slots;
	const uint32_t cap = old_cap ? old_cap * 2 : FIRST_SLOTS;
	uint64_t *const slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return false;
	huge_advise(slots, cap * sizeof(*slots));
	if (old == NULL)
		s->seed = hash_seed();
	s->slots = slots;
	s->slot_cap = cap;
	for (uint32_t i = 0; i < old_cap; i++) {
		uint32_t at = home_of(s, old[i]);

		while (old[i] != 0 && slots[at] != 0)
			at = (at + 1) & (cap - 1);
		if (old[i] != 0)
			slots[at] = old[i];
	}
	free(old);
	return true;
}

static bool add_site_block(struct sites *s)
{
	const uint32_t used = s->count >> SITE_BLOCK_LOG;
	const uint32_t cap = s->block_cap + s->block_cap / 2 + 16;
	struct site **blocks;

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
	const struct site wanted = pack(key);
	uint64_t hash;
	uint32_t at;

	if (s->count >= s->slot_cap / 4 * 3 && !grow_site_slots(s))
		return MODEL_NO_SITE;
	hash = hash_site(s, &wanted);
	at = home_of(s, hash);
	for (; s->slots[at] != 0; at = (at + 1) & (s->slot_cap - 1))
		if (((s->slots[at] ^ hash) >> 32) == 0 &&
		    same_site(site_at(s, (uint32_t)s->slots[at] - 1), &wanted))
			return found_again(s, (uint32_t)s->slots[at] - 1,
					   &wanted);
	if (s->count >= limit)
		return SITE_FULL;
	if (s->count == SITE_MAX ||
	    (s->count % BLOCK_SITES == 0 && !add_site_block(s)))
		return MODEL_NO_SITE;
	*site_at(s, s->count) = wanted;
	s->slots[at] = hash | ++s->count;
	return s->count - 1;
}

uint32_t sites_intern_stored(struct sites *s, struct names *n,
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

void sites_clear(struct sites *s)
{
	for (uint32_t i = 0; i < s->count; i += BLOCK_SITES)
		free(s->blocks[i >> SITE_BLOCK_LOG]);
	free(s->blocks);
	free(s->slots);
	memset(s, 0, sizeof(*s));
}
