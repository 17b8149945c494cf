/*
 * dump.c - writing events as lines.
 */
#include "dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump_private.h"

static enum ingest_result fail(struct dump *d, enum ingest_result result,
			       const char *why)
{
	snprintf(d->in->error, sizeof(d->in->error), "%s", why);
	return result;
}

/* ---- one event */

static void write_buffer(struct dump *d)
{
	if (d->text.size != 0)
		fwrite(d->text.data, 1, d->text.size, d->out);
	d->text.size = 0;
}

void dump_name(struct dump *d, const char *name, size_t size)
{
	putc('"', d->out);
	while (size != 0) {
		size_t run = 0;

		while (run < size && name[run] != '"' && name[run] != '\\')
			run++;
		format_printable(&d->text, name, run);
		write_buffer(d);
		name += run;
		size -= run;
		if (size != 0) {
			fprintf(d->out, "\\%c", *name++);
			size--;
		}
	}
	putc('"', d->out);
}

static void write_symbol(struct dump *d, const struct decode_event *e)
{
	if (e->source == LJM_SOURCE_TRACE) {
		fprintf(d->out, "trace %" PRIu64 " 0x%" PRIx64 " %" PRIu64 "\n",
			e->address, e->start_address, e->line);
		return;
	}
	fprintf(d->out, "%s 0x%" PRIx64 " ",
		e->source == LJM_SOURCE_LUA ? "lua" : "c", e->address);
	dump_name(d, e->name, (size_t)e->name_size);
	if (e->source == LJM_SOURCE_LUA)
		fprintf(d->out, " %" PRIu64, e->line);
	putc('\n', d->out);
}

static void write_source(struct dump *d, const struct decode_event *e)
{
	switch (e->source) {
	case LJM_SOURCE_INTERNAL:
		fputs(" int", d->out);
		return;
	case LJM_SOURCE_LUA:
		fprintf(d->out, " lua 0x%" PRIx64 ":%" PRIu64, e->address,
			e->line);
		return;
	case LJM_SOURCE_C:
		fprintf(d->out, " c 0x%" PRIx64, e->address);
		return;
	case DECODE_CALLSITE:
		fprintf(d->out, " @%" PRIu64, e->address);
		return;
	default:
		fprintf(d->out, " trace:%" PRIu64, e->address);
	}
}

bool dump_site(struct dump *d, const struct model_site *site)
{
	char small[256];
	char *name = small;
	size_t size = model_site_print(site, small, sizeof(small)) + 1;

	if (size > sizeof(small)) {
		name = malloc(size);
		if (name == NULL)
			return false;
		model_site_print(site, name, size);
	}
	fputs(name, d->out);
	if (name != small)
		free(name);
	return true;
}

/* False without memory. */
static bool write_site(struct dump *d, const struct decode_event *e)
{
	struct model_site site;

	fprintf(d->out, "  # %" PRIu64 " ", ++d->event);
	if (e->source == DECODE_CALLSITE)
		return dump_compact_site(d, e->address);
	symtab_resolve(&d->symtab, &d->names, e->source, e->address, e->line,
		       &site);
	return dump_site(d, &site);
}

static bool write_heap_event(struct dump *d, const struct decode_event *e)
{
	static const char *const kinds[] = {"", "alloc", "free", "realloc"};
	bool ok;

	fputs(kinds[e->kind], d->out);
	write_source(d, e);
	if (e->kind != LJM_KIND_ALLOC)
		fprintf(d->out, " 0x%" PRIx64 " %" PRIu64, e->old_address,
			e->old_size);
	if (e->kind != LJM_KIND_FREE)
		fprintf(d->out, " 0x%" PRIx64 " %" PRIu64, e->new_address,
			e->new_size);
	ok = write_site(d, e);
	putc('\n', d->out);
	return ok;
}

/* INGEST_SYSTEM without memory, INGEST_CONTENT when d->in->error is set. */
static enum ingest_result write_event(struct dump *d,
				      const struct decode_event *e)
{
	bool ok;

	if (e->kind == DECODE_RECORD)
		return dump_compact_record(d, e);
	if (e->kind == LJM_KIND_SYMBOL) {
		write_symbol(d, e);
		ok = symtab_define(&d->symtab, &d->names, e);
	} else {
		ok = write_heap_event(d, e);
	}
	return ok ? INGEST_OK : INGEST_SYSTEM;
}

/* ---- the stream */

/* Writes the prologues that were read on the way to the next event. */
static void write_prologues(struct dump *d)
{
	struct ingest *const in = d->in;

	if (in->symtab_version != d->decoder.symtab_version)
		fprintf(d->out, "ljs %u\n", d->decoder.symtab_version);
	if (in->events_version != d->decoder.events_version)
		fprintf(d->out, "ljm %u\n", d->decoder.events_version);
	in->symtab_version = d->decoder.symtab_version;
	in->events_version = d->decoder.events_version;
}

/* Takes the window, one event at a time, to see the prologues in between. */
static enum ingest_result take_window(struct dump *d, struct source *source,
				      bool *end)
{
	struct decode_input input = {source->window, source->size, 0};
	enum decode_result decoded;
	struct decode_event e;
	enum ingest_result result = INGEST_OK;
	size_t count, pos;

	do {
		pos = input.pos;
		decoded = decode_events(&d->decoder, &input, &e, 1, &count);
		write_prologues(d);
		if (count != 0)
			result = write_event(d, &e);
		if (d->text.failed)
			result = INGEST_SYSTEM;
	} while (result == INGEST_OK && decoded == DECODE_FULL);
	source_take(source, result == INGEST_CONTENT ? pos : input.pos);
	if (result == INGEST_SYSTEM)
		return fail(d, INGEST_SYSTEM, "out of memory");
	if (result == INGEST_CONTENT)
		return result;
	if (decoded == DECODE_CORRUPT)
		return fail(d, INGEST_CONTENT, d->decoder.error);
	*end = decoded == DECODE_END;
	if (*end)
		fputs("end\n", d->out);
	return INGEST_OK;
}

enum ingest_result dump_stream(struct ingest *in, struct source *source,
			       FILE *out)
{
	struct dump d = {.in = in, .out = out};
	enum ingest_result result;
	bool end = false;

	decode_init(&d.decoder);
	names_init(&d.names);
	in->symtab_version = in->events_version = 0;
	in->error[0] = '\0';
	do {
		result = take_window(&d, source, &end);
		if (result == INGEST_OK && !end)
			result = ferror(out)
					 ? fail(&d, INGEST_STOPPED, "stopped")
					 : ingest_more(in, source);
	} while (result == INGEST_OK && !end);
	in->offset = source->offset;
	symtab_clear(&d.symtab);
	callsites_clear(&d.callsites);
	sites_clear(&d.sites);
	names_clear(&d.names);
	format_clear(&d.text);
	return result;
}
