/*
 * job_gate.c - the limits, and what exceeds them.
 */
#include "job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "message.h"
#include "options_gate.h"

/* Sites that are named when only the sum of all is too large. */
#define NAMED 10

enum memparse_status job_gate_open(struct options *options)
{
	const char *const path = options->limits.suppressions;
	enum suppressions_result result;
	struct gate *g;

	if (!options_has_limit(options) && options->document == GATE_NONE)
		return MEMPARSE_DONE;
	g = options->gate = calloc(1, sizeof(*g));
	if (g == NULL)
		return job_no_memory();
	g->limits = &options->limits;
	if (path == NULL)
		return MEMPARSE_DONE;
	result = suppressions_read(&g->suppressions, path);
	if (result == SUPPRESSIONS_OK)
		return MEMPARSE_DONE;
	message(path, "%s", g->suppressions.error);
	return result == SUPPRESSIONS_WRONG ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

enum memparse_status job_gate_add(const struct options *options, sqlite3 *db,
				  const char *name, int64_t profile)
{
	enum gate_result result;

	if (options->gate == NULL)
		return MEMPARSE_DONE;
	result = gate_add(options->gate, db, profile);
	if (result == GATE_OK)
		return MEMPARSE_DONE;
	message(name, "%s", options->gate->error);
	return result == GATE_REFUSED ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

/* ---- the verdict */

/* What messages are about: the file, if there is only one. */
static const char *subject(const struct options *options)
{
	return options->operand_count == 1 ? options->operands[0] : NULL;
}

/* Says "limit exceeded: SITE WHAT", with the name shortened. */
static void say(const struct options *options, const struct gate_site *s,
		const char *what)
{
	struct format_buffer name = {0};
	const size_t width = format_printable(&name, s->name, strlen(s->name));

	format_shorten(&name, 0, width, FORMAT_WIDTH_MAX);
	message(subject(options), "limit exceeded: %.*s %s", (int)name.size,
		name.data != NULL ? name.data : "", what);
	format_clear(&name);
}

static void bytes_text(const struct options *options,
		       char text[REPORT_BYTES_MAX], uint64_t bytes)
{
	report_text_bytes(text, bytes, options->human_readable);
}

/* The sum, and the sites that make the most of it. */
static void say_total(const struct options *options)
{
	const struct gate *const g = options->gate;
	char bytes[REPORT_BYTES_MAX], limit[REPORT_BYTES_MAX], what[128];
	uint64_t rest = g->bytes;

	bytes_text(options, bytes, g->bytes);
	bytes_text(options, limit, g->limits->bytes);
	message(subject(options),
		"limit exceeded: %s are alive at the end in %" PRIu64
		" blocks, more than %s",
		bytes, g->blocks, limit);
	for (size_t i = 0; i < g->count && g->sites[i].bytes != 0; i++) {
		if (i == NAMED) {
			bytes_text(options, bytes, rest);
			message(subject(options),
				"limit exceeded: further lines hold %s of "
				"them",
				bytes);
			return;
		}
		rest -= g->sites[i].bytes;
		bytes_text(options, bytes, g->sites[i].bytes);
		snprintf(what, sizeof(what), "holds %s of them", bytes);
		say(options, &g->sites[i], what);
	}
}

static void say_suppressed(const struct options *options)
{
	const struct gate *const g = options->gate;
	char bytes[REPORT_BYTES_MAX];

	bytes_text(options, bytes, g->hidden_bytes);
	if (g->hidden_blocks != 0)
		message(subject(options),
			"suppressed: %s in %" PRIu64 " block%s", bytes,
			g->hidden_blocks, g->hidden_blocks == 1 ? "" : "s");
	for (unsigned i = 0; i < g->suppressions.count; i++) {
		const struct suppression *const s = &g->suppressions.list[i];

		if (s->blocks == 0)
			message(g->limits->suppressions,
				"line %u: nothing is suppressed by leak:%s",
				s->line, s->pattern);
	}
}

static enum memparse_status judge(const struct options *options, bool complete)
{
	struct gate *const g = options->gate;
	struct gate_run run = {
		.subject = options->operand_count == 1 ? options->operands[0]
						       : "several files",
		.version = MEMPARSE_VERSION_STRING,
		.complete = complete,
		.total = options->limits.has_bytes ||
			 options->limits.has_growth ||
			 options->limits.fail_changed,
	};

	if (gate_judge(g) != GATE_OK) {
		message(NULL, "%s", g->error);
		return MEMPARSE_SYSTEM;
	}
	run.unjudged = *g->unjudged != '\0' ? g->unjudged : NULL;
	gate_print(stdout, g, options->document, &run);
	/* The report first, if both go to one terminal. */
	fflush(stdout);
	say_suppressed(options);
	/* A baseline has said its own. */
	if (run.unjudged != NULL && options->limits.growing)
		message(subject(options), "%s", run.unjudged);
	if (g->total_exceeded)
		say_total(options);
	else if (g->total_reason != NULL)
		message(subject(options), "limit exceeded: %s",
			g->total_reason);
	for (size_t i = 0; i < g->count; i++)
		if (g->sites[i].reason != NULL)
			say(options, &g->sites[i], g->sites[i].reason);
	return g->exceeded ? MEMPARSE_EXCEEDED : MEMPARSE_DONE;
}

enum memparse_status job_gate_close(struct options *options,
				    enum memparse_status status)
{
	if (options->gate == NULL)
		return status;
	/* EXCEEDED is a comparison's. */
	if (status == MEMPARSE_DONE || status == MEMPARSE_CONTENT ||
	    status == MEMPARSE_EXCEEDED)
		status = job_worse(status,
				   judge(options, status != MEMPARSE_CONTENT));
	gate_clear(options->gate);
	free(options->gate);
	options->gate = NULL;
	return status;
}
