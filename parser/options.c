/*
 * options.c - reading the command line.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memparse.h"
#include "message.h"
#include "options_gate.h"

enum {
	OPTION_LEAK_ONLY = 256,
	OPTION_HUMAN_READABLE,
	OPTION_SUMMARY,
	OPTION_PROFILE,
	OPTION_DUMP,
	OPTION_TO_V3,
	OPTION_MEMORY,
	OPTION_PARAM,
	OPTION_FOCUS,
	OPTION_IGNORE,
	OPTION_FROM,
	OPTION_TO,
	OPTION_EXPORT,
	OPTION_METRIC,
	OPTION_LABEL,
	OPTION_ONE_PROFILE,
	OPTION_SOURCE,
	OPTION_LIST,
	OPTION_DROP,
	OPTION_KEEP,
	OPTION_COMPARE,
	OPTION_BY,
	OPTION_BASELINE,
	OPTION_FALSE_ALARMS,
	OPTION_MAX_LEAK,
	OPTION_MAX_LEAK_AT,
	OPTION_MAX_GROWTH,
	OPTION_SUPPRESSIONS,
	OPTION_FAIL_ON,
	OPTION_VERSION,
	OPERAND = 1, /* getopt_long()'s word for it */
};

static const struct option long_options[] = {
	{"leak-only", no_argument, NULL, OPTION_LEAK_ONLY},
	{"human-readable", no_argument, NULL, OPTION_HUMAN_READABLE},
	{"output", required_argument, NULL, 'o'},
	{"summary", no_argument, NULL, OPTION_SUMMARY},
	{"query", required_argument, NULL, 'q'},
	{"profile", required_argument, NULL, OPTION_PROFILE},
	{"format", required_argument, NULL, 'f'},
	{"dump", no_argument, NULL, OPTION_DUMP},
	{"param", required_argument, NULL, OPTION_PARAM},
	{"focus", required_argument, NULL, OPTION_FOCUS},
	{"ignore", required_argument, NULL, OPTION_IGNORE},
	{"from", required_argument, NULL, OPTION_FROM},
	{"to", required_argument, NULL, OPTION_TO},
	{"export", required_argument, NULL, OPTION_EXPORT},
	{"metric", required_argument, NULL, OPTION_METRIC},
	{"to-v3", required_argument, NULL, OPTION_TO_V3},
	{"max-leak", required_argument, NULL, OPTION_MAX_LEAK},
	{"max-leak-at", required_argument, NULL, OPTION_MAX_LEAK_AT},
	{"max-growth", required_argument, NULL, OPTION_MAX_GROWTH},
	{"fail-on", required_argument, NULL, OPTION_FAIL_ON},
	{"suppressions", required_argument, NULL, OPTION_SUPPRESSIONS},
	{"memory", required_argument, NULL, OPTION_MEMORY},
	{"label", required_argument, NULL, OPTION_LABEL},
	{"one-profile", no_argument, NULL, OPTION_ONE_PROFILE},
	{"source", required_argument, NULL, OPTION_SOURCE},
	{"list", no_argument, NULL, OPTION_LIST},
	{"drop", required_argument, NULL, OPTION_DROP},
	{"keep", required_argument, NULL, OPTION_KEEP},
	{"compare", optional_argument, NULL, OPTION_COMPARE},
	{"by", required_argument, NULL, OPTION_BY},
	{"baseline", required_argument, NULL, OPTION_BASELINE},
	{"false-alarms", required_argument, NULL, OPTION_FALSE_ALARMS},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

/* ---- values */

static bool read_format(struct options *o, const char *value)
{
	static const char *const names[] = {"text", "box",	"csv",
					    "json", "markdown", "html"};

	if (options_document(o, value))
		return true;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(value, names[i]) != 0)
			continue;
		o->document = GATE_NONE;
		o->format = (enum report_format)i;
		o->has_format = true;
		return true;
	}
	message(NULL,
		"unknown format '%s': text, box, csv, json, markdown, html, "
		"junit or sarif",
		value);
	return false;
}

