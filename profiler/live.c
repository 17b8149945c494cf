/*
 * live.c - the blocks that are alive, and how much each line holds.
 */
#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "definitions.h"

#define ROOM_MIN 256

bool live_open(struct live *l, uint32_t runs)
{
	memset(l, 0, sizeof *l);
	l->runs = runs;
	return pair_map_open(&l->blocks) && pair_map_open(&l->by_text);
}

void live_free(struct live *l)
{
	pair_map_free(&l->blocks);
	pair_map_free(&l->by_text);
	texts_free(&l->texts);
	free(l->sums);
	free(l->place_of);
	free(l->places);
	memset(l, 0, sizeof *l);
}

static bool fail(struct live *l)
{
	if (!l->error)
		l->error = ENOMEM;
	return false;
}

/* ---- events */

static bool make_room(struct live *l, uint32_t callsite)
{
	uint32_t room = l->room ? l->room : ROOM_MIN;
	struct live_sum *sums;
	uint32_t *place_of;
	while (room <= callsite)
		room *= 2;
	sums = realloc(l->sums, room * sizeof *sums);
	if (!sums)
		return fail(l);
	l->sums = sums;
	place_of = realloc(l->place_of, room * sizeof *place_of);
	if (!place_of)
		return fail(l);
	l->place_of = place_of;
	memset(sums + l->room, 0, (room - l->room) * sizeof *sums);
	memset(place_of + l->room, 0, (room - l->room) * sizeof *place_of);
	l->room = room;
	return true;
}

void live_alloc(struct live *l, uintptr_t block, size_t size, uint32_t callsite)
{
	size_t count = l->blocks.count;
	l->events++;
	if (callsite >= l->room && !make_room(l, callsite))
		return;
	if (!pair_map_put(&l->blocks, block, 0, callsite)) {
		fail(l);
		return;
	}
	/* Its end was missed: what is counted cannot be believed. */
	if (l->blocks.count == count && !l->error)
		l->error = EILSEQ;
	l->sums[callsite].bytes += size;
	l->sums[callsite].blocks++;
}

void live_release(struct live *l, uintptr_t block, size_t size)
{
	uint32_t callsite = pair_map_remove(&l->blocks, block, 0);
	l->events++;
	if (!callsite)
		return;
	if (l->sums[callsite].bytes < size && !l->error)
		l->error = EILSEQ;
	l->sums[callsite].bytes -= size;
	l->sums[callsite].blocks--;
}

/* ---- from callsites to places */

/* The definitions turned round: by number what they were defined with. */
struct lookup {
	uint32_t *functions; /* their names' strings */
	struct frame_key {
		uint64_t a, b; /* as in definitions_frame() */
	} * frames;
};

static void lookup_free(struct lookup *u)
{
	free(u->functions);
	free(u->frames);
}

/* Returns false without memory; to be freed all the same. */
static bool lookup_open(struct lookup *u, const struct definitions *d)
{
	size_t i;
	u->functions = calloc((size_t)d->defined[LJM_RECORD_FUNCTION] + 1,
			      sizeof *u->functions);
	u->frames = calloc((size_t)d->defined[LJM_RECORD_FRAME] + 1,
			   sizeof *u->frames);
	if (!u->functions || !u->frames)
		return false;
	for (i = 0; i <= d->functions.mask; i++)
		u->functions[d->functions.slots[i].value] =
			(uint32_t)d->functions.slots[i].b;
	for (i = 0; i <= d->frames.mask; i++) {
		struct frame_key *f = &u->frames[d->frames.slots[i].value];
		f->a = d->frames.slots[i].a;
		f->b = d->frames.slots[i].b;
	}
	return true;
}

