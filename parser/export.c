/*
 * export.c - a stored profile to a file, complete or not at all.
 */
#define _GNU_SOURCE
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export_tree.h"

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

/* ---- the file */

/* What a signal handler may remove. */
static char *volatile unfinished;

void export_drop_from_signal(void)
{
	if (unfinished != NULL)
		unlink(unfinished);
}

struct output {
	const char *path;
	char *partial; /* path.XXXXXX, until it has its name; NULL: none */
	FILE *file;    /* stdout for "-" */
};

static bool fail_system(char *error, int number)
{
	snprintf(error, EXPORT_ERROR_SIZE, "%s",
		 strerror(number ? number : EIO));
	return false;
}

/* A file beside path, with the mode that a new file gets. */
static bool open_partial(struct output *o, char *error)
{
	sigset_t all, before;
	mode_t mask;
	int fd;

	if (asprintf(&o->partial, "%s.XXXXXX", o->path) < 0) {
		o->partial = NULL;
		return export_no_memory(error);
	}
	/* A file that is made here, a signal must know of. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	fd = mkostemp(o->partial, O_CLOEXEC);
	if (fd >= 0)
		unfinished = o->partial;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (fd < 0) {
		fail_system(error, errno);
		free(o->partial);
		o->partial = NULL;
		return false;
	}
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	o->file = fdopen(fd, "w");
	return o->file != NULL || export_no_memory(error);
}

static bool output_open(struct output *o, const char *path, char *error)
{
	struct stat st;

	*o = (struct output){.path = path};
	if (strcmp(path, "-") == 0) {
		o->file = stdout;
		return true;
	}
	if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
		return open_partial(o, error);
	/* A pipe, a terminal, /dev/null: nothing that could be replaced. */
	o->file = fopen(path, "we");
	return o->file != NULL || fail_system(error, errno);
}

/* Gives the file its name if all went well, else removes it. */
static bool output_close(struct output *o, bool ok, char *error)
{
	/* Whether all of standard output arrived, its owner looks. */
	if (o->file == stdout)
		return ok;
	if (o->file != NULL && ok) {
		errno = 0;
		if (fflush(o->file) != 0 || ferror(o->file))
			ok = fail_system(error, errno);
		if (ok && o->partial != NULL && fsync(fileno(o->file)) != 0)
			ok = fail_system(error, errno);
	}
	if (o->file != NULL && fclose(o->file) != 0 && ok)
		ok = fail_system(error, errno);
	if (o->partial == NULL)
		return ok;
	if (ok && rename(o->partial, o->path) != 0)
		ok = fail_system(error, errno);
	if (!ok)
		unlink(o->partial);
	unfinished = NULL;
	free(o->partial);
	return ok;
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

enum export_result export_profile(sqlite3 *db, int64_t profile,
				  enum export_format format,
				  enum export_metric metric, const char *path,
				  char *error)
{
	struct export_tree tree = {0};
	struct output output;
	enum export_result result;
	bool ok;

	result = export_tree_read(&tree, db, profile, format == EXPORT_PPROF,
				  error);
	if (result == EXPORT_OK) {
		ok = output_open(&output, path, error);
		ok = ok && write_format(&tree, db, format, metric, output.file,
					error);
		ok = output_close(&output, ok, error);
		if (!ok)
			result = EXPORT_FAILED;
	}
	export_tree_free(&tree);
	return result;
}
