/*
 * job_growth.c - does the newer side of a comparison hold more than it may?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#include "job_growth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "hidden.h"
#include "message.h"

/* Lines that are named when only the sum of all has grown too much. */
#define NAMED 10

typedef void growth_fn(struct growth *g, const struct compare_row *row);

static void size_text(const struct growth *g, char text[REPORT_BYTES_MAX],
		      int64_t bytes)
{
	report_text_bytes(text, (uint64_t)bytes, g->options->human_readable);
}

static unsigned hidden_by(const struct growth *g, const char *site)
{
	return suppressions_find(&g->options->gate->suppressions, site);
}

void growth_add(struct growth *g, const struct compare_row *row)
{
	struct gate *const gate = g->options->gate;
	const unsigned hidden = hidden_by(g, row->site);
	struct suppression *by;

	if (hidden == 0) {
		g->before_bytes += row->before_bytes;
		g->after_bytes += row->after_bytes;
		return;
	}
	by = &gate->suppressions.list[hidden - 1];
	by->blocks += (uint64_t)(row->before_blocks + row->after_blocks);
	growth_hide(g, (uint64_t)row->after_blocks, (uint64_t)row->after_bytes);
}

void growth_hide(struct growth *g, uint64_t blocks, uint64_t bytes)
{
	struct gate *const gate = g->options->gate;

	/* For a document, the sites themselves are added: see gate_add(). */
	if (g->options->document != GATE_NONE)
		return;
	gate->hidden_blocks += blocks;
	gate->hidden_bytes += bytes;
}

/* ---- what is said */

static void say_line(const struct growth *g, const char *site,
		     const char *reason)
{
	struct format_buffer name = {0};

	format_shorten(&name, 0, format_printable(&name, site, strlen(site)),
		       FORMAT_WIDTH_MAX);
	message(g->name, "limit exceeded: %.*s %s", (int)name.size,
		name.data ? name.data : "", reason);
	format_clear(&name);
}

void growth_blame(struct growth *g, const char *site, char *reason)
{
	g->exceeded = true;
	if (reason == NULL) {
		g->no_memory = true;
	} else if (g->options->document != GATE_NONE) {
		if (!gate_blame(g->options->gate, site, reason))
			g->no_memory = true;
	} else {
		if (site != NULL)
			say_line(g, site, reason);
		else
			message(g->name, "limit exceeded: %s", reason);
		free(reason);
	}
}

void growth_say(struct growth *g, const struct compare_row *row)
{
	const struct gate_limits *const limits = g->options->gate->limits;
	const bool grew = row->after_bytes > row->before_bytes;
	const bool wanted =
		(limits->fail_new && row->status == COMPARE_NEW) ||
		(limits->fail_grown && row->status == COMPARE_GROWN);
	const bool for_sum = g->total_exceeded && grew && g->named < NAMED &&
			     g->options->document == GATE_NONE;
	char bytes[REPORT_BYTES_MAX], more[REPORT_BYTES_MAX];
	char *reason = NULL;
	int length;

	if ((!wanted && !for_sum) || hidden_by(g, row->site) != 0)
		return;
	g->named += !wanted;
	size_text(g, bytes, row->after_bytes);
	size_text(g, more, row->after_bytes - row->before_bytes);
	if (row->status == COMPARE_NEW)
		length = asprintf(&reason, "holds %s, and nothing in %s", bytes,
				  g->before);
	else
		length = asprintf(&reason, "holds %s, %s more than in %s",
				  bytes, more, g->before);
	growth_blame(g, row->site, length < 0 ? NULL : reason);
}

static bool too_much(const struct growth *g)
{
	const struct gate_limits *const limits = g->options->gate->limits;
	const int64_t growth = g->after_bytes - g->before_bytes;

	if (!limits->has_growth || growth <= 0)
		return false;
	if (limits->growth_is_percent)
		return (double)growth * 100 >
		       limits->growth_percent * (double)g->before_bytes;
	return (uint64_t)growth > limits->growth_bytes;
}

