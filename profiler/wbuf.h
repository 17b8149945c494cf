/*
 * wbuf.h - bytes, LEB128 integers and strings into a fixed buffer.
 *
 * A full buffer goes to the sink. The first error is latched: from then on
 * everything is dropped, so that writers check once and not at every byte.
 */
#ifndef LJMEMPROF_WBUF_H
#define LJMEMPROF_WBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sink;

struct wbuf {
	uint8_t *pos; /* next byte to write */
	uint8_t *end; /* past the last byte */
	uint8_t *start;
	struct sink *sink;
	int error; /* the first errno, 0 none */
};

/* What a killed process loses at most, before compression. */
#define WBUF_SIZE (128u << 10)

/* Allocates the buffer. Returns false without memory. Borrows the sink. */
bool wbuf_open(struct wbuf *w, struct sink *sink);
void wbuf_free(struct wbuf *w);

/* Hands everything to the sink. */
void wbuf_flush(struct wbuf *w);

/* n bytes, any number of buffers long. */
void wbuf_bytes(struct wbuf *w, const void *data, size_t n);
void wbuf_byte(struct wbuf *w, uint8_t byte);
void wbuf_uleb128(struct wbuf *w, uint64_t value);
/* Its length and its bytes. */
void wbuf_string(struct wbuf *w, const char *text, size_t n);

/*
 * Writes value at p, which must have room for 16 bytes; returns the end.
 * Without a loop: groups of seven bits are spread over the bytes of a word.
 */
static inline __attribute__((always_inline)) uint8_t *wbuf_put_uleb128(
	uint8_t *p, uint64_t value)
{
	uint64_t x = value;
	unsigned last;
	if (value < 0x80) {
		*p = (uint8_t)value;
		return p + 1;
	}
	if (__builtin_expect(value >> 56 != 0, 0)) {
		while (value >= 0x80) {
			*p++ = (uint8_t)(value | 0x80);
			value >>= 7;
		}
		*p++ = (uint8_t)value;
		return p;
	}
	x = (x & 0x000000000fffffff) | (x & 0x00fffffff0000000) << 4;
	x = (x & 0x00003fff00003fff) | (x & 0x0fffc0000fffc000) << 2;
	x = (x & 0x007f007f007f007f) | (x & 0x3f803f803f803f80) << 1;
	last = (63 - (unsigned)__builtin_clzll(x)) / 8;
	x |= 0x8080808080808080 & (((uint64_t)1 << 8 * last) - 1);
	memcpy(p, &x, 8);
	return p + last + 1;
}

#endif
