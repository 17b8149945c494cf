/*
 * decode_steps.c - the heap events of all versions but our own, fast.
 *
 * The length of an integer is as good as random, and a branch on it would be
 * guessed wrong. So there is none: the last bytes of all integers are found at
 * once. How many integers a location has, and whether an event is an allocation
 * or a free, is no better: so what is not there has no bytes. What is left is a
 * branch on reallocations.
 *
 * Where the next event begins is only known when this one has been looked at,
 * so the processor has nothing to do for a part of the time. What can be done
 * meanwhile costs nothing: so the location is looked for here, by the bytes
 * that it is, and what comes out is what the replay takes.
 */
#include "decode_steps.h"

#include <string.h>

#include "leb128.h"
#include "locations.h"
#include "step.h"

#define INLINE	    static inline __attribute__((always_inline))
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* An event without a realloc's second half: head, location and two integers. */
#define FIRST_BYTES 32

/* A realloc's second half: two integers. */
#define SECOND_BYTES 16

/*
 * Of no more than so many bytes, with its head, a location has no integer of
 * more than nine: any of these fits into 64 bits. The second has two integers.
 */
#define LOCATION_ONE 10
#define LOCATION_TWO 11

/* By the size of a location: its bytes, without the head's kind. */
#define HEAD 0xfcull
static const uint64_t location_bits[LOCATION_TWO + 1][2] = {
	{0, 0},
	{HEAD, 0},
	{HEAD | 0xff00, 0},
	{HEAD | 0xffff00, 0},
	{HEAD | 0xffffff00, 0},
	{HEAD | 0xffffffff00, 0},
	{HEAD | 0xffffffffff00, 0},
	{HEAD | 0xffffffffffff00, 0},
	{HEAD | 0xffffffffffffff00, 0},
	{HEAD | 0xffffffffffffff00, 0xff},
	{HEAD | 0xffffffffffffff00, 0xffff},
	{HEAD | 0xffffffffffffff00, 0xffffff},
};

/* Reads a location of so many bytes; 16 are readable. */
static inline void take_location(const uint8_t *p, unsigned size,
				 uint64_t location[2])
{
	uint64_t words[2];

	memcpy(words, p, sizeof(words));
	location[0] = words[0] & htole64(location_bits[size][0]);
	location[1] = words[1] & htole64(location_bits[size][1]);
}

/* Of bits for last bytes: the first one, and those behind it. */
static inline unsigned ends_at(uint64_t last)
{
	return (unsigned)__builtin_ctzll(last);
}

static inline uint64_t ends_next(uint64_t last)
{
	return last & (last - 1);
}

/* A heap event in parts. */
struct parts {
	const uint8_t *end;
	uint64_t location[2];
	uint64_t address, size;
	uint64_t moved_address, moved_size; /* of a realloc, else 0 */
	unsigned kind;
};

/* Where the parts of an event end, from its head on. */
struct ends {
	unsigned location, address, size;
};

/*
 * Of an event whose head is as in struct decoder's heads; last has a bit for
 * each last byte, and those beyond what has been looked at.
 */
INLINE struct ends find_ends(uint64_t last, uint64_t as, bool pext)
{
	struct ends e;

#ifdef LEB128_PEXT
	if (pext) {
		e.location = leb128_bit_at(last, as) + 1;
		e.address = leb128_bit_at(last, as << 1) + 1;
		e.size = leb128_bit_at(last, as << 2) + 1;
		return e;
	}
#endif
	(void)pext;
	last &= (last - 1) | (0 - (as & DECODE_HEAD_NONE));
	last &= (last - 1) | (as / DECODE_HEAD_TWO - 1);
	e.location = ends_at(last) + 1;
	last = ends_next(last);
	e.address = ends_at(last) + 1;
	e.size = ends_at(ends_next(last)) + 1;
	return e;
}

/* Takes a realloc's second half from its end so far on. */
INLINE bool take_moved(struct parts *e, bool pext)
{
	const uint64_t last = leb128_find_last_bytes(e->end, SECOND_BYTES);
	const unsigned address = ends_at(last) + 1;
	const unsigned size = ends_at(ends_next(last)) + 1;

	if (unlikely(((address - 1) >> 3 | (size - address - 1) >> 3) != 0))
		return false;
	leb128_join_pair(e->end, address, size, pext, &e->moved_address,
			 &e->moved_size);
	e->end += size;
	return true;
}

/*
 * Takes a heap event from p on, whose head is as in struct decoder's heads.
 * False if it has a location or an integer that is longer than any real one.
 */
