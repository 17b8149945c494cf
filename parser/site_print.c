/*
 * site_print.c - how a site prints.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "model.h"
#include "utf8.h"

/* Where a name goes: like snprintf(), the length is counted to the end. */
struct printer {
	char *out;
	size_t size;
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void print(struct printer *p,
							const char *format, ...)
{
	const bool room = p->length < p->size;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(room ? p->out + p->length : NULL,
		      room ? p->size - p->length : 0, format, args);
	va_end(args);
	p->length += n > 0 ? (size_t)n : 0;
}

static void print_bytes(struct printer *p, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++, p->length++)
		if (p->length + 1 < p->size)
			p->out[p->length] = (char)bytes[i];
	if (p->size != 0)
		p->out[p->length < p->size ? p->length : p->size - 1] = '\0';
}

/* The length of the printable character at s, in bytes; 0: there is none. */
static size_t printable(const uint8_t *s, size_t left)
{
	uint32_t code;
	const size_t length = utf8_next(s, left, &code);

	return length != 0 && utf8_is_control(code) ? 0 : length;
}

static void print_name(struct printer *p, const struct model_name *name)
{
	const uint8_t *s = (const uint8_t *)name->text;
	size_t left = name->size, run = 0;

	if (name->alias != 0) {
		print(p, "function_alias_%" PRIu32, name->alias);
		return;
	}
	while (run < left) {
		const size_t length = printable(s + run, left - run);

		run += length;
		if (length != 0)
			continue;
		print_bytes(p, s, run);
		print(p, "\\x%02x", s[run]);
		s += run + 1;
		left -= run + 1;
		run = 0;
	}
	print_bytes(p, s, run);
}

static void print_place(struct printer *p, enum model_site_kind kind,
			const struct model_site *site)
{
	switch (kind) {
	case MODEL_SITE_LUA:
		print_name(p, &site->name);
		print(p, ":%" PRIu64, site->line);
		return;
	case MODEL_SITE_C:
		print_name(p, &site->name);
		print(p, ":%#" PRIx64, site->address);
		return;
	case MODEL_SITE_C_UNKNOWN:
		print(p, "CFUNC %#" PRIx64, site->address);
		return;
	default:
		print(p, "INTERNAL");
	}
}

size_t model_site_print(const struct model_site *site, char *out, size_t size)
{
	struct printer p = {out, size, 0};

	if (size != 0)
		out[0] = '\0';
	if (site->kind != MODEL_SITE_TRACE) {
		print_place(&p, site->kind, site);
		return p.length;
	}
	print(&p, "TRACE [%" PRIu64 "]", site->trace_number);
	if (site->trace_has_start) {
		print(&p, " started at ");
		print_place(&p, site->start_kind, site);
	}
	return p.length;
}
