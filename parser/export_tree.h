/*
 * export_tree.h - the callsites of a profile as a tree in memory.
 *
 * Frames that print alike are one frame, and paths that print alike one node:
 * other tools know frames by their names.
 */
#ifndef MEMPARSE_EXPORT_TREE_H
#define MEMPARSE_EXPORT_TREE_H

#include "export.h"

#define EXPORT_NO_NODE UINT32_MAX

/* All texts are printable UTF-8 and end with a zero. */
struct export_frame {
	char *name;	/* function (chunk:line); tells frames apart */
	char *function; /* its name, where it begins, or name; never NULL */
	char *file;	/* the chunk without its "@", NULL if there is none */
	bool named;	/* function is a name, not a place */
	int64_t first_line, line; /* 0: not known */
};

struct export_node {
	uint32_t parent; /* an earlier node, or EXPORT_NO_NODE */
	uint32_t frame;
	uint32_t depth;			/* from 1 */
	int64_t values[EXPORT_METRICS]; /* of exactly this path */
};

/* What a path did in one phase of the program. */
struct export_sample {
	uint32_t node;
	uint32_t phase; /* 0: before the first mark, else index + 1 */
	int64_t values[EXPORT_METRICS];
};

struct export_tree {
	struct export_frame *frames; /* in the order of their names */
	uint32_t frame_count;
	struct export_node *nodes; /* a parent comes before its children */
	uint32_t node_count;
	uint32_t depth; /* of the deepest node */
	int64_t totals[EXPORT_METRICS];
	/* The labels of marks, and what was between them; see below. */
	char **phases;
	uint32_t phase_count;
	struct export_sample *samples;
	size_t sample_count;
	char *title;		       /* where the profile is from */
	char *vm;		       /* what recorded it, or NULL */
	int64_t start_us, duration_us; /* since 1970, 0: not known */
};

/*
 * Reads a profile. Zeroed memory is no tree; export_tree_free() in any case.
 * On failure error has one line. Phases are read if they are wanted, and if
 * there are marks and rows of single blocks; else there are no samples.
 */
enum export_result export_tree_read(struct export_tree *t, sqlite3 *db,
				    int64_t profile, bool phases, char *error);
void export_tree_free(struct export_tree *t);

/*
 * The frames of the path to a node, the innermost first, into room for
 * t->depth. Returns how many.
 */
uint32_t export_path(const struct export_tree *t, uint32_t node,
		     uint32_t *frames);

/*
 * ---- the formats; each writes all to out and returns false with an error
 * when memory or SQLite fail. Errors of out are the caller's to look for, but
 * for pprof, which writes to a file descriptor and tells them.
 */
bool export_pprof(const struct export_tree *t, enum export_metric metric,
		  int fd, char *error);
bool export_collapsed(const struct export_tree *t, enum export_metric metric,
		      FILE *out, char *error);
bool export_speedscope(const struct export_tree *t, enum export_metric metric,
		       sqlite3 *db, FILE *out, char *error);
bool export_dot(const struct export_tree *t, enum export_metric metric,
		FILE *out, char *error);

/* Says that there is no memory; returns false. */
bool export_no_memory(char *error);

#endif
