/*
 * ljm_text.c - text to stream and back. See ljm_text.h.
 */
#include "ljm_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINE_CODE 0x77

/* ---- bytes */

void ljm_put(struct ljm_bytes *b, const void *data, size_t size)
{
	if (size > b->cap - b->size) {
		b->cap = b->cap * 2 + size + 64;
		b->data = realloc(b->data, b->cap);
		if (b->data == NULL)
			abort();
	}
	if (size != 0)
		memcpy(b->data + b->size, data, size);
	b->size += size;
}

void ljm_put_byte(struct ljm_bytes *b, unsigned byte)
{
	const uint8_t one = (uint8_t)byte;

	ljm_put(b, &one, 1);
}

void ljm_put_int(struct ljm_bytes *b, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		ljm_put_byte(b, (value & 0x7f) | 0x80);
	ljm_put_byte(b, (unsigned)value);
}

void ljm_printf(struct ljm_bytes *b, const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line))
		abort();
	ljm_put(b, line, (size_t)n);
}

void ljm_free(struct ljm_bytes *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

/* ---- events to stream */

static void put_symbol(const struct decode_event *e, bool machine_code,
		       struct ljm_bytes *out)
{
	ljm_put_int(out, e->address);
	if (e->source == LJM_SOURCE_TRACE) {
		if (machine_code)
			ljm_put_int(out, MACHINE_CODE);
		ljm_put_int(out, e->start_address);
		ljm_put_int(out, e->line);
		return;
	}
	ljm_put_int(out, e->name_size);
	ljm_put(out, e->name, e->name_size);
	if (e->source == LJM_SOURCE_LUA)
		ljm_put_int(out, e->line);
}

void ljm_encode_event(const struct decode_event *e, unsigned symtab_version,
		      unsigned events_version, struct ljm_bytes *out)
{
	const bool machine_code = symtab_version < 3;
	unsigned type = (unsigned)e->source - LJM_SOURCE_LUA;

	if (e->kind == LJM_KIND_SYMBOL) {
		if (e->source == LJM_SOURCE_TRACE && machine_code)
			type = LJM_SYMBOL_TRACE_V2;
		if (events_version != 0)
			type = LJM_HEAD(LJM_KIND_SYMBOL, e->source);
		ljm_put_byte(out, type);
		put_symbol(e, machine_code, out);
		return;
	}
	ljm_put_byte(out, LJM_HEAD(e->kind, e->source));
	if (e->source != LJM_SOURCE_INTERNAL)
		ljm_put_int(out, e->address);
	if (e->source == LJM_SOURCE_LUA)
		ljm_put_int(out, e->line);
	if (e->source == LJM_SOURCE_TRACE && machine_code)
		ljm_put_int(out, MACHINE_CODE);
	if (e->kind != LJM_KIND_ALLOC) {
		ljm_put_int(out, e->old_address);
		ljm_put_int(out, e->old_size);
	}
	if (e->kind != LJM_KIND_FREE) {
		ljm_put_int(out, e->new_address);
		ljm_put_int(out, e->new_size);
	}
}

/* ---- text to events */

/* A line being read: next points behind what was read; ok turns false. */
struct line {
	const char *next;
	bool ok;
	uint8_t name[4096];
};

static bool read_word(struct line *l, const char *word)
{
	const size_t size = strlen(word);
	const char after = l->next[strncmp(l->next, word, size) ? 0 : size];

	if (strncmp(l->next, word, size) != 0 ||
	    !(after == '\0' || after == ' ' || after == ':'))
		return false;
	l->next += size;
	return true;
}

static uint64_t read_number(struct line *l, char before)
{
	uint64_t value;
	char *end;

	if (*l->next != before || !isdigit((unsigned char)l->next[1])) {
		l->ok = false;
		return 0;
	}
	value = strtoull(l->next + 1, &end, 0);
	l->next = end;
	return value;
}

static void read_name(struct line *l, struct decode_event *e)
{
	size_t n = 0;
	unsigned byte;

	if (strncmp(l->next, " \"", 2) != 0) {
		l->ok = false;
		return;
	}
	for (l->next += 2; *l->next != '"'; n++) {
		if (*l->next == '\0' || n == sizeof(l->name)) {
			l->ok = false;
			return;
		}
		if (sscanf(l->next, "\\x%2x", &byte) == 1) {
			l->name[n] = (uint8_t)byte;
			l->next += 4;
			continue;
		}
		l->next += *l->next == '\\';
		l->name[n] = (uint8_t)*l->next++;
	}
	l->next++;
	e->name = (const char *)l->name;
	e->name_size = n;
}

static void read_source(struct line *l, struct decode_event *e)
{
	if (*l->next != ' ') {
		l->ok = false;
		return;
	}
	l->next++;
	if (read_word(l, "int")) {
		e->source = LJM_SOURCE_INTERNAL;
	} else if (read_word(l, "lua")) {
		e->source = LJM_SOURCE_LUA;
		e->address = read_number(l, ' ');
		e->line = read_number(l, ':');
	} else if (read_word(l, "c")) {
		e->source = LJM_SOURCE_C;
		e->address = read_number(l, ' ');
	} else if (read_word(l, "trace")) {
		e->source = LJM_SOURCE_TRACE;
		e->address = read_number(l, ':');
	} else if (*l->next == '@') {
		e->source = DECODE_CALLSITE;
		e->address = read_number(l, '@');
	} else {
		l->ok = false;
	}
}

static void read_heap_event(struct line *l, struct decode_event *e)
{
	read_source(l, e);
	if (l->ok && e->kind != LJM_KIND_ALLOC) {
		e->old_address = read_number(l, ' ');
		e->old_size = read_number(l, ' ');
	}
	if (l->ok && e->kind != LJM_KIND_FREE) {
		e->new_address = read_number(l, ' ');
		e->new_size = read_number(l, ' ');
	}
}

static void read_frame(struct line *l, struct decode_event *e)
{
	if (*l->next != ' ') {
		l->ok = false;
		return;
	}
	l->next++;
	if (read_word(l, "lua")) {
		e->address = LJM_FRAME_LUA;
		e->start_address = read_number(l, ' ');
		e->line = read_number(l, ':');
		if (*l->next == ' ') {
			l->next++;
			e->address = LJM_FRAME_LUA_TRACE;
			l->ok = l->ok && read_word(l, "trace");
			e->trace_number = read_number(l, ':');
		}
	} else if (read_word(l, "trace")) {
		e->address = LJM_FRAME_TRACE;
		e->trace_number = read_number(l, ':');
		e->start_address = read_number(l, ' ');
		e->line = read_number(l, ':');
	} else {
		e->address = read_word(l, "int") ? LJM_FRAME_INTERNAL
			     : read_word(l, "c") ? LJM_FRAME_C
						 : LJM_FRAME_GAP;
		l->ok = l->ok &&
			(e->address != LJM_FRAME_GAP || read_word(l, "gap"));
		e->start_address = read_number(l, ' ');
	}
}

/* Words of records, and the operands: see read_record(). */
static const struct record {
	const char *word;
	const char *operands;
} records[] = {
	[LJM_RECORD_START] = {"start", "alsn"},
	[LJM_RECORD_STRING] = {"string", "n"},
	[LJM_RECORD_PROTO] = {"proto", "als"},
	[LJM_RECORD_FUNCTION] = {"function", "xs"},
	[LJM_RECORD_FRAME] = {"frame", "f"},
	[LJM_RECORD_CALLSITE] = {"callsite", "as"},
	[LJM_RECORD_CLOCK] = {"clock", "a"},
	[LJM_RECORD_MARK] = {"mark", "a"},
	[LJM_RECORD_COLLECTION] = {"collection", "as"},
	[LJM_RECORD_UNIT] = {"unit", "a"},
	[LJM_RECORD_LOST] = {"lost", "a"},
};

/* True when the line is a record; l->ok whether it is a right one. */
static bool read_record(struct line *l, struct decode_event *e)
{
	unsigned type = LJM_RECORD_START;

	while (type <= LJM_RECORD_LOST && !read_word(l, records[type].word))
		type++;
	if (type > LJM_RECORD_LOST)
		return false;
	*e = (struct decode_event){.kind = DECODE_RECORD,
				   .source = (uint8_t)type};
	for (const char *o = records[type].operands; *o != '\0' && l->ok; o++) {
		if (*o == 'a' || *o == 'x')
			e->address = read_number(l, ' ');
		else if (*o == 'l')
			e->line = read_number(l, ' ');
		else if (*o == 's')
			e->start_address = read_number(l, ' ');
		else if (*o == 'n')
			read_name(l, e);
		else
			read_frame(l, e);
	}
	return true;
}

/* True when the line is an event; l->ok whether it is a right one. */
static bool read_event(struct line *l, struct decode_event *e)
{
	*e = (struct decode_event){.kind = LJM_KIND_SYMBOL};
	if (read_word(l, "alloc")) {
		e->kind = LJM_KIND_ALLOC;
	} else if (read_word(l, "free")) {
		e->kind = LJM_KIND_FREE;
	} else if (read_word(l, "realloc")) {
		e->kind = LJM_KIND_REALLOC;
	} else if (read_word(l, "lua")) {
		e->source = LJM_SOURCE_LUA;
		e->address = read_number(l, ' ');
		read_name(l, e);
		e->line = read_number(l, ' ');
		return true;
	} else if (read_word(l, "c")) {
		e->source = LJM_SOURCE_C;
		e->address = read_number(l, ' ');
		read_name(l, e);
		return true;
	} else if (read_word(l, "trace")) {
		e->source = LJM_SOURCE_TRACE;
		e->address = read_number(l, ' ');
		e->start_address = read_number(l, ' ');
		e->line = read_number(l, ' ');
		return true;
	} else {
		return false;
	}
	read_heap_event(l, e);
	return true;
}

/* ---- text to stream */

struct encoder {
	unsigned symtab_version, events_version;
	struct ljm_compact compact;
	struct ljm_bytes *out;
};

static void put_prologue(struct encoder *en, const char *magic,
			 unsigned version)
{
	static const uint8_t reserved[3] = {0};

	ljm_put(en->out, magic, LJM_MAGIC_SIZE);
	ljm_put_byte(en->out, version);
	ljm_put(en->out, reserved, sizeof(reserved));
}

static void encode_raw(struct line *l, struct ljm_bytes *out)
{
	unsigned byte;

	for (; sscanf(l->next, " %2x", &byte) == 1; l->next += 3)
		ljm_put_byte(out, byte);
}

static void encode_other(struct encoder *en, struct line *l)
{
	struct decode_event e = {.source = LJM_SOURCE_C};

	if (read_word(l, LJM_SYMTAB_MAGIC)) {
		en->symtab_version = (unsigned)read_number(l, ' ');
		put_prologue(en, LJM_SYMTAB_MAGIC, en->symtab_version);
	} else if (read_word(l, LJM_EVENTS_MAGIC)) {
		en->events_version = (unsigned)read_number(l, ' ');
		ljm_put_byte(en->out, LJM_EPILOGUE);
		put_prologue(en, LJM_EVENTS_MAGIC, en->events_version);
	} else if (read_word(l, "c1")) {
		e.address = read_number(l, ' ');
		read_name(l, &e);
		ljm_put_byte(en->out, LJM_HEAD(LJM_KIND_ALLOC, 0));
		put_symbol(&e, false, en->out);
	} else if (read_word(l, "end")) {
		ljm_put_byte(en->out, LJM_EPILOGUE);
	} else if (read_word(l, "raw")) {
		encode_raw(l, en->out);
	} else if (read_word(l, "plain")) {
		en->compact.plain = true;
	} else {
		l->ok = false;
	}
}

static bool encode_line(struct encoder *en, const char *text)
{
	struct line l = {.next = text, .ok = true};
	struct decode_event e;

	if (*text == '\0' || *text == '#')
		return true;
	if (!read_record(&l, &e) && !read_event(&l, &e))
		encode_other(en, &l);
	else if (l.ok &&
		 (e.kind == DECODE_RECORD || e.source == DECODE_CALLSITE))
		l.ok = ljm_encode_compact(&en->compact, &e, en->out);
	else if (l.ok)
		ljm_encode_event(&e, en->symtab_version, en->events_version,
				 en->out);
	return l.ok && *l.next == '\0';
}

unsigned ljm_encode(const char *text, struct ljm_bytes *out)
{
	struct encoder en = {.compact = LJM_COMPACT, .out = out};
	unsigned number = 0;
	char *line;
	bool ok = true;

	while (*text != '\0' && ok) {
		const size_t size = strcspn(text, "\n");

		line = strndup(text, size);
		if (line == NULL)
			abort();
		ok = encode_line(&en, line);
		free(line);
		number++;
		text += size + (text[size] == '\n');
	}
	return ok ? 0 : number;
}

/* ---- stream to text */

static void put_name(const struct decode_event *e, struct ljm_bytes *out)
{
	ljm_put_byte(out, '"');
	for (uint64_t i = 0; i < e->name_size; i++) {
		const uint8_t c = (uint8_t)e->name[i];

		if (c == '"' || c == '\\')
			ljm_printf(out, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			ljm_printf(out, "\\x%02x", c);
		else
			ljm_put_byte(out, c);
	}
	ljm_put_byte(out, '"');
}

static void symbol_text(const struct decode_event *e, struct ljm_bytes *out)
{
	if (e->source == LJM_SOURCE_TRACE) {
		ljm_printf(out, "trace %" PRIu64 " 0x%" PRIx64 " %" PRIu64,
			   e->address, e->start_address, e->line);
		return;
	}
	ljm_printf(out, "%s 0x%" PRIx64 " ",
		   e->source == LJM_SOURCE_LUA ? "lua" : "c", e->address);
	put_name(e, out);
	if (e->source == LJM_SOURCE_LUA)
		ljm_printf(out, " %" PRIu64, e->line);
}

static void source_text(const struct decode_event *e, struct ljm_bytes *out)
{
	switch (e->source) {
	case LJM_SOURCE_INTERNAL:
		ljm_printf(out, " int");
		break;
	case LJM_SOURCE_LUA:
		ljm_printf(out, " lua 0x%" PRIx64 ":%" PRIu64, e->address,
			   e->line);
		break;
	case LJM_SOURCE_C:
		ljm_printf(out, " c 0x%" PRIx64, e->address);
		break;
	case DECODE_CALLSITE:
		ljm_printf(out, " @%" PRIu64, e->address);
		break;
	default:
		ljm_printf(out, " trace:%" PRIu64, e->address);
	}
}

static void frame_text(const struct decode_event *e, struct ljm_bytes *out)
{
	switch (e->address) {
	case LJM_FRAME_INTERNAL:
		ljm_printf(out, " int %" PRIu64, e->start_address);
		break;
	case LJM_FRAME_LUA:
		ljm_printf(out, " lua %" PRIu64 ":%" PRIu64, e->start_address,
			   e->line);
		break;
	case LJM_FRAME_LUA_TRACE:
		ljm_printf(out, " lua %" PRIu64 ":%" PRIu64 " trace:%" PRIu64,
			   e->start_address, e->line, e->trace_number);
		break;
	case LJM_FRAME_C:
		ljm_printf(out, " c %" PRIu64, e->start_address);
		break;
	case LJM_FRAME_TRACE:
		ljm_printf(out, " trace:%" PRIu64 " %" PRIu64 ":%" PRIu64,
			   e->trace_number, e->start_address, e->line);
		break;
	default:
		ljm_printf(out, " gap %" PRIu64, e->start_address);
	}
}

static void record_text(const struct decode_event *e, struct ljm_bytes *out)
{
	const struct record *const r = &records[e->source];

	ljm_printf(out, "%s", r->word);
	for (const char *o = r->operands; *o != '\0'; o++) {
		if (*o == 'a')
			ljm_printf(out, " %" PRIu64, e->address);
		else if (*o == 'x')
			ljm_printf(out, " 0x%" PRIx64, e->address);
		else if (*o == 'l')
			ljm_printf(out, " %" PRIu64, e->line);
		else if (*o == 's')
			ljm_printf(out, " %" PRIu64, e->start_address);
		else if (*o == 'f')
			frame_text(e, out);
		else {
			ljm_put_byte(out, ' ');
			put_name(e, out);
		}
	}
}

void ljm_event_text(const struct decode_event *e, struct ljm_bytes *out)
{
	static const char *const kinds[] = {"", "alloc", "free", "realloc"};

	if (e->kind == LJM_KIND_SYMBOL) {
		symbol_text(e, out);
	} else if (e->kind == DECODE_RECORD) {
		record_text(e, out);
	} else {
		ljm_printf(out, "%s", kinds[e->kind]);
		source_text(e, out);
		if (e->kind != LJM_KIND_ALLOC)
			ljm_printf(out, " 0x%" PRIx64 " %" PRIu64,
				   e->old_address, e->old_size);
		if (e->kind != LJM_KIND_FREE)
			ljm_printf(out, " 0x%" PRIx64 " %" PRIu64,
				   e->new_address, e->new_size);
	}
	ljm_put_byte(out, '\n');
}

/* Notes the prologues that were taken since the last call. */
static void prologue_text(const struct decoder *d, struct decoder *noted,
			  struct ljm_bytes *out)
{
	if (noted->symtab_version != d->symtab_version)
		ljm_printf(out, "ljs %u\n", d->symtab_version);
	if (noted->events_version != d->events_version)
		ljm_printf(out, "ljm %u\n", d->events_version);
	*noted = *d;
}

void ljm_decode(const uint8_t *stream, size_t size, size_t step,
		struct ljm_bytes *out)
{
	struct decoder d, noted = {0};
	enum decode_result result = DECODE_MORE;
	struct decode_event e;
	size_t start = 0, end = 0, count;

	decode_init(&d);
	while (result == DECODE_MORE && end <= size) {
		/* A window of its own, to have reads beyond it noticed. */
		uint8_t *const window = malloc(end - start + (end == start));
		struct decode_input in = {window, end - start, 0};

		if (window == NULL)
			abort();
		memcpy(window, stream + start, end - start);
		do {
			/* One at a time, to see which prologue is before. */
			result = decode_events(&d, &in, &e, 1, &count);
			prologue_text(&d, &noted, out);
			if (count != 0)
				ljm_event_text(&e, out);
		} while (result == DECODE_FULL);
		free(window);
		start += in.pos;
		end = end < size && size - end < step ? size : end + step;
	}
	if (result == DECODE_END)
		ljm_printf(out, "end\n");
	else if (result == DECODE_MORE)
		ljm_printf(out, "cut %zu\n", start);
	else
		ljm_printf(out, "corrupt %zu: %s\n", start, d.error);
}
