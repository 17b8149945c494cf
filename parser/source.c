/*
 * source.c - reading plain and zstd input into a sliding window.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "processors.h"
#include "source_private.h"

#define WINDOW_FIRST	  (256u << 10)
#define INPUT_SIZE	  (128u << 10)
#define BLOCK_HEADER_SIZE 3
#define MAGIC_SIZE	  4
#define FRAME_NONE	  UINT_MAX

/* A zstd file from this size on is decompressed on a second thread. */
#define THREAD_FILE_SIZE (256u << 10)

static enum source_result fail_system(struct reader *r, int error)
{
	r->pub.error_number = error;
	snprintf(r->pub.error, sizeof(r->pub.error), "%s", strerror(error));
	return r->result = SOURCE_SYSTEM;
}

static enum source_result fail_content(struct reader *r, const char *what)
{
	snprintf(r->pub.error, sizeof(r->pub.error), "%s", what);
	return r->result = SOURCE_CONTENT;
}

enum source_result source_open(struct source **s, const char *path,
			       const struct source_options *options)
{
	struct reader *const r = calloc(1, sizeof(*r));
	struct stat st;

	*s = NULL;
	if (r == NULL)
		return SOURCE_SYSTEM;
	*s = &r->pub;
	r->owned = strcmp(path, "-") != 0;
	r->bad_frame = FRAME_NONE;
	r->window_log = SOURCE_ZSTD_WINDOW_LOG;
	if (options != NULL && options->zstd_window_log != 0)
		r->window_log = options->zstd_window_log;
	r->thread = options != NULL && options->thread;

	if (r->owned)
		r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	else
		r->fd = STDIN_FILENO;
	if (r->fd < 0 || fstat(r->fd, &st) != 0)
		return fail_system(r, errno);
	if (S_ISDIR(st.st_mode))
		return fail_system(r, EISDIR);
	r->regular = S_ISREG(st.st_mode);
	if (r->regular)
		r->pub.file_size = (uint64_t)st.st_size;

	r->buffer = malloc(WINDOW_FIRST);
	if (r->buffer == NULL)
		return fail_system(r, ENOMEM);
	r->capacity = WINDOW_FIRST;
	r->pub.window = r->buffer;
	return SOURCE_OK;
}

void source_close(struct source *s)
{
	struct reader *const r = (struct reader *)s;

	if (r == NULL)
		return;
	source_relay_stop(r);
	if (r->owned && r->fd >= 0)
		close(r->fd);
	ZSTD_freeDCtx(r->zstd);
	free(r->input);
	free(r->buffer);
	free(r);
}

void source_take(struct source *s, size_t n)
{
	s->window += n;
	s->size -= n;
	s->offset += n;
}

/* read(2) once; *got 0 is the end. Signals do not show. */
static bool read_some(struct reader *r, uint8_t *to, size_t room, size_t *got)
{
	ssize_t n;

	do
		n = read(r->fd, to, room);
	while (n < 0 && errno == EINTR);
	*got = 0;
	if (n < 0) {
		fail_system(r, errno);
		return false;
	}
	*got = (size_t)n;
	r->file_read += *got;
	r->at_end = n == 0;
	return true;
}

/*
 * Moves the window to the front of the buffer, which is cheap when it is
 * little; when it fills more than half, the buffer doubles, so that an item
 * of n bytes is moved O(n) bytes in all.
 */
bool source_make_room(struct reader *r)
{
	struct source *const s = &r->pub;
	size_t wanted = r->capacity;
	uint8_t *larger;

	if (s->window != r->buffer && s->size != 0)
		memmove(r->buffer, s->window, s->size);
	s->window = r->buffer;
	if (s->size <= r->capacity / 2)
		return true;
	if (s->size >= SOURCE_WINDOW_MAX) {
		fail_content(r, "an item is longer than any may be");
		return false;
	}
	wanted =
		wanted < SOURCE_WINDOW_MAX / 2 ? 2 * wanted : SOURCE_WINDOW_MAX;
	larger = realloc(r->buffer, wanted);
	if (larger == NULL) {
		fail_system(r, ENOMEM);
		return false;
	}
	r->buffer = larger;
	r->capacity = wanted;
	s->window = larger;
	return true;
}

/* A zstd frame, or one of the sixteen kinds of skippable frame. */
static bool is_zstd(const uint8_t *p)
{
	if (p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd)
		return true;
	return (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d &&
	       p[3] == 0x18;
}

static bool start_zstd(struct reader *r)
{
	struct source *const s = &r->pub;
	const size_t size = s->size;
	size_t code;

	/* Whatever comes, these bytes are not the stream's. */
	s->size = 0;
	s->compressed = true;
	r->input = malloc(INPUT_SIZE);
	r->zstd = ZSTD_createDCtx();
	if (r->input == NULL || r->zstd == NULL) {
		fail_system(r, ENOMEM);
		return false;
	}
	code = ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax,
				      (int)r->window_log);
	if (ZSTD_isError(code)) {
		fail_system(r, EINVAL);
		return false;
	}
	memcpy(r->input, s->window, size);
	r->filled = size;
	return true;
}

/* Reads until the magic can be judged, into the window. */
static bool probe(struct reader *r)
{
	struct source *const s = &r->pub;
	size_t got;

	while (s->size < MAGIC_SIZE && !r->at_end) {
		if (!read_some(r, r->buffer + s->size, INPUT_SIZE - s->size,
			       &got))
			return false;
		s->size += got;
	}
	r->probed = true;
	if (s->size >= MAGIC_SIZE && is_zstd(s->window))
		return start_zstd(r);
	s->file_offset = r->file_read;
	return true;
}

