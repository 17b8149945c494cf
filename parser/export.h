/*
 * export.h - a stored profile, in the formats of other tools.
 *
 * What is exported is the tree of callsites of the views: of one profile of
 * an open database, as a whole or as the views' filters show it.
 */
#ifndef MEMPARSE_EXPORT_H
#define MEMPARSE_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <sqlite3.h>

enum export_format {
	EXPORT_PPROF,	   /* gzip of pprof's protocol buffer; all metrics */
	EXPORT_COLLAPSED,  /* a line for each stack; one metric */
	EXPORT_SPEEDSCOPE, /* JSON; all metrics */
	EXPORT_DOT,	   /* call graph for GraphViz; one metric */
	EXPORT_SVG,	   /* the same, drawn by GraphViz' dot */
};

/* What is counted: alive at the end, or begun at all; bytes, or blocks. */
enum export_metric {
	EXPORT_INUSE_SPACE,
	EXPORT_INUSE_OBJECTS,
	EXPORT_ALLOC_SPACE,
	EXPORT_ALLOC_OBJECTS,
};
#define EXPORT_METRICS 4

enum export_result {
	EXPORT_OK,
	/* The database is not in order. */
	EXPORT_REFUSED,
	/* The system refused, or there is no dot; nothing has been written. */
	EXPORT_FAILED,
};

#define EXPORT_ERROR_SIZE 512

/*
 * Exports profile to the file at path, see output_file.h; errors of standard
 * output's buffer are the caller's to look for. metric is the one of a format
 * that has one, and the first to show of one that has all. On failure error,
 * of EXPORT_ERROR_SIZE bytes, has one line.
 *
 * Memory: the profile's frames with their names, some 100 bytes a callsite.
 */
enum export_result export_profile(sqlite3 *db, int64_t profile,
				  enum export_format format,
				  enum export_metric metric, const char *path,
				  char *error);

/* The words of the command line for formats and metrics; NULL after them. */
const char *export_format_name(unsigned i);
const char *export_metric_name(unsigned i);

#endif