static bool read_profile(struct options *o, const char *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno == 0 && end != value && *end == '\0' && number > 0) {
		o->profile = number;
		return true;
	}
	message(NULL, "--profile wants a number from 1 on, not '%s'", value);
	return false;
}

/* The least that --memory takes: with it some thousand sites are told. */
#define MEMORY_MIN (1u << 20)

static bool read_memory(struct options *o, const char *value)
{
	if (options_size(value, &o->memory) && o->memory >= MEMORY_MIN)
		return true;
	message(NULL,
		"--memory wants a size from 1M on, such as 512M or 2G, "
		"not '%s'",
		value);
	return false;
}

/* A value that may be given once, and is not empty. */
static bool read_once(const char **to, const char *name, const char *value)
{
	if (*to != NULL) {
		message(NULL, "%s is given twice", name);
		return false;
	}
	if (*value == '\0') {
		message(NULL, "%s wants a value", name);
		return false;
	}
	*to = value;
	return true;
}

static bool read_metric(struct options *o, const char *value)
{
	const char *name;

	for (unsigned i = 0; (name = export_metric_name(i)) != NULL; i++) {
		if (strcmp(value, name) != 0)
			continue;
		o->metric = (enum export_metric)i;
		return o->has_metric = true;
	}
	message(NULL,
		"unknown metric '%s': inuse_space, inuse_objects, "
		"alloc_space or alloc_objects",
		value);
	return false;
}

static bool read_export(struct options *o, const char *value)
{
	const size_t size = strcspn(value, ":");
	const char *name;

	for (unsigned i = 0; (name = export_format_name(i)) != NULL; i++) {
		if (strlen(name) != size || memcmp(value, name, size) != 0)
			continue;
		o->export_format = (enum export_format)i;
		/* No colon and no name are one case: no value. */
		return read_once(&o->export_path, "--export=FORMAT:FILE",
				 value + size + (value[size] == ':'));
	}
	message(NULL,
		"unknown export '%s': pprof, collapsed, speedscope, dot or "
		"svg, a colon, and a file",
		value);
	return false;
}

static bool add_param(struct options *o, const char *value)
{
	const char *const equals = strchr(value, '=');

	if (equals == NULL || equals == value) {
		message(NULL, "--param wants NAME=VALUE, not '%s'", value);
		return false;
	}
	if (strncmp(value, "profile=", strlen("profile=")) == 0) {
		message(NULL, "--profile chooses the profile, not --param");
		return false;
	}
	o->params[o->param_count++] = value;
	return true;
}

/* ---- what goes together */

static bool wrong(const char *what)
{
	message(NULL, "%s", what);
	return false;
}

static bool check_operands(const struct options *o)
{
	bool input = false;

	if (o->operand_count == 0)
		return wrong("no file to read: name a stream or a database, "
			     "or see --help");
	for (int i = 0; i < o->operand_count; i++) {
		if (strcmp(o->operands[i], "-") != 0)
			continue;
		if (input)
			return wrong("standard input can be read only once");
		input = true;
	}
	return true;
}

static bool check_export(const struct options *o)
{
	if (o->has_metric && o->export_path == NULL)
		return wrong("--metric goes with --export");
	if (o->export_path == NULL)
		return true;
	if (o->leak_only || o->human_readable || o->query || o->has_format)
		return wrong("--export and a report ask for two things: take "
			     "one");
	if (o->output != NULL && o->operand_count > 1 && !o->one_profile)
		return wrong("an export is of one profile: store the streams "
			     "first, then export from the database");
	return true;
}

