/*
 * export_tree.c - the callsites of a profile as a tree in memory.
 */
#include "export_tree.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

/* The tables of what is read, beside the tree that is made of it. */
struct reading {
	struct export_tree *tree;
	sqlite3 *db;
	char *error;
	int64_t first_frame, first_callsite; /* their numbers */
	uint32_t *frame_of;		     /* by the number of a frame */
	uint32_t *node_of;		     /* by the number of a callsite */
	uint32_t frame_rows, callsite_rows, phase_rows;
	const char *last_name; /* of the last frame */
	uint32_t *slots;       /* node + 1 by parent and frame, 0: free */
	uint32_t slot_mask;
	uint64_t seed;
	bool disorder; /* what went wrong is in the database */
};

bool export_no_memory(char *error)
{
	snprintf(error, EXPORT_ERROR_SIZE, "%s", sqlite3_errstr(SQLITE_NOMEM));
	return false;
}

static bool fail(const struct reading *r)
{
	snprintf(r->error, EXPORT_ERROR_SIZE, "%s", sqlite3_errmsg(r->db));
	return false;
}

static bool disorder(struct reading *r, const char *what)
{
	r->disorder = true;
	snprintf(r->error, EXPORT_ERROR_SIZE, "the %s are not in order", what);
	return false;
}

/* Prepares a statement whose parameter is the profile. */
static bool ask(const struct reading *r, sqlite3_stmt **stmt, const char *sql,
		int64_t profile)
{
	return (sqlite3_prepare_v2(r->db, sql, -1, stmt, NULL) == SQLITE_OK &&
		sqlite3_bind_int64(*stmt, 1, profile) == SQLITE_OK) ||
	       fail(r);
}

/* A copy of a column's text, NULL if it is NULL. False without memory. */
static bool copy_text(sqlite3_stmt *stmt, int column, char **text)
{
	const unsigned char *const bytes = sqlite3_column_text(stmt, column);

	*text = NULL;
	if (bytes == NULL)
		return sqlite3_column_type(stmt, column) == SQLITE_NULL;
	*text = strdup((const char *)bytes);
	return *text != NULL;
}

/* ---- the profile, and how much there is of it */

static bool read_profile(struct reading *r, int64_t profile)
{
	struct export_tree *const t = r->tree;
	sqlite3_stmt *stmt = NULL;
	bool ok = ask(r, &stmt,
		      "SELECT source, vm, coalesce(start_us, stored_at_s * "
		      "1000000), coalesce(CAST(duration_s * 1e6 AS INTEGER), "
		      "0) FROM profile WHERE profile_id = ?",
		      profile);

	if (ok && sqlite3_step(stmt) != SQLITE_ROW)
		ok = fail(r);
	if (ok &&
	    (!copy_text(stmt, 0, &t->title) || !copy_text(stmt, 1, &t->vm)))
		ok = export_no_memory(r->error);
	if (ok) {
		t->start_us = sqlite3_column_int64(stmt, 2);
		t->duration_us = sqlite3_column_int64(stmt, 3);
	}
	sqlite3_finalize(stmt);
	return ok;
}

/* The first number and how many there are, without a gap. */
static bool read_range(struct reading *r, const char *sql, const char *what,
		       int64_t profile, int64_t *first, uint32_t *count)
{
	sqlite3_stmt *stmt = NULL;
	int64_t last, rows;
	bool ok = ask(r, &stmt, sql, profile);

	if (ok && sqlite3_step(stmt) != SQLITE_ROW)
		ok = fail(r);
	if (ok) {
		*first = sqlite3_column_int64(stmt, 0);
		last = sqlite3_column_int64(stmt, 1);
		rows = sqlite3_column_int64(stmt, 2);
		*count = (uint32_t)rows;
		if (rows != 0 && (rows >= EXPORT_NO_NODE / 4 || *first < 0 ||
				  last - *first != rows - 1))
			ok = disorder(r, what);
	}
	sqlite3_finalize(stmt);
	return ok;
}