INLINE bool take_parts(const uint8_t *p, uint64_t as, bool pext,
		       struct parts *e)
{
	const struct ends at =
		find_ends(leb128_find_last_bytes(p, FIRST_BYTES), as, pext);
	const unsigned address = at.address - at.location;
	const unsigned size = at.size - at.address;

	/* Up to eight bytes hold no size beyond LJM_SIZE_MAX. */
	if (unlikely(((address - 1) >> 3 | (size - 1) >> 3) != 0) ||
	    (unlikely(at.location > LOCATION_ONE) &&
	     (as != DECODE_HEAD_TWO || at.location > LOCATION_TWO)))
		return false;
	e->kind = *p & LJM_KIND_MASK;
	take_location(p, at.location, e->location);
	leb128_join_pair(p + at.location, address, address + size, pext,
			 &e->address, &e->size);
	e->moved_address = e->moved_size = 0;
	e->end = p + at.size;
	return e->kind != LJM_KIND_REALLOC || take_moved(e, pext);
}

/* ---- to steps */

INLINE bool is_odd(const struct parts *e)
{
	return !step_fits(e->address, e->size) ||
	       (e->kind == LJM_KIND_REALLOC &&
		!step_fits(e->moved_address, e->moved_size));
}

/* Writes the step or the two of an event that is not odd, and counts them. */
INLINE void write_steps(const struct parts *e, uint32_t owner,
			struct step *steps, struct decode_steps *done)
{
	struct step *const s = steps + done->count;
	const uint32_t who = location_who(owner);

	done->events++;
	done->bytes += e->size;
	if (e->kind != LJM_KIND_REALLOC) {
		const unsigned birth = (e->kind == LJM_KIND_ALLOC) * STEP_BIRTH;

		*s = (struct step){e->address,
				   STEP_FIRST | birth | location_flags(owner),
				   (uint32_t)e->size, who};
		done->count++;
		return;
	}
	/* The collector only frees. */
	s[0] = (struct step){e->address, STEP_FIRST, (uint32_t)e->size,
			     who | OWNER_BY_REALLOC};
	s[1] = (struct step){e->moved_address, STEP_BIRTH,
			     (uint32_t)e->moved_size, who | OWNER_BY_REALLOC};
	done->bytes += e->moved_size;
	done->count += 2;
}

/* Takes an event that is not odd from p on, unless it is for others. */
INLINE bool take_common(const uint8_t *heads, const uint8_t *p, bool pext,
			struct parts *e)
{
	const uint8_t as = heads[*p];

	return likely(as != 0) && likely(take_parts(p, as, pext, e)) &&
	       likely(!is_odd(e));
}

/* Who is at an event's location, which may be learnt. */
INLINE uint32_t find_owner(const struct locations *known,
			   const uint64_t location[2])
{
	const uint32_t owner = locations_find(known, location);

	return likely(owner != LOCATION_UNKNOWN)
		       ? owner
		       : known->learn(known->arg, location);
}

/* Where the table of locations is near. Returns where it ends. */
INLINE const uint8_t *take_near(const uint8_t *heads, const uint8_t *p,
				const uint8_t *end, bool pext,
				const struct locations *known,
				struct step *steps, size_t cap,
				struct decode_steps *done)
{
	struct locations copy = *known; /* in registers */
	struct decode_steps d = {0};
	struct parts e;

	/* A realloc takes two. */
	while (d.count + 1 < cap && end - p >= DECODE_STEP_BYTES &&
	       take_common(heads, p, pext, &e)) {
		uint32_t owner = locations_find(&copy, e.location);

		if (unlikely(owner == LOCATION_UNKNOWN)) {
			owner = copy.learn(copy.arg, e.location);
			copy = *known;
			d.no_memory = owner == LOCATION_UNKNOWN;
			if (d.no_memory)
				break;
		}
		write_steps(&e, owner, steps, &d);
		p = e.end;
	}
	*done = d;
	return p;
}

/* Events whose locations are fetched before any of them is looked for. */
#define EARLY 32u

/* Where it is far. */
INLINE const uint8_t *take_far(const uint8_t *heads, const uint8_t *p,
			       const uint8_t *end, bool pext,
			       const struct locations *known,
			       struct step *steps, size_t cap,
			       struct decode_steps *done)
{
	struct decode_steps d = {0};
	struct parts early[EARLY];
	const uint8_t *next = p;
	size_t count, i;

