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
		     uint64_t died_event, size_t died_site)
{
	if (o->life_count == ORACLE_LIVES)
		abort();
	o->lives[o->life_count++] =
		(struct model_life){.address = b->address,
				    .size = b->size,
				    .born_event = b->born_event,
				    .died_event = died_event,
				    .realloc_of = b->realloc_of,
				    .born_callsite = (uint32_t)b->site,
				    .died_callsite = (uint32_t)died_site,
				    .born_by_realloc = b->by_realloc};
}

/* Takes the block off the list of those alive, with all that it counts. */
static void end_block(struct oracle *o, struct oracle_block *b, size_t by_site)
{
	struct model_figures *const f = &o->sites[b->site].figures;

	f->ended_blocks++;
	f->ended_bytes += b->size;
	f->live_blocks--;
	f->live_bytes -= b->size;
	o->live_bytes -= b->size;
	add_life(o, b, o->event, by_site);
	*b = o->blocks[--o->block_count];
}

/* ---- events */

static void conflict(struct oracle *o, bool *noted)
{
	if (!*noted && o->totals.conflict_events++ == 0)
		o->totals.first_conflict_event = o->event;
	*noted = true;
}

static void begin_block(struct oracle *o, const struct decode_event *e,
			size_t site, uint64_t realloc_of, bool *noted)
{
	struct model_figures *const f = &o->sites[site].figures;
	struct oracle_block *const there = find_block(o, e->new_address);

	if (there != NULL) {
		o->totals.replaced_blocks++;
		o->totals.replaced_bytes += there->size;
		conflict(o, noted);
		end_block(o, there, site);
		o->lives[o->life_count - 1].replaced = true;
	}
	if (o->block_count == ORACLE_BLOCKS)
		abort();
	o->blocks[o->block_count++] = (struct oracle_block){
		.address = e->new_address,
		.size = e->new_size,
		.born_event = o->event,
		.realloc_of = realloc_of,
		.site = site,
		.by_realloc = e->kind == LJM_KIND_REALLOC};
	f->born_blocks++;
	f->live_blocks++;
	f->live_bytes += e->new_size;
	if (f->first_event == 0)
		f->first_event = o->event;
	f->last_event = o->event;
	o->live_bytes += e->new_size;
	o->totals.begun_bytes_since_collector += e->new_size;
}

/* Ends the old block of a free or realloc; returns when it was born. */
static uint64_t end_old(struct oracle *o, const struct decode_event *e,
			size_t site, bool *noted)
{
	struct model_figures *const f = &o->sites[site].figures;
	struct oracle_block *const b = find_block(o, e->old_address);
	const bool by_realloc = e->kind == LJM_KIND_REALLOC;
	struct oracle_block earlier = {.address = e->old_address,
				       .size = e->old_size,
				       .site = MODEL_NO_SITE};
	uint64_t born;

	if (b == NULL) {
		*(by_realloc ? &f->earlier_realloc_events
			     : &f->earlier_free_events) += 1;
		*(by_realloc ? &f->earlier_realloc_bytes
			     : &f->earlier_free_bytes) += e->old_size;
		if (e->old_address != 0) {
			add_life(o, &earlier, o->event, site);
			o->lives[o->life_count - 1].died_by_realloc =
				by_realloc;
		}
		return 0;
	}
	if (b->size != e->old_size)
		conflict(o, noted);
	if (by_realloc) {
		f->realloc_old_bytes += b->size;
	} else {
		f->free_events++;
		f->free_bytes += b->size;
	}
	add_pair(o, site, b->site, by_realloc, b->size);
	born = b->born_event;
	end_block(o, b, site);
	o->lives[o->life_count - 1].died_by_realloc = by_realloc;
	return born;
}

static void add_symbol(struct oracle *o, const struct decode_event *e)
{
	struct oracle_symbol *const s = &o->symbols[o->symbol_count++];
	bool known = false;

	if (o->symbol_count == ORACLE_SYMBOLS)
		abort();
	*s = (struct oracle_symbol){
		.source = e->source, .address = e->address, .line = e->line};
	if (e->source == LJM_SOURCE_TRACE) {
		s->start_address = e->start_address;
		return;
	}
	memcpy(s->name, e->name, e->name_size);
	if (e->source != LJM_SOURCE_LUA || strchr(s->name, '\n') == NULL)
		return;
	for (size_t i = 0; i < o->alias_count; i++)
		known = known || strcmp(o->aliases[i], s->name) == 0;
	if (!known)
		strcpy(o->aliases[o->alias_count++], s->name);
}

static void apply_heap_event(struct oracle *o, const struct decode_event *e,
			     size_t site)
{
	struct model_figures *const f = &o->sites[site].figures;
	bool noted = false;
	uint64_t born = 0;

	if (e->kind != LJM_KIND_FREE && e->new_address == 0 &&
	    e->new_size != 0) {
		f->failed_events++;
		f->failed_bytes += e->new_size;
		return;
	}
	if (e->kind == LJM_KIND_FREE && e->old_address != 0 &&
	    strcmp(o->sites[site].name, "INTERNAL") == 0) {
		o->totals.last_collector_free_event = o->event;
		o->totals.begun_bytes_since_collector = 0;
	}
	if (e->kind != LJM_KIND_ALLOC)
		born = end_old(o, e, site, &noted);
	if (e->kind == LJM_KIND_ALLOC) {
		f->alloc_events++;
		f->alloc_bytes += e->new_size;
	} else if (e->kind == LJM_KIND_REALLOC) {
		f->realloc_events++;
		f->realloc_new_bytes += e->new_size;
	}
	if (e->kind != LJM_KIND_FREE && e->new_address != 0)
		begin_block(o, e, site, born, &noted);
	if (o->live_bytes > o->totals.peak_bytes) {
		o->totals.peak_bytes = o->live_bytes;
		o->totals.peak_event = o->event;
	}
}

void oracle_apply(struct oracle *o, const struct decode_event *e)
{
	char name[ORACLE_NAME * 2];

	if (e->kind == LJM_KIND_SYMBOL) {
		add_symbol(o, e);
		return;
	}
	if (o->event == 0) {
		o->totals.peak_bytes = o->totals.peak_event = 0;
		o->totals.last_collector_free_event = 0;
		o->totals.begun_bytes_since_collector = 0;
	}
	o->event++;
	o->totals.events++;
	print_location(o, e, name);
	apply_heap_event(o, e, find_or_add_site(o, name));
}

void oracle_end_stream(struct oracle *o)
{
	for (size_t i = 0; i < o->block_count; i++)
		add_life(o, &o->blocks[i], 0, MODEL_NO_SITE);
	o->block_count = 0;
	o->symbol_count = 0;
	o->event = 0;
	o->live_bytes = 0;
}

void oracle_sum(struct oracle *o)
{
	uint64_t *const sum = (uint64_t *)&o->totals.figures;
	const size_t fields = sizeof(struct model_figures) / sizeof(*sum);
	struct model_figures *const f = &o->totals.figures;

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < o->site_count; i++) {
		const struct model_figures *const s = &o->sites[i].figures;

		/* All but the last two fields add up. */
		for (size_t j = 0; j < fields - 2; j++)
			sum[j] += ((const uint64_t *)s)[j];
		if (s->first_event != 0 &&
		    (f->first_event == 0 || s->first_event < f->first_event))
			f->first_event = s->first_event;
		if (s->last_event > f->last_event)
			f->last_event = s->last_event;
	}
}
