/*
 * memparse.h - libmemparse: memory profiles of LuaJIT, read and stored.
 *
 * What the program memparse is made of, for programs that read streams
 * themselves: include this header, link libmemparse.a, libzstd and sqlite3.
 * The parts, from the bytes of a file to a report:
 *
 *	source.h	a file, a pipe, zstd		-> bytes
 *	decode.h	bytes				-> events
 *	model.h		events				-> sites, blocks, totals
 *	store.h		what the model found		-> a database
 *	store_read.h	a database			-> what a model found
 *	report_text.h	what the model found		-> the default report
 *	report.h	a database and a query		-> rows in many formats
 *	ingest.h	a file, through source, decode, model and store
 *
 * Every part reports failures by its results; none prints or exits. Not for
 * several threads at once, except on objects of their own.
 */
#ifndef MEMPARSE_H
#define MEMPARSE_H

#include "decode.h"
#include "ingest.h"
#include "model.h"
#include "report.h"
#include "report_text.h"
#include "export.h"
#include "filter.h"
#include "source.h"
#include "store.h"
#include "store_read.h"

/* The version of the library and of the program. */
#define MEMPARSE_VERSION_STRING "0.1.0"

/* Exit statuses of memparse; of several inputs, the highest counts. */
enum memparse_status {
	/* Done. Bytes after a stream's closing byte change nothing. */
	MEMPARSE_DONE = 0,
	/* A limit that the user set was exceeded. */
	MEMPARSE_EXCEEDED = 1,
	/* Wrong usage; a database that is not ours, or of another version. */
	MEMPARSE_USAGE = 2,
	/*
	 * The content is not a complete stream: empty, no stream, an unknown
	 * version, corrupt, cut. What came before is reported and kept.
	 */
	MEMPARSE_CONTENT = 3,
	/* The system refused; nothing is left behind. */
	MEMPARSE_SYSTEM = 4,
};

#endif
