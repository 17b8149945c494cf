/*
 * recorder.c - one VM's recording: start, stop, fork, close, exit.
 */
#define _GNU_SOURCE
#include "recorder.h"

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "elf_names.h"
#include "environment.h"
#include "hook.h"
#include "live.h"
#include "ljm_format.h"
#include "process_lock.h"
#include "recorder_private.h"
#include "stream_compact.h"

/*
 * How long exit() and fork() wait for another thread to be done. No longer: a
 * signal's handler may call them in the thread that is waited for, or another
 * one may write to a pipe that is full.
 */
#define PATIENCE_MILLISECONDS 100

/* All recorders, for exit() and fork(). */
static struct recorder *all;
static struct process_lock all_lock;
/* This thread forks and has the lock. */
static __thread bool forks_locked;

static uint64_t microseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void recorder_free_buffers(struct recorder *r)
{
	wbuf_free(&r->out);
	symbols_free(&r->symbols);
	free(r->places);
	r->places = NULL;
	if (r->compact)
		compact_free(r->compact);
	free(r->compact);
	r->compact = NULL;
	if (r->live)
		live_free(r->live);
	free(r->live);
	r->live = NULL;
	free(r->path);
	r->path = NULL;
}

/* ---- fork: the child must not write into the parent's file
 *
 * It may have a file of its own, if the environment gives it a name. That is
 * opened by the child's first allocation, as if the signal had come: a child
 * that only calls exec() leaves no file.
 */

static void before_fork(void)
{
	forks_locked = process_lock_within(&all_lock, PATIENCE_MILLISECONDS);
	elf_names_before_fork();
}

static void after_fork_in_parent(void)
{
	elf_names_after_fork(false);
	if (forks_locked)
		process_unlock(&all_lock);
}

static void after_fork_in_child(void)
{
	bool may_record = environment_forked();
	struct recorder *r;
	elf_names_after_fork(true);
	for (r = all; r; r = r->next) {
		bool goes_on = r->recording && r->attached && may_record;
		/* The thread that was in its hook does not exist here. */
		r->busy = false;
		if (r->live)
			continue; /* a table is not shared, as a file is */
		r->recording = RECORDER_OFF;
		if (!r->running)
			continue;
		r->running = false;
		sink_abandon(&r->sink);
		if (goes_on)
			r->seen--;
	}
}

static void register_once(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
		0);
}

/* ---- life */

struct recorder *recorder_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	/* On a cache line's start. */
	size_t size = (sizeof(struct recorder) + 63) & ~(size_t)63;
	struct recorder *r = aligned_alloc(64, size);
	if (!r)
		return NULL;
	memset(r, 0, size);
	r->sink.fd = -1;
	pthread_once(&once, register_once);
	process_lock(&all_lock);
	r->next = all;
	all = r;
	process_unlock(&all_lock);
	return r;
}

static void unlist(struct recorder *r)
{
	struct recorder **at;
	process_lock(&all_lock);
	for (at = &all; *at && *at != r; at = &(*at)->next)
		continue;
	if (*at)
		*at = r->next;
	process_unlock(&all_lock);
}

bool recorder_in_chain(struct recorder *r, lua_State *L)
{
	void *ud, *block;
	lua_Alloc top = lua_getallocf(L, &ud);
	if (!r->installed)
		return false;
	r->touched = false;
	block = top(ud, NULL, 0, 8);
	if (block)
		top(ud, block, 8, 0);
	return r->touched;
}

/* Is the allocator on top our hook? */
static bool on_top(struct recorder *r, lua_State *L)
{
	void *ud;
	return r->installed && hook_is(lua_getallocf(L, &ud)) && ud == r;
}

void recorder_install(struct recorder *r, lua_State *L, enum recorder_mode mode)
{
	lua_Alloc ours = hook_for(r->layout.gc64, mode == RECORDER_COMPACT);
	if (on_top(r, L)) {
		lua_setallocf(L, ours, r);
		return;
	}
	if (recorder_in_chain(r, L))
		return;
	r->alloc = lua_getallocf(L, &r->alloc_ud);
	lua_setallocf(L, ours, r);
	r->installed = true;
}