static enum source_result more_plain(struct reader *r)
{
	struct source *const s = &r->pub;
	size_t got;

	if (!r->at_end) {
		if (!source_make_room(r) ||
		    !read_some(r, r->buffer + s->size, r->capacity - s->size,
			       &got))
			return r->result;
		s->size += got;
		s->file_offset = r->file_read;
	}
	return r->at_end ? (r->result = SOURCE_END) : SOURCE_OK;
}

/* Adds to the compressed input; what is left of it moves to the front. */
static bool fill_input(struct reader *r)
{
	size_t got;

	memmove(r->input, r->input + r->used, r->filled - r->used);
	r->filled -= r->used;
	r->used = 0;
	if (!read_some(r, r->input + r->filled, INPUT_SIZE - r->filled, &got))
		return false;
	r->filled += got;
	return true;
}

/* Between frames: SOURCE_OK when another one follows. */
static enum source_result next_frame(struct reader *r)
{
	while (r->filled - r->used < MAGIC_SIZE && !r->at_end)
		if (!fill_input(r))
			return r->result;
	if (r->filled == r->used)
		return r->result = SOURCE_END;
	if (r->filled - r->used < MAGIC_SIZE || !is_zstd(r->input + r->used))
		return fail_content(
			r, "bytes after the last zstd frame are not zstd");
	r->hint = MAGIC_SIZE;
	return SOURCE_OK;
}

static enum source_result fail_zstd(struct reader *r, size_t code)
{
	char text[sizeof(r->pub.error)];

	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_memory_allocation:
		return fail_system(r, ENOMEM);
	case ZSTD_error_frameParameter_windowTooLarge:
		snprintf(text, sizeof(text),
			 "the zstd frame needs a window of more than %llu "
			 "MiB: see --memory",
			 (1ull << r->window_log) >> 20);
		break;
	default:
		r->bad_frame = r->frames;
		snprintf(text, sizeof(text), "the zstd frame is broken: %s",
			 ZSTD_getErrorName(code));
	}
	return fail_content(r, text);
}

/*
 * One call of zstd. When a call fails, its output is lost; so it is given one
 * block at the most, without the header of the next one, which it also asks
 * for: then only the broken block is lost.
 */
static enum source_result decompress(struct reader *r)
{
	struct source *const s = &r->pub;
	const size_t left = r->filled - r->used;
	ZSTD_inBuffer in = {r->input + r->used, 0, 0};
	ZSTD_outBuffer out = {r->buffer, r->capacity, s->size};
	size_t code;

	in.size = r->hint > BLOCK_HEADER_SIZE ? r->hint - BLOCK_HEADER_SIZE
					      : r->hint;
	if (in.size > left)
		in.size = left;
	code = ZSTD_decompressStream(r->zstd, &out, &in);
	r->used += in.pos;
	if (ZSTD_isError(code))
		return fail_zstd(r, code);
	if (out.pos != s->size)
		r->frame = r->frames;
	r->frames += code == 0;
	s->size = out.pos;
	r->pending = out.pos == out.size;
	r->hint = code;
	return SOURCE_OK;
}

enum source_result source_more_zstd(struct reader *r)
{
	struct source *const s = &r->pub;
	const size_t before = s->size;
	enum source_result result = SOURCE_OK;

	if (!source_make_room(r))
		return r->result;
	while (result == SOURCE_OK && s->size == before) {
		if (r->hint == 0) {
			result = next_frame(r);
		} else if (r->used == r->filled && !r->pending && r->at_end) {
			r->bad_frame = r->frames;
			result = fail_content(r, "the zstd frame is cut");
		} else if (r->used == r->filled && !r->pending) {
			if (!fill_input(r))
				result = r->result;
		} else {
			result = decompress(r);
		}
	}
	s->file_offset = r->file_read - (r->filled - r->used);
	return result;
}

/* ---- either way */

static bool wants_relay(const struct reader *r)
{
	if (!r->regular || r->relay != NULL)
		return false;
	return r->thread ||
	       (r->pub.file_size >= THREAD_FILE_SIZE && count_processors() > 1);
}

enum source_result source_more(struct source *s)
{
	struct reader *const r = (struct reader *)s;
	const bool first = !r->probed;

	if (r->result != SOURCE_OK)
		return r->result;
	if (first && !probe(r))
		return r->result;
	if (s->compressed && first && wants_relay(r))
		source_relay_start(r);
	if (r->relay != NULL)
		return source_relay_more(r);
	if (s->compressed)
		return source_more_zstd(r);
	if (first && s->size != 0)
		return SOURCE_OK;
	return more_plain(r);
}

enum source_result source_finish(struct source *s)
{
	struct reader *const r = (struct reader *)s;
	const unsigned frame = r->frame;
	size_t dropped = 0;

	if (!s->compressed || !r->regular)
		return SOURCE_OK;
	while (r->result == SOURCE_OK && r->frame == frame &&
	       dropped < SOURCE_REST_MAX) {
		source_take(s, s->size);
		source_more(s);
		dropped += s->size;
	}
	if (r->result == SOURCE_CONTENT && r->bad_frame != frame)
		return SOURCE_OK;
	return r->result == SOURCE_END ? SOURCE_OK : r->result;
}

enum source_result source_peek(struct source *s, size_t n)
{
	enum source_result result = SOURCE_OK;

	while (s->size < n && result == SOURCE_OK)
		result = source_more(s);
	return s->size < n ? result : SOURCE_OK;
}
