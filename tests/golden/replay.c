/*
 * replay.c - source, decode and model joined, to print what came of it.
 */
#include "replay.h"

#include <inttypes.h>
#include <string.h>

#include "decode.h"
#include "model.h"
#include "source.h"

#define BATCH 256

struct replay {
	struct source *source;
	struct decoder decoder;
	struct model *model;
	char end[256]; /* how the stream ended */
	uint64_t trailing;
	uint64_t expected_cut; /* what truth.tsv says */
	/* What truth.tsv counts in its own way. */
	uint64_t failed_reallocs; /* among its reallocs */
	uint64_t of_nothing;	  /* old address 0: not unknown to it */
};

/* Notes what the model's figures do not tell apart. */
static void note(struct replay *r, const struct decode_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct decode_event *const e = &events[i];
		const bool failed = e->new_address == 0 && e->new_size != 0;

		if (e->kind == LJM_KIND_REALLOC && failed)
			r->failed_reallocs++;
		else if (e->kind == LJM_KIND_FREE ||
			 e->kind == LJM_KIND_REALLOC)
			r->of_nothing += e->old_address == 0;
	}
}

/* Counts what comes after the closing byte. */
static void count_trailing(struct replay *r)
{
	struct source *const s = r->source;
	const uint64_t start = s->offset;

	do
		source_take(s, s->size);
	while (source_more(s) == SOURCE_OK);
	r->trailing = s->offset + s->size - start;
}

/* Feeds the window; true when the stream goes on behind it. */
static bool feed_window(struct replay *r, const char **error)
{
	struct source *const s = r->source;
	struct decode_input in = {s->window, s->size, 0};
	struct decode_event events[BATCH];
	enum decode_result result;
	size_t count, taken;

	do {
		result = decode_events(&r->decoder, &in, events, BATCH, &count);
		if (model_feed(r->model, events, count, &taken) != MODEL_OK)
			*error = "the model refused";
		note(r, events, count);
	} while (result == DECODE_FULL && *error == NULL);
	source_take(s, in.pos);
	if (result == DECODE_END) {
		strcpy(r->end, "epilogue");
		count_trailing(r);
	} else if (result == DECODE_CORRUPT) {
		snprintf(r->end, sizeof(r->end), "corrupt at %" PRIu64 ": %s",
			 s->offset, r->decoder.error);
	}
	return result == DECODE_MORE && *error == NULL;
}

/*
 * A cut stream ends at the first byte of the item that is not whole. The
 * replay behind truth.tsv names that or a later byte that it had come to.
 */
static void note_cut(struct replay *r)
{
	const struct source *const s = r->source;
	uint64_t at = s->offset;

	if (r->expected_cut >= at && r->expected_cut <= at + s->size)
		at = r->expected_cut;
	snprintf(r->end, sizeof(r->end), "cut at %" PRIu64, at);
}

static const char *run(struct replay *r)
{
	enum source_result more = SOURCE_OK;
	const char *error = NULL;

	while (feed_window(r, &error))
		if ((more = source_more(r->source)) != SOURCE_OK)
			break;
	if (error != NULL)
		return error;
	if (more == SOURCE_SYSTEM)
		return "the file cannot be read";
	if (more != SOURCE_OK)
		note_cut(r);
	model_end_stream(r->model);
	return NULL;
}

static void print_site(const struct model_site *site, FILE *out)
{
	const struct model_figures *const f = &site->figures;
	static char name[1 << 20];

	model_site_print(site, name, sizeof(name));
	fprintf(out, "%s\t%" PRIu64 "\t%" PRIu64, name, f->alloc_events,
		f->alloc_bytes);
	fprintf(out, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, f->realloc_events,
		f->realloc_new_bytes,
		f->realloc_old_bytes + f->earlier_realloc_bytes);
	fprintf(out, "\t%" PRIu64 "\t%" PRIu64,
		f->free_events + f->earlier_free_events,
		f->free_bytes + f->earlier_free_bytes);
	fprintf(out, "\t%" PRIu64 "\t%" PRIu64 "\n", f->live_blocks,
		f->live_bytes);
}

static void print_all(const struct replay *r, FILE *out)
{
	const struct model_figures *const f = &model_totals(r->model)->figures;

	fprintf(out, "# ljs=%u ljm=%u", r->decoder.symtab_version,
		r->decoder.events_version);
	fprintf(out,
		" alloc=%" PRIu64 " free=%" PRIu64 " realloc=%" PRIu64
		" failed=%" PRIu64 " unknown_old=%" PRIu64,
		f->alloc_events + f->failed_events - r->failed_reallocs,
		f->free_events + f->earlier_free_events,
		f->realloc_events + r->failed_reallocs, f->failed_events,
		f->earlier_free_events + f->earlier_realloc_events -
			r->of_nothing);
	fprintf(out,
		" live_blocks=%" PRIu64 " live_bytes=%" PRIu64
		" trailing=%" PRIu64 " end=%s\n",
		f->live_blocks, f->live_bytes, r->trailing, r->end);
	fputs("site\talloc_events\talloc_bytes\trealloc_events"
	      "\trealloc_new_bytes\trealloc_old_bytes\tfree_events"
	      "\tfree_bytes\tlive_blocks\tlive_bytes\n",
	      out);
	for (uint32_t i = 0; i < model_site_count(r->model); i++) {
		const struct model_site site = model_site(r->model, i);

		print_site(&site, out);
	}
}

const char *replay_print(const char *path, uint64_t expected_cut, FILE *out)
{
	struct replay r = {.model = model_new(NULL, NULL),
			   .expected_cut = expected_cut};
	const char *error = "the file cannot be opened";

	decode_init(&r.decoder);
	if (source_open(&r.source, path, NULL) == SOURCE_OK)
		error = run(&r);
	if (error == NULL && r.source->offset == 0 && r.source->size == 0)
		fputs("# not a stream\n", out);
	else if (error == NULL)
		print_all(&r, out);
	source_close(r.source);
	model_free(r.model);
	return error;
}
