/*
 * samples.c - the history of the heap.
 */
#include "samples.h"

void samples_begin(struct samples *s)
{
	s->count = 0;
	s->interval = 1;
	s->next = 1;
}

/* Keeps the samples at multiples of twice the interval. */
static void thin(struct samples *s)
{
	s->interval *= 2;
	s->count /= 2;
	for (size_t i = 0; i < s->count; i++)
		s->list[i] = s->list[2 * i + 1];
}

void samples_regular(struct samples *s, struct model_sample now)
{
	if (s->count == MODEL_SAMPLES)
		thin(s);
	if (now.event % s->interval == 0)
		s->list[s->count++] = now;
	s->next = (now.event / s->interval + 1) * s->interval;
}

void samples_last(struct samples *s, struct model_sample now)
{
	if (s->count != 0 && s->list[s->count - 1].event == now.event)
		return;
	if (s->count == MODEL_SAMPLES)
		thin(s);
	s->list[s->count++] = now;
}
