/*
 * dump_compact.c - writing records of the compact stream as lines.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump_private.h"
#include "moments.h"

/* ---- the record itself */

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
		dump_name(d, e->name, (size_t)e->name_size);
		return;
	case LJM_RECORD_STRING:
		dump_name(d, e->name, (size_t)e->name_size);
		return;
	case LJM_RECORD_PROTO:
		fprintf(d->out, "%" PRIu64 " %" PRIu64 " %" PRIu64, e->address,
			e->line, e->start_address);
		return;
	case LJM_RECORD_FUNCTION:
		fprintf(d->out, "0x%" PRIx64 " %" PRIu64, e->address,
			e->start_address);
		return;
	case LJM_RECORD_FRAME:
		write_frame(d, e);
		return;
	case LJM_RECORD_CALLSITE:
	case LJM_RECORD_COLLECTION:
		fprintf(d->out, "%" PRIu64 " %" PRIu64, e->address,
			e->start_address);
		return;
	default:
		fprintf(d->out, "%" PRIu64, e->address);
	}
}

/* ---- what it means, behind the # */

/* False without memory. */
static bool write_frame_name(struct dump *d, const struct model_frame *f)
{
	char small[256];
	char *name = small;
	size_t size = model_frame_print(f, small, sizeof(small)) + 1;

	if (size > sizeof(small)) {
		name = malloc(size);
		if (name == NULL)
			return false;
		model_frame_print(f, name, size);
	}
	fputs(name, d->out);
	if (name != small)
		free(name);
	return true;
}

/* A path, innermost first; of a very long one the inner frames. */
#define PATH_FRAMES 100

static bool write_path(struct dump *d, uint64_t number)
{
	unsigned left = PATH_FRAMES;
	const uint32_t found = callsites_find(&d->callsites, number);
	uint32_t index = found & ~CALLSITES_INTERNAL;
	struct model_frame f;
	bool ok = true;

	if (found == CALLSITES_FURTHER)
		return fputs("(further sites)", d->out) >= 0;
	for (; ok && left > 0 && index != MODEL_NO_CALLSITE; left--) {
		if (left != PATH_FRAMES)
			fputs(" < ", d->out);
		callsites_frame(&d->callsites, &d->names,
				d->callsites.list[index].frame, &f);
		ok = write_frame_name(d, &f);
		index = d->callsites.list[index].parent;
	}
	if (index != MODEL_NO_CALLSITE)
		fputs(" < ...", d->out);
	return ok;
}

bool dump_compact_site(struct dump *d, uint64_t number)
{
	const uint32_t found = callsites_find(&d->callsites, number);
	struct model_site site;

	if (found == CALLSITES_FURTHER)
		return fputs("(further sites)", d->out) >= 0;
	site = sites_describe(
		&d->sites, d->callsites.list[found & ~CALLSITES_INTERNAL].site);
	return dump_site(d, &site);
}

/* A definition's number, and what it is where that is not written there. */
static bool write_meaning(struct dump *d, const struct decode_event *e)
{
	if (e->source >= LJM_RECORD_STRING && e->source <= LJM_RECORD_CALLSITE)
		fprintf(d->out, "  # %" PRIu64, ++d->defined[e->source]);
	if (e->source == LJM_RECORD_CALLSITE) {
		putc(' ', d->out);
		return write_path(d, d->defined[e->source]);
	}
	if (e->source == LJM_RECORD_MARK) {
		const struct model_name label =
			callsites_string(&d->callsites, &d->names, e->address);

		fputs("  # ", d->out);
		dump_name(d, label.text, label.size);
	}
	if (e->source == LJM_RECORD_CLOCK) {
		d->time_us += e->address;
		fprintf(d->out, "  # %" PRIu64 ".%06" PRIu64 " s",
			d->time_us / 1000000, d->time_us % 1000000);
	}
	return true;
}

static enum ingest_result corrupt(struct dump *d, const char *why)
{
	snprintf(d->in->error, sizeof(d->in->error), "%s", why);
	return INGEST_CONTENT;
}

enum ingest_result dump_compact_record(struct dump *d,
				       const struct decode_event *e)
{
	bool ok;

	d->callsites.listed = true;
	if (e->source == LJM_RECORD_CLOCK &&
	    e->address > MOMENTS_TIME_MAX - d->time_us)
		return corrupt(d, INGEST_TOO_LATE);
	switch (callsites_define(&d->callsites, &d->names, &d->sites, e,
				 MODEL_SITES)) {
	case CALLSITES_DEEP:
		return corrupt(d, INGEST_TOO_DEEP);
	case CALLSITES_NO_MEMORY:
		return INGEST_SYSTEM;
	default:
		write_record(d, e);
		ok = write_meaning(d, e);
		putc('\n', d->out);
		return ok ? INGEST_OK : INGEST_SYSTEM;
	}
}
