/*
 * model.h - events to live blocks, sites, symbols and totals.
 *
 * Replays a stream: which blocks are alive, who owns them, and what every
 * site did. A site is what prints alike: one source line, one C function, one
 * trace with its start, or INTERNAL. A realloc ends the old block's life and
 * begins one that belongs to the realloc's site.
 *
 * One model can take several streams one after the other: sites and totals
 * add up, block and symbol tables are each stream's own.
 */
#ifndef MEMPARSE_MODEL_H
#define MEMPARSE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decode_steps;
struct locations;
struct step;
struct decode_event;
struct model;

enum model_site_kind {
	MODEL_SITE_INTERNAL,
	MODEL_SITE_LUA,
	MODEL_SITE_C,
	MODEL_SITE_C_UNKNOWN, /* an address without a symbol */
	MODEL_SITE_TRACE,
};

/*
 * What a site did. Bytes of blocks and their numbers; "seen" means that the
 * stream holds the block's birth. Always:
 * alloc_bytes + realloc_new_bytes - ended_bytes = live_bytes, where ended_*
 * counts lives begun here, whoever ended them.
 */
struct model_figures {
	uint64_t alloc_events, alloc_bytes;
	uint64_t realloc_events; /* all that succeeded, new block or not */
	uint64_t realloc_new_bytes;
	uint64_t realloc_old_bytes; /* old blocks, seen */
	uint64_t free_events;	    /* of seen blocks */
	uint64_t free_bytes;
	uint64_t earlier_free_events; /* of blocks not seen */
	uint64_t earlier_free_bytes;
	uint64_t earlier_realloc_events; /* part of realloc_events: old block */
	uint64_t earlier_realloc_bytes;	 /* not seen; its bytes are not in */
					 /* realloc_old_bytes */
	uint64_t failed_events, failed_bytes; /* attempts that got nothing */
	uint64_t born_blocks;		      /* lives begun by this site */
	uint64_t ended_blocks, ended_bytes;   /* of these, ended */
	uint64_t live_blocks, live_bytes;     /* of these, alive */
	uint64_t first_event, last_event; /* births, numbered from 1; 0: none */
};

/* Names are bytes as the stream has them: owned by the model, no terminator. */
struct model_name {
	const char *text;
	size_t size;
	uint32_t alias; /* of a text with a newline: N of function_alias_N */
};

#define MODEL_LINE_SEVERAL UINT32_MAX
#define MODEL_LINE_MAX	   (UINT32_MAX - 1)

/* A line where a function begins, as model_site.first_line has it. */
static inline uint32_t model_line(uint64_t line)
{
	return line <= MODEL_LINE_MAX ? (uint32_t)line : 0;
}

struct model_site {
	enum model_site_kind kind;
	struct model_name name; /* Lua, or trace with start: chunk; C: symbol */
	uint64_t line;		/* Lua: the line; trace: where it starts */
	uint64_t address;	/* C: of the symbol; C_UNKNOWN: of the event */
	uint64_t trace_number;	/* trace */
	/*
	 * Lua, trace: where its function begins, 0 for a chunk's main function
	 * or if it is not known, MODEL_LINE_SEVERAL. Not what a site is.
	 */
	uint32_t first_line;
	bool trace_has_start;
	/*
	 * A trace whose start has no Lua symbol starts at a C symbol's name
	 * (start_kind MODEL_SITE_C, name, address) or at an address
	 * (MODEL_SITE_C_UNKNOWN), just as a Lua location would print.
	 */
	enum model_site_kind start_kind;
	struct model_figures figures;
};

/*
 * A place in the program as it occurs on a path of calls. The compact stream
 * has them; of others each site makes one.
 */
enum model_frame_kind {
	MODEL_FRAME_INTERNAL,
	MODEL_FRAME_LUA,
	MODEL_FRAME_C,
	MODEL_FRAME_TRACE, /* somewhere in this trace */
	MODEL_FRAME_GAP,   /* frames that are not known, or not recorded */
};

struct model_frame {
	enum model_frame_kind kind;
	struct model_name chunk;    /* Lua, trace: where it starts; or empty */
	struct model_name function; /* as called, C: the symbol; or empty */
	uint64_t first_line;	    /* Lua: of the function; 0: not known */
	uint64_t line;		    /* Lua: of the call, unless innermost; */
				    /* trace: where it starts */
	uint64_t trace_number;	    /* Lua in compiled code, trace; else 0 */
	uint64_t address;	    /* C; else 0 */
	unsigned what;		    /* enum ljm_internal or enum ljm_gap */
};

/*
 * A path of calls: its innermost frame, and the path that called it. What a
 * path allocates belongs to its site: the innermost Lua line or trace; if
 * there is none, or if the VM was at work for itself, the innermost frame that
 * is known. The figures are those of this very path. A site's figures are the
 * sum over its callsites.
 */
struct model_callsite {
	uint32_t parent; /* index of an earlier one, or MODEL_NO_CALLSITE */
	uint32_t frame;	 /* index */
	uint32_t site;	 /* index */
	uint32_t depth;	 /* frames on its path, from 1 */
	struct model_figures figures;
};
#define MODEL_NO_CALLSITE UINT32_MAX

