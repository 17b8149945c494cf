/*
 * job_growth.c - does the newer side of a comparison hold more than it may?
 */
#include "job.h"

#include <inttypes.h>
#include <string.h>

#include "compare.h"
#include "format.h"
#include "message.h"

/* Lines that are named when only the sum of all has grown too much. */
#define NAMED 10

struct growth {
	const struct options *options;
	struct gate *gate;
	const char *name;   /* what messages are about */
	const char *before; /* what they call the older side */
	int64_t before_bytes, after_bytes;
	bool total_exceeded, exceeded;
	unsigned named; /* for the sum */
};

typedef void growth_fn(struct growth *g, const struct compare_row *row);

static void size_text(const struct growth *g, char text[REPORT_BYTES_MAX],
		      int64_t bytes)
{
	report_text_bytes(text, (uint64_t)bytes, g->options->human_readable);
}

/* Adds up what is not suppressed, and counts what is. */
static void add(struct growth *g, const struct compare_row *row)
{
	const unsigned hidden =
		suppressions_find(&g->gate->suppressions, row->site);
	struct suppression *by;

	if (hidden == 0) {
		g->before_bytes += row->before_bytes;
		g->after_bytes += row->after_bytes;
		return;
	}
	by = &g->gate->suppressions.list[hidden - 1];
	by->blocks += (uint64_t)(row->before_blocks + row->after_blocks);
	g->gate->hidden_blocks += (uint64_t)row->after_blocks;
	g->gate->hidden_bytes += (uint64_t)row->after_bytes;
}

static void say(struct growth *g, const struct compare_row *row)
{
	const struct gate_limits *const limits = g->gate->limits;
	const bool grew = row->after_bytes > row->before_bytes;
	const bool wanted =
		(limits->fail_new && row->status == COMPARE_NEW) ||
		(limits->fail_grown && row->status == COMPARE_GROWN);
	char bytes[REPORT_BYTES_MAX], more[REPORT_BYTES_MAX];
	struct format_buffer name = {0};

	if ((!wanted && (!g->total_exceeded || !grew || g->named == NAMED)) ||
	    suppressions_find(&g->gate->suppressions, row->site) != 0)
		return;
	g->named += !wanted;
	g->exceeded = true;
	format_shorten(&name, 0,
		       format_printable(&name, row->site, strlen(row->site)),
		       FORMAT_WIDTH_MAX);
	size_text(g, bytes, row->after_bytes);
	size_text(g, more, row->after_bytes - row->before_bytes);
	if (row->status == COMPARE_NEW)
		message(g->name,
			"limit exceeded: %.*s holds %s, and nothing in %s",
			(int)name.size, name.data ? name.data : "", bytes,
			g->before);
	else
		message(g->name,
			"limit exceeded: %.*s holds %s, %s more than in %s",
			(int)name.size, name.data ? name.data : "", bytes, more,
			g->before);
	format_clear(&name);
}

static bool too_much(const struct growth *g)
{
	const struct gate_limits *const limits = g->gate->limits;
	const int64_t growth = g->after_bytes - g->before_bytes;

	if (!limits->has_growth || growth <= 0)
		return false;
	if (limits->growth_is_percent)
		return (double)growth * 100 >
		       limits->growth_percent * (double)g->before_bytes;
	return (uint64_t)growth > limits->growth_bytes;
}

static void say_total(const struct growth *g)
{
	const struct gate_limits *const limits = g->gate->limits;
	char bytes[REPORT_BYTES_MAX], more[REPORT_BYTES_MAX];
	char limit[REPORT_BYTES_MAX];

	size_text(g, bytes, g->after_bytes);
	size_text(g, more, g->after_bytes - g->before_bytes);
	if (limits->growth_is_percent)
		snprintf(limit, sizeof(limit), "%g%%", limits->growth_percent);
	else
		report_text_bytes(limit, limits->growth_bytes,
				  g->options->human_readable);
	message(g->name,
		"limit exceeded: %s are alive at the end, %s more than in %s, "
		"where %s more are allowed",
		bytes, more, g->before, limit);
}

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

enum memparse_status job_growth(const struct options *options, sqlite3 *db,
				const char *name, const char *base,
				const char *head, const char *before)
{
	struct growth g = {
		.options = options,
		.gate = options->gate,
		.name = name,
		.before = before,
	};
	enum memparse_status status;

	if (options->gate == NULL)
		return MEMPARSE_DONE;
	status = each(&g, db, base, head, add);
	if (status != MEMPARSE_DONE)
		return status;
	/* The report first, if both go to one terminal. */
	fflush(stdout);
	g.total_exceeded = g.exceeded = too_much(&g);
	if (g.total_exceeded)
		say_total(&g);
	status = each(&g, db, base, head, say);
	return status == MEMPARSE_DONE && g.exceeded ? MEMPARSE_EXCEEDED
						     : status;
}
