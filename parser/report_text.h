/*
 * report_text.h - the default report: a model's figures as readable text.
 *
 * The sections, wording and line format of the reader that ships with
 * Tarantool's LuaJIT, so that scripts that read it go on working.
 */
#ifndef MEMPARSE_REPORT_TEXT_H
#define MEMPARSE_REPORT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "model.h"

struct report_text_options {
	bool leak_only;	     /* only the HEAP SUMMARY and the aliases */
	bool human_readable; /* KiB, MiB, GiB */
};

/*
 * Writes the report. Errors of out are the caller's to look for. Returns
 * false without memory; what is written then is not the whole.
 */
bool report_text(FILE *out, const struct model *m,
		 const struct report_text_options *options);

/* A number of bytes, at most 32 characters with the terminator. */
#define REPORT_BYTES_MAX 32
void report_text_bytes(char out[REPORT_BYTES_MAX], uint64_t bytes, bool human);

#endif
