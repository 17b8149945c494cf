/*
 * callsites.c - the tables of callsites and frames.
 */
#include <stdlib.h>
#include <string.h>

#include "callsites_private.h"
#include "hash.h"

#define FIRST_SLOTS 256u

void callsites_clear(struct callsites *c)
{
	callsites_end_stream(c);
	free(c->list);
	free(c->slots);
	free(c->frames);
	free(c->frame_slots);
	free(c->of_site);
	memset(c, 0, sizeof(*c));
}

/* ---- frames */

static uint32_t hash_frame(const struct callsites *c, const struct frame *f)
{
	uint64_t h = c->seed + f->kind * 256u + f->what;

	h = hash_u64(h ^ f->line, c->seed);
	h = hash_u64(h ^ f->first_line, c->seed);
	h = hash_u64(h ^ f->trace_number, c->seed);
	h = hash_u64(h ^ ((uint64_t)f->chunk << 32 | f->function), c->seed);
	return (uint32_t)(h >> 32);
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
	return a->kind == b->kind && a->what == b->what && a->line == b->line &&
	       a->first_line == b->first_line &&
	       a->trace_number == b->trace_number && a->chunk == b->chunk &&
	       a->function == b->function;
}

static bool grow_frame_slots(struct callsites *c)
{
	const uint32_t cap =
		c->frame_slot_cap ? c->frame_slot_cap * 2 : FIRST_SLOTS;
	uint32_t *const slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < c->frame_count; i++) {
		uint32_t at = hash_frame(c, &c->frames[i]) & (cap - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cap - 1);
		slots[at] = i + 1;
	}
	free(c->frame_slots);
	c->frame_slots = slots;
	c->frame_slot_cap = cap;
	return true;
}

static bool grow_frames(struct callsites *c)
{
	const size_t cap = (size_t)c->frame_cap + c->frame_cap / 2 + 64;
	struct frame *const frames = realloc(c->frames, cap * sizeof(*frames));

	if (frames == NULL)
		return false;
	c->frames = frames;
	c->frame_cap = (uint32_t)cap;
	return true;
}

uint32_t callsites_intern_frame(struct callsites *c, const struct frame *f,
				uint32_t limit)
{
	uint32_t at;

	if (c->frame_count >= c->frame_slot_cap / 4 * 3 && !grow_frame_slots(c))
		return MODEL_NO_CALLSITE;
	at = hash_frame(c, f) & (c->frame_slot_cap - 1);
	for (; c->frame_slots[at] != 0; at = (at + 1) & (c->frame_slot_cap - 1))
		if (same_frame(&c->frames[c->frame_slots[at] - 1], f))
			return c->frame_slots[at] - 1;
	if (c->frame_count >= limit)
		return CALLSITES_FULL;
	if (c->frame_count == c->frame_cap && !grow_frames(c))
		return MODEL_NO_CALLSITE;
	c->frames[c->frame_count] = *f;
	c->frame_slots[at] = ++c->frame_count;
	return c->frame_count - 1;
}

struct model_name callsites_name(const struct names *n, uint32_t number,
				 bool is_chunk)
{
	const struct name *name;

	if (number == NAME_NONE)
		return (struct model_name){0};
	name = names_get(n, number);
	return (struct model_name){name->text, name->size,
				   is_chunk ? name->alias : 0};
}

void callsites_frame(const struct callsites *c, const struct names *n,
		     uint32_t index, struct model_frame *out)
{
	const struct frame *const f = &c->frames[index];

	*out = (struct model_frame){
		.kind = f->kind,
		.chunk = callsites_name(n, f->chunk, true),
		.function = callsites_name(n, f->function, false),
		.first_line = f->first_line,
		.line = f->kind == MODEL_FRAME_C ? 0 : f->line,
		.trace_number = f->trace_number,
		.address = f->kind == MODEL_FRAME_C ? f->line : 0,
		.what = f->what,
	};
}

void callsites_frame_of_site(const struct model_site *site,
			     struct model_frame *out)
{
	*out = (struct model_frame){.kind = MODEL_FRAME_INTERNAL};
	switch (site->kind) {
	case MODEL_SITE_INTERNAL:
		return;
	case MODEL_SITE_LUA:
		out->kind = MODEL_FRAME_LUA;
		break;
	case MODEL_SITE_C:
	case MODEL_SITE_C_UNKNOWN:
		out->kind = MODEL_FRAME_C;
		out->function = site->name;
		out->address = site->address;
		return;
	case MODEL_SITE_TRACE:
		out->kind = MODEL_FRAME_TRACE;
		out->trace_number = site->trace_number;
		/* The start is a Lua line, or nothing that a frame can hold. */
		if (!site->trace_has_start ||
		    site->start_kind != MODEL_SITE_LUA)
			return;
	}
	out->chunk = site->name;
	out->line = site->line;
}

/* ---- callsites */

/*
 * The site is part of what tells a path from others: traces that start in
 * different places may share a frame.
 */
