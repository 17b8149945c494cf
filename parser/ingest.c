/*
 * ingest.c - source to decoder to model.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "ingest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifdef XXHASH_DISPATCH
#include <xxh_x86dispatch.h> /* the same, as wide as the processor can */
#else
#include <xxhash.h>
#endif

#include "processors.h"
#include "report_text.h"
#include "symbol_runs.h"

/* Events decoded at once: they stay in the second-level cache. */
#define BATCH 1024

/* From so many bytes on a second thread pays. */
#define THREAD_BYTES (1u << 20)

/* What warns: 10% of the live bytes, and no less than 4 KiB. */
#define GARBAGE_PART 10
#define GARBAGE_MIN  4096

/* A window of the source on its way through decoder and model. */
struct passage {
	struct ingest *in;
	struct decoder decoder;
	struct decode_input input;
	struct decode_event events[BATCH];
	struct model *model;
	struct symbol_runs runs;
	size_t matched;	    /* so many bytes may be the first of one */
	bool all;	    /* there is no more than the window */
	XXH3_state_t *hash; /* of the bytes taken; NULL: not wanted */
};

static enum ingest_result fail(struct ingest *in, enum ingest_result result,
			       const char *why)
{
	snprintf(in->error, sizeof(in->error), "%s", why);
	return result;
}

/* Takes what is left before the first event: the prologues, byte by byte. */
static void skip_prologues(struct passage *p)
{
	struct decode_input in = p->input;
	size_t count;

	in.size = in.pos;
	while (p->decoder.events_version == 0 && in.size < p->input.size) {
		in.size++;
		decode_events(&p->decoder, &in, p->events, 1, &count);
	}
	p->input.pos = in.pos;
}

/* Moves input.pos to the event that the model did not take. */
static void find_culprit(struct passage *p, const struct decoder *before,
			 size_t pos, size_t taken)
{
	size_t count;

	p->decoder = *before;
	p->input.pos = pos;
	if (taken != 0)
		decode_events(&p->decoder, &p->input, p->events, taken, &count);
	skip_prologues(p);
}

/* What the model said, which is about the event behind those taken. */
static enum ingest_result judge(struct passage *p, enum model_result result,
				const struct decoder *before, size_t pos,
				size_t taken)
{
	switch (result) {
	case MODEL_OK:
		return INGEST_OK;
	case MODEL_OVERFLOW:
		find_culprit(p, before, pos, taken);
		return fail(p->in, INGEST_CONTENT,
			    "corrupt: the sizes add up to more than 2^60");
	case MODEL_TOO_DEEP:
		find_culprit(p, before, pos, taken);
		return fail(p->in, INGEST_CONTENT, INGEST_TOO_DEEP);
	case MODEL_TOO_LATE:
		find_culprit(p, before, pos, taken);
		return fail(p->in, INGEST_CONTENT, INGEST_TOO_LATE);
	case MODEL_NO_MEMORY:
		return fail(p->in, INGEST_SYSTEM, "out of memory");
	default:
		return fail(p->in, INGEST_STOPPED, "stopped");
	}
}

static void end_run(struct passage *p)
{
	symbol_runs_end(&p->runs, model_c_symbols_epoch(p->model));
}

/* Takes heap events as steps, as long as there are any. */
static enum ingest_result take_steps(struct passage *p)
{
	struct model *const m = p->model;
	enum model_result fed = MODEL_OK;
	struct decode_steps done = {.count = 1};

	/* Within a run of symbols it is no time to ask what is known. */
	if (!decode_is_step(&p->decoder, &p->input))
		return INGEST_OK;
	if (p->runs.begun)
		end_run(p);
	while (fed == MODEL_OK && done.count != 0) {
		size_t room;
		struct step *const steps = model_room(m, &room);

		done = decode_steps(&p->decoder, &p->input, model_locations(m),
				    steps, room);
		fed = done.no_memory ? MODEL_NO_MEMORY
				     : model_take_steps(m, &done);
	}
	return judge(p, fed, &p->decoder, p->input.pos, 0);
}

