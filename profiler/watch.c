/*
 * watch.c - a recorder's watch: the table of live blocks instead of a stream.
 */
#include <errno.h>
#include <stdlib.h>

#include "live.h"
#include "recorder_private.h"
#include "stream_compact.h"

static bool open_watch(struct recorder *r, uint32_t runs)
{
	r->live = calloc(1, sizeof *r->live);
	if (!r->live || !live_open(r->live, runs) ||
	    !wbuf_open(&r->out, NULL) || !recorder_open_compact(r, 0))
		return false;
	r->compact->callsites.d.texts = &r->live->texts;
	gc_watch_open(&r->compact->gc, NULL);
	return true;
}

int recorder_watch(struct recorder *r, lua_State *L,
		   const struct recorder_vm *vm, uint32_t runs)
{
	if (r->running || r->live)
		return EALREADY;
	recorder_set_vm(r, L, vm);
	recorder_free_buffers(r);
	if (!open_watch(r, runs)) {
		recorder_free_buffers(r);
		return ENOMEM;
	}
	r->trace_numbers = false;
	recorder_begin_exits(r);
	r->error = 0;
	recorder_install(r, L, RECORDER_LIVE);
	r->busy = false; /* the hook was left by a jump */
	r->recording = RECORDER_LIVE;
	return 0;
}

/* Do the VM's calls still come through the hook, and did they all? */
static bool heard_all(struct recorder *r, lua_State *L)
{
	uint64_t events = r->live->events;
	recorder_in_chain(r, L);
	return r->live->events != events && !r->compact->lost;
}

int recorder_run_ended(struct recorder *r, lua_State *L)
{
	int error = 0;
	if (!r->error && !heard_all(r, L) && !r->error)
		r->error = ENODATA; /* not memory that failed just now */
	if (r->error)
		return r->error;
	r->busy = true;
	compact_look(r->compact);
	error = live_run_ended(r->live, &r->compact->callsites.d);
	r->busy = false;
	if (error)
		recorder_fail(r, error);
	return error;
}

void recorder_unwatch(struct recorder *r, lua_State *L)
{
	if (!r->live)
		return;
	r->recording = RECORDER_OFF;
	if (!r->attached)
		recorder_uninstall(r, L);
	recorder_free_buffers(r);
}
