/*
 * export_speedscope.c - speedscope's own file format, a profile a metric.
 *
 * https://www.speedscope.app/file-format-schema.json. SQLite's functions write
 * whatever is a text.
 */
#include "export_tree.h"

#include <inttypes.h>
#include <stdlib.h>

#include "memparse.h"

struct writer {
	const struct export_tree *tree;
	sqlite3_stmt *quote;		   /* SELECT json_quote(?) */
	sqlite3_stmt *frame, *frame_short; /* SELECT json_object(...) */
	uint32_t *path;
	FILE *out;
	char *error;
};

/* Runs a statement that makes one value, and writes that. */
static bool write_value(struct writer *w, sqlite3_stmt *stmt)
{
	const unsigned char *text = NULL;

	if (sqlite3_step(stmt) == SQLITE_ROW)
		text = sqlite3_column_text(stmt, 0);
	if (text == NULL)
		snprintf(w->error, EXPORT_ERROR_SIZE, "%s",
			 sqlite3_errmsg(sqlite3_db_handle(stmt)));
	else
		fputs((const char *)text, w->out);
	sqlite3_reset(stmt);
	return text != NULL;
}

static bool bind(sqlite3_stmt *stmt, int index, const char *text)
{
	return sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC) ==
	       SQLITE_OK;
}

static bool write_quoted(struct writer *w, const char *text)
{
	return bind(w->quote, 1, text) ? write_value(w, w->quote)
				       : export_no_memory(w->error);
}

static bool write_frame(struct writer *w, const struct export_frame *f)
{
	sqlite3_stmt *const stmt = f->file != NULL ? w->frame : w->frame_short;
	bool ok = bind(stmt, 1, f->name);

	if (f->file != NULL)
		ok = ok && bind(stmt, 2, f->file) &&
		     sqlite3_bind_int64(stmt, 3, f->line) == SQLITE_OK;
	return ok ? write_value(w, stmt) : export_no_memory(w->error);
}

static bool write_frames(struct writer *w)
{
	bool ok = true;

	fputs("\"shared\":{\"frames\":[", w->out);
	for (uint32_t i = 0; ok && i < w->tree->frame_count; i++) {
		fputs(i == 0 ? "\n" : ",\n", w->out);
		ok = write_frame(w, &w->tree->frames[i]);
	}
	fputs("]},\n", w->out);
	return ok;
}

static void write_samples(struct writer *w, unsigned metric)
{
	const struct export_tree *const t = w->tree;
	const char *before = "\n[";

	for (uint32_t i = 0; i < t->node_count; i++) {
		uint32_t count;

		if (t->nodes[i].values[metric] == 0)
			continue;
		fputs(before, w->out);
		before = ",\n[";
		/* The outermost frame first. */
		count = export_path(t, i, w->path);
		while (count-- != 0)
			fprintf(w->out, "%" PRIu32 "%s", w->path[count],
				count != 0 ? "," : "]");
	}
}

static void write_weights(struct writer *w, unsigned metric)
{
	const struct export_tree *const t = w->tree;
	const char *before = "";

	for (uint32_t i = 0; i < t->node_count; i++) {
		if (t->nodes[i].values[metric] == 0)
			continue;
		fprintf(w->out, "%s%" PRId64, before,
			t->nodes[i].values[metric]);
		before = ",";
	}
}

static bool write_profile(struct writer *w, unsigned metric)
{
	const bool objects = metric == EXPORT_INUSE_OBJECTS ||
			     metric == EXPORT_ALLOC_OBJECTS;

	fputs("{\"type\":\"sampled\",\"name\":", w->out);
	if (!write_quoted(w, export_metric_name(metric)))
		return false;
	fprintf(w->out,
		",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%" PRId64
		",\"samples\":[",
		objects ? "none" : "bytes", w->tree->totals[metric]);
	write_samples(w, metric);
	fputs("],\"weights\":[", w->out);
	write_weights(w, metric);
	fputs("]}", w->out);
	return true;
}

static bool write_file(struct writer *w, enum export_metric metric)
{
	bool ok;

	fputs("{\"$schema\":\"https://www.speedscope.app/"
	      "file-format-schema.json\",\n\"name\":",
	      w->out);
	ok = write_quoted(w, w->tree->title);
	fprintf(w->out,
		",\"exporter\":\"memparse@%s\",\"activeProfileIndex\":%u,\n",
		MEMPARSE_VERSION_STRING, (unsigned)metric);
	ok = ok && write_frames(w);
	fputs("\"profiles\":[", w->out);
	for (unsigned i = 0; ok && i < EXPORT_METRICS; i++) {
		fputs(i == 0 ? "\n" : ",\n", w->out);
		ok = write_profile(w, i);
	}
	fputs("]}\n", w->out);
	return ok;
}

bool export_speedscope(const struct export_tree *t, enum export_metric metric,
		       sqlite3 *db, FILE *out, char *error)
{
	struct writer w = {.tree = t, .out = out, .error = error};
	bool ok;

	w.path = malloc(((size_t)t->depth + 1) * sizeof(*w.path));
	if (w.path == NULL)
		return export_no_memory(error);
	ok = sqlite3_prepare_v2(db, "SELECT json_quote(?)", -1, &w.quote,
				NULL) == SQLITE_OK &&
	     sqlite3_prepare_v2(db,
				"SELECT json_object('name', ?, 'file', ?, "
				"'line', ?)",
				-1, &w.frame, NULL) == SQLITE_OK &&
	     sqlite3_prepare_v2(db, "SELECT json_object('name', ?)", -1,
				&w.frame_short, NULL) == SQLITE_OK;
	if (!ok)
		snprintf(error, EXPORT_ERROR_SIZE, "%s", sqlite3_errmsg(db));
	ok = ok && write_file(&w, metric);
	sqlite3_finalize(w.quote);
	sqlite3_finalize(w.frame);
	sqlite3_finalize(w.frame_short);
	free(w.path);
	return ok;
}
