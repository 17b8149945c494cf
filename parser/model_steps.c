/*
 * model_steps.c - heap events to steps of the replay.
 *
 * Those of a compact stream, and what the decoder has not made steps of itself.
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

bool model_is_nearly_too_much(const struct model *m)
{
	return m->bytes > MODEL_SUM_MAX / 2;
}

/* ---- one event, whatever it is */

/* A step, or two places of an odd one. Returns their end. */
static struct step *write_step(uint64_t address, uint64_t size, uint32_t owner,
			       unsigned flags, struct step *to)
{
	if (!step_fits(address, size))
		flags |= STEP_ODD;
	*to++ = (struct step){address, flags, (uint32_t)size, owner};
	if (flags & STEP_ODD)
		*to++ = (struct step){address >> STEP_ADDRESS_BITS, 0,
				      (uint32_t)(size >> STEP_SIZE_BITS), 0};
	return to;
}

/* What comes of an allocation, or of a realloc, whose old block has ended. */
static struct step *write_birth(const struct decode_event *e, uint32_t owner,
				unsigned flags, struct step *to)
{
	flags |= STEP_BIRTH;
	if (e->new_address == 0)
		flags |= STEP_ODD | STEP_UNBORN;
	return write_step(e->new_address, e->new_size, owner, flags, to);
}

static struct step *write_steps(const struct decode_event *e, uint32_t owner,
				struct step *to)
{
	const uint32_t who = location_who(owner);
	const unsigned flags = STEP_FIRST | location_flags(owner);

	if (e->kind != LJM_KIND_FREE && e->new_address == 0 && e->new_size != 0)
		return write_step(0, e->new_size,
				  who | (e->kind == LJM_KIND_REALLOC),
				  STEP_FIRST | STEP_ODD | STEP_FAILED, to);
	if (e->kind == LJM_KIND_ALLOC)
		return write_birth(e, who, flags, to);
	if (e->kind == LJM_KIND_FREE)
		return write_step(e->old_address, e->old_size, who, flags, to);
	/* The collector only frees. */
	to = write_step(e->old_address, e->old_size, who | OWNER_BY_REALLOC,
			STEP_FIRST, to);
	return write_birth(e, who | OWNER_BY_REALLOC, 0, to);
}

void model_steps(struct model *m, const struct decode_event *e, uint32_t owner,
		 struct step *steps, size_t *count)
{
	*count = (size_t)(write_steps(e, owner, steps + *count) - steps);
	m->bytes += e->old_size + e->new_size;
	m->event++;
}

/* ---- many common ones */

/* Writes an event's first step. False: it is odd. */
static inline bool write_first(const struct decode_event *e, uint32_t owner,
			       struct step *to)
{
	static const uint8_t flags[] = {
		[LJM_KIND_ALLOC] = STEP_FIRST | STEP_BIRTH,
		[LJM_KIND_FREE] = STEP_FIRST,
		[LJM_KIND_REALLOC] = STEP_FIRST,
	};
	/* From a choice the compiler may make a branch. */
	static const uint8_t at[] = {
		[LJM_KIND_ALLOC] = offsetof(struct decode_event, new_address),
		[LJM_KIND_FREE] = offsetof(struct decode_event, old_address),
		[LJM_KIND_REALLOC] = offsetof(struct decode_event, old_address),
	};
	uint64_t block[2];

	memcpy(block, (const char *)e + at[e->kind], sizeof(block));
	*to = (struct step){
		.address = block[0],
		.flags = flags[e->kind] | location_flags(owner),
		.size = (uint32_t)block[1],
		.owner = location_who(owner),
	};
	return step_fits(block[0], block[1]);
}

/* Makes that a realloc's first, and writes the second. False: it is odd. */
static inline bool write_second(const struct decode_event *e, struct step *to)
{
	to[0].flags = STEP_FIRST;
	to[0].owner |= OWNER_BY_REALLOC;
	to[1] = (struct step){e->new_address, STEP_BIRTH, (uint32_t)e->new_size,
			      to[0].owner};
	return step_fits(e->new_address, e->new_size);
}

size_t model_numbered_steps(struct model *m, const struct decode_event *events,
			    size_t from, size_t to, struct step *steps,
			    size_t *count)
{
	const uint32_t *const callsites = m->callsites.numbers.list;
	struct step *step = steps + *count;
	uint64_t bytes = 0;
	size_t i;

	if (model_is_nearly_too_much(m))
		return from;
	for (i = from; i < to; i++) {
		const struct decode_event *const e = &events[i];
		uint32_t site;

		if (unlikely(!model_is_heap_event(e)) ||
		    unlikely(e->source != DECODE_CALLSITE))
			break;
		site = callsites[e->address - 1];
		if (unlikely(site == CALLSITES_FURTHER) ||
		    unlikely(!write_first(e, location_owner(site), step)))
			break;
		if (e->kind == LJM_KIND_REALLOC) {
			if (unlikely(!write_second(e, step)))
				break;
			step++;
		}
		step++;
		bytes += e->old_size + e->new_size;
	}
	m->bytes += bytes;
	m->event += i - from;
	*count = (size_t)(step - steps);
	return i;
}
