/*
 * gate.h - is more memory alive at the end than somebody allows?
 *
 * Takes the sites of stored profiles, adds up those that print alike, leaves
 * out what suppressions match, and compares with limits. What exceeds a limit
 * is strictly greater. A suppression that matches a site's name, or the name
 * of any frame on the stack of a block, leaves that block out.
 *
 * One thread. Memory: the names of sites with live blocks; while a profile is
 * added and there are suppressions, 16 bytes a callsite, frame and site more.
 */
#ifndef MEMPARSE_GATE_H
#define MEMPARSE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "suppressions.h"

/* A limit for each site whose name a shell pattern matches. */
struct gate_at {
	const char *pattern; /* borrowed */
	uint64_t bytes;
};

/* What is allowed; zeroed memory is everything. */
struct gate_limits {
	bool has_bytes;
	uint64_t bytes;	    /* alive at the end, over all sites */
	struct gate_at *at; /* malloc'ed array */
	unsigned at_count;
	bool growing; /* no site may grow; see queries/verdicts */
	/* Of a comparison: what may be alive more than before. */
	bool has_growth, growth_is_percent;
	uint64_t growth_bytes;
	double growth_percent;	   /* of the bytes alive before */
	bool fail_new, fail_grown; /* no line may be new, or have grown */
	bool fail_changed;	   /* of a baseline: no line may have changed */
	double false_alarms;	   /* the rate of these, 0: not given */
	const char *suppressions;  /* a file, or NULL; borrowed */
};

void gate_limits_clear(struct gate_limits *limits);

/* A site with blocks alive at the end. */
struct gate_site {
	char *name;	 /* as printed, no terminator inside */
	char *chunk;	 /* the printed name of its Lua chunk, or NULL */
	char *signature; /* see the view site, or NULL */
	int64_t line;	 /* in the chunk, 0: none */
	uint64_t born_blocks, ended_blocks;
	uint64_t blocks, bytes; /* alive, without what is suppressed */
	uint64_t hidden_blocks, hidden_bytes; /* alive and suppressed */
	unsigned suppression; /* the first that hid any, from 1; 0: none */
	/* With limits->growing: what its growth is known to be. */
	bool growing;
	double slope, low, high; /* bytes for each 1,000 events */
	bool unknown;		 /* it may grow, or be garbage */
	/* After gate_judge(): what it exceeds, a sentence, or NULL. */
	char *reason;
};

/* What a comparison finds wrong with a site. */
struct gate_blame {
	char *name; /* of the site, as printed */
	char *reason;
};

enum gate_result {
	GATE_OK,
	GATE_REFUSED, /* a profile without rows of blocks */
	GATE_FAILED,  /* SQLite, or no memory */
};

#define GATE_ERROR_SIZE 512

struct gate {
	const struct gate_limits *limits; /* borrowed */
	struct suppressions suppressions;
	struct gate_site *sites;
	size_t count, cap;
	struct gate_blame *blames;
	size_t blame_count, blame_cap;
	char *total_reason; /* what is wrong with the sum of all, or NULL */
	bool several; /* with limits->growing: a profile of several streams */
	char unjudged[GATE_ERROR_SIZE]; /* why lines were not judged, or "" */
	/* After gate_judge(). */
	uint64_t blocks, bytes;		      /* of all sites, not suppressed */
	uint64_t hidden_blocks, hidden_bytes; /* of all sites, suppressed */
	bool total_exceeded;		      /* bytes > limits->bytes */
	bool exceeded;			      /* some limit, or blame */
	char error[GATE_ERROR_SIZE];
};

/* Zeroed memory, with limits set, is an empty gate. */
void gate_clear(struct gate *g);

/* Adds the sites of a stored profile, as its views show it. */
enum gate_result gate_add(struct gate *g, sqlite3 *db, int64_t profile);

/*
 * Says what is wrong with a site, or with the sum of all if name is NULL,
 * besides limits that gate_judge() looks after. Takes the reason, a sentence,
 * and copies the name. False without memory, also if reason is NULL.
 */
bool gate_blame(struct gate *g, const char *name, char *reason);

/*
 * Adds up sites that print alike, puts the largest first, and judges. Once,
 * after the last gate_add(). GATE_FAILED without memory.
 */
enum gate_result gate_judge(struct gate *g);

#endif
