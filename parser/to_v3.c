/*
 * to_v3.c - events to bytes of version 3.
 */
#include "to_v3.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addrmap.h"
#include "callsites.h"
#include "moments.h"
#include "symtab.h"

#define BATCH 1024

/* Bytes that wait to be written, and how many one event may add at most. */
#define BUFFER	  (256u << 10)
#define EVENT_MAX (LJM_EVENT_MAX + 8)

/* Where the made-up addresses begin: no program has anything so low. */
#define FIRST_ADDRESS 0x1000

/* How version 3 tells a site, as long as the symbols' epoch lasts. */
struct v3_location {
	uint64_t epoch; /* 0: not known yet */
	uint64_t address, line;
	uint8_t source;
};

struct to_v3 {
	struct ingest *in;
	struct decoder decoder;
	bool in_events; /* the symbol table has been closed */

	/* Of a compact stream. */
	struct names names;
	struct sites sites;
	struct callsites callsites;
	uint64_t time_us;
	struct v3_location *locations; /* by site */
	uint32_t location_cap;
	struct addrmap chunks; /* a chunk's text to its number */
	struct symtab written; /* the symbols as a reader knows them by now */

	to_v3_write_fn *write;
	void *arg;
	bool stopped; /* by write() */
	struct decode_event events[BATCH];
	uint8_t buffer[BUFFER];
	size_t size;
};

static enum ingest_result fail(struct to_v3 *t, enum ingest_result result,
			       const char *why)
{
	snprintf(t->in->error, sizeof(t->in->error), "%s", why);
	return result;
}

/* ---- bytes */

static void flush(struct to_v3 *t)
{
	if (t->size != 0 && !t->stopped)
		t->stopped = !t->write(t->arg, t->buffer, t->size);
	t->size = 0;
}

static void put_bytes(struct to_v3 *t, const void *bytes, size_t size)
{
	if (size > BUFFER - t->size)
		flush(t);
	if (size > BUFFER) {
		t->stopped = t->stopped || !t->write(t->arg, bytes, size);
		return;
	}
	if (size != 0)
		memcpy(t->buffer + t->size, bytes, size);
	t->size += size;
}

/* The next so many bytes fit. */
static void reserve(struct to_v3 *t)
{
	if (BUFFER - t->size < EVENT_MAX)
		flush(t);
}

static void put_byte(struct to_v3 *t, unsigned byte)
{
	t->buffer[t->size++] = (uint8_t)byte;
}

static void put_int(struct to_v3 *t, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte(t, (value & 0x7f) | 0x80);
	put_byte(t, (unsigned)value);
}

static void put_prologue(struct to_v3 *t, const char *magic, unsigned version)
{
	static const uint8_t reserved[3];

	put_bytes(t, magic, LJM_MAGIC_SIZE);
	reserve(t);
	put_byte(t, version);
	put_bytes(t, reserved, sizeof(reserved));
}

static void begin_events(struct to_v3 *t)
{
	if (t->in_events)
		return;
	reserve(t);
	put_byte(t, LJM_EPILOGUE);
	put_prologue(t, LJM_EVENTS_MAGIC, LJM_EVENTS_VERSION);
	t->in_events = true;
}

/* ---- symbols and events */

static void put_symbol(struct to_v3 *t, const struct decode_event *e)
{
	reserve(t);
	if (t->in_events)
		put_byte(t, LJM_HEAD(LJM_KIND_SYMBOL, e->source));
	else
		put_byte(t, (unsigned)e->source - LJM_SOURCE_LUA);
	put_int(t, e->address);
	if (e->source == LJM_SOURCE_TRACE) {
		put_int(t, e->start_address);
		put_int(t, e->line);
		return;
	}
	put_int(t, e->name_size);
	put_bytes(t, e->name, (size_t)e->name_size);
	reserve(t);
	if (e->source == LJM_SOURCE_LUA)
		put_int(t, e->line);
}

static void put_event(struct to_v3 *t, const struct decode_event *e)
{
	reserve(t);
	put_byte(t, LJM_HEAD(e->kind, e->source));
	if (e->source != LJM_SOURCE_INTERNAL)
		put_int(t, e->address);
	if (e->source == LJM_SOURCE_LUA)
		put_int(t, e->line);
	if (e->kind != LJM_KIND_ALLOC) {
		put_int(t, e->old_address);
		put_int(t, e->old_size);
	}
	if (e->kind != LJM_KIND_FREE) {
		put_int(t, e->new_address);
		put_int(t, e->new_size);
	}
}

/* ---- sites to locations */

/* Writes a symbol of which the reader will know. False without memory. */
static bool define(struct to_v3 *t, const struct decode_event *symbol)
{
	put_symbol(t, symbol);
	return symtab_define(&t->written, &t->names, symbol);
}

