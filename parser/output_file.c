/*
 * output_file.c - writing beside the file, and renaming.
 */
#define _GNU_SOURCE
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a signal handler may remove. */
static char *volatile unfinished;

void output_file_drop_from_signal(void)
{
	if (unfinished != NULL)
		unlink(unfinished);
}

/* Removes what has no name yet, and frees the rest; errno stays. */
static void drop(struct output_file *o)
{
	const int error = errno;

	output_file_drop_from_signal();
	unfinished = NULL;
	free(o->path);
	free(o->partial);
	*o = (struct output_file){0};
	errno = error;
}

static bool failed(struct output_file *o)
{
	drop(o);
	return false;
}

/* Where a link leads to; the path itself if that is nowhere. */
static char *target(const char *path)
{
	char *const real = realpath(path, NULL);

	return real != NULL ? real : strdup(path);
}

/* Makes partial, which a signal must know of as soon as it is there. */
static int make_partial(struct output_file *o)
{
	sigset_t all, before;
	int fd, error;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	fd = mkostemp(o->partial, O_CLOEXEC);
	error = errno;
	if (fd >= 0)
		unfinished = o->partial;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return fd;
}

/* A file beside path, with the mode that a new file gets. */
static bool open_partial(struct output_file *o, const char *path)
{
	mode_t mask;
	int fd;

	o->path = target(path);
	if (o->path == NULL ||
	    asprintf(&o->partial, "%s.XXXXXX", o->path) < 0) {
		o->partial = NULL;
		errno = ENOMEM;
		return failed(o);
	}
	fd = make_partial(o);
	if (fd < 0)
		return failed(o);
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	o->file = fdopen(fd, "w");
	if (o->file != NULL)
		return true;
	close(fd);
	errno = ENOMEM;
	return failed(o);
}

bool output_file_open(struct output_file *o, const char *path)
{
	struct stat st;

	*o = (struct output_file){0};
	if (strcmp(path, "-") == 0) {
		o->file = stdout;
		return true;
	}
	if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
		return open_partial(o, path);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return false;
	}
	o->file = fopen(path, "we");
	return o->file != NULL;
}

/* Is all of it in the file, and if it is a new one, on the disk? */
static bool arrived(struct output_file *o)
{
	errno = 0;
	if (fflush(o->file) == 0 && !ferror(o->file))
		return o->partial == NULL || fsync(fileno(o->file)) == 0;
	if (errno == 0)
		errno = EIO;
	return false;
}

bool output_file_close(struct output_file *o, bool keep)
{
	int error;

	if (o->file == stdout || o->file == NULL)
		return true;
	error = keep && !arrived(o) ? errno : 0;
	if (fclose(o->file) != 0 && keep && error == 0)
		error = errno;
	keep = keep && error == 0;
	if (keep && o->partial != NULL) {
		if (rename(o->partial, o->path) == 0)
			unfinished = NULL;
		else
			error = errno;
	}
	drop(o);
	errno = error;
	return error == 0;
}
