/*
 * callsites_private.h - the tables inside, for callsites.c and
 * callsites_define.c.
 */
#ifndef MEMPARSE_CALLSITES_PRIVATE_H
#define MEMPARSE_CALLSITES_PRIVATE_H

#include "callsites.h"

/*
 * Finds or adds a frame; a path, as the newest of its site. There are no more
 * than limit of each. MODEL_NO_CALLSITE without memory, CALLSITES_FULL.
 */
uint32_t callsites_intern_frame(struct callsites *c, const struct frame *f,
				uint32_t limit);
uint32_t callsites_intern(struct callsites *c, const struct callsite *key,
			  uint32_t limit);

/* A name by its number, NAME_NONE is an empty one; aliases are of chunks. */
struct model_name callsites_name(const struct names *n, uint32_t number,
				 bool is_chunk);

#endif
