/*
 * replayer.h - a second thread that replays what the first has made ready.
 *
 * The first thread fills rooms with events and gives them away, in order; the
 * second one feeds them to a struct replay, which is its own from
 * replayer_start() on, but for the time between a replayer_settle() and the
 * next replayer_give(). After an event that went wrong nothing is replayed.
 */
#ifndef MEMPARSE_REPLAYER_H
#define MEMPARSE_REPLAYER_H

#include <stddef.h>

#include "replay.h"

/* Events that fit into a room; the rooms take 640 KiB. */
#define REPLAYER_ROOM 4096u

struct replayer;

/* NULL when there can be no second thread. Borrows r. */
struct replayer *replayer_start(struct replay *r);

/* A room to fill; waits for one. */
struct replay_event *replayer_room(struct replayer *p);

/*
 * Gives away the room that replayer_room() returned, with so many events.
 * Returns what has come of events given before, as far as is known.
 */
enum model_result replayer_give(struct replayer *p, size_t count);

/* Waits until all is done and returns what has come of it. */
enum model_result replayer_settle(struct replayer *p);

/* Settles, ends the thread and frees; p may be NULL. */
void replayer_stop(struct replayer *p);

#endif