void growth_judge(struct growth *g)
{
	const struct gate_limits *const limits = g->options->gate->limits;
	char bytes[REPORT_BYTES_MAX], more[REPORT_BYTES_MAX];
	char limit[REPORT_BYTES_MAX];
	char *reason = NULL;
	int length;

	g->total_exceeded = too_much(g);
	if (!g->total_exceeded)
		return;
	size_text(g, bytes, g->after_bytes);
	size_text(g, more, g->after_bytes - g->before_bytes);
	if (limits->growth_is_percent)
		snprintf(limit, sizeof(limit), "%g%%", limits->growth_percent);
	else
		report_text_bytes(limit, limits->growth_bytes,
				  g->options->human_readable);
	length = asprintf(&reason,
			  "%s are alive at the end, %s more than in %s, where "
			  "%s more are allowed",
			  bytes, more, g->before, limit);
	growth_blame(g, NULL, length < 0 ? NULL : reason);
}

enum memparse_status growth_status(const struct growth *g)
{
	if (g->no_memory)
		return job_no_memory();
	return g->exceeded ? MEMPARSE_EXCEEDED : MEMPARSE_DONE;
}

/* ---- of a comparison */

static enum memparse_status each(struct growth *g, sqlite3 *db,
				 const char *base, const char *head,
				 growth_fn *fn)
{
	struct compare c = {0};
	enum compare_result result =
		compare_open(&c, db, base, head, g->options->by_stack, true);

	if (result == COMPARE_DONE)
		while ((result = compare_next(&c)) == COMPARE_ROW)
			fn(g, &c.row);
	if (result != COMPARE_DONE)
		message(g->name, "%s", c.error);
	compare_close(&c);
	return result == COMPARE_DONE ? MEMPARSE_DONE : MEMPARSE_SYSTEM;
}

/* What frames hide on one side; only of the newer one it is told. */
struct hiding {
	struct growth *g;
	struct hidden *hidden;
	bool tell, ok;
};

static bool hide(void *arg, int64_t profile)
{
	struct hiding *const h = arg;

	h->ok = hidden_add(h->hidden, profile);
	if (h->ok && h->tell)
		growth_hide(h->g, h->hidden->blocks, h->hidden->bytes);
	return h->ok;
}

static bool hide_sides(struct growth *g, struct hidden *hidden, sqlite3 *db,
		       const char *base, const char *head)
{
	struct hiding h = {g, hidden, true, true};
	struct compare c = {0};

	if (!hidden_open(hidden, db, &g->options->gate->suppressions,
			 g->options->by_stack) ||
	    compare_profiles(&c, db, head, hide, &h) != COMPARE_DONE || !h.ok)
		return false;
	h.tell = false;
	return compare_profiles(&c, db, base, hide, &h) == COMPARE_DONE &&
	       h.ok && hidden_show(hidden);
}

/* Until hidden is closed, the database is without what frames hide. */
static enum memparse_status hide_frames(struct growth *g, struct hidden *hidden,
					sqlite3 *db, const char *base,
					const char *head)
{
	if (g->options->gate->suppressions.count == 0 ||
	    (sqlite3_exec(db, "PRAGMA query_only = 0", NULL, NULL, NULL) ==
		     SQLITE_OK &&
	     hide_sides(g, hidden, db, base, head)))
		return MEMPARSE_DONE;
	message(g->name, "%s", sqlite3_errmsg(db));
	return MEMPARSE_SYSTEM;
}

static enum memparse_status judge(struct growth *g, sqlite3 *db,
				  const char *base, const char *head)
{
	enum memparse_status status = each(g, db, base, head, growth_add);

	if (status != MEMPARSE_DONE)
		return status;
	/* The report first, if both go to one terminal. */
	fflush(stdout);
	growth_judge(g);
	status = each(g, db, base, head, growth_say);
	return status == MEMPARSE_DONE ? growth_status(g) : status;
}

enum memparse_status job_growth(const struct options *options, sqlite3 *db,
				const char *name, const char *base,
				const char *head, const char *before)
{
	struct growth g = {
		.options = options,
		.name = name,
		.before = before,
	};
	struct hidden hidden = {0};
	enum memparse_status status;

	if (options->gate == NULL)
		return MEMPARSE_DONE;
	status = hide_frames(&g, &hidden, db, base, head);
	if (status == MEMPARSE_DONE)
		status = judge(&g, db, base, head);
	hidden_close(&hidden);
	return status;
}
