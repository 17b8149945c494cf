/*
 * suppressions.c - reading and matching of suppressions.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "suppressions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum suppressions_result fail(struct suppressions *s,
				     enum suppressions_result result,
				     const char *what)
{
	snprintf(s->error, sizeof(s->error), "%s", what);
	return result;
}

/* ---- reading */

static enum suppressions_result read_text(struct suppressions *s, FILE *file)
{
	size_t size;

	s->text = malloc(SUPPRESSIONS_MAX + 1);
	if (s->text == NULL)
		return fail(s, SUPPRESSIONS_SYSTEM, "out of memory");
	size = fread(s->text, 1, SUPPRESSIONS_MAX, file);
	if (ferror(file))
		return fail(s, SUPPRESSIONS_SYSTEM, strerror(errno));
	if (size == SUPPRESSIONS_MAX || memchr(s->text, '\0', size) != NULL)
		return fail(s, SUPPRESSIONS_WRONG,
			    "not a file of suppressions");
	s->text[size] = '\0';
	return SUPPRESSIONS_OK;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static enum suppressions_result add_line(struct suppressions *s, char *line,
					 unsigned number)
{
	static const char kind[] = "leak:";
	size_t size;

	while (is_blank(*line))
		line++;
	size = strlen(line);
	while (size > 0 && is_blank(line[size - 1]))
		line[--size] = '\0';
	if (size == 0 || *line == '#')
		return SUPPRESSIONS_OK;
	if (strncmp(line, kind, strlen(kind)) != 0 || size == strlen(kind)) {
		snprintf(s->error, sizeof(s->error),
			 "line %u: leak: and a pattern are wanted, or # and a "
			 "remark",
			 number);
		return SUPPRESSIONS_WRONG;
	}
	s->list[s->count++] = (struct suppression){
		.pattern = line + strlen(kind), .line = number};
	return SUPPRESSIONS_OK;
}

static enum suppressions_result split(struct suppressions *s)
{
	enum suppressions_result result = SUPPRESSIONS_OK;
	char *line = s->text, *end;
	unsigned lines = 1, number = 0;

	for (const char *p = s->text; *p != '\0'; p++)
		lines += *p == '\n';
	s->list = calloc(lines, sizeof(*s->list));
	if (s->list == NULL)
		return fail(s, SUPPRESSIONS_SYSTEM, "out of memory");
	for (; line != NULL && result == SUPPRESSIONS_OK; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		result = add_line(s, line, ++number);
	}
	return result;
}

enum suppressions_result suppressions_read(struct suppressions *s,
					   const char *path)
{
	enum suppressions_result result;
	FILE *const file = fopen(path, "re");

	if (file == NULL)
		return fail(s, SUPPRESSIONS_SYSTEM, strerror(errno));
	result = read_text(s, file);
	fclose(file);
	return result == SUPPRESSIONS_OK ? split(s) : result;
}

void suppressions_clear(struct suppressions *s)
{
	free(s->list);
	free(s->text);
	memset(s, 0, sizeof(*s));
}

/* ---- matching */

/* Finds a piece in a text of size bytes; NULL: it is not there. */
static const char *find(const char *text, const char *end, const char *piece,
			size_t size)
{
	return memmem(text, (size_t)(end - text), piece, size);
}

/*
 * The pieces between the stars, each as early as it goes: if there is a match
 * there is this one. The last piece is taken from the end when it is tied.
 */
static bool matches(const char *pattern, const char *name)
{
	bool tied = *pattern == '^';
	const char *piece = pattern + tied;
	const char *stop = piece + strlen(piece);
	const char *const end = name + strlen(name);
	const bool to_end = stop > piece && stop[-1] == '$';

	stop -= to_end;
	for (;;) {
		const char *const star =
			memchr(piece, '*', (size_t)(stop - piece));
		const size_t size = (size_t)((star ? star : stop) - piece);
		const bool last = piece + size == stop;
		const char *at = find(name, end, piece, size);

		if (last && to_end)
			at = (size_t)(end - name) >= size &&
					     memcmp(end - size, piece, size) ==
						     0
				     ? end - size
				     : NULL;
		if (at == NULL || (tied && at != name))
			return false;
		if (last)
			return true;
		name = at + size;
		piece += size + 1;
		tied = false;
	}
}

unsigned suppressions_find(const struct suppressions *s, const char *name)
{
	for (unsigned i = 0; i < s->count; i++)
		if (matches(s->list[i].pattern, name))
			return i + 1;
	return 0;
}
