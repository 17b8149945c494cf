/*
 * embed.c - an ordinary program that embeds LuaJIT and knows nothing of us.
 *
 *   embed [-b] [-c CALLS] [-n VMS] SCRIPT
 *
 * runs SCRIPT in VMS VMs, open at once.
 *
 * -c calls the function that the script leaves as "request" so many times, with
 * nothing below it on the stack, as wrk does.
 * -b opens base, string, table and package one by one, and no jit. Built as a
 * plugin, too, that is loaded late and RTLD_LOCAL (see embed_late.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define VMS_MAX 16

int embed_main(int argc, char **argv);

static void open_some(lua_State *L)
{
	static const lua_CFunction libraries[] = {
		luaopen_base, luaopen_string, luaopen_table, luaopen_package};
	size_t i;
	for (i = 0; i < sizeof libraries / sizeof *libraries; i++) {
		lua_pushcfunction(L, libraries[i]);
		lua_call(L, 0, 0);
	}
}

static int run(lua_State *L, const char *script)
{
	if (!luaL_loadfile(L, script) && !lua_pcall(L, 0, 0, 0))
		return 0;
	fprintf(stderr, "embed: %s\n", lua_tostring(L, -1));
	return 1;
}

static int call(lua_State *L, int calls)
{
	while (calls-- > 0) {
		lua_getglobal(L, "request");
		lua_call(L, 0, 1);
		if (!lua_tostring(L, -1))
			return 1;
		lua_pop(L, 1);
	}
	return 0;
}

int embed_main(int argc, char **argv)
{
	lua_State *vms[VMS_MAX];
	int option, some = 0, calls = 0, n = 1, i, failed = 0;
	while ((option = getopt(argc, argv, "bc:n:")) != -1) {
		if (option == 'b')
			some = 1;
		else if (option == 'c')
			calls = atoi(optarg);
		else if (option == 'n')
			n = atoi(optarg);
	}
	if (optind + 1 != argc || n < 1 || n > VMS_MAX) {
		fprintf(stderr,
			"usage: embed [-b] [-c CALLS] [-n VMS] SCRIPT\n");
		return 2;
	}
	for (i = 0; i < n; i++) {
		vms[i] = luaL_newstate();
		if (!vms[i])
			return 1;
		if (some)
			open_some(vms[i]);
		else
			luaL_openlibs(vms[i]);
		/* What a library's opener leaves must be as ever. */
		failed |= lua_gettop(vms[i]) != 0 || run(vms[i], argv[optind]);
		failed |= failed || call(vms[i], calls);
	}
	for (i = 0; i < n; i++)
		lua_close(vms[i]);
	return failed;
}

#ifndef EMBED_PLUGIN
int main(int argc, char **argv)
{
	return embed_main(argc, argv);
}
#endif
