/*
 * definitions.c - what a compact stream refers to by numbers.
 */
#include "definitions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"
#include "texts.h"
#include "vm_frame.h"
#include "wbuf.h"

/* The last numbers are for what stands in for all that is beyond. */
#define NUMBERS_KEPT 64

bool definitions_open(struct definitions *d, struct wbuf *out,
		      const struct vm_layout *y)
{
	memset(d, 0, sizeof *d);
	d->out = out;
	d->y = y;
	return pair_map_open(&d->strings) && pair_map_open(&d->functions) &&
	       pair_map_open(&d->frames) && pair_map_open(&d->callsites) &&
	       pair_map_open(&d->by_address);
}

void definitions_free(struct definitions *d)
{
	pair_map_free(&d->strings);
	pair_map_free(&d->functions);
	pair_map_free(&d->frames);
	pair_map_free(&d->callsites);
	pair_map_free(&d->by_address);
	free(d->blocks);
	elf_names_free(&d->names);
	memset(d, 0, sizeof *d);
}

static uint32_t fail(struct definitions *d)
{
	if (!d->error)
		d->error = ENOMEM;
	return 0;
}

/* The next number of this sort, kept in the map; 0: none. Writes the type. */
static uint32_t define(struct definitions *d, enum ljm_record sort,
		       struct pair_map *map, uint64_t a, uint64_t b,
		       uint32_t spare)
{
	uint32_t number = d->defined[sort] + 1;
	if (number > LJM_NUMBER_MAX - spare)
		return 0;
	if (map && !pair_map_put(map, a, b, number))
		return fail(d);
	d->defined[sort] = number;
	wbuf_byte(d->out, (uint8_t)(sort << LJM_RECORD_SHIFT));
	return number;
}

/* ---- strings */

static uint64_t hash_of(const char *text, size_t n, uint64_t seed)
{
	uint64_t h = seed ^ n, word;
	for (; n >= 8; n -= 8, text += 8) {
		memcpy(&word, text, 8);
		h = (h ^ word) * 0x9fb21c651e98df25;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, text, n);
	h = (h ^ word) * 0x9fb21c651e98df25;
	return h ^ h >> 29;
}

uint32_t definitions_string(struct definitions *d, const char *text, size_t n)
{
	uint64_t a, b;
	uint32_t number;
	if (n > LJM_NAME_MAX)
		n = LJM_NAME_MAX;
	/* Two of 64 bits: the texts themselves are not kept. */
	a = hash_of(text, n, 0x2545f4914f6cdd1d);
	b = hash_of(text, n, 0xd6e8feb86659fd93);
	number = pair_map_get(&d->strings, a, b);
	if (number)
		return number;
	number = define(d, LJM_RECORD_STRING, &d->strings, a, b, 0);
	if (!number)
		return 0;
	wbuf_string(d->out, text, n);
	if (d->texts && !texts_string(d->texts, number, text, n))
		return fail(d);
	return number;
}

/* ---- prototypes, and what else is watched */

uint32_t definitions_block(struct definitions *d, uintptr_t address)
{
	uint32_t i = pair_map_get(&d->by_address, address, 0);
	if (i)
		return i;
	if (d->block_count + 1 >= d->block_room) {
		uint32_t room = d->block_room ? 2 * d->block_room : 64;
		struct definitions_block *blocks =
			realloc(d->blocks, room * sizeof *blocks);
		if (!blocks)
			return fail(d);
		d->blocks = blocks;
		d->block_room = room;
	}
	i = d->block_count + 1;
	/* A full counter would be believed to be empty some day. */
	if (d->filter[definitions_filter(address)] == UINT16_MAX ||
	    !pair_map_put(&d->by_address, address, 0, i))
		return fail(d);
	d->filter[definitions_filter(address)]++;
	d->block_count = i;
	d->blocks[i].alive = true;
	d->blocks[i].proto = 0;
	return i;
}

static void block_ends(struct definitions *d, uintptr_t address, uint32_t i)
{
	d->blocks[i].alive = false;
	d->filter[definitions_filter(address)]--;
}

bool definitions_forget(struct definitions *d, uintptr_t address)
{
	uint32_t i = pair_map_remove(&d->by_address, address, 0);
	if (i)
		block_ends(d, address, i);
	return i != 0;
}

void definitions_forget_all(struct definitions *d)
{
	uint32_t i;
	for (i = 1; i <= d->block_count; i++)
		d->blocks[i].alive = false;
	memset(d->filter, 0, sizeof d->filter);
	pair_map_clear(&d->by_address);
}

/* Longer names of functions are cut. */
#define FUNCTION_NAME_MAX 255