void recorder_uninstall(struct recorder *r, lua_State *L)
{
	if (!on_top(r, L))
		return;
	lua_setallocf(L, r->alloc, r->alloc_ud);
	r->installed = false;
}

static bool open_plain(struct recorder *r)
{
	r->places = calloc(RECORDER_PLACES, sizeof *r->places);
	if (!r->places || !symbols_open(&r->symbols))
		return false;
	/* Symbols come as events: the symbol table in front stays empty. */
	wbuf_bytes(&r->out, LJM_SYMTAB_MAGIC, LJM_MAGIC_SIZE);
	wbuf_byte(&r->out, LJM_SYMTAB_VERSION);
	wbuf_bytes(&r->out, "\0\0\0", 3);
	wbuf_byte(&r->out, LJM_EPILOGUE);
	wbuf_bytes(&r->out, LJM_EVENTS_MAGIC, LJM_MAGIC_SIZE);
	wbuf_byte(&r->out, LJM_EVENTS_VERSION);
	wbuf_bytes(&r->out, "\0\0\0", 3);
	return true;
}

bool recorder_open_compact(struct recorder *r, uint32_t depth)
{
	const uint8_t *collector =
		(const uint8_t *)(r->global + (unsigned)r->layout.g_white);
	r->compact = calloc(1, sizeof *r->compact);
	return r->compact &&
	       compact_open(r->compact, &r->out, &r->layout, r->facts,
			    &r->traces, depth, r->description,
			    r->layout.has_gc_state ? collector : NULL);
}

static int open_stream(struct recorder *r, const char *path,
		       const struct recorder_options *options)
{
	int error = sink_open(&r->sink, path);
	if (error)
		return error;
	r->path = strdup(path);
	if (r->path && wbuf_open(&r->out, &r->sink) &&
	    (options->mode == RECORDER_COMPACT
		     ? recorder_open_compact(r, options->depth)
		     : open_plain(r)))
		return 0;
	sink_abandon(&r->sink);
	return ENOMEM;
}

void recorder_set_vm(struct recorder *r, lua_State *L,
		     const struct recorder_vm *vm)
{
	const struct vm_layout *layout = vm->layout;
	r->layout = *layout;
	r->global =
		vm_ref(layout->gc64, (uintptr_t)L + (unsigned)layout->l_glref);
	vm_near_init(&r->vm, layout, r->global);
	r->facts = vm->facts;
	r->description = vm->description;
}

/* From here on the hook works without Lua's API. */
static void adopt(struct recorder *r, lua_State *L,
		  const struct recorder_vm *vm, enum recorder_mode mode)
{
	recorder_set_vm(r, L, vm);
	recorder_install(r, L, mode);
}

void recorder_begin_exits(struct recorder *r)
{
	/* The environment's signal may come while a trace is left. */
	vm_exits_begin(&r->traces.exits,
		       (int32_t)vm_u32(r->vm.vmstate) == r->vm.state_gc - 1);
}

static int open_buffers(struct recorder *r, const char *path,
			const struct recorder_options *options)
{
	int error;
	recorder_free_buffers(r); /* what a fork left behind */
	error = open_stream(r, path, options);
	if (error)
		recorder_free_buffers(r);
	r->trace_numbers = options->trace_numbers;
	r->error = 0;
	r->missed = false;
	recorder_begin_exits(r);
	r->start_us = microseconds();
	return error;
}

void recorder_prepare(struct recorder *r, lua_State *L,
		      const struct recorder_vm *vm)
{
	if (r->prepared)
		return;
	recorder_set_vm(r, L, vm);
	vm_traces_init(&r->traces, vm->primed);
	r->prepared = true;
}

