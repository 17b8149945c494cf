/*
 * baseline.h - a profile among those of the builds before it.
 *
 * The builds before are those of the same test: profiles that were stored
 * earlier and whose streams are complete, with the same labels but for build;
 * of each build the newest, and none of the profile's own build. What is known
 * of each line, by its signature, are its bytes and blocks alive at the end.
 *
 * One thread. Memory: 16 bytes a line and build.
 */
#ifndef MEMPARSE_BASELINE_H
#define MEMPARSE_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "change.h"
#include "suppressions.h"

/* More builds are not asked for. */
#define BASELINE_BUILDS_MAX 100

struct baseline_line {
	char *site;	 /* as printed, in the newest build that has it */
	char *signature; /* what it is known by; NULL for the sum of all */
	/* In each build, the oldest first, then in the judged one. */
	double *bytes, *blocks;
	unsigned suppression; /* that matches its name, from 1; 0: none */
	/* After baseline_judge(). */
	struct change_line change;
	double more; /* by how many bytes it holds more than its mean */
};

struct baseline {
	sqlite3 *db; /* borrowed */
	/* What each is called: build=1234, or else profile 7. */
	char *builds[BASELINE_BUILDS_MAX + 1];
	unsigned count; /* of the builds before; builds[count] is the judged */
	/*
	 * Those that hold something in any build. The first is the sum; once
	 * judged, the one that grew most follows.
	 */
	struct baseline_line *lines;
	size_t line_count, cap;
	size_t tested; /* lines that were judged, with the sum */
	/* What a frame hides of the judged build; no line has it. */
	uint64_t hidden_blocks, hidden_bytes;
	char error[512];
};

/*
 * Reads a profile and at most so many builds before it. label is KEY=VALUE,
 * which these bear instead of the profile's label of that key, or NULL.
 * Lines whose names suppressions match are not in the sum, blocks with such a
 * frame on their stack nowhere; they are counted. False on failure, b->error is
 * one line then. baseline_close() in any case.
 */
bool baseline_open(struct baseline *b, sqlite3 *db, int64_t profile,
		   const char *label, unsigned most,
		   struct suppressions *suppressions);
void baseline_close(struct baseline *b);

/*
 * Judges the lines that are not suppressed, if there are CHANGE_BUILDS; with
 * less they only get their means. Once. For a report the rows are then in the
 * temporary schema, and baseline_sql selects them. False on failure.
 */
bool baseline_judge(struct baseline *b, double rate);

extern const char baseline_sql[];

#endif
