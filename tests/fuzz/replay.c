/*
 * replay.c - a fuzz target without libFuzzer.
 *
 *	fuzz_X-replay [--near] FILE|FOLDER...
 *
 * runs the target over files; with --near also over each file cut at every
 * byte, and with each byte replaced: every bit flipped in turn, and all.
 */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MAX (1u << 20)

const bool fuzz_thorough = true;

static uint64_t runs;

static void run(const uint8_t *data, size_t size)
{
	LLVMFuzzerTestOneInput(data, size);
	runs++;
}

static void run_near(uint8_t *data, size_t size)
{
	for (size_t cut = 0; cut < size; cut++)
		run(data, cut);
	for (size_t i = 0; i < size; i++) {
		const uint8_t was = data[i];

		for (unsigned bit = 0; bit < 8; bit++) {
			data[i] = (uint8_t)(was ^ 1u << bit);
			run(data, size);
		}
		data[i] = (uint8_t)~was;
		run(data, size);
		data[i] = was;
	}
}

static void run_file(const char *path, bool near)
{
	uint8_t *const data = malloc(FILE_MAX);
	FILE *const in = fopen(path, "rb");
	size_t size;

	if (in == NULL || data == NULL) {
		perror(path);
		exit(2);
	}
	size = fread(data, 1, FILE_MAX, in);
	fclose(in);
	run(data, size);
	if (near)
		run_near(data, size);
	free(data);
}

static void run_path(const char *path, bool near)
{
	DIR *const folder = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (folder == NULL) {
		run_file(path, near);
		return;
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		run_file(name, near);
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	const bool near = argc > 1 && strcmp(argv[1], "--near") == 0;

	for (int i = 1 + near; i < argc; i++)
		run_path(argv[i], near);
	printf("%llu runs\n", (unsigned long long)runs);
	return runs == 0;
}
