/*
 * preload.c - LD_PRELOAD into hosts that cannot be edited.
 *
 *   MEMPROF_OUT=/tmp/%p.bin.zst MEMPROF_AUTOSTART=1 \
 *     LD_PRELOAD=/path/libljmemprof-preload.so program
 *
 * Stands in for the functions of LuaJIT that open libraries and, when a VM
 * has opened its own, has ljmemprof.so attach to it; environment.h tells what
 * happens from there on. ljmemprof.so is taken from this library's directory,
 * or is the file MEMPROF_LIB; ljmemprof-private.so serves a LuaJIT that was
 * loaded RTLD_LOCAL or stands behind another Lua.
 *
 * It is loaded into every child of the program, too, be it a shell: it links
 * to libc only, and does nothing without MEMPROF_OUT. The LuaJIT that is
 * called is found when it is called: it may be loaded late, and RTLD_LOCAL.
 *
 * What cannot be reached: LuaJIT linked statically into the program, whose
 * calls the linker has bound (the luajit command; said once on standard
 * error), a library linked with -Bsymbolic whose functions the host takes by
 * dlsym(), and a host that opens neither luaL_openlibs() nor luaopen_base()
 * nor luaopen_jit().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process_lock.h"

#define EXPORT __attribute__((visibility("default")))

struct lua_State;

/* MEMPROF_OUT was set when the process started. */
static bool wanted;
/* ljmemprof.so, to be loaded with the first VM. */
static char module_path[PATH_MAX + 32];
/* The same, for a LuaJIT that is not visible to all: see lua_private.c. */
static char private_path[PATH_MAX + 32];

/*
 * More than 0 while this thread is in one of our functions: those that the
 * real ones call, and the module's scratch VM, must pass.
 */
static __thread int depth;

/* One line, once in a process. */
static void say_once(const char *what, const char *detail)
{
	static int said;
	char line[1024];
	int n;
	if (__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
		return;
	n = snprintf(line, sizeof line, "ljmemprof: %s%s\n", what, detail);
	if (n >= (int)sizeof line)
		n = (int)sizeof line - 1;
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody to tell */
}

/* ---- finding things */

static const struct link_map *object_of(const void *address)
{
	Dl_info info;
	struct link_map *map = NULL;
	if (!address ||
	    !dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP))
		return NULL;
	return map;
}

/* A handle for an object that is loaded, to be closed again; or NULL. */
static void *handle_of(const struct link_map *map, int flags)
{
	/* The program itself has no name. */
	return map ? dlopen(map->l_name[0] ? map->l_name : NULL,
			    RTLD_LAZY | RTLD_NOLOAD | flags)
		   : NULL;
}

/* name in the object or in what it needs. */
static void *symbol_in(const struct link_map *map, const char *name)
{
	void *handle = handle_of(map, 0), *symbol;
	if (!handle)
		return NULL;
	symbol = dlsym(handle, name);
	dlclose(handle);
	return symbol;
}

static bool is_ours(const void *symbol)
{
	return object_of(symbol) == object_of(&wanted);
}

struct anywhere {
	const char *name;
	void *symbol;
};

static int look_anywhere(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct anywhere *search = arg;
	void *handle, *symbol;
	(void)size;
	handle = dlopen(info->dlpi_name[0] ? info->dlpi_name : NULL,
			RTLD_LAZY | RTLD_NOLOAD);
	symbol = handle ? dlsym(handle, search->name) : NULL;
	if (symbol && !is_ours(symbol))
		search->symbol = symbol;
	if (handle)
		dlclose(handle);
	return search->symbol != NULL;
}

/*
 * The function that a call from this address would have reached without us:
 * the caller's own, when LuaJIT calls itself; else by the linker's rule what
 * is visible to all, then what is visible to the caller. A tail call hides
 * who called: then any.
 */
static void *real(const char *name, const void *caller)
{
	const struct link_map *map = object_of(caller);
	struct anywhere search = {name, NULL};
	void *symbol = symbol_in(map, name);
	if (symbol && object_of(symbol) == map)
		return symbol;
	search.symbol = dlsym(RTLD_NEXT, name);
	if (search.symbol && !is_ours(search.symbol))
		return search.symbol;
	if (symbol && !is_ours(symbol))
		return symbol;
	search.symbol = NULL;
	dl_iterate_phdr(look_anywhere, &search);
	if (!search.symbol)
		say_once("no LuaJIT was found that has ", name);
	return search.symbol;
}

/* ---- attaching */

/* The Lua of a function; that may be another preloaded library's wrapper. */
static const struct link_map *lua_of(const void *function)
{
	const void *pcall = symbol_in(object_of(function), "lua_pcall");
	return object_of(pcall ? pcall : dlsym(RTLD_DEFAULT, "lua_pcall"));
}

