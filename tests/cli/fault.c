/*
 * fault.c - for LD_PRELOAD: the n-th call of a kind fails, once or from then
 * on, be it memparse's own, SQLite's or zstd's.
 *
 *	FAULT=malloc|open|read|write|sync|file|unlink|unlock|
 *		short|intr|kill
 *	FAULT_AT=N      counted from 1, after the program has been loaded
 *	FAULT_ON=1      all that follow fail, too
 *	FAULT_MARK=FILE is made when the first one fails
 *
 * file is what changes a file but its bytes: rename, truncate, lock; unlock
 * what gives up a lock after something was written.
 * short is a write or read of half of the bytes, intr one that a signal
 * interrupts: nothing should come of either. kill is whatever changes a file or
 * a folder: the process gets SIGKILL there, in the middle of it if it writes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind {
	NONE,
	MALLOC,
	OPEN,
	READ,
	WRITE,
	SYNC,
	FILES,
	UNLINK,
	UNLOCK,
	SHORT,
	INTR,
	KILL,
};

static const char *const kinds[] = {"",	      "malloc", "open", "read",
				    "write",  "sync",	"file", "unlink",
				    "unlock", "short",	"intr", "kill"};

static enum kind wanted;
static unsigned long at;
static bool go_on;
static const char *mark;
static atomic_ulong calls;

__attribute__((constructor)) static void start(void)
{
	const char *const kind = getenv("FAULT");
	const char *const number = getenv("FAULT_AT");
	const char *const on = getenv("FAULT_ON");

	mark = getenv("FAULT_MARK");
	go_on = on != NULL && *on != '\0';
	if (kind == NULL || number == NULL)
		return;
	at = strtoul(number, NULL, 10);
	/* What hangs has failed. */
	alarm(30);
	for (unsigned i = 1; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			wanted = (enum kind)i;
	if (wanted == NONE)
		abort();
}

/* True when this call is the one, or one of those behind it. */
static bool fails(enum kind kind, int error)
{
	unsigned long n;

	if (kind != wanted)
		return false;
	n = atomic_fetch_add(&calls, 1) + 1;
	if (n < at || (n > at && !go_on))
		return false;
	if (n == at && mark != NULL)
		syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, mark,
					   O_CREAT | O_WRONLY, 0666));
	errno = error;
	return true;
}

#define NEXT(name)                                                             \
	static __typeof__(&name) next;                                         \
	if (next == NULL)                                                      \
	*(void **)&next = dlsym(RTLD_NEXT, #name)

/* ---- memory */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	return fails(MALLOC, ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(MALLOC, ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(MALLOC, ENOMEM) ? NULL : __libc_realloc(p, size);
}

void *mmap(void *where, size_t size, int protection, int flags, int fd,
	   off_t offset)
{
	if ((flags & MAP_ANONYMOUS) != 0 && (flags & MAP_STACK) == 0 &&
	    fails(MALLOC, ENOMEM))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, where, size, protection, flags, fd,
			       offset);
}

void *mmap64(void *where, size_t size, int protection, int flags, int fd,
	     off64_t offset)
{
	return mmap(where, size, protection, flags, fd, offset);
}

/* ---- files: the 64-bit names are SQLite's */

static int open_it(const char *path, int flags, mode_t mode)
{
	if (fails(OPEN, EMFILE))
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_it(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_it(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	NEXT(fopen);
	return fails(OPEN, EMFILE) ? NULL : next(path, mode);
}

static void die_if_wanted(void)
{
	if (fails(KILL, 0))
		kill(getpid(), SIGKILL);
}

static size_t cut(size_t size)
{
	return size > 1 && fails(SHORT, 0) ? size / 2 : size;
}

ssize_t read(int fd, void *to, size_t size)
{
	if (fails(READ, EIO) || fails(INTR, EINTR))
		return -1;
	return syscall(SYS_read, fd, to, cut(size));
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
	if (fails(READ, EIO) || fails(INTR, EINTR))
		return -1;
	return syscall(SYS_pread64, fd, to, cut(size), offset);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t offset)
{
	return pread(fd, to, size, offset);
}

ssize_t write(int fd, const void *from, size_t size)
{
	if (fails(WRITE, ENOSPC) || fails(INTR, EINTR))
		return -1;
	if (fails(KILL, 0)) {
		syscall(SYS_write, fd, from, size / 2);
		kill(getpid(), SIGKILL);
	}
	return syscall(SYS_write, fd, from, cut(size));
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
	if (fails(WRITE, ENOSPC) || fails(INTR, EINTR))
		return -1;
	if (fails(KILL, 0)) {
		syscall(SYS_pwrite64, fd, from, size / 2, offset);
		kill(getpid(), SIGKILL);
	}
	return syscall(SYS_pwrite64, fd, from, cut(size), offset);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t offset)
{
	return pwrite(fd, from, size, offset);
}

int fsync(int fd)
{
	NEXT(fsync);
	die_if_wanted();
	return fails(SYNC, EIO) ? -1 : next(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	die_if_wanted();
	return fails(SYNC, EIO) ? -1 : next(fd);
}

int ftruncate(int fd, off_t size)
{
	die_if_wanted();
	return fails(FILES, EIO) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

int rename(const char *from, const char *to)
{
	NEXT(rename);
	die_if_wanted();
	return fails(FILES, EIO) ? -1 : next(from, to);
}

int unlink(const char *path)
{
	NEXT(unlink);
	die_if_wanted();
	return fails(UNLINK, EACCES) ? -1 : next(path);
}

int flock(int fd, int operation)
{
	NEXT(flock);
	return fails(FILES, ENOLCK) ? -1 : next(fd, operation);
}

int fstat(int fd, struct stat *st)
{
	NEXT(fstat);
	return fails(FILES, EIO) ? -1 : next(fd, st);
}

int fstat64(int fd, struct stat64 *st)
{
	NEXT(fstat64);
	return fails(FILES, EIO) ? -1 : next(fd, st);
}

int stat(const char *path, struct stat *st)
{
	NEXT(stat);
	return fails(FILES, EACCES) ? -1 : next(path, st);
}

int stat64(const char *path, struct stat64 *st)
{
	NEXT(stat64);
	return fails(FILES, EACCES) ? -1 : next(path, st);
}

/* SQLite's locks. */
int fcntl64(int fd, int command, ...)
{
	static bool written;
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (command == F_SETLK && fails(FILES, EIO))
		return -1;
	if (command == F_SETLK) {
		const struct flock64 *const lock = arg;

		written |= lock->l_type == F_WRLCK;
		if (written && lock->l_type != F_WRLCK && fails(UNLOCK, EIO))
			return -1;
	}
	return (int)syscall(SYS_fcntl, fd, command, arg);
}
