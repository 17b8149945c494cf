/*
 * job_query.c - the rows of a query.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ljm_format.h"
#include "message.h"

/* A query of more bytes than this is some other file. */
#define QUERY_MAX (1u << 20)

/* ---- its text */

static enum memparse_status unknown_query(const char *query)
{
	const char *name, *question;
	char names[512] = "";
	size_t size = 0;

	for (unsigned i = 0; report_list(i, &name, &question) >= 0; i++)
		size += (size_t)snprintf(
			names + size,
			size < sizeof(names) ? sizeof(names) - size : 0, "%s%s",
			i == 0 ? "" : ", ", name);
	message(NULL, "unknown query '%s': name a file, or one of %s", query,
		names);
	return MEMPARSE_USAGE;
}

static enum memparse_status read_query(const char *path, FILE *file, char **sql)
{
	char *const text = malloc(QUERY_MAX + 1);
	size_t size;

	if (text == NULL)
		return job_no_memory();
	size = fread(text, 1, QUERY_MAX, file);
	if (ferror(file)) {
		message(path, "%s", strerror(errno));
		free(text);
		return MEMPARSE_SYSTEM;
	}
	if (size == QUERY_MAX || memchr(text, '\0', size) != NULL) {
		message(path, "not a query: one SELECT is wanted");
		free(text);
		return MEMPARSE_USAGE;
	}
	text[size] = '\0';
	*sql = text;
	return MEMPARSE_DONE;
}

enum memparse_status job_load_query(const char *query, char **sql)
{
	const char *const inside = report_find(query);
	enum memparse_status status;
	FILE *file;

	*sql = NULL;
	if (inside != NULL) {
		*sql = strdup(inside);
		return *sql != NULL ? MEMPARSE_DONE : job_no_memory();
	}
	file = fopen(query, "re");
	if (file == NULL && errno == ENOENT && strpbrk(query, "/.") == NULL)
		return unknown_query(query);
	if (file == NULL) {
		message(query, "%s", strerror(errno));
		return MEMPARSE_SYSTEM;
	}
	status = read_query(query, file, sql);
	fclose(file);
	return status;
}

static enum report_result set_params(struct report *r,
				     const struct job_params *params)
{
	enum report_result result = REPORT_OK;

	for (int i = 0; result == REPORT_OK && i < params->count; i++)
		result = report_param(r, params->list[i]);
	return result;
}

