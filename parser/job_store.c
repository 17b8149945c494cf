/*
 * job_store.c - streams into a database that stays.
 */
#include "job.h"

#include <stdlib.h>

#include "message.h"

static enum memparse_status fail_store(const struct options *options,
				       const struct store *store,
				       enum store_result result)
{
	/* What a signal stopped needs no explanation. */
	if (job_keep_on())
		message(options->output, "%s",
			store ? store_error(store) : "out of memory");
	return result == STORE_REFUSED ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

/* Stores an open stream as a profile. */
static enum memparse_status store_one(const struct options *options,
				      struct job_input *in, struct store *store)
{
	struct model *model;
	enum memparse_status status;
	struct store_profile profile = {
		.source = in->path,
		.version = MEMPARSE_VERSION_STRING,
		.warnings = in->warnings,
	};

	if (!store_begin(store))
		return fail_store(options, store, STORE_FAILED);
	model = job_model(options, options->summary ? NULL : store_life, store);
	if (model == NULL)
		return job_no_memory();
	status = job_input_read(in, model, store);
	if (status == MEMPARSE_DONE) {
		profile.symtab_version = in->ingest.symtab_version;
		profile.events_version = in->ingest.events_version;
		profile.complete = in->ended == MEMPARSE_DONE;
		profile.end_offset = in->ingest.offset;
		profile.end_reason = profile.complete ? NULL : in->ingest.error;
		profile.warning_count = in->warning_count;
		if (!store_profile(store, model, &profile))
			status = fail_store(options, store, STORE_FAILED);
	}
	model_free(model);
	return status;
}

static bool counts(enum memparse_status status)
{
	return status == MEMPARSE_DONE || status == MEMPARSE_CONTENT;
}

/* Stores all operands or, for a status that does not count, none. */
static enum memparse_status store_all(const struct options *options,
				      struct store *store)
{
	enum memparse_status status = MEMPARSE_DONE;

	for (int i = 0; i < options->operand_count && counts(status); i++) {
		struct job_input in;
		enum memparse_status one = job_input_open(
			options, &in, options->operands[i], options->output);

		if (one == MEMPARSE_DONE && in.is_database) {
			message(in.path, "a database cannot be stored in "
					 "another one");
			one = MEMPARSE_USAGE;
		}
		if (one == MEMPARSE_DONE)
			one = store_one(options, &in, store);
		if (one == MEMPARSE_DONE)
			one = in.ended;
		status = job_worse(status, one);
		job_input_close(&in);
	}
	if (counts(status) && !job_keep_on())
		status = MEMPARSE_SYSTEM;
	if (counts(status) && !store_commit(store))
		status = fail_store(options, store, STORE_FAILED);
	return status;
}

/* Prints what was asked for, of the profiles from first to last. */
static enum memparse_status report_stored(const struct options *options,
					  const char *sql, int64_t first,
					  int64_t last)
{
	enum memparse_status status = MEMPARSE_DONE;
	struct model *model;

	if (sql != NULL || options->export_path != NULL)
		return job_query_database(options, options->output, sql, last);
	model = model_new(NULL, NULL);
	if (model == NULL)
		return job_no_memory();
	for (int64_t id = first; id <= last && counts(status); id++)
		status = job_worse(status,
				   job_read_database(options, options->output,
						     id, true, model));
	if (counts(status))
		status = job_worse(status, job_print_text(options, model));
	model_free(model);
	return status;
}

/* Before any work: is there a query, and will there be rows for it? */
static enum memparse_status prepare_query(const struct options *options,
					  char **sql)
{
	enum memparse_status status;
	bool needs_blocks;

	*sql = NULL;
	if (options->query == NULL)
		return MEMPARSE_DONE;
	status = job_load_query(options->query, sql);
	if (status == MEMPARSE_DONE)
		status = job_check_query(options, *sql, &needs_blocks);
	if (status == MEMPARSE_DONE && needs_blocks && options->summary) {
		message(NULL,
			"%s needs the rows of single blocks: ingest "
			"without --summary",
			options->query);
		status = MEMPARSE_USAGE;
	}
	return status;
}

enum memparse_status job_store(const struct options *options)
{
	struct store *store = NULL;
	enum memparse_status status;
	enum store_result result;
	int64_t first = 0, last = 0;
	char *sql;

	status = prepare_query(options, &sql);
	if (status != MEMPARSE_DONE) {
		free(sql);
		return status;
	}
	job_catch_signals();
	result = store_open(&store, options->output, options->summary);
	if (result == STORE_OK)
		status = store_all(options, store);
	else
		status = fail_store(options, store, result);
	if (store != NULL && counts(status))
		store_profiles(store, &first, &last);
	store_close(store);
	job_release_signals();
	if (counts(status) && (sql != NULL || options->export_path != NULL ||
			       options->leak_only || options->has_format))
		status = job_worse(status,
				   report_stored(options, sql, first, last));
	free(sql);
	return status;
}