/* Options that say which part of a report is wanted. */
static bool check_parts(const struct options *o, bool reports)
{
	char error[FILTER_ERROR_SIZE];

	if (o->param_count != 0 && o->query == NULL)
		return wrong("--param goes with -q");
	/* If memory failed here, it is told where the filter is needed. */
	if (filter_check(&o->filter, error) == FILTER_WRONG)
		return wrong(error);
	if (!filter_is_any(&o->filter))
		return true;
	if (o->output != NULL && !reports)
		return wrong("--focus, --ignore, --from and --to are for what "
			     "is reported, all is stored: ask for a report");
	if (o->summary)
		return wrong("--focus, --ignore, --from and --to need the "
			     "rows of single blocks: ingest without "
			     "--summary");
	return true;
}

/* Is there an option that asks for a report, or for a database? */
static bool goes_on(const struct options *o)
{
	return o->leak_only || o->human_readable || o->output || o->query ||
	       o->has_format || o->profile || o->export_path || o->list ||
	       o->drop || o->keep || o->compare || o->baseline ||
	       filter_is_any(&o->filter);
}

static bool check(const struct options *o)
{
	const bool rows =
		o->query != NULL || (o->has_format && o->format != REPORT_TEXT);
	const bool reports =
		rows || o->leak_only || o->has_format || o->export_path != NULL;

	if (o->dump && (o->to_v3 || goes_on(o)))
		return wrong("--dump goes with no other option");
	if (o->to_v3 != NULL && goes_on(o))
		return wrong("--to-v3 goes with no other option");
	if (o->to_v3 != NULL && o->operand_count > 1)
		return wrong("--to-v3 goes with one stream");
	if (o->summary && o->output == NULL)
		return wrong("--summary goes with -o");
	if (o->output != NULL && strcmp(o->output, "-") == 0)
		return wrong("a database cannot be written to standard output");
	if (o->output != NULL && o->profile != 0)
		return wrong("--profile goes with a database that is read");
	if (o->query != NULL && o->leak_only)
		return wrong("--leak-only and -q ask for two reports: take "
			     "one");
	if (rows && o->human_readable)
		return wrong("--human-readable goes with the default text "
			     "only");
	if (o->output != NULL && rows && o->operand_count > 1 &&
	    !o->one_profile)
		return wrong("a query reports on one profile: store the "
			     "streams first, then ask the database");
	return options_check_history(o) && check_export(o) &&
	       check_parts(o, reports) && options_gate_check(o) &&
	       check_operands(o);
}

/* ---- reading */

static void add_operand(struct options *o, const char *operand)
{
	o->operands[o->operand_count++] = operand;
}

/*
 * Says what getopt_long() would say, which prints a word as it is: here it
 * is made printable.
 */
static void wrong_option(int option, const char *word)
{
	const size_t size = strcspn(word, "=");
	unsigned matches = 0;

	for (const struct option *l = long_options; l->name != NULL; l++)
		if (size > 2 && strncmp(word + 2, l->name, size - 2) == 0)
			matches++;
	if (option == ':' && word[1] == '-')
		message(NULL, "option '%s' requires an argument", word);
	else if (option == ':')
		message(NULL, "option requires an argument -- '%c'", optopt);
	else if (optopt == 0 && matches > 1)
		message(NULL, "option '%s' is ambiguous: see --help", word);
	else if (optopt == 0)
		message(NULL, "unrecognized option '%s': see --help", word);
	else if (optopt == 'h' || optopt >= OPTION_LEAK_ONLY)
		message(NULL, "option '%.*s' doesn't allow an argument",
			(int)size, word);
	else
		message(NULL, "invalid option -- '%c': see --help", optopt);
}

