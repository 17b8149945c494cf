/*
 * cluster.h - addresses that meet in the table of live blocks.
 */
#ifndef TESTS_CLUSTER_H
#define TESTS_CLUSTER_H

#include "live.h"

/*
 * The nth address whose home is this one of cap lines or groups, by hash_u64()
 * backwards: only who knows the seed can have it. All have the same tag.
 */
static inline uint64_t cluster_address(const struct live *l, size_t home,
				       size_t cap, uint64_t nth)
{
	uint64_t x = (((uint64_t)home << 32) / cap + 1) << 32 | nth;
	uint64_t odd_1 = 1, odd_2 = 1;

	/* The inverses, modulo 2^64. */
	for (int i = 0; i < 6; i++) {
		odd_1 *= 2 - HASH_ODD_1 * odd_1;
		odd_2 *= 2 - HASH_ODD_2 * odd_2;
	}
	x *= odd_2;
	x ^= x >> 32;
	return (x * odd_1) ^ l->seed;
}

#endif
