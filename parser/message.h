/*
 * message.h - what memparse says on standard error.
 *
 * One line each, in printable characters, whatever a file is called. On a
 * terminal a line of progress is kept below them while work takes long.
 */
#ifndef MEMPARSE_MESSAGE_H
#define MEMPARSE_MESSAGE_H

#include <stdint.h>

/* Says "memparse: FILE: WHAT"; file may be NULL. */
__attribute__((format(printf, 2, 3))) void message(const char *file,
						   const char *format, ...);

/* Says "memparse: FILE: offset N: WHAT". */
void message_offset(const char *file, uint64_t offset, const char *what);

/*
 * Shows how far reading is: done of size bytes, size 0 when it is not known.
 * Does nothing in the first second, nor without a terminal.
 */
void message_progress(const char *file, uint64_t done, uint64_t size);

/* Removes the line of progress. */
void message_progress_end(void);

#endif
