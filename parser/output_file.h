/*
 * output_file.h - a file that appears when it is complete, or not at all.
 *
 * It is written beside itself, as PATH.XXXXXX, and gets its name at the end;
 * until then a file of that name stays as it is. A symbolic link to a file
 * stays one. What is there and no regular file, such as a pipe or /dev/null, is
 * written to as it is, and "-" is standard output.
 */
#ifndef MEMPARSE_OUTPUT_FILE_H
#define MEMPARSE_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct output_file {
	FILE *file;    /* to write to */
	char *path;    /* to be; NULL unless there is partial */
	char *partial; /* its name until then; NULL: none */
};

/* False: errno says why, and there is nothing to close. One at a time. */
bool output_file_open(struct output_file *o, const char *path);

/*
 * Gives the file its name; or removes it, if it is not to be kept. False: errno
 * says why that went wrong, and it is removed. Whether all of standard output
 * arrived, its owner looks.
 */
bool output_file_close(struct output_file *o, bool keep);

/* For a signal handler: removes the file that is not complete, if any. */
void output_file_drop_from_signal(void);

#endif