	do {
		const size_t room = (cap - d.count) / 2;

		for (count = 0; count < EARLY && count < room &&
				end - next >= DECODE_STEP_BYTES &&
				take_common(heads, next, pext, &early[count]);
		     count++) {
			__builtin_prefetch(
				locations_place(known, early[count].location));
			next = early[count].end;
		}
		for (i = 0; i < count; i++) {
			const uint32_t owner =
				find_owner(known, early[i].location);

			d.no_memory = owner == LOCATION_UNKNOWN;
			if (unlikely(d.no_memory))
				break;
			write_steps(&early[i], owner, steps, &d);
			p = early[i].end;
		}
	} while (count == EARLY && i == count);
	*done = d;
	return p;
}

INLINE void take_all(struct decoder *d, struct decode_input *in, bool pext,
		     const struct locations *known, struct step *steps,
		     size_t cap, struct decode_steps *done)
{
	const uint8_t *const from = in->src + in->pos;
	const uint8_t *const end = in->src + in->size;
	const uint8_t *const to = known->far
					  ? take_far(d->heads, from, end, pext,
						     known, steps, cap, done)
					  : take_near(d->heads, from, end, pext,
						      known, steps, cap, done);

	in->pos += (size_t)(to - from);
}

#ifdef LEB128_PEXT
/* What has the one instruction has the others. */
#define WITH_PEXT __attribute__((target("bmi,bmi2")))
#else
#define WITH_PEXT
#endif

WITH_PEXT static void take_with_pext(struct decoder *d, struct decode_input *in,
				     const struct locations *known,
				     struct step *steps, size_t cap,
				     struct decode_steps *done)
{
	take_all(d, in, true, known, steps, cap, done);
}

struct decode_steps decode_steps(struct decoder *d, struct decode_input *in,
				 const struct locations *known,
				 struct step *steps, size_t cap)
{
	struct decode_steps done = {0};

	if (!decode_is_step(d, in))
		return done;
	if (leb128_has_pext())
		take_with_pext(d, in, known, steps, cap, &done);
	else
		take_all(d, in, false, known, steps, cap, &done);
	return done;
}

bool decode_is_step(const struct decoder *d, const struct decode_input *in)
{
	return d->heads != NULL && in->size - in->pos >= DECODE_STEP_BYTES &&
	       d->heads[in->src[in->pos]] != 0;
}

/* ---- to events */

/* The integer from *p on, which is whole; moves on behind it. */
static uint64_t take_int(const uint8_t **p)
{
	uint64_t value = 0;
	unsigned shift = 0;

	for (; **p & 0x80; shift += 7)
		value |= (uint64_t)(*(*p)++ & 0x7f) << (shift & 63);
	return value | (uint64_t) * (*p)++ << (shift & 63);
}

void decode_location(const uint64_t location[2], struct decode_event *e)
{
	uint8_t bytes[2 * sizeof(*location)];
	const uint8_t *p = bytes + 1;

	memcpy(bytes, location, sizeof(bytes));
	e->source = bytes[0] >> LJM_SOURCE_SHIFT;
	e->address = e->source != LJM_SOURCE_INTERNAL ? take_int(&p) : 0;
	e->line = e->source == LJM_SOURCE_LUA ? take_int(&p) : 0;
}

static void write_event(const struct parts *parts, struct decode_event *e)
{
	*e = (struct decode_event){.kind = (uint8_t)parts->kind};
	decode_location(parts->location, e);
	if (e->kind == LJM_KIND_ALLOC) {
		e->new_address = parts->address;
		e->new_size = parts->size;
		return;
	}
	e->old_address = parts->address;
	e->old_size = parts->size;
	if (e->kind == LJM_KIND_FREE)
		return;
	e->new_address = parts->moved_address;
	e->new_size = parts->moved_size;
}

INLINE size_t take_events(struct decoder *d, struct decode_input *in, bool pext,
			  struct decode_event *events, size_t cap)
{
	struct parts parts;
	size_t n;

	for (n = 0; n < cap && decode_is_step(d, in); n++) {
		const uint8_t *const p = in->src + in->pos;

		if (!take_parts(p, d->heads[*p], pext, &parts))
			break;
		write_event(&parts, &events[n]);
		in->pos += (size_t)(parts.end - p);
	}
	return n;
}

WITH_PEXT static size_t events_with_pext(struct decoder *d,
					 struct decode_input *in,
					 struct decode_event *events,
					 size_t cap)
{
	return take_events(d, in, true, events, cap);
}

size_t decode_fast_events(struct decoder *d, struct decode_input *in,
			  struct decode_event *events, size_t cap)
{
	return leb128_has_pext() ? events_with_pext(d, in, events, cap)
				 : take_events(d, in, false, events, cap);
}
