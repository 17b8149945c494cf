/*
 * ingest_bytes.h - streams in memory as files to ingest, and their reports.
 */
#ifndef TESTS_INGEST_BYTES_H
#define TESTS_INGEST_BYTES_H

#include "ingest.h"
#include "ljm_text.h"

/* A source of these bytes, as of a file. */
struct source *open_bytes(const struct ljm_bytes *bytes);

/* Ends the model's stream, and frees the model. The whole report, malloc'ed. */
char *end_and_report(struct model *m);

/* Ingests all that the source has, and closes it; the same report. */
char *ingest_and_report(struct ingest *in, struct source *source,
			enum ingest_result *result);

#endif
