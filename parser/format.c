/*
 * format.c - values as printable text, CSV and Markdown. See format.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "format.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "utf8.h"

/* ---- the buffer */

void format_append(struct format_buffer *b, const char *bytes, size_t size)
{
	if (size > b->cap - b->size) {
		const size_t cap = b->cap * 2 + size + 256;
		char *const data = realloc(b->data, cap);

		if (data == NULL) {
			b->failed = true;
			return;
		}
		b->data = data;
		b->cap = cap;
	}
	if (size != 0)
		memcpy(b->data + b->size, bytes, size);
	b->size += size;
}

void format_clear(struct format_buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

/* ---- UTF-8 */

bool format_is_utf8(const char *bytes, size_t size)
{
	const uint8_t *const s = (const uint8_t *)bytes;
	uint32_t code;
	size_t length;

	for (size_t at = 0; at < size; at += length) {
		length = utf8_next(s + at, size - at, &code);
		if (length == 0)
			return false;
	}
	return true;
}

/* The columns that a character takes up, as the C library knows them. */
static size_t char_width(uint32_t c)
{
	int width;

	if (c < 0x7f)
		return 1;
	width = wcwidth((wchar_t)c);
	return width < 0 ? 1 : (size_t)width;
}

size_t format_printable(struct format_buffer *b, const char *bytes, size_t size)
{
	const uint8_t *const s = (const uint8_t *)bytes;
	size_t width = 0, length;
	uint32_t code;
	char hex[5];

	for (size_t at = 0; at < size; at += length) {
		length = utf8_next(s + at, size - at, &code);
		if (length != 0 && !utf8_is_control(code)) {
			format_append(b, bytes + at, length);
			width += char_width(code);
			continue;
		}
		length = length == 0 ? 1 : length;
		for (size_t i = 0; i < length; i++) {
			snprintf(hex, sizeof(hex), "\\x%02x", s[at + i]);
			format_append(b, hex, 4);
			width += 4;
		}
	}
	return width;
}

/* The bytes that begin in the first columns of a printable text. */
static size_t bytes_of(const char *text, size_t size, size_t columns,
		       size_t *width)
{
	size_t at = 0, length;
	uint32_t code;

	for (*width = 0; at < size; at += length) {
		length =
			utf8_next((const uint8_t *)text + at, size - at, &code);
		if (*width + char_width(code) > columns)
			break;
		*width += char_width(code);
	}
	return at;
}

size_t format_shorten(struct format_buffer *b, size_t begin, size_t width,
		      size_t max)
{
	static const char ellipsis[] = "…";
	const size_t mark = sizeof(ellipsis) - 1, size = b->size - begin;
	size_t head, head_width, tail, tail_begin, limit;

	if (width <= max)
		return width;
	/* It makes room: two narrow characters are shorter than the mark. */
	format_append(b, ellipsis, mark);
	if (b->failed)
		return width;
	head = bytes_of(b->data + begin, size, max / 2, &head_width);
	/* A wide character that begins in a column too early is left out. */
	for (limit = width - (max - 1 - max / 2);; limit++) {
		tail = bytes_of(b->data + begin, size, limit, &tail_begin);
		if (tail_begin >= width - (max - 1 - max / 2))
			break;
	}
	memmove(b->data + begin + head + mark, b->data + begin + tail,
		size - tail);
	memcpy(b->data + begin + head, ellipsis, mark);
	b->size = begin + head + mark + size - tail;
	return head_width + 1 + width - tail_begin;
}

/* ---- Markdown, CSV */

/* An underscore inside a word means nothing to Markdown. */
static bool needs_backslash(const char *text, size_t at, size_t size)
{
	if (text[at] == '_')
		return at == 0 || at + 1 == size ||
		       !isalnum((unsigned char)text[at - 1]) ||
		       !isalnum((unsigned char)text[at + 1]);
	return text[at] != '\0' && strchr("\\|`*<[&~$", text[at]) != NULL;
}

size_t format_markdown(struct format_buffer *b, const char *bytes, size_t size)
{
	struct format_buffer plain = {NULL, 0, 0, false};
	size_t width = format_printable(&plain, bytes, size);

	for (size_t i = 0; i < plain.size; i++) {
		if (needs_backslash(plain.data, i, plain.size)) {
			format_append(b, "\\", 1);
			width++;
		}
		format_append(b, plain.data + i, 1);
	}
	b->failed = b->failed || plain.failed;
	format_clear(&plain);
	return width;
}

void format_csv(FILE *out, const char *bytes, size_t size)
{
	bool quotes = size == 0; /* an empty text, unlike NULL */

	for (size_t i = 0; i < size && !quotes; i++)
		quotes = strchr(",\"\r\n", bytes[i]) != NULL;
	if (!quotes) {
		fwrite(bytes, 1, size, out);
		return;
	}
	putc('"', out);
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '"')
			putc('"', out);
		putc(bytes[i], out);
	}
	putc('"', out);
}

void format_html(FILE *out, const char *bytes, size_t size)
{
	struct format_buffer b = {NULL, 0, 0, false};

	format_printable(&b, bytes, size);
	for (size_t i = 0; i < b.size; i++)
		switch (b.data[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			putc(b.data[i], out);
		}
	format_clear(&b);
}
