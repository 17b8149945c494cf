/*
 * peek.c - reads memory that may not be there.
 */
#define _GNU_SOURCE
#include "peek.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

uint64_t peek_u64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

uint32_t peek_u32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

uint64_t peek_ref(bool gc64, const uint8_t *p)
{
	return gc64 ? peek_u64(p) : peek_u32(p);
}

/* Where process_vm_readv is forbidden: write() tells EFAULT, no signal. */
static size_t read_through_pipe(const void *address, void *out, size_t n)
{
	const char *from = address;
	char *to = out;
	int fd[2];
	size_t done = 0;
	if (pipe2(fd, O_CLOEXEC) != 0)
		return 0;
	while (done < n) {
		size_t part = n - done < 512 ? n - done : 512;
		/* Not write(): sanitizers would look at the memory first. */
		ssize_t written = syscall(SYS_write, fd[1], from + done, part);
		if (written <= 0 ||
		    read(fd[0], to + done, (size_t)written) != written)
			break;
		done += (size_t)written;
		if ((size_t)written < part)
			break;
	}
	close(fd[0]);
	close(fd[1]);
	return done;
}

size_t peek_memory(const void *address, void *out, size_t n)
{
	struct iovec local = {out, n};
	/* The kernel only reads there. */
	struct iovec remote = {(void *)(uintptr_t)address, n};
	ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	if (got >= 0)
		return (size_t)got;
	/* Containers may forbid it; an address that is not there is EFAULT. */
	return errno == EFAULT ? 0 : read_through_pipe(address, out, n);
}

void peek_each(const uintptr_t *addresses, size_t count, uint8_t *out, size_t n,
	       bool *there)
{
	struct iovec remote[PEEK_EACH_MAX];
	pid_t me = getpid();
	size_t i, done = 0;
	for (i = 0; i < count; i++)
		remote[i] = (struct iovec){(void *)addresses[i], n};
	while (done < count) {
		struct iovec local = {out + done * n, (count - done) * n};
		ssize_t got = process_vm_readv(me, &local, 1, remote + done,
					       count - done, 0);
		size_t whole = got > 0 ? (size_t)got / n : 0;
		for (i = 0; i < whole; i++)
			there[done++] = true;
		if (done == count)
			break;
		/* This one is not there, or the call is forbidden. */
		there[done] = peek_memory(remote[done].iov_base, out + done * n,
					  n) == n;
		done++;
	}
}