/* What a frame's place is called; false: it is the VM's own. */
static bool describe(const struct live *l, const struct lookup *u,
		     uint32_t frame, struct live_place *p)
{
	const struct frame_key *f = &u->frames[frame];
	uint32_t first = (uint32_t)f->a;
	memset(p, 0, sizeof *p);
	p->kind = (enum ljm_frame)(f->a >> 32);
	switch (p->kind) {
	case LJM_FRAME_LUA:
	case LJM_FRAME_LUA_TRACE:
		p->kind = LJM_FRAME_LUA;
		p->text = texts_chunk(&l->texts, first);
		p->line = (uint32_t)(f->b >> 32);
		return true;
	case LJM_FRAME_TRACE: /* number, prototype, line */
		p->text = texts_chunk(&l->texts, (uint32_t)(f->b >> 32));
		p->line = (uint32_t)f->b;
		return true;
	case LJM_FRAME_C:
		p->text = u->functions[first];
		return true;
	case LJM_FRAME_GAP:
		return true;
	case LJM_FRAME_INTERNAL:
	default:
		return false;
	}
}

/* The number of the place that is like this one; 0 without memory. */
static uint32_t find_place(struct live *l, const struct live_place *like)
{
	uint64_t a = (uint64_t)like->kind << 32 | like->text;
	uint32_t i = pair_map_get(&l->by_text, a, like->line);
	if (i)
		return i;
	i = l->place_count + 1;
	if (i >= l->place_room) {
		uint32_t room = l->place_room ? 2 * l->place_room : ROOM_MIN;
		struct live_place *places =
			realloc(l->places, room * sizeof *places);
		if (!places)
			return 0;
		l->places = places;
		l->place_room = room;
	}
	if (!pair_map_put(&l->by_text, a, like->line, i))
		return 0;
	l->places[i] = *like;
	l->place_count = i;
	return i;
}

static bool place(struct live *l, const struct lookup *u,
		  const struct pair_slot *callsite)
{
	struct live_place like;
	uint32_t i;
	if (callsite->value <= l->placed || callsite->value >= l->room ||
	    !describe(l, u, (uint32_t)callsite->b, &like))
		return true;
	i = find_place(l, &like);
	l->place_of[callsite->value] = i;
	return i != 0;
}

/* Gives the callsites that are new their places. */
static bool place_all(struct live *l, const struct definitions *d)
{
	uint32_t last = d->defined[LJM_RECORD_CALLSITE];
	struct lookup u = {NULL, NULL};
	bool ok;
	size_t i;
	if (last == l->placed)
		return true;
	ok = (last < l->room || make_room(l, last)) && lookup_open(&u, d);
	for (i = 0; ok && i <= d->callsites.mask; i++)
		ok = place(l, &u, &d->callsites.slots[i]);
	lookup_free(&u);
	l->placed = last;
	return ok;
}

/* ---- runs */

/* What each place holds now. */
static void add_up(struct live *l)
{
	uint32_t i;
	for (i = 1; i <= l->place_count; i++)
		memset(&l->places[i].now, 0, sizeof l->places[i].now);
	for (i = 1; i <= l->placed; i++) {
		struct live_place *p;
		if (!l->place_of[i])
			continue;
		p = &l->places[l->place_of[i]];
		p->now.bytes += l->sums[i].bytes;
		p->now.blocks += l->sums[i].blocks;
	}
}

static void compare(const struct live *l, struct live_place *p)
{
	if (p->now.bytes > p->before.bytes) {
		p->larger++;
		p->larger_late |= 2 * l->run > l->runs;
	}
	p->smaller |= p->now.bytes < p->before.bytes;
	p->more += p->now.blocks > p->before.blocks;
}

int live_run_ended(struct live *l, const struct definitions *d)
{
	uint32_t i;
	if (!place_all(l, d))
		fail(l);
	if (l->error)
		return l->error;
	add_up(l);
	if (l->warm)
		l->run++;
	for (i = 1; i <= l->place_count; i++) {
		struct live_place *p = &l->places[i];
		if (l->warm)
			compare(l, p);
		else
			p->first = p->now;
		p->before = p->now;
	}
	l->warm = true;
	return 0;
}

bool live_leaks(const struct live *l, const struct live_place *p,
		double max_bytes)
{
	uint32_t least = l->runs < 2 ? 1 : 2;
	double bytes = (double)p->now.bytes - (double)p->first.bytes;
	if (!(bytes > 0 && bytes > max_bytes * l->runs))
		return false;
	return p->more == l->runs ||
	       (!p->smaller && p->larger >= least && p->larger_late);
}
