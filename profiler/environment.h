/*
 * environment.h - recording that the process's environment asks for.
 *
 *   MEMPROF_OUT        the stream's name: %p is the process's number, %% a
 *                      percent sign; ending in .zst it is compressed
 *   MEMPROF_AUTOSTART  1: recording starts when a VM is first seen
 *   MEMPROF_SIGNAL     a name or number such as USR2, RTMIN+3, 12: toggles
 *                      the recording of every VM at its next allocation
 *
 * Without MEMPROF_OUT nothing happens. The second stream of a process, be it
 * another VM's or a later one of the same VM, has ".2" before the name's
 * suffix: app-7.bin.zst, app-7.2.bin.zst. With %p a forked child records into
 * streams of its own; without it, only the process that read the environment
 * records. Nothing here knows of Lua.
 */
#ifndef LJMEMPROF_ENVIRONMENT_H
#define LJMEMPROF_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How often the signal came. Whoever compares it with what it saw last finds
 * an odd difference when it must toggle.
 */
extern volatile unsigned environment_requests;

/*
 * Does the environment ask for recordings? The first call reads it and
 * installs the signal's handler, unless the host has one; what is wrong with
 * it is said then, once.
 */
bool environment_wanted(void);

/* Does recording start by itself? */
bool environment_autostart(void);

/*
 * May a forked child that calls this record, too? Counts its streams anew.
 * Async-signal-safe.
 */
bool environment_forked(void);

/*
 * The name of this process's next stream. Returns 0, or an errno: EXDEV in a
 * child that must not write its parent's file, ENAMETOOLONG.
 */
int environment_path(char *path, size_t size);

/*
 * One line on standard error, "ljmemprof: " before it; not the same twice in
 * a row, so that a host of many VMs is not flooded.
 */
void environment_say(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
