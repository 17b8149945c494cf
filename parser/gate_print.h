/*
 * gate_print.h - what a gate found, as documents that CI systems read.
 *
 * Both list all sites with live blocks. A test fails, or a result is an error,
 * where a limit is exceeded; without limits nothing is.
 */
#ifndef MEMPARSE_GATE_PRINT_H
#define MEMPARSE_GATE_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "gate.h"

enum gate_format {
	GATE_NONE,
	GATE_JUNIT, /* a test for each site, and some for all */
	GATE_SARIF, /* 2.1.0, a result for each site, on its source line */
};

/* What the documents tell besides. */
struct gate_run {
	const char *subject;  /* what was judged: a file's name */
	const char *version;  /* of memparse */
	bool complete;	      /* no stream was cut */
	bool total;	      /* the sum of all sites has a limit */
	const char *unjudged; /* why lines could not be judged, or NULL */
};

/* Writes a document, after gate_judge(). Errors of out are the caller's. */
void gate_print(FILE *out, const struct gate *g, enum gate_format format,
		const struct gate_run *run);

/* ---- inside */

void gate_print_junit(FILE *out, const struct gate *g,
		      const struct gate_run *run);
void gate_print_sarif(FILE *out, const struct gate *g,
		      const struct gate_run *run);

/*
 * The source file of a site, relative to the working directory if it is in
 * there; NULL if its chunk is not a file's. Points into the chunk's name.
 */
const char *gate_path(const struct gate_site *s);

/* What a site holds, and what is wrong with it, as a sentence. */
#define GATE_SENTENCE_SIZE 512
void gate_sentence(char out[GATE_SENTENCE_SIZE], const struct gate_site *s);

#endif
