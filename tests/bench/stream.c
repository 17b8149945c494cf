/*
 * stream.c - streams to measure with.
 *
 *   bench-stream KIND [MILLIONS] > STREAM
 *
 * writes a stream with so many million items (20), always the same one, of
 * format 3 unless something else is said. A kind is what is hard about it:
 *
 *   churn    10,000 blocks alive at a time, 200 lines
 *   alive    40% of the events leave a block behind: 8 of 20 million
 *   sites    as churn, but 400,000 lines
 *   symbols  as churn, but every event of a C function is preceded by all
 *            5,700 C symbols, a library at a time, as writers of format 3 do
 *   endless  every event is a line of its own
 *   compact  as churn, in the compact stream, without stacks
 *   stacks   the same with stacks: 20,000 paths over these lines
 *
 * An event is an allocation, a free (four in five by the collector, which is
 * internal) or, one in ten, a reallocation, of a block picked at random: one
 * in two times among the newest, or else among all. The block's line decides
 * about the line that does it, as a program frees on few lines what it made
 * on one; but in sites, where any line does it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ljm_format.h"
#include "wbuf.h"

#define NEWEST	  10000u
#define C_SYMBOLS 5700u
#define QUEUE	  4096u /* addresses wait so long before they come again */
#define FULL	  (1u << 16)

struct block {
	uint64_t address;
	uint32_t size;
	uint32_t line; /* that began it */
};

struct generator {
	uint64_t seed;
	uint8_t buffer[FULL + 4096];
	uint8_t *pos;
	uint64_t items;
	uint64_t lines;
	bool endless, wild; /* every line new, any line ends any block */
	bool compact;	    /* lines are callsites there */
	bool stacks;
	uint64_t last_callsite[LJM_KIND_REALLOC + 1];
	uint64_t alloc_end, free_address, realloc_address;

	struct block *blocks;
	uint64_t count;
	uint64_t top; /* the next address never used */
	uint64_t freed[QUEUE];
	uint64_t free_first, free_count;
};

