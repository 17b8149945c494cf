/*
 * symbols.h - prototypes, C functions and traces, each written once.
 *
 * A symbol goes into the stream right before the first event that needs it,
 * and again when its address (or trace number) came to mean something else.
 * All memory comes from malloc, never from the profiled heap.
 */
#ifndef LJMEMPROF_SYMBOLS_H
#define LJMEMPROF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf_names.h"
#include "vm_layout.h"

struct wbuf;

/* A set of addresses: open addressing, a power of two, 0 is empty. */
struct address_set {
	uintptr_t *slots;
	size_t mask, count;
};

struct trace_symbol {
	uintptr_t trace; /* the trace that has the number; 0: none yet */
	uintptr_t startpt, startpc;
};

struct symbols {
	struct address_set watched; /* prototypes seen, and traces */
	struct address_set c_functions;
	uint64_t watched_bits[64];   /* a Bloom filter before watched */
	struct trace_symbol *traces; /* by number */
	size_t trace_count;
	struct elf_names names;
	uint64_t unloads; /* elf_names_unloads() when c_functions was filled */
};

/* Longer names of chunks are cut. */
#define SYMBOLS_NAME_MAX  4096
#define SYMBOLS_NAME_ROOM (SYMBOLS_NAME_MAX + 64)

/*
 * A chunk without a name bears its whole text, and every function in it
 * again: a long one is cut, and ends in its size and a hash of all of it.
 * Returns name, or cut, which has SYMBOLS_NAME_ROOM bytes.
 */
const char *symbols_short_name(const char *name, char *cut, size_t *size);

/* Returns false without memory. */
bool symbols_open(struct symbols *s);
void symbols_free(struct symbols *s);

/*
 * These write the symbol if it is new. The address must be that of a live
 * prototype, a C function, a live trace. Return false without memory.
 */
bool symbols_see_proto(struct symbols *s, struct wbuf *out,
		       const struct vm_layout *y, uintptr_t proto);
bool symbols_see_c(struct symbols *s, struct wbuf *out, uintptr_t function);
bool symbols_see_trace(struct symbols *s, struct wbuf *out,
		       const struct vm_layout *y, uint32_t number,
		       uintptr_t trace);

/*
 * Asks to be told when this block is freed, as it is for prototypes. false
 * without memory.
 */
bool symbols_watch(struct symbols *s, uintptr_t address);

/* Forgets a block that is freed; true if it was watched. */
bool symbols_forget(struct symbols *s, uintptr_t address);

static inline uint64_t address_hash(uintptr_t address)
{
	uint64_t x = address * 0x9e3779b97f4a7c15;
	return x ^ x >> 32;
}

/* Which of the watched_bits is this address's? */
static inline unsigned symbols_watched_bit(uintptr_t address)
{
	return (unsigned)(address * 0x9e3779b97f4a7c15 >> 52);
}

/* false: certainly not watched. */
static inline bool symbols_may_be_watched(const struct symbols *s,
					  uintptr_t address)
{
	unsigned bit = symbols_watched_bit(address);
	return s->watched_bits[bit / 64] >> bit % 64 & 1;
}

/* true: the trace's symbol is in the stream and means this trace. */
static inline bool symbols_knows_trace(const struct symbols *s, uint32_t number,
				       uintptr_t trace, uintptr_t startpt,
				       uintptr_t startpc)
{
	const struct trace_symbol *t = &s->traces[number];
	return number < s->trace_count && t->trace == trace &&
	       t->startpt == startpt && t->startpc == startpc;
}

#endif
