/*
 * cursor.h - integers and texts off an input that may end anywhere.
 *
 * What the careful readers of all versions share. A cursor_...() that returns
 * false has set c->failed: more bytes are needed, or something is wrong and
 * the decoder's error says what. Private to the decoder.
 */
#ifndef MEMPARSE_CURSOR_H
#define MEMPARSE_CURSOR_H

#include <string.h>

#include "decode.h"
#include "leb128.h"

/* What became of an item; all but TAKEN leave the cursor's owner at its start.
 */
enum taken {
	TAKEN,
	TAKEN_CLOSE, /* a closing byte */
	TAKEN_MORE,  /* its end is not there yet */
	TAKEN_BAD,   /* decoder->error says why */
};

struct cursor {
	const uint8_t *next;
	const uint8_t *end;
	struct decoder *decoder; /* for its error */
	enum taken failed;	 /* why a cursor_...() returned false */
};

/* Both return false. */
__attribute__((format(printf, 2, 3), cold)) bool cursor_fail(struct cursor *c,
							     const char *format,
							     ...);
bool cursor_need_more(struct cursor *c);

/* An integer, every byte of it checked. */
bool cursor_careful_int(struct cursor *c, uint64_t *value);

/* These return false, too. */
__attribute__((cold)) bool cursor_fail_size(struct cursor *c, uint64_t size);
__attribute__((cold)) bool cursor_fail_name(struct cursor *c, uint64_t size);

/*
 * Reads an integer where LJM_LEB128_MAX bytes are readable. One of more than
 * eight bytes, which no real stream has, is left to the careful reader: it
 * sets *odd and moves on by no more than may be read.
 */
static inline const uint8_t *cursor_fast_int(const uint8_t *p, uint64_t *value,
					     uint64_t *odd)
{
	uint64_t x, stop;

	memcpy(&x, p, sizeof(x));
	x = le64toh(x);
	if ((x & 0x80) == 0) {
		*value = x & 0x7f;
		return p + 1;
	}
	stop = ~x & LEB128_EACH_BYTE(0x80);
	*odd |= stop == 0;
	/* All bits up to the stop bit; all bits when there is none. */
	*value = leb128_join(x & (stop ^ (stop - 1)));
	return p + (stop == 0 ? 8 : __builtin_ctzll(stop) / 8 + 1);
}

static inline bool cursor_int(struct cursor *c, uint64_t *value)
{
	uint64_t odd = 0;
	const uint8_t *p;

	if (c->end - c->next >= LJM_LEB128_MAX) {
		p = cursor_fast_int(c->next, value, &odd);
		if (odd == 0) {
			c->next = p;
			return true;
		}
	}
	return cursor_careful_int(c, value);
}

/* The size of a block. */
static inline bool cursor_size(struct cursor *c, uint64_t *value)
{
	if (!cursor_int(c, value))
		return false;
	return __builtin_expect(*value <= LJM_SIZE_MAX, 1) ||
	       cursor_fail_size(c, *value);
}

/* A text, which must be there whole, into e->name. */
static inline bool cursor_text(struct cursor *c, struct decode_event *e)
{
	if (!cursor_int(c, &e->name_size))
		return false;
	if (__builtin_expect(e->name_size > LJM_NAME_MAX, 0))
		return cursor_fail_name(c, e->name_size);
	if ((uint64_t)(c->end - c->next) < e->name_size)
		return cursor_need_more(c);
	e->name = (const char *)c->next;
	c->next += e->name_size;
	return true;
}

#endif