/* Takes symbols that have been taken before, and nothing has changed since. */
static bool take_known_run(struct passage *p)
{
	const struct decode_input *const in = &p->input;
	size_t size;

	/* Within a run it is no time to ask what has changed. */
	if (p->decoder.events_version == 0 || p->runs.begun)
		return false;
	size = symbol_runs_find(&p->runs, model_c_symbols_epoch(p->model),
				in->src + in->pos, in->size - in->pos,
				&p->matched);
	p->input.pos += size;
	return size != 0;
}

/* Keeps what has been taken if it is C symbols, to know it again. */
static void keep_run(struct passage *p, size_t pos, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (p->events[i].kind != LJM_KIND_SYMBOL ||
		    p->events[i].source != LJM_SOURCE_C) {
			symbol_runs_drop(&p->runs);
			return;
		}
	}
	if (count != 0)
		symbol_runs_take(&p->runs, p->input.src + pos,
				 p->input.pos - pos);
}

/* Takes what is between them. */
static enum ingest_result take_others(struct passage *p,
				      enum decode_result *decoded)
{
	const struct decoder before = p->decoder;
	const size_t pos = p->input.pos;
	enum model_result fed;
	size_t count, taken;

	*decoded =
		decode_others(&p->decoder, &p->input, p->events, BATCH, &count);
	fed = model_feed(p->model, p->events, count, &taken);
	if (before.events_version != 0)
		keep_run(p, pos, count);
	return judge(p, fed, &before, pos, taken);
}

/*
 * Takes what the window holds, but for what may be a run of symbols: *end tells
 * that the closing byte was in it.
 */
static enum ingest_result take_window(struct passage *p, bool *end)
{
	enum decode_result decoded;
	enum ingest_result result;

	do {
		decoded = DECODE_FULL;
		result = take_steps(p);
		if (result != INGEST_OK)
			return result;
		if (take_known_run(p))
			continue;
		if (p->matched != 0 && !p->all)
			return INGEST_OK;
		p->matched = 0;
		result = take_others(p, &decoded);
		if (result != INGEST_OK)
			return result;
	} while (decoded == DECODE_FULL);
	*end = decoded == DECODE_END;
	if (decoded == DECODE_CORRUPT)
		return fail(p->in, INGEST_CONTENT, p->decoder.error);
	return INGEST_OK;
}

/* The source has ended well, but not the stream: says where that was. */
static enum ingest_result ended_early(struct ingest *in,
				      const struct source *source)
{
	if (source->offset == 0 && source->size == 0)
		return fail(in, INGEST_CONTENT, "the stream is empty");
	if (in->events_version == 0)
		return fail(in, INGEST_CONTENT, "cut before the first event");
	if (source->size != 0)
		return fail(in, INGEST_CONTENT, "cut inside an event");
	return fail(in, INGEST_CONTENT, "cut: the closing byte is missing");
}

enum ingest_result ingest_more(struct ingest *in, struct source *source)
{
	if (in->keep_on != NULL && !in->keep_on(in->arg, source))
		return fail(in, INGEST_STOPPED, "stopped");
	switch (source_more(source)) {
	case SOURCE_OK:
		return INGEST_OK;
	case SOURCE_END:
		return ended_early(in, source);
	case SOURCE_CONTENT:
		return fail(in, INGEST_CONTENT, source->error);
	default:
		return fail(in, INGEST_SYSTEM, source->error);
	}
}

/* Waits for a second thread; what went wrong there went wrong before. */
static enum ingest_result settle(struct passage *p, enum ingest_result result)
{
	switch (model_settle(p->model)) {
	case MODEL_OK:
		return result;
	case MODEL_NO_MEMORY:
		return fail(p->in, INGEST_SYSTEM, "out of memory");
	default:
		return fail(p->in, INGEST_STOPPED, "stopped");
	}
}

/* Takes bytes off the source, by which the stream will be known. */
static void take(struct passage *p, struct source *source)
{
	if (p->hash != NULL)
		XXH3_128bits_update(p->hash, source->window, p->input.pos);
	source_take(source, p->input.pos);
}

