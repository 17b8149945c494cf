/*
 * fuzz_decode.c - any bytes into the decoder: whole, cut into windows of every
 * size, and as steps; all must give the same events and end at the same byte.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../unit/step_events.h"

#define EVENTS 16

/* Bytes of most inputs. */
#define MOST 4096u

struct outcome {
	uint64_t events, digest;
	bool compact;
	size_t pos;
	enum decode_result result;
	char error[160];
};

static void mix(struct outcome *o, uint64_t value)
{
	o->digest = (o->digest ^ value) * 0x9fb21c651e98df25ull;
	o->digest ^= o->digest >> 29;
}

static void take_name(struct outcome *o, const struct decode_event *e,
		      const struct decode_input *in)
{
	CHECK((const uint8_t *)e->name >= in->src);
	CHECK((const uint8_t *)e->name + e->name_size <= in->src + in->size);
	for (uint64_t i = 0; i < e->name_size; i++)
		mix(o, (uint8_t)e->name[i]);
}

/* A record of the compact stream. */
static void take_record(struct outcome *o, const struct decode_event *e,
			const struct decode_input *in)
{
	mix(o, e->start_address);
	mix(o, e->trace_number);
	if (e->source == LJM_RECORD_START || e->source == LJM_RECORD_STRING)
		take_name(o, e, in);
	else
		CHECK(e->name == NULL);
}

static void take(struct outcome *o, const struct decode_event *e,
		 const struct decode_input *in)
{
	o->events++;
	mix(o, (uint64_t)e->kind << 8 | e->source);
	mix(o, e->address);
	mix(o, e->line);
	if (e->kind == DECODE_RECORD) {
		take_record(o, e, in);
		return;
	}
	if (e->kind == LJM_KIND_SYMBOL && e->source != LJM_SOURCE_TRACE) {
		take_name(o, e, in);
		return;
	}
	CHECK((e->source == DECODE_CALLSITE) ==
	      (e->kind != LJM_KIND_SYMBOL && o->compact));
	CHECK(e->kind == LJM_KIND_SYMBOL || e->old_size <= LJM_SIZE_MAX);
	CHECK(e->kind == LJM_KIND_SYMBOL || e->new_size <= LJM_SIZE_MAX);
	mix(o, e->old_address);
	mix(o, e->old_size);
	mix(o, e->new_address);
	mix(o, e->new_size);
}

static void run(const uint8_t *data, size_t size, size_t step,
		struct outcome *o)
{
	struct decode_input in = {data, 0, 0};
	struct decode_event events[EVENTS];
	struct decoder d;
	size_t count;

	memset(o, 0, sizeof(*o));
	decode_init(&d);
	o->result = DECODE_MORE;
	while (o->result == DECODE_FULL ||
	       (o->result == DECODE_MORE && in.size < size)) {
		const size_t before = in.pos;

		if (o->result == DECODE_MORE)
			in.size = size - in.size < step ? size : in.size + step;
		o->result = decode_events(&d, &in, events, EVENTS, &count);
		o->compact = d.events_version == LJM_COMPACT_VERSION;
		CHECK(count <= EVENTS);
		CHECK(in.pos >= before && in.pos <= in.size);
		CHECK(o->result != DECODE_FULL || in.pos > before);
		for (size_t i = 0; i < count; i++)
			take(o, &events[i], &in);
	}
	o->pos = in.pos;
	if (o->result == DECODE_CORRUPT)
		strcpy(o->error, d.error);
	CHECK((o->result == DECODE_CORRUPT) == (d.error[0] != '\0'));
}

/* The same with decode_steps(). */
static void run_steps(const uint8_t *data, size_t size, bool far,
		      struct outcome *o)
{
	static uint64_t few[MOST][2]; /* allocating them takes time */
	/* An event has three bytes. */
	uint64_t(*const locations)[2] =
		size <= MOST ? few : malloc(size * sizeof(*few));
	struct met met;
	struct decode_input in = {data, size, 0};
	struct step steps[EVENTS];
	struct decode_event events[EVENTS];
	struct decode_steps done;
	struct decoder d;
	size_t count, n;

	memset(o, 0, sizeof(*o));
	CHECK(locations != NULL);
	met_begin(&met, locations, (uint32_t)(size > MOST ? size : MOST), far);
	decode_init(&d);
	do {
		done = decode_steps(&d, &in, &met.known, steps, EVENTS);
		CHECK(done.count <= EVENTS && !done.no_memory && !met.wrong);
		for (size_t i = n = 0; i < done.count; n++) {
			const size_t places =
				met_event(&met, &steps[i], events);

			CHECK(places != 0);
			i += places;
			done.bytes -= events->old_size + events->new_size;
			take(o, events, &in);
		}
		CHECK(n == done.events && done.bytes == 0);
		o->result = decode_others(&d, &in, events, EVENTS, &count);
		o->compact = d.events_version == LJM_COMPACT_VERSION;
		CHECK(count <= EVENTS && in.pos <= in.size);
		for (size_t i = 0; i < count; i++)
			take(o, &events[i], &in);
	} while (o->result == DECODE_FULL);
	if (locations != few)
		free(locations);
	o->pos = in.pos;
	strcpy(o->error, d.error);
}

static void check_alike(const struct outcome *a, const struct outcome *b)
{
	CHECK(a->result == b->result);
	CHECK(a->events == b->events);
	CHECK(a->digest == b->digest);
	CHECK(a->pos == b->pos);
	CHECK(strcmp(a->error, b->error) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* At its very end, so that a sanitizer sees a read beyond. */
	uint8_t *const copy = calloc(1, size + (size == 0));
	struct outcome whole, cut, steps;

	CHECK(copy != NULL);
	if (size != 0)
		memcpy(copy, data, size);
	run(copy, size, size + (size == 0), &whole);
	run(copy, size, size == 0 ? 1 : 1 + copy[size - 1] % 97, &cut);
	run_steps(copy, size, size % 2 == 0, &steps);
	free(copy);
	check_alike(&whole, &cut);
	check_alike(&whole, &steps);
	return 0;
}
