/*
 * dump.h - a stream, one event per line, for people.
 *
 *	ljs 3                              the symbol table, and its version
 *	lua 0x1000 "@a.lua" 1              a prototype, its chunk and first line
 *	c 0x2000 "malloc"                  a C function
 *	trace 7 0x1000 12                  a trace, its start: prototype, line
 *	ljm 3                              the events, and their version
 *	alloc int 0x10 32  # 1 INTERNAL    who, the new address and size
 *	free c 0x2008 0x10 32  # 2 malloc:0x2000
 *	realloc lua 0x1000:5 0x10 32 0x20 64  # 3 @a.lua:5
 *	alloc trace:7 0x10 64  # 4 TRACE [7] started at @a.lua:12
 *	end                                the closing byte
 *
 * What follows the # is the number of the event and the name of its site.
 */
#ifndef MEMPARSE_DUMP_H
#define MEMPARSE_DUMP_H

#include <stdio.h>

#include "ingest.h"

/* Writes the stream to out, as ingest_stream() reads it. */
enum ingest_result dump_stream(struct ingest *in, struct source *source,
			       FILE *out);

#endif
