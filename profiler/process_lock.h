/*
 * process_lock.h - a lock that a forked child does not inherit.
 *
 * It bears the number of the process that holds it: one that another process
 * holds was left by a thread that does not exist here, and is free. Handlers
 * of fork() cannot do that: those that are added while a fork begins in
 * another thread are not called for it. For what is short and rarely wanted
 * by two threads at once: the second one sleeps.
 */
#ifndef LJMEMPROF_PROCESS_LOCK_H
#define LJMEMPROF_PROCESS_LOCK_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct process_lock {
	pid_t holder; /* 0: free */
};

static inline void process_lock_sleep(void)
{
	static const struct timespec millisecond = {0, 1000000};
	nanosleep(&millisecond, NULL);
}

static inline bool process_lock_try(struct process_lock *lock)
{
	pid_t me = getpid();
	pid_t holder = __atomic_load_n(&lock->holder, __ATOMIC_RELAXED);
	return holder != me &&
	       __atomic_compare_exchange_n(&lock->holder, &holder, me, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Gives up after so many milliseconds. */
static inline bool process_lock_within(struct process_lock *lock,
				       int milliseconds)
{
	while (!process_lock_try(lock)) {
		if (milliseconds-- <= 0)
			return false;
		process_lock_sleep();
	}
	return true;
}

static inline void process_lock(struct process_lock *lock)
{
	while (!process_lock_try(lock))
		process_lock_sleep();
}

static inline void process_unlock(struct process_lock *lock)
{
	__atomic_store_n(&lock->holder, 0, __ATOMIC_RELEASE);
}

#endif
