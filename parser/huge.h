/*
 * huge.h - large pages for large tables, where the system has them.
 *
 * A look-up at random in a table of many small pages first has to find the
 * page, which may cost more than the look-up itself.
 */
#ifndef MEMPARSE_HUGE_H
#define MEMPARSE_HUGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE_SIZE ((size_t)2 << 20)

/* Advice for memory that is about to be filled; errors do not matter. */
static inline void huge_advise(void *p, size_t size)
{
#ifdef MADV_HUGEPAGE
	const uintptr_t begin =
		((uintptr_t)p + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	const uintptr_t end = ((uintptr_t)p + size) & ~(HUGE_SIZE - 1);

	if (size >= 2 * HUGE_SIZE && begin < end)
		madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
	(void)p;
	(void)size;
#endif
}

#endif
