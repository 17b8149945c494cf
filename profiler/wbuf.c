/*
 * wbuf.c - bytes, LEB128 integers and strings into a fixed buffer.
 */
#include "wbuf.h"

#include <stdlib.h>

#include "ljm_format.h"
#include "sink.h"

bool wbuf_has_pdep(void)
{
#ifdef __x86_64__
	/* AMD made it of microcode before Zen 3: a hundred cycles. */
	return __builtin_cpu_supports("bmi2") && !__builtin_cpu_is("bdver4") &&
	       !__builtin_cpu_is("amdfam17h");
#else
	return false;
#endif
}

bool wbuf_open(struct wbuf *w, struct sink *sink)
{
	w->start = malloc(WBUF_SIZE);
	w->pos = w->start;
	w->end = w->start ? w->start + WBUF_SIZE - WBUF_SLACK : NULL;
	w->sink = sink;
	w->error = 0;
	w->flushed = 0;
	return w->start != NULL;
}

void wbuf_free(struct wbuf *w)
{
	free(w->start);
	w->start = w->pos = w->end = NULL;
}

void wbuf_flush(struct wbuf *w)
{
	size_t n = (size_t)(w->pos - w->start);
	w->pos = w->start;
	w->flushed += n;
	if (n && !w->error && w->sink)
		w->error = sink_write(w->sink, w->start, n);
}

void wbuf_bytes(struct wbuf *w, const void *data, size_t n)
{
	const uint8_t *from = data;
	while (n && !w->error) {
		size_t room = w->pos < w->end ? (size_t)(w->end - w->pos) : 0;
		size_t part = n < room ? n : room;
		memcpy(w->pos, from, part);
		w->pos += part;
		from += part;
		n -= part;
		if (w->pos >= w->end)
			wbuf_flush(w);
	}
}

void wbuf_byte(struct wbuf *w, uint8_t byte)
{
	wbuf_bytes(w, &byte, 1);
}

void wbuf_uleb128(struct wbuf *w, uint64_t value)
{
	uint8_t bytes[16];
	wbuf_bytes(w, bytes, (size_t)(wbuf_put_uleb128(bytes, value) - bytes));
}

void wbuf_string(struct wbuf *w, const char *text, size_t n)
{
	if (n > LJM_NAME_MAX)
		n = LJM_NAME_MAX;
	wbuf_uleb128(w, n);
	wbuf_bytes(w, text, n);
}