/* ---- what only the compact stream tells, of the last stream */

/* After this event (0: before the first) so much time had gone by. */
#define MODEL_CLOCKS 65536 /* the most; of more they are thinned out evenly */
struct model_clock {
	uint64_t event;
	uint64_t time_us; /* since the start */
};

#define MODEL_MARKS 65536 /* the most, and the most collections */
struct model_mark {
	uint64_t event, time_us; /* as above */
	struct model_name label;
};

/*
 * A full garbage collection had just ended (ljm_format.h tells what that says).
 * began <= event <= the next one's began: what began before the one before it
 * ended is left out. Of the program's, when there are more than this, an even
 * part is kept.
 */
#define MODEL_COLLECTIONS 8192
struct model_collection {
	uint64_t event, time_us; /* as above */
	uint64_t began;		 /* behind this event, 0: or before the first */
	unsigned reason;	 /* enum ljm_collection */
};

struct model_start {
	bool present;
	uint64_t start_us; /* since 1970 */
	uint64_t process_id;
	uint64_t depth;	      /* the most frames recorded, 0: no stacks */
	struct model_name vm; /* what the recorder says of it */
};

/* A site that ended lives begun by another (or the same) site. */
struct model_override {
	uint32_t by_site, of_site; /* indexes of sites */
	bool by_realloc;	   /* false: by free */
	uint64_t blocks, bytes;
};

/* One stretch of the heap's history; a stream has at most MODEL_SAMPLES. */
#ifdef MODEL_TINY /* for tests, so that short streams get there */
#define MODEL_SAMPLES 8
#else
#define MODEL_SAMPLES 1024
#endif
struct model_sample {
	uint64_t event; /* the state just after this event */
	uint64_t live_blocks, live_bytes;
	uint64_t begun_bytes; /* allocated and realloc new, so far */
};

struct model_totals {
	struct model_figures figures; /* the sum over all sites */
	uint64_t events;	      /* allocs, reallocs, frees; failed too */
	uint64_t peak_bytes, peak_event;
	/*
	 * Events that contradict earlier ones: a block born where one is
	 * alive (the old life is ended as replaced), an old size other than
	 * the one at birth (the size at birth counts).
	 */
	uint64_t conflict_events, first_conflict_event;
	uint64_t replaced_blocks, replaced_bytes; /* in ended_*, not freed */
	/* What came when there was no place for it: see MODEL_SITES. */
	uint64_t further_events;  /* at the site "(further sites)" */
	uint64_t unlisted_blocks; /* their deaths are in no override */
	/* For the warning that garbage may look like a leak. */
	uint64_t last_collector_free_event; /* last free by INTERNAL; 0 none */
	uint64_t begun_bytes_since_collector;
	/* Of compact streams: told by the recorder, and beyond MODEL_MARKS. */
	uint64_t lost_events;
	uint64_t further_moments; /* of the last stream */
};

/* What to be careful about in the last stream alone; as in the totals. */
struct model_remarks {
	uint64_t conflict_events, first_conflict_event;
	uint64_t further_events, unlisted_blocks, lost_events;
};

/* One block's life, handed out when it ends, and at the end if alive. */
struct model_life {
	uint64_t address, size;
	uint64_t born_event; /* numbered from 1; 0: before the recording */
	uint64_t died_event; /* 0: alive at the end */
	uint64_t realloc_of; /* born_event of the life it continues, or 0 */
	/* Indexes; see model_callsite_site(). */
	uint32_t born_callsite; /* MODEL_NO_CALLSITE when born_event is 0 */
	uint32_t died_callsite; /* MODEL_NO_CALLSITE when alive */
	bool born_by_realloc;	/* began by a realloc, whatever the old block */
	bool died_by_realloc;	/* else by free */
	bool replaced;		/* died_event is a birth at its address */
};
#define MODEL_NO_SITE UINT32_MAX

/* Returns false to stop: model_feed() then returns MODEL_STOPPED. */
typedef bool model_life_fn(void *arg, const struct model_life *life);

enum model_result {
	MODEL_OK,
	MODEL_NO_MEMORY,
	MODEL_OVERFLOW, /* the sum of all sizes passed 2^60: corrupt */
	MODEL_STOPPED,	/* the callback said so */
	MODEL_TOO_DEEP, /* a path of over 1024 frames: corrupt */
	MODEL_TOO_LATE, /* the clocks add up to more than 2^60: corrupt */
};

/*
 * The most sites and overrides, so that no stream can take memory without
 * end. Events of further sites count at one that prints as "(further
 * sites):0". Deaths of further overrides count at the sites that they concern,
 * whose figures stay exact, but are in no override. A site takes up to 180
 * bytes, an override 112, growth included: 630 MiB when both are full, where
 * real programs have some thousands. In a model with callsites both limits are
 * those of callsites: each takes 140 bytes more, their overrides 112 more, and
 * what a stream defines some 30 bytes for each definition as long as it lasts.
 */
#define MODEL_SITES	(1u << 20)
#define MODEL_OVERRIDES (1u << 22)

