/*
 * pair_map.h - from a pair of words to a number that is not 0.
 *
 * Open addressing over a power of two of slots, at most half of them taken.
 * Memory from malloc.
 */
#ifndef LJMEMPROF_PAIR_MAP_H
#define LJMEMPROF_PAIR_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair_slot {
	uint64_t a, b;
	uint32_t value; /* 0: empty */
};

struct pair_map {
	struct pair_slot *slots;
	size_t mask, count;
};

/* Returns false without memory. */
bool pair_map_open(struct pair_map *map);
void pair_map_free(struct pair_map *map);

/* Empties it. */
void pair_map_clear(struct pair_map *map);

/* Adds or replaces; value is not 0. Returns false without memory. */
bool pair_map_put(struct pair_map *map, uint64_t a, uint64_t b, uint32_t value);

/* The value that was removed; 0 when there was none. */
uint32_t pair_map_remove(struct pair_map *map, uint64_t a, uint64_t b);

static inline size_t pair_map_home(const struct pair_map *map, uint64_t a,
				   uint64_t b)
{
	uint64_t x = (a ^ (b << 32 | b >> 32)) * 0x9e3779b97f4a7c15;
	return (x ^ x >> 32) & map->mask;
}

/* The slot of the pair, or the empty one where it belongs. */
static inline struct pair_slot *pair_map_slot(const struct pair_map *map,
					      uint64_t a, uint64_t b)
{
	size_t i = pair_map_home(map, a, b);
	while (map->slots[i].value &&
	       (map->slots[i].a != a || map->slots[i].b != b))
		i = (i + 1) & map->mask;
	return &map->slots[i];
}

/* 0 when it is not there. */
static inline uint32_t pair_map_get(const struct pair_map *map, uint64_t a,
				    uint64_t b)
{
	return pair_map_slot(map, a, b)->value;
}

#endif
