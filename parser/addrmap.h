/*
 * addrmap.h - two tables keyed by 64-bit addresses (or numbers).
 *
 * struct addrmap: key to a 32-bit value, O(1). struct addrset: the keys in
 * order, for the nearest one at or below an address: pages of up to 512 keys,
 * so that an insertion moves a page's keys at the most, and now and then the
 * list of pages. Zeroed memory is an empty table. One thread.
 */
#ifndef MEMPARSE_ADDRMAP_H
#define MEMPARSE_ADDRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRMAP_NONE UINT32_MAX /* no value may be this */

struct addrmap_slot {
	uint64_t key;
	uint32_t value;
	bool used;
	bool noted; /* for who has the table; false when added */
};

struct addrmap {
	struct addrmap_slot *slots;
	uint32_t cap, count;
	uint64_t seed;
};

/* The key's slot, to read or to change the value; NULL when it is not in. */
struct addrmap_slot *addrmap_find(const struct addrmap *m, uint64_t key);

/* Adds a key that is not in. False without memory. */
bool addrmap_add(struct addrmap *m, uint64_t key, uint32_t value);

void addrmap_clear(struct addrmap *m);

struct addrset_page {
	uint64_t first; /* keys[0] */
	uint64_t *keys;
	uint32_t count;
};

struct addrset {
	struct addrset_page *pages;
	size_t count, cap;
};

/* Adds a key that is not in. False without memory: nothing changed. */
bool addrset_add(struct addrset *s, uint64_t key);

/* The greatest key at or below. False when there is none. */
bool addrset_floor(const struct addrset *s, uint64_t at_most, uint64_t *key);

void addrset_clear(struct addrset *s);

#endif
