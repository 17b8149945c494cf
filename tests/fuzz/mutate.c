/*
 * mutate.c - libFuzzer's mutations, and those of one who knows the format.
 *
 * A stream that decodes is taken apart into events, which are swapped,
 * doubled, dropped, given each other's addresses or a size of interest, and
 * written again. What plain mutation does best, damage, is left to it.
 */
#include "fuzz.h"

#include <string.h>

#include "ljm_text.h"

#define EVENTS 256

const bool fuzz_thorough = false;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed);

struct stream {
	struct decoder d;
	struct decode_event events[EVENTS];
	size_t table; /* so many of the events are the symbol table's */
	size_t count;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static bool take_apart(const uint8_t *data, size_t size, struct stream *s)
{
	struct decode_input in = {data, size, 0};
	size_t count;

	decode_init(&s->d);
	s->table = s->count = 0;
	while (s->count < EVENTS) {
		const enum decode_result result = decode_events(
			&s->d, &in, &s->events[s->count], 1, &count);

		if (s->d.events_version == 0)
			s->table += count;
		s->count += count;
		if (result != DECODE_FULL)
			break;
	}
	return s->d.events_version != 0 && s->count > s->table;
}

static uint64_t interesting(uint64_t *seed)
{
	static const uint64_t values[] = {
		0,	    1,		 16,
		127,	    128,	 0xfffffffe,
		0xffffffff, 0x100000000, (1ull << 56) - 1,
		1ull << 56, 1ull << 60,	 LJM_SIZE_MAX,
		UINT64_MAX};

	return values[next_random(seed) % (sizeof(values) / sizeof(*values))];
}

/* A heap event becomes another one that concerns the same or other blocks. */
static void change_event(struct decode_event *e, const struct decode_event *by,
			 uint64_t *seed)
{
	switch (next_random(seed) % 7) {
	case 0:
		e->kind = (uint8_t)(1 + next_random(seed) % 3);
		break;
	case 1:
		if (e->source == DECODE_CALLSITE)
			e->address = 1 + next_random(seed) % 4;
		else
			e->source = (uint8_t)(1 + next_random(seed) % 4);
		break;
	case 2:
		e->old_address = by->new_address;
		e->old_size = by->new_size;
		break;
	case 3:
		e->new_address = by->new_address;
		break;
	case 4:
		e->new_size = interesting(seed);
		break;
	case 5:
		e->new_address = interesting(seed);
		break;
	default:
		e->address = by->address;
		e->line = by->line;
	}
}

/* A record of the compact stream gets another number somewhere. */
static void change_record(struct decode_event *e, uint64_t *seed)
{
	uint64_t *const fields[] = {&e->address, &e->line, &e->start_address,
				    &e->trace_number};
	uint64_t *const field = fields[next_random(seed) % 4];

	switch (next_random(seed) % 4) {
	case 0:
		*field = interesting(seed);
		break;
	case 1:
		*field = next_random(seed) % 8;
		break;
	default:
		*field += next_random(seed) % 2 ? 1 : UINT64_MAX;
	}
}

static void change(struct stream *s, uint64_t *seed)
{
	const size_t heap = s->count - s->table;
	struct decode_event *const e =
		&s->events[s->table + next_random(seed) % heap];
	const struct decode_event *const by =
		&s->events[s->table + next_random(seed) % heap];
	const struct decode_event was = *e;

	switch (next_random(seed) % 5) {
	case 0: /* a copy */
		if (s->count < EVENTS)
			s->events[s->count++] = *by;
		break;
	case 1: /* swapped */
		*e = *by;
		s->events[by - s->events] = was;
		break;
	case 2: /* gone */
		if (heap > 1)
			*e = s->events[--s->count];
		break;
	default:
		if (e->kind == DECODE_RECORD)
			change_record(e, seed);
		else if (by->kind == DECODE_RECORD)
			*e = *by;
		else if (e->kind != LJM_KIND_SYMBOL &&
			 by->kind != LJM_KIND_SYMBOL)
			change_event(e, by, seed);
		else
			e->address = by->address;
	}
}

/* Appends the events of a compact stream. */
static void put_compact(const struct stream *s, struct ljm_bytes *out)
{
	struct ljm_compact state = LJM_COMPACT;

	for (size_t i = s->table; i < s->count; i++) {
		struct decode_event e = s->events[i];

		if (ljm_encode_compact(&state, &e, out))
			continue;
		e.old_address &= ~0ull << state.unit;
		e.new_address &= ~0ull << state.unit;
		ljm_encode_compact(&state, &e, out);
	}
}

static size_t put_together(const struct stream *s, uint8_t *data,
			   size_t max_size)
{
	const unsigned symtab = s->d.symtab_version;
	const unsigned events = s->d.events_version;
	struct ljm_bytes out = {0};
	size_t size = 0;

	ljm_put(&out, LJM_SYMTAB_MAGIC, LJM_MAGIC_SIZE);
	ljm_put_byte(&out, symtab);
	ljm_put(&out, "\0\0", 3);
	for (size_t i = 0; i < s->table; i++)
		ljm_encode_event(&s->events[i], symtab, 0, &out);
	ljm_put_byte(&out, LJM_EPILOGUE);
	ljm_put(&out, LJM_EVENTS_MAGIC, LJM_MAGIC_SIZE);
	ljm_put_byte(&out, events);
	ljm_put(&out, "\0\0", 3);
	if (events == LJM_COMPACT_VERSION)
		put_compact(s, &out);
	for (size_t i = s->table; i < s->count && events != LJM_COMPACT_VERSION;
	     i++)
		ljm_encode_event(&s->events[i], symtab, events, &out);
	ljm_put_byte(&out, LJM_EPILOGUE);
	if (out.size <= max_size) {
		size = out.size;
		memcpy(data, out.data, size);
	}
	ljm_free(&out);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed)
{
	static struct stream s;
	uint8_t *const copy = malloc(size + 1);
	uint64_t random = seed;
	size_t result = 0;

	if (copy == NULL)
		return size;
	memcpy(copy, data, size); /* events borrow their names from it */
	if (next_random(&random) % 3 != 0 && take_apart(copy, size, &s)) {
		for (uint64_t n = next_random(&random) % 4 + 1; n > 0; n--)
			change(&s, &random);
		result = put_together(&s, data, max_size);
	}
	free(copy);
	return result != 0 ? result : LLVMFuzzerMutate(data, size, max_size);
}
