/*
 * store_writer.c - a second thread that inserts the rows of blocks.
 *
 * Lives are filled into rooms and given away, in order. From
 * store_writer_start() on the database is the second thread's, but for the
 * time between a store_writer_settle() and the next life.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "store_private.h"

#include <pthread.h>
#include <stdlib.h>

#include "processors.h"
#include "quiet_thread.h"

#define ROOMS 4u /* a power of two, for the numbers run over */
#define ROOM  (32u * STORE_BATCH)

struct room {
	struct model_life lives[ROOM];
	unsigned count;
};

struct store_writer {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, but for the rooms' lives */
	pthread_cond_t changed;
	unsigned given, done; /* rooms, ever; a room's number modulo ROOMS */
	bool stop, failed;

	unsigned filled; /* lives in the room that is next to be given */
	struct room rooms[ROOMS];
};

static bool insert_room(struct store *s, const struct room *room)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < room->count; i += STORE_BATCH)
		ok = store_lives(s, room->lives + i,
				 room->count - i < STORE_BATCH ? room->count - i
							       : STORE_BATCH);
	return ok;
}

static void *run(void *arg)
{
	struct store_writer *const w = arg;
	bool ok;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->done == w->given && !w->stop)
			pthread_cond_wait(&w->changed, &w->lock);
		if (w->stop)
			break;
		if (!w->failed) {
			pthread_mutex_unlock(&w->lock);
			ok = insert_room(w->store, &w->rooms[w->done % ROOMS]);
			pthread_mutex_lock(&w->lock);
			w->failed = !ok;
		}
		w->done++;
		pthread_cond_signal(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct store_writer *store_writer_start(struct store *s)
{
	struct store_writer *const w =
		count_processors() > 1 ? malloc(sizeof(*w)) : NULL;

	if (w == NULL)
		return NULL;
	w->store = s;
	w->given = w->done = w->filled = 0;
	w->stop = w->failed = false;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (quiet_thread_start(&w->thread, run, w))
		return w;
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}

/* Gives the room away and waits for another one; false if a row failed. */
static bool give_room(struct store_writer *w)
{
	bool ok;

	w->rooms[w->given % ROOMS].count = w->filled;
	w->filled = 0;
	pthread_mutex_lock(&w->lock);
	w->given++;
	pthread_cond_signal(&w->changed);
	while (w->given - w->done == ROOMS)
		pthread_cond_wait(&w->changed, &w->lock);
	ok = !w->failed;
	pthread_mutex_unlock(&w->lock);
	return ok;
}

bool store_writer_put(struct store_writer *w, const struct model_life *life)
{
	w->rooms[w->given % ROOMS].lives[w->filled++] = *life;
	return w->filled < ROOM || give_room(w);
}

bool store_writer_settle(struct store_writer *w)
{
	bool ok;

	if (w->filled != 0)
		give_room(w);
	pthread_mutex_lock(&w->lock);
	while (w->done != w->given)
		pthread_cond_wait(&w->changed, &w->lock);
	ok = !w->failed;
	pthread_mutex_unlock(&w->lock);
	return ok;
}

void store_writer_stop(struct store_writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
