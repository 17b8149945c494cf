/*
 * peek.h - reads memory that may not be there, and words out of copies.
 */
#ifndef LJMEMPROF_PEEK_H
#define LJMEMPROF_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads n bytes of this process that may be unmapped. Returns how many were
 * readable. Does not raise a signal.
 */
size_t peek_memory(const void *address, void *out, size_t n);

/*
 * The same at several addresses, for few system calls: n bytes of each, one
 * after the other in out; there[i] tells whether the i-th was readable.
 */
#define PEEK_EACH_MAX 32 /* addresses at a time */
void peek_each(const uintptr_t *addresses, size_t count, uint8_t *out, size_t n,
	       bool *there);

/* Words of a copy, which need not be aligned. */
uint64_t peek_u64(const uint8_t *p);
uint32_t peek_u32(const uint8_t *p);
/* A reference: 8 bytes with gc64, else 4. */
uint64_t peek_ref(bool gc64, const uint8_t *p);

#endif
