/*
 * export_pprof.c - pprof's protocol buffer, compressed with gzip.
 *
 * A message may be written in pieces: each piece is a message of its own with
 * some of the fields, and a reader puts them together. So it is never in
 * memory as a whole.
 */
#include "export_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "profile.pb-c.h"

/* The first texts of the string table. */
enum {
	TEXT_EMPTY,
	TEXT_SPACE,
	TEXT_COUNT,
	TEXT_BYTES,
	TEXT_METRICS, /* their names, in the order of enum export_metric */
	TEXT_TITLE = TEXT_METRICS + EXPORT_METRICS,
	TEXT_VM,
	TEXT_PHASE,
	TEXT_FRAMES, /* two each: function, file; behind them the phases */
};

struct writer {
	const struct export_tree *tree;
	gzFile gz;
	uint8_t *buffer;
	size_t room;
	bool no_memory;
};

/* Writes a piece. False: see finish(). */
static bool put(struct writer *w, const Pprof__Profile *piece)
{
	const size_t size = pprof__profile__get_packed_size(piece);
	uint8_t *buffer = w->buffer;

	if (size > w->room) {
		buffer = realloc(buffer, 2 * size);
		if (buffer == NULL) {
			w->no_memory = true;
			return false;
		}
		w->buffer = buffer;
		w->room = 2 * size;
	}
	pprof__profile__pack(piece, buffer);
	return size == 0 || gzwrite(w->gz, buffer, (unsigned)size) > 0;
}

static bool put_text(struct writer *w, const char *text)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	char *list[] = {(char *)(text != NULL ? text : "")};

	piece.n_string_table = 1;
	piece.string_table = list;
	return put(w, &piece);
}

/* pprof wants the empty text to come first. */
static bool put_texts(struct writer *w)
{
	const struct export_tree *const t = w->tree;
	bool ok = put_text(w, "") && put_text(w, "space") &&
		  put_text(w, "count") && put_text(w, "bytes");

	for (unsigned i = 0; ok && i < EXPORT_METRICS; i++)
		ok = put_text(w, export_metric_name(i));
	ok = ok && put_text(w, t->title) && put_text(w, t->vm) &&
	     put_text(w, "phase");
	for (uint32_t i = 0; ok && i < t->frame_count; i++)
		ok = put_text(w, t->frames[i].function) &&
		     put_text(w, t->frames[i].file);
	for (uint32_t i = 0; ok && i < t->phase_count; i++)
		ok = put_text(w, t->phases[i]);
	return ok;
}

static bool put_head(struct writer *w, enum export_metric metric)
{
	/* Allocated before in use, as Go's own heap profiles have it. */
	static const enum export_metric order[] = {
		EXPORT_ALLOC_OBJECTS, EXPORT_ALLOC_SPACE, EXPORT_INUSE_OBJECTS,
		EXPORT_INUSE_SPACE};
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__ValueType types[EXPORT_METRICS], *list[EXPORT_METRICS];
	int64_t comments[] = {TEXT_TITLE, TEXT_VM};

	for (unsigned i = 0; i < EXPORT_METRICS; i++) {
		pprof__value_type__init(&types[i]);
		types[i].type = TEXT_METRICS + order[i];
		types[i].unit = order[i] == EXPORT_ALLOC_OBJECTS ||
						order[i] == EXPORT_INUSE_OBJECTS
					? TEXT_COUNT
					: TEXT_BYTES;
		list[i] = &types[i];
	}
	piece.n_sample_type = EXPORT_METRICS;
	piece.sample_type = list;
	piece.time_nanos = w->tree->start_us * 1000;
	piece.duration_nanos = w->tree->duration_us * 1000;
	piece.n_comment = w->tree->vm != NULL ? 2 : 1;
	piece.comment = comments;
	piece.default_sample_type = TEXT_METRICS + metric;
	return put(w, &piece);
}

/* What one sample is written from. */
struct stack {
	uint32_t *path;
	uint64_t *locations;
};

