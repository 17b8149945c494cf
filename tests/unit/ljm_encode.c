/*
 * ljm_encode.c - ljm-encode [FILE]: text as in ljm_text.h on standard input
 * or in a file; the stream on standard output. Exit status 0, 1 for a wrong
 * line, 2 for a file that cannot be read or written.
 */
#include <stdio.h>

#include "ljm_text.h"

int main(int argc, char **argv)
{
	FILE *const in = argc > 1 ? fopen(argv[1], "rb") : stdin;
	struct ljm_bytes text = {0}, stream = {0};
	unsigned wrong;
	int c, status = 0;

	if (in == NULL) {
		perror(argv[1]);
		return 2;
	}
	while ((c = getc(in)) != EOF)
		ljm_put_byte(&text, (unsigned)c);
	ljm_put_byte(&text, '\0');
	wrong = ljm_encode((const char *)text.data, &stream);
	if (wrong != 0) {
		fprintf(stderr, "ljm-encode: line %u is wrong\n", wrong);
		status = 1;
	}
	if ((stream.size != 0 &&
	     fwrite(stream.data, 1, stream.size, stdout) != stream.size) ||
	    fflush(stdout) != 0)
		status = 2;
	ljm_free(&text);
	ljm_free(&stream);
	if (in != stdin)
		fclose(in);
	return status;
}
