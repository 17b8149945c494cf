/*
 * addrmap.c - address tables: by hash and in order.
 */
#include "addrmap.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define FIRST_SLOTS 64u
#define PAGE_KEYS   512u

/* ---- by hash */

static struct addrmap_slot *probe(const struct addrmap *m, uint64_t key)
{
	const uint32_t mask = m->cap - 1;
	uint32_t at = (uint32_t)(hash_u64(key, m->seed) >> 32) & mask;

	while (m->slots[at].used && m->slots[at].key != key)
		at = (at + 1) & mask;
	return &m->slots[at];
}

struct addrmap_slot *addrmap_find(const struct addrmap *m, uint64_t key)
{
	struct addrmap_slot *slot;

	if (m->cap == 0)
		return NULL;
	slot = probe(m, key);
	return slot->used ? slot : NULL;
}

static bool grow(struct addrmap *m)
{
	struct addrmap larger = *m;

	larger.seed = hash_seed();
	larger.cap = m->cap ? m->cap * 2 : FIRST_SLOTS;
	if (larger.cap < m->cap)
		return false;
	larger.slots = calloc(larger.cap, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return false;
	for (uint32_t i = 0; i < m->cap; i++)
		if (m->slots[i].used)
			*probe(&larger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = larger;
	return true;
}

bool addrmap_add(struct addrmap *m, uint64_t key, uint32_t value)
{
	if (m->count >= m->cap / 4 * 3 && !grow(m))
		return false;
	*probe(m, key) = (struct addrmap_slot){key, value, true, false};
	m->count++;
	return true;
}

void addrmap_clear(struct addrmap *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

/* ---- in order */

/* How many of the pages begin at or below a key. */
static size_t pages_upto(const struct addrset *s, uint64_t key)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (s->pages[middle].first <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many of a page's keys are at or below a key. */
static uint32_t keys_upto(const struct addrset_page *p, uint64_t key)
{
	uint32_t low = 0, high = p->count;

	while (low < high) {
		const uint32_t middle = (low + high) / 2;

		if (p->keys[middle] <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes an empty page number at, moving the later ones. */
static bool insert_page(struct addrset *s, size_t at)
{
	const size_t cap = s->cap + s->cap / 2 + 16;
	struct addrset_page *pages;
	uint64_t *keys;

	if (s->count == s->cap) {
		pages = realloc(s->pages, cap * sizeof(*pages));
		if (pages == NULL)
			return false;
		s->pages = pages;
		s->cap = cap;
	}
	keys = malloc(PAGE_KEYS * sizeof(*keys));
	if (keys == NULL)
		return false;
	memmove(s->pages + at + 1, s->pages + at,
		(s->count - at) * sizeof(*s->pages));
	s->pages[at] = (struct addrset_page){.keys = keys};
	s->count++;
	return true;
}

/* Moves the upper half of a full page to a new one behind it. */
static bool split_page(struct addrset *s, size_t at)
{
	const uint32_t half = PAGE_KEYS / 2;
	struct addrset_page *lower, *upper;

	if (!insert_page(s, at + 1))
		return false;
	lower = &s->pages[at];
	upper = lower + 1;
	upper->count = lower->count - half;
	memcpy(upper->keys, lower->keys + half,
	       upper->count * sizeof(*upper->keys));
	upper->first = upper->keys[0];
	lower->count = half;
	return true;
}

bool addrset_add(struct addrset *s, uint64_t key)
{
	size_t at = pages_upto(s, key);
	struct addrset_page *page;
	uint32_t place;

	if (s->count == 0 && !insert_page(s, 0))
		return false;
	at -= at != 0;
	if (s->pages[at].count == PAGE_KEYS) {
		if (!split_page(s, at))
			return false;
		at += s->pages[at + 1].first <= key;
	}
	page = &s->pages[at];
	place = keys_upto(page, key);
	memmove(page->keys + place + 1, page->keys + place,
		(page->count - place) * sizeof(*page->keys));
	page->keys[place] = key;
	page->count++;
	page->first = page->keys[0];
	return true;
}

bool addrset_floor(const struct addrset *s, uint64_t at_most, uint64_t *key)
{
	const size_t upto = pages_upto(s, at_most);
	const struct addrset_page *page;

	if (upto == 0)
		return false;
	page = &s->pages[upto - 1];
	*key = page->keys[keys_upto(page, at_most) - 1];
	return true;
}

void addrset_clear(struct addrset *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->pages[i].keys);
	free(s->pages);
	memset(s, 0, sizeof(*s));
}
