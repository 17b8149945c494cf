/*
 * model_stacks.h - stands in for what model.h will say of callsites, frames,
 * times and marks: one callsite for each site, no times.
 */
#ifndef MEMPARSE_MODEL_STACKS_H
#define MEMPARSE_MODEL_STACKS_H

#include "model.h"

#define MODEL_NO_CALLSITE UINT32_MAX

enum model_frame_kind {
	MODEL_FRAME_INTERNAL,
	MODEL_FRAME_LUA,
	MODEL_FRAME_C,
	MODEL_FRAME_TRACE,
	MODEL_FRAME_GAP
};

struct model_frame {
	enum model_frame_kind kind;
	struct model_name chunk;
	struct model_name function;
	uint64_t first_line;
	uint64_t line;
	uint64_t trace_number;
	uint64_t address;
	unsigned what;
};

struct model_callsite {
	uint32_t parent;
	uint32_t frame;
	uint32_t site;
	uint32_t depth;
	struct model_figures figures;
};

struct model_clock {
	uint64_t event, time_us;
};

struct model_mark {
	uint64_t event, time_us;
	struct model_name label;
};

struct model_collection {
	uint64_t event, time_us;
	unsigned reason;
};

struct model_start {
	bool present;
	uint64_t start_us, process_id, depth;
	struct model_name vm;
};

static inline size_t model_frame_count(const struct model *m)
{
	return model_site_count(m);
}

static inline void model_frame(const struct model *m, uint32_t i,
			       struct model_frame *out)
{
	const struct model_site site = model_site(m, i);
	const enum model_site_kind place =
		site.kind == MODEL_SITE_TRACE ? site.start_kind : site.kind;

	*out = (struct model_frame){
		.kind = site.kind == MODEL_SITE_TRACE ? MODEL_FRAME_TRACE
			: site.kind == MODEL_SITE_LUA ? MODEL_FRAME_LUA
			: site.kind == MODEL_SITE_INTERNAL
				? MODEL_FRAME_INTERNAL
				: MODEL_FRAME_C,
		.trace_number = site.trace_number,
		.address = site.kind == MODEL_SITE_TRACE ? 0 : site.address,
	};
	if (site.kind == MODEL_SITE_TRACE && !site.trace_has_start)
		return;
	if (place == MODEL_SITE_LUA) {
		out->chunk = site.name;
		out->line = site.line;
	} else if (site.kind == MODEL_SITE_C) {
		out->function = site.name;
	}
}

static inline size_t model_callsite_count(const struct model *m)
{
	return model_site_count(m);
}

static inline void model_callsite(const struct model *m, uint32_t i,
				  struct model_callsite *out)
{
	*out = (struct model_callsite){
		.parent = MODEL_NO_CALLSITE,
		.frame = i,
		.site = i,
		.depth = 1,
		.figures = model_site(m, i).figures,
	};
}

static inline size_t model_clock_count(const struct model *m)
{
	(void)m;
	return 0;
}

static inline struct model_clock model_clock(const struct model *m, size_t i)
{
	(void)m;
	(void)i;
	return (struct model_clock){0, 0};
}

static inline size_t model_mark_count(const struct model *m)
{
	(void)m;
	return 0;
}

static inline struct model_mark model_mark(const struct model *m, size_t i)
{
	(void)m;
	(void)i;
	return (struct model_mark){0, 0, {NULL, 0, 0}};
}

static inline size_t model_collection_count(const struct model *m)
{
	(void)m;
	return 0;
}

static inline struct model_collection model_collection(const struct model *m,
						       size_t i)
{
	(void)m;
	(void)i;
	return (struct model_collection){0, 0, 0};
}

static inline struct model_start model_start(const struct model *m)
{
	(void)m;
	return (struct model_start){0};
}

#endif
