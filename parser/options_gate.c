/*
 * options_gate.c - limits, as the command line says them.
 */
#include "options_gate.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "options.h"

bool options_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMG";
	const char *unit;
	unsigned shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (*end != '\0' && (unit = strchr(units, *end)) != NULL) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (errno != 0 || *end != '\0' || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

bool options_max_leak(struct options *o, const char *value)
{
	if (o->limits.has_bytes) {
		message(NULL, "--max-leak is given twice");
		return false;
	}
	if (!options_size(value, &o->limits.bytes)) {
		message(NULL,
			"--max-leak wants a size, such as 0, 4096 or 64K, "
			"not '%s'",
			value);
		return false;
	}
	return o->limits.has_bytes = true;
}

/*
 * The pattern ends at the last =, as it may hold others. That one becomes its
 * terminator: argv's strings are the program's to change.
 */
bool options_max_leak_at(struct options *o, char *value)
{
	char *const equals = strrchr(value, '=');
	struct gate_at *const at = &o->limits.at[o->limits.at_count];

	if (equals == NULL || equals == value ||
	    !options_size(equals + 1, &at->bytes)) {
		message(NULL,
			"--max-leak-at wants PATTERN=SIZE, such as "
			"'*/cache.lua:*=64K', not '%s'",
			value);
		return false;
	}
	*equals = '\0';
	at->pattern = value;
	o->limits.at_count++;
	return true;
}

/* Reads a percentage, such as 10% or 0.5%. */
static bool read_percent(const char *value, double *percent)
{
	char *end = NULL;

	if (strspn(value, "0123456789.") == strcspn(value, "%"))
		*percent = strtod(value, &end);
	return end != NULL && end != value && strcmp(end, "%") == 0;
}

bool options_max_growth(struct options *o, const char *value)
{
	struct gate_limits *const limits = &o->limits;

	if (limits->has_growth) {
		message(NULL, "--max-growth is given twice");
		return false;
	}
	limits->has_growth = true;
	if (options_size(value, &limits->growth_bytes))
		return true;
	if (read_percent(value, &limits->growth_percent))
		return limits->growth_is_percent = true;
	message(NULL,
		"--max-growth wants a size or a percentage, such as 64K or "
		"10%%, not '%s'",
		value);
	return false;
}

bool options_suppressions(struct options *o, const char *value)
{
	if (o->limits.suppressions != NULL || *value == '\0') {
		message(NULL, *value == '\0' ? "--suppressions wants a file"
					     : "--suppressions is given twice");
		return false;
	}
	o->limits.suppressions = value;
	return true;
}

bool options_document(struct options *o, const char *value)
{
	if (strcmp(value, "junit") == 0)
		o->document = GATE_JUNIT;
	else if (strcmp(value, "sarif") == 0)
		o->document = GATE_SARIF;
	else
		return false;
	o->has_format = true;
	o->format = REPORT_TEXT;
	return true;
}

bool options_fail_on(struct options *o, const char *value)
{
	if (strcmp(value, "growing") == 0)
		return o->limits.growing = true;
	if (strcmp(value, "new") == 0)
		return o->limits.fail_new = true;
	if (strcmp(value, "grown") == 0)
		return o->limits.fail_grown = true;
	if (strcmp(value, "changed") == 0)
		return o->limits.fail_changed = true;
	message(NULL,
		"--fail-on wants growing, new, grown or changed, not '%s'",
		value);
	return false;
}

bool options_false_alarms(struct options *o, const char *value)
{
	double percent;

	if (read_percent(value, &percent) && percent > 0 && percent <= 50) {
		o->limits.false_alarms = percent / 100;
		return true;
	}
	message(NULL,
		"--false-alarms wants a percentage up to 50%%, such as 1%%, "
		"not '%s'",
		value);
	return false;
}

/* Is there a limit for a comparison, or a baseline? */
static bool has_growth(const struct options *o)
{
	return o->limits.has_growth || o->limits.fail_new ||
	       o->limits.fail_grown || o->limits.fail_changed;
}

bool options_has_limit(const struct options *o)
{
	return has_growth(o) || o->limits.has_bytes ||
	       o->limits.at_count != 0 || o->limits.growing;
}

static bool wrong(const char *what)
{
	message(NULL, "%s", what);
	return false;
}

/* Limits that compare, and what they are compared with. */
static bool check_growth(const struct options *o)
{
	const struct gate_limits *const l = &o->limits;
	const bool own = l->has_bytes || l->at_count != 0 || l->growing;

	if (l->has_growth && o->compare == NULL && o->baseline == 0)
		return wrong("--max-growth goes with --compare or --baseline");
	if ((l->fail_new || l->fail_grown) && o->compare == NULL)
		return wrong("--fail-on=new and grown go with --compare");
	if (l->fail_changed && o->baseline == 0)
		return wrong("--fail-on=changed goes with --baseline");
	if (l->false_alarms > 0 && o->baseline == 0)
		return wrong("--false-alarms goes with --baseline");
	if (o->compare != NULL && own)
		return wrong("--compare has limits of its own: --max-growth, "
			     "--fail-on=new and grown");
	if (o->baseline != 0 && own)
		return wrong("--baseline has limits of its own: --max-growth "
			     "and --fail-on=changed");
	if (o->by_stack && o->document != GATE_NONE)
		return wrong("-f junit and sarif tell of lines: not with "
			     "--by=stack");
	return true;
}

bool options_gate_check(const struct options *o)
{
	const bool limit = options_has_limit(o);

	if ((limit || o->document != GATE_NONE) &&
	    (o->dump || o->to_v3 || o->list || o->drop || o->keep))
		return wrong("a limit is for a report, not for --dump, "
			     "--to-v3, --list, --drop or --keep");
	if (!check_growth(o))
		return false;
	if (o->document != GATE_NONE && (o->query || o->export_path)) {
		message(NULL, "-f junit and sarif tell of the leaks: not of "
			      "-q, nor with --export");
		return false;
	}
	if (o->document != GATE_NONE && o->human_readable) {
		message(NULL, "--human-readable goes with the default text "
			      "only");
		return false;
	}
	if (o->limits.suppressions != NULL && !limit &&
	    o->document == GATE_NONE) {
		message(NULL, "--suppressions goes with a limit, such as "
			      "--max-leak=0");
		return false;
	}
	if (o->limits.growing && o->summary) {
		message(NULL, "--fail-on=growing needs the rows of single "
			      "blocks: ingest without --summary");
		return false;
	}
	return true;
}
