/*
 * processors.h - how many processors this process may use.
 *
 * Includers define _GNU_SOURCE, for sched_getaffinity().
 */
#ifndef MEMPARSE_PROCESSORS_H
#define MEMPARSE_PROCESSORS_H

#include <sched.h>

/* At least 1, which stands for an unknown number, too. */
static inline int count_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
							    : 1;
}

#endif
