/*
 * to_v3.h - any stream to one of version 3.
 *
 * For readers that know only that. What allocates is told as the reports tell
 * it: the default report of the new stream is that of the old one. Symbols
 * are events before they are needed; the prototypes of a compact stream get
 * an address of their own for each chunk. Paths, times, marks and collections
 * are left out.
 *
 * A stream that is cut or corrupt is converted up to there, and closed: else
 * no reader would take it. Of one that ends before its events nothing is left
 * (in->events_version is 0 then).
 */
#ifndef MEMPARSE_TO_V3_H
#define MEMPARSE_TO_V3_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest.h"

/* Takes some bytes of the new stream; false to stop. */
typedef bool to_v3_write_fn(void *arg, const void *bytes, size_t size);

/*
 * Converts the stream, as ingest_stream() reads it; INGEST_STOPPED also when
 * write() says so. Memory: 1 MiB, and what the stream's definitions take.
 */
enum ingest_result to_v3_stream(struct ingest *in, struct source *source,
				to_v3_write_fn *write, void *arg);

#endif
