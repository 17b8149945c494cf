/*
 * vm_exit_table.c - what a table that an exit makes anew asks for.
 */
#include "vm_exit_table.h"

#include <float.h>
#include <string.h>

#include "vm_frame.h"

#define SLOT_BYTES    8
#define NODE_BYTES    24
#define NODE_KEY      8 /* behind its value */
#define COLOCATED_MAX 16
#define ASIZE_MAX     65536
#define HBITS_MAX     20

static void ask(struct vm_table_requests *out, bool moves, uint32_t size)
{
	out->all[out->count].moves = moves;
	out->all[out->count++].size = size;
}

static uint32_t log2_floor(uint32_t n)
{
	return 31 - (uint32_t)__builtin_clz(n);
}

bool vm_table_new(struct vm_table_model *t, const struct vm_layout *y,
		  uint32_t asize, uint32_t hbits, struct vm_table_requests *out)
{
	uint32_t header = (uint32_t)y->tab_size;
	memset(t, 0, sizeof *t);
	out->count = 0;
	if (asize > ASIZE_MAX || hbits > HBITS_MAX)
		return false;
	t->asize = asize;
	t->hbits = hbits;
	t->known = true;
	t->colocated = asize && asize <= COLOCATED_MAX;
	ask(out, false, header + (t->colocated ? SLOT_BYTES * asize : 0));
	if (asize && !t->colocated)
		ask(out, false, SLOT_BYTES * asize);
	if (hbits)
		ask(out, false, NODE_BYTES << hbits);
	return true;
}

/* ---- keys */

bool vm_table_number(double d, struct vm_table_key *key)
{
	if (!(d > -VM_TABLE_INTEGERS && d < VM_TABLE_INTEGERS))
		return false;
	/* Only integers from 0 on can ever be in the array. */
	key->is_integer = d >= 0 && d == (double)(uint32_t)d;
	if (key->is_integer) {
		key->id = (uint32_t)d;
		return true;
	}
	/* The bits of smaller ones may be an address. */
	memcpy(&key->id, &d, sizeof d);
	return d >= DBL_MIN || d <= -DBL_MIN;
}

static bool has_integer(const struct vm_table_model *t, uint64_t k)
{
	return t->integers[k / 64] >> k % 64 & 1;
}

static void put_integer(struct vm_table_model *t, uint64_t k, bool there)
{
	uint64_t bit = (uint64_t)1 << k % 64;
	t->integers[k / 64] &= ~bit;
	if (there)
		t->integers[k / 64] |= bit;
}

static uint32_t find_key(const struct vm_table_model *t, uint64_t id)
{
	uint32_t i;
	for (i = 0; i < t->key_count; i++)
		if (t->keys[i] == id)
			break;
	return i;
}

static void put_value(struct vm_table_model *t, uint32_t i, bool there)
{
	t->empty &= ~((uint64_t)1 << i);
	if (!there)
		t->empty |= (uint64_t)1 << i;
}

static bool add_key(struct vm_table_model *t, uint64_t id, bool has_value)
{
	if (t->key_count == VM_TABLE_KEYS)
		return false;
	t->keys[t->key_count] = id;
	put_value(t, t->key_count++, has_value);
	return true;
}

/* ---- the table that is copied */

/* The upper half of a value tells its type. */
static int32_t type_of(bool gc64, uintptr_t value)
{
	int32_t upper = (int32_t)vm_u32(value + 4);
	return gc64 ? upper >> 15 : upper;
}

enum value_type {
	TYPE_NIL = ~0,
	TYPE_STRING = ~4,
	TYPE_TABLE = ~11,
	TYPE_LAST = ~13, /* all that is below, or from 0 on, is a number */
};

/* New builds mark what is to be nil in the copy by a table. */
static bool is_nil(bool gc64, uintptr_t value)
{
	int32_t type = type_of(gc64, value);
	return type == TYPE_NIL || type == TYPE_TABLE;
}

/* A node of the hash part: its key. */
static bool copy_node(struct vm_table_model *t, bool gc64, uintptr_t node)
{
	uintptr_t at = node + NODE_KEY;
	int32_t type = type_of(gc64, at);
	bool empty = is_nil(gc64, node);
	struct vm_table_key key;
	uint64_t bits = vm_u64(at);
	double d;
	if (type == TYPE_NIL)
		return true;
	if (type == TYPE_STRING)
		return add_key(t, gc64 ? bits << 17 >> 17 : vm_u32(at), !empty);
	memcpy(&d, &bits, sizeof d);
	if ((type < 0 && type >= TYPE_LAST) || !vm_table_number(d, &key))
		return false;
	if (!key.is_integer)
		return add_key(t, key.id, !empty);
	put_integer(t, key.id, true);
	return !empty && key.id >= t->asize;
}

