/*
 * moments.c - start, clocks, marks and collections of a stream.
 */
#include "moments.h"

#include <string.h>

void moments_clear(struct moments *t)
{
	numbered_clear(&t->clocks);
	numbered_clear(&t->marks);
	numbered_clear(&t->collections);
	memset(t, 0, sizeof(*t));
}

/* ---- clocks */

/* Leaves out every other clock. */
static void thin_out(struct moments *t)
{
	struct model_clock *const list = t->clocks.list;

	for (uint32_t i = 0; i < t->clocks.count; i += 2)
		list[i / 2] = list[i];
	t->clocks.count = (t->clocks.count + 1) / 2;
	t->stride *= 2;
}

static struct model_clock *last_kept(const struct moments *t)
{
	struct model_clock *const list = t->clocks.list;

	return t->clocks.count == 0 ? NULL : &list[t->clocks.count - 1];
}

static bool keep_clock(struct moments *t)
{
	struct model_clock *const last = last_kept(t);

	/* Several at one moment: the last one tells. */
	if (last != NULL && last->event == t->now.event) {
		*last = t->now;
		return true;
	}
	if (t->seen++ % t->stride != 0)
		return true;
	if (!numbered_add(&t->clocks, &t->now, sizeof(t->now)))
		return false;
	/* One place is for the last clock of all. */
	if (t->clocks.count == MODEL_CLOCKS)
		thin_out(t);
	return true;
}

static enum model_result add_clock(struct moments *t, uint64_t us,
				   uint64_t event)
{
	if (us > MOMENTS_TIME_MAX - t->now.time_us)
		return MODEL_TOO_LATE;
	t->now.time_us += us;
	t->now.event = event;
	if (t->stride == 0)
		t->stride = 1;
	return keep_clock(t) ? MODEL_OK : MODEL_NO_MEMORY;
}

size_t moments_clock_count(const struct moments *t)
{
	const struct model_clock *const last = last_kept(t);

	return (size_t)t->clocks.count +
	       (last != NULL && last->event != t->now.event);
}

struct model_clock moments_clock(const struct moments *t, size_t i)
{
	return i == t->clocks.count
		       ? t->now
		       : ((const struct model_clock *)t->clocks.list)[i];
}

/* ---- the others */

static bool add_start(struct moments *t, struct names *n,
		      const struct decode_event *e)
{
	const uint32_t name = names_intern(n, e->name, e->name_size);

	if (name == NAME_NONE)
		return false;
	t->start = (struct model_start){
		.present = true,
		.start_us = e->address,
		.process_id = e->line,
		.depth = e->start_address,
		.vm = {names_get(n, name)->text, e->name_size, 0}};
	return true;
}

/* Adds a mark or collection, unless there are too many. */
static bool add(struct moments *t, struct numbered *to, const void *what,
		size_t size)
{
	if (to->count == MODEL_MARKS) {
		t->further++;
		return true;
	}
	return numbered_add(to, what, size);
}

static bool add_mark(struct moments *t, const struct model_name *label,
		     uint64_t event)
{
	const struct model_mark mark = {event, t->now.time_us, *label};

	return add(t, &t->marks, &mark, sizeof(mark));
}

/* Leaves out every other one of the program's. */
static void thin_out_programs(struct moments *t)
{
	struct model_collection *const list = t->collections.list;
	uint32_t kept = 0, seen = 0;

	for (uint32_t i = 0; i < t->collections.count; i++)
		if (list[i].reason != LJM_COLLECTION_PROGRAM || seen++ % 2 == 0)
			list[kept++] = list[i];
	t->programs -= t->collections.count - kept;
	t->collections.count = kept;
	t->program_stride *= 2;
}

/* Is this one of the program's, every stride-th of which is kept? */
static bool is_kept(struct moments *t)
{
	if (t->program_stride == 0)
		t->program_stride = 1;
	if (t->seen_programs++ % t->program_stride != 0)
		return false;
	if (++t->programs > MODEL_COLLECTIONS)
		thin_out_programs(t);
	return true;
}

static bool add_collection(struct moments *t, const struct decode_event *e,
			   uint64_t event)
{
	const uint64_t ago = e->start_address;
	const struct model_collection collection = {
		event, t->now.time_us, ago < event ? event - ago : 0,
		(unsigned)e->address};

	/* Within another one, from a finalizer. */
	if (collection.began < t->collected)
		return true;
	t->collected = event;
	if (collection.reason == LJM_COLLECTION_PROGRAM && !is_kept(t))
		return true;
	return add(t, &t->collections, &collection, sizeof(collection));
}

enum model_result moments_apply(struct moments *t, const struct callsites *c,
				struct names *n, const struct decode_event *e,
				uint64_t event)
{
	struct model_name label;
	bool ok;

	switch ((enum ljm_record)e->source) {
	case LJM_RECORD_START:
		ok = add_start(t, n, e);
		break;
	case LJM_RECORD_CLOCK:
		return add_clock(t, e->address, event);
	case LJM_RECORD_MARK:
		label = callsites_string(c, n, e->address);
		ok = add_mark(t, &label, event);
		break;
	default: /* collection */
		ok = add_collection(t, e, event);
	}
	return ok ? MODEL_OK : MODEL_NO_MEMORY;
}
