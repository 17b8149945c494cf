/*
 * replay.h - a stream replayed and written down like NAME.truth.tsv.
 *
 * The first line has the versions, the totals and how the stream ended, the
 * second names the columns, then comes a line per site: as truth.tsv has it,
 * which counts blocks from before the recording among the others.
 */
#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include <stdint.h>
#include <stdio.h>

/*
 * Replays the file at path. A stream cut inside an item is said to be cut at
 * expected_cut if that is in the item, else where the item begins. Returns
 * NULL, or what went wrong.
 */
const char *replay_print(const char *path, uint64_t expected_cut, FILE *out);

#endif
