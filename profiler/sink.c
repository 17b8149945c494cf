/*
 * sink.c - a file, or zstd frames in a file.
 */
#define _GNU_SOURCE
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

/*
 * Measured with tests/bench/levels.c: 1 packs a fifth better than -1 at nine
 * tenths of its speed; 3 costs another quarter of the speed for 4 %. A window
 * of 2 MiB, four times the level's own, holds a whole round of the collector in
 * many programs: what the allocator repeats then is three times faster.
 */
#define SINK_ZSTD_LEVEL	     1
#define SINK_ZSTD_WINDOW_LOG 21

/*
 * Where events come so densely that the compressor has much of the program's
 * time, a level that takes two thirds of it, and two to three times the bytes,
 * for a while; but not where they repeat so well that it would take longer. A
 * level needs a frame of its own, and a frame some rounds until its window is
 * full and its speed known.
 */
#define SINK_ZSTD_HURRIED_LEVEL (-5)
#define SINK_ROUND_SIZE		(1u << 20)
#define SINK_BUSY_PERCENT	40
#define SINK_HARD_PERCENT	10 /* of the bytes are left */
#define SINK_WARM_ROUNDS	4
#define SINK_HURRIED_ROUNDS	32

/* One piece of the compressor's output. */
#define SINK_PACKED_SIZE (128u << 10)

static bool ends_in_zst(const char *path)
{
	size_t n = strlen(path);
	return n >= 4 && !strcmp(path + n - 4, ".zst");
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Between frames only. */
static bool set_level(struct sink *s, bool hurried)
{
	int level = hurried ? SINK_ZSTD_HURRIED_LEVEL : SINK_ZSTD_LEVEL;
	s->hurried = hurried;
	s->round = 0;
	return !ZSTD_isError(ZSTD_CCtx_setParameter(
		s->zstd, ZSTD_c_compressionLevel, level));
}

static int open_zstd(struct sink *s)
{
	s->zstd = ZSTD_createCCtx();
	s->packed = malloc(SINK_PACKED_SIZE);
	s->packed_size = SINK_PACKED_SIZE;
	if (!s->zstd || !s->packed)
		return ENOMEM;
	s->round_start_ns = now_ns();
	if (!set_level(s, false) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_windowLog,
						SINK_ZSTD_WINDOW_LOG)))
		return EINVAL;
	return 0;
}

/*
 * Never blocks, as opening a pipe that nobody reads would, and takes the file
 * for this recording alone: two in one file would be one broken stream.
 */
static int open_file(struct sink *s, const char *path)
{
	struct stat st;
	s->fd = open(path,
		     O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		     0666);
	if (s->fd >= 0 && s->fd <= STDERR_FILENO) {
		int low = s->fd;
		s->fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		close(low);
	}
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return errno;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	s->pid = getpid();
	if (S_ISREG(st.st_mode)) {
		/* Where locks are not to be had, recording goes on without. */
		if (flock(s->fd, LOCK_EX | LOCK_NB) != 0 &&
		    errno == EWOULDBLOCK)
			return EBUSY;
		if (ftruncate(s->fd, 0) != 0)
			return errno;
	}
	if (fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) & ~O_NONBLOCK) != 0)
		return errno;
	return 0;
}

int sink_open(struct sink *s, const char *path)
{
	int error;
	memset(s, 0, sizeof *s);
	error = open_file(s, path);
	if (!error && ends_in_zst(path))
		error = open_zstd(s);
	if (error)
		sink_abandon(s);
	return error;
}

