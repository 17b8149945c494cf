/*
 * replayer.c - the second thread.
 */
#include "replayer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "quiet_thread.h"

/*
 * A power of two, for the numbers run over. Who has to wait waits for half of
 * them: a switch of threads a room costs more than the rooms do, and lets the
 * system see too late that there is work for a processor.
 */
#define ROOMS 32u

struct room {
	struct step steps[REPLAYER_ROOM];
	size_t count;
};

struct replayer {
	struct replay *replay;
	bool by_both; /* the first thread may replay, too */
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, but for the rooms' steps */
	pthread_cond_t to_first, to_second; /* that it may go on */
	unsigned given, done; /* rooms, ever; a room's number modulo ROOMS */
	bool replaying;	      /* the room done: one thread at a time */
	bool settling;	      /* what is given is to be done now */
	bool stop;
	model_work_fn *work; /* NULL: none */
	void *arg;
	bool working; /* the second thread is, at that */
	bool idle;    /* the second thread waits */
	bool woken;   /* there is other work, maybe */
	enum model_result result;

	struct room rooms[ROOMS];
};

static unsigned pending(const struct replayer *p)
{
	return p->given - p->done;
}

/* Replays the first room that is not done. */
static void replay_room(struct replayer *p)
{
	const struct room *const room = &p->rooms[p->done % ROOMS];
	enum model_result result = p->result;

	p->replaying = true;
	if (result == MODEL_OK) {
		pthread_mutex_unlock(&p->lock);
		result = replay_steps(p->replay, room->steps, room->count);
		pthread_mutex_lock(&p->lock);
	}
	p->result = result;
	p->replaying = false;
	p->done++;
	if (pending(p) == ROOMS / 2 || pending(p) == 0)
		pthread_cond_signal(&p->to_first);
}

/* ---- the second thread */

/*
 * Does other work: see model_work_fn. The lock is held outside of it. The first
 * thread may wait for rooms, and can replay some now.
 */
static void work_instead(struct replayer *p)
{
	model_work_fn *const work = p->work;
	void *const arg = p->arg;

	p->woken = false;
	if (work == NULL)
		return;
	p->working = true;
	if (pending(p) > ROOMS / 2)
		pthread_cond_signal(&p->to_first);
	pthread_mutex_unlock(&p->lock);
	work(arg);
	pthread_mutex_lock(&p->lock);
	p->working = false;
	if (p->settling)
		pthread_cond_signal(&p->to_first);
}

/*
 * Nothing is left, or the first thread is at it: waits for enough rooms, for
 * other work, or for an end.
 */
static void await_work(struct replayer *p)
{
	p->idle = true;
	if (!p->woken && !p->stop)
		pthread_cond_wait(&p->to_second, &p->lock);
	p->idle = false;
}

static void *run(void *arg)
{
	struct replayer *const p = arg;

	pthread_mutex_lock(&p->lock);
	while (pending(p) != 0 || !p->stop) {
		/* It goes on until nothing is left. */
		if (p->woken)
			work_instead(p);
		else if (pending(p) != 0 && !p->replaying)
			replay_room(p);
		else
			await_work(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct replayer *replayer_start(struct replay *r)
{
	struct replayer *const p = malloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->replay = r;
	p->by_both = r->on_life == NULL;
	p->given = p->done = 0;
	p->replaying = p->settling = p->stop = false;
	p->working = p->idle = p->woken = false;
	p->work = NULL;
	p->result = MODEL_OK;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->to_first, NULL);
	pthread_cond_init(&p->to_second, NULL);
	if (quiet_thread_start(&p->thread, run, p))
		return p;
	pthread_cond_destroy(&p->to_second);
	pthread_cond_destroy(&p->to_first);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

/* ---- the first thread */

static void wake_for_work(struct replayer *p)
{
	p->woken = true;
	pthread_cond_signal(&p->to_second);
}

void replayer_share(struct replayer *p, model_work_fn *work, void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->work = work;
	p->arg = arg;
	wake_for_work(p);
	pthread_mutex_unlock(&p->lock);
}

/* Wakes the second thread when there are enough rooms. */
static void wake_for_rooms(struct replayer *p)
{
	if (p->idle && pending(p) >= ROOMS / 2)
		pthread_cond_signal(&p->to_second);
}

/* May the first thread replay a room now? */
static bool may_replay(const struct replayer *p)
{
	return p->by_both && !p->replaying && pending(p) != 0;
}

/* Does a room itself, or waits for the second thread. */
static void replay_or_wait(struct replayer *p)
{
	if (may_replay(p))
		replay_room(p);
	else
		pthread_cond_wait(&p->to_first, &p->lock);
}

/*
 * No room is left: replays some, until the second thread has nothing else to
 * do, or waits until it has.
 */
static void empty_rooms(struct replayer *p)
{
	while (pending(p) > ROOMS / 2) {
		replay_or_wait(p);
		if (p->idle && !p->replaying) {
			pthread_cond_signal(&p->to_second);
			return;
		}
	}
}

struct step *replayer_room(struct replayer *p)
{
	pthread_mutex_lock(&p->lock);
	while (pending(p) == ROOMS)
		empty_rooms(p);
	pthread_mutex_unlock(&p->lock);
	return p->rooms[p->given % ROOMS].steps;
}

enum model_result replayer_give(struct replayer *p, size_t count)
{
	enum model_result result;

	p->rooms[p->given % ROOMS].count = count;
	pthread_mutex_lock(&p->lock);
	p->given++;
	result = p->result;
	wake_for_rooms(p);
	pthread_mutex_unlock(&p->lock);
	return result;
}

bool replayer_work(struct replayer *p)
{
	bool may;

	pthread_mutex_lock(&p->lock);
	may = may_replay(p);
	if (may)
		replay_room(p);
	wake_for_rooms(p);
	pthread_mutex_unlock(&p->lock);
	return may;
}

void replayer_wake(struct replayer *p)
{
	pthread_mutex_lock(&p->lock);
	wake_for_work(p);
	pthread_mutex_unlock(&p->lock);
}

enum model_result replayer_settle(struct replayer *p)
{
	enum model_result result;

	pthread_mutex_lock(&p->lock);
	p->settling = true;
	p->work = NULL;
	pthread_cond_signal(&p->to_second);
	while (pending(p) != 0 || p->working)
		replay_or_wait(p);
	p->settling = false;
	result = p->result;
	pthread_mutex_unlock(&p->lock);
	return result;
}

void replayer_stop(struct replayer *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->to_second);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->to_second);
	pthread_cond_destroy(&p->to_first);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
