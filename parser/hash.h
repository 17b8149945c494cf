/*
 * hash.h - the hash functions of the model's tables.
 *
 * Seeded, because addresses and names come from a file that anybody may have
 * made: nobody can prepare a stream whose keys collide. Nothing that is
 * printed or stored depends on the seed. Pure; any thread.
 */
#ifndef MEMPARSE_HASH_H
#define MEMPARSE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#define HASH_ODD_1 0xd6e8feb86659fd93ull
#define HASH_ODD_2 0x9fb21c651e98df25ull

/* A seed of this process: random bytes the kernel left there. */
static inline uint64_t hash_seed(void)
{
	const unsigned long at = getauxval(AT_RANDOM);
	uint64_t seed = HASH_ODD_1;

	if (at != 0)
		memcpy(&seed, (const void *)at, sizeof(seed));
	return seed;
}

/* The upper bits are the good ones: take indexes from the top. */
static inline uint64_t hash_u64(uint64_t x, uint64_t seed)
{
	x = (x ^ seed) * HASH_ODD_1;
	x ^= x >> 32;
	return x * HASH_ODD_2;
}

static inline uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
	const uint8_t *p = bytes;
	uint64_t h = seed ^ size, word;

	for (; size >= sizeof(word); size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = hash_u64(h ^ word, seed);
		h ^= h >> 32;
		p += sizeof(word);
	}
	word = 0;
	if (size != 0)
		memcpy(&word, p, size);
	return hash_u64(h ^ word, seed);
}

#endif
