/*
 * job_store.c - streams into a database that stays.
 */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool counts(enum memparse_status status)
{
	return status == MEMPARSE_DONE || status == MEMPARSE_CONTENT;
}

/* The streams that make one profile. */
struct group {
	const struct options *options;
	struct store *store;
	const char **paths;
	int count;
	struct job_input *inputs; /* as many, of those that were read */
	struct store_stream *streams;
	const char **warnings;
	size_t warning_count;
	int64_t known; /* the profile that has the last stream already, or 0 */
	int known_count;
};

static bool group_init(struct group *g)
{
	const size_t count = (size_t)g->count;

	g->inputs = calloc(count, sizeof(*g->inputs));
	g->streams = calloc(count, sizeof(*g->streams));
	g->warnings = calloc(count * INGEST_WARNINGS, sizeof(*g->warnings));
	return g->inputs != NULL && g->streams != NULL && g->warnings != NULL;
}

static void group_clear(struct group *g)
{
	for (int i = 0; g->inputs != NULL && i < g->count; i++)
		job_input_close(&g->inputs[i]);
	free(g->inputs);
	free(g->streams);
	free(g->warnings);
}

/* Says what the profile, which is there already, will not have. */
static enum memparse_status skip_stream(struct group *g,
					const struct job_input *in,
					int64_t known)
{
	const struct options *const o = g->options;
	bool labels, source;

	if (!store_lacks(g->store, known, o->labels, (size_t)o->label_count,
			 &labels, &source))
		return fail_store(o, g->store, STORE_FAILED);
	source = source && o->source != NULL;
	if (labels || source)
		message(in->path,
			"is profile %lld already: skipped, without %s; "
			"--drop=%lld first",
			(long long)known,
			!source	  ? "these labels"
			: !labels ? "--source"
				  : "these labels and --source",
			(long long)known);
	else
		message(in->path, "is profile %lld already: skipped",
			(long long)known);
	g->known = known;
	g->known_count++;
	return MEMPARSE_DONE;
}

/* Notes what is known of a stream that was read, and whether it is new. */
static enum memparse_status note_stream(struct group *g, int i)
{
	const struct job_input *const in = &g->inputs[i];
	int64_t known;

	g->streams[i] = (struct store_stream){
		.source = in->path,
		.fingerprint = in->ingest.fingerprint,
		.end_offset = in->ingest.offset,
	};
	for (unsigned w = 0; w < in->warning_count; w++)
		g->warnings[g->warning_count++] = in->warnings[w];
	for (int j = 0; j < i; j++) {
		if (*in->ingest.fingerprint == '\0' ||
		    strcmp(g->streams[j].fingerprint, in->ingest.fingerprint))
			continue;
		message(in->path, "the same stream as %s",
			g->streams[j].source);
		return MEMPARSE_USAGE;
	}
	if (!store_find_stream(g->store, in->ingest.fingerprint, &known))
		return fail_store(g->options, g->store, STORE_FAILED);
	return known != 0 ? skip_stream(g, in, known) : MEMPARSE_DONE;
}

/* Feeds all streams of the group into a model. */
static enum memparse_status read_group(struct group *g, struct model *model)
{
	enum memparse_status status = MEMPARSE_DONE;

	for (int i = 0; i < g->count && status == MEMPARSE_DONE; i++) {
		struct job_input *const in = &g->inputs[i];

		status = job_input_open(g->options, in, g->paths[i],
					g->options->output);
		if (status == MEMPARSE_DONE && in->is_database) {
			message(in->path, "a database cannot be stored in "
					  "another one");
			status = MEMPARSE_USAGE;
		}
		in->ingest.identify = true;
		if (status == MEMPARSE_DONE)
			status = job_input_read(in, model, g->store);
		if (status == MEMPARSE_DONE)
			status = note_stream(g, i);
		job_input_close(in);
	}
	return status;
}

/* What to call them. */
static const char *group_name(const struct group *g, char *name, size_t size)
{
	if (g->count == 1)
		return g->paths[0];
	snprintf(name, size, "%s and %d more", g->paths[0], g->count - 1);
	return name;
}

/* Writes the profile that the group has made. */
static bool store_group_profile(const struct group *g, const struct model *m)
{
	char name[4096];
	struct store_profile profile = {
		.source = group_name(g, name, sizeof(name)),
		.version = MEMPARSE_VERSION_STRING,
		.symtab_version = g->inputs[0].ingest.symtab_version,
		.events_version = g->inputs[0].ingest.events_version,
		.complete = true,
		.warnings = g->warnings,
		.warning_count = g->warning_count,
		.streams = g->streams,
		.stream_count = (size_t)g->count,
		.labels = g->options->labels,
		.label_count = (size_t)g->options->label_count,
	};

	for (int i = 0; i < g->count; i++) {
		const struct job_input *const in = &g->inputs[i];

		profile.end_offset += in->ingest.offset;
		if (in->ended == MEMPARSE_DONE || !profile.complete)
			continue;
		profile.complete = false;
		profile.end_reason = in->ingest.error;
	}
	return store_profile(g->store, m, &profile);
}

