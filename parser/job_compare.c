/*
 * job_compare.c - two profiles side by side.
 */
#include "job.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "message.h"

/* What is compared: of one database. Frees with sides_clear(). */
struct sides {
	char *base, *head;
};

static void sides_clear(struct sides *sides)
{
	sqlite3_free(sides->base);
	sqlite3_free(sides->head);
}

enum memparse_status job_check_selector(sqlite3 *db, const char *name,
					const char *selector)
{
	struct compare c = {0};
	const enum compare_result result = compare_check(&c, db, selector);

	if (result == COMPARE_DONE)
		return MEMPARSE_DONE;
	message(name, "%s", c.error);
	return result == COMPARE_NO_PROFILE ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

/* Prints the rows. */
static enum memparse_status print_rows(const struct options *options,
				       sqlite3 *db, const char *name,
				       const struct sides *sides)
{
	const char *const query =
		options->by_stack ? "compare_stacks" : "compare";
	char *const base = sqlite3_mprintf("base=%s", sides->base);
	char *const head = sqlite3_mprintf("head=%s", sides->head);
	const char *const list[] = {base, head};
	const struct job_params params = {list, 2};
	enum memparse_status status = MEMPARSE_DONE;

	if (base == NULL || head == NULL)
		status = job_no_memory();
	else if (job_print_rows(options, db, name, report_find(query), &params,
				0) != REPORT_OK)
		status = MEMPARSE_SYSTEM;
	sqlite3_free(base);
	sqlite3_free(head);
	return status;
}

/* The sites of the newer side, for a document. */
struct adding {
	const struct options *options;
	sqlite3 *db;
	const char *name;
	enum memparse_status status;
};

static bool add_profile(void *arg, int64_t profile)
{
	struct adding *const a = arg;

	a->status = job_gate_add(a->options, a->db, a->name, profile);
	return a->status == MEMPARSE_DONE;
}

static enum memparse_status add_sites(const struct options *options,
				      sqlite3 *db, const char *name,
				      const char *head)
{
	struct adding a = {options, db, name, MEMPARSE_DONE};
	struct compare c = {0};

	if (compare_profiles(&c, db, head, add_profile, &a) == COMPARE_DONE)
		return a.status;
	message(name, "%s", c.error);
	return MEMPARSE_SYSTEM;
}

/* What lines may be known by: of a profile, how many are. */
static const char *const kinds[] = {"text", "name", "relative"};
#define KINDS	    (sizeof(kinds) / sizeof(*kinds))
#define COUNT(KIND) "count(*) FILTER (WHERE signature_kind = '" KIND "')"
#define SELECT_KINDS                                                           \
	"SELECT " COUNT("text") ", " COUNT("name") ", " COUNT(                 \
		"relative") " FROM site WHERE profile_id = ?"

struct kind_counts {
	sqlite3_stmt *stmt;
	int64_t lines[KINDS];
};

static bool add_kinds(void *arg, int64_t profile)
{
	struct kind_counts *const k = arg;

	sqlite3_bind_int64(k->stmt, 1, profile);
	if (sqlite3_step(k->stmt) == SQLITE_ROW)
		for (unsigned i = 0; i < KINDS; i++)
			k->lines[i] += sqlite3_column_int64(k->stmt, (int)i);
	if (sqlite3_reset(k->stmt) == SQLITE_OK)
		return true;
	memset(k->lines, 0, sizeof(k->lines));
	return false;
}

/* What most lines of a side are known by; KINDS if there is none, or failing.
 */
static unsigned most_kind(sqlite3 *db, const char *selector,
			  struct kind_counts *k)
{
	struct compare c = {0};
	unsigned most = 0;
	bool ok = sqlite3_prepare_v2(db, SELECT_KINDS, -1, &k->stmt, NULL) ==
			  SQLITE_OK &&
		  compare_profiles(&c, db, selector, add_kinds, k) ==
			  COMPARE_DONE;

	sqlite3_finalize(k->stmt);
	for (unsigned i = 1; i < KINDS; i++)
		if (k->lines[i] > k->lines[most])
			most = i;
	return ok && k->lines[most] != 0 ? most : KINDS;
}

/*
 * Lines that are known by one thing here and by another one there are never
 * the same: all would be gone, and new. Told of what most lines of a side are
 * known by, if no line of the other is.
 */
static void remark_kinds(sqlite3 *db, const char *name,
			 const struct sides *sides)
{
	struct kind_counts base = {0}, head = {0};
	const unsigned before = most_kind(db, sides->base, &base);
	const unsigned after = most_kind(db, sides->head, &head);

	if (before != KINDS && after != KINDS &&
	    (base.lines[after] == 0 || head.lines[before] == 0))
		message(name,
			"warning: most lines are known by their signature_kind "
			"%s before and %s after, so they are not found again: "
			"record both with stacks or without, store both with "
			"--source or without",
			kinds[before], kinds[after]);
}

static enum memparse_status print(const struct options *options, sqlite3 *db,
				  const char *name, const struct sides *sides,
				  const char *before)
{
	enum memparse_status status;

	remark_kinds(db, name, sides);
	if (options->document == GATE_NONE)
		status = print_rows(options, db, name, sides);
	else
		status = add_sites(options, db, name, sides->head);
	return status == MEMPARSE_DONE
		       ? job_growth(options, db, name, sides->base, sides->head,
				    before)
		       : status;
}

/* ---- of one database */

/* What is wrong with the profiles that are compared, and is said. */
struct remarks {
	struct store_reader *r;
	const char *path;
	bool complete, failed;
};

static bool remark(void *arg, int64_t profile)
{
	struct remarks *const m = arg;
	bool complete;

	m->failed = !store_read_remarks(m->r, profile, &complete, job_remark,
					(void *)m->path);
	m->complete = m->complete && complete;
	return !m->failed;
}

/* CONTENT: a profile of one side is not complete. */
static enum memparse_status say_remarks(struct store_reader *r,
					const char *path, const char *selector)
{
	struct remarks m = {r, path, true, false};
	struct compare c = {0};
	const enum compare_result result =
		compare_profiles(&c, r->db, selector, remark, &m);

	if (m.failed)
		return job_fail_reader(r, path, STORE_FAILED);
	if (result == COMPARE_DONE)
		return m.complete ? MEMPARSE_DONE : MEMPARSE_CONTENT;
	message(path, "%s", c.error);
	return MEMPARSE_SYSTEM;
}

static enum memparse_status compare_sides(const struct options *options,
					  struct store_reader *r,
					  const char *path,
					  const struct sides *sides)
{
	enum memparse_status status =
		job_check_selector(r->db, path, sides->base);

	if (status == MEMPARSE_DONE)
		status = job_check_selector(r->db, path, sides->head);
	if (status != MEMPARSE_DONE)
		return status;
	status = job_worse(say_remarks(r, path, sides->base),
			   say_remarks(r, path, sides->head));
	if (status != MEMPARSE_DONE && status != MEMPARSE_CONTENT)
		return status;
	return job_worse(status,
			 print(options, r->db, path, sides, sides->base));
}

static enum memparse_status compare_database(const struct options *options,
					     const char *path)
{
	struct sides sides = {NULL, NULL};
	enum memparse_status status;
	enum store_result result;
	struct store_reader r;

	if (*options->compare == '\0') {
		message(path, "--compare=A..B says which profiles of a "
			      "database");
		return MEMPARSE_USAGE;
	}
	if (!compare_split(options->compare, &sides.base, &sides.head)) {
		message(NULL,
			"--compare wants A..B, each a profile's number or "
			"KEY=VALUE, not '%s'",
			options->compare);
		return MEMPARSE_USAGE;
	}
	if (sides.base == NULL)
		return job_no_memory();
	result = store_read_open(&r, path);
	if (result == STORE_OK)
		status = compare_sides(options, &r, path, &sides);
	else
		status = job_fail_reader(&r, path, result);
	store_read_close(&r);
	sides_clear(&sides);
	return status;
}

/* ---- of two streams, through a database that vanishes */

static enum memparse_status fail_store(const struct store *store)
{
	if (job_keep_on())
		message("temporary database", "%s",
			store ? store_error(store) : "out of memory");
	return MEMPARSE_SYSTEM;
}

/* Stores a stream that is open; DONE also for one that is cut. */
static enum memparse_status load(const struct options *options,
				 struct job_input *in, struct store *store)
{
	struct store_profile profile = {
		.source = in->path,
		.version = MEMPARSE_VERSION_STRING,
	};
	enum memparse_status status;
	struct model *model;

	if (!store_begin(store))
		return fail_store(store);
	model = job_model(options, NULL, NULL);
	if (model == NULL)
		return job_no_memory();
	status = job_input_read(in, model, store);
	profile.complete = in->ended == MEMPARSE_DONE;
	profile.end_reason = profile.complete ? NULL : in->ingest.error;
	profile.end_offset = in->ingest.offset;
	if (status == MEMPARSE_DONE &&
	    (!store_profile(store, model, &profile) ||
	     !store_sign(store, options->source)))
		status = fail_store(store);
	model_free(model);
	return status;
}

static enum memparse_status compare_streams(const struct options *options,
					    struct job_input *in)
{
	const struct sides sides = {(char[]){"1"}, (char[]){"2"}};
	enum memparse_status status = MEMPARSE_DONE, ended = MEMPARSE_DONE;
	struct store *store = NULL;

	if (store_open(&store, NULL, true) != STORE_OK)
		status = fail_store(store);
	for (int i = 0; i < 2 && status == MEMPARSE_DONE; i++) {
		if (i != 0)
			status = job_input_open(options, in,
						options->operands[i], NULL);
		if (status == MEMPARSE_DONE && in->is_database) {
			message(in->path, "--compare wants two streams, or "
					  "one database");
			status = MEMPARSE_USAGE;
		}
		if (status == MEMPARSE_DONE)
			status = load(options, in, store);
		ended = job_worse(ended, in->ended);
		job_input_close(in);
	}
	if (status == MEMPARSE_DONE && !store_commit(store))
		status = fail_store(store);
	if (status == MEMPARSE_DONE)
		status = print(options, store_database(store), in->path, &sides,
			       options->operands[0]);
	store_close(store);
	return job_worse(status, ended);
}

enum memparse_status job_compare(const struct options *options)
{
	struct job_input in = {0};
	enum memparse_status status = job_check_source(options);

	if (status == MEMPARSE_DONE)
		status = job_input_open(options, &in, options->operands[0],
					NULL);
	if (status != MEMPARSE_DONE) {
		/* It has been said why. */
	} else if (in.is_database && options->operand_count == 1) {
		status = compare_database(options, in.path);
	} else if (in.is_database || options->operand_count != 2 ||
		   *options->compare != '\0') {
		message(NULL, "--compare=A..B goes with one database, "
			      "--compare with two streams, the old one first");
		status = MEMPARSE_USAGE;
	} else {
		status = compare_streams(options, &in);
	}
	job_input_close(&in);
	return status;
}
