/*
 * signature.h - what a line of Lua is known by when the code around it moves.
 *
 * Pure but for signature_source_read(): no SQL, no model.
 */
#ifndef MEMPARSE_SIGNATURE_H
#define MEMPARSE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer source files are not read. */
#define SIGNATURE_SOURCE_MAX (16u << 20)

/* A source file in memory. Zeroed memory is none. */
struct signature_source {
	char *text; /* NULL: it could not be read */
	size_t size;
	uint32_t *starts; /* of each line, and one more: the end */
	uint32_t lines;
};

/*
 * Reads the file of a chunk "@PATH" below a directory: PATH is relative, or
 * begins with the directory, and has no part "..". Nothing else is opened, for
 * the chunk's name is the stream's word. True also when there is no such file;
 * false without memory. The source is empty then.
 */
bool signature_source_read(struct signature_source *source,
			   const char *directory, const char *chunk);
void signature_source_clear(struct signature_source *source);

/* The place in the program. Borrows the strings. */
struct signature_place {
	const char *chunk;
	const char *function; /* its name as recorded, or NULL */
	uint64_t line;
	uint64_t first_line; /* of the function, 0: not known, or none */
	uint64_t nth;	     /* of the chunk's functions, if first_line */
};

/* Room for a signature, the zero included. */
#define SIGNATURE_SIZE 2048

/*
 * Writes the signature and returns its kind: text if the source has the line,
 * and a function on first_line; else name, relative or line.
 */
const char *signature_make(char out[SIGNATURE_SIZE],
			   const struct signature_place *place,
			   const struct signature_source *source);

#endif
