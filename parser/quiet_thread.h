/*
 * quiet_thread.h - a thread beside the first one, to which signals stay.
 *
 * For the stages that overlap: decompressing, replaying, storing.
 */
#ifndef MEMPARSE_QUIET_THREAD_H
#define MEMPARSE_QUIET_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* As pthread_create(), but all signals are blocked there. False: no thread. */
static inline bool quiet_thread_start(pthread_t *thread, void *(*run)(void *),
				      void *arg)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0;
}

#endif
