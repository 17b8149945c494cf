/*
 * source_relay.c - decompressing ahead, on another thread.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "quiet_thread.h"
#include "source_private.h"

#define CHUNKS	     16u	  /* a power of two, for the numbers run over */
#define CHUNK_SIZE   (128u << 10) /* a block of zstd's */
#define CHUNK_BEFORE 4096u

/* A piece of the stream, or the end of it, which has no bytes. */
struct chunk {
	size_t size;
	enum source_result result;
	uint64_t file_offset;
	unsigned frame, bad_frame;
	/* Room for what is left of the piece before, and the bytes. */
	uint8_t before[CHUNK_BEFORE], data[CHUNK_SIZE];
};

/*
 * The reader inside has the file and zstd's state, and a chunk for a window.
 * The one outside has the caller's window, which is in a chunk that is lent to
 * it, or, while an item is too long for that, in a buffer of its own.
 */
struct relay {
	struct reader inside;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned made, taken; /* chunks, ever */
	bool making;	      /* the next one */
	bool awaited;	      /* the next one, by who reads */
	bool ended;	      /* no more will be made */
	bool shared;	      /* no thread any more: see source_share() */
	bool stop;	      /* the thread */
	struct source_sharing sharing;
	/* Without the lock, of who reads: */
	size_t used; /* of the chunk at hand, by copying */
	bool lent;   /* the first of the chunks not taken */
	struct chunk chunks[CHUNKS];
};

static void make_chunk(struct reader *inside, struct chunk *chunk)
{
	struct source *const s = &inside->pub;

	inside->buffer = chunk->data;
	s->window = chunk->data;
	s->size = 0;
	chunk->result = source_more_zstd(inside);
	chunk->size = s->size;
	chunk->file_offset = s->file_offset;
	chunk->frame = inside->frame;
	chunk->bad_frame = inside->bad_frame;
}

/*
 * Makes the next chunk, unless it is being made, there is no room for it or
 * no more of them. The lock is held, but for the time of the making.
 */
static bool make_next(struct relay *p)
{
	struct chunk *const chunk = &p->chunks[p->made % CHUNKS];

	if (p->making || p->ended || p->made - p->taken == CHUNKS)
		return false;
	p->making = true;
	pthread_mutex_unlock(&p->lock);
	make_chunk(&p->inside, chunk);
	pthread_mutex_lock(&p->lock);
	p->making = false;
	p->made++;
	p->ended = chunk->result != SOURCE_OK;
	if (p->awaited || p->ended || p->made - p->taken >= CHUNKS / 2)
		pthread_cond_signal(&p->changed);
	return true;
}