static void write_fingerprint(struct passage *p)
{
	static const char digits[] = "0123456789abcdef";
	XXH128_canonical_t bytes;
	char *out = p->in->fingerprint;

	XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(p->hash));
	for (size_t i = 0; i < sizeof(bytes.digest); i++) {
		*out++ = digits[bytes.digest[i] >> 4];
		*out++ = digits[bytes.digest[i] & 15];
	}
	*out = '\0';
}

static void work_ahead(void *source)
{
	source_work_ahead(source);
}

static void wake_model(void *model)
{
	model_wake(model);
}

static bool work_meanwhile(void *model)
{
	return model_work(model);
}

/*
 * One thread decodes, one replays. A third one for decompressing is good when
 * there is a third processor; else of three threads two are on one processor,
 * often while the other one has nothing. So with two the second decompresses
 * and replays when enough of that is there, and the first replays when there is
 * nothing else to do. What is decompressed is looked back at, as is what is
 * alive: both had better stay with one processor for a while.
 */
static void use_thread(struct passage *p, struct source *source, int processors)
{
	const struct source_sharing sharing = {wake_model, work_meanwhile,
					       p->model};

	if (model_use_thread(p->model) && processors == 2 &&
	    source_share(source, &sharing))
		model_share_work(p->model, work_ahead, source);
}

/* What was left because it may be a run of symbols is taken in any case. */
static enum ingest_result read_more(struct passage *p, struct source *source)
{
	const enum ingest_result result = ingest_more(p->in, source);

	if (result != INGEST_CONTENT || p->matched == 0)
		return result;
	p->all = true;
	return INGEST_OK;
}

static enum ingest_result pass(struct passage *p, struct source *source)
{
	struct ingest *const in = p->in;
	enum ingest_result result;
	const int processors = count_processors();
	bool end = false, may_help = processors > 1;

	do {
		p->input =
			(struct decode_input){source->window, source->size, 0};
		result = take_window(p, &end);
		take(p, source);
		in->symtab_version = p->decoder.symtab_version;
		in->events_version = p->decoder.events_version;
		if (may_help && source->offset >= THREAD_BYTES) {
			use_thread(p, source, processors);
			may_help = false;
		}
		if (result == INGEST_OK && !end)
			result = read_more(p, source);
	} while (result == INGEST_OK && !end);
	symbol_runs_clear(&p->runs);
	return settle(p, result);
}

/* Somebody may have joined streams, as if they were lines of a log. */
static bool another_begins(struct source *source)
{
	if (!source->compressed && source->file_size != 0)
		source_peek(source, LJM_MAGIC_SIZE);
	return source->size >= LJM_MAGIC_SIZE &&
	       memcmp(source->window, LJM_SYMTAB_MAGIC, LJM_MAGIC_SIZE) == 0;
}

/* Behind the closing byte there may be a checksum over all before it. */
static enum ingest_result finish(struct ingest *in, struct source *source)
{
	in->followed = another_begins(source);
	switch (source_finish(source)) {
	case SOURCE_OK:
		in->followed |= another_begins(source);
		return INGEST_OK;
	case SOURCE_CONTENT:
		return fail(in, INGEST_CONTENT, source->error);
	default:
		return fail(in, INGEST_SYSTEM, source->error);
	}
}

enum ingest_result ingest_stream(struct ingest *in, struct source *source,
				 struct model *model)
{
	struct passage p = {.in = in, .model = model};
	enum ingest_result result;

	in->error[0] = in->fingerprint[0] = '\0';
	in->followed = false;
	if (in->identify) {
		p.hash = XXH3_createState();
		if (p.hash == NULL)
			return fail(in, INGEST_SYSTEM, "out of memory");
		XXH3_128bits_reset(p.hash);
	}
	decode_init(&p.decoder);
	result = pass(&p, source);
	in->offset = source->offset;
	if (in->identify && in->offset != 0)
		write_fingerprint(&p);
	XXH3_freeState(p.hash);
	return result == INGEST_OK ? finish(in, source) : result;
}

/* ---- warnings */

/* Has the recorder collected all garbage at the end? */
static bool was_collected(const struct model *m)
{
	const size_t count = model_collection_count(m);

	return count != 0 &&
	       model_collection(m, count - 1).reason == LJM_COLLECTION_STOP;
}

