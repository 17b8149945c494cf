/*
 * simulate.c - how often is a line said to have changed though none has?
 *
 *	simulate RATE BUILDS NIGHTS SEED < noise
 *
 * noise, in the order of nights, has a line "NIGHT,LINE,BYTES,BLOCKS" for each
 * line of the program that held something at the end of a recorded night; the
 * same program every night.
 * A simulated history is BUILDS + 1 of these nights by chance, none twice: as
 * nothing has changed, each alarm on the last of them is a false one. Status 1
 * if NIGHTS histories have more than RATE and three deviations of that allow.
 *
 * Prints that share, and the share of leaks that are found: in the last night
 * one of the lines, or a new one, holds so many blocks more.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"

#define LINES_MAX  2000
#define NIGHTS_MAX 1000

/* What a line held in a night: bytes, blocks. */
struct held {
	double bytes, blocks;
};

static struct held (*noise)[LINES_MAX]; /* of a night */
static unsigned night_count, line_count;
static double block[LINES_MAX]; /* the mean size of a line's blocks */

static uint64_t state;

static unsigned chance(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 11) % below);
}

static void read_noise(void)
{
	unsigned night, line, last = 0, known = 0;
	double bytes, count;

	noise = calloc(NIGHTS_MAX, sizeof(*noise));
	if (noise == NULL)
		exit(2);
	while (scanf("%u,%u,%lf,%lf", &night, &line, &bytes, &count) == 4) {
		if (known == 0 || night != last)
			known++;
		last = night;
		if (known > NIGHTS_MAX || line >= LINES_MAX) {
			fprintf(stderr, "simulate: too much noise\n");
			exit(2);
		}
		noise[known - 1][line].bytes += bytes;
		noise[known - 1][line].blocks += count;
		if (line >= line_count)
			line_count = line + 1;
	}
	night_count = known;
}

static void learn_blocks(void)
{
	for (unsigned l = 0; l < line_count; l++) {
		struct held sum = {0};

		for (unsigned n = 0; n < night_count; n++) {
			sum.bytes += noise[n][l].bytes;
			sum.blocks += noise[n][l].blocks;
		}
		block[l] = sum.blocks > 0 ? sum.bytes / sum.blocks : 0;
	}
}

/* A history in memory. */
static struct change_line lines[LINES_MAX + 2], *order[LINES_MAX + 2];
static double values[LINES_MAX + 2][2][101];
static unsigned whose[LINES_MAX + 2];

/* A leak in the last night. */
struct leak {
	double blocks;
	bool is_new; /* in a line that was not there, of 100 bytes each */
};

/* Returns the line that leaks. */
static unsigned add_leak(const struct leak *leak, unsigned builds,
			 unsigned *count)
{
	const unsigned at = leak->is_new ? (*count)++ : chance(*count);

	if (leak->is_new)
		memset(values[at], 0, sizeof(values[at]));
	values[at][0][builds] +=
		leak->blocks * (leak->is_new ? 100 : block[whose[at]]);
	values[at][1][builds] += leak->blocks;
	return at;
}

/* Judges a history; returns alarms, or with a leak whether it was found. */
static bool judge(unsigned builds, double rate, const struct leak *leak)
{
	static unsigned nights[NIGHTS_MAX];
	unsigned count = 0, at = 0;

	for (unsigned i = 0; i < night_count; i++)
		nights[i] = i;
	for (unsigned i = 0; i <= builds; i++) {
		const unsigned j = i + chance(night_count - i);
		const unsigned night = nights[j];

		nights[j] = nights[i];
		nights[i] = night;
	}
	for (unsigned l = 0; l < line_count; l++) {
		double any = 0;

		for (unsigned i = 0; i <= builds; i++) {
			values[count][0][i] = noise[nights[i]][l].bytes;
			values[count][1][i] = noise[nights[i]][l].blocks;
			any += noise[nights[i]][l].blocks;
		}
		whose[count] = l;
		count += any > 0;
	}
	if (leak != NULL)
		at = add_leak(leak, builds, &count);
	memset(values[count], 0, sizeof(values[count]));
	for (unsigned l = 0; l < count; l++)
		for (unsigned i = 0; i <= builds; i++) {
			values[count][0][i] += values[l][0][i];
			values[count][1][i] += values[l][1][i];
		}
	for (unsigned l = 0; l <= count; l++) {
		lines[l] = (struct change_line){
			.bytes = values[l][0],
			.blocks = values[l][1],
			.by_bytes = l == count,
		};
		order[l] = &lines[l];
	}
	change_judge(order, count + 1, builds, rate);
	return leak != NULL ? lines[at].changed : order[0]->changed;
}

static double share(unsigned builds, double rate, unsigned nights,
		    const struct leak *leak)
{
	unsigned alarms = 0;

	for (unsigned i = 0; i < nights; i++)
		alarms += judge(builds, rate, leak);
	return (double)alarms / nights;
}

int main(int argc, char **argv)
{
	static const double sizes[] = {5, 10, 30, 100, 300, 1000};
	double rate, alarms, most;
	unsigned builds, nights;

	if (argc != 5)
		return 2;
	rate = atof(argv[1]);
	builds = (unsigned)atoi(argv[2]);
	nights = (unsigned)atoi(argv[3]);
	state = 0x9e3779b97f4a7c15u * ((uint64_t)atoi(argv[4]) + 1);
	read_noise();
	if (builds < CHANGE_BUILDS || builds > 100 || builds >= night_count ||
	    nights == 0 || !(rate > 0))
		return 2;
	learn_blocks();
	most = rate + 3 * sqrt(rate * (1 - rate) / nights);
	alarms = share(builds, rate, nights, NULL);
	printf("%u nights of %u lines: against %2u builds %.3f %% of %u "
	       "nights have a false alarm (at most %g %%, here %.3f %%)\n",
	       night_count, line_count, builds, 100 * alarms, nights,
	       100 * rate, 100 * most);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		printf("  a leak of %4.0f blocks is found in %5.1f %%, in a "
		       "new line in %5.1f %%\n",
		       sizes[i],
		       100 * share(builds, rate, nights / 10 + 1,
				   &(struct leak){sizes[i], false}),
		       100 * share(builds, rate, nights / 10 + 1,
				   &(struct leak){sizes[i], true}));
	return alarms > most;
}
