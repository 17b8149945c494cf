/*
 * gc_watch.c - sees cycles of the VM's own collector begin and end.
 */
#include "gc_watch.h"

#include "vm_layout.h"

static bool is_plausible(const uint8_t at[2])
{
	uint8_t white = at[0] & 3;
	return (white == 1 || white == 2) && at[1] <= VM_GC_FINALIZE;
}

static bool is_marking(uint8_t state)
{
	return state == VM_GC_PROPAGATE || state == VM_GC_ATOMIC;
}

/* In the atomic phase it is not certain of which cycle that is. */
static bool is_swept(uint8_t state)
{
	return state == VM_GC_PAUSE || state == VM_GC_PROPAGATE ||
	       state == VM_GC_FINALIZE;
}

void gc_watch_open(struct gc_watch *w, const uint8_t *at)
{
	memset(w, 0, sizeof *w);
	w->at = at && is_plausible(at) ? at : w->nothing;
	memcpy(&w->seen, w->at, sizeof w->seen);
}

static void end_cycle(struct gc_watch *w, struct gc_ended *ended)
{
	if (w->sweeps)
		ended->began[ended->count++] = w->cycle_began;
	w->sweeps = false;
}

struct gc_ended gc_watch_look(struct gc_watch *w, uint64_t events)
{
	struct gc_ended ended = {0, {0, 0}};
	uint8_t before[2], now[2];
	memcpy(before, &w->seen, sizeof before);
	memcpy(now, w->at, sizeof now);
	memcpy(&w->seen, now, sizeof now);
	if (now[0] != before[0]) {
		if (!is_plausible(now) || (now[0] ^ before[0]) != 3) {
			gc_watch_open(w, NULL); /* such as lua_close() */
			return ended;
		}
		end_cycle(w, &ended);
		w->sweeps = w->known || !is_marking(before[1]);
		w->cycle_began = is_marking(before[1]) ? w->mark_began : events;
		w->known = false;
	}
	if (is_swept(now[1]))
		end_cycle(w, &ended);
	if (!is_marking(now[1])) {
		w->known = false;
	} else if (now[0] != before[0] || !is_marking(before[1])) {
		w->known = true;
		w->mark_began = events;
	}
	return ended;
}