static uint64_t next_random(struct generator *g)
{
	uint64_t x = g->seed += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* One of n, evenly enough. */
static uint64_t pick(struct generator *g, uint64_t n)
{
	return (next_random(g) >> 32) * n >> 32;
}

/* ---- bytes */

static void flush(struct generator *g)
{
	const size_t size = (size_t)(g->pos - g->buffer);

	if (fwrite(g->buffer, 1, size, stdout) != size) {
		perror("bench-stream");
		exit(1);
	}
	g->pos = g->buffer;
}

static void put_byte(struct generator *g, unsigned byte)
{
	*g->pos++ = (uint8_t)byte;
}

static void put_int(struct generator *g, uint64_t value)
{
	g->pos = wbuf_put_uleb128(g->pos, value);
}

static void put_name(struct generator *g, const char *name)
{
	const size_t size = strlen(name);

	put_int(g, size);
	memcpy(g->pos, name, size);
	g->pos += size;
}

static void end_item(struct generator *g)
{
	g->items++;
	if (g->pos - g->buffer >= (ptrdiff_t)FULL)
		flush(g);
}

/* ---- symbols */

#define LINES_OF_CHUNK 100u

static uint64_t prototype_address(uint64_t number)
{
	return 0x7f12340000c0 + number * 0x160;
}

static uint64_t function_address(uint64_t number)
{
	return 0x5512345ff120 + number * 0x2b0;
}

static void put_table(struct generator *g)
{
	char name[64];

	memcpy(g->pos, LJM_SYMTAB_MAGIC "\3\0\0\0", LJM_PROLOGUE_SIZE);
	g->pos += LJM_PROLOGUE_SIZE;
	for (uint64_t i = 0; i * LINES_OF_CHUNK < g->lines; i++) {
		snprintf(name, sizeof(name), "@app/module_%d.lua",
			 (int)i % 10000);
		put_byte(g, LJM_SYMBOL_LUA);
		put_int(g, prototype_address(i));
		put_name(g, name);
		put_int(g, 1 + i / 10000);
		end_item(g);
	}
	put_byte(g, LJM_EPILOGUE);
	memcpy(g->pos, LJM_EVENTS_MAGIC "\3\0\0\0", LJM_PROLOGUE_SIZE);
	g->pos += LJM_PROLOGUE_SIZE;
}

/* ---- the compact stream: see ljm_format.h */

#define PATHS 20000u
#define DEPTH 64u

static void put_record(struct generator *g, enum ljm_record type)
{
	put_byte(g, (unsigned)type << LJM_RECORD_SHIFT);
}

static void put_callsite(struct generator *g, uint64_t parent, uint64_t frame)
{
	put_record(g, LJM_RECORD_CALLSITE);
	put_int(g, parent);
	put_int(g, frame);
	end_item(g);
}

/* Paths over the lines: one in ten is a main chunk's, others go on. */
static void put_paths(struct generator *g, uint64_t frames)
{
	static uint8_t depth[PATHS];

	for (uint64_t i = 0; i < PATHS; i++) {
		uint64_t parent = i % 10 != 0 ? 1 + pick(g, i) : 0;

		if (parent != 0 && depth[parent - 1] == DEPTH)
			parent = 0;
		depth[i] = (uint8_t)(parent ? depth[parent - 1] + 1 : 1);
		put_callsite(g, parent, 1 + pick(g, frames));
	}
}

/* Callsite i + 1 is the line i, or path i; behind them is the collector. */
static void put_definitions(struct generator *g)
{
	const uint64_t lines = g->lines;

	memcpy(g->pos, LJM_SYMTAB_MAGIC "\3\0\0\0\x80", LJM_PROLOGUE_SIZE + 1);
	g->pos += LJM_PROLOGUE_SIZE + 1;
	memcpy(g->pos, LJM_EVENTS_MAGIC "\x83\0\0\0", LJM_PROLOGUE_SIZE);
	g->pos += LJM_PROLOGUE_SIZE;
	put_record(g, LJM_RECORD_START);
	put_int(g, 0);
	put_int(g, 1);
	put_int(g, g->stacks ? DEPTH : 0);
	put_name(g, "bench");
	for (uint64_t i = 0; i * LINES_OF_CHUNK < lines; i++) {
		char name[64];

		snprintf(name, sizeof(name), "@app/module_%d.lua", (int)i);
		put_record(g, LJM_RECORD_STRING);
		put_name(g, name);
		put_record(g, LJM_RECORD_PROTO);
		put_int(g, i + 1);
		put_int(g, 1);
		put_int(g, 0);
	}
	for (uint64_t i = 0; i < lines; i++) {
		put_record(g, LJM_RECORD_FRAME);
		put_int(g, LJM_FRAME_LUA);
		put_int(g, 1 + i / LINES_OF_CHUNK);
		put_int(g, 1 + i % LINES_OF_CHUNK * 7);
		end_item(g);
	}
	put_record(g, LJM_RECORD_FRAME);
	put_int(g, LJM_FRAME_INTERNAL);
	put_int(g, LJM_INTERNAL_GC);
	if (g->stacks) {
		put_paths(g, lines);
		g->lines = PATHS;
	} else {
		for (uint64_t i = 0; i < lines; i++)
			put_callsite(g, 0, i + 1);
	}
	put_callsite(g, 0, lines + 1);
}

static void put_relative(struct generator *g, uint64_t a, uint64_t b)
{
	const int64_t x = (int64_t)((a >> LJM_UNIT) - (b >> LJM_UNIT));

	put_int(g, (uint64_t)x << 1 ^ (uint64_t)(x >> 63));
}

static void put_compact(struct generator *g, unsigned kind, unsigned source,
			uint32_t line, const struct block *old,
			const struct block *new)
{
	const uint64_t callsite =
		source == LJM_SOURCE_INTERNAL ? g->lines + 1 : line + 1;
	/* All sizes are multiples of 8. */
	const uint32_t size = new != NULL ? new->size : old->size;
	const uint32_t class = size / LJM_COMPACT_SIZE_UNIT;
	const bool same = g->last_callsite[kind] == callsite;
	const bool small = class <= LJM_COMPACT_SIZE_LAST;

	g->last_callsite[kind] = callsite;
	put_byte(g, kind | (same ? LJM_COMPACT_SAME : 0u) |
			    (small ? class << LJM_COMPACT_SIZE_SHIFT : 0u));
	if (!same)
		put_int(g, callsite);
	if (!small)
		put_int(g, size);
	if (kind == LJM_KIND_ALLOC) {
		put_relative(g, new->address, g->alloc_end);
		g->alloc_end = new->address + size;
	} else if (kind == LJM_KIND_FREE) {
		put_relative(g, old->address + size, g->free_address);
		g->free_address = old->address;
	} else {
		put_int(g, old->size);
		put_relative(g, old->address, g->realloc_address);
		put_relative(g, new->address, old->address);
		g->realloc_address = new->address;
	}
}

/* ---- events */

static uint32_t any_line(struct generator *g)
{
	return (uint32_t)(g->endless ? g->items : pick(g, g->lines));
}

/* The line that ends or moves a block: one of two. */
static uint32_t next_line(struct generator *g, const struct block *b)
{
	return g->wild ? any_line(g)
		       : (uint32_t)((b->line + 1 + pick(g, 2)) % g->lines);
}

static void put_head(struct generator *g, unsigned kind, unsigned source,
		     uint32_t line)
{
	put_byte(g, LJM_HEAD(kind, source));
	if (source == LJM_SOURCE_INTERNAL)
		return;
	if (source == LJM_SOURCE_C) {
		put_int(g, function_address(pick(g, C_SYMBOLS)));
		return;
	}
	if (g->endless) {
		put_int(g, prototype_address(0));
		put_int(g, line);
		return;
	}
	put_int(g, prototype_address(line / LINES_OF_CHUNK));
	put_int(g, 1 + line % LINES_OF_CHUNK * 7);
}

static struct block new_block(struct generator *g)
{
	struct block b = {.size = 16};

	b.size += next_random(g) & next_random(g) & 0xf8;

	if (g->free_count == QUEUE) {
		b.address = g->freed[g->free_first++ % QUEUE];
		g->free_count--;
	} else {
		b.address = g->top;
		g->top += (b.size + 15) & ~15u;
	}
	return b;
}

static void release(struct generator *g, const struct block *b)
{
	if (g->free_count < QUEUE)
		g->freed[(g->free_first + g->free_count++) % QUEUE] =
			b->address;
}

static void put_block(struct generator *g, const struct block *b)
{
	if (b == NULL)
		return;
	put_int(g, b->address);
	put_int(g, b->size);
}

static void put_event(struct generator *g, unsigned kind, unsigned source,
		      uint32_t line, const struct block *old,
		      const struct block *new)
{
	if (g->compact) {
		put_compact(g, kind, source, line, old, new);
	} else {
		put_head(g, kind, source, line);
		put_block(g, old);
		put_block(g, new);
	}
	end_item(g);
}

static void allocate(struct generator *g, unsigned source)
{
	struct block *const b = &g->blocks[g->count++];

	*b = new_block(g);
	b->line = any_line(g);
	put_event(g, LJM_KIND_ALLOC, source, b->line, NULL, b);
}

static struct block *pick_block(struct generator *g)
{
	if (g->count <= NEWEST || next_random(g) & 1)
		return &g->blocks[pick(g, g->count)];
	return &g->blocks[g->count - 1 - pick(g, NEWEST)];
}

static void reallocate(struct generator *g)
{
	struct block *const b = pick_block(g);
	const struct block old = *b;
	const uint32_t line = next_line(g, b);

	release(g, b);
	*b = new_block(g);
	b->line = line;
	put_event(g, LJM_KIND_REALLOC, LJM_SOURCE_LUA, b->line, &old, b);
}

static void free_one(struct generator *g)
{
	struct block *const b = pick_block(g);
	const uint32_t line = next_line(g, b);
	const unsigned source =
		pick(g, 5) ? LJM_SOURCE_INTERNAL : LJM_SOURCE_LUA;

	put_event(g, LJM_KIND_FREE, source, line, b, NULL);
	release(g, b);
	*b = g->blocks[--g->count];
}

/* ---- C symbols */

/* Where a library's symbols end; the last one's are the rest. */
static bool is_last_of_library(uint64_t function)
{
	return function == 1631 || function == 2735 || function == 2911 ||
	       function == C_SYMBOLS - 1;
}

/* As real ones: one in eight has two names. */
static uint64_t symbol_address(uint64_t symbol)
{
	return function_address(symbol % 8 == 7 ? symbol - 1 : symbol);
}

/* With what the writer itself allocates and frees for each library. */
static void dump_functions(struct generator *g)
{
	char name[64];

	for (uint64_t i = 0; i < C_SYMBOLS; i++) {
		snprintf(name, sizeof(name), "libc_%x", (int)i * 7919);
		put_byte(g, LJM_HEAD(LJM_KIND_SYMBOL, LJM_SOURCE_C));
		put_int(g, symbol_address(i));
		put_name(g, name);
		end_item(g);
		if (is_last_of_library(i)) {
			allocate(g, LJM_SOURCE_INTERNAL);
			free_one(g);
		}
	}
}

static void generate(struct generator *g, uint64_t items, double stay,
		     bool dumps)
{
	if (g->compact)
		put_definitions(g);
	else
		put_table(g);
	while (g->items < items) {
		const double alive = (double)g->items * stay;

		if (dumps && g->items % (C_SYMBOLS + 50) < 50) {
			dump_functions(g);
			allocate(g, LJM_SOURCE_C);
		} else if ((double)g->count < alive + NEWEST &&
			   (stay > 0 || g->count < NEWEST)) {
			allocate(g, LJM_SOURCE_LUA);
		} else if (pick(g, 10) == 0) {
			reallocate(g);
		} else if (next_random(g) & 1 || g->count == 0) {
			allocate(g, LJM_SOURCE_LUA);
		} else {
			free_one(g);
		}
	}
	put_byte(g, LJM_EPILOGUE);
	flush(g);
}

int main(int argc, char **argv)
{
	static struct generator g;
	const char *const kind = argc > 1 ? argv[1] : "";
	const uint64_t items =
		1000000 * (argc > 2 ? strtoull(argv[2], NULL, 10) : 20);
	const bool alive = strcmp(kind, "alive") == 0;

	g.pos = g.buffer;
	g.top = 0x7f2200000010;
	g.lines = strcmp(kind, "sites") == 0 ? 400000 : 200;
	g.endless = strcmp(kind, "endless") == 0;
	g.wild = strcmp(kind, "sites") == 0;
	g.stacks = strcmp(kind, "stacks") == 0;
	g.compact = g.stacks || strcmp(kind, "compact") == 0;
	if (strstr(" churn alive sites symbols endless compact stacks ",
		   kind) == NULL ||
	    *kind == '\0') {
		fputs("usage: bench-stream churn|alive|sites|symbols|endless|"
		      "compact|stacks [MILLIONS] > STREAM\n",
		      stderr);
		return 2;
	}
	/* Chance may add blocks to those that are meant to stay. */
	g.blocks = malloc((items + NEWEST) * sizeof(*g.blocks));
	if (g.blocks == NULL)
		return 1;
	generate(&g, items, alive ? 0.4 : 0, strcmp(kind, "symbols") == 0);
	free(g.blocks);
	return fflush(stdout) != 0;
}
