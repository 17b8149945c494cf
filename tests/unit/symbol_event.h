/*
 * symbol_event.h - a symbol of a stream, for tests.
 */
#ifndef TESTS_SYMBOL_EVENT_H
#define TESTS_SYMBOL_EVENT_H

#include <string.h>

#include "decode.h"

/* A prototype's, whose first line is 1, or a C function's. Borrows the name. */
static inline struct decode_event symbol_event(unsigned source,
					       uint64_t address,
					       const char *name)
{
	return (struct decode_event){.kind = LJM_KIND_SYMBOL,
				     .source = (uint8_t)source,
				     .address = address,
				     .line = 1,
				     .name = name,
				     .name_size = strlen(name)};
}

#endif
