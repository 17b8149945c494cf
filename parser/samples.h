/*
 * samples.h - the history of the heap in at most MODEL_SAMPLES points.
 *
 * A point at every multiple of an interval, which doubles, and every other
 * point goes, whenever the room is full.
 */
#ifndef MEMPARSE_SAMPLES_H
#define MEMPARSE_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

struct samples {
	uint64_t next; /* the event after which samples_regular() is due */
	uint64_t interval;
	size_t count;
	struct model_sample list[MODEL_SAMPLES];
};

/* Forgets all; the first sample is due after event 1. */
void samples_begin(struct samples *s);

/* Takes the sample that is due. */
void samples_regular(struct samples *s, struct model_sample now);

/* Takes one for the last event of all, unless it is there. */
void samples_last(struct samples *s, struct model_sample now);

#endif
