/*
 * faults.c - a bad disk under lua-host-faults.
 *
 * The link replaces write() and close() by those below. They obey the
 * variable FAULTS, and count the calls for descriptors above the standard
 * three:
 *
 *   eio N      the N-th write() fails with EIO
 *   zero N     the N-th write() and all later ones write nothing, returning 0
 *   hard       every write() is interrupted once, then is short
 *   slow N     the N-th write() takes half a second before it begins; the
 *              file "slow" appears meanwhile
 *   kill N K   the N-th write() writes K bytes, then the process dies
 *   close      close() fails with EIO, closing all the same
 *   alarm      a signal with a handler that restarts nothing, every 200 us
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __real_close(int fd);
int __wrap_close(int fd);

static char what[16];
static long at, kept, calls;

static void ignore(int number)
{
	(void)number;
}

static __attribute__((constructor)) void read_faults(void)
{
	static const struct itimerval often = {{0, 200}, {0, 200}};
	const char *text = getenv("FAULTS");
	struct sigaction action;
	if (!text || sscanf(text, "%15s %ld %ld", what, &at, &kept) < 1)
		return;
	if (strcmp(what, "alarm") != 0)
		return;
	memset(&action, 0, sizeof action);
	action.sa_handler = ignore;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void announce(void)
{
	__real_close(open("slow", O_WRONLY | O_CREAT, 0666));
	usleep(500000);
}

static ssize_t hard_write(int fd, const void *data, size_t n)
{
	if (calls % 2) {
		errno = EINTR;
		return -1;
	}
	return __real_write(fd, data, n > 1000 ? n / 3 : 1);
}

static size_t at_most(long limit, size_t n)
{
	return n < (size_t)limit ? n : (size_t)limit;
}

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
	if (fd <= STDERR_FILENO)
		return __real_write(fd, data, n);
	calls++;
	if (!strcmp(what, "hard"))
		return hard_write(fd, data, n);
	if (!strcmp(what, "zero") && calls >= at)
		return 0;
	if (calls != at)
		return __real_write(fd, data, n);
	if (!strcmp(what, "eio")) {
		errno = EIO;
		return -1;
	}
	if (!strcmp(what, "slow"))
		announce();
	if (!strcmp(what, "kill")) {
		if (__real_write(fd, data, at_most(kept, n)) >= 0)
			kill(getpid(), SIGKILL);
	}
	return __real_write(fd, data, n);
}

int __wrap_close(int fd)
{
	int result = __real_close(fd);
	if (fd <= STDERR_FILENO || strcmp(what, "close") != 0)
		return result;
	errno = EIO;
	return -1;
}