/* The thread of a relay that is not shared. */
static void *run_relay(void *arg)
{
	struct relay *const p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && !p->ended) {
		/* A switch of threads a chunk would cost more than chunks. */
		if (p->made - p->taken == CHUNKS)
			while (p->made - p->taken > CHUNKS / 2 && !p->stop)
				pthread_cond_wait(&p->changed, &p->lock);
		if (!p->stop)
			make_next(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/*
 * Before anything has been decompressed. Without a thread things go on as
 * they are.
 */
void source_relay_start(struct reader *r)
{
	struct relay *const p = malloc(sizeof(*p));

	if (p == NULL)
		return;
	p->inside = *r;
	p->inside.capacity = CHUNK_SIZE;
	p->made = p->taken = 0;
	p->making = p->awaited = false;
	p->ended = p->shared = p->stop = p->lent = false;
	p->used = 0;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (quiet_thread_start(&p->thread, run_relay, p)) {
		r->relay = p;
		return;
	}
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void stop_thread(struct relay *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
}

void source_relay_stop(struct reader *r)
{
	struct relay *const p = r->relay;

	if (p == NULL)
		return;
	if (!p->shared)
		stop_thread(p);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	r->relay = NULL;
}

bool source_share(struct source *s, const struct source_sharing *sharing)
{
	struct relay *const p = ((struct reader *)s)->relay;

	if (p == NULL)
		return false;
	if (!p->shared) {
		stop_thread(p);
		p->shared = true;
	}
	p->sharing = *sharing;
	return true;
}

static bool is_low(const struct relay *p)
{
	return p->made - p->taken <= CHUNKS / 2;
}

void source_work_ahead(struct source *s)
{
	struct relay *const p = ((struct reader *)s)->relay;

	pthread_mutex_lock(&p->lock);
	if (is_low(p))
		while (make_next(p))
			;
	pthread_mutex_unlock(&p->lock);
}

/* The next chunk is not there, and it is another thread that makes it. */
static void do_meanwhile(struct relay *p)
{
	bool worked;

	pthread_mutex_unlock(&p->lock);
	worked = p->sharing.meanwhile(p->sharing.arg);
	pthread_mutex_lock(&p->lock);
	if (worked || !p->making)
		return;
	p->awaited = true;
	pthread_cond_wait(&p->changed, &p->lock);
	p->awaited = false;
}

/* No chunk is there that is not lent: waits for several, or makes one. */
static void await_chunks(struct relay *p)
{
	if (!p->shared)
		while (p->made - p->taken < CHUNKS / 2 && !p->ended)
			pthread_cond_wait(&p->changed, &p->lock);
	else if (p->making)
		do_meanwhile(p);
	else
		make_next(p);
}

/* The next chunk that is not lent; waits for it. */
static struct chunk *await_chunk(struct relay *p)
{
	const unsigned number = p->taken + p->lent;

	pthread_mutex_lock(&p->lock);
	while (p->made == number)
		await_chunks(p);
	pthread_mutex_unlock(&p->lock);
	return &p->chunks[number % CHUNKS];
}

/* Gives the first chunk that is not taken back. */
static void take_chunk(struct relay *p)
{
	bool wake;

	pthread_mutex_lock(&p->lock);
	p->taken++;
	if (is_low(p) && !p->shared)
		pthread_cond_signal(&p->changed);
	/* Who is at it goes on by itself. */
	wake = is_low(p) && p->shared && !p->making && !p->ended;
	pthread_mutex_unlock(&p->lock);
	if (wake)
		p->sharing.low(p->sharing.arg);
}

/* Puts what is left of the window before a chunk: both are the window now. */
static void lend_chunk(struct reader *r, struct chunk *chunk)
{
	struct source *const s = &r->pub;
	struct relay *const p = r->relay;
	uint8_t *const window = chunk->data - s->size;

	memcpy(window, s->window, s->size);
	s->window = window;
	s->size += chunk->size;
	if (p->lent)
		take_chunk(p);
	p->lent = true;
}

/* Adds to the reader's own buffer what there is room for. */
static void copy_chunk(struct reader *r, const struct chunk *chunk)
{
	struct source *const s = &r->pub;
	struct relay *const p = r->relay;
	const size_t left = chunk->size - p->used;
	const size_t room = r->capacity - s->size;
	const size_t size = left < room ? left : room;

	memcpy(r->buffer + s->size, chunk->data + p->used, size);
	s->size += size;
	p->used += size;
	if (p->used == chunk->size) {
		p->used = 0;
		take_chunk(p);
	}
}

enum source_result source_relay_more(struct reader *r)
{
	struct source *const s = &r->pub;
	struct relay *const p = r->relay;
	const bool copy = p->used != 0 || s->size > CHUNK_BEFORE;
	struct chunk *const chunk = await_chunk(p);

	s->file_offset = chunk->file_offset;
	r->frame = chunk->frame;
	r->bad_frame = chunk->bad_frame;
	/* It stays, and so does the window. */
	if (chunk->result != SOURCE_OK) {
		s->error_number = p->inside.pub.error_number;
		memcpy(s->error, p->inside.pub.error, sizeof(s->error));
		return r->result = chunk->result;
	}
	if (!copy) {
		lend_chunk(r, chunk);
		return SOURCE_OK;
	}
	if (!source_make_room(r))
		return r->result;
	if (p->lent) {
		p->lent = false;
		take_chunk(p);
	}
	copy_chunk(r, chunk);
	return SOURCE_OK;
}
