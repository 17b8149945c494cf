/*
 * job.h - the things memparse can be asked to do, one function each.
 *
 * Each says on standard error what went wrong and returns the exit status;
 * main.c looks after standard output's own errors.
 */
#ifndef MEMPARSE_JOB_H
#define MEMPARSE_JOB_H

#include "memparse.h"
#include "options.h"

/* The default text over all operands, streams and databases. */
enum memparse_status job_text(const struct options *options);

/* Stores the operands; then a report on them, if one was asked for. */
enum memparse_status job_store(const struct options *options);

/* The rows of a query, or an export, of a database or all streams as one. */
enum memparse_status job_query(const struct options *options);

/* Two streams, or profiles of a database, side by side. */
enum memparse_status job_compare(const struct options *options);

/* A profile of a database, and the builds before it. */
enum memparse_status job_baseline(const struct options *options);

/* Drops profiles of a database. */
enum memparse_status job_history(const struct options *options);

/* All events of all operands. */
enum memparse_status job_dump(const struct options *options);

/* The operand as a stream of version 3. */
enum memparse_status job_to_v3(const struct options *options);

/* ---- what the jobs share */

/* Is the file at path one that is read? Not "-", nor a pipe or device. */
bool job_is_operand(const struct options *options, const char *path);

/* An errno that says why standard output failed, for who reports that. */
void job_note_output_error(int error);
int job_output_error(void); /* the first one, or 0 */

/* A file to read. Zeroed memory is none; job_input_close() in any case. */
struct job_input {
	const char *path;
	const char *store_name; /* for messages about the store, if any */
	struct source *source;
	bool is_database;
	struct ingest ingest;
	enum memparse_status ended; /* DONE, or CONTENT when cut or corrupt */
	const char *warnings[INGEST_WARNINGS];
	char warning_texts[INGEST_WARNINGS][INGEST_WARNING_SIZE];
	unsigned warning_count;
};

/*
 * Opens path and looks at what it is. DONE, USAGE or SYSTEM. store_name is
 * what messages call the database that it will be stored in, or NULL.
 */
enum memparse_status job_input_open(const struct options *options,
				    struct job_input *in, const char *path,
				    const char *store_name);

/* A model for streams, as large as --memory allows; NULL without memory. */
struct model *job_model(const struct options *options, model_life_fn *on_life,
			void *arg);

/*
 * Feeds a stream into a model, and if store is not NULL the model into it,
 * with the end of the stream; says what there is to say about it. DONE also
 * for a stream that is cut: see in->ended. SYSTEM: nothing of it counts.
 */
enum memparse_status job_input_read(struct job_input *in, struct model *model,
				    struct store *store);

void job_input_close(struct job_input *in);

/* Shows how far the input is that is arg; false when a signal came. */
bool job_input_keep_on(void *arg, const struct source *source);

/*
 * The text of a query: of queries/ or of a file. DONE and *sql, which the
 * caller frees; or why not.
 */
enum memparse_status job_load_query(const char *query, char **sql);

/* Reports on a stored profile, 0 the newest: rows, an export without sql. */
enum memparse_status job_query_database(const struct options *options,
					const char *path, const char *sql,
					int64_t profile);

/* Parameters of a query, each NAME=VALUE. */
struct job_params {
	const char *const *list;
	int count;
};

/*
 * Prints the rows of a query on a stored profile, 0 the newest, in the format
 * that was chosen. What went wrong has been said, of the name.
 */
enum report_result job_print_rows(const struct options *options, sqlite3 *db,
				  const char *name, const char *sql,
				  const struct job_params *params,
				  int64_t profile);

/* USAGE if no profile bears the selector: a number, or KEY=VALUE. */
enum memparse_status job_check_selector(sqlite3 *db, const char *name,
					const char *selector);

/* Prints the default text of a model. */
enum memparse_status job_print_text(const struct options *options,
				    const struct model *model);

/*
 * Adds a stored profile, 0 the newest; CONTENT if its stream was cut. told:
 * what is to be remarked on it has been said when it was stored.
 */
enum memparse_status job_read_database(const struct options *options,
				       const char *path, int64_t profile,
				       bool told, struct model *model);

/*
 * Finds out whether the query needs rows of blocks: USAGE if it, or a
 * parameter, is wrong. An export, whose sql is NULL, needs none.
 */
enum memparse_status job_check_query(const struct options *options,
				     const char *sql, bool *needs_blocks);

/*
 * Feeds an open input, and of the operands those behind the first up to
 * count, into one profile of a database that vanishes with the store. The
 * caller closes *store in any case. DONE, CONTENT, or why not.
 */
enum memparse_status job_load_streams(const struct options *options,
				      struct job_input *in, int count,
				      bool blocks, struct store **store);

/* Do filters or limits need the rows of single blocks? */
static inline bool job_parts_need_blocks(const struct options *options)
{
	return filter_is_any(&options->filter) || options->limits.growing;
}

/* Filters a profile as the options say; name is what messages call it. */
enum memparse_status job_filter(const struct options *options, sqlite3 *db,
				const char *name, int64_t profile);

/* Exports a profile as the options say. */
enum memparse_status job_export(const struct options *options, sqlite3 *db,
				const char *name, int64_t profile);

/*
 * The limits, with any of the jobs: before it, for each profile that is
 * reported, as filtered, and after it with its status. Without limits they do
 * nothing. Closing says what is exceeded if the status is DONE or CONTENT.
 */
enum memparse_status job_gate_open(struct options *options);
enum memparse_status job_gate_add(const struct options *options, sqlite3 *db,
				  const char *name, int64_t profile);
/*
 * The limits of a comparison of base and head: EXCEEDED, and it has been said
 * why; before is what to call the older side.
 */
enum memparse_status job_growth(const struct options *options, sqlite3 *db,
				const char *name, const char *base,
				const char *head, const char *before);
enum memparse_status job_gate_close(struct options *options,
				    enum memparse_status status);

/*
 * Is the directory of --source, if one is given, one that files can be read
 * from? DONE, or SYSTEM: without it every line would seem to be a new one.
 */
enum memparse_status job_check_source(const struct options *options);

/* Says that there is no memory. */
enum memparse_status job_no_memory(void);

/* Says why a database could not be read. */
enum memparse_status job_fail_reader(const struct store_reader *r,
				     const char *path,
				     enum store_result result);

/* A remark on a stored profile, said of the path that is arg, if any. */
void job_remark(void *arg, const char *text);

/* The worse of two. */
static inline enum memparse_status job_worse(enum memparse_status a,
					     enum memparse_status b)
{
	return a > b ? a : b;
}

/*
 * From here to job_release_signals(), ^C and its kin remove a new database
 * that is not finished, or roll back what was being added, before they end
 * the process.
 */
void job_catch_signals(void);
void job_release_signals(void);

/* False when such a signal came: stop, clean up, job_release_signals(). */
bool job_keep_on(void);

#endif
