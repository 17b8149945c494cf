/*
 * dump.c - writing events as lines.
 */
#include "dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "names.h"
#include "symtab.h"

struct dump {
	struct ingest *in;
	struct decoder decoder;
	struct symtab symtab;
	struct names names;
	uint64_t event;
	struct format_buffer text; /* for names on their way out */
	FILE *out;
};

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

/* Writes a name in quotes, with backslashes where there is need for them. */
static void write_name(struct dump *d, const char *name, size_t size)
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
	write_name(d, e->name, (size_t)e->name_size);
	if (e->source == LJM_SOURCE_LUA)
		fprintf(d->out, " %" PRIu64, e->line);
	putc('\n', d->out);
}

static void write_frame(struct dump *d, const struct decode_event *e)
{
	const uint64_t of = e->start_address;

	switch ((enum ljm_frame)e->address) {
	case LJM_FRAME_INTERNAL:
		fprintf(d->out, "int %" PRIu64, of);
		return;
	case LJM_FRAME_LUA:
		fprintf(d->out, "lua %" PRIu64 ":%" PRIu64, of, e->line);
		return;
	case LJM_FRAME_LUA_TRACE:
		fprintf(d->out, "lua %" PRIu64 ":%" PRIu64 " trace:%" PRIu64,
			of, e->line, e->trace_number);
		return;
	case LJM_FRAME_C:
		fprintf(d->out, "c %" PRIu64, of);
		return;
	case LJM_FRAME_TRACE:
		fprintf(d->out, "trace:%" PRIu64 " %" PRIu64 ":%" PRIu64,
			e->trace_number, of, e->line);
		return;
	case LJM_FRAME_GAP:
		fprintf(d->out, "gap %" PRIu64, of);
	}
}

static void write_record(struct dump *d, const struct decode_event *e)
{
	static const char *const words[] = {[LJM_RECORD_START] = "start",
					    [LJM_RECORD_STRING] = "string",
					    [LJM_RECORD_PROTO] = "proto",
					    [LJM_RECORD_FUNCTION] = "function",
					    [LJM_RECORD_FRAME] = "frame",
					    [LJM_RECORD_CALLSITE] = "callsite",
					    [LJM_RECORD_CLOCK] = "clock",
					    [LJM_RECORD_MARK] = "mark",
					    [LJM_RECORD_COLLECTION] =
						    "collection",
					    [LJM_RECORD_UNIT] = "unit",
					    [LJM_RECORD_LOST] = "lost"};

	fprintf(d->out, "%s ", words[e->source]);
	switch ((enum ljm_record)e->source) {
	case LJM_RECORD_START:
		fprintf(d->out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " ",
			e->address, e->line, e->start_address);
		write_name(d, e->name, (size_t)e->name_size);
		break;
	case LJM_RECORD_STRING:
		write_name(d, e->name, (size_t)e->name_size);
		break;
	case LJM_RECORD_PROTO:
		fprintf(d->out, "%" PRIu64 " %" PRIu64 " %" PRIu64, e->address,
			e->line, e->start_address);
		break;
	case LJM_RECORD_FUNCTION:
		fprintf(d->out, "0x%" PRIx64 " %" PRIu64, e->address,
			e->start_address);
		break;
	case LJM_RECORD_FRAME:
		write_frame(d, e);
		break;
	case LJM_RECORD_CALLSITE:
		fprintf(d->out, "%" PRIu64 " %" PRIu64, e->address,
			e->start_address);
		break;
	default:
		fprintf(d->out, "%" PRIu64, e->address);
	}
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

/* False without memory. */
static bool write_site(struct dump *d, const struct decode_event *e)
{
	struct model_site site;
	char small[256];
	char *name = small;
	size_t size;

	if (e->source == DECODE_CALLSITE) {
		fprintf(d->out, "  # %" PRIu64 "\n", ++d->event);
		return true;
	}
	symtab_resolve(&d->symtab, &d->names, e->source, e->address, e->line,
		       &site);
	size = model_site_print(&site, small, sizeof(small)) + 1;
	if (size > sizeof(small)) {
		name = malloc(size);
		if (name == NULL)
			return false;
		model_site_print(&site, name, size);
	}
	fprintf(d->out, "  # %" PRIu64 " %s\n", ++d->event, name);
	if (name != small)
		free(name);
	return true;
}

static bool write_event(struct dump *d, const struct decode_event *e)
{
	static const char *const kinds[] = {"", "alloc", "free", "realloc"};

	if (e->kind == LJM_KIND_SYMBOL) {
		write_symbol(d, e);
		return symtab_define(&d->symtab, &d->names, e);
	}
	if (e->kind == DECODE_RECORD) {
		write_record(d, e);
		return true;
	}
	fputs(kinds[e->kind], d->out);
	write_source(d, e);
	if (e->kind != LJM_KIND_ALLOC)
		fprintf(d->out, " 0x%" PRIx64 " %" PRIu64, e->old_address,
			e->old_size);
	if (e->kind != LJM_KIND_FREE)
		fprintf(d->out, " 0x%" PRIx64 " %" PRIu64, e->new_address,
			e->new_size);
	return write_site(d, e);
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
	size_t count;
	bool ok = true;

	do {
		decoded = decode_events(&d->decoder, &input, &e, 1, &count);
		write_prologues(d);
		if (count != 0)
			ok = write_event(d, &e) && !d->text.failed;
	} while (ok && decoded == DECODE_FULL);
	source_take(source, input.pos);
	if (!ok)
		return fail(d, INGEST_SYSTEM, "out of memory");
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
	names_clear(&d.names);
	format_clear(&d.text);
	return result;
}
