/*
 * override.c - the table of pairs of sites.
 */
#include "override.h"

#include <stdlib.h>
#include <string.h>

#include "huge.h"

#define FIRST_SLOTS 256u

/* Slots of an override at least, and as long as they are few. */
#define PAIR_SLOTS     4u
#define PAIR_SLOTS_FEW 8u
#define FEW_SLOTS      16384u

/* What an empty table points to. */
static uint32_t no_slots[1];
static struct override no_list[] = {{.key = OVERRIDE_NO_KEY}};

void overrides_init(struct overrides *o)
{
	memset(o, 0, sizeof(*o));
	o->list = no_list + 1;
	o->slots = no_slots;
	o->slot_cap = 1;
	o->limit = UINT32_MAX;
	o->seed = hash_seed();
}

void overrides_clear(struct overrides *o)
{
	if (o->cap != 0)
		free(o->list - 1);
	if (o->slots != no_slots)
		free(o->slots);
	overrides_init(o);
}

/* A free slot for a key that is not in the table. */
static uint32_t *free_slot(const struct overrides *o, uint64_t key)
{
	uint32_t at = overrides_home(o, key);

	while (o->slots[at] != 0)
		at = (at + 1) & (o->slot_cap - 1);
	return &o->slots[at];
}

static bool grow_pair_slots(struct overrides *o)
{
	struct overrides larger = *o;

	larger.slot_cap = o->slots == no_slots ? FIRST_SLOTS : o->slot_cap * 2;
	if (larger.slot_cap < o->slot_cap)
		return false;
	larger.slots = calloc(larger.slot_cap, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return false;
	huge_advise(larger.slots, larger.slot_cap * sizeof(*larger.slots));
	for (uint32_t i = 0; i < o->count; i++)
		*free_slot(&larger, o->list[i].key) = i + 1;
	if (o->slots != no_slots)
		free(o->slots);
	*o = larger;
	return true;
}

static bool needs_slots(const struct overrides *o)
{
	return o->count >=
	       o->slot_cap /
		       (o->slot_cap <= FEW_SLOTS ? PAIR_SLOTS_FEW : PAIR_SLOTS);
}

static bool grow_pairs(struct overrides *o)
{
	const size_t cap = (size_t)o->cap + o->cap / 2 + 64;
	struct override *const list = realloc(o->cap != 0 ? o->list - 1 : NULL,
					      (cap + 1) * sizeof(*list));

	if (list == NULL)
		return false;
	huge_advise(list, (cap + 1) * sizeof(*list));
	list[0] = no_list[0];
	o->list = list + 1;
	o->cap = (uint32_t)cap;
	return true;
}

const struct override *overrides_find(const struct overrides *o, uint64_t key)
{
	uint32_t at = overrides_home(o, key);

	for (; o->slots[at] != 0; at = (at + 1) & (o->slot_cap - 1))
		if (o->list[o->slots[at] - 1].key == key)
			return &o->list[o->slots[at] - 1];
	return NULL;
}

struct override *overrides_get_slow(struct overrides *o, uint64_t key)
{
	const struct override *const known = overrides_find(o, key);
	struct override *added;

	if (known != NULL)
		return &o->list[known - o->list];
	if (overrides_full(o) || (needs_slots(o) && !grow_pair_slots(o)) ||
	    (o->count == o->cap && !grow_pairs(o)))
		return NULL;
	added = &o->list[o->count];
	*added = (struct override){.key = key};
	*free_slot(o, key) = ++o->count;
	return added;
}