static bool warn_of_followers(const struct ingest *in, char *out)
{
	if (!in->followed)
		return false;
	snprintf(out, INGEST_WARNING_SIZE,
		 "another stream follows, and is not read: give each a file of "
		 "its own");
	return true;
}

static bool warn_of_garbage(const struct model *m, char *out)
{
	const struct model_totals *const t = model_totals(m);
	const size_t samples = model_sample_count(m);
	/* Of this stream alone, when the model has taken others before. */
	const uint64_t live =
		samples != 0 ? model_sample(m, samples - 1)->live_bytes : 0;
	const uint64_t begun = t->begun_bytes_since_collector;
	char bytes[REPORT_BYTES_MAX], after[64] = "";

	if (was_collected(m) || live == 0 || begun <= GARBAGE_MIN ||
	    begun <= live / GARBAGE_PART)
		return false;
	report_text_bytes(bytes, begun, true);
	if (t->last_collector_free_event != 0)
		snprintf(after, sizeof(after), " after event %" PRIu64,
			 t->last_collector_free_event);
	snprintf(out, INGEST_WARNING_SIZE,
		 "the collector freed nothing%s, %s were allocated %s: unless "
		 "collectgarbage() ran twice before stop(), garbage may look "
		 "like a leak",
		 after, bytes, *after != '\0' ? "since" : "in all");
	return true;
}

static bool warn_of_conflicts(const struct model *m, char *out)
{
	const struct model_remarks r = model_remarks(m);

	if (r.conflict_events == 0)
		return false;
	snprintf(out, INGEST_WARNING_SIZE,
		 "%" PRIu64 " event%s earlier ones, first at event %" PRIu64,
		 r.conflict_events,
		 r.conflict_events == 1 ? " contradicts" : "s contradict",
		 r.first_conflict_event);
	return true;
}

static bool warn_of_further_sites(const struct model *m, char *out)
{
	const uint64_t events = model_remarks(m).further_events;
	const size_t count = model_callsite_count(m);

	if (events == 0)
		return false;
	snprintf(out, INGEST_WARNING_SIZE,
		 "more than %zu %s: %" PRIu64
		 " events of further ones are told as (further sites)",
		 count - 1,
		 model_site_count(m) == count ? "sites" : "callsites", events);
	return true;
}

static bool warn_of_unlisted(const struct model *m, char *out)
{
	const uint64_t blocks = model_remarks(m).unlisted_blocks;

	if (blocks == 0)
		return false;
	snprintf(out, INGEST_WARNING_SIZE,
		 "more than %zu pairs of sites: who ended %" PRIu64
		 " blocks is not told under Overrides",
		 model_override_count(m), blocks);
	return true;
}

static bool warn_of_lost(const struct model *m, char *out)
{
	const uint64_t events = model_remarks(m).lost_events;

	if (events == 0)
		return false;
	snprintf(out, INGEST_WARNING_SIZE,
		 "the recorder lost %" PRIu64
		 " event%s: figures are too low, or contradict each other",
		 events, events == 1 ? "" : "s");
	return true;
}

static bool warn_of_further_moments(const struct model *m, char *out)
{
	const uint64_t moments = model_totals(m)->further_moments;

	if (moments == 0)
		return false;
	snprintf(out, INGEST_WARNING_SIZE,
		 "more than %u marks or collections: %" PRIu64
		 " further ones are not told",
		 MODEL_MARKS, moments);
	return true;
}

unsigned ingest_warnings(const struct ingest *in, const struct model *model,
			 bool complete,
			 char warnings[INGEST_WARNINGS][INGEST_WARNING_SIZE])
{
	unsigned count = 0;

	count += warn_of_followers(in, warnings[count]);
	/* Of a cut stream it goes without saying. */
	if (complete)
		count += warn_of_garbage(model, warnings[count]);
	count += warn_of_lost(model, warnings[count]);
	count += warn_of_conflicts(model, warnings[count]);
	count += warn_of_further_sites(model, warnings[count]);
	count += warn_of_unlisted(model, warnings[count]);
	count += warn_of_further_moments(model, warnings[count]);
	return count;
}
