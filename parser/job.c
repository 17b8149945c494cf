/*
 * job.c - what the jobs share: inputs, outputs and signals.
 */
#include "job.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "output_file.h"

/* ---- signals */

/* How long a rollback may take before the process ends without it. */
#define ROLLBACK_S 3

static volatile sig_atomic_t caught;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNALS (sizeof(signals) / sizeof(*signals))

/*
 * An unfinished new file goes at once. A transaction is rolled back by the
 * main line of work, or, should that wait for a pipe, by the next process
 * that opens the database: SQLite's journal sees to it.
 */
static void on_signal(int number)
{
	output_file_drop_from_signal();
	if (!store_drop_from_signal() && !caught) {
		caught = number;
		alarm(ROLLBACK_S);
		return;
	}
	signal(number, SIG_DFL);
	raise(number);
}

void job_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_RESTART;
	for (size_t i = 0; i < SIGNALS; i++) {
		/* nohup's and the shell's wish counts. */
		if (sigaction(signals[i], NULL, &before) == 0 &&
		    before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

void job_release_signals(void)
{
	for (size_t i = 0; i < SIGNALS; i++) {
		struct sigaction before;

		if (sigaction(signals[i], NULL, &before) == 0 &&
		    before.sa_handler == on_signal)
			signal(signals[i], SIG_DFL);
	}
	if (caught)
		raise(caught);
}

bool job_keep_on(void)
{
	return !caught;
}

/* ---- outputs */

static int output_error;

void job_note_output_error(int error)
{
	if (output_error == 0)
		output_error = error;
}

int job_output_error(void)
{
	return output_error;
}

bool job_is_operand(const struct options *options, const char *path)
{
	struct stat out, in;

	if (strcmp(path, "-") == 0 || stat(path, &out) != 0 ||
	    !S_ISREG(out.st_mode))
		return false;
	for (int i = 0; i < options->operand_count; i++) {
		const char *const operand = options->operands[i];

		if ((strcmp(operand, "-") == 0 ? fstat(STDIN_FILENO, &in)
					       : stat(operand, &in)) == 0 &&
		    in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			return true;
	}
	return false;
}

/* ---- inputs */

enum memparse_status job_no_memory(void)
{
	message(NULL, "out of memory");
	return MEMPARSE_SYSTEM;
}

enum memparse_status job_fail_reader(const struct store_reader *r,
				     const char *path, enum store_result result)
{
	message(path, "%s", r->error);
	return result == STORE_REFUSED ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

void job_remark(void *arg, const char *text)
{
	if (arg != NULL)
		message(arg, "%s", text);
}

enum memparse_status job_check_source(const struct options *options)
{
	struct stat st;
	int error = 0;

	if (options->source == NULL)
		return MEMPARSE_DONE;
	if (stat(options->source, &st) != 0)
		error = errno;
	else if (!S_ISDIR(st.st_mode))
		error = ENOTDIR;
	else if (access(options->source, X_OK) != 0)
		error = errno;
	if (error == 0)
		return MEMPARSE_DONE;
	message(NULL, "--source=%s: %s", options->source, strerror(error));
	return MEMPARSE_SYSTEM;
}

static enum memparse_status fail_input(const struct job_input *in,
				       const char *why)
{
	message(in->path, "%s", why);
	return MEMPARSE_SYSTEM;
}

static enum memparse_status fail_store(const struct job_input *in,
				       const struct store *store)
{
	message(in->store_name, "%s", store_error(store));
	return MEMPARSE_SYSTEM;
}

/* Finds out whether the open file is a database. */
static enum memparse_status look(struct job_input *in)
{
	struct source *const s = in->source;

	if (source_peek(s, STORE_MAGIC_SIZE) == SOURCE_SYSTEM)
		return fail_input(in, s->error);
	in->is_database = s->size >= STORE_MAGIC_SIZE &&
			  memcmp(s->window, STORE_MAGIC, STORE_MAGIC_SIZE) == 0;
	if (!in->is_database)
		return MEMPARSE_DONE;
	if (s->compressed || strcmp(in->path, "-") == 0) {
		message(in->path, "a database must be a file of its own: not "
				  "compressed, not standard input");
		return MEMPARSE_USAGE;
	}
	source_close(s);
	in->source = NULL;
	return MEMPARSE_DONE;
}

/*
 * What --memory bounds, beside the window of zstd: as many sites and pairs of
 * sites as fit, half for each; see MODEL_SITES.
 */
#define SITE_BYTES     320
#define OVERRIDE_BYTES 112

static uint32_t share(uint64_t memory, uint32_t bytes, uint32_t most)
{
	const uint64_t count = memory / 2 / bytes;

	return memory == 0 || count > most ? most : (uint32_t)count;
}

struct model *job_model(const struct options *options, model_life_fn *on_life,
			void *arg)
{
	struct model *const m = model_new(on_life, arg);

	if (m != NULL)
		model_set_limits(
			m, share(options->memory, SITE_BYTES, MODEL_SITES),
			share(options->memory, OVERRIDE_BYTES,
			      MODEL_OVERRIDES));
	return m;
}

/* The largest window of zstd, as a power of two, that fits. */
static unsigned window_log(uint64_t memory)
{
	unsigned log = 0;

	while (memory >> (log + 1) != 0)
		log++;
	return log < SOURCE_ZSTD_WINDOW_LOG_MAX ? log
						: SOURCE_ZSTD_WINDOW_LOG_MAX;
}

enum memparse_status job_input_open(const struct options *options,
				    struct job_input *in, const char *path,
				    const char *store_name)
{
	const struct source_options how = {
		.zstd_window_log = window_log(options->memory),
	};

	memset(in, 0, sizeof(*in));
	in->path = path;
	in->store_name = store_name;
	if (source_open(&in->source, path, &how) != SOURCE_OK)
		return in->source != NULL ? fail_input(in, in->source->error)
					  : job_no_memory();
	return look(in);
}

void job_input_close(struct job_input *in)
{
	source_close(in->source);
	in->source = NULL;
}

bool job_input_keep_on(void *arg, const struct source *source)
{
	const struct job_input *const in = arg;

	message_progress(in->path,
			 source->file_size ? source->file_offset
					   : source->offset,
			 source->file_size);
	return job_keep_on();
}

/* Ends the stream in the model and hands the rest to the store. */
static enum memparse_status end_stream(struct job_input *in,
				       struct model *model, struct store *store)
{
	if (store != NULL && !store_live(store))
		return fail_store(in, store);
	switch (model_end_stream(model)) {
	case MODEL_OK:
		break;
	case MODEL_STOPPED:
		return fail_store(in, store);
	default:
		return job_no_memory();
	}
	if (store != NULL && !store_stream(store, model))
		return fail_store(in, store);
	return MEMPARSE_DONE;
}

/* Says how the stream ended and what to be careful about. */
static void remark(struct job_input *in, const struct model *model)
{
	if (in->ended == MEMPARSE_CONTENT)
		message_offset(in->path, in->ingest.offset, in->ingest.error);
	in->warning_count =
		ingest_warnings(&in->ingest, model, in->ended == MEMPARSE_DONE,
				in->warning_texts);
	for (unsigned i = 0; i < in->warning_count; i++) {
		in->warnings[i] = in->warning_texts[i];
		message(in->path, "warning: %s", in->warnings[i]);
	}
}

enum memparse_status job_input_read(struct job_input *in, struct model *model,
				    struct store *store)
{
	enum memparse_status status;
	enum ingest_result result;

	in->ingest.keep_on = job_input_keep_on;
	in->ingest.arg = in;
	result = ingest_stream(&in->ingest, in->source, model);
	message_progress_end();
	switch (result) {
	case INGEST_OK:
		in->ended = MEMPARSE_DONE;
		break;
	case INGEST_CONTENT:
		in->ended = MEMPARSE_CONTENT;
		break;
	case INGEST_SYSTEM:
		return fail_input(in, in->ingest.error);
	default:
		/* The store's failure, or a signal, which says nothing. */
		if (job_keep_on() && store != NULL)
			fail_store(in, store);
		return MEMPARSE_SYSTEM;
	}
	status = end_stream(in, model, store);
	if (status == MEMPARSE_DONE)
		remark(in, model);
	return status;
}
