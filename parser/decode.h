/*
 * decode.h - bytes of a memprof stream to events, every version.
 *
 * Pure: no I/O, no allocation, no knowledge of what events mean. The grammar
 * is in ljm_format.h. The caller owns the input buffer and the event array.
 */
#ifndef MEMPARSE_DECODE_H
#define MEMPARSE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ljm_format.h"

struct locations; /* locations.h */
struct step;	  /* step.h */

/* What decode_events() stopped for. */
enum decode_result {
	/* The event array is full; call again. */
	DECODE_FULL,
	/*
	 * Every whole item of the input was taken. Move the bytes from in->pos
	 * on to the front of a buffer, append more, call again; when there is
	 * no more, the stream is cut at in->pos.
	 */
	DECODE_MORE,
	/* The closing byte was taken; in->pos is the first byte after it. */
	DECODE_END,
	/* in->pos is the bad item's first byte; decoder->error says why. */
	DECODE_CORRUPT,
};

/* Input: bytes src[0..size), of which src[0..pos) are taken. */
struct decode_input {
	const uint8_t *src;
	size_t size;
	size_t pos;
};

/*
 * One event. Addresses are as the stream has them. address is that of the
 * prototype or C function, or the trace number; 0 for internal. For a symbol:
 * source is LJM_SOURCE_LUA, _C or _TRACE, address the address it names (the
 * trace number of a trace), line the first line of a prototype or the line
 * where a trace starts.
 *
 * Of the compact stream: a heap event has source DECODE_CALLSITE and the
 * number of its callsite as address; all references have been checked to be
 * to earlier definitions. A record has kind DECODE_RECORD, its type (enum
 * ljm_record) as source, and the fields
 *
 *   start       address: microseconds since 1970, line: process, name: text,
 *               start_address: depth
 *   string      name
 *   prototype   address: chunk string, line: first line, start_address: name
 *               string
 *   function    address, start_address: name string
 *   frame       line of Lua and trace, address: frame kind, start_address:
 *               prototype, function, what or why, trace_number
 *   callsite    address: parent, start_address: frame
 *   clock       address: microseconds
 *   mark        address: label string
 *   collection  address: reason, start_address: events
 *   unit        address: shift
 *   lost        address: events
 *
 * and zero in all others.
 */
#define DECODE_RECORD	4 /* a kind beside enum ljm_kind */
#define DECODE_CALLSITE 5 /* a source beside enum ljm_source */
struct decode_event {
	uint8_t kind;	  /* enum ljm_kind, or DECODE_RECORD */
	uint8_t source;	  /* enum ljm_source, or see above */
	uint64_t address; /* see above */
	uint64_t line;	  /* of source Lua and of symbols; else 0 */
	union {
		struct {
			uint64_t old_address; /* free, realloc; else 0 */
			uint64_t old_size;
			uint64_t new_address; /* alloc, realloc; else 0 */
			uint64_t new_size;
		};
		struct {
			/* Lua, C: borrowed from the input, not terminated. */
			const char *name;
			uint64_t name_size;	/* bytes */
			uint64_t start_address; /* trace: where it starts */
			uint64_t trace_number;	/* of a frame */
		};
	};
};

/* What the items of a compact stream refer to. Private. */
struct decode_compact {
	bool started; /* start has been taken */
	uint8_t unit;
	uint32_t defined[LJM_RECORD_CALLSITE + 1]; /* by enum ljm_record */
	uint32_t callsite[LJM_KIND_REALLOC + 1];   /* the last one, by kind */
	uint64_t alloc_end, free_address, realloc_address; /* the last ones */
};

/* The state between two calls; opaque but for the fields named here. */
struct decoder {
	uint8_t symtab_version; /* 0 until read */
	uint8_t events_version; /* 0 until read */
	uint8_t phase;		/* private */
	bool has_table;		/* private: symbols before the events */
	const uint8_t *heads;	/* private: see decode_steps.h */
	struct decode_compact compact;
	char error[160]; /* after DECODE_CORRUPT: what, in words */
};

/* Prepares *d for the first byte of a stream. */
void decode_init(struct decoder *d);

/*
 * Decodes items from *in into events[0..cap), sets *count to how many.
 * Events of one call borrow their names from in->src. Items that yield no
 * event (prologues, the end of the symbol table) are taken silently.
 * A name of up to LJM_NAME_MAX bytes must fit the input whole to be taken.
 */
enum decode_result decode_events(struct decoder *d, struct decode_input *in,
				 struct decode_event *events, size_t cap,
				 size_t *count);

/* What decode_steps() has done. */
struct decode_steps {
	size_t count, events;
	uint64_t bytes; /* the sum of all sizes */
	bool no_memory; /* it ended for that, at a location not known */
};

/*
 * Decodes heap events into steps[0..cap), faster; a realloc's two are not
 * parted. It ends before anything else, be it an end or an error, and before
 * what it leaves to the others: the last bytes of the input, odd steps, events
 * with addresses no real stream has, our own version's. Locations that are not
 * known are learnt; decode_location() tells which ones they are.
 */
struct decode_steps decode_steps(struct decoder *d, struct decode_input *in,
				 const struct locations *known,
				 struct step *steps, size_t cap);

/* Is what comes next a heap event of those that decode_steps() may be for? */
bool decode_is_step(const struct decoder *d, const struct decode_input *in);

/* Sets what tells a location of an event: source, address and line. */
void decode_location(const uint64_t location[2], struct decode_event *e);

/*
 * Like decode_events(), but ends where decode_is_step(), unless the event
 * before is an odd one.
 */
enum decode_result decode_others(struct decoder *d, struct decode_input *in,
				 struct decode_event *events, size_t cap,
				 size_t *count);

#endif
