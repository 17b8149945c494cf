/*
 * format.h - one value or one row, as text, CSV, JSON, Markdown or in a box.
 *
 * Knows no query: report.c hands it the cells. Texts may be any bytes; where a
 * person reads them, a byte that is no printable UTF-8 shows as \xNN.
 */
#ifndef MEMPARSE_FORMAT_H
#define MEMPARSE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A text that grows; zeroed memory is empty. data is malloc's. */
struct format_buffer {
	char *data;
	size_t size, cap;
	bool failed; /* memory ran out: what came since is missing */
};

void format_append(struct format_buffer *b, const char *bytes, size_t size);
void format_clear(struct format_buffer *b);

/* Appends the bytes in printable form; returns its width in columns. */
size_t format_printable(struct format_buffer *b, const char *bytes,
			size_t size);

/*
 * Shortens a printable text of that width, the end of the buffer from begin
 * on, to max columns or one less: with "…" in its middle. Returns its width.
 */
size_t format_shorten(struct format_buffer *b, size_t begin, size_t width,
		      size_t max);

/* Appends a cell's printable form with Markdown's characters escaped. */
size_t format_markdown(struct format_buffer *b, const char *bytes, size_t size);

/* True when the bytes are UTF-8. */
bool format_is_utf8(const char *bytes, size_t size);

/* Writes a CSV field: in quotes where RFC 4180 wants them. */
void format_csv(FILE *out, const char *bytes, size_t size);

/* Writes a cell's text for HTML; what is not printable UTF-8 as \\xNN. */
void format_html(FILE *out, const char *bytes, size_t size);

/* How a table is drawn. */
enum format_table_kind {
	FORMAT_TEXT,
	FORMAT_BOX,
	FORMAT_MARKDOWN
};

/*
 * A table whose columns are as wide as the cells in its first megabytes;
 * later rows with wider cells stick out. A cell wider than FORMAT_WIDTH_MAX
 * is shortened in text and box; in Markdown it sticks out. Memory: 4 MiB, or
 * one row.
 */
#define FORMAT_WIDTH_MAX 200
struct format_table;

/* A new table, NULL without memory; out is borrowed. */
struct format_table *format_table_new(FILE *out, enum format_table_kind kind,
				      unsigned columns);

/* The next cell, row after row; the names of the columns are the first row. */
void format_table_cell(struct format_table *t, const char *bytes, size_t size,
		       bool number);

/* Writes the rest and frees. False when memory ran out on the way. */
bool format_table_end(struct format_table *t);

#endif
