/*
 * ljm_truth.c - ljm-truth STREAM...: prints each like NAME.truth.tsv.
 *
 * With --check, the operands are pairs STREAM TRUTH, and what differs is
 * printed: lines of the truth with "-", ours with "+". The order of lines
 * does not matter. Exit status 0 alike, 1 different, 2 wrong usage.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct lines {
	char *text;
	char **list; /* points into text */
	size_t count;
};

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Splits and sorts; takes text. */
static struct lines sort_lines(char *text)
{
	struct lines l = {.text = text};

	for (char *p = text; *p != '\0'; p++)
		l.count += *p == '\n';
	l.list = calloc(l.count + 1, sizeof(*l.list));
	if (l.list == NULL)
		abort();
	l.count = 0;
	for (char *p = strtok(text, "\n"); p != NULL; p = strtok(NULL, "\n"))
		l.list[l.count++] = p;
	qsort(l.list, l.count, sizeof(*l.list), compare_lines);
	return l;
}

static void drop_lines(struct lines *l)
{
	free(l->list);
	free(l->text);
}

static char *read_text(const char *path)
{
	FILE *const file = fopen(path, "rb");
	size_t size = 0, cap = 0;
	char *text = NULL;
	int c;

	if (file == NULL)
		return NULL;
	do {
		c = getc(file);
		if (size == cap) {
			cap = cap * 2 + 4096;
			text = realloc(text, cap);
			if (text == NULL)
				abort();
		}
		text[size++] = c == EOF ? '\0' : (char)c;
	} while (c != EOF);
	fclose(file);
	return text;
}

static char *replay_text(const char *path, uint64_t expected_cut)
{
	char *text = NULL;
	size_t size;
	FILE *const out = open_memstream(&text, &size);
	const char *error;

	if (out == NULL)
		abort();
	error = replay_print(path, expected_cut, out);
	if (error != NULL)
		fprintf(out, "# %s\n", error);
	fclose(out);
	return text;
}

/* Prints the lines that are in one only; true when there is none. */
static bool compare(const struct lines *truth, const struct lines *ours)
{
	size_t i = 0, j = 0;
	bool alike = true;

	while (i < truth->count || j < ours->count) {
		const int order = i == truth->count  ? 1
				  : j == ours->count ? -1
						     : strcmp(truth->list[i],
							      ours->list[j]);

		if (order < 0)
			printf("- %s\n", truth->list[i]);
		if (order > 0)
			printf("+ %s\n", ours->list[j]);
		alike = alike && order == 0;
		i += order <= 0;
		j += order >= 0;
	}
	return alike;
}

static bool check(const char *stream, const char *truth_path)
{
	char *const truth_text = read_text(truth_path);
	struct lines truth, ours;
	uint64_t expected_cut = 0;
	const char *cut;
	bool alike;

	if (truth_text == NULL) {
		printf("%s cannot be read\n", truth_path);
		return false;
	}
	cut = strstr(truth_text, "end=cut at ");
	if (cut != NULL)
		expected_cut = strtoull(cut + strlen("end=cut at "), NULL, 10);
	truth = sort_lines(truth_text);
	ours = sort_lines(replay_text(stream, expected_cut));
	alike = truth.count != 0 && compare(&truth, &ours);
	if (!alike)
		printf("%s differs from %s\n", stream, truth_path);
	drop_lines(&truth);
	drop_lines(&ours);
	return alike;
}

int main(int argc, char **argv)
{
	bool alike = true;

	if (argc > 1 && strcmp(argv[1], "--check") == 0) {
		if (argc < 4 || argc % 2 != 0)
			return 2;
		for (int i = 2; i < argc; i += 2)
			alike = check(argv[i], argv[i + 1]) && alike;
		return alike ? 0 : 1;
	}
	if (argc < 2)
		return 2;
	for (int i = 1; i < argc; i++) {
		char *const text = replay_text(argv[i], 0);

		fputs(text, stdout);
		free(text);
	}
	return 0;
}