int recorder_start(struct recorder *r, lua_State *L,
		   const struct recorder_vm *vm, const char *path,
		   const struct recorder_options *options)
{
	int error;
	if (r->running || r->live)
		return EALREADY;
	r->starting = true;
	recorder_set_vm(r, L, vm);
	error = open_buffers(r, path, options);
	if (!error) {
		recorder_install(r, L, options->mode);
		process_lock(&all_lock);
		r->running = true;
		process_unlock(&all_lock);
		/* The hook was left by a jump, or we would not be here. */
		r->busy = false;
		r->recording = (uint8_t)options->mode;
	}
	r->starting = false;
	return error;
}

/* The stream's closing byte, and the file's. */
static int complete(struct recorder *r)
{
	/* An allocator below us that was left by a jump: the rest is missing.
	 */
	int error = r->error;
	if (r->missed && !error && !(r->compact && !r->busy))
		error = EDEADLK;
	recorder_get_stats(r, &r->last);
	if (!error && r->compact) {
		compact_tell_lost(r->compact);
		compact_clock(r->compact);
	}
	if (!error) {
		wbuf_byte(&r->out, LJM_EPILOGUE);
		wbuf_flush(&r->out);
		error = r->out.error;
	}
	if (error)
		sink_abandon(&r->sink);
	else
		error = sink_close(&r->sink);
	r->last.running = false;
	r->last.bytes = r->out.flushed;
	r->last.written = r->sink.written;
	return error;
}

int recorder_stop(struct recorder *r, lua_State *L)
{
	int error, saved = errno;
	if (!r->running)
		return ESRCH;
	r->recording = RECORDER_OFF;
	process_lock(&all_lock);
	r->running = false;
	process_unlock(&all_lock);
	if (L && r->compact && !r->error)
		compact_see_collector(r->compact);
	error = complete(r);
	if (L && !r->attached)
		recorder_uninstall(r, L);
	recorder_free_buffers(r);
	errno = saved;
	return error;
}

/* ---- what is told while recording */

/*
 * Keeps the hook out, and exit() in another thread from closing the stream.
 * false when no compact stream is recorded.
 */
static bool enter(struct recorder *r)
{
	if (r->busy)
		return false;
	r->busy = true;
	__asm__ volatile("" ::: "memory");
	if (r->recording == RECORDER_COMPACT)
		return true;
	r->busy = false;
	return false;
}

static int leave(struct recorder *r)
{
	int error = r->compact->callsites.d.error;
	if (!error)
		error = r->out.error;
	if (error)
		recorder_fail(r, error);
	__asm__ volatile("" ::: "memory");
	r->busy = false;
	return error;
}

int recorder_mark(struct recorder *r, const char *label, size_t n)
{
	if (!enter(r))
		return r->running && r->error ? r->error : ESRCH;
	compact_see_collector(r->compact);
	compact_mark(r->compact, label, n);
	return leave(r);
}

bool recorder_collects(struct recorder *r, uint64_t *began)
{
	if (!enter(r))
		return false;
	compact_see_collector(r->compact);
	r->compact->own_collections++;
	*began = r->compact->events;
	return leave(r) == 0;
}

void recorder_collected(struct recorder *r, enum ljm_collection reason,
			uint64_t began)
{
	if (!enter(r))
		return;
	/* A finalizer may have ended the recording, and begun another. */
	if (r->compact->own_collections) {
		compact_see_collector(r->compact);
		r->compact->own_collections--;
		compact_collection(r->compact, reason, began);
	}
	leave(r);
}

void recorder_started_collected(struct recorder *r)
{
	if (!enter(r))
		return;
	compact_collection(r->compact, LJM_COLLECTION_START, 0);
	leave(r);
}