/* The first folder in which SQLite can write, in its order. */
static const char *temporary_folder(void)
{
	const char *const folders[] = {getenv("SQLITE_TMPDIR"),
				       getenv("TMPDIR"), "/var/tmp", "/usr/tmp",
				       "/tmp"};
	struct stat st;

	for (unsigned i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (folders[i] != NULL && stat(folders[i], &st) == 0 &&
		    S_ISDIR(st.st_mode) && access(folders[i], W_OK | X_OK) == 0)
			return folders[i];
	return ".";
}

/* A query writes nothing but what it sorts. */
static void say_why(const char *name, const struct report *r)
{
	const int error = sqlite3_extended_errcode(r->db);

	if ((error & 0xff) == SQLITE_FULL || error == SQLITE_IOERR_WRITE)
		message(name, "temporary files in %s: %s", temporary_folder(),
			r->error);
	else
		message(name, "%s", r->error);
}

enum report_result job_print_rows(const struct options *options, sqlite3 *db,
				  const char *name, const char *sql,
				  const struct job_params *params,
				  int64_t profile)
{
	struct report r = {0};
	enum report_result result = report_prepare(&r, db, sql);

	if (result == REPORT_OK)
		result = set_params(&r, params);
	if (result == REPORT_OK)
		result = report_print(&r, profile, options->format, stdout);
	if (result != REPORT_OK)
		say_why(name, &r);
	report_close(&r);
	return result;
}

/* ---- a query that was asked for */

static struct job_params params_of(const struct options *options)
{
	return (struct job_params){options->params, options->param_count};
}

/* One that is wrong is the user's. */
static enum memparse_status status_of(enum report_result result)
{
	if (result == REPORT_OK)
		return MEMPARSE_DONE;
	return result == REPORT_WRONG ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

enum memparse_status job_check_query(const struct options *options,
				     const char *sql, bool *needs_blocks)
{
	const struct job_params params = params_of(options);
	struct store *store = NULL;
	struct report r = {0};
	enum report_result result;

	*needs_blocks = false;
	if (sql == NULL)
		return MEMPARSE_DONE;
	if (store_open(&store, NULL, true) != STORE_OK) {
		message(NULL, "%s",
			store ? store_error(store) : "out of memory");
		store_close(store);
		return MEMPARSE_SYSTEM;
	}
	result = report_prepare(&r, store_database(store), sql);
	if (result == REPORT_OK)
		result = set_params(&r, &params);
	*needs_blocks = r.needs_blocks;
	if (result != REPORT_OK)
		message(options->query, "%s", r.error);
	report_close(&r);
	store_close(store);
	return status_of(result);
}

/* A comparison of a single profile would call all of it new. */
static void remark_single(const struct options *options, sqlite3 *db,
			  const char *name)
{
	const char *const query = options->query;
	sqlite3_stmt *stmt = NULL;

	if (query == NULL || options->param_count != 0 ||
	    (strcmp(query, "compare") && strcmp(query, "compare_stacks")))
		return;
	if (sqlite3_prepare_v2(db, "SELECT count(*) FROM profile", -1, &stmt,
			       NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW &&
	    sqlite3_column_int64(stmt, 0) == 1)
		message(name, "warning: there is nothing to compare it with: "
			      "see --compare");
	sqlite3_finalize(stmt);
}

/* Prints or exports what the filters leave. */
static enum memparse_status print(const struct options *options, sqlite3 *db,
				  const char *name, const char *sql,
				  int64_t profile)
{
	enum memparse_status status = job_filter(options, db, name, profile);
	const struct job_params params = params_of(options);

	if (status == MEMPARSE_DONE)
		status = job_gate_add(options, db, name, profile);
	if (status != MEMPARSE_DONE)
		return status;
	remark_single(options, db, name);
	if (sql == NULL)
		return job_export(options, db, name, profile);
	return status_of(job_print_rows(options, db, options->query, sql,
					&params, profile));
}

/* ---- on a database */

static enum memparse_status query_open(const struct options *options,
				       struct store_reader *r, const char *path,
				       const char *sql, int64_t profile)
{
	bool needs_blocks = false, summary = false, complete = true;
	/* What was just stored has been remarked on. */
	void *const whose = options->output == NULL ? (void *)path : NULL;
	enum memparse_status status;
	enum store_result result;

	status = job_check_query(options, sql, &needs_blocks);
	if (status != MEMPARSE_DONE)
		return status;
	/* What is asked of all profiles is no remark on the newest. */
	if (options->list)
		return print(options, r->db, path, sql, 0);
	result = store_read_choose(r, &profile, &summary);
	if (result == STORE_OK && needs_blocks && summary) {
		message(path,
			"profile %lld has no rows of single blocks, "
			"which %s needs: ingest without --summary",
			(long long)profile, options->query);
		return MEMPARSE_USAGE;
	}
	if (result == STORE_OK &&
	    !store_read_remarks(r, profile, &complete, job_remark, whose))
		result = STORE_FAILED;
	if (result != STORE_OK)
		return job_fail_reader(r, path, result);
	return job_worse(complete ? MEMPARSE_DONE : MEMPARSE_CONTENT,
			 print(options, r->db, path, sql, profile));
}

enum memparse_status job_query_database(const struct options *options,
					const char *path, const char *sql,
					int64_t profile)
{
	struct store_reader r;
	const enum store_result result = store_read_open(&r, path);
	enum memparse_status status;

	if (result == STORE_OK)
		status = query_open(options, &r, path, sql, profile);
	else
		status = job_fail_reader(&r, path, result);
	store_read_close(&r);
	return status;
}

/* ---- on streams: through a database that vanishes */

/*
 * What messages call that database: when its folder is full, people must know
 * which one it is. Without rows of blocks it is in memory.
 */
static const char *temporary_name(bool needs_blocks)
{
	static char name[512];

	snprintf(name, sizeof(name), "temporary database%s%s",
		 needs_blocks ? " in " : "",
		 needs_blocks ? temporary_folder() : "");
	return name;
}

/* Feeds an open input and the other operands into one profile. */
static enum memparse_status read_streams(const struct options *options,
					 struct job_input *in, int count,
					 struct model *model,
					 struct store *store)
{
	const bool several = count > 1;
	const char *const name = in->store_name;
	enum memparse_status status = MEMPARSE_DONE, ended = MEMPARSE_DONE;
	struct store_profile profile = {
		.source = several ? "several streams" : in->path,
		.version = MEMPARSE_VERSION_STRING,
	};

	for (int i = 0; status == MEMPARSE_DONE; i++) {
		status = job_input_read(in, model, store);
		ended = job_worse(ended, in->ended);
		if (status != MEMPARSE_DONE || i + 1 >= count)
			break;
		job_input_close(in);
		status = job_input_open(options, in, options->operands[i + 1],
					name);
		if (status == MEMPARSE_DONE && in->is_database) {
			message(in->path, "a query reports on one database, "
					  "or on streams");
			status = MEMPARSE_USAGE;
		}
	}
	if (status != MEMPARSE_DONE)
		return status;
	profile.symtab_version = in->ingest.symtab_version;
	profile.events_version = in->ingest.events_version;
	profile.complete = ended == MEMPARSE_DONE;
	profile.end_offset = in->ingest.offset;
	profile.end_reason = profile.complete ? NULL : in->ingest.error;
	profile.warnings = in->warnings;
	profile.warning_count = in->warning_count;
	if (!store_profile(store, model, &profile) || !store_commit(store)) {
		message(name, "%s", store_error(store));
		return MEMPARSE_SYSTEM;
	}
	return ended;
}

enum memparse_status job_load_streams(const struct options *options,
				      struct job_input *in, int count,
				      bool blocks, struct store **store)
{
	enum memparse_status status;
	struct model *model = NULL;

	*store = NULL;
	in->store_name = temporary_name(blocks);
	if (store_open(store, NULL, !blocks) != STORE_OK ||
	    !store_begin(*store)) {
		message(in->store_name, "%s",
			*store ? store_error(*store) : "out of memory");
		return MEMPARSE_SYSTEM;
	}
	model = job_model(options, blocks ? store_life : NULL, *store);
	status = model != NULL ? read_streams(options, in, count, model, *store)
			       : job_no_memory();
	model_free(model);
	return status;
}

/* Only the compact stream has marks, by which pprof can tell blocks apart. */
static bool has_phases(const struct options *options,
		       const struct job_input *in)
{
	static const unsigned char head[] = {'l', 'j', 'm',
					     LJM_COMPACT_VERSION};
	const size_t behind = LJM_PROLOGUE_SIZE + 1;

	return options->export_path != NULL &&
	       options->export_format == EXPORT_PPROF &&
	       in->source->size >= behind + sizeof(head) &&
	       memcmp(in->source->window + behind, head, sizeof(head)) == 0;
}

static enum memparse_status query_streams(const struct options *options,
					  struct job_input *in, const char *sql)
{
	struct store *store = NULL;
	enum memparse_status status;
	int64_t first, last;
	bool needs_blocks;

	status = job_check_query(options, sql, &needs_blocks);
	if (status != MEMPARSE_DONE)
		return status;
	needs_blocks = needs_blocks || job_parts_need_blocks(options) ||
		       has_phases(options, in);
	status = job_load_streams(options, in, options->operand_count,
				  needs_blocks, &store);
	if (status == MEMPARSE_DONE || status == MEMPARSE_CONTENT) {
		store_profiles(store, &first, &last);
		status = job_worse(status, print(options, store_database(store),
						 in->path, sql, last));
	}
	store_close(store);
	return status;
}

enum memparse_status job_query(const struct options *options)
{
	enum memparse_status status = MEMPARSE_DONE;
	struct job_input in = {0};
	char *sql = NULL;

	if (options->query != NULL)
		status = job_load_query(options->query, &sql);
	if (status == MEMPARSE_DONE)
		status = job_input_open(options, &in, options->operands[0],
					NULL);
	if (status != MEMPARSE_DONE) {
		/* It has been said why. */
	} else if (in.is_database && options->operand_count > 1) {
		message(in.path, "a query reports on one database, or on "
				 "streams");
		status = MEMPARSE_USAGE;
	} else if (in.is_database) {
		status = job_query_database(options, in.path, sql,
					    options->profile);
	} else if (options->profile != 0) {
		message(in.path, "--profile goes with a database");
		status = MEMPARSE_USAGE;
	} else {
		status = query_streams(options, &in, sql);
	}
	job_input_close(&in);
	free(sql);
	return status;
}
