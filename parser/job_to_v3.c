/*
 * job_to_v3.c - a stream into a file of version 3.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "message.h"
#include "output_file.h"
#include "to_v3.h"

struct output {
	struct output_file file;
	int error; /* errno of what went wrong */
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
	errno = 0;
	return fwrite(bytes, 1, size, o->file.file) == size ||
	       set_error(o, errno != 0 ? errno : EIO);
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

	*o = (struct output){0};
	if (!output_file_open(&o->file, path))
		return set_error(o, errno);
	return length < 4 || strcmp(path + length - 4, ".zst") != 0 ||
	       open_zstd(o);
}

static bool close_output(struct output *o, bool keep)
{
	if (keep && o->zstd != NULL)
		keep = pack(o, NULL, 0, true);
	if (!output_file_close(&o->file, keep))
		set_error(o, errno);
	ZSTD_freeCCtx(o->zstd);
	free(o->packed);
	return o->error == 0;
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
	if (close_output(&output, keep))
		return status;
	if (strcmp(path, "-") == 0)
		job_note_output_error(output.error);
	else
		message(path, "%s", strerror(output.error));
	return MEMPARSE_SYSTEM;
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
	if (status == MEMPARSE_DONE &&
	    job_is_operand(options, options->to_v3)) {
		message(in.path, "--to-v3 into itself: name another file");
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