static int write_all(int fd, const uint8_t *data, size_t n)
{
	while (n) {
		ssize_t written = write(fd, data, n);
		if (written < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		if (written == 0)
			return EIO; /* it would be so for ever */
		data += written;
		n -= (size_t)written;
	}
	return 0;
}

/* A lost reader, or the host's limit to file sizes: an error, no signal. */
static int write_quietly(int fd, const uint8_t *data, size_t n)
{
	static const struct timespec now = {0, 0};
	sigset_t ours, before, pending;
	int error, signal;
	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	error = write_all(fd, data, n);
	signal = error == EPIPE ? SIGPIPE : error == EFBIG ? SIGXFSZ : 0;
	if (signal && sigismember(&pending, signal) != 1) {
		sigemptyset(&ours);
		sigaddset(&ours, signal);
		while (sigtimedwait(&ours, NULL, &now) < 0 && errno == EINTR)
			continue;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* The descriptor is still our file's, and we are who opened it. */
static int check_owner(const struct sink *s)
{
	struct stat st;
	/* A child that was made without fork()'s handlers. */
	if (getpid() != s->pid)
		return ECHILD;
	if (fstat(s->fd, &st) != 0)
		return errno;
	return st.st_dev == s->device && st.st_ino == s->inode ? 0 : EBADF;
}

static int write_file(struct sink *s, const uint8_t *data, size_t n)
{
	int error = n ? check_owner(s) : 0;
	if (error || !n)
		return error;
	error = write_quietly(s->fd, data, n);
	if (!error)
		s->written += n;
	return error;
}

static int compress(struct sink *s, const void *data, size_t n,
		    ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = {data, n, 0};
	size_t left;
	do {
		ZSTD_outBuffer out = {s->packed, s->packed_size, 0};
		uint64_t start_ns = now_ns();
		int error;
		left = ZSTD_compressStream2(s->zstd, &out, &in, how);
		s->round_packing_ns += now_ns() - start_ns;
		s->round_packed += out.pos;
		if (ZSTD_isError(left))
			return EIO;
		error = write_file(s, s->packed, out.pos);
		if (error)
			return error;
	} while (left);
	return 0;
}

/* Should the next frame begin, with the other level? */
static bool is_time_to_change(const struct sink *s, uint64_t round_ns)
{
	if (s->hurried)
		return s->round >= SINK_HURRIED_ROUNDS;
	return s->round >= SINK_WARM_ROUNDS &&
	       s->round_packed > s->round_size / 100 * SINK_HARD_PERCENT &&
	       s->round_packing_ns > round_ns / 100 * SINK_BUSY_PERCENT;
}

static int end_round(struct sink *s)
{
	uint64_t end_ns = now_ns();
	int error = 0;
	s->round++;
	if (is_time_to_change(s, end_ns - s->round_start_ns)) {
		error = compress(s, NULL, 0, ZSTD_e_end);
		if (!error && !set_level(s, !s->hurried))
			error = EINVAL;
	}
	s->round_size = s->round_packed = 0;
	s->round_packing_ns = 0;
	s->round_start_ns = end_ns;
	return error;
}

int sink_write(struct sink *s, const void *data, size_t n)
{
	int error;
	if (!s->zstd)
		return write_file(s, data, n);
	error = compress(s, data, n, ZSTD_e_flush);
	s->round_size += n;
	if (!error && s->round_size >= SINK_ROUND_SIZE)
		error = end_round(s);
	return error;
}

int sink_close(struct sink *s)
{
	int error = s->zstd ? compress(s, NULL, 0, ZSTD_e_end) : 0;
	int not_ours = check_owner(s);
	if (!error)
		error = not_ours;
	/* A descriptor that became someone else's is not ours to close. */
	if (!not_ours && close(s->fd) != 0 && !error && errno != EINTR)
		error = errno;
	s->fd = -1;
	sink_abandon(s);
	return error;
}

void sink_abandon(struct sink *s)
{
	struct stat st;
	if (s->fd >= 0 && fstat(s->fd, &st) == 0 &&
	    (!s->inode || (st.st_dev == s->device && st.st_ino == s->inode)))
		close(s->fd);
	s->fd = -1;
	ZSTD_freeCCtx(s->zstd);
	s->zstd = NULL;
	free(s->packed);
	s->packed = NULL;
}
