/*
 * export.c - a stored profile to a file, complete or not at all.
 */
#include "export.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export_tree.h"
#include "output_file.h"

extern char **environ;

const char *export_format_name(unsigned i)
{
	static const char *const names[] = {"pprof", "collapsed", "speedscope",
					    "dot", "svg"};

	return i < sizeof(names) / sizeof(*names) ? names[i] : NULL;
}

const char *export_metric_name(unsigned i)
{
	static const char *const names[EXPORT_METRICS] = {
		"inuse_space", "inuse_objects", "alloc_space", "alloc_objects"};

	return i < EXPORT_METRICS ? names[i] : NULL;
}

static bool fail_system(char *error, int number)
{
	snprintf(error, EXPORT_ERROR_SIZE, "%s",
		 strerror(number ? number : EIO));
	return false;
}

/* ---- the picture */

static bool run_dot(int in, int out, char *error)
{
	static char *const command[] = {(char *)"dot", (char *)"-Tsvg", NULL};
	posix_spawn_file_actions_t actions;
	int result, status = 0;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return export_no_memory(error);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	result = posix_spawnp(&pid, command[0], &actions, NULL, command,
			      environ);
	posix_spawn_file_actions_destroy(&actions);
	if (result == ENOENT) {
		snprintf(error, EXPORT_ERROR_SIZE,
			 "svg is drawn by GraphViz, whose command dot is not "
			 "here: install graphviz, or export dot");
		return false;
	}
	if (result != 0)
		return fail_system(error, result);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_system(error, errno);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	snprintf(error, EXPORT_ERROR_SIZE, "dot -Tsvg failed");
	return false;
}

/* Draws the graph of a temporary file. */
static bool export_svg(const struct export_tree *t, enum export_metric metric,
		       FILE *out, char *error)
{
	FILE *const graph = tmpfile();
	bool ok;

	if (graph == NULL)
		return fail_system(error, errno);
	ok = export_dot(t, metric, graph, error);
	if (ok && (fflush(graph) != 0 || fflush(out) != 0 ||
		   lseek(fileno(graph), 0, SEEK_SET) != 0))
		ok = fail_system(error, errno);
	ok = ok && run_dot(fileno(graph), fileno(out), error);
	fclose(graph);
	return ok;
}

/* ---- all of it */

static bool write_format(const struct export_tree *t, sqlite3 *db,
			 enum export_format format, enum export_metric metric,
			 FILE *out, char *error)
{
	switch (format) {
	case EXPORT_PPROF:
		return fflush(out) == 0
			       ? export_pprof(t, metric, fileno(out), error)
			       : fail_system(error, errno);
	case EXPORT_COLLAPSED:
		return export_collapsed(t, metric, out, error);
	case EXPORT_SPEEDSCOPE:
		return export_speedscope(t, metric, db, out, error);
	case EXPORT_DOT:
		return export_dot(t, metric, out, error);
	default:
		return export_svg(t, metric, out, error);
	}
}

static bool write_file(const struct export_tree *t, sqlite3 *db,
		       enum export_format format, enum export_metric metric,
		       const char *path, char *error)
{
	struct output_file output;
	bool ok;

	if (!output_file_open(&output, path))
		return fail_system(error, errno);
	ok = write_format(t, db, format, metric, output.file, error);
	return output_file_close(&output, ok) ? ok : fail_system(error, errno);
}

enum export_result export_profile(sqlite3 *db, int64_t profile,
				  enum export_format format,
				  enum export_metric metric, const char *path,
				  char *error)
{
	struct export_tree tree = {0};
	enum export_result result;

	result = export_tree_read(&tree, db, profile, format == EXPORT_PPROF,
				  error);
	if (result == EXPORT_OK &&
	    !write_file(&tree, db, format, metric, path, error))
		result = EXPORT_FAILED;
	export_tree_free(&tree);
	return result;
}
