/*
 * oracle.h - the model once more: slow, obvious, with plain lists.
 *
 * Written from the words of model.h and format.md, sharing no code with
 * parser/. Sites are known by their printed names alone. For small streams.
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"
#include "model.h"

#define ORACLE_SITES   512
#define ORACLE_PAIRS   16384
#define ORACLE_SYMBOLS 8192
#define ORACLE_BLOCKS  1024
#define ORACLE_LIVES   16384
#define ORACLE_NAME    128

struct oracle_site {
	char name[ORACLE_NAME];
	struct model_figures figures;
};

struct oracle_pair {
	size_t by_site, of_site;
	bool by_realloc;
	uint64_t blocks, bytes;
};

struct oracle_block {
	uint64_t address, size, born_event, realloc_of;
	size_t site;
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
	struct oracle_pair pairs[ORACLE_PAIRS];
	size_t pair_count;
	struct oracle_symbol symbols[ORACLE_SYMBOLS]; /* as they came */
	size_t symbol_count;
	char aliases[64][ORACLE_NAME];
	size_t alias_count;
	struct oracle_block blocks[ORACLE_BLOCKS];
	size_t block_count;
	struct model_life lives[ORACLE_LIVES]; /* site: index of sites here */
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

#endif
