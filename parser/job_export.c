/*
 * job_export.c - what is left of a profile, and where it goes.
 */
#include "job.h"

#include <string.h>
#include <unistd.h>

#include "message.h"

/* An expression that matches nothing looks like a program without memory. */
static void remark_focus(const struct options *options, sqlite3 *db,
			 const char *name)
{
	sqlite3_stmt *stmt = NULL;

	if (options->filter.focus == NULL)
		return;
	if (sqlite3_prepare_v2(db, "SELECT 1 FROM temp.filter_callsite LIMIT 1",
			       -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_DONE)
		message(name, "warning: --focus=%s%s leaves nothing",
			options->filter.focus,
			options->filter.ignore != NULL ? " with --ignore" : "");
	sqlite3_finalize(stmt);
}

enum memparse_status job_filter(const struct options *options, sqlite3 *db,
				const char *name, int64_t profile)
{
	char error[FILTER_ERROR_SIZE];
	enum filter_result result;

	if (!filter_is_any(&options->filter))
		return MEMPARSE_DONE;
	result = filter_apply(db, profile, &options->filter, error);
	if (result == FILTER_OK)
		result = filter_warning(db, profile, &options->filter, error);
	if (result == FILTER_OK) {
		if (*error != '\0')
			message(name, "%s", error);
		remark_focus(options, db, name);
		return MEMPARSE_DONE;
	}
	message(name, "%s", error);
	return result == FILTER_WRONG ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}

enum memparse_status job_export(const struct options *options, sqlite3 *db,
				const char *name, int64_t profile)
{
	const char *const path = options->export_path;
	const bool standard = strcmp(path, "-") == 0;
	char error[EXPORT_ERROR_SIZE];
	enum export_result result;

	if (standard && options->export_format == EXPORT_PPROF &&
	    isatty(STDOUT_FILENO)) {
		message(NULL, "pprof is nothing for a terminal: name a file");
		return MEMPARSE_USAGE;
	}
	if (job_is_operand(options, path)) {
		message(path, "--export into what is read: name another file");
		return MEMPARSE_USAGE;
	}
	job_catch_signals();
	result = export_profile(db, profile, options->export_format,
				options->metric, path, error);
	job_release_signals();
	if (result == EXPORT_OK)
		return MEMPARSE_DONE;
	if (result == EXPORT_REFUSED)
		message(name, "%s", error);
	else
		message(standard ? "standard output" : path, "%s", error);
	return result == EXPORT_REFUSED ? MEMPARSE_USAGE : MEMPARSE_SYSTEM;
}
