/*
 * cursor.c - what the careful readers share.
 */
#include "cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

bool cursor_fail(struct cursor *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->decoder->error, sizeof(c->decoder->error), format, args);
	va_end(args);
	c->failed = TAKEN_BAD;
	return false;
}

bool cursor_need_more(struct cursor *c)
{
	c->failed = TAKEN_MORE;
	return false;
}

bool cursor_careful_int(struct cursor *c, uint64_t *value)
{
	const uint8_t *p = c->next;
	uint64_t x = 0;

	for (unsigned shift = 0; shift < 7 * LJM_LEB128_MAX; shift += 7) {
		if (p == c->end)
			return cursor_need_more(c);
		if (shift == 63 && *p > 1)
			return cursor_fail(
				c,
				*p < 0x80 ? "an integer beyond 64 bits (its "
					    "last byte is 0x%02x)"
					  : "an integer longer than 10 bytes "
					    "(its tenth byte is 0x%02x)",
				*p);
		x |= (uint64_t)(*p & 0x7f) << shift;
		if (*p++ < 0x80)
			break;
	}
	*value = x;
	c->next = p;
	return true;
}

bool cursor_fail_size(struct cursor *c, uint64_t size)
{
	return cursor_fail(c, "a block of %" PRIu64 " bytes (0x%" PRIx64 ")",
			   size, size);
}

bool cursor_fail_name(struct cursor *c, uint64_t size)
{
	return cursor_fail(c, "a name of %" PRIu64 " bytes (0x%" PRIx64 ")",
			   size, size);
}
