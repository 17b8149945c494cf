/*
 * job_to_v3.c - a stream into a file of version 3.
 *
 * The file is written beside itself, as OUT.partial, and gets its name when
 * it is whole.
 */
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "message.h"
#include "to_v3.h"

#define SUFFIX ".partial"

struct output {
	const char *path;
	char *partial; /* NULL: standard output */
	int fd;	       /* or -1 */
	int error;     /* errno of what went wrong */
	ZSTD_CCtx *zstd;
	void *packed;
	size_t packed_size;
};

/* ---- writing */

static bool set_error(struct output *o, int error)
{
	o->error = error;
	return false;
}

static bool write_all(struct output *o, const void *bytes, size_t size)
{
	const char *p = bytes;

	/* main() looks after standard output. */
	if (o->partial == NULL)
		return fwrite(bytes, 1, size, stdout) == size;
	while (size != 0) {
		const ssize_t n = write(o->fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return set_error(o, n < 0 ? errno : EIO);
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool pack(struct output *o, const void *bytes, size_t size, bool end)
{
	ZSTD_inBuffer in = {bytes, size, 0};
	bool done = false;

	while (!done) {
		ZSTD_outBuffer out = {o->packed, o->packed_size, 0};
		const size_t left = ZSTD_compressStream2(
			o->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);

		if (ZSTD_isError(left))
			return set_error(o, ENOMEM);
		if (!write_all(o, o->packed, out.pos))
			return false;
		done = end ? left == 0 : in.pos == in.size;
	}
	return true;
}

static bool write_some(void *arg, const void *bytes, size_t size)
{
	struct output *const o = arg;

	return o->zstd != NULL ? pack(o, bytes, size, false)
			       : write_all(o, bytes, size);
}

/* ---- the file */

static bool open_zstd(struct output *o)
{
	o->zstd = ZSTD_createCCtx();
	o->packed_size = ZSTD_CStreamOutSize();
	o->packed = malloc(o->packed_size);
	return (o->zstd != NULL && o->packed != NULL) || set_error(o, ENOMEM);
}

static bool open_output(struct output *o, const char *path)
{
	const size_t length = strlen(path);

	*o = (struct output){.path = path, .fd = -1};
	if (strcmp(path, "-") == 0)
		return true;
	o->partial = malloc(length + sizeof(SUFFIX));
	if (o->partial == NULL)
		return set_error(o, ENOMEM);
	memcpy(o->partial, path, length);
	memcpy(o->partial + length, SUFFIX, sizeof(SUFFIX));
	if (length >= 4 && strcmp(path + length - 4, ".zst") == 0 &&
	    !open_zstd(o))
		return false;
	o->fd = open(o->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		     0666);
	return o->fd >= 0 || set_error(o, errno);
}

/* Gives the file its name; or removes it when it is not to be kept. */
static bool close_output(struct output *o, bool keep)
{
	bool ok = true;

	if (keep && o->zstd != NULL)
		ok = pack(o, NULL, 0, true);
	if (o->fd >= 0) {
		if (close(o->fd) != 0 && ok)
			ok = set_error(o, errno);
		if (ok && keep && rename(o->partial, o->path) != 0)
			ok = set_error(o, errno);
		if (!ok || !keep)
			unlink(o->partial);
	}
	ZSTD_freeCCtx(o->zstd);
	free(o->packed);
	free(o->partial);
	return ok;
}

/* ---- the job */

/* Converts an open stream; *keep tells whether there is something to keep. */
static enum memparse_status convert(struct job_input *in, struct output *o,
				    bool *keep)
{
	enum ingest_result result;

	in->ingest.keep_on = job_input_keep_on;
	in->ingest.arg = in;
	result = to_v3_stream(&in->ingest, in->source, write_some, o);
	message_progress_end();
	*keep = in->ingest.events_version != 0;
	switch (result) {
	case INGEST_OK:
		return MEMPARSE_DONE;
	case INGEST_CONTENT:
		message_offset(in->path, in->ingest.offset, in->ingest.error);
		return MEMPARSE_CONTENT;
	case INGEST_SYSTEM:
		message(in->path, "%s", in->ingest.error);
		break;
	default:
		/* A signal says nothing, nor does standard output here. */
		break;
	}
	*keep = false;
	return MEMPARSE_SYSTEM;
}

static enum memparse_status convert_to(struct job_input *in, const char *path)
{
	enum memparse_status status = MEMPARSE_SYSTEM;
	struct output output;
	bool keep = false;

	if (open_output(&output, path))
		status = convert(in, &output, &keep);
	if (keep && !job_keep_on()) {
		keep = false;
		status = MEMPARSE_SYSTEM;
	}
	if (!close_output(&output, keep))
		status = MEMPARSE_SYSTEM;
	if (output.error != 0)
		message(path, "%s", strerror(output.error));
	return status;
}

enum memparse_status job_to_v3(const struct options *options)
{
	struct job_input in;
	enum memparse_status status =
		job_input_open(options, &in, options->operands[0], NULL);

	if (status == MEMPARSE_DONE && in.is_database) {
		message(in.path, "--to-v3 wants a stream, not a database");
		status = MEMPARSE_USAGE;
	}
	if (status == MEMPARSE_DONE) {
		job_catch_signals();
		status = convert_to(&in, options->to_v3);
		job_release_signals();
	}
	job_input_close(&in);
	return status;
}
