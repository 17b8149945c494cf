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
 * What follows the # is the number of the event and the name of its site. Of
 * a compact stream, which is ljm 131, what an event's @ names is the number of
 * a callsite, and the records between the events are
 *
 *	start 1700000000000000 42 64 "VM"  when, process, most frames, VM
 *	string "@a.lua"  # 1
 *	proto 1 10 2  # 1               chunk's string, line, name's string
 *	function 0x2000 2  # 1          address, name's string
 *	frame lua 1:12  # 1             prototype and line
 *	frame lua 1:12 trace:7  # 2     the same, in compiled code
 *	frame c 1  # 3                  function
 *	frame trace:7 1:10  # 4         its start: prototype and line
 *	frame int 1  # 5                what the VM does
 *	frame gap 0  # 6                why frames are missing
 *	callsite 1 3  # 2 string.rep < f (@a.lua:12)
 *	clock 1000  # 0.001000 s        microseconds since the last clock
 *	mark 2  # "label"               its string
 *	collection 1 0                  who asked for it, how many events ago
 *	unit 4                          of addresses from here on
 *	lost 10                         events that are missing
 *
 * with the number of a definition behind the #, and the frames of a callsite,
 * the innermost first.
 */
#ifndef MEMPARSE_DUMP_H
#define MEMPARSE_DUMP_H

#include <stdio.h>

#include "ingest.h"

/* Writes the stream to out, as ingest_stream() reads it. */
enum ingest_result dump_stream(struct ingest *in, struct source *source,
			       FILE *out);

#endif
