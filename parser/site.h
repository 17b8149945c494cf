/*
 * site.h - sites, each kept once.
 *
 * A site takes 40 bytes, and a place in the table 11 to 21. One thread.
 */
#ifndef MEMPARSE_SITE_H
#define MEMPARSE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "names.h"
#include "step.h"

#define SITE_BLOCK_LOG 8
#define SITE_MAX       OWNER_SITE_MAX
#define SITE_FULL      (MODEL_NO_SITE - 1)

/* What tells a site from others; see struct model_site. */
struct site {
	const char *text; /* interned: its address stands for it */
	uint64_t place;	  /* the line or the address, by kind or start_kind */
	uint64_t trace_number;
	uint32_t size; /* of text, in bytes */
	uint32_t alias;
	uint8_t kind, start_kind; /* enum model_site_kind */
	bool trace_has_start;
	uint32_t first_line; /* the same as there, not what tells it */
};

struct sites {
	struct site **blocks; /* of 1 << SITE_BLOCK_LOG sites */
	uint32_t count, block_cap;
	uint64_t *slots; /* hash in the upper half, index + 1, 0: free */
	uint32_t slot_cap;
	uint64_t seed;
};

/* Describes a site; its figures are zero. */
struct model_site sites_describe(const struct sites *s, uint32_t index);

/*
 * Finds the site that key describes, or adds it unless there are limit sites;
 * its figures are not looked at, and its name must be an interned one. Returns
 * the index, MODEL_NO_SITE without memory, SITE_FULL.
 */
uint32_t sites_intern(struct sites *s, const struct model_site *key,
		      uint32_t limit);

/* Finds or makes the site that a stored one describes; MODEL_NO_SITE. */
uint32_t sites_intern_stored(struct sites *s, struct names *n,
			     const struct model_site *stored);

/* Zeroed memory is an empty table. Back to that. */
void sites_clear(struct sites *s);

#endif
