/*
 * decode_compact.h - the events of the compact stream. See decode.c, which
 * calls it; the grammar is in ljm_format.h.
 */
#ifndef MEMPARSE_DECODE_COMPACT_H
#define MEMPARSE_DECODE_COMPACT_H

#include "cursor.h"
#include "decode.h"

/* Takes one item with every check; TAKEN means that it is in *e. */
enum taken compact_take_item(struct cursor *c, struct decode_event *e);

/*
 * Decodes heap events from p on while there are bytes enough before end and
 * nothing is odd. Returns where it stopped.
 */
const uint8_t *compact_decode_fast(struct decoder *d, const uint8_t *p,
				   const uint8_t *end, bool pext,
				   struct decode_event *events, size_t cap,
				   size_t *count);

#endif
