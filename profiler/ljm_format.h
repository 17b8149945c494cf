/*
 * ljm_format.h - the memprof stream format: grammar, bit layout, limits.
 *
 * The one definition of the wire format, included by the recorder (which
 * writes version 3, and our own 0x83) and by the decoder (which reads every
 * version). It holds no code.
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
 *   3       0x83    our own, see "The compact stream" below
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

/*
 * ---- The compact stream, events version 0x83
 *
 * A reader of version 3 refuses it by its version. It says more (stacks,
 * time, marks) in a third of the bytes: what an event refers to is defined
 * once and then numbered, addresses are differences.
 *
 *   stream     = "ljs" 3 reserved{3} 0x80 "ljm" 0x83 reserved{3}
 *                start item* 0x80
 *   item       = record | event
 *   event      = head [callsite] [size] place
 *   head       = one byte: bits 0-1 kind (alloc, free, realloc as above),
 *                bit 2 same, bits 3-7 size class
 *   callsite   = number; absent when "same" is set: that of the last event
 *                of the same kind
 *   size       = of the new block, for a free of the old one; absent when the
 *                size class is not 0: then it is 8 times the class
 *   place      = alloc:   address relative to the end of the last alloc's block
 *              | free:    end of the block relative to the address of the last
 *                         free's block
 *              | realloc: old-size
 *                         old address relative to the last realloc's new one
 *                         new address relative to the old one
 *   record     = type body; the type is bits 2-7 of its byte, bits 0-1 are 0
 *   body       = start:      microseconds-since-1970 process-id depth text
 *              | string:     text
 *              | prototype:  chunk-string first-line name-string
 *              | function:   address name-string
 *              | frame:      frame-kind operands
 *              | callsite:   parent-callsite frame
 *              | clock:      microseconds
 *              | mark:       label-string
 *              | collection: reason events
 *              | unit:       shift
 *              | lost:       events
 *   operands   = internal:   what
 *              | Lua:        prototype line
 *              | Lua on a trace: prototype line trace-number
 *              | C:          function
 *              | trace:      trace-number prototype line
 *              | gap:        why
 *
 * Integers and texts are as above. Strings, prototypes, functions, frames and
 * callsites are numbered from 1, each in the order of their definitions; a
 * reference is to an earlier one. 0 stands for none, where it is allowed: a
 * prototype's name, and the parent of a callsite whose frame is outermost.
 *
 * A callsite is a path of frames: its own frame is the innermost, the one
 * that allocated, its parent the path that called it. Without stacks all
 * parents are 0, and the frame is the Lua line that format 3 would name.
 * With stacks it may be that of a C function which this line called. The line
 * of a frame that called another is that of the call.
 *
 * An address a relative to b is the signed difference (a >> unit) -
 * (b >> unit), modulo 2^64, in zigzag: 0 -1 1 -2 2 ... as 0 1 2 3 4 ... The
 * end of a block is its address + its size, rounded up to a multiple of
 * 1 << unit, both as of the event it comes from: a unit record does not round
 * it anew. What there was none of yet is at 0. unit is LJM_UNIT until a record
 * changes it; every address is a multiple of 1 << unit.
 *
 * start is the first item, and there is no other. Its depth is the most
 * frames that a callsite has but for a gap as the outermost, 0 when stacks are
 * not recorded; its text describes the VM. A clock is the time since the last
 * one, the first since start: what comes behind it happened at that time or
 * later, up to the next one. lost: so many events before this are missing.
 *
 * collection: a full one has just ended, a cycle of the collector that marked
 * all and swept all, or several. It began so many events before this, or later
 * (0: behind the last event; if there are not so many, before the stream). So
 * what the program could not reach when it began has been freed, but for what
 * waits for its finalizer, or is held by that: the next cycle frees it. Of what
 * came or went since, nothing is known. Cycles that were not seen to begin and
 * to end are not told, so there may be more than these.
 */

#define LJM_COMPACT_VERSION 0x83

#define LJM_COMPACT_SAME       0x04 /* the callsite of the last of this kind */
#define LJM_COMPACT_SIZE_SHIFT 3
#define LJM_COMPACT_SIZE_UNIT  8  /* bytes a step of the size class */
#define LJM_COMPACT_SIZE_LAST  31 /* the highest size class */

/* Types of a record, in bits 2-7 of its first byte. */
enum ljm_record {
	LJM_RECORD_START = 1,
	LJM_RECORD_STRING = 2,
	LJM_RECORD_PROTO = 3,
	LJM_RECORD_FUNCTION = 4,
	LJM_RECORD_FRAME = 5,
	LJM_RECORD_CALLSITE = 6,
	LJM_RECORD_CLOCK = 7,
	LJM_RECORD_MARK = 8,
	LJM_RECORD_COLLECTION = 9,
	LJM_RECORD_UNIT = 10,
	LJM_RECORD_LOST = 11,
};
#define LJM_RECORD_SHIFT 2

enum ljm_frame {
	LJM_FRAME_INTERNAL = 0,
	LJM_FRAME_LUA = 1,
	LJM_FRAME_LUA_TRACE = 2, /* the exact line, inside compiled code */
	LJM_FRAME_C = 3,
	LJM_FRAME_TRACE = 4, /* only the trace is certain */
	LJM_FRAME_GAP = 5,   /* frames that are not known, or not recorded */
};

/* What the VM did for itself: operand of an internal frame. */
enum ljm_internal {
	LJM_INTERNAL_OTHER = 0,
	LJM_INTERNAL_GC = 1,	    /* the collector */
	LJM_INTERNAL_RECORDER = 2,  /* of traces */
	LJM_INTERNAL_OPTIMISER = 3, /* of traces */
	LJM_INTERNAL_ASSEMBLER = 4, /* of traces */
	LJM_INTERNAL_EXIT = 5,	    /* from a trace */
	LJM_INTERNAL_HOST = 6,	    /* called the API outside of any function */
};
#define LJM_INTERNAL_LAST 6

/* Why there is a gap in a path: operand of a gap frame. */
enum ljm_gap {
	LJM_GAP_DEPTH = 0,   /* deeper than the recording's depth */
	LJM_GAP_INLINED = 1, /* functions that a trace inlined */
	LJM_GAP_UNKNOWN = 2, /* a frame of the host that cannot be read */
};
#define LJM_GAP_LAST 2

/* Who asked for a full collection: operand of a collection. */
enum ljm_collection {
	LJM_COLLECTION_PROGRAM = 0, /* or the VM, by and by */
	LJM_COLLECTION_START = 1,   /* the recorder, at its start */
	LJM_COLLECTION_MARK = 2,
	LJM_COLLECTION_STOP = 3,
};
#define LJM_COLLECTION_LAST 3

/* The unit of addresses before any unit record, and the largest. */
#define LJM_UNIT     3
#define LJM_UNIT_MAX 12

/*
 * The most definitions of one sort, and the most frames of a callsite, of
 * ours again. The recorder gives what is beyond to a gap.
 */
#define LJM_NUMBER_MAX (1u << 22)
#define LJM_DEPTH_MAX  1024u

/* The longest event: head, callsite, three sizes and addresses. */
#define LJM_COMPACT_EVENT_MAX (1 + 5 * LJM_LEB128_MAX)

#endif
