/*
 * vm_exit_table.h - a table that an exit makes anew: what it asks the
 * allocator for, and how it grows by the keys that are stored.
 *
 * A model of lj_tab_new(), lj_tab_dup() and lj_tab_set(). A new key takes a
 * free node as long as there is one, wherever its hash wants it to be: so the
 * hashes are of no concern. But they are when a key has no value: its node may
 * be taken. Then nothing is foreseen.
 */
#ifndef LJMEMPROF_VM_EXIT_TABLE_H
#define LJMEMPROF_VM_EXIT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "vm_layout.h"

/* Integer keys from 0 on that are followed, and other keys. */
#define VM_TABLE_INTEGERS 1024
#define VM_TABLE_KEYS	  64

/* id: the integer from 0 on; else an object's address or a number's bits. */
struct vm_table_key {
	bool is_integer;
	uint64_t id;
};

struct vm_table_model {
	uint32_t asize, hbits;
	bool colocated; /* the array is behind the header */
	bool known;	/* which keys there are */
	uint64_t integers[VM_TABLE_INTEGERS / 64];
	uint64_t keys[VM_TABLE_KEYS]; /* the others */
	uint64_t empty;		      /* those without a value, as bits */
	uint32_t key_count;
};

/* What is asked for, in order; moves: in place of the array. */
struct vm_table_requests {
	uint32_t count;
	struct {
		uint32_t size;
		bool moves;
	} all[3];
};

/* An empty table with an array of asize slots, and 1 << hbits nodes or none. */
bool vm_table_new(struct vm_table_model *t, const struct vm_layout *y,
		  uint32_t asize, uint32_t hbits,
		  struct vm_table_requests *out);

/* A copy of the table at this address. */
bool vm_table_copy(struct vm_table_model *t, const struct vm_layout *y,
		   uintptr_t table, struct vm_table_requests *out);

/*
 * Stores a value, or nil, at the key. These return false where what is asked
 * for is not foreseen.
 */
bool vm_table_set(struct vm_table_model *t, const struct vm_table_key *key,
		  bool is_nil, struct vm_table_requests *out);

/* The key that is a number; false for one that is not followed. */
bool vm_table_number(double d, struct vm_table_key *key);

#endif
