/*
 * source.c - reading plain and zstd input into a sliding window.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "quiet_thread.h"

#define WINDOW_FIRST	  (256u << 10)
#define INPUT_SIZE	  (128u << 10)
#define BLOCK_HEADER_SIZE 3
#define MAGIC_SIZE	  4
#define FRAME_NONE	  UINT_MAX

/* A zstd file from this size on is decompressed on a second thread. */
#define THREAD_FILE_SIZE (256u << 10)
#define CHUNKS		 4u /* a power of two, for the numbers run over */
#define CHUNK_SIZE	 (128u << 10) /* a block of zstd's */
#define CHUNK_BEFORE	 4096u

struct relay;

struct reader {
	struct source pub; /* first: the caller's pointer is ours */
	int fd;
	bool owned;		   /* fd is ours to close */
	bool at_end;		   /* read(2) returned 0 */
	enum source_result result; /* what ended it, SOURCE_OK before */
	unsigned window_log;
	bool regular;	     /* a regular file: reads end soon */
	bool thread;	     /* always; see struct source_options */
	struct relay *relay; /* where bytes come from then, else NULL */

	uint8_t *buffer; /* the window lies in buffer[0..capacity) */
	size_t capacity;

	bool probed; /* plain or zstd has been decided */
	ZSTD_DCtx *zstd;
	uint8_t *input; /* of zstd: input[used..filled) is not decompressed */
	size_t used, filled;
	uint64_t file_read; /* bytes read(2) returned so far */
	size_t hint;	    /* what zstd wants next, 0 between frames */
	unsigned frames;    /* of zstd that have ended well */
	unsigned frame;	    /* that the last bytes came from */
	unsigned bad_frame; /* that is broken, FRAME_NONE: none */
	bool pending; /* output did not fit: read no more before it is out */
};

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

static void relay_stop(struct reader *r);

