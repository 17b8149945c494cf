/*
 * message.c - messages and progress on standard error.
 */
#include "message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "report_text.h"

#define MESSAGE_MAX 2048

/* Progress is shown after this long, and as often. */
#define PATIENCE_MS 1000
#define REFRESH_MS  200

static struct {
	int terminal; /* 0: not asked yet, 1: yes, -1: no */
	int64_t began_ms, shown_ms;
	bool visible;
} progress;

/*
 * Writes a line in one go, so that lines of other processes do not mix. There
 * is room for all bytes as \xNN: it may be said that there is no memory.
 */
static void write_line(const char *text)
{
	char room[4 * MESSAGE_MAX];
	struct format_buffer b = {room, 0, sizeof(room), false};

	format_printable(&b, text, strlen(text));
	message_progress_end();
	fprintf(stderr, "memparse: %.*s\n", (int)b.size, room);
}

void message(const char *file, const char *format, ...)
{
	char text[MESSAGE_MAX];
	size_t size = 0;
	va_list args;

	if (file != NULL) {
		snprintf(text, sizeof(text) / 2, "%s: ",
			 strcmp(file, "-") == 0 ? "standard input" : file);
		size = strlen(text);
	}
	va_start(args, format);
	vsnprintf(text + size, sizeof(text) - size, format, args);
	va_end(args);
	write_line(text);
}

void message_offset(const char *file, uint64_t offset, const char *what)
{
	message(file, "offset %" PRIu64 ": %s", offset, what);
}

/* ---- progress */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show(const char *file, uint64_t done, uint64_t size)
{
	struct format_buffer b = {NULL, 0, 0, false};
	char bytes[REPORT_BYTES_MAX];
	int name;

	format_printable(&b, file, strlen(file));
	name = b.size > 40 ? 40 : (int)b.size;
	report_text_bytes(bytes, done, true);
	if (size != 0)
		fprintf(stderr, "\r%.*s: %d%% read (%s)\033[K", name,
			b.data ? b.data : "",
			(int)(100.0 * (double)done / (double)size), bytes);
	else
		fprintf(stderr, "\r%.*s: %s read\033[K", name,
			b.data ? b.data : "", bytes);
	fflush(stderr);
	format_clear(&b);
	progress.visible = true;
}

void message_progress(const char *file, uint64_t done, uint64_t size)
{
	int64_t now;

	if (progress.terminal == 0)
		progress.terminal = isatty(STDERR_FILENO) ? 1 : -1;
	if (progress.terminal < 0)
		return;
	now = now_ms();
	if (progress.began_ms == 0)
		progress.began_ms = now;
	if (now - progress.began_ms < PATIENCE_MS ||
	    now - progress.shown_ms < REFRESH_MS)
		return;
	progress.shown_ms = now;
	show(file, done, size);
}

void message_progress_end(void)
{
	if (progress.visible)
		fputs("\r\033[K", stderr);
	progress.visible = false;
}
