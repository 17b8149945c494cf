/*
 * dump_private.h - a dump inside, for dump.c and dump_compact.c.
 */
#ifndef MEMPARSE_DUMP_PRIVATE_H
#define MEMPARSE_DUMP_PRIVATE_H

#include <stdbool.h>
#include <stdio.h>

#include "callsites.h"
#include "decode.h"
#include "format.h"
#include "ingest.h"
#include "names.h"
#include "site.h"
#include "symtab.h"

struct dump {
	struct ingest *in;
	struct decoder decoder;
	struct symtab symtab;
	struct names names;
	uint64_t event;
	struct format_buffer text; /* for names on their way out */
	FILE *out;

	/* Of a compact stream. */
	struct sites sites;
	struct callsites callsites;
	uint64_t defined[LJM_RECORD_CALLSITE + 1]; /* by enum ljm_record */
	uint64_t time_us;
};

/* Writes a name in quotes, with backslashes where there is need for them. */
void dump_name(struct dump *d, const char *name, size_t size);

/* Writes the printed name of a site. False without memory. */
bool dump_site(struct dump *d, const struct model_site *site);

/*
 * Writes a record of a compact stream as a line, and applies it. Not INGEST_OK
 * when the stream is corrupt, as in->error says, or without memory.
 */
enum ingest_result dump_compact_record(struct dump *d,
				       const struct decode_event *e);

/* Writes the site of a numbered callsite. False without memory. */
bool dump_compact_site(struct dump *d, uint64_t number);

#endif
