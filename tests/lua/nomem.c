/*
 * nomem.c - memory that runs out under lua-host-nomem.
 *
 * The link replaces malloc() and its kin, as the recorder and the host call
 * them, by those below. They count what is not freed, and may fail. Scripts
 * find the table "nomem":
 *
 *   nomem.fail_at(n, forever)  the n-th call from now gets nothing, and all
 *                              later ones if forever; 0: none
 *   nomem.calls()    calls since then
 *   nomem.in_use()   blocks that are not freed
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void __real_luaL_openlibs(lua_State *L);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);
void __wrap_luaL_openlibs(lua_State *L);

static int64_t in_use;
static long calls, fail_at;
static bool forever;

static bool refuse(void)
{
	calls++;
	return fail_at && (calls == fail_at || (forever && calls > fail_at));
}

static void *count(void *block)
{
	in_use += block != NULL;
	return block;
}

void *__wrap_malloc(size_t size)
{
	return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (refuse())
		return NULL;
	return p ? __real_realloc(p, size) : count(__real_realloc(p, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return refuse() ? NULL : count(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p)
{
	in_use -= p != NULL;
	__real_free(p);
}

static int nomem_fail_at(lua_State *L)
{
	calls = 0;
	fail_at = (long)luaL_checkinteger(L, 1);
	forever = lua_toboolean(L, 2);
	return 0;
}

static int nomem_calls(lua_State *L)
{
	lua_pushnumber(L, (double)calls);
	return 1;
}

static int nomem_in_use(lua_State *L)
{
	lua_pushnumber(L, (double)in_use);
	return 1;
}

void __wrap_luaL_openlibs(lua_State *L)
{
	__real_luaL_openlibs(L);
	lua_newtable(L);
	lua_pushcfunction(L, nomem_fail_at);
	lua_setfield(L, -2, "fail_at");
	lua_pushcfunction(L, nomem_calls);
	lua_setfield(L, -2, "calls");
	lua_pushcfunction(L, nomem_in_use);
	lua_setfield(L, -2, "in_use");
	lua_setglobal(L, "nomem");
}
