/*
 * random_events.c - see random_events.h.
 */
#include "cmocka_all.h"

#include <string.h>

#include "random_events.h"

static const char *const names[] = {"@a.lua", "@b.lua", "return 1\n",
				    "x\ny",   "",	"=stdin"};

void random_symbol(uint64_t *seed, struct decode_event *e)
{
	*e = (struct decode_event){.kind = LJM_KIND_SYMBOL};
	e->source = (uint8_t)(LJM_SOURCE_LUA + next_random(seed) % 3);
	e->line = next_random(seed) % 3;
	if (e->source == LJM_SOURCE_TRACE) {
		e->address = next_random(seed) % 4;
		e->start_address = next_random(seed) % 10;
		return;
	}
	e->address = 2 + next_random(seed) % 7;
	if (e->source == LJM_SOURCE_C)
		e->line = 0;
	/* C functions get the names without a newline. */
	e->name = e->source == LJM_SOURCE_C ? names[next_random(seed) % 2]
					    : names[next_random(seed) % 6];
	e->name_size = strlen(e->name);
}

void random_heap_event(const struct mix *mix, const struct oracle *o,
		       uint64_t *seed, struct decode_event *e)
{
	*e = (struct decode_event){
		.kind = (uint8_t)(1 + next_random(seed) % 3)};
	e->source = (uint8_t)(1 + next_random(seed) % 4);
	if (e->source != LJM_SOURCE_INTERNAL)
		e->address = next_random(seed) % 10;
	if (e->source == LJM_SOURCE_LUA)
		e->line = next_random(seed) % 3;
	if (e->kind != LJM_KIND_ALLOC) {
		e->old_address = next_random(seed) % mix->addresses * 16;
		e->old_size = next_random(seed) % 4 * 8;
		if (o->block_count != 0 &&
		    (mix->orderly || next_random(seed) % 2)) {
			const struct oracle_block *const b =
				&o->blocks[next_random(seed) % o->block_count];

			e->old_address = b->address;
			e->old_size = b->size;
		}
	}
	if (e->kind != LJM_KIND_FREE) {
		e->new_address = next_random(seed) % mix->addresses * 16;
		if (next_random(seed) % 8 == 0)
			e->new_address = e->old_address;
		e->new_size = next_random(seed) % 4 * 8;
		if (mix->big && next_random(seed) % 2)
			e->new_size += 0xfffffff8;
	}
}

/* ---- compact streams */

static uint64_t one_of(uint64_t *seed, size_t count)
{
	return 1 + next_random(seed) % count;
}

static void random_frame(const struct oracle_numbers *n, uint64_t *seed,
			 struct decode_event *e)
{
	e->address = next_random(seed) % (LJM_FRAME_GAP + 1);
	switch (e->address) {
	case LJM_FRAME_INTERNAL:
		e->start_address = next_random(seed) % 3;
		return;
	case LJM_FRAME_GAP:
		e->start_address = next_random(seed) % 2;
		return;
	case LJM_FRAME_C:
		e->start_address = one_of(seed, n->function_count);
		return;
	default:
		e->start_address = one_of(seed, n->proto_count);
		e->line = next_random(seed) % 4;
		if (e->address != LJM_FRAME_LUA)
			e->trace_number = next_random(seed) % 3;
	}
}

/* A definition of what there is most want of, else any record. */
static void random_record(const struct oracle_numbers *n, uint64_t *seed,
			  struct decode_event *e)
{
	unsigned type = LJM_RECORD_STRING + (unsigned)(next_random(seed) % 10);

	if (n->string_count < 6)
		type = LJM_RECORD_STRING;
	else if (n->proto_count < 2)
		type = LJM_RECORD_PROTO;
	else if (n->function_count < 2)
		type = LJM_RECORD_FUNCTION;
	else if (n->frame_count < 4)
		type = LJM_RECORD_FRAME;
	else if (n->path_count == 0)
		type = LJM_RECORD_CALLSITE;
	*e = (struct decode_event){.kind = DECODE_RECORD,
				   .source = (uint8_t)type};
	if (type == LJM_RECORD_STRING) {
		e->name = names[n->string_count % 6];
		e->name_size = strlen(e->name);
	} else if (type == LJM_RECORD_PROTO) {
		e->address = one_of(seed, n->string_count);
		e->line = next_random(seed) % 2;
		e->start_address = next_random(seed) % (n->string_count + 1);
	} else if (type == LJM_RECORD_FUNCTION) {
		e->address = next_random(seed) % 4;
		/* Names without a newline, one of them empty. */
		e->start_address = next_random(seed) % 2 ? 1 : 5;
	} else if (type == LJM_RECORD_FRAME) {
		random_frame(n, seed, e);
	} else if (type == LJM_RECORD_CALLSITE) {
		e->start_address = one_of(seed, n->frame_count);
		e->address = next_random(seed) % (n->path_count + 1);
		if (e->address != 0 &&
		    n->paths[e->address - 1].depth == ORACLE_DEPTH)
			e->address = 0;
	} else {
		/* A mark needs a string; others are not looked at here. */
		e->address = 1;
	}
}

void random_start(struct decode_event *e)
{
	*e = (struct decode_event){.kind = DECODE_RECORD,
				   .source = LJM_RECORD_START,
				   .name = names[0]};
}

void random_compact(const struct mix *mix, const struct oracle *o,
		    uint64_t *seed, struct decode_event *e)
{
	if (o->numbers.path_count == 0 || next_random(seed) % 6 == 0) {
		random_record(&o->numbers, seed, e);
		return;
	}
	random_heap_event(mix, o, seed, e);
	e->source = DECODE_CALLSITE;
	e->address = one_of(seed, o->numbers.path_count);
	e->line = 0;
}
