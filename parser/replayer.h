/*
 * replayer.h - a second thread that replays what the first has made ready.
 *
 * The first thread fills rooms with steps and gives them away, in order; the
 * second one feeds them to a struct replay, or the first one when there is no
 * room left and the second is at other work, unless lives are handed out. From
 * replayer_start() on the struct is theirs, but for the time between a
 * replayer_settle() and the next replayer_give(). After an event that went
 * wrong nothing is replayed.
 */
#ifndef MEMPARSE_REPLAYER_H
#define MEMPARSE_REPLAYER_H

#include <stdbool.h>
#include <stddef.h>

#include "replay.h"

/* Steps that fit into a room; the rooms take 2 MiB. */
#define REPLAYER_ROOM 4096u
/* With less left in it, a room is as good as full. */
#define REPLAYER_LEAST 256u

struct replayer;

/* NULL when there can be no second thread. Borrows r. */
struct replayer *replayer_start(struct replay *r);

/*
 * Until the next replayer_settle() the second thread calls work(arg), first of
 * all: see model_share_work().
 */
void replayer_share(struct replayer *p, model_work_fn *work, void *arg);

/* There is other work again. */
void replayer_wake(struct replayer *p);

/* Replays a room on this thread. False: there is none, or it is being done. */
bool replayer_work(struct replayer *p);

/* A room to fill; waits for one. */
struct step *replayer_room(struct replayer *p);

/*
 * Gives away the room that replayer_room() returned, with so many steps.
 * Returns what has come of steps given before, as far as is known.
 */
enum model_result replayer_give(struct replayer *p, size_t count);

/* Waits until all is done and returns what has come of it. */
enum model_result replayer_settle(struct replayer *p);

/* Settles, ends the thread and frees; p may be NULL. */
void replayer_stop(struct replayer *p);

#endif
