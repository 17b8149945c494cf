/*
 * callsites.c - the tables of callsites and frames.
 */
#include "callsites.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define FIRST_SLOTS 256u

/* What the records of a stream say, until a callsite wants it. */
struct proto {
	uint64_t first_line;
	uint32_t chunk, function; /* numbers of names */
};

struct function {
	uint64_t address;
	uint32_t name;
};

struct framed {
	uint64_t line;
	uint64_t trace_number;
	uint32_t of; /* prototype, function, what or why */
	uint8_t kind;
};

/* ---- numbered things */

bool numbered_add(struct numbered *a, const void *thing, size_t size)
{
	const size_t cap = (size_t)a->cap + a->cap / 2 + 64;
	void *larger;

	if (a->count == a->cap) {
		larger = realloc(a->list, cap * size);
		if (larger == NULL)
			return false;
		a->list = larger;
		a->cap = (uint32_t)cap;
	}
	memcpy((char *)a->list + a->count++ * size, thing, size);
	return true;
}

static bool add_number(struct numbered *a, uint32_t number)
{
	return numbered_add(a, &number, sizeof(number));
}

void numbered_clear(struct numbered *a)
{
	free(a->list);
	memset(a, 0, sizeof(*a));
}

void callsites_end_stream(struct callsites *c)
{
	numbered_clear(&c->strings);
	numbered_clear(&c->protos);
	numbered_clear(&c->functions);
	numbered_clear(&c->framed);
	numbered_clear(&c->numbers);
}

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