/*
 * A new model, or NULL without memory. on_life may be NULL; with it every
 * life is handed out once (costs 16 bytes a block more).
 */
struct model *model_new(model_life_fn *on_life, void *arg);
void model_free(struct model *m);

/* Other limits than these; before the first event. */
void model_set_limits(struct model *m, uint32_t sites, uint32_t overrides);

/*
 * Lets a second thread do half of the work, if there can be one; on_life is
 * called there. model_feed() then returns before all is done, and
 * MODEL_NO_MEMORY or MODEL_STOPPED may come with a later event than the
 * culprit. Between the last model_feed() and any other function goes
 * model_settle(), which waits and returns what has come of it; without a
 * second thread it does nothing. False: there is none.
 */
bool model_use_thread(struct model *m);

/*
 * Gives the second thread, if there is one, something else to do, which goes
 * first, until model_settle(): it calls work(arg), and again after each
 * model_wake().
 */
typedef void model_work_fn(void *arg);
void model_share_work(struct model *m, model_work_fn *work, void *arg);
void model_wake(struct model *m);

/*
 * For who feeds and would have to wait for the second thread: does some of what
 * has been fed. False: there is nothing to do.
 */
bool model_work(struct model *m);

enum model_result model_settle(struct model *m);

/*
 * Applies events in order. *taken is how many were applied; if the result is
 * about the content of the stream, the one after them is the culprit.
 */
enum model_result model_feed(struct model *m, const struct decode_event *events,
			     size_t count, size_t *taken);

/*
 * The same, faster, for heap events that decode_steps() has made steps of:
 * where it may write them, and how many, which is none when the sum of sizes
 * may be too much soon; what is known of locations; and what is to be done with
 * what it has written there. Nothing else may go between these three.
 */
struct step *model_room(struct model *m, size_t *count);
const struct locations *model_locations(struct model *m);
enum model_result model_take_steps(struct model *m,
				   const struct decode_steps *steps);

/*
 * Grows when a C symbol is not what it was when this was last asked for, be it
 * new or under another name; symbols that change nothing may be left out.
 */
uint64_t model_c_symbols_epoch(struct model *m);

/*
 * Ends the current stream: hands out the lives still alive (in no particular
 * order) and drops block and symbol tables. Event numbers start at 1 again
 * with the next stream; samples and peak are those of the last stream.
 */
enum model_result model_end_stream(struct model *m);

size_t model_site_count(const struct model *m);
struct model_site model_site(const struct model *m, uint32_t index);
/* The same with figures of zero, quickly: what it is. */
struct model_site model_site_place(const struct model *m, uint32_t index);
size_t model_override_count(const struct model *m);
struct model_override model_override(const struct model *m, size_t i);
const struct model_totals *model_totals(const struct model *m);
struct model_remarks model_remarks(const struct model *m);
size_t model_sample_count(const struct model *m);
const struct model_sample *model_sample(const struct model *m, size_t i);

/*
 * Callsites and frames. Without a compact stream callsite i is site i, and so
 * is frame i. A callsite that no event belongs to is there as a parent.
 */
size_t model_frame_count(const struct model *m);
void model_frame(const struct model *m, uint32_t index,
		 struct model_frame *out);
size_t model_callsite_count(const struct model *m);
void model_callsite(const struct model *m, uint32_t index,
		    struct model_callsite *out);

/* Only its site; quick. */
uint32_t model_callsite_site(const struct model *m, uint32_t index);

/* Of the last stream, like samples; in the order of their events. */
struct model_start model_start(const struct model *m);
size_t model_clock_count(const struct model *m);
struct model_clock model_clock(const struct model *m, size_t i);
size_t model_mark_count(const struct model *m);
struct model_mark model_mark(const struct model *m, size_t i);
size_t model_collection_count(const struct model *m);
struct model_collection model_collection(const struct model *m, size_t i);

/* Texts with newlines in the order of their aliases, N = index + 1. */
size_t model_alias_count(const struct model *m);
const struct model_name *model_alias(const struct model *m, size_t i);

/*
 * For reports over stored profiles: finds or makes the site that site
 * describes (its name is copied; an alias number is given anew) and adds its
 * figures to it and to the totals; the same for overrides. Returns the site's
 * index, MODEL_NO_SITE without memory.
 */
uint32_t model_add_site(struct model *m, const struct model_site *site);
bool model_add_override(struct model *m, const struct model_override *o);

/*
 * The printed name of a site, as Tarantool's reader prints it, with bytes
 * that are not printable UTF-8 written as \xNN. Writes at most size bytes
 * with the terminator and returns the length it would have had (snprintf).
 */
size_t model_site_print(const struct model_site *site, char *out, size_t size);

/*
 * The same for a frame: "function (chunk:line)", without a name "chunk:line",
 * each with " in TRACE [7]" in compiled code, "function", "CFUNC 0x...",
 * "TRACE [7] started at chunk:line", "INTERNAL (gc)", "(deeper frames)".
 */
size_t model_frame_print(const struct model_frame *frame, char *out,
			 size_t size);

#endif