/* LuaJIT's library, or NULL and a line that says what it is. */
static const struct link_map *luajit_of(const void *function)
{
	const struct link_map *library = lua_of(function);
	if (symbol_in(library, "luaJIT_setmode"))
		return library;
	say_once("this Lua is not LuaJIT: ", library ? library->l_name : "");
	return NULL;
}

/* Do the module's calls of Lua reach this library by the linker's rule? */
static bool is_visible(const struct link_map *library)
{
	return object_of(dlsym(RTLD_DEFAULT, "lua_pcall")) == library;
}

/* Leads the private module to its LuaJIT. */
static bool bind_private(void *module, const struct link_map *library)
{
	static struct process_lock lock;
	const char *(*bind)(void *);
	const char *lack = NULL;
	void *handle;
	*(void **)&bind = dlsym(module, "ljmemprof_bind");
	if (!bind)
		return true; /* MEMPROF_LIB, and it has found its own way */
	handle = handle_of(library, 0); /* not closed: it must stay */
	process_lock(&lock);
	lack = handle ? bind(handle) : "it cannot be opened";
	process_unlock(&lock);
	if (lack)
		say_once("the program's LuaJIT: ", lack);
	return !lack;
}

static void attach(struct lua_State *L, const void *function)
{
	void (*attach_module)(struct lua_State *);
	const struct link_map *library = luajit_of(function);
	const char *path = module_path;
	void *module;
	if (!library)
		return;
	if (!is_visible(library))
		path = private_path;
	module = dlopen(path, RTLD_NOW | RTLD_NODELETE);
	if (!module) {
		say_once("", dlerror());
		return;
	}
	*(void **)&attach_module = dlsym(module, "ljmemprof_attach");
	if (!attach_module)
		say_once(path, " has no ljmemprof_attach");
	else if (path == module_path || bind_private(module, library))
		attach_module(L);
	dlclose(module); /* it stays */
}

/* Calls the real function, then attaches unless we are called within. */
static int open_and_attach(struct lua_State *L, const char *name,
			   const void *caller)
{
	int (*function)(struct lua_State *);
	int results = 0;
	*(void **)&function = real(name, caller);
	depth++;
	if (function) {
		results = function(L);
		if (wanted && depth == 1)
			attach(L, *(void **)&function);
	}
	depth--;
	return results;
}

/* ---- in place of LuaJIT's */

EXPORT void luaL_openlibs(struct lua_State *L);
EXPORT void luaL_openlibs(struct lua_State *L)
{
	/* It returns nothing; what is taken for its result is not used. */
	open_and_attach(L, "luaL_openlibs", __builtin_return_address(0));
}

/*
 * For hosts that open some libraries only, or took luaL_openlibs() by
 * dlsym(): base is the first, jit brings the compiler.
 */
EXPORT int luaopen_base(struct lua_State *L);
EXPORT int luaopen_base(struct lua_State *L)
{
	return open_and_attach(L, "luaopen_base", __builtin_return_address(0));
}

EXPORT int luaopen_jit(struct lua_State *L);
EXPORT int luaopen_jit(struct lua_State *L)
{
	return open_and_attach(L, "luaopen_jit", __builtin_return_address(0));
}

/* ---- when the process starts */

/* The program has its own LuaJIT and does not call through the linker. */
static bool linked_statically(void)
{
	void *setmode = dlsym(RTLD_DEFAULT, "luaJIT_setmode");
	const struct link_map *map = object_of(setmode);
	return map && !map->l_name[0];
}

/* Full names: the program may change its directory. */
static bool find_modules(void)
{
	const char *lib = getenv("MEMPROF_LIB");
	char full[PATH_MAX], *slash;
	Dl_info self;
	if (lib && *lib) {
		if (!realpath(lib, module_path))
			snprintf(module_path, sizeof module_path, "%s", lib);
		memcpy(private_path, module_path, sizeof private_path);
		return true;
	}
	if (!dladdr(&wanted, &self) || !realpath(self.dli_fname, full) ||
	    !(slash = strrchr(full, '/')))
		return false;
	*slash = 0;
	snprintf(module_path, sizeof module_path, "%s/ljmemprof.so", full);
	snprintf(private_path, sizeof private_path, "%s/ljmemprof-private.so",
		 full);
	return true;
}

static __attribute__((constructor)) void prepare(void)
{
	const char *out = getenv("MEMPROF_OUT");
	if (!out || !*out)
		return;
	wanted = find_modules();
	if (!wanted)
		say_once("its own directory was not found", "");
	else if (linked_statically())
		say_once("LuaJIT is linked into this program and cannot be "
			 "preloaded; try LUA_INIT='require \"ljmemprof\"'",
			 "");
}
