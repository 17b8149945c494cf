/*
 * ljm_text.h - memprof streams as text, one item a line, for tests.
 *
 *	# a comment; empty lines do not count either
 *	ljs 3                       the symbol table's prologue, its version
 *	lua 0x1000 "@a.lua" 1       prototype: address, chunk, first line
 *	c 0x2000 "malloc"           C function: address, name
 *	trace 7 0x1000 12           trace: number; its start: address, line
 *	ljm 3                       ends the table; the events' prologue
 *	alloc int 0x10 32           source, new address, new size
 *	alloc lua 0x1000:5 0x10 32  the same at line 5 of a prototype
 *	free c 0x2000 0x10 32       source, old address, old size
 *	realloc trace:7 0x10 32 0x20 64
 *	lua 0x1000 "@b.lua" 1       after ljm: a symbol event
 *	c1 0x2000 "free"            the same as c, but with the head byte 0x01
 *	end                         the closing byte
 *	raw 80 ff                   any bytes, in hex
 *
 * and of the compact stream, which is "ljm 131", numbers as they are there:
 *
 *	start 1700000000000000 42 64 "LuaJIT"  time, process, depth, text
 *	string "@a.lua"
 *	proto 1 10 0                chunk's string, first line, name's string
 *	function 0x2000 2           address, name's string
 *	frame int 1                 what
 *	frame lua 1:5               prototype, line
 *	frame lua 1:5 trace:7
 *	frame c 1                   function
 *	frame trace:7 1:5           number, prototype, line
 *	frame gap 0                 why
 *	callsite 0 1                parent, frame
 *	clock 1000                  microseconds
 *	mark 2                      label's string
 *	collection 1 0              reason, events since it began
 *	unit 4
 *	lost 10                     events
 *	alloc @1 0x10 32            callsite, new address, new size
 *	free @1 0x10 32
 *	realloc @1 0x10 32 0x20 64
 *	plain                       from here on events are written without
 *	                            "same" and size class
 *
 * Numbers are decimal or 0x hex. A name is bytes between quotes; \" \\ and
 * \xNN stand for what cannot be typed. Machine code addresses, where a version
 * has them, are written as 0x77 and are not in the text.
 */
#ifndef TESTS_LJM_TEXT_H
#define TESTS_LJM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"

/* Bytes that grow; zeroed memory is empty. data is malloc's. */
struct ljm_bytes {
	uint8_t *data;
	size_t size, cap;
};

void ljm_put(struct ljm_bytes *b, const void *data, size_t size);
void ljm_put_byte(struct ljm_bytes *b, unsigned byte);
void ljm_put_int(struct ljm_bytes *b, uint64_t value); /* LEB128 */
__attribute__((format(printf, 2, 3))) void ljm_printf(struct ljm_bytes *b,
						      const char *format, ...);
void ljm_free(struct ljm_bytes *b);

/*
 * Appends the stream that the text describes. Returns 0, or the number of the
 * first line that is wrong.
 */
unsigned ljm_encode(const char *text, struct ljm_bytes *out);

/*
 * Appends one event in the grammar of these versions, with the machine code
 * address 0x77; symbols as events when the events' version is not 0.
 */
void ljm_encode_event(const struct decode_event *e, unsigned symtab_version,
		      unsigned events_version, struct ljm_bytes *out);

/* The state of one who writes a compact stream; begin with LJM_COMPACT. */
struct ljm_compact {
	bool plain; /* neither "same" nor size class */
	unsigned unit;
	uint64_t alloc_end, free_address, realloc_address;
	uint64_t callsite[4];
};
#define LJM_COMPACT                                                            \
	{                                                                      \
		.unit = LJM_UNIT                                               \
	}

/*
 * Appends an event or record of the compact stream. False: an address is no
 * multiple of 1 << unit.
 */
bool ljm_encode_compact(struct ljm_compact *c, const struct decode_event *e,
			struct ljm_bytes *out);

/* Appends the event as a line of text. */
void ljm_event_text(const struct decode_event *e, struct ljm_bytes *out);

/*
 * Decodes a whole stream and appends its text; the last line is "end",
 * "cut OFFSET" or "corrupt OFFSET: WHY". Bytes come step at a time.
 */
void ljm_decode(const uint8_t *stream, size_t size, size_t step,
		struct ljm_bytes *out);

#endif
