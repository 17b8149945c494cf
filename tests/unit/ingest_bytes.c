/*
 * ingest_bytes.c - a memory file, ingested as any other.
 */
#define _GNU_SOURCE
#include "cmocka_all.h"

#include "ingest_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report_text.h"

struct source *open_bytes(const struct ljm_bytes *bytes)
{
	const int fd = memfd_create("stream", 0);
	struct source *source;
	char path[64];

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes->data, bytes->size), bytes->size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(source_open(&source, path, NULL), SOURCE_OK);
	close(fd);
	return source;
}

char *end_and_report(struct model *m)
{
	const struct report_text_options all = {0};
	char *text = NULL;
	size_t size;
	FILE *const out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(model_end_stream(m), MODEL_OK);
	assert_true(report_text(out, m, &all));
	fclose(out);
	model_free(m);
	return text;
}

char *ingest_and_report(struct ingest *in, struct source *source,
			enum ingest_result *result)
{
	struct model *const m = model_new(NULL, NULL);

	assert_non_null(m);
	*result = ingest_stream(in, source, m);
	source_close(source);
	return end_and_report(m);
}
