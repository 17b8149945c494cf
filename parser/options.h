/*
 * options.h - the command line, as what to do.
 */
#ifndef MEMPARSE_OPTIONS_H
#define MEMPARSE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "export.h"
#include "filter.h"
#include "gate_print.h"
#include "report.h"

/* Borrows the strings of argv. */
struct options {
	const char **operands; /* malloc'ed array; "-" is standard input */
	int operand_count;
	bool leak_only;
	bool human_readable;
	bool summary;
	bool dump;
	const char *output; /* NULL: no database is kept */
	const char *to_v3;  /* file of that stream; NULL: not asked for */
	const char *query;  /* name or file; NULL: the default text */
	enum report_format format;
	bool has_format;     /* --format was given */
	int64_t profile;     /* 0: the newest */
	uint64_t memory;     /* bytes; 0: --memory was not given */
	const char **params; /* malloc'ed array of NAME=VALUE, for the query */
	int param_count;
	const char **labels; /* malloc'ed array of KEY=VALUE */
	int label_count;
	bool one_profile;    /* all streams make one */
	const char *source;  /* directory of Lua sources, or NULL */
	bool list;	     /* the profiles of a database */
	const char *drop;    /* N, or KEY=VALUE; NULL: nothing */
	const char *compare; /* A..B; "": two streams; NULL: nothing */
	bool has_by;	     /* --by was given */
	bool by_stack;	     /* compare stacks */
	unsigned baseline;   /* builds before; 0: --baseline was not given */
	const char *baseline_label; /* KEY=VALUE that they bear, or NULL */
	uint64_t keep;		    /* profiles; 0: --keep was not given */
	struct filter filter;
	const char *export_path; /* NULL: no --export; "-" standard output */
	enum export_format export_format;
	enum export_metric metric;
	bool has_metric; /* --metric was given */
	struct gate_limits limits;
	enum gate_format document; /* instead of a report, unless GATE_NONE */
	/* What judges by the limits, if there are any: see job_gate_open(). */
	struct gate *gate;
};

/* In options_history.c: the values of --label and others. */
bool options_add_label(struct options *options, const char *value);
bool options_read_keep(struct options *options, const char *value);
bool options_read_by(struct options *options, const char *value);
/* Cuts the value in two. */
bool options_read_baseline(struct options *options, char *value);

/* Whether the options about the history go with the others. */
bool options_check_history(const struct options *options);

/* In options_help.c: prints what --help says, to standard output. */
void options_print_help(void);

enum options_result {
	OPTIONS_RUN,  /* *options says what */
	OPTIONS_DONE, /* --help, --version: it is on standard output */
	/* Wrong, and one line on standard error has said why. */
	OPTIONS_WRONG,
	OPTIONS_NO_MEMORY,
};

/* Reads the command line. options_clear() in any case. */
enum options_result options_read(struct options *options, int argc,
				 char **argv);
void options_clear(struct options *options);

#endif
