/*
 * site_print.c - how a site prints, and a frame.
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

/* ---- frames */

#define WORD(words, i)                                                         \
	((i) < sizeof(words) / sizeof(*(words)) ? (words)[i] : " (unknown)")

static void print_line(struct printer *p, const struct model_frame *f)
{
	print_name(p, &f->chunk);
	print(p, ":%" PRIu64, f->line);
}

static void print_lua(struct printer *p, const struct model_frame *f)
{
	if (f->function.size != 0) {
		print_name(p, &f->function);
		print(p, " (");
	}
	print_line(p, f);
	if (f->function.size != 0)
		print(p, ")");
	if (f->trace_number != 0)
		print(p, " in TRACE [%" PRIu64 "]", f->trace_number);
}

static void print_c(struct printer *p, const struct model_frame *f)
{
	if (f->function.size != 0)
		print_name(p, &f->function);
	else
		print(p, "CFUNC %#" PRIx64, f->address);
}

static void print_trace(struct printer *p, const struct model_frame *f)
{
	print(p, "TRACE [%" PRIu64 "]", f->trace_number);
	if (f->chunk.text != NULL) {
		print(p, " started at ");
		print_line(p, f);
	}
}

size_t model_frame_print(const struct model_frame *frame, char *out,
			 size_t size)
{
	/* In the orders of ljm_format.h. */
	static const char *const internals[] = {"",
						" (gc)",
						" (recorder)",
						" (optimiser)",
						" (assembler)",
						" (exit)",
						" (host)"};
	static const char *const gaps[] = {
		"(deeper frames)", "(inlined frames)", "(unknown frames)"};
	struct printer p = {out, size, 0};

	if (size != 0)
		out[0] = '\0';
	switch (frame->kind) {
	case MODEL_FRAME_INTERNAL:
		print(&p, "INTERNAL%s", WORD(internals, frame->what));
		break;
	case MODEL_FRAME_LUA:
		print_lua(&p, frame);
		break;
	case MODEL_FRAME_C:
		print_c(&p, frame);
		break;
	case MODEL_FRAME_TRACE:
		print_trace(&p, frame);
		break;
	case MODEL_FRAME_GAP:
		print(&p, "%s", WORD(gaps, frame->what));
	}
	return p.length;
}
