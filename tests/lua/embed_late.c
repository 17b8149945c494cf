/*
 * embed_late.c - programs that come to LuaJIT late.
 *
 *   embed-late plugin LIBRARY ARGUMENT...  embed_main() of embed.c's plugin
 *   embed-late dlsym LIBRARY SCRIPT        LuaJIT itself, each function by
 *                                          dlsym(), as editors do it
 *   embed-late abandon LIBRARY SCRIPT      the same, its VM left open
 *
 * In the end the library is unloaded, as far as that depends on us.
 *
 * The library is RTLD_LOCAL in both cases, and must be so in the end: what is
 * visible to all changes what later libraries bind to.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct lua_State;

static void *find(void *library, const char *name)
{
	void *symbol = dlsym(library, name);
	if (!symbol)
		fprintf(stderr, "embed-late: %s\n", dlerror());
	return symbol;
}

static int run_plugin(void *library, int argc, char **argv)
{
	int (*embed_main)(int, char **);
	*(void **)&embed_main = find(library, "embed_main");
	return embed_main ? embed_main(argc, argv) : 1;
}

static int run_script(void *library, const char *script, int abandon)
{
	struct lua_State *(*new_state)(void);
	void (*open_libs)(struct lua_State *);
	int (*load_file)(struct lua_State *, const char *);
	int (*pcall)(struct lua_State *, int, int, int);
	void (*close_state)(struct lua_State *);
	struct lua_State *L;
	int failed;
	*(void **)&new_state = find(library, "luaL_newstate");
	*(void **)&open_libs = find(library, "luaL_openlibs");
	*(void **)&load_file = find(library, "luaL_loadfile");
	*(void **)&pcall = find(library, "lua_pcall");
	*(void **)&close_state = find(library, "lua_close");
	if (!new_state || !open_libs || !load_file || !pcall || !close_state)
		return 1;
	L = new_state();
	if (!L)
		return 1;
	open_libs(L);
	failed = load_file(L, script) || pcall(L, 0, 0, 0);
	if (!abandon)
		close_state(L);
	return failed;
}

int main(int argc, char **argv)
{
	int failed;
	void *library =
		argc > 3 ? dlopen(argv[2], RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!library) {
		fprintf(stderr, "embed-late: %s\n",
			argc > 3 ? dlerror() : "too few arguments");
		return 2;
	}
	if (!strcmp(argv[1], "plugin"))
		failed = run_plugin(library, argc - 2, argv + 2);
	else
		failed = run_script(library, argv[3],
				    !strcmp(argv[1], "abandon"));
	if (dlsym(RTLD_DEFAULT, "lua_pcall")) {
		fprintf(stderr, "embed-late: LuaJIT has become visible\n");
		failed = 1;
	}
	dlclose(library);
	return failed;
}
