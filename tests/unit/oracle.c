/*
 * oracle.c - see oracle.h.
 */
#include "oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names */

static const struct oracle_symbol *newest(const struct oracle *o,
					  unsigned source, uint64_t address)
{
	for (size_t i = o->symbol_count; i > 0; i--)
		if (o->symbols[i - 1].source == source &&
		    o->symbols[i - 1].address == address)
			return &o->symbols[i - 1];
	return NULL;
}

static const struct oracle_symbol *newest_at_most(const struct oracle *o,
						  uint64_t address)
{
	const struct oracle_symbol *best = NULL;

	for (size_t i = 0; i < o->symbol_count; i++)
		if (o->symbols[i].source == LJM_SOURCE_C &&
		    o->symbols[i].address <= address &&
		    (best == NULL || o->symbols[i].address >= best->address))
			best = &o->symbols[i];
	return best;
}

static void print_chunk(const struct oracle *o, const char *chunk, char *out)
{
	for (size_t i = 0; i < o->alias_count; i++) {
		if (strcmp(o->aliases[i], chunk) == 0) {
			sprintf(out, "function_alias_%zu", i + 1);
			return;
		}
	}
	strcpy(out, chunk);
}

static void print_address(const struct oracle *o, uint64_t address,
			  uint64_t line, char *out)
{
	const struct oracle_symbol *const lua =
		newest(o, LJM_SOURCE_LUA, address);
	const struct oracle_symbol *const c = newest_at_most(o, address);

	if (address == 0) {
		strcpy(out, "INTERNAL");
	} else if (lua != NULL) {
		print_chunk(o, lua->name, out);
		sprintf(out + strlen(out), ":%" PRIu64, line);
	} else if (c != NULL) {
		sprintf(out, "%s:%#" PRIx64, c->name, c->address);
	} else {
		sprintf(out, "CFUNC %#" PRIx64, address);
	}
}

static void print_location(const struct oracle *o, const struct decode_event *e,
			   char *out)
{
	const struct oracle_symbol *trace;

	if (e->source != LJM_SOURCE_TRACE || e->address == 0) {
		print_address(o,
			      e->source == LJM_SOURCE_INTERNAL ? 0 : e->address,
			      e->line, out);
		return;
	}
	trace = newest(o, LJM_SOURCE_TRACE, e->address);
	sprintf(out, "TRACE [%" PRIu64 "]", e->address);
	if (trace != NULL) {
		strcat(out, " started at ");
		print_address(o, trace->start_address, trace->line,
			      out + strlen(out));
	}
}

/* ---- frames and paths */

static struct model_name name_of(const char *text)
{
	return (struct model_name){text, strlen(text), 0};
}

/* The frame of a Lua or C address, as print_address() prints it. */
static struct model_frame frame_of_address(const struct oracle *o,
					   uint64_t address, uint64_t line)
{
	const struct oracle_symbol *const lua =
		newest(o, LJM_SOURCE_LUA, address);
	const struct oracle_symbol *const c = newest_at_most(o, address);
	struct model_frame f = {.kind = MODEL_FRAME_INTERNAL};

	if (address == 0)
		return f;
	if (lua != NULL) {
		f.kind = MODEL_FRAME_LUA;
		f.chunk = name_of(lua->name);
		f.line = line;
		return f;
	}
	f.kind = MODEL_FRAME_C;
	f.address = c != NULL ? c->address : address;
	if (c != NULL)
		f.function = name_of(c->name);
	return f;
}

static struct model_frame frame_of_location(const struct oracle *o,
					    const struct decode_event *e)
{
	const struct oracle_symbol *trace;
	struct model_frame f;

	if (e->source == LJM_SOURCE_INTERNAL || e->address == 0)
		return (struct model_frame){.kind = MODEL_FRAME_INTERNAL};
	if (e->source != LJM_SOURCE_TRACE)
		return frame_of_address(o, e->address, e->line);
	trace = newest(o, LJM_SOURCE_TRACE, e->address);
	f = trace == NULL
		    ? (struct model_frame){0}
		    : frame_of_address(o, trace->start_address, trace->line);
	if (f.kind != MODEL_FRAME_LUA)
		f = (struct model_frame){0};
	f.kind = MODEL_FRAME_TRACE;
	f.trace_number = e->address;
	return f;
}

