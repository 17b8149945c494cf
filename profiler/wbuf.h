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
	uint8_t *end; /* full from here on; WBUF_SLACK bytes follow */
	uint8_t *start;
	struct sink *sink;
	int error;	  /* the first errno, 0 none */
	uint64_t flushed; /* bytes that went to the sink */
};

/* What a killed process loses at most, before compression. */
#define WBUF_SIZE (128u << 10)

/* What may be written in place when pos < end, and so beyond end. */
#define WBUF_SLACK 128

/*
 * Allocates the buffer. Returns false without memory. Borrows the sink; without
 * one (NULL) all that is written is dropped.
 */
bool wbuf_open(struct wbuf *w, struct sink *sink);
void wbuf_free(struct wbuf *w);

/* Hands everything to the sink. Afterwards pos < end. */
void wbuf_flush(struct wbuf *w);

/* n bytes, any number of buffers long. */
void wbuf_bytes(struct wbuf *w, const void *data, size_t n);
void wbuf_byte(struct wbuf *w, uint8_t byte);
void wbuf_uleb128(struct wbuf *w, uint64_t value);
/* Its length and its bytes. */
void wbuf_string(struct wbuf *w, const char *text, size_t n);

/* ---- LEB128 in place, without a loop
 *
 * Seven-bit groups are spread over the bytes of a word: by one instruction
 * where the processor has it (pdep: the caller asked wbuf_has_pdep(), and it
 * is a constant), else by three rounds of masks and shifts.
 */

#define WBUF_INLINE static inline __attribute__((always_inline))

/* Is there an instruction that spreads bits, and is it fast? */
bool wbuf_has_pdep(void);

/* value < 2^56 */
WBUF_INLINE uint64_t wbuf_spread(uint64_t value, bool pdep)
{
	uint64_t x = value;
#ifdef __x86_64__
	if (pdep) {
		__asm__("pdepq %2, %1, %0"
			: "=r"(x)
			: "r"(value), "rm"((uint64_t)0x7f7f7f7f7f7f7f7f));
		return x;
	}
#endif
	(void)pdep;
	x = (x & 0x000000000fffffff) | (x & 0x00fffffff0000000) << 4;
	x = (x & 0x00003fff00003fff) | (x & 0x0fffc0000fffc000) << 2;
	return (x & 0x007f007f007f007f) | (x & 0x3f803f803f803f80) << 1;
}

/* Writes value at p, which must have room for 16 bytes; returns the end. */
WBUF_INLINE uint8_t *wbuf_put(uint8_t *p, uint64_t value, bool pdep)
{
	uint64_t x;
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
	x = wbuf_spread(value, pdep);
	/* Every byte but the last says that another one follows. */
	last = (63 - (unsigned)__builtin_clzll(x)) & 56;
	x |= 0x8080808080808080 & (((uint64_t)1 << last) - 1);
	memcpy(p, &x, 8);
	return p + last / 8 + 1;
}

WBUF_INLINE uint8_t *wbuf_put_uleb128(uint8_t *p, uint64_t value)
{
	return wbuf_put(p, value, false);
}

#endif
