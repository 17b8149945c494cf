/*
 * options_history.c - the options about many profiles.
 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "change.h"
#include "message.h"

static bool wrong(const char *what)
{
	message(NULL, "%s", what);
	return false;
}

bool options_add_label(struct options *o, const char *value)
{
	const size_t size = strcspn(value, "=");

	if (size == 0 || value[size] == '\0' || value[size + 1] == '\0') {
		message(NULL, "--label wants KEY=VALUE, not '%s'", value);
		return false;
	}
	/* --drop tells a label from a number by it. */
	for (int i = 0; i < o->label_count; i++) {
		if (strncmp(o->labels[i], value, size + 1) != 0)
			continue;
		message(NULL, "the label %.*s is given twice", (int)size,
			value);
		return false;
	}
	o->labels[o->label_count++] = value;
	return true;
}

bool options_read_keep(struct options *o, const char *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno == 0 && end != value && *end == '\0' && number > 0) {
		o->keep = (uint64_t)number;
		return true;
	}
	message(NULL, "--keep wants a number from 1 on, not '%s'", value);
	return false;
}

bool options_read_by(struct options *o, const char *value)
{
	o->by_stack = strcmp(value, "stack") == 0;
	o->has_by = true;
	if (o->by_stack || strcmp(value, "site") == 0)
		return true;
	message(NULL, "--by wants site or stack, not '%s'", value);
	return false;
}

/* Builds, if nothing is said. */
#define BASELINE_BUILDS 20

bool options_read_baseline(struct options *o, char *value)
{
	char *const comma = strrchr(value, ',');
	const bool label = strchr(value, '=') != NULL;
	const char *const number = comma != NULL ? comma + 1 : value;
	char *end = NULL;
	unsigned long builds = BASELINE_BUILDS;

	if (o->baseline != 0) {
		message(NULL, "--baseline is given twice");
		return false;
	}
	/* A comma without a number behind it is part of the value. */
	if (*number != '\0' && strspn(number, "0123456789") == strlen(number))
		builds = strtoul(number, &end, 10);
	if ((!label && end == NULL) || (!label && comma != NULL) ||
	    builds < CHANGE_BUILDS || builds > BASELINE_BUILDS_MAX) {
		message(NULL,
			"--baseline wants how many builds, %d to %d, a label, "
			"or KEY=VALUE,N, not '%s'",
			CHANGE_BUILDS, BASELINE_BUILDS_MAX, value);
		return false;
	}
	if (label && end != NULL && comma != NULL)
		*comma = '\0';
	if (label && (*value == '=' || strchr(value, '=')[1] == '\0' ||
		      strncmp(value, "build=", strlen("build=")) == 0)) {
		message(NULL,
			"--baseline wants a label of several builds, such as "
			"branch=main, not '%s'",
			value);
		return false;
	}
	o->baseline = (unsigned)builds;
	o->baseline_label = label ? value : NULL;
	return true;
}

static bool check_compare(const struct options *o)
{
	if (o->compare == NULL)
		return o->has_by ? wrong("--by goes with --compare") : true;
	if (o->output != NULL || o->query != NULL || o->leak_only ||
	    o->human_readable || o->profile != 0 || o->export_path != NULL ||
	    o->param_count != 0 || filter_is_any(&o->filter) || o->list ||
	    o->drop != NULL || o->keep != 0)
		return wrong("--compare goes with -f, --by, --source and "
			     "--memory only");
	return true;
}

static bool check_baseline(const struct options *o)
{
	if (o->baseline == 0)
		return true;
	if (o->output != NULL || o->query != NULL || o->leak_only ||
	    o->human_readable || o->export_path != NULL ||
	    o->param_count != 0 || filter_is_any(&o->filter) || o->list ||
	    o->drop != NULL || o->keep != 0 || o->compare != NULL ||
	    o->source != NULL)
		return wrong("--baseline goes with one database, -f, "
			     "--profile and limits");
	return true;
}

/* --list, --drop and --keep are of one database, and of nothing else. */
static bool check_one(const struct options *o)
{
	const int asked = o->list + (o->drop != NULL) + (o->keep != 0);

	if (asked == 0)
		return true;
	if (asked > 1)
		return wrong("--list, --drop and --keep ask for several "
			     "things: take one");
	if (o->output != NULL || o->query != NULL || o->leak_only ||
	    o->human_readable || o->profile != 0 || o->export_path != NULL ||
	    o->param_count != 0 || filter_is_any(&o->filter) ||
	    (o->has_format && !o->list))
		return wrong("--list, --drop and --keep go with no other "
			     "option, but --list with -f");
	if (o->operand_count > 1)
		return wrong("--list, --drop and --keep go with one database");
	return true;
}

bool options_check_history(const struct options *o)
{
	if (o->label_count != 0 && o->output == NULL)
		return wrong("--label goes with -o");
	if (o->one_profile && o->output == NULL)
		return wrong("--one-profile goes with -o");
	if (o->source != NULL && o->output == NULL && o->compare == NULL)
		return wrong("--source goes with -o or --compare");
	return check_baseline(o) && check_compare(o) && check_one(o);
}
