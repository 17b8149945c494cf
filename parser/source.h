/*
 * source.h - a file, a pipe or standard input to a window of stream bytes.
 *
 * Hides how the bytes are stored: plain or zstd (told apart by content, also
 * through a pipe). The caller sees a window of bytes not yet taken, that
 * slides over the stream:
 *
 *	err = source_open(&s, path, NULL);
 *	for (;;) {
 *		use s->window, s->size;
 *		source_take(s, how_many_were_used);
 *		if (source_more(s) != SOURCE_OK)
 *			break;
 *	}
 *	source_close(s);
 *
 * Memory: a window of 256 KiB that grows, up to SOURCE_WINDOW_MAX, only while
 * half of it is not taken, such as an item that does not fit; for zstd its
 * window and 128 KiB more. One thread at a time; a large zstd file is
 * decompressed ahead on a thread of its own, which takes 2.1 MiB more and shows
 * in nothing else.
 */
#ifndef MEMPARSE_SOURCE_H
#define MEMPARSE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ljm_format.h"

/* The most bytes that can wait in the window: the longest item and slack. */
#define SOURCE_WINDOW_MAX (LJM_NAME_MAX + (64u << 10))

/* zstd frames with a window above 1 << this are refused: 8 MiB. */
#define SOURCE_ZSTD_WINDOW_LOG 23

/* The most that struct source_options may allow: 2 GiB. */
#define SOURCE_ZSTD_WINDOW_LOG_MAX 31

enum source_result {
	/* source_more(): the window has grown. source_peek(): it is enough. */
	SOURCE_OK,
	/* The input ended well; what is in the window is all there is. */
	SOURCE_END,
	/*
	 * The content is bad: a broken or cut zstd frame, bytes after the last
	 * frame that are not zstd, a window too large. All that could be had
	 * before it has been in the window. s->error says what.
	 */
	SOURCE_CONTENT,
	/* The system refused: s->error_number is errno, s->error its text. */
	SOURCE_SYSTEM,
};

struct source_options {
	unsigned zstd_window_log; /* 0: SOURCE_ZSTD_WINDOW_LOG */
	bool thread;		  /* for zstd always, if it is a regular file */
};

/* Read by the caller, changed by source_*() only. More is private. */
struct source {
	const uint8_t *window; /* bytes not yet taken */
	size_t size;	       /* how many */
	uint64_t offset;       /* of window[0] in the stream, decompressed */
	uint64_t file_offset;  /* bytes of the file used to make the window; */
			       /* after SOURCE_CONTENT where it went wrong */
	uint64_t file_size;    /* of a regular file at the start, else 0 */
	bool compressed;       /* it is zstd; known after the first bytes */
	int error_number;      /* after SOURCE_SYSTEM, else 0 */
	char error[160];       /* after SOURCE_CONTENT and SOURCE_SYSTEM */
};

/*
 * Opens path, "-" is standard input (not closed by source_close()). options
 * may be NULL. Returns SOURCE_OK, or SOURCE_SYSTEM (missing, unreadable, a
 * directory, no memory). *s is a source in either case, NULL only when there
 * is no memory for it; the caller closes it. Nothing is read yet.
 */
enum source_result source_open(struct source **s, const char *path,
			       const struct source_options *options);

/*
 * Appends bytes to the window, at least one when SOURCE_OK; the window may
 * move, pointers into it die. A result other than SOURCE_OK leaves the window
 * as it is and repeats when asked again. Blocks as read(2) does.
 */
enum source_result source_more(struct source *s);

/* Takes the first n bytes off the window, n <= s->size; they stay readable */
/* until the next source_more(). */
void source_take(struct source *s, size_t n);

/*
 * Makes the window hold at least n bytes (n <= 64 KiB), without taking any:
 * to recognise a file. SOURCE_OK when it does; else why it cannot.
 */
enum source_result source_peek(struct source *s, size_t n);

/*
 * For a thread that has other things to do, too: ends the one that
 * decompresses, if there is one, and returns true. From then on
 * source_work_ahead(), called on any one thread, decompresses all that there is
 * room for, unless more than half of that is there already; low(arg) is called
 * when it no longer is. Who calls source_more() calls meanwhile(arg) when it
 * would have to wait for that thread; false: there is nothing to do meanwhile.
 * No call may go on when source_close() is called.
 */
struct source_sharing {
	void (*low)(void *arg);
	bool (*meanwhile)(void *arg);
	void *arg;
};
bool source_share(struct source *s, const struct source_sharing *sharing);
void source_work_ahead(struct source *s);

/*
 * Once all that is wanted has been read: goes on, in a regular zstd file, to
 * the end of the frame that the last bytes came from, SOURCE_REST_MAX bytes at
 * the most, and drops them. SOURCE_CONTENT: the frame is broken, and so may
 * be what was read, as its checksum tells. What follows it does not count.
 */
#define SOURCE_REST_MAX (1u << 20)
enum source_result source_finish(struct source *s);

/* Closes and frees; s may be NULL. */
void source_close(struct source *s);

#endif