static uint32_t hash_callsite(const struct callsites *c,
			      const struct callsite *k)
{
	const uint64_t key = (uint64_t)k->parent << 32 | k->frame;

	return (uint32_t)(hash_u64(hash_u64(key, c->seed) ^ k->site, c->seed) >>
			  32);
}

static bool same_callsite(const struct callsite *a, const struct callsite *b)
{
	return a->parent == b->parent && a->frame == b->frame &&
	       a->site == b->site;
}

static bool grow_slots(struct callsites *c)
{
	const uint32_t cap = c->slot_cap ? c->slot_cap * 2 : FIRST_SLOTS;
	uint32_t *const slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < c->count; i++) {
		uint32_t at = hash_callsite(c, &c->list[i]) & (cap - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cap - 1);
		slots[at] = i + 1;
	}
	free(c->slots);
	c->slots = slots;
	c->slot_cap = cap;
	return true;
}

static bool grow_list(struct callsites *c)
{
	const size_t cap = (size_t)c->cap + c->cap / 2 + 64;
	struct callsite *const list = realloc(c->list, cap * sizeof(*list));

	if (list == NULL)
		return false;
	c->list = list;
	c->cap = (uint32_t)cap;
	return true;
}

/* Makes room for the first callsite of a site. */
static bool reserve_site(struct callsites *c, uint32_t site)
{
	const size_t cap = (size_t)site + site / 2 + 64;
	uint32_t *of_site;

	if (site < c->site_cap)
		return true;
	of_site = realloc(c->of_site, cap * sizeof(*of_site));
	if (of_site == NULL)
		return false;
	for (size_t i = c->site_cap; i < cap; i++)
		of_site[i] = MODEL_NO_CALLSITE;
	c->of_site = of_site;
	c->site_cap = (uint32_t)cap;
	return true;
}

uint32_t callsites_intern(struct callsites *c, const struct callsite *key,
			  uint32_t limit)
{
	uint32_t at;

	if (c->count >= c->slot_cap / 4 * 3 && !grow_slots(c))
		return MODEL_NO_CALLSITE;
	at = hash_callsite(c, key) & (c->slot_cap - 1);
	for (; c->slots[at] != 0; at = (at + 1) & (c->slot_cap - 1))
		if (same_callsite(&c->list[c->slots[at] - 1], key))
			return c->slots[at] - 1;
	if (c->count >= limit)
		return CALLSITES_FULL;
	if (c->count == SITE_MAX || (c->count == c->cap && !grow_list(c)) ||
	    !reserve_site(c, key->site))
		return MODEL_NO_CALLSITE;
	c->list[c->count] = *key;
	c->list[c->count].next = c->of_site[key->site];
	c->of_site[key->site] = c->count;
	c->slots[at] = ++c->count;
	return c->count - 1;
}

/* ---- of streams without paths */

static bool number_name(struct names *n, const struct model_name *name,
			uint32_t *number)
{
	*number = NAME_NONE;
	if (name->text == NULL)
		return true;
	*number = names_intern(n, name->text, name->size);
	return *number != NAME_NONE;
}

/* The frame that a site alone has; as callsites_intern_frame(). */
static uint32_t frame_of_site(struct callsites *c, struct names *n,
			      const struct model_site *site, uint32_t limit)
{
	struct model_frame f;
	struct frame frame;

	callsites_frame_of_site(site, &f);
	frame = (struct frame){.line = f.kind == MODEL_FRAME_C ? f.address
							       : f.line,
			       .trace_number = f.trace_number,
			       .kind = (uint8_t)f.kind};
	if (!number_name(n, &f.chunk, &frame.chunk) ||
	    !number_name(n, &f.function, &frame.function))
		return MODEL_NO_CALLSITE;
	return callsites_intern_frame(c, &frame, limit);
}

uint32_t callsites_leaf(struct callsites *c, struct names *n,
			const struct sites *s, uint32_t site, uint32_t limit)
{
	const struct model_site described = sites_describe(s, site);
	const struct callsite leaf = {
		.parent = MODEL_NO_CALLSITE,
		.frame = frame_of_site(c, n, &described, limit),
		.site = site,
		.depth = 1,
		.in_lua = described.kind == MODEL_SITE_LUA ||
			  described.kind == MODEL_SITE_TRACE,
		.internal = described.kind == MODEL_SITE_INTERNAL};

	if (leaf.frame == MODEL_NO_CALLSITE || leaf.frame == CALLSITES_FULL)
		return leaf.frame;
	return callsites_intern(c, &leaf, limit);
}

bool callsites_list(struct callsites *c, struct names *n, const struct sites *s)
{
	c->seed = hash_seed();
	for (uint32_t i = c->count; i < s->count; i++)
		if (callsites_leaf(c, n, s, i, SITE_MAX) == MODEL_NO_CALLSITE)
			return false;
	c->listed = true;
	return true;
}
