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
#include "vm_trace.h"
#include "wbuf.h"

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
	volatile bool recording;
	volatile bool busy;
	volatile bool missed;  /* a call came while busy: not recorded */
	volatile bool touched; /* set by every call while not recording */
	unsigned seen;	       /* environment_requests that were answered */
	struct wbuf out;
	lua_Alloc alloc; /* the allocator below us, and its ud */
	void *alloc_ud;
	struct vm_near vm; /* of layout and global */
	struct recorder_place *places;
	uintptr_t global;   /* the VM's global_State */
	bool trace_numbers; /* traces instead of their lines */
	bool prepared;	    /* layout, global and traces are set */
	bool hears_traces;  /* the handler of trace events is there */
	struct symbols symbols;
	struct vm_layout layout;
	struct vm_traces traces; /* logged from require on */
	struct sink sink;
	bool running;	       /* between a start and its stop */
	bool installed;	       /* the hook is in the allocator chain */
	bool attached;	       /* the environment rules: the hook stays */
	bool starting;	       /* recorder_start() is at work */
	int error;	       /* what ended the recording early; 0 none */
	char *path;	       /* of the stream, while running */
	struct recorder *next; /* all recorders of the process */
};

/* A recorder that does nothing yet; NULL without memory. */
struct recorder *recorder_new(void);

/*
 * Prepares for the handler of trace events, long before a start. The layout
 * must have been verified for L; primed is what its measurement learnt.
 */
void recorder_prepare(struct recorder *r, lua_State *L,
		      const struct vm_layout *layout,
		      const struct vm_traces *primed);

/*
 * Starts recording the VM of L into path. The layout must have been verified
 * for L. Returns 0 or an errno; EALREADY when running.
 */
int recorder_start(struct recorder *r, lua_State *L,
		   const struct vm_layout *layout, const char *path);

/*
 * Puts the hook in, so that the environment's signal and forks start and end
 * recordings without Lua's API; starts one if the environment says so. The
 * layout must have been verified for L. Failures are told on standard error.
 * Once is enough, again does no harm.
 */
void recorder_attach(struct recorder *r, lua_State *L,
		     const struct vm_layout *layout);

/*
 * Ends the recording and completes the stream, and takes the hook out of the
 * allocator when it is still on top. Returns 0 or the errno that made the
 * stream incomplete; ESRCH when not running. L is NULL when the VM must not
 * be touched.
 */
int recorder_stop(struct recorder *r, lua_State *L);

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