static bool read_option(struct options *o, int option, char *value)
{
	switch (option) {
	case OPERAND:
		add_operand(o, value);
		return true;
	case OPTION_LEAK_ONLY:
		return o->leak_only = true;
	case OPTION_HUMAN_READABLE:
		return o->human_readable = true;
	case OPTION_SUMMARY:
		return o->summary = true;
	case OPTION_DUMP:
		return o->dump = true;
	case OPTION_TO_V3:
		return read_once(&o->to_v3, "--to-v3", value);
	case OPTION_PROFILE:
		return read_profile(o, value);
	case OPTION_MEMORY:
		return read_memory(o, value);
	case OPTION_PARAM:
		return add_param(o, value);
	case OPTION_LABEL:
		return options_add_label(o, value);
	case OPTION_ONE_PROFILE:
		return o->one_profile = true;
	case OPTION_SOURCE:
		return read_once(&o->source, "--source", value);
	case OPTION_LIST:
		return o->list = true;
	case OPTION_DROP:
		return read_once(&o->drop, "--drop", value);
	case OPTION_COMPARE:
		o->compare = value != NULL ? value : "";
		return true;
	case OPTION_BY:
		return options_read_by(o, value);
	case OPTION_BASELINE:
		return options_read_baseline(o, value);
	case OPTION_FALSE_ALARMS:
		return options_false_alarms(o, value);
	case OPTION_KEEP:
		return options_read_keep(o, value);
	case OPTION_FOCUS:
		return read_once(&o->filter.focus, "--focus", value);
	case OPTION_IGNORE:
		return read_once(&o->filter.ignore, "--ignore", value);
	case OPTION_FROM:
		return read_once(&o->filter.from, "--from", value);
	case OPTION_TO:
		return read_once(&o->filter.to, "--to", value);
	case OPTION_EXPORT:
		return read_export(o, value);
	case OPTION_METRIC:
		return read_metric(o, value);
	case OPTION_MAX_LEAK:
		return options_max_leak(o, value);
	case OPTION_MAX_LEAK_AT:
		return options_max_leak_at(o, value);
	case OPTION_MAX_GROWTH:
		return options_max_growth(o, value);
	case OPTION_SUPPRESSIONS:
		return options_suppressions(o, value);
	case OPTION_FAIL_ON:
		return options_fail_on(o, value);
	case 'o':
		return read_once(&o->output, "--output", value);
	case 'q':
		return read_once(&o->query, "--query", value);
	case 'f':
		return read_format(o, value);
	default:
		return false;
	}
}

enum options_result options_read(struct options *o, int argc, char **argv)
{
	int option;

	memset(o, 0, sizeof(*o));
	o->operands = calloc((size_t)argc + 1, sizeof(*o->operands));
	o->params = calloc((size_t)argc + 1, sizeof(*o->params));
	o->labels = calloc((size_t)argc + 1, sizeof(*o->labels));
	o->limits.at = calloc((size_t)argc + 1, sizeof(*o->limits.at));
	if (o->operands == NULL || o->params == NULL || o->labels == NULL ||
	    o->limits.at == NULL)
		return OPTIONS_NO_MEMORY;
	/*
	 * The dash: operands come in their turn, whatever the environment.
	 * The colon: a missing value is told by one.
	 */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "-:ho:q:f:", long_options,
				     NULL)) != -1) {
		if (option == '?' || option == ':') {
			wrong_option(option, argv[optind - 1]);
			return OPTIONS_WRONG;
		}
		if (option == 'h') {
			options_print_help();
			return OPTIONS_DONE;
		}
		if (option == OPTION_VERSION) {
			printf("memparse %s\n", MEMPARSE_VERSION_STRING);
			return OPTIONS_DONE;
		}
		if (!read_option(o, option, optarg))
			return OPTIONS_WRONG;
	}
	for (int i = optind; i < argc; i++)
		add_operand(o, argv[i]);
	/* Rows without a query are those of the leaks. */
	if (!check(o))
		return OPTIONS_WRONG;
	if (o->list)
		o->query = "profiles";
	if (o->query == NULL && o->compare == NULL && o->baseline == 0 &&
	    o->has_format && o->format != REPORT_TEXT)
		o->query = "leaks";
	return OPTIONS_RUN;
}

void options_clear(struct options *o)
{
	free(o->operands);
	free(o->params);
	free(o->labels);
	gate_limits_clear(&o->limits);
	o->operands = o->params = o->labels = NULL;
}