static bool copy_contents(struct vm_table_model *t, const struct vm_layout *y,
			  uintptr_t table)
{
	uintptr_t array = vm_ref(y->gc64, table + (unsigned)y->tab_array);
	uintptr_t nodes = vm_ref(y->gc64, table + (unsigned)y->tab_node);
	uint32_t i;
	if (t->asize > VM_TABLE_INTEGERS)
		return false;
	for (i = 0; i < t->asize; i++)
		put_integer(t, i, !is_nil(y->gc64, array + SLOT_BYTES * i));
	for (i = 0; t->hbits && i < 1u << t->hbits; i++)
		if (!copy_node(t, y->gc64, nodes + (uintptr_t)NODE_BYTES * i))
			return false;
	return true;
}

bool vm_table_copy(struct vm_table_model *t, const struct vm_layout *y,
		   uintptr_t table, struct vm_table_requests *out)
{
	uint32_t asize = vm_u32(table + (unsigned)y->tab_asize);
	uint32_t hmask = vm_u32(table + (unsigned)y->tab_hmask);
	if (!vm_table_new(t, y, asize, hmask ? log2_floor(hmask) + 1 : 0, out))
		return false;
	t->known = copy_contents(t, y, table);
	return true;
}

/* ---- growth */

/* Nodes that are taken: the keys that are not in the array. */
static uint32_t count_nodes(const struct vm_table_model *t)
{
	uint32_t word, n = t->key_count;
	for (word = t->asize / 64; word < VM_TABLE_INTEGERS / 64; word++) {
		uint64_t bits = t->integers[word];
		if (word == t->asize / 64)
			bits &= ~(uint64_t)0 << t->asize % 64;
		n += (uint32_t)__builtin_popcountll(bits);
	}
	return n;
}

/* Counts the integers by the powers of two that they are up to. */
static uint32_t fill_bins(const struct vm_table_model *t, uint32_t bins[32])
{
	uint32_t word, n = 0;
	for (word = 0; word < VM_TABLE_INTEGERS / 64; word++) {
		uint64_t bits = t->integers[word];
		for (; bits; bits &= bits - 1, n++) {
			uint32_t k =
				64 * word + (uint32_t)__builtin_ctzll(bits);
			bins[k > 2 ? log2_floor(k - 1) : 0]++;
		}
	}
	return n;
}

/* The array that more than half of its slots are used of; *inside: keys. */
static uint32_t best_array(const struct vm_table_model *t, uint32_t *inside,
			   uint32_t *all)
{
	uint32_t bins[32] = {0}, b, sum = 0, size = 0;
	*all = fill_bins(t, bins);
	*inside = 0;
	for (b = 0; 2 * *all > 1u << b && sum != *all; b++) {
		sum += bins[b];
		if (bins[b] && 2 * sum > 1u << b) {
			size = (2u << b) + 1;
			*inside = sum;
		}
	}
	return size;
}

/*
 * No node is free for the key, which has been put: both parts anew. An array
 * behind the header stays there until it grows.
 */
static void rehash(struct vm_table_model *t, struct vm_table_requests *out)
{
	uint32_t inside, all, nodes, asize = best_array(t, &inside, &all);
	bool shrinks = asize < t->asize;
	nodes = t->key_count + all - inside;
	t->hbits = nodes > 1 ? log2_floor(nodes - 1) + 1 : nodes;
	if (asize > t->asize) {
		ask(out, t->asize && !t->colocated, SLOT_BYTES * asize);
		t->colocated = false;
	}
	t->asize = asize;
	if (t->hbits)
		ask(out, false, NODE_BYTES << t->hbits);
	if (shrinks && asize && !t->colocated)
		ask(out, true, SLOT_BYTES * asize);
}

bool vm_table_set(struct vm_table_model *t, const struct vm_table_key *key,
		  bool is_nil, struct vm_table_requests *out)
{
	uint32_t i;
	out->count = 0;
	if (!t->known)
		return false;
	if (key->is_integer) {
		bool there = has_integer(t, key->id);
		if (key->id < t->asize || (there && !is_nil)) {
			put_integer(t, key->id, !is_nil);
			return true;
		}
		put_integer(t, key->id, true);
	} else {
		i = find_key(t, key->id);
		if (i < t->key_count) {
			put_value(t, i, !is_nil);
			return true;
		}
		if (!add_key(t, key->id, true))
			return false;
	}
	if (t->empty || is_nil)
		return false;
	if (count_nodes(t) <= (t->hbits ? 1u << t->hbits : 0))
		return true;
	rehash(t, out);
	return true;
}
