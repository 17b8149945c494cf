/*
 * memparse - reads memory profiles of LuaJIT. This is where it begins.
 *
 * The way of a stream:
 *
 *	source.c	a file, a pipe, zstd by its content -> bytes
 *	decode.c	bytes -> events, every version of the format, no I/O;
 *			decode_compact.c our own version, decode_steps.c the
 *			others' heap events, fast, straight to what the replay
 *			takes, step.h; cursor.c and leb128.h their integers; the
 *			grammar is in ../profiler/ljm_format.h
 *	model.c		events -> whose they are: symtab.c and addrmap.c the
 *			symbols, names.c their texts, site.c and site_print.c
 *			the sites, callsites.c the paths, moments.c the times;
 *			model_result.c tells what has come of it
 *	replay.c	what they do: live.c the blocks, tally.c and override.c
 *			what is counted of sites and pairs of them, samples.c
 *			the heap over time; replay_steps.c does many of them
 *			fast, replayer.c on a second thread
 *	ingest.c	joins these three, and words how a stream ended;
 *			symbol_runs.c knows symbols that come again
 *
 * From there to people:
 *
 *	report_text.c	the model -> the default text; labels.c how sites
 *			print
 *	store.c		the model -> a database: store_file.c its file,
 *			store_rows.c and store_sites.c its rows,
 *			store_history.c where profiles come from and how they
 *			go, store_signature.c and signature.c what sites are
 *			known by
 *	store_read.c	a database -> the model's figures; store_schema.c is
 *			it one of ours
 *	compare.c	two profiles of a database -> rows
 *	baseline.c	a profile and those of the builds before it -> what has
 *			changed; change.c is the statistics of it
 *	report.c	a query on a database -> rows; format.c and
 *			format_table.c write them
 *	dump.c		events -> lines; dump_compact.c records
 *	to_v3.c		any stream -> one of version 3
 *	filter.c	a database -> the same as if less had been recorded
 *	gate.c		a database -> does it hold more than it may?
 *			suppressions.c what is known already
 *	export.c	a database -> files for other tools: export_tree.c
 *			reads it, export_pprof.c and others write
 *
 * And the program around them:
 *
 *	options.c	the command line; options_history.c what of it is
 *			about many profiles; options_gate.c limits;
 *			options_help.c the help
 *	job.c		job_text.c, job_store.c, job_query.c, job_export.c,
 *			job_to_v3.c, job_history.c, job_compare.c,
 *			job_baseline.c: one job each; job_growth.c what the
 *			last two allow; job_gate.c with any
 *	message.c	standard error
 *	output_file.c	a file that is complete, or not there
 *	main.c		picks the job, looks after standard output
 *
 * The SQL is in ../sqlschema/ (tables, views, indexes) and ../queries/, and
 * gets into the program by embed.cmake; embedded_sql.h declares it.
 *
 * Who may know whom: main and the jobs know all of them; store and report_text
 * know model.h; model knows decode.h's events; decode knows nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "job.h"
#include "message.h"

#define OUTPUT_BUFFER (64u << 10)

/*
 * A file opened while a standard stream is closed would take its number, and
 * a message could end up in a database. What takes it instead fails in the
 * same way as the closed stream when it is used.
 */
static void open_standard_streams(void)
{
	static const int flags[] = {
		[STDIN_FILENO] = O_WRONLY,
		[STDOUT_FILENO] = O_RDONLY,
		[STDERR_FILENO] = O_RDWR,
	};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) < 0)
			return;
}

static enum memparse_status work(const struct options *options)
{
	if (options->dump)
		return job_dump(options);
	if (options->to_v3 != NULL)
		return job_to_v3(options);
	if (options->compare != NULL)
		return job_compare(options);
	if (options->baseline != 0)
		return job_baseline(options);
	if (options->drop != NULL || options->keep != 0)
		return job_history(options);
	if (options->output != NULL)
		return job_store(options);
	if (options->query != NULL || options->export_path != NULL)
		return job_query(options);
	return job_text(options);
}

/* Flushes standard output: only now it is known whether all of it arrived. */
static enum memparse_status finish_output(enum memparse_status status)
{
	errno = job_output_error();
	if (fflush(stdout) == 0 && !ferror(stdout) && fclose(stdout) == 0)
		return status;
	/* A reader that has seen enough is no news. */
	if (errno == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	message("standard output", "%s", strerror(errno ? errno : EIO));
	return MEMPARSE_SYSTEM;
}

int main(int argc, char **argv)
{
	static char buffer[OUTPUT_BUFFER];
	enum memparse_status status = MEMPARSE_DONE;
	struct options options;

	open_standard_streams();
	/* A file that grows beyond its limit is an error like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	switch (options_read(&options, argc, argv)) {
	case OPTIONS_RUN:
		status = job_gate_open(&options);
		if (status == MEMPARSE_DONE)
			status = work(&options);
		status = job_gate_close(&options, status);
		break;
	case OPTIONS_DONE:
		break;
	case OPTIONS_WRONG:
		status = MEMPARSE_USAGE;
		break;
	case OPTIONS_NO_MEMORY:
		status = job_no_memory();
		break;
	}
	options_clear(&options);
	return finish_output(status);
}
