/*
 * model_steps.c - heap events to steps of the replay.
 */
#include <stddef.h>
#include <string.h>

#include "model_private.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

bool model_is_too_much(const struct model *m, const struct decode_event *e)
{
	return e->old_size > MODEL_SUM_MAX || e->new_size > MODEL_SUM_MAX ||
	       m->bytes + e->old_size + e->new_size > MODEL_SUM_MAX;
}

static inline bool has_big_size(const struct decode_event *e)
{
	return (e->old_size | e->new_size) >= LIVE_SIZE_BIG;
}

/* Is there no block that a step would be about? */
static inline bool has_no_address(const struct decode_event *e)
{
	return (e->kind != LJM_KIND_FREE && e->new_address == 0) ||
	       (e->kind != LJM_KIND_ALLOC && e->old_address == 0);
}

/* What follows a realloc's first step; there is room for it. */
static inline void write_second(const struct decode_event *e,
				struct replay_op *ops)
{
	ops[1].block.address = e->new_address;
	ops[1].block.size = (uint32_t)e->new_size;
	ops[1].block.owner = ops[0].block.owner;
	ops[1].size_above = 0;
	ops[1].flags = REPLAY_BIRTH;
	ops[1].position = ops[0].position;
	/* The collector only frees. */
	ops[0].flags &= (uint8_t)~REPLAY_INTERNAL;
}

static void set_size(struct replay_op *op, uint64_t size)
{
	op->block.size = (uint32_t)size;
	op->size_above = (uint32_t)(size >> 32);
}

/* The steps of an event that is not quite so simple; returns how many. */
static size_t write_odd(const struct decode_event *e, struct replay_op *ops)
{
	const bool moved = e->kind == LJM_KIND_REALLOC;
	const bool nothing = e->kind != LJM_KIND_FREE && e->new_address == 0;

	set_size(&ops[0],
		 e->kind == LJM_KIND_ALLOC ? e->new_size : e->old_size);
	if (moved) {
		write_second(e, ops);
		set_size(&ops[1], e->new_size);
	}
	for (unsigned i = 0; i <= moved; i++)
		ops[i].flags |= REPLAY_ODD;
	if (nothing && e->new_size != 0) {
		ops[0].flags |= REPLAY_FAILED;
		set_size(&ops[0], e->new_size);
		return 1;
	}
	if (nothing)
		ops[moved].flags |= REPLAY_UNBORN;
	return 1u + moved;
}

/* Writes an event's first step. */
static inline void write_first(const struct decode_event *e, uint32_t site,
			       size_t position, struct replay_op *op)
{
	static const uint8_t flags[] = {
		[LJM_KIND_ALLOC] = REPLAY_FIRST | REPLAY_BIRTH,
		[LJM_KIND_FREE] = REPLAY_FIRST,
		[LJM_KIND_REALLOC] = REPLAY_FIRST,
	};
	/* From a choice the compiler may make a branch. */
	static const uint8_t at[] = {
		[LJM_KIND_ALLOC] = offsetof(struct decode_event, new_address),
		[LJM_KIND_FREE] = offsetof(struct decode_event, old_address),
		[LJM_KIND_REALLOC] = offsetof(struct decode_event, old_address),
	};
	const bool moved = e->kind == LJM_KIND_REALLOC;
	uint64_t block[2];

	memcpy(block, (const char *)e + at[e->kind], sizeof(block));
	op->block.address = block[0];
	op->block.size = (uint32_t)block[1];
	op->block.owner = owner_of(site & ~CALLSITES_INTERNAL, moved);
	op->size_above = 0;
	op->flags = (uint8_t)(flags[e->kind] +
			      site / CALLSITES_INTERNAL * REPLAY_INTERNAL);
	op->position = (uint16_t)position;
}

void model_steps(struct model *m, const struct decode_event *e, uint32_t site,
		 size_t position, struct replay_op *ops, size_t *count)
{
	struct replay_op *const at = ops + *count;

	write_first(e, site, position, at);
	if (has_big_size(e) || has_no_address(e)) {
		*count += write_odd(e, at);
	} else if (e->kind == LJM_KIND_REALLOC) {
		write_second(e, at);
		*count += 2;
	} else {
		*count += 1;
	}
	m->bytes += e->old_size + e->new_size;
	m->event++;
}

/*
 * Events and blocks are common until one is not, or until the sum of sizes may
 * be too much soon.
 */
