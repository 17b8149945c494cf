/*
 * names.c - interning texts, and the aliases of those with newlines.
 */
#include "names.h"

#include <stdlib.h>

#include "hash.h"

#define FIRST_SLOTS 1024u
#define BLOCK_SIZE  (64u << 10)

void names_init(struct names *n)
{
	memset(n, 0, sizeof(*n));
	n->seed = hash_seed();
}

void names_clear(struct names *n)
{
	void *next;

	for (void *block = n->blocks; block != NULL; block = next) {
		memcpy(&next, block, sizeof(next));
		free(block);
	}
	free(n->list);
	free(n->slots);
	free(n->aliases);
	names_init(n);
}

/* The slot of a text, or the free one where it would go. */
static uint32_t *find_slot(const struct names *n, const char *text, size_t size,
			   uint32_t hash)
{
	const uint32_t mask = n->slot_cap - 1;
	uint32_t at = hash & mask;

	for (; n->slots[at] != 0; at = (at + 1) & mask)
		if (n->list[n->slots[at] - 1].hash == hash &&
		    names_is(n, n->slots[at] - 1, text, size))
			break;
	return &n->slots[at];
}

static bool grow_slots(struct names *n)
{
	const uint32_t cap = n->slot_cap ? n->slot_cap * 2 : FIRST_SLOTS;
	uint32_t *const slots = calloc(cap, sizeof(*slots));

	if (slots == NULL || cap < n->slot_cap) {
		free(slots);
		return false;
	}
	for (uint32_t i = 0; i < n->count; i++) {
		uint32_t at = n->list[i].hash & (cap - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cap - 1);
		slots[at] = i + 1;
	}
	free(n->slots);
	n->slots = slots;
	n->slot_cap = cap;
	return true;
}

static bool grow_list(struct names *n)
{
	const size_t cap = (size_t)n->cap + n->cap / 2 + 256;
	struct name *const list = realloc(n->list, cap * sizeof(*list));

	if (list == NULL)
		return false;
	n->list = list;
	n->cap = (uint32_t)cap;
	return true;
}

/* Copies a text; an empty one has an address of its own too. */
static const char *copy_text(struct names *n, const char *text, size_t size)
{
	const size_t need = size ? size : 1;
	const bool alone = need > BLOCK_SIZE / 4;
	char *block, *copy;

	if (need > n->room_size || alone) {
		const size_t room = alone ? need : BLOCK_SIZE - sizeof(void *);

		block = malloc(sizeof(void *) + room);
		if (block == NULL)
			return NULL;
		memcpy(block, &n->blocks, sizeof(void *));
		n->blocks = block;
		copy = block + sizeof(void *);
		if (!alone) {
			n->room = copy + need;
			n->room_size = room - need;
		}
	} else {
		copy = n->room;
		n->room += need;
		n->room_size -= need;
	}
	if (size != 0)
		memcpy(copy, text, size);
	return copy;
}

/* Where it is noted which name has its text at this place. */
static uint32_t *recent(struct names *n, const char *text)
{
	return &n->recent[hash_u64((uintptr_t)text, n->seed) >> 32 &
			  (NAMES_RECENT - 1)];
}

static uint32_t intern(struct names *n, const char *text, size_t size)
{
	const uint32_t hash = (uint32_t)(hash_bytes(text, size, n->seed) >> 32);
	const char *copy;
	uint32_t *slot;

	if (n->count >= n->slot_cap / 4 * 3 && !grow_slots(n))
		return NAME_NONE;
	slot = find_slot(n, text, size, hash);
	if (*slot != 0)
		return *slot - 1;
	if (n->count == n->cap && !grow_list(n))
		return NAME_NONE;
	copy = copy_text(n, text, size);
	if (copy == NULL)
		return NAME_NONE;
	n->list[n->count] = (struct name){
		.text = copy, .size = (uint32_t)size, .hash = hash};
	*slot = ++n->count;
	return n->count - 1;
}

uint32_t names_intern(struct names *n, const char *text, size_t size)
{
	const uint32_t known = *recent(n, text);
	uint32_t number;

	if (known != 0 && n->list[known - 1].text == text &&
	    n->list[known - 1].size == size)
		return known - 1;
	number = intern(n, text, size);
	if (number != NAME_NONE)
		*recent(n, n->list[number].text) = number + 1;
	return number;
}

static bool add_alias(struct names *n, struct name *name)
{
	const size_t cap = (size_t)n->alias_cap + n->alias_cap / 2 + 16;
	struct model_name *aliases;

	if (n->alias_count == n->alias_cap) {
		aliases = realloc(n->aliases, cap * sizeof(*aliases));
		if (aliases == NULL)
			return false;
		n->aliases = aliases;
		n->alias_cap = (uint32_t)cap;
	}
	name->alias = n->alias_count + 1;
	n->aliases[n->alias_count++] =
		(struct model_name){name->text, name->size, name->alias};
	return true;
}

uint32_t names_intern_chunk(struct names *n, const char *text, size_t size)
{
	const uint32_t number = names_intern(n, text, size);
	struct name *name;

	if (number == NAME_NONE)
		return NAME_NONE;
	name = &n->list[number];
	if (!name->chunk) {
		if (size != 0 && memchr(text, '\n', size) != NULL &&
		    !add_alias(n, name))
			return NAME_NONE;
		name->chunk = true;
	}
	return number;
}
