/*
 * elf_names.h - the name of a C function, static ones too.
 *
 * Reads the ELF symbol tables of the library that holds the address, once per
 * library, with libelf. Nothing of it lives on the Lua heap.
 */
#ifndef LJMEMPROF_ELF_NAMES_H
#define LJMEMPROF_ELF_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image;

struct elf_names {
	struct elf_image *images; /* a list; NULL at first */
};

/*
 * Writes the name of the function at address, or "library+0xoffset" when the
 * library has no symbol for it, or "0xaddress" when no library holds it.
 * Always writes a terminated text of at most size bytes.
 */
void elf_names_find(struct elf_names *names, uintptr_t address, char *out,
		    size_t size);

/* How many libraries this process has unloaded so far. */
uint64_t elf_names_unloads(void);

void elf_names_free(struct elf_names *names);

/*
 * For pthread_atfork(): no thread is inside the dynamic linker for us while
 * the process forks, for the child would inherit its lock for ever. Waits a
 * tenth of a second at most.
 */
void elf_names_before_fork(void);
void elf_names_after_fork(bool in_child);

#endif
