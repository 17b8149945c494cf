/*
 * pair_map.c - from a pair of words to a number that is not 0.
 */
#include "pair_map.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64

static bool open_slots(struct pair_map *map, size_t size)
{
	map->slots = calloc(size, sizeof *map->slots);
	map->mask = size - 1;
	map->count = 0;
	return map->slots != NULL;
}

bool pair_map_open(struct pair_map *map)
{
	return open_slots(map, SLOTS_MIN);
}

void pair_map_free(struct pair_map *map)
{
	free(map->slots);
	memset(map, 0, sizeof *map);
}

void pair_map_clear(struct pair_map *map)
{
	memset(map->slots, 0, (map->mask + 1) * sizeof *map->slots);
	map->count = 0;
}

static bool grow(struct pair_map *map)
{
	struct pair_map bigger;
	size_t i;
	if (!open_slots(&bigger, 2 * (map->mask + 1)))
		return false;
	for (i = 0; i <= map->mask; i++) {
		const struct pair_slot *s = &map->slots[i];
		if (s->value)
			*pair_map_slot(&bigger, s->a, s->b) = *s;
	}
	bigger.count = map->count;
	free(map->slots);
	*map = bigger;
	return true;
}

bool pair_map_put(struct pair_map *map, uint64_t a, uint64_t b, uint32_t value)
{
	struct pair_slot *s = pair_map_slot(map, a, b);
	if (!s->value) {
		if (2 * map->count > map->mask) {
			if (!grow(map))
				return false;
			s = pair_map_slot(map, a, b);
		}
		map->count++;
	}
	s->a = a;
	s->b = b;
	s->value = value;
	return true;
}

/* Closes the gap, so that no marks of the deleted pile up. */
uint32_t pair_map_remove(struct pair_map *map, uint64_t a, uint64_t b)
{
	struct pair_slot *s = pair_map_slot(map, a, b);
	size_t gap = (size_t)(s - map->slots), i = gap;
	uint32_t value = s->value;
	if (!value)
		return 0;
	for (;;) {
		size_t home;
		i = (i + 1) & map->mask;
		if (!map->slots[i].value)
			break;
		home = pair_map_home(map, map->slots[i].a, map->slots[i].b);
		if (((i - home) & map->mask) < ((i - gap) & map->mask))
			continue;
		map->slots[gap] = map->slots[i];
		gap = i;
	}
	map->slots[gap].value = 0;
	map->count--;
	return value;
}
