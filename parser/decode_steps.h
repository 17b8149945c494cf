/*
 * decode_steps.h - private to the decoder.
 */
#ifndef MEMPARSE_DECODE_STEPS_H
#define MEMPARSE_DECODE_STEPS_H

#include "decode.h"

/* Looked at for one event; with fewer before the end it is left alone. */
#define DECODE_STEP_BYTES 64

/*
 * struct decoder's heads, by the first byte of an event: how many integers its
 * location has, as the bit of that number. What starts no heap event is 0.
 */
#define DECODE_HEAD_NONE 1
#define DECODE_HEAD_ONE	 2
#define DECODE_HEAD_TWO	 4

/* The same as decode_steps(), but to events; returns how many. */
size_t decode_fast_events(struct decoder *d, struct decode_input *in,
			  struct decode_event *events, size_t cap);

#endif
