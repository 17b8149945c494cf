/*
 * job_history.c - profiles that go.
 */
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "message.h"

static enum memparse_status fail(const char *path, const struct store *store,
				 enum store_result result)
{
	if (job_keep_on())
		message(path, "%s",
			store ? store_error(store) : "out of memory");
	return result == STORE_REFUSED ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

/* Drops what a number or a label names; *count is how many that were. */
static bool drop_named(const struct options *options, struct store *store,
		       uint64_t *count)
{
	const char *const name = options->drop;
	const size_t size = strcspn(name, "=");
	char *end, *key;
	bool ok;

	*count = 0;
	if (name[size] == '\0') {
		errno = 0;
		const long long id = strtoll(name, &end, 10);

		if (errno != 0 || *end != '\0' || id <= 0)
			return true;
		return store_drop(store, id, count);
	}
	key = strndup(name, size);
	if (key == NULL)
		return false;
	ok = store_drop_labelled(store, key, name + size + 1, count);
	free(key);
	return ok;
}

static enum memparse_status drop(const struct options *options,
				 struct store *store, const char *path)
{
	uint64_t count;
	const bool ok = options->drop != NULL
				? drop_named(options, store, &count)
				: store_keep(store, options->keep, &count);

	if (!ok || !job_keep_on())
		return fail(path, store, STORE_FAILED);
	if (count == 0 && options->drop != NULL) {
		message(path, "it has no profile %s: --list shows them",
			options->drop);
		return MEMPARSE_USAGE;
	}
	if (count != 0 && !store_commit(store))
		return fail(path, store, STORE_FAILED);
	message(path, "%" PRIu64 " profile%s dropped", count,
		count == 1 ? "" : "s");
	return MEMPARSE_DONE;
}

enum memparse_status job_history(const struct options *options)
{
	const char *const path = options->operands[0];
	struct store *store = NULL;
	enum memparse_status status;
	enum store_result result;
	struct stat st;

	/* An empty file would be made a database. */
	if (stat(path, &st) != 0) {
		message(path, "%s", strerror(errno));
		return MEMPARSE_SYSTEM;
	}
	if (S_ISREG(st.st_mode) && st.st_size == 0) {
		message(path, "not a database of memparse");
		return MEMPARSE_USAGE;
	}
	job_catch_signals();
	result = store_open(&store, path, true);
	status = result == STORE_OK ? drop(options, store, path)
				    : fail(path, store, result);
	store_close(store);
	job_release_signals();
	return status;
}