static bool make_room(struct reading *r)
{
	struct export_tree *const t = r->tree;
	size_t slots = 16;

	while (slots < 2 * (size_t)r->callsite_rows)
		slots *= 2;
	r->slot_mask = (uint32_t)(slots - 1);
	r->slots = calloc(slots, sizeof(*r->slots));
	r->frame_of = calloc((size_t)r->frame_rows + 1, sizeof(*r->frame_of));
	r->node_of = calloc((size_t)r->callsite_rows + 1, sizeof(*r->node_of));
	t->frames = calloc((size_t)r->frame_rows + 1, sizeof(*t->frames));
	t->nodes = calloc((size_t)r->callsite_rows + 1, sizeof(*t->nodes));
	return (r->slots != NULL && r->frame_of != NULL && r->node_of != NULL &&
		t->frames != NULL && t->nodes != NULL) ||
	       export_no_memory(r->error);
}

/* ---- frames */

enum {
	FRAME_ID,
	FRAME_NAME,
	FRAME_FUNCTION,
	FRAME_FILE,
	FRAME_FIRST_LINE,
	FRAME_LINE,
	FRAME_NAMED,
};
#define SELECT_FRAMES                                                          \
	"SELECT frame_id, name, coalesce(function, name), CASE WHEN chunk "    \
	"LIKE '@_%' THEN substr(chunk, 2) ELSE chunk END, "                    \
	"coalesce(first_line, 0), coalesce(line, 0), "                         \
	"function_name IS NOT NULL FROM frame "                                \
	"WHERE profile_id = ? ORDER BY name, frame_id"

static bool add_frame(struct reading *r, sqlite3_stmt *stmt)
{
	struct export_tree *const t = r->tree;
	struct export_frame *const f = &t->frames[t->frame_count];
	const char *const name =
		(const char *)sqlite3_column_text(stmt, FRAME_NAME);

	if (name == NULL)
		return disorder(r, "frames");
	if (r->last_name != NULL && strcmp(r->last_name, name) == 0)
		return true;
	t->frame_count++;
	r->last_name = NULL;
	f->first_line = sqlite3_column_int64(stmt, FRAME_FIRST_LINE);
	f->line = sqlite3_column_int64(stmt, FRAME_LINE);
	f->named = sqlite3_column_int(stmt, FRAME_NAMED) != 0;
	if (!copy_text(stmt, FRAME_NAME, &f->name) ||
	    !copy_text(stmt, FRAME_FUNCTION, &f->function) ||
	    !copy_text(stmt, FRAME_FILE, &f->file))
		return export_no_memory(r->error);
	r->last_name = f->name;
	return true;
}

static bool read_frames(struct reading *r, int64_t profile)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok = ask(r, &stmt, SELECT_FRAMES, profile);

	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
		ok = add_frame(r, stmt);
		if (ok)
			r->frame_of[sqlite3_column_int64(stmt, FRAME_ID) -
				    r->first_frame] = r->tree->frame_count - 1;
	}
	if (ok && result != SQLITE_DONE)
		ok = fail(r);
	sqlite3_finalize(stmt);
	return ok;
}

/* ---- callsites */

enum {
	CALLSITE_ID,
	CALLSITE_PARENT,
	CALLSITE_FRAME,
	CALLSITE_VALUES, /* in the order of enum export_metric */
};
#define SELECT_CALLSITES                                                       \
	"SELECT callsite_id, parent_id, frame_id, self_live_bytes, "           \
	"self_live_blocks, self_born_bytes, self_born_blocks FROM callsite "   \
	"WHERE profile_id = ? ORDER BY callsite_id"

/* Finds or makes the node of a path. */
static uint32_t intern(struct reading *r, uint32_t parent, uint32_t frame)
{
	struct export_tree *const t = r->tree;
	uint32_t slot =
		(uint32_t)(hash_u64((uint64_t)parent << 32 | frame, r->seed) >>
			   32) &
		r->slot_mask;
	struct export_node *n;

	for (; r->slots[slot] != 0; slot = (slot + 1) & r->slot_mask) {
		n = &t->nodes[r->slots[slot] - 1];
		if (n->parent == parent && n->frame == frame)
			return r->slots[slot] - 1;
	}
	r->slots[slot] = t->node_count + 1;
	n = &t->nodes[t->node_count];
	n->parent = parent;
	n->frame = frame;
	n->depth = parent == EXPORT_NO_NODE ? 1 : t->nodes[parent].depth + 1;
	if (n->depth > t->depth)
		t->depth = n->depth;
	return t->node_count++;
}

