/*
 * signature.c - lines of Lua, by their text and their function.
 */
#define _GNU_SOURCE /* memmem */
#include "signature.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

/* A part of a signature: longer ones end in a hash. */
#define PART_MAX  240
#define PART_SIZE (PART_MAX + 24)

/* Lines above that are looked at for one of the same text. */
#define NEAR 4096

/* ---- sources */

/* Opens DIRECTORY/PATH, or a path that begins with the directory. */
static int open_below(const char *directory, const char *path)
{
	const size_t size = strlen(directory);
	char name[4096];
	int length;

	if (path[0] == '/' && size != 0 &&
	    strncmp(path, directory, size) == 0 &&
	    (directory[size - 1] == '/' || path[size] == '/'))
		path += size + strspn(path + size, "/");
	if (path[0] == '/')
		return -1;
	for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2)
		if ((at == path || at[-1] == '/') &&
		    (at[2] == '/' || at[2] == '\0'))
			return -1;
	length = snprintf(name, sizeof(name), "%s/%s", directory, path);
	if (length < 0 || (size_t)length >= sizeof(name))
		return -1;
	return open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Notes where the lines begin; a last one without newline counts. */
static bool find_lines(struct signature_source *s)
{
	uint32_t count = 1;

	for (size_t i = 0; i < s->size; i++)
		count += s->text[i] == '\n';
	s->starts = malloc(((size_t)count + 1) * sizeof(*s->starts));
	if (s->starts == NULL)
		return false;
	s->starts[s->lines++] = 0;
	for (size_t i = 0; i < s->size; i++)
		if (s->text[i] == '\n')
			s->starts[s->lines++] = (uint32_t)i + 1;
	s->starts[s->lines] = (uint32_t)s->size + 1;
	return true;
}

static bool read_all(struct signature_source *s, int fd)
{
	struct stat st;
	ssize_t got = 1;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)SIGNATURE_SOURCE_MAX)
		return true;
	s->text = malloc((size_t)st.st_size + 1);
	if (s->text == NULL)
		return false;
	while (got > 0 && s->size < (size_t)st.st_size) {
		got = read(fd, s->text + s->size, (size_t)st.st_size - s->size);
		s->size += got > 0 ? (size_t)got : 0;
	}
	if (s->size == (size_t)st.st_size && find_lines(s))
		return true;
	signature_source_clear(s);
	return got <= 0;
}

bool signature_source_read(struct signature_source *s, const char *directory,
			   const char *chunk)
{
	bool ok;
	int fd;

	memset(s, 0, sizeof(*s));
	if (chunk[0] != '@')
		return true;
	fd = open_below(directory, chunk + 1);
	if (fd < 0)
		return true;
	ok = read_all(s, fd);
	close(fd);
	return ok;
}

void signature_source_clear(struct signature_source *s)
{
	free(s->text);
	free(s->starts);
	memset(s, 0, sizeof(*s));
}

/* ---- parts */

/* Ends a text that is too long in a hash of all of it. */
static void shorten(char out[PART_SIZE], const char *text, size_t size)
{
	if (size <= PART_MAX) {
		memcpy(out, text, size);
		out[size] = '\0';
		return;
	}
	snprintf(out, PART_SIZE, "%.*s~%016" PRIx64, PART_MAX, text,
		 (uint64_t)XXH3_64bits(text, size));
}

/* A line of the source, without the space around it. */
static const char *line_of(const struct signature_source *s, uint64_t line,
			   size_t *size)
{
	const char *text = s->text + s->starts[line - 1];
	const char *end = s->text + s->starts[line] - 1;

	while (text < end && isspace((unsigned char)*text))
		text++;
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*size = (size_t)(end - text);
	return text;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* The keyword in a line, or NULL. */
static const char *find_function(const char *text, size_t size)
{
	static const char word[] = "function";
	const size_t length = sizeof(word) - 1;
	const char *const end = text + size;

	for (const char *at = text;
	     (at = memmem(at, (size_t)(end - at), word, length)) != NULL; at++)
		if ((at == text || !is_word(at[-1])) &&
		    (at + length == end || !is_word(at[length])))
			return at;
	return NULL;
}

static bool is_path(char c)
{
	return is_word(c) || strchr(".:[]\"'", c) != NULL;
}

/*
 * How a function is declared: "M.f" of "function M.f(a)" and of
 * "M.f = function(a)", else all of the line. False: it is not declared here.
 */
static bool declaration(char out[PART_SIZE], const struct signature_source *s,
			uint64_t line)
{
	size_t size;
	const char *const text = line_of(s, line, &size), *end = text + size;
	const char *const function = find_function(text, size);
	const char *name, *after;

	if (function == NULL)
		return false;
	name = function + strlen("function");
	while (name < end && isspace((unsigned char)*name))
		name++;
	for (after = name; after < end && *after != '\0' && is_path(*after);)
		after++;
	if (after == name) {
		for (after = function;
		     after > text && isspace((unsigned char)after[-1]);)
			after--;
		if (after > text && after[-1] == '=')
			after--;
		else
			after = text;
		while (after > text && isspace((unsigned char)after[-1]))
			after--;
		for (name = after;
		     name > text && name[-1] != '\0' && is_path(name[-1]);)
			name--;
	}
	if (after == name)
		shorten(out, text, size);
	else
		shorten(out, name, (size_t)(after - name));
	return true;
}

/* Which one of the lines of its function with the same text it is, from 1. */
static uint64_t ordinal(const struct signature_source *s,
			const struct signature_place *p)
{
	const uint64_t near = p->line > NEAR ? p->line - NEAR : 1;
	const uint64_t first = p->first_line > near ? p->first_line : near;
	size_t size, other;
	const char *const text = line_of(s, p->line, &size);
	uint64_t nth = 1;

	for (uint64_t line = first; line < p->line; line++) {
		const char *const same = line_of(s, line, &other);

		nth += other == size && memcmp(same, text, size) == 0;
	}
	return nth;
}

static bool by_text(char out[SIGNATURE_SIZE], const char *chunk,
		    const struct signature_place *p,
		    const struct signature_source *s)
{
	char function[PART_SIZE] = "", line[PART_SIZE];
	const char *text;
	size_t size;

	if (s->text == NULL || p->line == 0 || p->line > s->lines ||
	    p->first_line > p->line)
		return false;
	if (p->first_line != 0 && !declaration(function, s, p->first_line))
		return false;
	text = line_of(s, p->line, &size);
	if (size == 0)
		return false;
	shorten(line, text, size);
	snprintf(out, SIGNATURE_SIZE, "%s | %s | %s | %" PRIu64, chunk,
		 function, line, ordinal(s, p));
	return true;
}

const char *signature_make(char out[SIGNATURE_SIZE],
			   const struct signature_place *p,
			   const struct signature_source *source)
{
	char chunk[PART_SIZE], function[PART_SIZE];

	shorten(chunk, p->chunk, strlen(p->chunk));
	if (by_text(out, chunk, p, source))
		return "text";
	if (p->first_line == 0 || p->first_line > p->line) {
		snprintf(out, SIGNATURE_SIZE, "%s | %" PRIu64, chunk, p->line);
		return "line";
	}
	if (p->function != NULL)
		shorten(function, p->function, strlen(p->function));
	else
		snprintf(function, sizeof(function), "function %" PRIu64,
			 p->nth);
	snprintf(out, SIGNATURE_SIZE, "%s | %s | +%" PRIu64, chunk, function,
		 p->line - p->first_line);
	return p->function != NULL ? "name" : "relative";
}
