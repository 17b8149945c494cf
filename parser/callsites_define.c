/*
 * callsites_define.c - what a compact stream defines, and what it means.
 */
#include <string.h>

#include "callsites_private.h"

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

static bool add_number(struct numbered *a, uint32_t number)
{
	return numbered_add(a, &number, sizeof(number));
}

void callsites_end_stream(struct callsites *c)
{
	numbered_clear(&c->strings);
	numbered_clear(&c->protos);
	numbered_clear(&c->functions);
	numbered_clear(&c->framed);
	numbered_clear(&c->numbers);
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
	return callsites_name(n, string_name(c, number), false);
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
		site.name = callsites_name(n, f->function, false);
		site.address = f->line;
	} else if (site.kind != MODEL_SITE_INTERNAL) {
		site.name = callsites_name(n, f->chunk, true);
		site.line = f->line;
		site.first_line = model_line(f->first_line);
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

/* Makes the path of a frame and what called it; as callsites_intern(). */
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
	new->frame = callsites_intern_frame(c, frame, limit);
	if (new->frame == MODEL_NO_CALLSITE || new->frame == CALLSITES_FULL)
		return new->frame;
	return callsites_intern(c, new, limit);
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
