/*
 * replay_private.h - a replay inside, for replay.c and replay_ops.c.
 */
#ifndef MEMPARSE_REPLAY_PRIVATE_H
#define MEMPARSE_REPLAY_PRIVATE_H

#include "replay.h"

/* Applies any step. Without memory nothing of it has been applied. */
enum model_result replay_apply(struct replay *r, const struct replay_op *op);

/* Takes the sample that is due after the event at hand, if it is. */
void replay_take_sample(struct replay *r);

#endif