/* The phase is a label, where there is one. */
static bool put_sample(struct writer *w, uint32_t node, uint32_t phase,
		       const int64_t *values, struct stack *stack)
{
	const struct export_tree *const t = w->tree;
	const uint32_t count = export_path(t, node, stack->path);
	int64_t ordered[] = {
		values[EXPORT_ALLOC_OBJECTS], values[EXPORT_ALLOC_SPACE],
		values[EXPORT_INUSE_OBJECTS], values[EXPORT_INUSE_SPACE]};
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *list[] = {&sample};
	Pprof__Label label = PPROF__LABEL__INIT, *labels[] = {&label};

	for (uint32_t i = 0; i < count; i++)
		stack->locations[i] = (uint64_t)stack->path[i] + 1;
	label.key = TEXT_PHASE;
	label.str = TEXT_FRAMES + 2 * (int64_t)t->frame_count + phase - 1;
	sample.n_label = phase != 0;
	sample.label = labels;
	sample.n_location_id = count;
	sample.location_id = stack->locations;
	sample.n_value = EXPORT_METRICS;
	sample.value = ordered;
	piece.n_sample = 1;
	piece.sample = list;
	return put(w, &piece);
}

static bool put_stacks(struct writer *w, struct stack *stack)
{
	const struct export_tree *const t = w->tree;
	bool ok = true;

	for (size_t i = 0; ok && i < t->sample_count; i++)
		ok = put_sample(w, t->samples[i].node, t->samples[i].phase,
				t->samples[i].values, stack);
	for (uint32_t i = 0; ok && t->samples == NULL && i < t->node_count; i++)
		if (t->nodes[i].values[EXPORT_ALLOC_OBJECTS] != 0)
			ok = put_sample(w, i, 0, t->nodes[i].values, stack);
	return ok;
}

static bool put_samples(struct writer *w)
{
	const size_t room = (size_t)w->tree->depth + 1;
	struct stack stack = {
		.path = malloc(room * sizeof(*stack.path)),
		.locations = malloc(room * sizeof(*stack.locations)),
	};
	bool ok = stack.path != NULL && stack.locations != NULL;

	w->no_memory = !ok;
	ok = ok && put_stacks(w, &stack);
	free(stack.path);
	free(stack.locations);
	return ok;
}

/* A location and a function of its own for each frame, numbered from 1. */
static bool put_frame(struct writer *w, uint32_t frame)
{
	const struct export_frame *const f = &w->tree->frames[frame];
	const int64_t text = TEXT_FRAMES + 2 * (int64_t)frame;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__Line line = PPROF__LINE__INIT, *lines[] = {&line};
	Pprof__Location location = PPROF__LOCATION__INIT;
	Pprof__Location *locations[] = {&location};
	Pprof__Function function = PPROF__FUNCTION__INIT;
	Pprof__Function *functions[] = {&function};

	line.function_id = location.id = function.id = (uint64_t)frame + 1;
	line.line = f->line;
	location.n_line = 1;
	location.line = lines;
	function.name = text;
	function.filename = f->file != NULL ? text + 1 : TEXT_EMPTY;
	function.start_line = f->first_line;
	piece.n_location = piece.n_function = 1;
	piece.location = locations;
	piece.function = functions;
	return put(w, &piece);
}

static bool put_frames(struct writer *w)
{
	bool ok = true;

	for (uint32_t i = 0; ok && i < w->tree->frame_count; i++)
		ok = put_frame(w, i);
	return ok;
}

/* Closes; says what went wrong here or before. */
static bool finish(struct writer *w, bool ok, char *error)
{
	int number = Z_OK, system = errno;

	if (!ok && !w->no_memory)
		gzerror(w->gz, &number);
	errno = 0;
	if (gzclose(w->gz) != Z_OK && ok) {
		system = errno;
		number = Z_ERRNO;
		ok = false;
	}
	free(w->buffer);
	if (ok)
		return true;
	if (w->no_memory || number == Z_MEM_ERROR)
		return export_no_memory(error);
	errno = system;
	snprintf(error, EXPORT_ERROR_SIZE, "%s",
		 strerror(system ? system : EIO));
	return false;
}

bool export_pprof(const struct export_tree *t, enum export_metric metric,
		  int fd, char *error)
{
	struct writer w = {.tree = t};
	const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0) {
		snprintf(error, EXPORT_ERROR_SIZE, "%s", strerror(errno));
		return false;
	}
	w.gz = gzdopen(own, "wb");
	if (w.gz == NULL) {
		close(own);
		return export_no_memory(error);
	}
	return finish(&w,
		      put_head(&w, metric) && put_texts(&w) && put_frames(&w) &&
			      put_samples(&w),
		      error);
}