static bool add_callsite(struct reading *r, sqlite3_stmt *stmt)
{
	struct export_tree *const t = r->tree;
	const int64_t id = sqlite3_column_int64(stmt, CALLSITE_ID);
	const int64_t parent_id = sqlite3_column_int64(stmt, CALLSITE_PARENT);
	const int64_t frame =
		sqlite3_column_int64(stmt, CALLSITE_FRAME) - r->first_frame;
	uint32_t parent = EXPORT_NO_NODE, node;

	if (frame < 0 || frame >= r->frame_rows)
		return disorder(r, "frames");
	if (sqlite3_column_type(stmt, CALLSITE_PARENT) != SQLITE_NULL) {
		if (parent_id < r->first_callsite || parent_id >= id)
			return disorder(r, "callsites");
		parent = r->node_of[parent_id - r->first_callsite];
	}
	node = intern(r, parent, r->frame_of[frame]);
	r->node_of[id - r->first_callsite] = node;
	for (int i = 0; i < EXPORT_METRICS; i++) {
		const int64_t value =
			sqlite3_column_int64(stmt, CALLSITE_VALUES + i);

		/* The sums of a stream are below 2^60. */
		if (value < 0 || value > INT64_MAX - t->totals[i])
			return disorder(r, "figures");
		t->nodes[node].values[i] += value;
		t->totals[i] += value;
	}
	return true;
}

static bool read_callsites(struct reading *r, int64_t profile)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok = ask(r, &stmt, SELECT_CALLSITES, profile);

	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW)
		ok = add_callsite(r, stmt);
	if (ok && result != SQLITE_DONE)
		ok = fail(r);
	sqlite3_finalize(stmt);
	return ok;
}

/* ---- phases */

/* Whether there are marks, and rows of blocks to put between them. */
static bool count_phases(struct reading *r, int64_t profile)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = ask(r, &stmt,
		      "SELECT CASE WHEN summary THEN 0 ELSE (SELECT "
		      "count(*) FROM mark WHERE profile_id = ?1) END "
		      "FROM profile WHERE profile_id = ?1",
		      profile);

	if (ok && sqlite3_step(stmt) != SQLITE_ROW)
		ok = fail(r);
	if (ok) {
		const int64_t count = sqlite3_column_int64(stmt, 0);

		r->phase_rows = count > UINT32_MAX / 2 ? 0 : (uint32_t)count;
	}
	sqlite3_finalize(stmt);
	return ok;
}

static bool read_labels(struct reading *r, int64_t profile)
{
	struct export_tree *const t = r->tree;
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok;

	t->phases = calloc((size_t)r->phase_rows + 1, sizeof(*t->phases));
	if (t->phases == NULL)
		return export_no_memory(r->error);
	ok = ask(r, &stmt,
		 "SELECT label FROM mark WHERE profile_id = ? ORDER BY number",
		 profile);
	while (ok && t->phase_count < r->phase_rows &&
	       (result = sqlite3_step(stmt)) == SQLITE_ROW)
		ok = copy_text(stmt, 0, &t->phases[t->phase_count++]) ||
		     export_no_memory(r->error);
	if (ok && result != SQLITE_DONE && result != SQLITE_ROW)
		ok = fail(r);
	sqlite3_finalize(stmt);
	return ok;
}

enum {
	SAMPLE_CALLSITE,
	SAMPLE_PHASE,
	SAMPLE_VALUES, /* in the order of enum export_metric */
};
#define SELECT_SAMPLES                                                         \
	"SELECT a.callsite_id, (SELECT m.number FROM mark AS m "               \
	"WHERE m.profile_id = ?1 AND m.event < a.born_event "                  \
	"ORDER BY m.event DESC, m.number DESC LIMIT 1) AS phase, "             \
	"coalesce(sum(a.size) FILTER (WHERE a.died_event IS NULL), 0), "       \
	"count(*) - count(a.died_event), sum(a.size), count(*) "               \
	"FROM allocation AS a WHERE a.profile_id = ?1 "                        \
	"AND a.born_event IS NOT NULL "                                        \
	"GROUP BY a.callsite_id, phase ORDER BY a.callsite_id, phase"

