/*
 * levels.c - which zstd level and window should the recorder use?
 *
 *   bench-levels STREAM...
 *
 * Compresses each plain stream as the recorder does, flushed every 128 KiB,
 * with several levels and windows in turn; prints the medians of five rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "wbuf.h"

#define ROUNDS 5

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

struct setting {
	int level;
	int window_log; /* 0: the level's own */
};

/* Returns the compressed size. */
static size_t compress(const char *data, size_t size,
		       const struct setting *setting, char *out, size_t room)
{
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	size_t done, total = 0;
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, setting->level);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, setting->window_log);
	for (done = 0; done < size;) {
		size_t part = size - done < WBUF_SIZE ? size - done : WBUF_SIZE;
		ZSTD_inBuffer in = {data + done, part, 0};
		size_t left;
		do {
			ZSTD_outBuffer o = {out, room, 0};
			left = ZSTD_compressStream2(zstd, &o, &in,
						    ZSTD_e_flush);
			if (ZSTD_isError(left))
				exit(1);
			total += o.pos;
		} while (left);
		done += part;
	}
	ZSTD_freeCCtx(zstd);
	return total;
}

static char *read_file(const char *name, size_t *size)
{
	FILE *f = fopen(name, "rb");
	char *data;
	long n;
	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) <= 0) {
		fprintf(stderr, "bench-levels: %s cannot be read\n", name);
		exit(1);
	}
	rewind(f);
	data = malloc((size_t)n);
	*size = data ? fread(data, 1, (size_t)n, f) : 0;
	fclose(f);
	return data;
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{-5, 0}, {-1, 0}, {1, 0}, {1, 20}, {1, 21},
		{1, 22}, {2, 0},  {3, 0}, {5, 0},
	};
	enum {
		LEVELS = sizeof settings / sizeof *settings
	};
	char *out = malloc(1 << 20);
	int file, l, r;
	for (file = 1; file < argc; file++) {
		size_t size, packed[LEVELS];
		char *data = read_file(argv[file], &size);
		double seconds[LEVELS][ROUNDS];
		for (r = 0; r < ROUNDS; r++)
			for (l = 0; l < LEVELS; l++) {
				double start = now();
				packed[l] = compress(data, size, &settings[l],
						     out, 1 << 20);
				seconds[l][r] = now() - start;
			}
		printf("%s: %zu bytes\n", argv[file], size);
		for (l = 0; l < LEVELS; l++) {
			qsort(seconds[l], ROUNDS, sizeof(double), compare);
			printf("  level %2d window %2d: %6.1f MB/s  ratio "
			       "%6.2f\n",
			       settings[l].level, settings[l].window_log,
			       (double)size / 1e6 / seconds[l][ROUNDS / 2],
			       (double)size / (double)packed[l]);
		}
		free(data);
	}
	free(out);
	return 0;
}
