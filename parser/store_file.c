/*
 * store_file.c - the file of a new database, until it has its name.
 *
 * It is written as NAME.partial, under a lock that other processes with the
 * same plan wait for; the kernel frees the lock of one that dies, so that a
 * file left by it is in nobody's way.
 */
#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long to wait for another process: as long as an ingest may take. */
#define WAIT_MS	 600000
#define PAUSE_MS 20

/* What a signal handler may remove. */
static char *volatile unfinished;
static volatile sig_atomic_t adding;

bool store_drop_from_signal(void)
{
	if (unfinished != NULL)
		unlink(unfinished);
	return !adding;
}

static void pause_ms(int ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

/* True when the locked file is still the one that bears the name. */
static bool still_there(const struct store *s)
{
	struct stat named, locked;

	return stat(s->partial, &named) == 0 && fstat(s->lock, &locked) == 0 &&
	       named.st_dev == locked.st_dev && named.st_ino == locked.st_ino;
}

enum attempt {
	TAKEN,
	BUSY,
	FAILED
};

/* Opens and locks path.partial, whoever may have left it there. */
static enum attempt try_partial(struct store *s)
{
	const int flags =
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	bool there = false;
	struct stat st;
	int error;

	s->lock = open(s->partial, flags | O_EXCL, 0666);
	if (s->lock >= 0)
		s->made = true;
	else if ((there = errno == EEXIST))
		s->lock = open(s->partial, flags, 0666);
	if (s->lock < 0) {
		/* If there was no such file, it is about the folder. */
		store_fail_system(s, there ? s->partial : NULL, errno);
		return FAILED;
	}
	if (fstat(s->lock, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = EEXIST;
	} else if (flock(s->lock, LOCK_EX | LOCK_NB) == 0) {
		if (still_there(s)) {
			unfinished = s->partial;
			return TAKEN;
		}
		/* Its owner has finished, or has given up. */
		errno = EWOULDBLOCK;
	} else if (errno == EWOULDBLOCK) {
		s->made = false;
	}
	error = errno;
	store_fail_system(s, s->partial, error);
	if (s->made && error != EWOULDBLOCK)
		unlink(s->partial);
	close(s->lock);
	s->lock = -1;
	return error == EWOULDBLOCK || error == EINTR ? BUSY : FAILED;
}

/* The same, as soon as nobody else writes to it. */
static bool take_partial(struct store *s)
{
	enum attempt attempt;
	sigset_t all, before;

	for (int waited = 0;; waited += PAUSE_MS) {
		/* A file that is made here, a signal must know of. */
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, &before);
		attempt = try_partial(s);
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (attempt != BUSY || waited >= WAIT_MS)
			return attempt == TAKEN;
		pause_ms(PAUSE_MS);
	}
}

/* Looks at s->path: 1 there is something to add to, 0 nothing, -1 failed. */
static int look(struct store *s)
{
	struct stat st;

	if (stat(s->path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		store_fail_system(s, NULL, errno);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		store_fail_system(s, NULL, EISDIR);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(s->error, sizeof(s->error), "not a regular file");
		return -1;
	}
	/* An empty file, as mktemp makes it, is as good as none. */
	return st.st_size != 0;
}

bool store_file_open(struct store *s)
{
	int there = look(s);

	if (there == 0) {
		if (!take_partial(s))
			return false;
		/* Another process may have finished the file by now. */
		there = look(s);
		if (there != 0)
			store_file_drop(s);
	}
	s->create = there == 0;
	adding = there > 0;
	if (s->create && ftruncate(s->lock, 0) != 0)
		return store_fail_system(s, s->partial, errno);
	return there >= 0;
}

/* A name is on the disk when its directory is. */
static bool sync_directory(struct store *s)
{
	const char *const slash = strrchr(s->path, '/');
	char *const name = strndup(s->path, (size_t)(slash - s->path) + 1);
	int fd, result;

	if (name == NULL)
		return store_fail_system(s, NULL, ENOMEM);
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(name);
	if (fd < 0)
		return true; /* not ours to read: the system decides when */
	result = fsync(fd);
	close(fd);
	/* EINVAL: a file system that has no such thing. */
	if (result != 0 && errno != EINVAL)
		return store_fail_system(s, NULL, errno);
	return true;
}

bool store_file_finish(struct store *s)
{
	if (fsync(s->lock) != 0)
		return store_fail_system(s, s->partial, errno);
	/* Somebody who does not know our lock may have been here. */
	if (look(s) > 0)
		return store_fail_system(s, NULL, EEXIST);
	if (rename(s->partial, s->path) != 0)
		return store_fail_system(s, NULL, errno);
	unfinished = NULL;
	close(s->lock);
	s->lock = -1;
	if (sync_directory(s))
		return true;
	unlink(s->path);
	return false;
}

void store_file_drop(struct store *s)
{
	adding = 0;
	if (s->lock < 0)
		return;
	unlink(s->partial);
	unfinished = NULL;
	close(s->lock);
	s->lock = -1;
}
