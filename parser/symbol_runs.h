/*
 * symbol_runs.h - runs of C symbols among events, to know them again.
 *
 * At each event of a C function writers of format 3 write all C symbols, a run
 * for each library, with events between: 100 KB and more that were there
 * before. A run that is, byte for byte, one that has been taken says nothing as
 * long as no C symbol has changed; so it need not be decoded, but compared.
 *
 * The caller tells the epoch: a number that is another one whenever any C
 * symbol has changed. Zeroed memory is a set without runs. Memory:
 * SYMBOL_RUNS_BYTES at the most. One thread.
 */
#ifndef MEMPARSE_SYMBOL_RUNS_H
#define MEMPARSE_SYMBOL_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shorter runs are not worth it. */
#define SYMBOL_RUN_LEAST 1024u /* bytes */

/* The most that are kept, and the bytes of all of them. */
#define SYMBOL_RUNS	  128u
#define SYMBOL_RUNS_BYTES (2u << 20)

struct symbol_run {
	uint32_t at, size; /* bytes[at..at + size) */
};

struct symbol_runs {
	uint8_t *bytes;
	uint32_t size, capacity; /* of bytes, with those of a run begun */
	struct symbol_run list[SYMBOL_RUNS];
	unsigned count;
	unsigned next;	/* the one behind the last found, or made */
	uint64_t epoch; /* when all of them had been taken */
	bool begun;	/* a run is being taken: the last bytes, */
	uint32_t taken; /* so many, or none when it does not fit */
};

void symbol_runs_clear(struct symbol_runs *r);

/*
 * The size of the run that these bytes, which come next in the stream, begin
 * with, or 0; not while a run is taken. *matched is set to size when they are
 * the first bytes of a run, but not all: then call it with it again, with these
 * bytes and more. Else it is 0, as it must be for other bytes.
 */
size_t symbol_runs_find(struct symbol_runs *r, uint64_t epoch,
			const uint8_t *bytes, size_t size, size_t *matched);

/*
 * Bytes that are nothing but whole C symbols have been taken: begins a run, or
 * goes on with it. Copies them; without memory the run is not kept.
 */
void symbol_runs_take(struct symbol_runs *r, const uint8_t *bytes, size_t size);

/* Something else comes next: the run that was begun, if any, is kept. */
void symbol_runs_end(struct symbol_runs *r, uint64_t epoch);

/* Something else has been taken: what was begun is no run to be known. */
void symbol_runs_drop(struct symbol_runs *r);

#endif
