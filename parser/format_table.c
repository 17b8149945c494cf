/*
 * format_table.c - rows in columns: text, box, Markdown. See format.h.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

/* When so much text waits, it is written and widths are final. */
#define WAIT_SIZE (4u << 20)

struct cell {
	size_t size; /* bytes in the buffer, behind those of the cell before */
	size_t width;
	bool number;
};

struct column {
	size_t width;
	bool numbers, others; /* what its cells are, but for the name */
};

struct format_table {
	FILE *out;
	enum format_table_kind kind;
	unsigned columns;
	struct format_buffer text;
	struct cell *cells;
	size_t count, cap;
	struct column *column;
	bool begun; /* widths are final, the names are written */
};

struct format_table *format_table_new(FILE *out, enum format_table_kind kind,
				      unsigned columns)
{
	struct format_table *const t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->out = out;
	t->kind = kind;
	t->columns = columns;
	t->column = calloc(columns, sizeof(*t->column));
	if (t->column == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

/* ---- drawing */

/* What stands before, between and after the cells of a line. */
struct frame {
	const char *left, *between, *right;
};

static const struct frame rows[] = {
	[FORMAT_TEXT] = {"", "  ", ""},
	[FORMAT_BOX] = {"│ ", " │ ", " │"},
	[FORMAT_MARKDOWN] = {"| ", " | ", " |"},
};

static void repeat(FILE *out, const char *what, size_t times)
{
	while (times-- != 0)
		fputs(what, out);
}

static void draw_rule(const struct format_table *t, const char *left,
		      const char *between, const char *right)
{
	fputs(left, t->out);
	for (unsigned i = 0; i < t->columns; i++) {
		if (i != 0)
			fputs(between, t->out);
		repeat(t->out, "─", t->column[i].width + 2);
	}
	fprintf(t->out, "%s\n", right);
}

static bool is_right(const struct column *column)
{
	return column->numbers && !column->others;
}

static void draw_markdown_rule(const struct format_table *t)
{
	for (unsigned i = 0; i < t->columns; i++) {
		const bool right = is_right(&t->column[i]);

		fputs("|", t->out);
		repeat(t->out, "-", t->column[i].width + 2 - right);
		fputs(right ? ":" : "", t->out);
	}
	fputs("|\n", t->out);
}

/* Draws the cells of a row, whose text begins at text; returns its size. */
static size_t draw_row(const struct format_table *t, const struct cell *cells,
		       const char *text)
{
	const struct frame *const frame = &rows[t->kind];
	size_t size = 0;

	fputs(frame->left, t->out);
	for (unsigned i = 0; i < t->columns; i++) {
		const struct cell *const c = &cells[i];
		const size_t width = t->column[i].width;
		const size_t pad = c->width < width ? width - c->width : 0;
		const bool last = i + 1 == t->columns;

		if (i != 0)
			fputs(frame->between, t->out);
		if (c->number)
			repeat(t->out, " ", pad);
		fwrite(text + size, 1, c->size, t->out);
		if (!c->number && !(last && t->kind == FORMAT_TEXT))
			repeat(t->out, " ", pad);
		size += c->size;
	}
	fprintf(t->out, "%s\n", frame->right);
	return size;
}

/* The first row has the names: they stand as the numbers under them do. */
static size_t draw_names(struct format_table *t)
{
	size_t size;

	for (unsigned i = 0; i < t->columns; i++)
		t->cells[i].number = is_right(&t->column[i]);
	if (t->kind == FORMAT_BOX)
		draw_rule(t, "┌", "┬", "┐");
	size = draw_row(t, t->cells, t->text.data);
	if (t->kind == FORMAT_BOX)
		draw_rule(t, "├", "┼", "┤");
	if (t->kind == FORMAT_MARKDOWN)
		draw_markdown_rule(t);
	return size;
}

/* ---- cells */

static void widen(struct format_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct column *const c = &t->column[i % t->columns];
		const size_t width = t->cells[i].width;

		if (width > c->width)
			c->width = width;
		if (c->width > FORMAT_WIDTH_MAX)
			c->width = FORMAT_WIDTH_MAX;
		if (i < t->columns)
			continue;
		if (t->cells[i].number)
			c->numbers = true;
		else if (width != 0)
			c->others = true;
	}
}

/* Writes the rows that wait. */
static void flush(struct format_table *t)
{
	size_t at = 0, text = 0;

	if (t->count == 0 || t->text.failed)
		return;
	if (!t->begun) {
		widen(t);
		text = draw_names(t);
		at = t->columns;
		t->begun = true;
	}
	for (; at < t->count; at += t->columns)
		text += draw_row(t, t->cells + at, t->text.data + text);
	t->count = 0;
	t->text.size = 0;
}

static bool make_room(struct format_table *t)
{
	const size_t cap = t->cap * 2 + 256;
	struct cell *cells;

	if (t->count < t->cap)
		return true;
	cells = realloc(t->cells, cap * sizeof(*cells));
	if (cells == NULL)
		return false;
	t->cells = cells;
	t->cap = cap;
	return true;
}

void format_table_cell(struct format_table *t, const char *bytes, size_t size,
		       bool number)
{
	const size_t before = t->text.size;
	size_t width;

	if (!make_room(t)) {
		t->text.failed = true;
		return;
	}
	if (t->kind == FORMAT_MARKDOWN) {
		width = format_markdown(&t->text, bytes, size);
	} else {
		width = format_printable(&t->text, bytes, size);
		width = format_shorten(&t->text, before, width,
				       FORMAT_WIDTH_MAX);
	}
	t->cells[t->count++] =
		(struct cell){t->text.size - before, width, number};
	if (t->count % t->columns == 0 && t->count > t->columns &&
	    t->text.size + t->count * sizeof(*t->cells) >= WAIT_SIZE)
		flush(t);
}

bool format_table_end(struct format_table *t)
{
	bool ok;

	flush(t);
	if (t->begun && t->kind == FORMAT_BOX)
		draw_rule(t, "└", "┴", "┘");
	ok = !t->text.failed;
	format_clear(&t->text);
	free(t->cells);
	free(t->column);
	free(t);
	return ok;
}
