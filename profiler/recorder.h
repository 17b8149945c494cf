/*
 * recorder.h - one VM's recording: start, stop, fork, close, exit.
 *
 * Owns the buffer, the symbol tables and the file. A recorder lives as long as
 * its hook is in the VM's allocator chain; between recordings the hook passes
 * everything through. No function here raises or calls into Lua, but for the
 * two API calls that read and set the allocator.
 */
#ifndef LJMEMPROF_RECORDER_H
#define LJMEMPROF_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lua.h>

#include "sink.h"
#include "symbols.h"
#include "vm_frame.h"
#include "vm_layout.h"
#include "vm_stack.h"
#include "vm_trace.h"
#include "wbuf.h"

struct compact;
struct live;

/* What is recorded; any but RECORDER_OFF is true. */
enum recorder_mode {
	RECORDER_OFF,
	RECORDER_PLAIN,	  /* format 3 */
	RECORDER_COMPACT, /* our own, see ljm_format.h */
	RECORDER_LIVE,	  /* no stream: into the table of live blocks */
};

struct recorder_options {
	enum recorder_mode mode;
	uint32_t depth;	    /* of stacks, 0: none; only RECORDER_COMPACT */
	bool trace_numbers; /* traces instead of their lines */
};

/* What this process's LuaJIT is; static. */
struct recorder_vm {
	const struct vm_layout *layout;
	const struct vm_traces *primed; /* what its measurement learnt */
	const struct vm_stack_facts *facts;
	const char *description;
};

/* Of the recording at hand, or of the last one. */
struct recorder_stats {
	bool running;
	uint64_t events;  /* 0 in recordings of format 3 */
	uint64_t lost;	  /* likewise */
	uint64_t bytes;	  /* of the stream */
	uint64_t written; /* of the file */
	double seconds;
};

#define RECORDER_PLACE_BYTES 15

/*
 * An event's encoded head and location, found again by the PC, or in compiled
 * code by the return address and the trace.
 */
struct recorder_place {
	uintptr_t pc;			     /* 0: empty */
	uintptr_t proto;		     /* or trace */
	uint8_t bytes[RECORDER_PLACE_BYTES]; /* the head's has no kind yet */
	uint8_t size;			     /* of the bytes */
};

/* A power of two; 64 KiB, enough for the allocating lines that are hot. */
#define RECORDER_PLACES 2048

struct recorder {
	/*
	 * What every event needs comes first, in two cache lines.
	 *
	 * recording: events are wanted. busy: the hook is at work; keeps it
	 * from entering itself, and another thread's exit() from closing the
	 * stream under it (see quiesce()).
	 */
	volatile uint8_t recording; /* enum recorder_mode */
	volatile bool busy;
	volatile bool missed;  /* a call came while busy: not recorded */
	volatile bool touched; /* set by every call while not recording */
	unsigned seen;	       /* environment_requests that were answered */
	struct wbuf out;
	lua_Alloc alloc; /* the allocator below us, and its ud */
	void *alloc_ud;
	struct vm_near vm; /* of layout and global */
	struct recorder_place *places;
	struct compact *compact; /* NULL: format 3 */
	uintptr_t global;	 /* the VM's global_State */
	bool trace_numbers;	 /* traces instead of their lines */
	uint32_t learnt;	 /* traces.learnt, by which places are kept */
	bool prepared;		 /* layout, global and traces are set */
	bool hears_traces;	 /* the handler of trace events is there */
	struct symbols symbols;
	struct vm_layout layout;
	struct vm_traces traces; /* logged from require on */
	struct sink sink;
	struct live *live; /* what is watched; NULL: nothing */
	bool running;	   /* between a start and its stop */
	bool installed;	   /* the hook is in the allocator chain */
	bool attached;	   /* the environment rules: the hook stays */
	bool starting;	   /* recorder_start() is at work */
	bool collects;	   /* stop() is to collect garbage first */
	int error;	   /* what ended the recording early; 0 none */
	char *path;	   /* of the stream, while running */
	struct recorder_options options; /* of those the environment starts */
	const struct vm_stack_facts *facts;
	const char *description; /* of the VM */
	uint64_t start_us;	 /* of the monotonic clock */
	struct recorder_stats last;
	struct recorder *next; /* all recorders of the process */
};

/* A recorder that does nothing yet; NULL without memory. */
struct recorder *recorder_new(void);

/*
 * Prepares for the handler of trace events, long before a start. The layout
 * must have been verified for L.
 */
void recorder_prepare(struct recorder *r, lua_State *L,
		      const struct recorder_vm *vm);

/*
 * Starts recording the VM of L into path. The layout must have been verified
 * for L. Returns 0 or an errno; EALREADY when running.
 */
int recorder_start(struct recorder *r, lua_State *L,
		   const struct recorder_vm *vm, const char *path,
		   const struct recorder_options *options);

/*
 * Watches the blocks of L's VM instead of recording a stream; the layout must
 * have been verified for L. runs: see live.h. Recordings that the environment
 * wants wait until the watch ends. Return 0 or an errno: EALREADY when there
 * is a recording or a watch; from recorder_run_ended() what ended the watch, or
 * ENODATA when calls of the allocator were missed.
 */
int recorder_watch(struct recorder *r, lua_State *L,
		   const struct recorder_vm *vm, uint32_t runs);
int recorder_run_ended(struct recorder *r, lua_State *L);

/*
 * Ends the watch, if there is one, and frees what it knows. The owner does it
 * before the VM closes: a userdata that was made after the recorder's.
 */
void recorder_unwatch(struct recorder *r, lua_State *L);

/*
 * Puts the hook in, so that the environment's signal and forks start and end
 * recordings with these options without Lua's API; starts one if the
 * environment says so. The layout must have been verified for L. Failures are
 * told on standard error. Once is enough, again does no harm.
 */
void recorder_attach(struct recorder *r, lua_State *L,
		     const struct recorder_vm *vm,
		     const struct recorder_options *options);

/*
 * Ends the recording and completes the stream, and takes the hook out of the
 * allocator when it is still on top. Returns 0 or the errno that made the
 * stream incomplete; ESRCH when not running. L is NULL when the VM must not
 * be touched.
 */
int recorder_stop(struct recorder *r, lua_State *L);

/*
 * Puts a mark with a label of n bytes into a compact stream. Returns 0; ESRCH
 * when none is recorded; or what ended the recording.
 */
int recorder_mark(struct recorder *r, const char *label, size_t n);

/*
 * A full collection of our own begins: it is not the program's. began is what
 * recorder_collected() takes, which tells that it has ended, unless the
 * recording has ended since, or is another one. false: no compact stream is
 * recorded, and there is no need to collect.
 */
bool recorder_collects(struct recorder *r, uint64_t *began);
void recorder_collected(struct recorder *r, enum ljm_collection reason,
			uint64_t began);

/* The one before the start has ended. */
void recorder_started_collected(struct recorder *r);

void recorder_get_stats(const struct recorder *r, struct recorder_stats *stats);

/*
 * The VM is closing: stops, and frees the recorder unless another allocator
 * still passes through its hook.
 */
void recorder_close(struct recorder *r, lua_State *L);

/* For the hook: ends the recording early, with an errno. */
void recorder_fail(struct recorder *r, int error);

/* For the hook: environment_requests is not what was seen last. */
void recorder_answer(struct recorder *r);

#endif
