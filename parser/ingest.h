/*
 * ingest.h - one stream, from its file into a model.
 *
 * Joins source, decode and model, and says how the stream ended.
 */
#ifndef MEMPARSE_INGEST_H
#define MEMPARSE_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"
#include "model.h"
#include "source.h"

enum ingest_result {
	/* Read up to the closing byte. */
	INGEST_OK,
	/* The content ended early or went wrong; what came before counts. */
	INGEST_CONTENT,
	/* The system refused, or memory ran out. */
	INGEST_SYSTEM,
	/* The model's callback or keep_on() said stop. */
	INGEST_STOPPED,
};

/* 32 digits, and the zero. */
#define INGEST_FINGERPRINT_SIZE 33

struct ingest {
	/* Asked whenever more has to be read; NULL, or false to stop. */
	bool (*keep_on)(void *arg, const struct source *source);
	void *arg;
	/* Is the fingerprint wanted? It takes a sixtieth of the time. */
	bool identify;

	/* Results. */
	unsigned symtab_version, events_version; /* 0: not read */
	uint64_t offset; /* where it ended, in bytes of the stream */
	bool followed;	 /* behind it another stream begins, as far as seen */
	/* XXH3-128 of these bytes in hexadecimal; "" for none, or unwanted */
	char fingerprint[INGEST_FINGERPRINT_SIZE];
	char error[256]; /* unless INGEST_OK: why, in words */
};

/*
 * Feeds the stream from source, which is open, to the model. The stream is
 * not ended there: see model_end_stream(). Memory: 100 KiB on the stack, and
 * for streams that repeat their C symbols SYMBOL_RUNS_BYTES at the most, and
 * twice that for the source's window.
 */
enum ingest_result ingest_stream(struct ingest *in, struct source *source,
				 struct model *model);

/*
 * Reads more into the source's window, for those who take it themselves:
 * INGEST_OK when there is more, else why not, in in->error.
 */
enum ingest_result ingest_more(struct ingest *in, struct source *source);

/* What is wrong with a stream, for those who take it themselves. */
#define INGEST_TOO_DEEP "corrupt: a callsite of more than 1024 frames"
#define INGEST_TOO_LATE                                                        \
	"corrupt: the clocks add up to more than 2^60 microseconds"

/* The most that ingest_warnings() says, and how long each is. */
#define INGEST_WARNINGS	    7
#define INGEST_WARNING_SIZE 240

/*
 * What a person should know before trusting the figures of the stream that
 * was ingested and that the model has just ended. Returns how many warnings.
 */
unsigned ingest_warnings(const struct ingest *in, const struct model *model,
			 bool complete,
			 char warnings[INGEST_WARNINGS][INGEST_WARNING_SIZE]);

#endif