void oracle_key(const char *site, const struct model_frame *frames,
		size_t depth, char *out)
{
	out += sprintf(out, "%s:", site);
	for (size_t i = 0; i < depth; i++) {
		const struct model_frame *const f = &frames[i];

		out += sprintf(out, " %d %.*s %.*s %" PRIu64 " %" PRIu64,
			       (int)f->kind, (int)f->chunk.size,
			       f->chunk.size ? f->chunk.text : "",
			       (int)f->function.size,
			       f->function.size ? f->function.text : "",
			       f->first_line, f->line);
		out += sprintf(out, " %" PRIu64 " %" PRIx64 " %u;",
			       f->trace_number, f->address, f->what);
	}
}

/* The innermost Lua line or trace; else C function; else INTERNAL. */
static void print_path(const struct oracle *o, const struct oracle_path *p,
		       char *out)
{
	const struct model_frame *c = NULL;

	for (size_t i = 0; i < p->depth; i++) {
		const struct model_frame *const f = &p->frames[i];

		if (f->kind == MODEL_FRAME_INTERNAL ||
		    (f->kind == MODEL_FRAME_C && f->address == 0) ||
		    (f->kind == MODEL_FRAME_TRACE && f->trace_number == 0))
			break;
		if (f->kind == MODEL_FRAME_TRACE)
			out += sprintf(out, "TRACE [%" PRIu64 "] started at ",
				       f->trace_number);
		if (f->kind == MODEL_FRAME_TRACE ||
		    f->kind == MODEL_FRAME_LUA) {
			print_chunk(o, f->chunk.text, out);
			sprintf(out + strlen(out), ":%" PRIu64, f->line);
			return;
		}
		if (f->kind == MODEL_FRAME_C && c == NULL)
			c = f;
	}
	if (c == NULL)
		strcpy(out, "INTERNAL");
	else
		sprintf(out, "%s:%#" PRIx64, c->function.text, c->address);
}

/* ---- records */

static struct model_frame frame_of_record(const struct oracle_numbers *n,
					  const struct decode_event *r)
{
	struct model_frame f = {.line = r->line,
				.trace_number = r->trace_number};
	/* Numbers begin at 1; not all frames have one. */
	const size_t at = r->start_address != 0 ? r->start_address - 1 : 0;
	const struct decode_event *const p = &n->protos[at];
	const struct decode_event *const c = &n->functions[at];

	switch (r->address) {
	case LJM_FRAME_INTERNAL:
		f.kind = MODEL_FRAME_INTERNAL;
		f.what = (unsigned)r->start_address;
		break;
	case LJM_FRAME_GAP:
		f.kind = MODEL_FRAME_GAP;
		f.what = (unsigned)r->start_address;
		break;
	case LJM_FRAME_C:
		f.kind = MODEL_FRAME_C;
		f.function = name_of(n->strings[c->start_address - 1]);
		f.address = c->address;
		break;
	default:
		f.kind = r->address == LJM_FRAME_TRACE ? MODEL_FRAME_TRACE
						       : MODEL_FRAME_LUA;
		f.chunk = name_of(n->strings[p->address - 1]);
		if (p->start_address != 0)
			f.function = name_of(n->strings[p->start_address - 1]);
		f.first_line = p->line;
	}
	return f;
}

static void add_alias(struct oracle *o, const char *text)
{
	if (strchr(text, '\n') == NULL)
		return;
	for (size_t i = 0; i < o->alias_count; i++)
		if (strcmp(o->aliases[i], text) == 0)
			return;
	strcpy(o->aliases[o->alias_count++], text);
}

static void add_path(struct oracle_numbers *n, const struct decode_event *e)
{
	struct oracle_path *const p = &n->paths[n->path_count++];

	p->frames[0] = frame_of_record(n, &n->frames[e->start_address - 1]);
	p->depth = 1;
	if (e->address == 0)
		return;
	p->depth = n->paths[e->address - 1].depth + 1;
	if (p->depth > ORACLE_DEPTH)
		abort();
	memcpy(&p->frames[1], n->paths[e->address - 1].frames,
	       (p->depth - 1) * sizeof(p->frames[0]));
}