/* Stores what the group has made, if it is new. */
static enum memparse_status finish_group(struct group *g,
					 const struct model *model)
{
	if (g->known_count != 0 && g->known_count != g->count) {
		message(g->options->output,
			"profile %lld has a part of these streams already: "
			"they cannot make one profile",
			(long long)g->known);
		return MEMPARSE_USAGE;
	}
	if (g->known_count != 0
		    ? !store_discard(g->store)
		    : !store_group_profile(g, model) ||
			      !store_sign(g->store, g->options->source))
		return fail_store(g->options, g->store, STORE_FAILED);
	return MEMPARSE_DONE;
}

/* Stores count streams as one profile; *known is it, if it was there. */
static enum memparse_status store_group(const struct options *options,
					const char **paths, int count,
					struct store *store, int64_t *known)
{
	struct group g = {
		.options = options,
		.store = store,
		.paths = paths,
		.count = count,
	};
	enum memparse_status status;
	struct model *model;

	if (!store_begin(store))
		return fail_store(options, store, STORE_FAILED);
	model = job_model(options, options->summary ? NULL : store_life, store);
	if (model != NULL && group_init(&g))
		status = read_group(&g, model);
	else
		status = job_no_memory();
	if (status == MEMPARSE_DONE)
		status = finish_group(&g, model);
	if (counts(status) && g.known != 0)
		*known = g.known;
	for (int i = 0; counts(status) && i < count; i++)
		status = job_worse(status, g.inputs[i].ended);
	group_clear(&g);
	model_free(model);
	return status;
}

/*
 * Stores all operands or, for a status that does not count, none. known[i] is
 * the profile of operand i if it was there already, else 0.
 */
static enum memparse_status store_all(const struct options *options,
				      struct store *store, int64_t *known)
{
	const int size = options->one_profile ? options->operand_count : 1;
	enum memparse_status status = MEMPARSE_DONE;
	int64_t first, last;

	for (int i = 0; i < options->operand_count && counts(status); i += size)
		status = job_worse(status,
				   store_group(options, &options->operands[i],
					       size, store, &known[i]));
	if (counts(status) && !job_keep_on())
		status = MEMPARSE_SYSTEM;
	store_profiles(store, &first, &last);
	/* Without anything new all stays as it is. */
	if (counts(status) && first != 0 && !store_commit(store))
		status = fail_store(options, store, STORE_FAILED);
	return status;
}

/* Was the profile known before this operand? It counts once. */
static bool is_again(const int64_t *known, int operand)
{
	for (int i = 0; i < operand; i++)
		if (known[i] == known[operand])
			return true;
	return false;
}

/*
 * Prints what was asked for, of the profiles that were there already and the
 * new ones from first to last.
 */
static enum memparse_status report_stored(const struct options *options,
					  const char *sql, int64_t *known,
					  int64_t first, int64_t last)
{
	enum memparse_status status = MEMPARSE_DONE;
	struct model *model;

	if (sql != NULL || options->export_path != NULL)
		return job_query_database(options, options->output, sql,
					  last != 0 ? last : known[0]);
	model = model_new(NULL, NULL);
	if (model == NULL)
		return job_no_memory();
	for (int i = 0; i < options->operand_count && counts(status); i++)
		if (known[i] != 0 && !is_again(known, i))
			status = job_worse(
				status,
				job_read_database(options, options->output,
						  known[i], true, model));
	for (int64_t id = first; id != 0 && id <= last && counts(status); id++)
		status = job_worse(status,
				   job_read_database(options, options->output,
						     id, true, model));
	if (counts(status) && (options->leak_only || options->has_format) &&
	    options->document == GATE_NONE)
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
	int64_t first = 0, last = 0, *known;
	char *sql;

	status = prepare_query(options, &sql);
	if (status == MEMPARSE_DONE)
		status = job_check_source(options);
	known = calloc((size_t)options->operand_count, sizeof(*known));
	if (status == MEMPARSE_DONE && known == NULL)
		status = job_no_memory();
	if (status != MEMPARSE_DONE) {
		free(known);
		free(sql);
		return status;
	}
	job_catch_signals();
	result = store_open(&store, options->output, options->summary);
	if (result == STORE_OK)
		status = store_all(options, store, known);
	else
		status = fail_store(options, store, result);
	if (store != NULL && counts(status))
		store_profiles(store, &first, &last);
	store_close(store);
	job_release_signals();
	if (counts(status) && (sql != NULL || options->export_path != NULL ||
			       options->leak_only || options->has_format ||
			       options->gate != NULL))
		status = job_worse(status, report_stored(options, sql, known,
							 first, last));
	free(known);
	free(sql);
	return status;
}