/* The address that stands for a chunk; 0 without memory. */
static uint64_t chunk_address(struct to_v3 *t, const struct model_name *chunk)
{
	const uint64_t key = (uintptr_t)chunk->text; /* interned */
	const struct addrmap_slot *const slot = addrmap_find(&t->chunks, key);
	const uint32_t number = t->chunks.count;
	struct decode_event symbol = {.source = LJM_SOURCE_LUA};

	if (slot != NULL)
		return FIRST_ADDRESS + slot->value;
	symbol.address = FIRST_ADDRESS + number;
	symbol.name = chunk->text;
	symbol.name_size = chunk->size;
	if (!addrmap_add(&t->chunks, key, number) || !define(t, &symbol))
		return 0;
	return symbol.address;
}

/* Defines what the site's location needs. False without memory. */
static bool define_location(struct to_v3 *t, const struct model_site *site,
			    struct v3_location *l)
{
	struct decode_event symbol = {.source = LJM_SOURCE_TRACE};
	uint64_t chunk;

	switch (site->kind) {
	case MODEL_SITE_INTERNAL:
		*l = (struct v3_location){.source = LJM_SOURCE_INTERNAL};
		return true;
	case MODEL_SITE_C:
		*l = (struct v3_location){.source = LJM_SOURCE_C,
					  .address = site->address};
		symbol.source = LJM_SOURCE_C;
		symbol.address = site->address;
		symbol.name = site->name.text;
		symbol.name_size = site->name.size;
		return define(t, &symbol);
	case MODEL_SITE_LUA:
		chunk = chunk_address(t, &site->name);
		*l = (struct v3_location){.source = LJM_SOURCE_LUA,
					  .address = chunk,
					  .line = site->line};
		return chunk != 0;
	default:
		chunk = chunk_address(t, &site->name);
		*l = (struct v3_location){.source = LJM_SOURCE_TRACE,
					  .address = site->trace_number};
		symbol.address = site->trace_number;
		symbol.start_address = chunk;
		symbol.line = site->line;
		return chunk != 0 && define(t, &symbol);
	}
}

/* Will the reader find the site at the location? */
static bool is_told(const struct to_v3 *t, const struct model_site *site,
		    const struct v3_location *l)
{
	struct model_site told;

	symtab_resolve(&t->written, &t->names, l->source, l->address, l->line,
		       &told);
	return told.kind == site->kind && told.name.text == site->name.text &&
	       told.line == site->line && told.address == site->address &&
	       told.trace_number == site->trace_number &&
	       told.start_kind == site->start_kind;
}

/* Makes the site's location right. */
static enum ingest_result renew_location(struct to_v3 *t, uint32_t index,
					 struct v3_location *l)
{
	const struct model_site site = sites_describe(&t->sites, index);

	/* A symbol that is there need not come again. */
	if ((l->epoch == 0 || !is_told(t, &site, l)) &&
	    !define_location(t, &site, l))
		return fail(t, INGEST_SYSTEM, "out of memory");
	if (!is_told(t, &site, l))
		return fail(t, INGEST_CONTENT,
			    "a C function at an address that version 3 needs "
			    "for Lua code");
	l->epoch = symtab_epoch(&t->written);
	return INGEST_OK;
}

static bool reserve_location(struct to_v3 *t, uint32_t site)
{
	const size_t cap = (size_t)site + site / 2 + 64;
	struct v3_location *larger;

	if (site < t->location_cap)
		return true;
	larger = realloc(t->locations, cap * sizeof(*larger));
	if (larger == NULL)
		return false;
	memset(larger + t->location_cap, 0,
	       (cap - t->location_cap) * sizeof(*larger));
	t->locations = larger;
	t->location_cap = (uint32_t)cap;
	return true;
}

static enum ingest_result convert_event(struct to_v3 *t, struct decode_event *e)
{
	const uint32_t callsite =
		callsites_find(&t->callsites, e->address) & ~CALLSITES_INTERNAL;
	const uint32_t site = t->callsites.list[callsite].site;
	enum ingest_result result = INGEST_OK;
	struct v3_location *l;

	if (!reserve_location(t, site))
		return fail(t, INGEST_SYSTEM, "out of memory");
	l = &t->locations[site];
	if (l->epoch != symtab_epoch(&t->written))
		result = renew_location(t, site, l);
	if (result != INGEST_OK)
		return result;
	e->source = l->source;
	e->address = l->address;
	e->line = l->line;
	put_event(t, e);
	return INGEST_OK;
}

/* ---- the stream */

/* All prototypes come in their order, for the sake of their aliases. */
static bool tell_chunk(struct to_v3 *t, const struct decode_event *proto)
{
	const struct model_name chunk =
		callsites_string(&t->callsites, &t->names, proto->address);

	return chunk_address(t, &chunk) != 0;
}

