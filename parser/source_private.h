/*
 * source_private.h - a source inside, for source.c and source_relay.c.
 */
#ifndef MEMPARSE_SOURCE_PRIVATE_H
#define MEMPARSE_SOURCE_PRIVATE_H

#include <zstd.h>

#include "source.h"

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

/*
 * Moves the window to the front of the buffer, or makes that larger. False:
 * r->result says why not.
 */
bool source_make_room(struct reader *r);

/* Decompresses at least one byte more, behind the window. */
enum source_result source_more_zstd(struct reader *r);

/*
 * Before anything has been decompressed: lets another thread do it, ahead.
 * Without a thread r->relay stays NULL and things go on as they are.
 */
void source_relay_start(struct reader *r);
void source_relay_stop(struct reader *r);

/* source_more() of a reader with a relay. */
enum source_result source_relay_more(struct reader *r);

#endif
