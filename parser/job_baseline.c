/*
 * job_baseline.c - a profile of a database against the builds before it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#include "job.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "baseline.h"
#include "compare.h"
#include "job_growth.h"
#include "message.h"

/* The rate of false alarms if nothing is said: one in a hundred builds. */
#define RATE 0.01

static enum memparse_status print(const struct options *options, sqlite3 *db,
				  const char *name)
{
	const struct job_params none = {NULL, 0};

	return job_print_rows(options, db, name, baseline_sql, &none, 0) ==
			       REPORT_OK
		       ? MEMPARSE_DONE
		       : MEMPARSE_SYSTEM;
}

/* ---- the gate */

/* A line as a row of a comparison with the mean. */
static struct compare_row row_of(const struct baseline *b,
				 const struct baseline_line *l)
{
	const int64_t before = llround(l->change.mean);
	const int64_t after = (int64_t)l->bytes[b->count];

	return (struct compare_row){
		.status = before == 0 && after != 0 ? COMPARE_NEW
			  : after > before	    ? COMPARE_GROWN
						    : COMPARE_SAME,
		.site = l->site,
		.before_bytes = before,
		.after_bytes = after,
		.after_blocks = (int64_t)l->blocks[b->count],
	};
}

static void say_changed(struct growth *g, const struct baseline *b,
			const struct baseline_line *l)
{
	const struct change_line *const c = &l->change;
	char held[96] = "nothing", *reason = NULL;

	if (c->mean > 0)
		snprintf(held, sizeof(held),
			 "%.0fB on average (deviation %.0fB)", c->mean,
			 c->deviation);
	if (asprintf(&reason,
		     "%s %.0fB since %s, and %s in the %u builds before "
		     "(p = %.2g over %zu lines)",
		     l->signature != NULL ? "holds" : "all lines hold",
		     l->bytes[b->count], b->builds[c->since], held, c->builds,
		     c->adjusted, b->tested) < 0)
		reason = NULL;
	growth_blame(g, l->signature != NULL ? l->site : NULL, reason);
}

/* Says which lines changed, and whether the sum of all did. */
static void say_all_changed(struct growth *g, const struct baseline *b)
{
	bool named = false;

	if (!g->options->limits.fail_changed)
		return;
	for (size_t i = 1; i < b->line_count; i++)
		if (b->lines[i].change.changed) {
			named = true;
			say_changed(g, b, &b->lines[i]);
		}
	if (!b->lines[0].change.changed)
		return;
	say_changed(g, b, &b->lines[0]);
	/* Who did it is not certain, but these are nearest. */
	g->total_exceeded = g->total_exceeded || !named;
}

static enum memparse_status gate(const struct options *options,
				 const struct baseline *b, const char *name)
{
	char before[64];
	struct growth g = {
		.options = options,
		.name = name,
		.before = before,
	};
	struct compare_row row;

	snprintf(before, sizeof(before), "the %u builds before on average",
		 b->lines[0].change.builds);
	/* The report first, if both go to one terminal. */
	fflush(stdout);
	growth_hide(&g, b->hidden_blocks, b->hidden_bytes);
	for (size_t i = 1; i < b->line_count; i++) {
		row = row_of(b, &b->lines[i]);
		growth_add(&g, &row);
	}
	/* The mean of the sum, which may be of other builds than theirs. */
	g.before_bytes = llround(b->lines[0].change.mean);
	if (b->count != 0)
		growth_judge(&g);
	say_all_changed(&g, b);
	for (size_t i = 1; i < b->line_count; i++) {
		row = row_of(b, &b->lines[i]);
		if (!options->limits.fail_changed ||
		    !b->lines[i].change.changed)
			growth_say(&g, &row);
	}
	return growth_status(&g);
}

/* Says so if there are too few builds: a gate that is open must not be quiet.
 */
static void say_unjudged(const struct options *options,
			 const struct baseline *b, const char *name)
{
	char text[GATE_ERROR_SIZE];

	if (b->count >= CHANGE_BUILDS)
		return;
	snprintf(text, sizeof(text),
		 "no line is judged: there %s %u build%s before %s with its "
		 "labels, %d are needed",
		 b->count == 1 ? "is" : "are", b->count,
		 b->count == 1 ? "" : "s", b->builds[b->count], CHANGE_BUILDS);
	message(name, "%s", text);
	if (options->gate != NULL)
		snprintf(options->gate->unjudged,
			 sizeof(options->gate->unjudged), "%s", text);
}

/* ---- the job */

static enum memparse_status judge(const struct options *options, sqlite3 *db,
				  const char *name, int64_t profile,
				  const char *label)
{
	const double rate = options->limits.false_alarms > 0
				    ? options->limits.false_alarms
				    : RATE;
	struct suppressions none = {0};
	enum memparse_status status = MEMPARSE_DONE;
	struct baseline b;

	if (!baseline_open(&b, db, profile, label, options->baseline,
			   options->gate != NULL ? &options->gate->suppressions
						 : &none) ||
	    !baseline_judge(&b, rate)) {
		message(name, "%s", b.error);
		status = MEMPARSE_SYSTEM;
	} else {
		say_unjudged(options, &b, name);
		if (options->document != GATE_NONE)
			status = job_gate_add(options, db, name, profile);
		else
			status = print(options, db, name);
	}
	if (status == MEMPARSE_DONE && options->gate != NULL)
		status = gate(options, &b, name);
	baseline_close(&b);
	return status;
}

static enum memparse_status open_profile(const struct options *options,
					 struct store_reader *r,
					 const char *path)
{
	const char *const given = options->baseline_label;
	char *const label = given != NULL ? compare_selector(given) : NULL;
	int64_t profile = options->profile;
	bool summary, complete = true;
	enum store_result result = store_read_choose(r, &profile, &summary);
	enum memparse_status status = MEMPARSE_DONE;

	if (result == STORE_OK && !store_read_remarks(r, profile, &complete,
						      job_remark, (void *)path))
		result = STORE_FAILED;
	if (result != STORE_OK)
		status = job_fail_reader(r, path, result);
	else if (given != NULL)
		status = label != NULL ? job_check_selector(r->db, path, label)
				       : job_no_memory();
	if (status == MEMPARSE_DONE)
		status = job_worse(complete ? MEMPARSE_DONE : MEMPARSE_CONTENT,
				   judge(options, r->db, path, profile, label));
	free(label);
	return status;
}

enum memparse_status job_baseline(const struct options *options)
{
	struct job_input in = {0};
	struct store_reader r;
	enum store_result result;
	enum memparse_status status =
		job_input_open(options, &in, options->operands[0], NULL);

	if (status != MEMPARSE_DONE) {
		/* It has been said why. */
	} else if (!in.is_database || options->operand_count != 1) {
		message(NULL, "--baseline goes with one database: store the "
			      "streams first");
		status = MEMPARSE_USAGE;
	} else {
		result = store_read_open(&r, in.path);
		if (result == STORE_OK)
			status = open_profile(options, &r, in.path);
		else
			status = job_fail_reader(&r, in.path, result);
		store_read_close(&r);
	}
	job_input_close(&in);
	return status;
}
