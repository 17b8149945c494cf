/*
 * symtab.c - defining symbols and resolving locations.
 */
#include "symtab.h"

#include <stdlib.h>
#include <string.h>

void symtab_clear(struct symtab *t)
{
	const uint64_t epoch = t->epoch + 1, c_epoch = t->c_epoch + 1;

	addrmap_clear(&t->lua);
	addrmap_clear(&t->c);
	addrset_clear(&t->c_order);
	addrmap_clear(&t->traces);
	free(t->trace);
	free(t->proto);
	free(t->renamed);
	memset(t, 0, sizeof(*t));
	t->epoch = epoch;
	t->c_epoch = c_epoch;
}

static bool add_proto(struct symtab *t, uint64_t address,
		      const struct symtab_proto *proto)
{
	const size_t cap = (size_t)t->proto_cap + t->proto_cap / 2 + 64;
	struct symtab_proto *larger;

	if (t->proto_count == t->proto_cap) {
		larger = realloc(t->proto, cap * sizeof(*larger));
		if (larger == NULL)
			return false;
		t->proto = larger;
		t->proto_cap = (uint32_t)cap;
	}
	if (!addrmap_add(&t->lua, address, t->proto_count))
		return false;
	t->proto[t->proto_count++] = *proto;
	return true;
}

static bool define_lua(struct symtab *t, struct names *n,
		       const struct decode_event *e)
{
	const struct addrmap_slot *const slot =
		addrmap_find(&t->lua, e->address);
	struct symtab_proto *const old =
		slot != NULL ? &t->proto[slot->value] : NULL;
	struct symtab_proto proto = {.first_line = model_line(e->line)};

	if (old != NULL && old->first_line == proto.first_line &&
	    names_is(n, old->name, e->name, e->name_size))
		return true;
	proto.name = names_intern_chunk(n, e->name, e->name_size);
	if (proto.name == NAME_NONE)
		return false;
	t->epoch++;
	if (old == NULL)
		return add_proto(t, e->address, &proto);
	*old = proto;
	return true;
}

static void c_has_changed(struct symtab *t)
{
	t->epoch++;
	t->c_epoch++;
}

void symtab_settle(struct symtab *t)
{
	bool changed = false;

	for (uint32_t i = 0; i < t->renamed_count; i++) {
		struct addrmap_slot *const slot =
			addrmap_find(&t->c, t->renamed[i].address);

		changed |= slot->value != t->renamed[i].name;
		slot->noted = false;
	}
	t->renamed_count = 0;
	if (changed)
		c_has_changed(t);
}

/* Notes what a function is called before it is called something else. */
static void note_name(struct symtab *t, struct addrmap_slot *slot)
{
	if (slot->noted)
		return;
	if (t->renamed == NULL)
		t->renamed = malloc(SYMTAB_RENAMED * sizeof(*t->renamed));
	if (t->renamed_count == SYMTAB_RENAMED)
		symtab_settle(t);
	if (t->renamed == NULL) {
		c_has_changed(t);
		return;
	}
	t->renamed[t->renamed_count++] =
		(struct symtab_renamed){slot->key, slot->value};
	slot->noted = true;
}

static bool define_c(struct symtab *t, struct names *n,
		     const struct decode_event *e)
{
	struct addrmap_slot *const slot = addrmap_find(&t->c, e->address);
	uint32_t name;

	if (slot != NULL && names_is(n, slot->value, e->name, e->name_size))
		return true;
	name = names_intern(n, e->name, e->name_size);
	if (name == NAME_NONE)
		return false;
	if (slot == NULL) {
		c_has_changed(t);
		return addrmap_add(&t->c, e->address, name) &&
		       addrset_add(&t->c_order, e->address);
	}
	note_name(t, slot);
	slot->value = name;
	return true;
}

static bool add_trace(struct symtab *t, uint64_t number,
		      const struct symtab_trace *trace)
{
	const size_t cap = (size_t)t->trace_cap + t->trace_cap / 2 + 64;
	struct symtab_trace *larger;

	if (t->trace_count == t->trace_cap) {
		larger = realloc(t->trace, cap * sizeof(*larger));
		if (larger == NULL)
			return false;
		t->trace = larger;
		t->trace_cap = (uint32_t)cap;
	}
	if (!addrmap_add(&t->traces, number, t->trace_count))
		return false;
	t->trace[t->trace_count++] = *trace;
	return true;
}

static bool define_trace(struct symtab *t, const struct decode_event *e)
{
	const struct symtab_trace trace = {e->start_address, e->line};
	const struct addrmap_slot *const slot =
		addrmap_find(&t->traces, e->address);
	struct symtab_trace *old;

	if (slot == NULL) {
		t->epoch++;
		return add_trace(t, e->address, &trace);
	}
	old = &t->trace[slot->value];
	if (old->start_address != trace.start_address ||
	    old->line != trace.line) {
		t->epoch++;
		*old = trace;
	}
	return true;
}

bool symtab_define(struct symtab *t, struct names *n,
		   const struct decode_event *e)
{
	switch (e->source) {
	case LJM_SOURCE_LUA:
		return define_lua(t, n, e);
	case LJM_SOURCE_C:
		return define_c(t, n, e);
	default:
		return define_trace(t, e);
	}
}

/*
 * What a prototype's or function's address prints as: sets the name, the
 * address or the line in *site, returns the kind.
 */
static enum model_site_kind resolve_address(const struct symtab *t,
					    const struct names *n,
					    uint64_t address, uint64_t line,
					    struct model_site *site)
{
	const struct addrmap_slot *slot;
	const struct name *name;
	uint64_t start;

	if (address == 0)
		return MODEL_SITE_INTERNAL;
	slot = addrmap_find(&t->lua, address);
	if (slot != NULL) {
		name = names_get(n, t->proto[slot->value].name);
		site->name = (struct model_name){name->text, name->size,
						 name->alias};
		site->line = line;
		site->first_line = t->proto[slot->value].first_line;
		return MODEL_SITE_LUA;
	}
	if (!addrset_floor(&t->c_order, address, &start)) {
		site->address = address;
		return MODEL_SITE_C_UNKNOWN;
	}
	name = names_get(n, addrmap_find(&t->c, start)->value);
	site->name = (struct model_name){name->text, name->size, 0};
	site->address = start;
	return MODEL_SITE_C;
}

void symtab_resolve(const struct symtab *t, const struct names *n,
		    unsigned source, uint64_t address, uint64_t line,
		    struct model_site *site)
{
	const struct addrmap_slot *slot;
	const struct symtab_trace *trace;

	memset(site, 0, sizeof(*site));
	if (address == 0)
		return; /* INTERNAL, a trace numbered 0 too */
	if (source != LJM_SOURCE_TRACE) {
		site->kind = resolve_address(t, n, address, line, site);
		return;
	}
	site->kind = MODEL_SITE_TRACE;
	site->trace_number = address;
	slot = addrmap_find(&t->traces, address);
	if (slot == NULL)
		return;
	trace = &t->trace[slot->value];
	site->trace_has_start = true;
	site->start_kind =
		resolve_address(t, n, trace->start_address, trace->line, site);
}
