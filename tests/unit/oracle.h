/*
 * oracle.h - the model once more: slow, obvious, with plain lists.
 *
 * Written from the words of model.h and format.md, sharing no code with
 * parser/. Sites are known by their printed names alone, callsites by these
 * and the texts of their frames. For small streams.
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"
#include "model.h"

#define ORACLE_SITES	 512
#define ORACLE_CALLSITES 4096
#define ORACLE_PATH	 2048
#define ORACLE_DEPTH	 12
#define ORACLE_RECORDS	 2048 /* of one sort */
#define ORACLE_PAIRS	 16384
#define ORACLE_SYMBOLS	 8192
#define ORACLE_BLOCKS	 1024
#define ORACLE_LIVES	 16384
#define ORACLE_NAME	 128

struct oracle_site {
	char name[ORACLE_NAME];
	struct model_figures figures;
};

struct oracle_callsite {
	char key[ORACLE_PATH]; /* see oracle_key() */
	size_t site;
	struct model_figures figures;
};

struct oracle_path {
	size_t depth;
	struct model_frame frames[ORACLE_DEPTH]; /* innermost first */
};

/* What a compact stream has defined so far. */
struct oracle_numbers {
	char strings[ORACLE_RECORDS][ORACLE_NAME];
	struct decode_event protos[ORACLE_RECORDS];
	struct decode_event functions[ORACLE_RECORDS];
	struct decode_event frames[ORACLE_RECORDS];
	struct oracle_path paths[ORACLE_RECORDS];
	size_t string_count, proto_count, function_count, frame_count;
	size_t path_count;
};

struct oracle_pair {
	size_t by_site, of_site;
	bool by_realloc;
	uint64_t blocks, bytes;
};

struct oracle_block {
	uint64_t address, size, born_event, realloc_of;
	size_t callsite;
	bool by_realloc;
};

struct oracle_symbol {
	uint8_t source;
	uint64_t address, start_address, line;
	char name[ORACLE_NAME];
};

struct oracle {
	struct oracle_site sites[ORACLE_SITES];
	size_t site_count;
	struct oracle_callsite callsites[ORACLE_CALLSITES];
	size_t callsite_count;
	struct oracle_numbers numbers;
	struct oracle_pair pairs[ORACLE_PAIRS];
	size_t pair_count;
	struct oracle_symbol symbols[ORACLE_SYMBOLS]; /* as they came */
	size_t symbol_count;
	char aliases[64][ORACLE_NAME];
	size_t alias_count;
	struct oracle_block blocks[ORACLE_BLOCKS];
	size_t block_count;
	struct model_life lives[ORACLE_LIVES]; /* indexes of callsites here */
	size_t life_count;
	struct model_totals totals;
	uint64_t event;
	uint64_t live_bytes;
};

void oracle_apply(struct oracle *o, const struct decode_event *e);
void oracle_end_stream(struct oracle *o);

/* The sum over all sites; call after the last stream. */
void oracle_sum(struct oracle *o);

/* The index of the site that prints so; SIZE_MAX when there is none. */
size_t oracle_find_site(const struct oracle *o, const char *name);

/* What tells callsites apart: the site and all frames, in ORACLE_PATH bytes. */
void oracle_key(const char *site, const struct model_frame *frames,
		size_t depth, char *out);

/* The index of a callsite; SIZE_MAX when there is none. */
size_t oracle_find_callsite(const struct oracle *o, const char *key);

#endif
