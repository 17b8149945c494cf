/*
 * gc_watch.h - sees cycles of the VM's own collector begin and end.
 *
 * Two bytes of the VM tell: the white that new objects bear, which changes
 * when all has been marked, and the collector's state. They are compared at
 * every event, so that all is known to the event. A cycle is what was marked
 * to its end and swept to its end. It began, at the earliest, behind the last
 * event at which nothing was being marked: what the collector did between two
 * events may be more than one such thing, and the weakest is believed. Of
 * cycles between which there is no event at most two are seen.
 */
#ifndef LJMEMPROF_GC_WATCH_H
#define LJMEMPROF_GC_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct gc_watch {
	const uint8_t *at;   /* white and state; or a place that never moves */
	uint16_t seen;	     /* both, by the last look */
	bool known;	     /* mark_began is; else it was before us */
	bool sweeps;	     /* a cycle that was seen to begin */
	uint64_t mark_began; /* behind how many events */
	uint64_t cycle_began;
	uint8_t nothing[2];
};

/* The cycles that have ended; each began behind so many events. */
struct gc_ended {
	unsigned count;
	uint64_t began[2];
};

/*
 * Watches the two bytes, which must stay readable; sees nothing when they are
 * not those of a collector, or NULL.
 */
void gc_watch_open(struct gc_watch *w, const uint8_t *at);

/* What has ended when a look is due, before the event number events + 1. */
struct gc_ended gc_watch_look(struct gc_watch *w, uint64_t events);

static inline bool gc_watch_is_due(const struct gc_watch *w)
{
	uint16_t now;
	memcpy(&now, w->at, sizeof now);
	return now != w->seen;
}

#endif