static enum ingest_result apply_record(struct to_v3 *t,
				       const struct decode_event *e)
{
	t->callsites.listed = true;
	if (e->source == LJM_RECORD_CLOCK) {
		if (e->address > MOMENTS_TIME_MAX - t->time_us)
			return fail(t, INGEST_CONTENT, INGEST_TOO_LATE);
		t->time_us += e->address;
	}
	switch (callsites_define(&t->callsites, &t->names, &t->sites, e,
				 SITE_MAX)) {
	case CALLSITES_OK:
		break;
	case CALLSITES_DEEP:
		return fail(t, INGEST_CONTENT, INGEST_TOO_DEEP);
	default:
		return fail(t, INGEST_SYSTEM, "out of memory");
	}
	if (e->source == LJM_RECORD_PROTO && !tell_chunk(t, e))
		return fail(t, INGEST_SYSTEM, "out of memory");
	return INGEST_OK;
}

static enum ingest_result convert(struct to_v3 *t, struct decode_event *e,
				  bool in_table)
{
	if (!in_table)
		begin_events(t);
	if (e->kind == DECODE_RECORD)
		return apply_record(t, e);
	if (e->kind == LJM_KIND_SYMBOL)
		put_symbol(t, e);
	else if (e->source == DECODE_CALLSITE)
		return convert_event(t, e);
	else
		put_event(t, e);
	return INGEST_OK;
}

/* Moves the input to the event that could not be converted. */
static void find_culprit(struct to_v3 *t, const struct decoder *before,
			 struct decode_input *input, size_t pos, size_t taken)
{
	struct decode_event e;
	size_t count;

	t->decoder = *before;
	input->pos = pos;
	for (; taken > 0; taken--)
		decode_events(&t->decoder, input, &e, 1, &count);
}

/*
 * Takes what the window holds. Items of the table are taken one at a time: an
 * event may follow in the same breath.
 */
static enum ingest_result take_window(struct to_v3 *t, struct source *source,
				      bool *end)
{
	struct decode_input input = {source->window, source->size, 0};
	enum ingest_result result = INGEST_OK;
	enum decode_result decoded;

	do {
		const struct decoder before = t->decoder;
		const bool was_in_events = before.events_version != 0;
		const size_t pos = input.pos;
		size_t count, i;

		decoded = decode_events(&t->decoder, &input, t->events,
					was_in_events ? BATCH : 1, &count);
		for (i = 0; i < count && result == INGEST_OK; i++)
			result = convert(t, &t->events[i],
					 t->decoder.events_version == 0);
		if (result != INGEST_OK)
			find_culprit(t, &before, &input, pos, i - 1);
		if (t->stopped)
			result = fail(t, INGEST_STOPPED, "stopped");
	} while (result == INGEST_OK && decoded == DECODE_FULL);
	source_take(source, input.pos);
	t->in->symtab_version = t->decoder.symtab_version;
	t->in->events_version = t->decoder.events_version;
	if (result == INGEST_OK && decoded == DECODE_CORRUPT)
		return fail(t, INGEST_CONTENT, t->decoder.error);
	*end = decoded == DECODE_END;
	return result;
}

static void clear(struct to_v3 *t)
{
	callsites_clear(&t->callsites);
	sites_clear(&t->sites);
	symtab_clear(&t->written);
	addrmap_clear(&t->chunks);
	names_clear(&t->names);
	free(t->locations);
	free(t);
}

enum ingest_result to_v3_stream(struct ingest *in, struct source *source,
				to_v3_write_fn *write, void *arg)
{
	struct to_v3 *const t = calloc(1, sizeof(*t));
	enum ingest_result result;
	bool end = false;

	in->symtab_version = in->events_version = 0;
	snprintf(in->error, sizeof(in->error), "out of memory");
	if (t == NULL)
		return INGEST_SYSTEM;
	t->in = in;
	t->write = write;
	t->arg = arg;
	t->written.epoch = 1;
	names_init(&t->names);
	decode_init(&t->decoder);
	put_prologue(t, LJM_SYMTAB_MAGIC, LJM_SYMTAB_VERSION);
	in->error[0] = '\0';
	do {
		result = take_window(t, source, &end);
		if (result == INGEST_OK && !end)
			result = ingest_more(in, source);
	} while (result == INGEST_OK && !end);
	in->offset = source->offset;
	if ((result == INGEST_OK || result == INGEST_CONTENT) &&
	    in->events_version != 0) {
		begin_events(t);
		reserve(t);
		put_byte(t, LJM_EPILOGUE);
		flush(t);
		if (t->stopped)
			result = fail(t, INGEST_STOPPED, "stopped");
	}
	clear(t);
	return result;
}
