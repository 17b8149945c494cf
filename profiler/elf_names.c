/*
 * elf_names.c - the name of a C function, from the library's ELF file.
 */
#define _GNU_SOURCE
#include "elf_names.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process_lock.h"

#define BUILD_ID_MAX 64

struct elf_symbol {
	uint64_t value; /* address in the file's terms */
	uint64_t size;
	char *name;
	uint8_t rank; /* 0 global, 1 weak, 2 local */
};

struct elf_image {
	struct elf_image *next;
	uintptr_t bias; /* loaded address minus the file's */
	uintptr_t start, end;
	char *path;
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_size;	    /* 0: has none */
	struct elf_symbol *symbols; /* sorted by value, one each */
	size_t count, room;
};

/* ---- the dynamic linker's lock
 *
 * dl_iterate_phdr() holds a lock that fork() does not renew: a child that was
 * forked meanwhile waits for ever in its next dlopen().
 */

static int inside; /* threads in dl_iterate_phdr() for us */
static int forking;

#define PATIENCE_MILLISECONDS 100

static void iterate(int (*visit)(struct dl_phdr_info *, size_t, void *),
		    void *arg)
{
	int i;
	for (i = 0;; i++) {
		__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&forking, __ATOMIC_SEQ_CST) ||
		    i == PATIENCE_MILLISECONDS)
			break;
		__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
		process_lock_sleep();
	}
	dl_iterate_phdr(visit, arg);
	__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
}

void elf_names_before_fork(void)
{
	int i;
	__atomic_fetch_add(&forking, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < PATIENCE_MILLISECONDS &&
		    __atomic_load_n(&inside, __ATOMIC_SEQ_CST);
	     i++)
		process_lock_sleep();
}

void elf_names_after_fork(bool in_child)
{
	if (in_child)
		inside = forking = 0;
	else
		__atomic_fetch_sub(&forking, 1, __ATOMIC_SEQ_CST);
}

/* ---- which library */

struct lookup {
	uintptr_t address;
	struct elf_image found;
	const char *path;
};

/* The build id among loaded or stored notes. */
static size_t find_build_id(const uint8_t *notes, size_t n, uint8_t *out)
{
	while (n >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) head;
		size_t name, desc;
		memcpy(&head, notes, sizeof head);
		notes += sizeof head;
		n -= sizeof head;
		name = ((size_t)head.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)head.n_descsz + 3) & ~(size_t)3;
		if (name > n || desc > n - name)
			return 0;
		if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
		    !memcmp(notes, "GNU", 4) && head.n_descsz <= BUILD_ID_MAX) {
			memcpy(out, notes + name, head.n_descsz);
			return head.n_descsz;
		}
		notes += name + desc;
		n -= name + desc;
	}
	return 0;
}

static int visit_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct lookup *l = arg;
	bool holds = false;
	int i;
	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;
		if (p->p_type != PT_LOAD || l->address < start ||
		    l->address - start >= p->p_memsz)
			continue;
		holds = true;
		l->found.start = start;
		l->found.end = start + p->p_memsz;
	}
	if (!holds)
		return 0;
	l->found.bias = info->dlpi_addr;
	l->path = info->dlpi_name && *info->dlpi_name ? info->dlpi_name
						      : "/proc/self/exe";
	for (i = 0; i < info->dlpi_phnum && !l->found.build_id_size; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_NOTE)
			l->found.build_id_size = find_build_id(
				(const uint8_t *)(info->dlpi_addr + p->p_vaddr),
				p->p_memsz, l->found.build_id);
	}
	return 1;
}

/* ---- its symbols */

static uint8_t rank_of(const GElf_Sym *sym)
{
	switch (GELF_ST_BIND(sym->st_info)) {
	case STB_GLOBAL:
		return 0;
	case STB_WEAK:
		return 1;
	default:
		return 2;
	}
}

static bool add_symbol(struct elf_image *image, const GElf_Sym *sym,
		       const char *name)
{
	struct elf_symbol *s;
	if (image->count == image->room) {
		size_t room = image->room ? 2 * image->room : 256;
		s = realloc(image->symbols, room * sizeof *s);
		if (!s)
			return false;
		image->symbols = s;
		image->room = room;
	}
	s = &image->symbols[image->count];
	s->name = strdup(name);
	if (!s->name)
		return false;
	s->value = sym->st_value;
	s->size = sym->st_size;
	s->rank = rank_of(sym);
	image->count++;
	return true;
}

static bool add_table(struct elf_image *image, Elf *elf, Elf_Scn *section,
		      const GElf_Shdr *head)
{
	Elf_Data *data = elf_getdata(section, NULL);
	int i, n = head->sh_entsize ? (int)(head->sh_size / head->sh_entsize)
				    : 0;
	for (i = 0; data && i < n; i++) {
		GElf_Sym sym;
		const char *name;
		int type;
		if (!gelf_getsym(data, i, &sym))
			return true;
		type = GELF_ST_TYPE(sym.st_info);
		if ((type != STT_FUNC && type != STT_GNU_IFUNC) ||
		    sym.st_shndx == SHN_UNDEF || !sym.st_value)
			continue;
		name = elf_strptr(elf, head->sh_link, sym.st_name);
		if (name && *name && !add_symbol(image, &sym, name))
			return false;
	}
	return true;
}

/*
 * A library without a build id: is its code in the file what is in memory?
 * That needs no relocation, so the bytes must be the same.
 */
