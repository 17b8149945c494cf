/*
 * site_print.c - how a site prints.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "model.h"

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

/*
 * The length of the printable character at s, in bytes; 0 when there is none:
 * a control character, U+0080 to U+009F among them, or no UTF-8.
 */
static size_t printable(const uint8_t *s, size_t left)
{
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
	size_t length;
	uint32_t c;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < length)
		return 0;
	c = s[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return length;
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
