/*
 * replay_private.h - a replay inside, for replay.c and replay_steps.c.
 */
#ifndef MEMPARSE_REPLAY_PRIVATE_H
#define MEMPARSE_REPLAY_PRIVATE_H

#include "replay.h"

/* Applies any step. Without memory nothing of it has been applied. */
enum model_result replay_apply(struct replay *r, const struct step *step);

/* Counts a death at its override. False without memory: nothing has changed. */
bool replay_count_death(struct replay *r, uint64_t key, uint64_t bytes,
			uint64_t event);

/* Notes a birth if it is the first of an owner's site, which can be written. */
void replay_note_site(struct replay *r, uint32_t owner, uint64_t event);

/* Takes the sample that is due after the event at hand, if it is. */
void replay_take_sample(struct replay *r);

#endif
