/*
 * options_gate.h - of the command line, what says how much may be left.
 */
#ifndef MEMPARSE_OPTIONS_GATE_H
#define MEMPARSE_OPTIONS_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct options;

/*
 * Reads a size: bytes, or with K, M or G behind it. size is the length of the
 * text. False if it is none, or does not fit; says nothing.
 */
bool options_size(const char *text, uint64_t *bytes);

/* Each reads one option's value; false, and it has been said what is wrong. */
bool options_max_leak(struct options *o, const char *value);
bool options_max_leak_at(struct options *o, char *value);
bool options_max_growth(struct options *o, const char *value);
bool options_suppressions(struct options *o, const char *value);
/* Is the value of -f the format of a document? Then it is taken. */
bool options_document(struct options *o, const char *value);
bool options_fail_on(struct options *o, const char *value);
bool options_false_alarms(struct options *o, const char *value);

/* Do they go together, and with the others? */
bool options_gate_check(const struct options *o);

/* Is there a limit? */
bool options_has_limit(const struct options *o);

#endif
