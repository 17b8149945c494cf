/*
 * symbols.c - prototypes, C functions and traces, each written once.
 */
#include "symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ljm_format.h"
#include "vm_frame.h"
#include "wbuf.h"

#define SET_SIZE_MIN 256

/* ---- a set of addresses */

static bool set_open(struct address_set *set, size_t size)
{
	set->slots = calloc(size, sizeof *set->slots);
	set->mask = size - 1;
	set->count = 0;
	return set->slots != NULL;
}

/* The slot that holds the address, or the empty one where it belongs. */
static size_t set_slot(const struct address_set *set, uintptr_t address)
{
	size_t i = address_hash(address) & set->mask;
	while (set->slots[i] && set->slots[i] != address)
		i = (i + 1) & set->mask;
	return i;
}

static bool set_grow(struct address_set *set)
{
	struct address_set bigger;
	size_t i;
	if (!set_open(&bigger, 2 * (set->mask + 1)))
		return false;
	for (i = 0; i <= set->mask; i++)
		if (set->slots[i])
			bigger.slots[set_slot(&bigger, set->slots[i])] =
				set->slots[i];
	bigger.count = set->count;
	free(set->slots);
	*set = bigger;
	return true;
}

/* *added is false when it was there. */
static bool set_add(struct address_set *set, uintptr_t address, bool *added)
{
	size_t i = set_slot(set, address);
	*added = false;
	if (set->slots[i] == address)
		return true;
	if (2 * set->count > set->mask) {
		if (!set_grow(set))
			return false;
		i = set_slot(set, address);
	}
	set->slots[i] = address;
	set->count++;
	*added = true;
	return true;
}

/* Closes the gap, so that no marks of the deleted pile up. */
static bool set_remove(struct address_set *set, uintptr_t address)
{
	size_t gap = set_slot(set, address), i = gap;
	if (set->slots[gap] != address)
		return false;
	for (;;) {
		size_t home;
		i = (i + 1) & set->mask;
		if (!set->slots[i])
			break;
		home = address_hash(set->slots[i]) & set->mask;
		if (((i - home) & set->mask) < ((i - gap) & set->mask))
			continue;
		set->slots[gap] = set->slots[i];
		gap = i;
	}
	set->slots[gap] = 0;
	set->count--;
	return true;
}

/* ---- symbols */

bool symbols_open(struct symbols *s)
{
	memset(s, 0, sizeof *s);
	return set_open(&s->watched, SET_SIZE_MIN) &&
	       set_open(&s->c_functions, SET_SIZE_MIN);
}

void symbols_free(struct symbols *s)
{
	free(s->watched.slots);
	free(s->c_functions.slots);
	free(s->traces);
	elf_names_free(&s->names);
	memset(s, 0, sizeof *s);
}

static bool watch(struct symbols *s, uintptr_t address, bool *added)
{
	unsigned bit = symbols_watched_bit(address);
	s->watched_bits[bit / 64] |= (uint64_t)1 << bit % 64;
	return set_add(&s->watched, address, added);
}

bool symbols_watch(struct symbols *s, uintptr_t address)
{
	bool added;
	return watch(s, address, &added);
}

const char *symbols_short_name(const char *name, char *cut, size_t *size)
{
	size_t n = strlen(name), i, kept = SYMBOLS_NAME_MAX;
	uint64_t hash = 0xcbf29ce484222325;
	*size = n;
	if (n <= SYMBOLS_NAME_MAX)
		return name;
	for (i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3;
	/* Not within a character. */
	while (kept && ((uint8_t)name[kept] & 0xc0) == 0x80)
		kept--;
	memcpy(cut, name, kept);
	*size = kept + (size_t)snprintf(cut + kept, SYMBOLS_NAME_ROOM - kept,
					" ... [%zu bytes, %016llx]", n,
					(unsigned long long)hash);
	return cut;
}

static void write_name(struct wbuf *out, const char *name)
{
	char cut[SYMBOLS_NAME_ROOM];
	size_t n;
	name = symbols_short_name(name, cut, &n);
	wbuf_string(out, name, n);
}

bool symbols_see_proto(struct symbols *s, struct wbuf *out,
		       const struct vm_layout *y, uintptr_t proto)
{
	bool added;
	if (!watch(s, proto, &added))
		return false;
	if (!added)
		return true;
	wbuf_byte(out, LJM_HEAD(LJM_KIND_SYMBOL, LJM_SOURCE_LUA));
	wbuf_uleb128(out, proto);
	write_name(out, (const char *)vm_ref(
				y->gc64, proto + (unsigned)y->pt_chunkname) +
				y->str_data);
	wbuf_uleb128(out, vm_u32(proto + (unsigned)y->pt_firstline));
	return true;
}

bool symbols_see_c(struct symbols *s, struct wbuf *out, uintptr_t function)
{
	char name[256];
	uint64_t unloads = elf_names_unloads();
	bool added;
	/* Another library may be where one was unloaded. */
	if (unloads != s->unloads) {
		memset(s->c_functions.slots, 0,
		       (s->c_functions.mask + 1) *
			       sizeof *s->c_functions.slots);
		s->c_functions.count = 0;
		elf_names_free(&s->names);
		s->unloads = unloads;
	}
	if (!set_add(&s->c_functions, function, &added))
		return false;
	if (!added)
		return true;
	elf_names_find(&s->names, function, name, sizeof name);
	wbuf_byte(out, LJM_HEAD(LJM_KIND_SYMBOL, LJM_SOURCE_C));
	wbuf_uleb128(out, function);
	wbuf_string(out, name, strlen(name));
	return true;
}

static bool grow_traces(struct symbols *s, uint32_t number)
{
	size_t count = (size_t)number + 64;
	struct trace_symbol *traces =
		realloc(s->traces, count * sizeof *traces);
	if (!traces)
		return false;
	memset(traces + s->trace_count, 0,
	       (count - s->trace_count) * sizeof *traces);
	s->traces = traces;
	s->trace_count = count;
	return true;
}

bool symbols_see_trace(struct symbols *s, struct wbuf *out,
		       const struct vm_layout *y, uint32_t number,
		       uintptr_t trace)
{
	uintptr_t proto = vm_ref(y->gc64, trace + (unsigned)y->trace_startpt);
	uintptr_t pc = vm_ref(y->gc64, trace + (unsigned)y->trace_startpc);
	uint32_t line = vm_trace_start_line(y, trace);
	if (number >= s->trace_count && !grow_traces(s, number))
		return false;
	if (!symbols_see_proto(s, out, y, proto))
		return false;
	s->traces[number].trace = trace;
	s->traces[number].startpt = proto;
	s->traces[number].startpc = pc;
	wbuf_byte(out, LJM_HEAD(LJM_KIND_SYMBOL, LJM_SOURCE_TRACE));
	wbuf_uleb128(out, number);
	wbuf_uleb128(out, proto);
	wbuf_uleb128(out, line);
	return true;
}

bool symbols_forget(struct symbols *s, uintptr_t address)
{
	size_t i;
	if (!set_remove(&s->watched, address))
		return false;
	/* A trace of the same number may start in the next one to live here. */
	for (i = 0; i < s->trace_count; i++)
		if (s->traces[i].startpt == address ||
		    s->traces[i].trace == address)
			s->traces[i].trace = 0;
	return true;
}