static bool add_sample(struct reading *r, sqlite3_stmt *stmt)
{
	struct export_tree *const t = r->tree;
	const int64_t callsite =
		sqlite3_column_int64(stmt, SAMPLE_CALLSITE) - r->first_callsite;
	const int64_t phase = sqlite3_column_int64(stmt, SAMPLE_PHASE);
	struct export_sample *s = t->samples;

	if (callsite < 0 || callsite >= r->callsite_rows || phase < 0 ||
	    phase > t->phase_count)
		return disorder(r, "callsites");
	/* Room for a power of two, when that is full. */
	if ((t->sample_count & (t->sample_count - 1)) == 0) {
		s = realloc(s, (t->sample_count ? 2 * t->sample_count : 1) *
				       sizeof(*s));
		if (s == NULL)
			return export_no_memory(r->error);
		t->samples = s;
	}
	s += t->sample_count++;
	s->node = r->node_of[callsite];
	s->phase = (uint32_t)phase;
	for (int i = 0; i < EXPORT_METRICS; i++)
		s->values[i] = sqlite3_column_int64(stmt, SAMPLE_VALUES + i);
	return true;
}

static bool read_phases(struct reading *r, int64_t profile)
{
	sqlite3_stmt *stmt = NULL;
	int result = SQLITE_DONE;
	bool ok = count_phases(r, profile);

	if (!ok || r->phase_rows == 0)
		return ok;
	ok = read_labels(r, profile) && ask(r, &stmt, SELECT_SAMPLES, profile);
	while (ok && (result = sqlite3_step(stmt)) == SQLITE_ROW)
		ok = add_sample(r, stmt);
	if (ok && result != SQLITE_DONE)
		ok = fail(r);
	sqlite3_finalize(stmt);
	return ok;
}

/* ---- the tree */

enum export_result export_tree_read(struct export_tree *t, sqlite3 *db,
				    int64_t profile, bool phases, char *error)
{
	struct reading r = {
		.tree = t, .db = db, .error = error, .seed = hash_seed()};
	bool ok;

	ok = read_profile(&r, profile) &&
	     read_range(&r,
			"SELECT min(frame_id), max(frame_id), count(*) "
			"FROM frame WHERE profile_id = ?",
			"frames", profile, &r.first_frame, &r.frame_rows) &&
	     read_range(&r,
			"SELECT min(callsite_id), max(callsite_id), count(*) "
			"FROM callsite WHERE profile_id = ?",
			"callsites", profile, &r.first_callsite,
			&r.callsite_rows) &&
	     make_room(&r) && read_frames(&r, profile) &&
	     read_callsites(&r, profile) &&
	     (!phases || read_phases(&r, profile));
	free(r.slots);
	free(r.frame_of);
	free(r.node_of);
	if (ok)
		return EXPORT_OK;
	return r.disorder ? EXPORT_REFUSED : EXPORT_FAILED;
}

void export_tree_free(struct export_tree *t)
{
	for (uint32_t i = 0; t->frames != NULL && i < t->frame_count; i++) {
		free(t->frames[i].name);
		free(t->frames[i].function);
		free(t->frames[i].file);
	}
	for (uint32_t i = 0; i < t->phase_count; i++)
		free(t->phases[i]);
	free(t->phases);
	free(t->samples);
	free(t->frames);
	free(t->nodes);
	free(t->title);
	free(t->vm);
	memset(t, 0, sizeof(*t));
}

uint32_t export_path(const struct export_tree *t, uint32_t node,
		     uint32_t *frames)
{
	uint32_t count = 0;

	for (; node != EXPORT_NO_NODE; node = t->nodes[node].parent)
		frames[count++] = t->nodes[node].frame;
	return count;
}