void source_close(struct source *s)
{
	struct reader *const r = (struct reader *)s;

	if (r == NULL)
		return;
	relay_stop(r);
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
static bool make_room(struct reader *r)
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
		if (!make_room(r) || !read_some(r, r->buffer + s->size,
						r->capacity - s->size, &got))
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

static enum source_result more_zstd(struct reader *r)
{
	struct source *const s = &r->pub;
	const size_t before = s->size;
	enum source_result result = SOURCE_OK;

	if (!make_room(r))
		return r->result;
	while (result == SOURCE_OK && s->size == before) {
		if (r->hint == 0) {
			result = next_frame(r);
		} else if (r->used == r->filled && !r->pending && r->at_end) {
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

/* ---- a second thread that decompresses ahead */

/* A piece of the stream, or the end of it, which has no bytes. */
struct chunk {
	size_t size;
	enum source_result result;
	uint64_t file_offset;
	unsigned frame, bad_frame;
	/* Room for what is left of the piece before, and the bytes. */
	uint8_t before[CHUNK_BEFORE], data[CHUNK_SIZE];
};

/*
 * The reader inside has the file and zstd's state, and a chunk for a window.
 * The one outside has the caller's window, which is in a chunk that is lent to
 * it, or, while an item is too long for that, in a buffer of its own.
 */
struct relay {
	struct reader inside;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned made, taken; /* chunks, ever */
	bool stop;
	bool lent;   /* the first of the chunks not taken */
	size_t used; /* of the chunk at hand, by copying */
	struct chunk chunks[CHUNKS];
};

static void make_chunk(struct reader *inside, struct chunk *chunk)
{
	struct source *const s = &inside->pub;

	inside->buffer = chunk->data;
	s->window = chunk->data;
	s->size = 0;
	chunk->result = more_zstd(inside);
	chunk->size = s->size;
	chunk->file_offset = s->file_offset;
	chunk->frame = inside->frame;
	chunk->bad_frame = inside->bad_frame;
}

static void *run_relay(void *arg)
{
	struct relay *const p = arg;
	enum source_result result = SOURCE_OK;

	pthread_mutex_lock(&p->lock);
	while (result == SOURCE_OK) {
		struct chunk *const chunk = &p->chunks[p->made % CHUNKS];

		while (p->made - p->taken == CHUNKS && !p->stop)
			pthread_cond_wait(&p->changed, &p->lock);
		if (p->stop)
			break;
		pthread_mutex_unlock(&p->lock);
		make_chunk(&p->inside, chunk);
		result = chunk->result;
		pthread_mutex_lock(&p->lock);
		p->made++;
		pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/*
 * Before anything has been decompressed. Without a thread things go on as
 * they are.
 */
static void relay_start(struct reader *r)
{
	struct relay *const p = malloc(sizeof(*p));

	if (p == NULL)
		return;
	p->inside = *r;
	p->inside.capacity = CHUNK_SIZE;
	p->made = p->taken = 0;
	p->stop = p->lent = false;
	p->used = 0;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (quiet_thread_start(&p->thread, run_relay, p)) {
		r->relay = p;
		return;
	}
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void relay_stop(struct reader *r)
{
	struct relay *const p = r->relay;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	r->relay = NULL;
}

/* The next chunk that is not lent; waits for it. */
static struct chunk *await_chunk(struct relay *p)
{
	const unsigned number = p->taken + p->lent;

	pthread_mutex_lock(&p->lock);
	while (p->made == number)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return &p->chunks[number % CHUNKS];
}

/* Gives the first chunk that is not taken back. */
static void take_chunk(struct relay *p)
{
	pthread_mutex_lock(&p->lock);
	p->taken++;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* Puts what is left of the window before a chunk: both are the window now. */
static void lend_chunk(struct reader *r, struct chunk *chunk)
{
	struct source *const s = &r->pub;
	struct relay *const p = r->relay;
	uint8_t *const window = chunk->data - s->size;

	memcpy(window, s->window, s->size);
	s->window = window;
	s->size += chunk->size;
	if (p->lent)
		take_chunk(p);
	p->lent = true;
}

/* Adds to the reader's own buffer what there is room for. */
static void copy_chunk(struct reader *r, const struct chunk *chunk)
{
	struct source *const s = &r->pub;
	struct relay *const p = r->relay;
	const size_t left = chunk->size - p->used;
	const size_t room = r->capacity - s->size;
	const size_t size = left < room ? left : room;

	memcpy(r->buffer + s->size, chunk->data + p->used, size);
	s->size += size;
	p->used += size;
	if (p->used == chunk->size) {
		p->used = 0;
		take_chunk(p);
	}
}

static enum source_result more_relayed(struct reader *r)
{
	struct source *const s = &r->pub;
	struct relay *const p = r->relay;
	const bool copy = p->used != 0 || s->size > CHUNK_BEFORE;
	struct chunk *const chunk = await_chunk(p);

	s->file_offset = chunk->file_offset;
	r->frame = chunk->frame;
	r->bad_frame = chunk->bad_frame;
	/* It stays, and so does the window. */
	if (chunk->result != SOURCE_OK) {
		s->error_number = p->inside.pub.error_number;
		memcpy(s->error, p->inside.pub.error, sizeof(s->error));
		return r->result = chunk->result;
	}
	if (!copy) {
		lend_chunk(r, chunk);
		return SOURCE_OK;
	}
	if (!make_room(r))
		return r->result;
	if (p->lent) {
		p->lent = false;
		take_chunk(p);
	}
	copy_chunk(r, chunk);
	return SOURCE_OK;
}

static bool wants_relay(const struct reader *r)
{
	cpu_set_t set;

	if (!r->regular || r->relay != NULL)
		return false;
	return r->thread || (r->pub.file_size >= THREAD_FILE_SIZE &&
			     sched_getaffinity(0, sizeof(set), &set) == 0 &&
			     CPU_COUNT(&set) > 1);
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
		relay_start(r);
	if (r->relay != NULL)
		return more_relayed(r);
	if (s->compressed)
		return more_zstd(r);
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
