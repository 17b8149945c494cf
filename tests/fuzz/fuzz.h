/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is a program of one function, LLVMFuzzerTestOneInput(); libFuzzer
 * drives it, or replay.c does, over a corpus and its close neighbours.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"
#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True in replay.c, where every run counts; libFuzzer's are to be quick. */
extern const bool fuzz_thorough;

/* Fails in every build. */
#define CHECK(condition)                                                       \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #condition);                         \
			abort();                                               \
		}                                                              \
	} while (0)

/*
 * Feeds a stream into a model, so many bytes and events at a time. True when
 * it was not refused in the middle.
 */
bool fuzz_feed(struct model *m, const uint8_t *data, size_t size,
	       size_t bytes_step, size_t events_step);

/* Checks that the figures of a model agree with each other. */
void fuzz_check_model(const struct model *m);

#endif
