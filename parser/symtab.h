/*
 * symtab.h - the symbols of a stream, as of now.
 *
 * Lua prototypes by address, C functions by the nearest address at or below,
 * traces by number. A symbol replaces the one before at its address. Writers
 * of format 3 repeat thousands of unchanged symbols all the time, with two
 * names in turn for many an address: that leaves the epoch alone, for it looks
 * at what has come of them all.
 */
#ifndef MEMPARSE_SYMTAB_H
#define MEMPARSE_SYMTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "addrmap.h"
#include "decode.h"
#include "model.h"
#include "names.h"

struct symtab_trace {
	uint64_t start_address;
	uint64_t line;
};

struct symtab_proto {
	uint32_t name;	     /* of its chunk */
	uint32_t first_line; /* at most MODEL_LINE_MAX */
};

/* A C function that had another name when the epoch was last asked for. */
struct symtab_renamed {
	uint64_t address;
	uint32_t name; /* that it had */
};
#define SYMTAB_RENAMED 4096u

struct symtab {
	struct addrmap lua; /* to an index of proto */
	struct symtab_proto *proto;
	uint32_t proto_count, proto_cap;
	struct addrmap c; /* to a number of names */
	struct addrset c_order;
	struct addrmap traces; /* to an index of trace */
	struct symtab_trace *trace;
	uint32_t trace_count, trace_cap;
	struct symtab_renamed *renamed; /* SYMTAB_RENAMED at most, or NULL */
	uint32_t renamed_count;
	uint64_t epoch, c_epoch; /* see symtab_epoch() */
};

/* Zeroed memory is an empty table. Back to that; the epochs go on. */
void symtab_clear(struct symtab *t);

/*
 * Applies an event of kind symbol; its name is copied into n. False without
 * memory.
 */
bool symtab_define(struct symtab *t, struct names *n,
		   const struct decode_event *e);

/* Private: lets the epochs tell what has been renamed. */
void symtab_settle(struct symtab *t);

/* Grows whenever a location may resolve differently than when last asked. */
static inline uint64_t symtab_epoch(struct symtab *t)
{
	if (t->renamed_count != 0)
		symtab_settle(t);
	return t->epoch;
}

/* The same of C functions alone. */
static inline uint64_t symtab_c_epoch(struct symtab *t)
{
	symtab_epoch(t);
	return t->c_epoch;
}

/*
 * Describes the site of a location: source is an enum ljm_source, address a
 * trace's number for LJM_SOURCE_TRACE. Fills all of *site but its figures,
 * which are zero; names belong to n. O(log n) of the C symbols.
 */
void symtab_resolve(const struct symtab *t, const struct names *n,
		    unsigned source, uint64_t address, uint64_t line,
		    struct model_site *site);

#endif