static bool same_code(const struct elf_image *image, Elf *elf)
{
	size_t n, size, i;
	const char *file = elf_rawfile(elf, &size);
	if (!file || elf_getphdrnum(elf, &n) != 0)
		return false;
	for (i = 0; i < n; i++) {
		GElf_Phdr p;
		if (!gelf_getphdr(elf, (int)i, &p))
			return false;
		if (p.p_type == PT_LOAD && (p.p_flags & PF_X) &&
		    image->bias + p.p_vaddr == image->start)
			return image->end - image->start == p.p_memsz &&
			       p.p_offset <= size &&
			       p.p_filesz <= size - p.p_offset &&
			       !memcmp((const void *)image->start,
				       file + p.p_offset, p.p_filesz);
	}
	return false;
}

/* The file on disk is the one that is loaded, and not a newer one. */
static bool same_build(const struct elf_image *image, Elf *elf)
{
	uint8_t id[BUILD_ID_MAX];
	Elf_Scn *section = NULL;
	if (!image->build_id_size)
		return same_code(image, elf);
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr head;
		Elf_Data *data;
		size_t n;
		if (!gelf_getshdr(section, &head) || head.sh_type != SHT_NOTE)
			continue;
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf)
			continue;
		n = find_build_id(data->d_buf, data->d_size, id);
		if (n)
			return n == image->build_id_size &&
			       !memcmp(id, image->build_id, n);
	}
	return false;
}

/* Of several names for one address the plainest: strtol, not __strtol. */
static int compare_names(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	if ((*a == '_') != (*b == '_'))
		return *a == '_' ? 1 : -1;
	if (n != m)
		return n < m ? -1 : 1;
	return strcmp(a, b);
}

static int compare_symbols(const void *a, const void *b)
{
	const struct elf_symbol *x = a, *y = b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	return compare_names(x->name, y->name);
}

static void read_symbols(struct elf_image *image)
{
	Elf_Scn *section = NULL;
	Elf *elf;
	int fd = open(image->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && same_build(image, elf)) {
		while ((section = elf_nextscn(elf, section))) {
			GElf_Shdr head;
			if (!gelf_getshdr(section, &head))
				continue;
			if ((head.sh_type == SHT_SYMTAB ||
			     head.sh_type == SHT_DYNSYM) &&
			    !add_table(image, elf, section, &head))
				break;
		}
		if (image->count)
			qsort(image->symbols, image->count,
			      sizeof *image->symbols, compare_symbols);
	}
	elf_end(elf);
	close(fd);
}

static struct elf_image *image_at(struct elf_names *names, uintptr_t address)
{
	struct lookup l;
	struct elf_image *image;
	memset(&l, 0, sizeof l);
	l.address = address;
	iterate(visit_library, &l);
	if (!l.path)
		return NULL;
	for (image = names->images; image; image = image->next)
		if (image->bias == l.found.bias &&
		    image->start == l.found.start &&
		    image->end == l.found.end && !strcmp(image->path, l.path) &&
		    image->build_id_size == l.found.build_id_size &&
		    !memcmp(image->build_id, l.found.build_id,
			    image->build_id_size))
			return image;
	image = malloc(sizeof *image);
	if (!image)
		return NULL;
	*image = l.found;
	image->path = strdup(l.path);
	if (!image->path) {
		free(image);
		return NULL;
	}
	image->next = names->images;
	names->images = image;
	read_symbols(image);
	return image;
}

/* The best symbol that covers the value: the last one that starts there. */
static const struct elf_symbol *symbol_at(const struct elf_image *image,
					  uint64_t value)
{
	size_t low = 0, high = image->count;
	const struct elf_symbol *s;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (image->symbols[middle].value <= value)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	s = &image->symbols[low - 1];
	/* Among several of one value the first is the best. */
	while (s > image->symbols && s[-1].value == s->value)
		s--;
	return s->value == value || value - s->value < s->size ? s : NULL;
}

void elf_names_find(struct elf_names *names, uintptr_t address, char *out,
		    size_t size)
{
	const struct elf_image *image = image_at(names, address);
	const struct elf_symbol *s;
	const char *base;
	char exe[512];
	ssize_t n;
	if (!image) {
		snprintf(out, size, "0x%lx", (unsigned long)address);
		return;
	}
	s = symbol_at(image, address - image->bias);
	if (s && address - image->bias == s->value) {
		snprintf(out, size, "%s", s->name);
		return;
	}
	if (s) {
		snprintf(out, size, "%s+0x%lx", s->name,
			 (unsigned long)(address - image->bias - s->value));
		return;
	}
	base = image->path;
	if (!strcmp(base, "/proc/self/exe")) {
		n = readlink(base, exe, sizeof exe - 1);
		if (n > 0) {
			exe[n] = '\0';
			base = exe;
		}
	}
	if (strrchr(base, '/'))
		base = strrchr(base, '/') + 1;
	snprintf(out, size, "%s+0x%lx", base,
		 (unsigned long)(address - image->bias));
}

static int read_unloads(struct dl_phdr_info *info, size_t size, void *arg)
{
	if (size >=
	    offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
		*(uint64_t *)arg = info->dlpi_subs;
	return 1;
}

uint64_t elf_names_unloads(void)
{
	uint64_t unloads = 0;
	iterate(read_unloads, &unloads);
	return unloads;
}

void elf_names_free(struct elf_names *names)
{
	while (names->images) {
		struct elf_image *image = names->images;
		size_t i;
		names->images = image->next;
		for (i = 0; i < image->count; i++)
			free(image->symbols[i].name);
		free(image->symbols);
		free(image->path);
		free(image);
	}
}
