/*
 * callsites.h - paths of calls, and the frames that they are made of.
 *
 * Streams of versions 1 to 3 have no paths: there a callsite is nothing but
 * its site, callsite i is site i, and the table is empty. It is filled by
 * callsites_list(), when a compact stream comes: from then on every callsite
 * is in it, those of other streams as leaves. Each path is kept once, whatever
 * streams it came from; what a stream's numbers mean is kept as long as the
 * stream.
 *
 * Memory: 32 bytes a callsite and 52 a frame, and half as much again for
 * growth; of the stream at hand 4 bytes a string and a callsite, 16 a
 * prototype and a function, 32 a frame, and as much again. One thread.
 */
#ifndef MEMPARSE_CALLSITES_H
#define MEMPARSE_CALLSITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"
#include "model.h"
#include "names.h"
#include "numbered.h"
#include "site.h"

/* A path: its innermost frame, and the path that called it. */
struct callsite {
	uint32_t parent; /* index, MODEL_NO_CALLSITE: none */
	uint32_t frame;	 /* index */
	uint32_t site;	 /* index */
	uint32_t next;	 /* another one of the site, MODEL_NO_CALLSITE: none */
	uint16_t depth;	 /* frames on the path */
	bool in_lua;	 /* its site is a Lua line or a trace on the path */
	bool internal;	 /* its site is INTERNAL */
};

struct frame {
	uint64_t line; /* C: the address */
	uint64_t first_line;
	uint64_t trace_number;
	uint32_t chunk, function; /* numbers of names, or NAME_NONE */
	uint8_t kind;		  /* enum model_frame_kind */
	uint8_t what;
};

struct callsites {
	bool listed; /* else callsite i is site i */

	struct callsite *list;
	uint32_t count, cap;
	uint32_t *slots; /* index + 1, 0: free */
	uint32_t slot_cap;

	struct frame *frames;
	uint32_t frame_count, frame_cap;
	uint32_t *frame_slots;
	uint32_t frame_slot_cap;
	uint64_t seed;

	uint32_t *of_site; /* a callsite of each site, or MODEL_NO_CALLSITE */
	uint32_t site_cap;

	/* What the numbers of the stream mean. */
	struct numbered strings;   /* uint32_t, numbers of names */
	struct numbered protos;	   /* see callsites_define.c */
	struct numbered functions; /* the same */
	struct numbered framed;	   /* the same */
	struct numbered numbers;   /* uint32_t, see callsites_find() */
};

enum callsites_result {
	CALLSITES_OK,
	CALLSITES_NO_MEMORY,
	CALLSITES_DEEP, /* a path of more than LJM_DEPTH_MAX frames */
};

/* Zeroed memory is an empty table. Back to that. */
void callsites_clear(struct callsites *c);

/* Forgets what the stream's numbers mean. */
void callsites_end_stream(struct callsites *c);

/* Fills the table: a leaf for each site. False without memory. */
bool callsites_list(struct callsites *c, struct names *n,
		    const struct sites *s);

/*
 * The leaf of a site in a table that is listed; makes it unless there are
 * limit callsites. MODEL_NO_CALLSITE without memory, CALLSITES_FULL.
 */
uint32_t callsites_leaf(struct callsites *c, struct names *n,
			const struct sites *s, uint32_t site, uint32_t limit);
#define CALLSITES_FULL (MODEL_NO_CALLSITE - 1)

/*
 * Applies a definition of a compact stream to a table that is listed: a
 * record from string to callsite. A path that finds no place, because there
 * are limit callsites or limit sites, and what it calls, is
 * CALLSITES_FURTHER.
 */
enum callsites_result callsites_define(struct callsites *c, struct names *n,
				       struct sites *s,
				       const struct decode_event *record,
				       uint32_t limit);

/* What callsites_find() returns: an index and a flag. */
#define CALLSITES_INTERNAL 0x80000000u
#define CALLSITES_FURTHER  0x7fffffffu /* there was no place */

/* What a callsite's number in the stream at hand, which it has, stands for. */
static inline uint32_t callsites_find(const struct callsites *c,
				      uint64_t number)
{
	return ((const uint32_t *)c->numbers.list)[number - 1];
}

/* The name of a numbered string; the number may be 0. */
struct model_name callsites_string(const struct callsites *c,
				   const struct names *n, uint64_t number);

/* Describes a frame of a table that is listed. */
void callsites_frame(const struct callsites *c, const struct names *n,
		     uint32_t index, struct model_frame *out);

/* Describes the frame that a site alone would have. */
void callsites_frame_of_site(const struct model_site *site,
			     struct model_frame *out);

#endif
