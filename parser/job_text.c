/*
 * job_text.c - the default text, and the dump.
 */
#include "job.h"

#include <stdio.h>
#include <sys/stat.h>

#include "dump.h"
#include "message.h"

enum memparse_status job_print_text(const struct options *options,
				    const struct model *model)
{
	const struct report_text_options how = {
		.leak_only = options->leak_only,
		.human_readable = options->human_readable,
	};

	return report_text(stdout, model, &how) ? MEMPARSE_DONE
						: job_no_memory();
}

/* ---- stored profiles */

/*
 * The same of a stream, by way of a database, which filters and limits need;
 * how it ended is in->ended.
 */
static enum memparse_status read_stored(const struct options *options,
					struct job_input *in,
					struct model *model)
{
	struct store_reader r = {0};
	struct store *store;
	enum memparse_status status;
	int64_t first, last;

	status = job_load_streams(options, in, 1,
				  job_parts_need_blocks(options), &store);
	if (status == MEMPARSE_DONE || status == MEMPARSE_CONTENT) {
		store_profiles(store, &first, &last);
		r.db = store_database(store);
		status = job_filter(options, r.db, in->path, last);
		if (status == MEMPARSE_DONE)
			status = job_gate_add(options, r.db, in->path, last);
		if (status == MEMPARSE_DONE &&
		    !store_read_profile(&r, last, model))
			status = job_fail_reader(&r, in->path, STORE_FAILED);
	}
	store_close(store);
	return status;
}

enum memparse_status job_read_database(const struct options *options,
				       const char *path, int64_t profile,
				       bool told, struct model *model)
{
	enum memparse_status status = MEMPARSE_DONE;
	enum store_result result;
	struct store_reader r;
	bool summary, complete = true;

	result = store_read_open(&r, path);
	if (result == STORE_OK)
		result = store_read_choose(&r, &profile, &summary);
	if (result == STORE_OK) {
		status = job_filter(options, r.db, path, profile);
		if (status == MEMPARSE_DONE)
			status = job_gate_add(options, r.db, path, profile);
		if (status != MEMPARSE_DONE) {
			store_read_close(&r);
			return status;
		}
	}
	if (result == STORE_OK &&
	    (!store_read_profile(&r, profile, model) ||
	     !store_read_remarks(&r, profile, &complete, job_remark,
				 told ? NULL : (void *)path)))
		result = STORE_FAILED;
	if (result != STORE_OK)
		status = job_fail_reader(&r, path, result);
	else if (!complete)
		status = MEMPARSE_CONTENT;
	store_read_close(&r);
	return status;
}

/* ---- the text */

/* What has come of the operands so far. */
struct reading {
	enum memparse_status status;
	bool any;    /* the model holds something */
	bool broken; /* and something that does not count */
};

/* Streams may be taken twice, each makes blocks of its own. */
static bool is_again(const struct options *options, int operand)
{
	struct stat this, other;

	if (stat(options->operands[operand], &this) != 0)
		return false;
	for (int i = 0; i < operand; i++)
		if (stat(options->operands[i], &other) == 0 &&
		    other.st_dev == this.st_dev && other.st_ino == this.st_ino)
			return true;
	return false;
}

static void read_one(const struct options *options, int operand,
		     struct model *model, struct reading *reading)
{
	const char *const path = options->operands[operand];
	struct job_input in;
	enum memparse_status status = job_input_open(options, &in, path, NULL);

	if (status == MEMPARSE_DONE && !in.is_database && options->profile) {
		message(path, "--profile goes with a database");
		status = MEMPARSE_USAGE;
	}
	if (status == MEMPARSE_DONE && in.is_database &&
	    is_again(options, operand)) {
		message(path, "the same database twice: its profile would "
			      "count twice");
		status = MEMPARSE_USAGE;
	}
	if (status == MEMPARSE_DONE) {
		if (in.is_database)
			status = job_read_database(
				options, path, options->profile, false, model);
		else if (filter_is_any(&options->filter) ||
			 options->gate != NULL)
			status = read_stored(options, &in, model);
		else
			status = job_input_read(&in, model, NULL);
		reading->any = reading->any || status == MEMPARSE_DONE ||
			       status == MEMPARSE_CONTENT;
		reading->broken = reading->broken || status == MEMPARSE_SYSTEM;
		status = job_worse(status, in.ended);
	}
	reading->status = job_worse(reading->status, status);
	job_input_close(&in);
}

enum memparse_status job_text(const struct options *options)
{
	struct model *const model = job_model(options, NULL, NULL);
	struct reading reading = {MEMPARSE_DONE, false, false};

	if (model == NULL)
		return job_no_memory();
	for (int i = 0; i < options->operand_count && !reading.broken; i++)
		read_one(options, i, model, &reading);
	if (reading.any && !reading.broken && options->document == GATE_NONE)
		reading.status = job_worse(reading.status,
					   job_print_text(options, model));
	model_free(model);
	return reading.status;
}

/* ---- the dump */

static enum memparse_status dump_one(const struct options *options,
				     const char *path)
{
	struct job_input in;
	enum memparse_status status = job_input_open(options, &in, path, NULL);
	enum ingest_result result;

	if (status == MEMPARSE_DONE && in.is_database) {
		message(path, "--dump wants a stream, not a database");
		status = MEMPARSE_USAGE;
	}
	if (status == MEMPARSE_DONE) {
		result = dump_stream(&in.ingest, in.source, stdout);
		if (result == INGEST_CONTENT) {
			/* The lines first, if both go to one terminal. */
			fflush(stdout);
			message_offset(path, in.ingest.offset, in.ingest.error);
			status = MEMPARSE_CONTENT;
		} else if (result == INGEST_SYSTEM) {
			message(path, "%s", in.ingest.error);
			status = MEMPARSE_SYSTEM;
		}
	}
	job_input_close(&in);
	return status;
}

enum memparse_status job_dump(const struct options *options)
{
	enum memparse_status status = MEMPARSE_DONE;

	for (int i = 0; i < options->operand_count && !ferror(stdout); i++)
		status = job_worse(status,
				   dump_one(options, options->operands[i]));
	return status;
}