/* The first line of the built-ins that are written in Lua. */
#define NO_FIRST_LINE 0xffffffffu

static uint32_t chunk_string(struct definitions *d, uintptr_t proto,
			     uint32_t first_line)
{
	char cut[SYMBOLS_NAME_ROOM];
	const char *name =
		(const char *)vm_ref(d->y->gc64,
				     proto + (unsigned)d->y->pt_chunkname) +
		d->y->str_data;
	size_t n;
	if (first_line == NO_FIRST_LINE) {
		n = (size_t)snprintf(cut, sizeof cut, "=[builtin:%.64s]", name);
		return definitions_string(d, cut, n);
	}
	name = symbols_short_name(name, cut, &n);
	return definitions_string(d, name, n);
}

uint32_t definitions_proto(struct definitions *d, uintptr_t proto,
			   const char *name)
{
	uint32_t i = definitions_block(d, proto), chunk, first_line, number;
	uint32_t called = 0;
	if (!i || d->blocks[i].proto)
		return i;
	first_line = vm_u32(proto + (unsigned)d->y->pt_firstline);
	chunk = chunk_string(d, proto, first_line);
	if (name)
		called = definitions_string(d, name,
					    strnlen(name, FUNCTION_NAME_MAX));
	number = chunk ? define(d, LJM_RECORD_PROTO, NULL, 0, 0, 0) : 0;
	if (!number)
		return 0;
	wbuf_uleb128(d->out, chunk);
	wbuf_uleb128(d->out, first_line == NO_FIRST_LINE ? 0 : first_line);
	wbuf_uleb128(d->out, called);
	d->blocks[i].proto = number;
	if (d->texts && !texts_proto(d->texts, number, chunk))
		return fail(d);
	return i;
}

/* ---- functions, frames, callsites */

uint32_t definitions_function(struct definitions *d, uintptr_t address,
			      const char *name)
{
	char found[256];
	uint32_t string, number;
	if (!name) {
		elf_names_find(&d->names, address, found, sizeof found);
		name = found;
	}
	string = definitions_string(d, name, strlen(name));
	if (!string)
		return 0;
	number = pair_map_get(&d->functions, address, string);
	if (number)
		return number;
	number = define(d, LJM_RECORD_FUNCTION, &d->functions, address, string,
			0);
	if (number) {
		wbuf_uleb128(d->out, address);
		wbuf_uleb128(d->out, string);
	}
	return number;
}

static const uint8_t operands[] = {
	[LJM_FRAME_INTERNAL] = 1,  [LJM_FRAME_LUA] = 2,
	[LJM_FRAME_LUA_TRACE] = 3, [LJM_FRAME_C] = 1,
	[LJM_FRAME_TRACE] = 3,	   [LJM_FRAME_GAP] = 1,
};

uint32_t definitions_frame(struct definitions *d, enum ljm_frame kind,
			   uint64_t a, uint64_t b, uint64_t c)
{
	/* Operands are numbers, lines and trace numbers: below 2^32. */
	uint64_t first = (uint64_t)kind << 32 | (uint32_t)a;
	uint64_t second = b << 32 | (uint32_t)c;
	uint64_t values[3] = {a, b, c};
	uint32_t number = pair_map_get(&d->frames, first, second);
	bool spare = kind == LJM_FRAME_GAP || kind == LJM_FRAME_INTERNAL;
	unsigned i;
	if (number)
		return number;
	number = define(d, LJM_RECORD_FRAME, &d->frames, first, second,
			spare ? 0 : NUMBERS_KEPT);
	if (!number)
		return d->error || spare
			       ? 0
			       : definitions_frame(d, LJM_FRAME_GAP,
						   LJM_GAP_UNKNOWN, 0, 0);
	wbuf_uleb128(d->out, kind);
	for (i = 0; i < operands[kind]; i++)
		wbuf_uleb128(d->out, values[i]);
	return number;
}

uint32_t definitions_callsite(struct definitions *d, uint32_t parent,
			      uint32_t frame)
{
	uint32_t number = pair_map_get(&d->callsites, parent, frame);
	if (number)
		return number;
	number = define(d, LJM_RECORD_CALLSITE, &d->callsites, parent, frame,
			parent ? NUMBERS_KEPT : 0);
	if (!number && !d->error && parent)
		return definitions_callsite(d, 0,
					    definitions_frame(d, LJM_FRAME_GAP,
							      LJM_GAP_UNKNOWN,
							      0, 0));
	if (number) {
		wbuf_uleb128(d->out, parent);
		wbuf_uleb128(d->out, frame);
	}
	return number;
}