static void add_record(struct oracle *o, const struct decode_event *e)
{
	struct oracle_numbers *const n = &o->numbers;

	switch (e->source) {
	case LJM_RECORD_STRING:
		memcpy(n->strings[n->string_count], e->name, e->name_size);
		n->strings[n->string_count++][e->name_size] = '\0';
		break;
	case LJM_RECORD_PROTO:
		n->protos[n->proto_count++] = *e;
		add_alias(o, n->strings[e->address - 1]);
		break;
	case LJM_RECORD_FUNCTION:
		n->functions[n->function_count++] = *e;
		break;
	case LJM_RECORD_FRAME:
		n->frames[n->frame_count++] = *e;
		break;
	case LJM_RECORD_CALLSITE:
		add_path(n, e);
		break;
	case LJM_RECORD_LOST:
		o->totals.lost_events += e->address;
	}
	if (n->string_count == ORACLE_RECORDS ||
	    n->proto_count == ORACLE_RECORDS ||
	    n->function_count == ORACLE_RECORDS ||
	    n->frame_count == ORACLE_RECORDS || n->path_count == ORACLE_RECORDS)
		abort();
}

/* ---- lists */

size_t oracle_find_site(const struct oracle *o, const char *name)
{
	for (size_t i = 0; i < o->site_count; i++)
		if (strcmp(o->sites[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

static size_t find_or_add_site(struct oracle *o, const char *name)
{
	const size_t found = oracle_find_site(o, name);

	if (found != SIZE_MAX)
		return found;
	if (o->site_count == ORACLE_SITES)
		abort();
	strcpy(o->sites[o->site_count].name, name);
	return o->site_count++;
}

size_t oracle_find_callsite(const struct oracle *o, const char *key)
{
	for (size_t i = 0; i < o->callsite_count; i++)
		if (strcmp(o->callsites[i].key, key) == 0)
			return i;
	return SIZE_MAX;
}

static size_t find_or_add_callsite(struct oracle *o, const char *site,
				   const struct model_frame *frames,
				   size_t depth)
{
	char key[ORACLE_PATH];
	size_t found;

	oracle_key(site, frames, depth, key);
	found = oracle_find_callsite(o, key);
	if (found != SIZE_MAX)
		return found;
	if (o->callsite_count == ORACLE_CALLSITES)
		abort();
	strcpy(o->callsites[o->callsite_count].key, key);
	o->callsites[o->callsite_count].site = find_or_add_site(o, site);
	return o->callsite_count++;
}

/* Both count for themselves. */
#define COUNT(o, callsite, field, n)                                           \
	((o)->callsites[callsite].figures.field += (n),                        \
	 (o)->sites[(o)->callsites[callsite].site].figures.field += (n))

static struct oracle_block *find_block(struct oracle *o, uint64_t address)
{
	for (size_t i = 0; i < o->block_count; i++)
		if (o->blocks[i].address == address)
			return &o->blocks[i];
	return NULL;
}

static void add_pair(struct oracle *o, size_t by_site, size_t of_site,
		     bool by_realloc, uint64_t bytes)
{
	struct oracle_pair *p = o->pairs;

	for (; p < o->pairs + o->pair_count; p++)
		if (p->by_site == by_site && p->of_site == of_site &&
		    p->by_realloc == by_realloc)
			break;
	if (p == o->pairs + o->pair_count) {
		if (o->pair_count++ == ORACLE_PAIRS)
			abort();
		*p = (struct oracle_pair){by_site, of_site, by_realloc, 0, 0};
	}
	p->blocks++;
	p->bytes += bytes;
}

static void add_life(struct oracle *o, const struct oracle_block *b,
		     uint64_t died_event, size_t died_callsite)
{
	if (o->life_count == ORACLE_LIVES)
		abort();
	o->lives[o->life_count++] =
		(struct model_life){.address = b->address,
				    .size = b->size,
				    .born_event = b->born_event,
				    .died_event = died_event,
				    .realloc_of = b->realloc_of,
				    .born_callsite = (uint32_t)b->callsite,
				    .died_callsite = (uint32_t)died_callsite,
				    .born_by_realloc = b->by_realloc};
}

/* Takes the block off the list of those alive, with all that it counts. */
static void end_block(struct oracle *o, struct oracle_block *b, size_t by)
{
	COUNT(o, b->callsite, ended_blocks, 1);
	COUNT(o, b->callsite, ended_bytes, b->size);
	COUNT(o, b->callsite, live_blocks, UINT64_MAX);
	COUNT(o, b->callsite, live_bytes, 0 - b->size);
	o->live_bytes -= b->size;
	add_life(o, b, o->event, by);
	*b = o->blocks[--o->block_count];
}

/* ---- events */

static void conflict(struct oracle *o, bool *noted)
{
	if (!*noted && o->totals.conflict_events++ == 0)
		o->totals.first_conflict_event = o->event;
	*noted = true;
}

static void note_birth(struct model_figures *f, uint64_t event)
{
	if (f->first_event == 0)
		f->first_event = event;
	f->last_event = event;
}

static void begin_block(struct oracle *o, const struct decode_event *e,
			size_t callsite, uint64_t realloc_of, bool *noted)
{
	struct oracle_block *const there = find_block(o, e->new_address);

	if (there != NULL) {
		o->totals.replaced_blocks++;
		o->totals.replaced_bytes += there->size;
		conflict(o, noted);
		end_block(o, there, callsite);
		o->lives[o->life_count - 1].replaced = true;
	}
	if (o->block_count == ORACLE_BLOCKS)
		abort();
	o->blocks[o->block_count++] = (struct oracle_block){
		.address = e->new_address,
		.size = e->new_size,
		.born_event = o->event,
		.realloc_of = realloc_of,
		.callsite = callsite,
		.by_realloc = e->kind == LJM_KIND_REALLOC};
	COUNT(o, callsite, born_blocks, 1);
	COUNT(o, callsite, live_blocks, 1);
	COUNT(o, callsite, live_bytes, e->new_size);
	note_birth(&o->callsites[callsite].figures, o->event);
	o->live_bytes += e->new_size;
	o->totals.begun_bytes_since_collector += e->new_size;
}

/* Ends a block that was not seen. */
static void end_earlier(struct oracle *o, const struct decode_event *e,
			size_t callsite, bool by_realloc)
{
	const struct oracle_block earlier = {.address = e->old_address,
					     .size = e->old_size,
					     .callsite = MODEL_NO_CALLSITE};

	if (by_realloc) {
		COUNT(o, callsite, earlier_realloc_events, 1);
		COUNT(o, callsite, earlier_realloc_bytes, e->old_size);
	} else {
		COUNT(o, callsite, earlier_free_events, 1);
		COUNT(o, callsite, earlier_free_bytes, e->old_size);
	}
	if (e->old_address != 0) {
		add_life(o, &earlier, o->event, callsite);
		o->lives[o->life_count - 1].died_by_realloc = by_realloc;
	}
}

/* Ends the old block of a free or realloc; returns when it was born. */
static uint64_t end_old(struct oracle *o, const struct decode_event *e,
			size_t callsite, bool *noted)
{
	struct oracle_block *const b = find_block(o, e->old_address);
	const bool by_realloc = e->kind == LJM_KIND_REALLOC;
	uint64_t born;

	if (b == NULL) {
		end_earlier(o, e, callsite, by_realloc);
		return 0;
	}
	if (b->size != e->old_size)
		conflict(o, noted);
	if (by_realloc) {
		COUNT(o, callsite, realloc_old_bytes, b->size);
	} else {
		COUNT(o, callsite, free_events, 1);
		COUNT(o, callsite, free_bytes, b->size);
	}
	add_pair(o, o->callsites[callsite].site, o->callsites[b->callsite].site,
		 by_realloc, b->size);
	born = b->born_event;
	end_block(o, b, callsite);
	o->lives[o->life_count - 1].died_by_realloc = by_realloc;
	return born;
}

static void add_symbol(struct oracle *o, const struct decode_event *e)
{
	struct oracle_symbol *const s = &o->symbols[o->symbol_count++];

	if (o->symbol_count == ORACLE_SYMBOLS)
		abort();
	*s = (struct oracle_symbol){
		.source = e->source, .address = e->address, .line = e->line};
	if (e->source == LJM_SOURCE_TRACE) {
		s->start_address = e->start_address;
		return;
	}
	memcpy(s->name, e->name, e->name_size);
	if (e->source == LJM_SOURCE_LUA)
		add_alias(o, s->name);
}

static void apply_heap_event(struct oracle *o, const struct decode_event *e,
			     size_t callsite)
{
	const char *const site = o->sites[o->callsites[callsite].site].name;
	bool noted = false;
	uint64_t born = 0;

	if (e->kind != LJM_KIND_FREE && e->new_address == 0 &&
	    e->new_size != 0) {
		COUNT(o, callsite, failed_events, 1);
		COUNT(o, callsite, failed_bytes, e->new_size);
		return;
	}
	if (e->kind == LJM_KIND_FREE && e->old_address != 0 &&
	    strcmp(site, "INTERNAL") == 0) {
		o->totals.last_collector_free_event = o->event;
		o->totals.begun_bytes_since_collector = 0;
	}
	if (e->kind != LJM_KIND_ALLOC)
		born = end_old(o, e, callsite, &noted);
	if (e->kind == LJM_KIND_ALLOC) {
		COUNT(o, callsite, alloc_events, 1);
		COUNT(o, callsite, alloc_bytes, e->new_size);
	} else if (e->kind == LJM_KIND_REALLOC) {
		COUNT(o, callsite, realloc_events, 1);
		COUNT(o, callsite, realloc_new_bytes, e->new_size);
	}
	if (e->kind != LJM_KIND_FREE && e->new_address != 0)
		begin_block(o, e, callsite, born, &noted);
	if (o->live_bytes > o->totals.peak_bytes) {
		o->totals.peak_bytes = o->live_bytes;
		o->totals.peak_event = o->event;
	}
}

static size_t find_event_callsite(struct oracle *o,
				  const struct decode_event *e)
{
	const struct oracle_path *p;
	char name[ORACLE_NAME * 2];
	struct model_frame leaf;

	if (e->source == DECODE_CALLSITE) {
		p = &o->numbers.paths[e->address - 1];
		print_path(o, p, name);
		return find_or_add_callsite(o, name, p->frames, p->depth);
	}
	print_location(o, e, name);
	leaf = frame_of_location(o, e);
	return find_or_add_callsite(o, name, &leaf, 1);
}

void oracle_apply(struct oracle *o, const struct decode_event *e)
{
	if (e->kind == LJM_KIND_SYMBOL) {
		add_symbol(o, e);
		return;
	}
	if (e->kind == DECODE_RECORD) {
		add_record(o, e);
		return;
	}
	if (o->event == 0) {
		o->totals.peak_bytes = o->totals.peak_event = 0;
		o->totals.last_collector_free_event = 0;
		o->totals.begun_bytes_since_collector = 0;
	}
	o->event++;
	o->totals.events++;
	apply_heap_event(o, e, find_event_callsite(o, e));
}

void oracle_end_stream(struct oracle *o)
{
	for (size_t i = 0; i < o->block_count; i++)
		add_life(o, &o->blocks[i], 0, MODEL_NO_CALLSITE);
	o->block_count = 0;
	o->symbol_count = 0;
	memset(&o->numbers, 0, sizeof(o->numbers));
	o->event = 0;
	o->live_bytes = 0;
}

/* The first and the last of two. */
static void join_events(struct model_figures *sum,
			const struct model_figures *f)
{
	if (f->first_event != 0 &&
	    (sum->first_event == 0 || f->first_event < sum->first_event))
		sum->first_event = f->first_event;
	if (f->last_event > sum->last_event)
		sum->last_event = f->last_event;
}

void oracle_sum(struct oracle *o)
{
	uint64_t *const sum = (uint64_t *)&o->totals.figures;
	const size_t fields = sizeof(struct model_figures) / sizeof(*sum);
	struct model_figures *const f = &o->totals.figures;

	for (size_t i = 0; i < o->callsite_count; i++)
		join_events(&o->sites[o->callsites[i].site].figures,
			    &o->callsites[i].figures);
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < o->site_count; i++) {
		const struct model_figures *const s = &o->sites[i].figures;

		/* All but the last two fields add up. */
		for (size_t j = 0; j < fields - 2; j++)
			sum[j] += ((const uint64_t *)s)[j];
		join_events(f, s);
	}
}
