/*
 * sink.h - where full buffers go: a file, or zstd frames in a file.
 *
 * A guest's manners: no SIGPIPE or SIGXFSZ reaches the host, the descriptor is
 * never one of the standard three, and nothing is written when the host has
 * closed the descriptor and its number is someone else's by now.
 */
#ifndef LJMEMPROF_SINK_H
#define LJMEMPROF_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sink {
	int fd;	      /* -1: closed */
	pid_t pid;    /* who opened it */
	dev_t device; /* of the file, to know it again */
	ino_t inode;
	struct ZSTD_CCtx_s *zstd; /* NULL: written as it is */
	uint8_t *packed;	  /* room for compressed bytes */
	size_t packed_size;
	bool hurried;	/* the level of the current zstd frame */
	unsigned round; /* of the current frame, from 0 */
	/* This round's bytes, before and after, and the compressor's time. */
	size_t round_size, round_packed;
	uint64_t round_start_ns, round_packing_ns;
	uint64_t written; /* bytes of the file so far */
};

/*
 * Creates or empties the file. A name that ends in ".zst" is compressed.
 * Returns 0 or an errno: EBUSY when another recording writes this file, ENXIO
 * for a pipe without a reader. The sink must be closed or abandoned.
 */
int sink_open(struct sink *s, const char *path);

/*
 * Writes n bytes; compressed ones are flushed, so that all of them can be
 * read back whatever happens later. Returns 0 or an errno, after which only
 * closing makes sense.
 */
int sink_write(struct sink *s, const void *data, size_t n);

/* Ends the zstd frame and closes. Returns 0 or an errno. */
int sink_close(struct sink *s);

/* Closes without writing: after an error, and in a forked child. */
void sink_abandon(struct sink *s);

#endif