void recorder_get_stats(const struct recorder *r, struct recorder_stats *stats)
{
	*stats = r->last;
	stats->running = r->running;
	if (!r->out.start || r->live)
		return;
	stats->bytes = r->out.flushed + (uint64_t)(r->out.pos - r->out.start);
	stats->written = r->sink.written;
	stats->seconds = (double)(microseconds() - r->start_us) / 1e6;
	stats->events = r->compact ? r->compact->events : 0;
	stats->lost = r->compact ? r->compact->lost : 0;
}

void recorder_close(struct recorder *r, lua_State *L)
{
	bool tell = r->attached && !r->error;
	int error;
	r->attached = false; /* what is freed from here on starts nothing */
	error = recorder_stop(r, NULL);
	if (tell && error && error != ESRCH)
		environment_say("a recording is incomplete: %s",
				strerror(error));
	recorder_uninstall(r, L);
	if (r->installed)
		return; /* someone's allocator still calls our hook */
	unlist(r);
	recorder_free_buffers(r); /* in a forked child they are still there */
	vm_traces_free(&r->traces);
	free(r);
}

void recorder_fail(struct recorder *r, int error)
{
	r->recording = RECORDER_OFF;
	r->error = error;
	if (r->attached && !r->live)
		environment_say("%s: %s; the recording has ended", r->path,
				strerror(error));
}

/* ---- recordings that the environment starts and ends */

/* Both are called with all_lock held. */
static void begin(struct recorder *r)
{
	char path[PATH_MAX];
	int error = environment_path(path, sizeof path);
	if (error == EXDEV) {
		environment_say("a forked child records only if MEMPROF_OUT "
				"has %%p");
		return;
	}
	if (!error)
		error = open_buffers(r, path, &r->options);
	else
		path[0] = 0;
	if (error) {
		environment_say("%s: %s", path, strerror(error));
		return;
	}
	r->running = true;
	r->recording = (uint8_t)r->options.mode;
}

static void end(struct recorder *r)
{
	bool known = r->error != 0;
	int error;
	r->recording = RECORDER_OFF;
	r->running = false;
	error = complete(r);
	if (error && !known)
		environment_say("%s: %s", r->path, strerror(error));
	recorder_free_buffers(r);
}

void recorder_attach(struct recorder *r, lua_State *L,
		     const struct recorder_vm *vm,
		     const struct recorder_options *options)
{
	int saved = errno;
	if (r->attached)
		return;
	r->seen = environment_requests;
	r->attached = true;
	r->options = *options;
	if (!r->running && !r->live) {
		adopt(r, L, vm, options->mode);
		process_lock(&all_lock);
		if (environment_autostart())
			begin(r);
		process_unlock(&all_lock);
	}
	errno = saved;
}

__attribute__((noinline)) void recorder_answer(struct recorder *r)
{
	unsigned requests = environment_requests;
	int saved = errno;
	/* Someone exits, forks or opens a VM: the next allocation does it. */
	if (r->starting || r->live || !process_lock_try(&all_lock))
		return;
	if (r->attached && ((requests - r->seen) & 1)) {
		if (r->running)
			end(r);
		else
			begin(r);
	}
	r->seen = requests;
	process_unlock(&all_lock);
	errno = saved;
}

/* ---- exit() without stop(): the stream is completed */

/*
 * Waits until no thread is inside this recorder's hook. The hook stores busy
 * and then loads recording, we store recording and then load busy; the
 * barrier makes the two orders hold without costing the hook anything.
 */
static bool quiesce(struct recorder *r)
{
	int i;
	r->recording = RECORDER_OFF;
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	for (i = 0; r->busy && i < PATIENCE_MILLISECONDS; i++)
		process_lock_sleep();
	return !r->busy;
}

static __attribute__((destructor)) void complete_all(void)
{
	struct recorder *r;
	if (!process_lock_within(&all_lock, PATIENCE_MILLISECONDS))
		return;
	for (r = all; r; r = r->next) {
		if (!r->running || !quiesce(r))
			continue;
		if (r->attached)
			end(r);
		else
			complete(r);
		r->running = false;
	}
	process_unlock(&all_lock);
}
