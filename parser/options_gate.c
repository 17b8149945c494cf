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

bool options_max_growth(struct options *o, const char *value)
{
	struct gate_limits *const limits = &o->limits;
	char *end = NULL;

	if (limits->has_growth) {
		message(NULL, "--max-growth is given twice");
		return false;
	}
	limits->has_growth = true;
	if (options_size(value, &limits->growth_bytes))
		return true;
	if (strspn(value, "0123456789.") == strcspn(value, "%"))
		limits->growth_percent = strtod(value, &end);
	if (end != NULL && end != value && strcmp(end, "%") == 0)
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
	message(NULL, "--fail-on wants growing, new or grown, not '%s'", value);
	return false;
}

/* Is there a limit for a comparison? */
static bool has_growth(const struct options *o)
{
	return o->limits.has_growth || o->limits.fail_new ||
	       o->limits.fail_grown;
}

bool options_has_limit(const struct options *o)
{
	return has_growth(o) || o->limits.has_bytes ||
	       o->limits.at_count != 0 || o->limits.growing;
}

bool options_gate_check(const struct options *o)
{
	const bool limit = options_has_limit(o);

	if ((limit || o->document != GATE_NONE) &&
	    (o->dump || o->to_v3 || o->list || o->drop || o->keep)) {
		message(NULL, "a limit is for a report, not for --dump, "
			      "--to-v3, --list, --drop or --keep");
		return false;
	}
	if (has_growth(o) && o->compare == NULL) {
		message(NULL, "--max-growth, --fail-on=new and grown go with "
			      "--compare");
		return false;
	}
	if (o->compare != NULL &&
	    (o->limits.has_bytes || o->limits.at_count || o->limits.growing ||
	     o->document != GATE_NONE)) {
		message(NULL, "--compare has limits of its own: --max-growth, "
			      "--fail-on=new and grown");
		return false;
	}
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
