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

/*
 * As long as there are no more than these, other work goes first: they are what
 * the second thread does while the first one is at such work.
 */
#define ROOMS_KEPT (ROOMS / 4 * 3)

struct room {
	struct step steps[REPLAYER_ROOM];
	size_t count;
};

struct replayer {
	struct replay *replay;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, but for the rooms' steps */
	pthread_cond_t changed;
	unsigned given, done; /* rooms, ever; a room's number modulo ROOMS */
	bool settling;	      /* what is given is to be done now */
	bool stop;
	model_work_fn *work; /* NULL: none */
	void *arg;
	bool working; /* the second thread is, at that */
	enum model_result result;

	struct room rooms[ROOMS];
};

/* Does other work: see model_work_fn. The lock is held outside of it. */
static bool work_instead(struct replayer *p, bool urgent)
{
	model_work_fn *const work = p->work;
	void *const arg = p->arg;
	bool worked;

	if (work == NULL)
		return false;
	pthread_mutex_unlock(&p->lock);
	worked = work(arg, urgent);
	pthread_mutex_lock(&p->lock);
	return worked;
}

/* The same on the second thread. */
static bool work_beside(struct replayer *p, bool urgent)
{
	bool worked;

	p->working = true;
	worked = work_instead(p, urgent);
	p->working = false;
	if (p->settling)
		pthread_cond_signal(&p->changed);
	return worked;
}

/* No room is left: works instead, or waits for several, or for an end. */
static void await_rooms(struct replayer *p)
{
	if (work_beside(p, true))
		return;
	while (p->given - p->done < ROOMS / 2 && !p->stop &&
	       !(p->settling && p->done != p->given))
		pthread_cond_wait(&p->changed, &p->lock);
}

static void replay_room(struct replayer *p)
{
	const struct room *const room = &p->rooms[p->done % ROOMS];
	enum model_result result;

	if (p->result == MODEL_OK) {
		pthread_mutex_unlock(&p->lock);
		result = replay_steps(p->replay, room->steps, room->count);
		pthread_mutex_lock(&p->lock);
		p->result = result;
	}
	p->done++;
	if (p->given - p->done == ROOMS / 2 || p->given == p->done)
		pthread_cond_signal(&p->changed);
}

static void *run(void *arg)
{
	struct replayer *const p = arg;

	pthread_mutex_lock(&p->lock);
	while (p->done != p->given || !p->stop) {
		if (p->done == p->given)
			await_rooms(p);
		else if (p->given - p->done > ROOMS_KEPT ||
			 !work_beside(p, false))
			replay_room(p);
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
	p->given = p->done = 0;
	p->settling = p->stop = p->working = false;
	p->work = NULL;
	p->result = MODEL_OK;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (quiet_thread_start(&p->thread, run, p))
		return p;
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

void replayer_share(struct replayer *p, model_work_fn *work, void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->work = work;
	p->arg = arg;
	pthread_mutex_unlock(&p->lock);
}

struct step *replayer_room(struct replayer *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->given - p->done == ROOMS) {
		if (work_instead(p, true))
			continue;
		while (p->given - p->done > ROOMS / 2)
			pthread_cond_wait(&p->changed, &p->lock);
	}
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
	if (p->given - p->done == ROOMS / 2)
		pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return result;
}

enum model_result replayer_settle(struct replayer *p)
{
	enum model_result result;

	pthread_mutex_lock(&p->lock);
	p->settling = true;
	p->work = NULL;
	pthread_cond_signal(&p->changed);
	while (p->done != p->given || p->working)
		pthread_cond_wait(&p->changed, &p->lock);
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
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
