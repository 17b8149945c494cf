/*
 * ljm_format.h - the memprof stream format: grammar, bit layout, limits.
 *
 * The one definition of the wire format, included by the recorder (which
 * writes version 3) and by the decoder (which reads every version). It holds
 * no code.
 *
 *   stream   = symtab events
 *   symtab   = "ljs" version reserved{3} symbol* 0x80
 *   symbol   = type body
 *   type     = 0x00 Lua prototype | 0x01 C function | 0x02 trace
 *   events   = "ljm" version reserved{3} event* 0x80
 *   event    = head [location] payload
 *   head     = one byte: bits 0-1 kind, bits 2-4 source, bits 5-7 zero
 *   location = source internal: nothing
 *            | source Lua:      prototype-address line
 *            | source C:        function-address
 *            | source trace:    trace-number
 *   payload  = alloc:   new-address new-size
 *            | free:    old-address old-size
 *            | realloc: old-address old-size new-address new-size
 *            | symbol:  body (its type follows from the source; no location)
 *   body     = Lua prototype: address chunk-name first-line
 *            | C function:    address name
 *            | trace:         trace-number prototype-address line
 *
 * version and type are bytes, reserved bytes are written as zero and ignored,
 * every other integer is an unsigned LEB128 of at most LJM_LEB128_MAX bytes,
 * a string is such an integer (its length) and that many bytes.
 *
 * A symbol inside the events redefines its address (or trace number) from
 * there on; a location is resolved with the symbols as of its own event.
 *
 * The pair of version bytes decides what older streams look like:
 *
 *   symtab  events
 *   1       1       Lua symbols only; no source trace; no symbols in events
 *   1       2       source trace has the location: trace-number mcode-address
 *   2       2       as 1,2; symbol type 0x01 is a trace, its body
 *                   trace-number mcode-address prototype-address line
 *   2       3       as 2,2; symbols in events, Lua prototypes only
 *   3       3       the grammar above
 *
 * In 3,3 the head byte 0x01 (kind alloc, source 0) is a C function symbol:
 * writers emit it for a library without a symbol hash.
 *
 * Source: https://github.com/tarantool/luajit, src/lj_memprof.h.
 */
#ifndef LJM_FORMAT_H
#define LJM_FORMAT_H

/* Both prologues: a magic of three bytes, the version, three reserved bytes. */
#define LJM_SYMTAB_MAGIC  "ljs"
#define LJM_EVENTS_MAGIC  "ljm"
#define LJM_MAGIC_SIZE	  3
#define LJM_PROLOGUE_SIZE 7

/* The pair of versions that the recorder writes. */
#define LJM_SYMTAB_VERSION 3
#define LJM_EVENTS_VERSION 3

/* Closes the symbol table, and closes the events. */
#define LJM_EPILOGUE 0x80

/* Types of a symbol in the symbol table of version 3. */
enum ljm_symbol_type {
	LJM_SYMBOL_LUA = 0,
	LJM_SYMBOL_C = 1,
	LJM_SYMBOL_TRACE = 2,
};

/* The type byte of a trace in the symbol table of version 2. */
#define LJM_SYMBOL_TRACE_V2 1

/* Bits 0-1 of an event's head. */
enum ljm_kind {
	LJM_KIND_SYMBOL = 0,
	LJM_KIND_ALLOC = 1,
	LJM_KIND_FREE = 2,
	LJM_KIND_REALLOC = 3,
};

/* Bits 2-4 of an event's head, shifted down. */
enum ljm_source {
	LJM_SOURCE_NONE = 0, /* only in the head byte 0x01 of 3,3 */
	LJM_SOURCE_INTERNAL = 1,
	LJM_SOURCE_LUA = 2,
	LJM_SOURCE_C = 3,
	LJM_SOURCE_TRACE = 4,
};

#define LJM_KIND_MASK	       0x03
#define LJM_SOURCE_SHIFT       2
#define LJM_SOURCE_MASK	       0x07
#define LJM_HEAD_UNUSED	       0xe0 /* these bits set: corrupt, but for 0x80 */
#define LJM_HEAD(kind, source) ((kind) | (source) << LJM_SOURCE_SHIFT)

/* The most bytes an integer of 64 bits takes. */
#define LJM_LEB128_MAX 10

/* The longest event without a string: head, location, four integers. */
#define LJM_EVENT_MAX (1 + 2 * LJM_LEB128_MAX + 4 * LJM_LEB128_MAX)

/*
 * Limits of our own, far above what a real stream holds. The recorder cuts a
 * longer name; the decoder calls a longer name or a larger size corrupt.
 * Sizes are kept below 2^63 so that they fit the database's integers.
 */
#define LJM_NAME_MAX (16u << 20)
#define LJM_SIZE_MAX 0x7fffffffffffffffull

#endif