/* Finds or adds a frame; MODEL_NO_CALLSITE without memory, CALLSITES_FULL. */
static uint32_t intern_frame(struct callsites *c, const struct frame *f,
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

static struct model_name describe_name(const struct names *n, uint32_t number,
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
		.chunk = describe_name(n, f->chunk, true),
		.function = describe_name(n, f->function, false),
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

/*
 * Finds or adds a path, as the newest of its site. MODEL_NO_CALLSITE without
 * memory, CALLSITES_FULL.
 */
static uint32_t intern_callsite(struct callsites *c, const struct callsite *key,
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

/* The frame that a site alone has; as intern_frame(). */
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
	return intern_frame(c, &frame, limit);
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
	return intern_callsite(c, &leaf, limit);
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

/* ---- definitions */

static bool define_string(struct callsites *c, struct names *n,
			  const struct decode_event *e)
{
	const uint32_t name = names_intern(n, e->name, e->name_size);

	return name != NAME_NONE && add_number(&c->strings, name);
}

/* The number of the name of a numbered string. */
static uint32_t string_name(const struct callsites *c, uint64_t number)
{
	return number == 0 ? NAME_NONE
			   : ((const uint32_t *)c->strings.list)[number - 1];
}

struct model_name callsites_string(const struct callsites *c,
				   const struct names *n, uint64_t number)
{
	return describe_name(n, string_name(c, number), false);
}

/* The name of a Lua function; an empty one is none. */
static uint32_t function_name(const struct callsites *c, const struct names *n,
			      uint64_t number)
{
	const uint32_t name = string_name(c, number);

	return name != NAME_NONE && names_get(n, name)->size == 0 ? NAME_NONE
								  : name;
}

static bool define_proto(struct callsites *c, struct names *n,
			 const struct decode_event *e)
{
	const struct model_name chunk = callsites_string(c, n, e->address);
	const struct proto proto = {
		.first_line = e->line,
		.chunk = names_intern_chunk(n, chunk.text, chunk.size),
		.function = function_name(c, n, e->start_address)};

	return proto.chunk != NAME_NONE &&
	       numbered_add(&c->protos, &proto, sizeof(proto));
}

static bool define_function(struct callsites *c, const struct decode_event *e)
{
	const struct function function = {
		.address = e->address,
		.name = string_name(c, e->start_address)};

	return numbered_add(&c->functions, &function, sizeof(function));
}

static bool define_frame(struct callsites *c, const struct decode_event *e)
{
	const struct framed framed = {.line = e->line,
				      .trace_number = e->trace_number,
				      .of = (uint32_t)e->start_address,
				      .kind = (uint8_t)e->address};

	return numbered_add(&c->framed, &framed, sizeof(framed));
}

/* The frame that a stream has numbered. */
static struct frame find_frame(const struct callsites *c, uint64_t number)
{
	static const uint8_t kinds[] = {
		[LJM_FRAME_INTERNAL] = MODEL_FRAME_INTERNAL,
		[LJM_FRAME_LUA] = MODEL_FRAME_LUA,
		[LJM_FRAME_LUA_TRACE] = MODEL_FRAME_LUA,
		[LJM_FRAME_C] = MODEL_FRAME_C,
		[LJM_FRAME_TRACE] = MODEL_FRAME_TRACE,
		[LJM_FRAME_GAP] = MODEL_FRAME_GAP};
	const struct framed *const r =
		&((const struct framed *)c->framed.list)[number - 1];
	struct frame f = {.line = r->line,
			  .trace_number = r->trace_number,
			  .chunk = NAME_NONE,
			  .function = NAME_NONE,
			  .kind = kinds[r->kind]};

	if (f.kind == MODEL_FRAME_LUA || f.kind == MODEL_FRAME_TRACE) {
		const struct proto *const p =
			&((const struct proto *)c->protos.list)[r->of - 1];

		f.first_line = p->first_line;
		f.chunk = p->chunk;
		f.function = p->function;
	} else if (f.kind == MODEL_FRAME_C) {
		const struct function *const p = &(
			(const struct function *)c->functions.list)[r->of - 1];

		f.line = p->address;
		f.function = p->name;
	} else {
		f.what = (uint8_t)r->of;
	}
	return f;
}

/* ---- paths */

/* As everywhere, what is at address 0 and trace 0 are INTERNAL. */
static enum model_site_kind site_kind(const struct frame *f)
{
	switch ((enum model_frame_kind)f->kind) {
	case MODEL_FRAME_LUA:
		return MODEL_SITE_LUA;
	case MODEL_FRAME_TRACE:
		return f->trace_number != 0 ? MODEL_SITE_TRACE
					    : MODEL_SITE_INTERNAL;
	case MODEL_FRAME_C:
		return f->line != 0 ? MODEL_SITE_C : MODEL_SITE_INTERNAL;
	default:
		return MODEL_SITE_INTERNAL;
	}
}

/* The site that a frame alone has; as sites_intern(). */
static uint32_t intern_site(const struct frame *f, const struct names *n,
			    struct sites *s, uint32_t limit)
{
	struct model_site site = {.kind = site_kind(f)};

	if (site.kind == MODEL_SITE_C) {
		site.name = describe_name(n, f->function, false);
		site.address = f->line;
	} else if (site.kind != MODEL_SITE_INTERNAL) {
		site.name = describe_name(n, f->chunk, true);
		site.line = f->line;
	}
	if (site.kind == MODEL_SITE_TRACE) {
		site.trace_number = f->trace_number;
		site.trace_has_start = true;
		site.start_kind = MODEL_SITE_LUA;
	}
	return sites_intern(s, &site, limit);
}

/*
 * Which site a path is: the innermost Lua line or trace; without one, or when
 * the VM does something for itself, the innermost frame that is known.
 */
static uint32_t find_site(const struct frame *f, const struct callsite *parent,
			  const struct names *n, struct sites *s,
			  uint32_t limit, struct callsite *to)
{
	const enum model_site_kind kind = site_kind(f);
	const bool gap = f->kind == MODEL_FRAME_GAP;

	if (parent != NULL &&
	    (gap || (kind == MODEL_SITE_C && parent->in_lua))) {
		to->in_lua = parent->in_lua;
		to->internal = parent->internal;
		return parent->site;
	}
	to->in_lua = kind == MODEL_SITE_LUA || kind == MODEL_SITE_TRACE;
	to->internal = kind == MODEL_SITE_INTERNAL;
	return intern_site(f, n, s, limit);
}

/* Makes the path of a frame and what called it; as intern_callsite(). */
static uint32_t intern_path(struct callsites *c, const struct names *n,
			    struct sites *s, const struct frame *frame,
			    struct callsite *new, uint32_t limit)
{
	const struct callsite *const parent =
		new->parent == MODEL_NO_CALLSITE ? NULL : &c->list[new->parent];

	new->depth = (uint16_t)(parent == NULL ? 1 : parent->depth + 1);
	new->site = find_site(frame, parent, n, s, limit, new);
	if (new->site == MODEL_NO_SITE)
		return MODEL_NO_CALLSITE;
	if (new->site == SITE_FULL)
		return CALLSITES_FULL;
	new->frame = intern_frame(c, frame, limit);
	if (new->frame == MODEL_NO_CALLSITE || new->frame == CALLSITES_FULL)
		return new->frame;
	return intern_callsite(c, new, limit);
}

static enum callsites_result define_callsite(struct callsites *c,
					     const struct names *n,
					     struct sites *s,
					     const struct decode_event *e,
					     uint32_t limit)
{
	const struct frame frame = find_frame(c, e->start_address);
	struct callsite new = {.parent = MODEL_NO_CALLSITE};
	uint32_t index = CALLSITES_FULL;

	if (e->address != 0)
		new.parent =
			callsites_find(c, e->address) & ~CALLSITES_INTERNAL;
	if (new.parent != CALLSITES_FURTHER)
		index = intern_path(c, n, s, &frame, &new, limit);
	if (index == MODEL_NO_CALLSITE)
		return CALLSITES_NO_MEMORY;
	if (new.depth > LJM_DEPTH_MAX)
		return CALLSITES_DEEP;
	if (index == CALLSITES_FULL)
		index = CALLSITES_FURTHER;
	else if (new.internal)
		index |= CALLSITES_INTERNAL;
	return add_number(&c->numbers, index) ? CALLSITES_OK
					      : CALLSITES_NO_MEMORY;
}

enum callsites_result callsites_define(struct callsites *c, struct names *n,
				       struct sites *s,
				       const struct decode_event *record,
				       uint32_t limit)
{
	bool ok = true;

	switch ((enum ljm_record)record->source) {
	case LJM_RECORD_STRING:
		ok = define_string(c, n, record);
		break;
	case LJM_RECORD_PROTO:
		ok = define_proto(c, n, record);
		break;
	case LJM_RECORD_FUNCTION:
		ok = define_function(c, record);
		break;
	case LJM_RECORD_FRAME:
		ok = define_frame(c, record);
		break;
	case LJM_RECORD_CALLSITE:
		return define_callsite(c, n, s, record, limit);
	default:
		break;
	}
	return ok ? CALLSITES_OK : CALLSITES_NO_MEMORY;
}