static bool is_nearly_too_much(const struct model *m)
{
	return m->bytes > MODEL_SUM_MAX / 2;
}

size_t model_numbered_steps(struct model *m, const struct decode_event *events,
			    size_t from, size_t to, struct replay_op *ops,
			    size_t *count)
{
	const uint32_t *const callsites = m->callsites.numbers.list;
	struct replay_op *op = ops + *count;
	uint64_t bytes = 0;
	size_t i;

	if (is_nearly_too_much(m))
		return from;
	for (i = from; i < to; i++) {
		const struct decode_event *const e = &events[i];
		uint32_t site;

		if (unlikely(!model_is_heap_event(e)) ||
		    unlikely(e->source != DECODE_CALLSITE) ||
		    unlikely(has_big_size(e)))
			break;
		site = callsites[e->address - 1];
		if (unlikely(site == CALLSITES_FURTHER))
			break;
		write_first(e, site, i, op);
		if (unlikely(op->block.address == 0))
			break;
		if (e->kind == LJM_KIND_REALLOC) {
			if (unlikely(e->new_address == 0))
				break;
			write_second(e, op++);
		}
		op++;
		bytes += e->old_size + e->new_size;
	}
	m->bytes += bytes;
	m->event += i - from;
	*count = (size_t)(op - ops);
	return i;
}

/* Is a block's kind a realloc's? */
static inline uint32_t is_moved(unsigned kind)
{
	_Static_assert(LJM_KIND_FREE < 3 && LJM_KIND_REALLOC == 3 &&
			       DECODE_MOVED == 4,
		       "");
	return (kind + 1) / 4;
}

/* Writes a block's step. */
static inline void write_block(const struct decode_block *b, uint32_t site,
			       size_t position, struct replay_op *op)
{
	/* Second, if the site is INTERNAL: the collector only frees. */
	static const uint8_t flags[2][8] = {
		{
			[LJM_KIND_ALLOC] = REPLAY_FIRST | REPLAY_BIRTH,
			[LJM_KIND_FREE] = REPLAY_FIRST,
			[LJM_KIND_REALLOC] = REPLAY_FIRST,
			[DECODE_MOVED] = REPLAY_BIRTH,
		},
		{
			[LJM_KIND_ALLOC] =
				REPLAY_FIRST | REPLAY_BIRTH | REPLAY_INTERNAL,
			[LJM_KIND_FREE] = REPLAY_FIRST | REPLAY_INTERNAL,
			[LJM_KIND_REALLOC] = REPLAY_FIRST,
			[DECODE_MOVED] = REPLAY_BIRTH,
		},
	};

	op->block.address = b->address;
	op->block.size = (uint32_t)b->size;
	op->block.owner =
		owner_of(site & ~CALLSITES_INTERNAL, 0) | is_moved(b->kind);
	op->size_above = 0;
	op->flags = flags[site / CALLSITES_INTERNAL][b->kind];
	/* That of the realloc, for the second of its two. */
	op->position = (uint16_t)(position - b->kind / DECODE_MOVED);
}

size_t model_block_steps(struct model *m, const struct decode_block *blocks,
			 size_t from, size_t to, struct replay_op *ops,
			 size_t *count)
{
	const struct location *const locations = m->locations;
	const unsigned shift = m->location_shift;
	const uint32_t epoch = model_location_epoch(m);
	struct replay_op *op = ops + *count;
	uint64_t bytes = 0, moved = 0;
	size_t i;

	if (is_nearly_too_much(m))
		return from;
	for (i = from; i < to; i++) {
		const struct decode_block *const b = &blocks[i];
		const struct location *place =
			&locations[location_hash(b->location) >> shift << 1];

		if ((unlikely(!location_is(place, b->location, epoch)) &&
		     !location_is(++place, b->location, epoch)) ||
		    unlikely(b->address == 0) ||
		    unlikely(b->size >= LIVE_SIZE_BIG))
			break;
		write_block(b, place->site, i, op++);
		bytes += b->size;
		moved += b->kind / DECODE_MOVED;
	}
	/* A realloc's two are alike: both are common, or none. */
	if (i != to && blocks[i].kind == DECODE_MOVED) {
		op--;
		bytes -= blocks[--i].size;
	}
	m->bytes += bytes;
	m->event += i - from - moved;
	*count = (size_t)(op - ops);
	return i;
}
