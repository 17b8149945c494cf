/*
 * replayer.c - the second thread.
 */
#include "replayer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "quiet_thread.h"

#define ROOMS 4u /* a power of two, for the numbers run over */

struct room {
	struct replay_event events[REPLAYER_ROOM];
	size_t count;
};

struct replayer {
	struct replay *replay;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, but for the rooms' events */
	pthread_cond_t changed;
	unsigned given, done; /* rooms, ever; a room's number modulo ROOMS */
	bool stop;
	enum model_result result;

	struct room rooms[ROOMS];
};

/* Replays a room; the lock is held outside. */
static enum model_result work(struct replayer *p, const struct room *room)
{
	size_t taken;

	return replay_events(p->replay, room->events, room->count, &taken);
}

static void *run(void *arg)
{
	struct replayer *const p = arg;
	enum model_result result;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->done == p->given && !p->stop)
			pthread_cond_wait(&p->changed, &p->lock);
		if (p->done == p->given)
			break;
		if (p->result == MODEL_OK) {
			pthread_mutex_unlock(&p->lock);
			result = work(p, &p->rooms[p->done % ROOMS]);
			pthread_mutex_lock(&p->lock);
			p->result = result;
		}
		p->done++;
		if (p->given - p->done <= ROOMS / 2)
			pthread_cond_signal(&p->changed);
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
	p->stop = false;
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

struct replay_event *replayer_room(struct replayer *p)
{
	pthread_mutex_lock(&p->lock);
	/* Once full, not for one room only: that would be a switch a room. */
	if (p->given - p->done == ROOMS)
		while (p->given - p->done > ROOMS / 2)
			pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return p->rooms[p->given % ROOMS].events;
}

enum model_result replayer_give(struct replayer *p, size_t count)
{
	enum model_result result;

	p->rooms[p->given % ROOMS].count = count;
	pthread_mutex_lock(&p->lock);
	p->given++;
	result = p->result;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return result;
}

enum model_result replayer_settle(struct replayer *p)
{
	enum model_result result;

	pthread_mutex_lock(&p->lock);
	while (p->done != p->given)
		pthread_cond_wait(&p->changed, &p->lock);
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
