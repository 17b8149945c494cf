/*
 * lua_private.c - the module's way to a LuaJIT that only its host can see.
 *
 * ljmemprof.so takes Lua's functions from what is visible to all. A host may
 * keep its LuaJIT to itself, as plugins that are loaded RTLD_LOCAL do, or
 * have another Lua in front of it. To make it visible after all would change
 * what later libraries bind to. So ljmemprof-private.so, the same module, has
 * every function it needs as a jump through a pointer, and the preloaded
 * library says which library the pointers lead to.
 *
 * A function that is missing from the list is an error of the linker.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

/* All of Lua 5.1's API, so that the list need not follow the module. */
/* clang-format off */
#define LUA_FUNCTIONS(X) \
	X(luaL_addlstring) X(luaL_addstring) X(luaL_addvalue) \
	X(luaL_argerror) X(luaL_buffinit) X(luaL_callmeta) \
	X(luaL_checkany) X(luaL_checkinteger) X(luaL_checklstring) \
	X(luaL_checknumber) X(luaL_checkoption) X(luaL_checkstack) \
	X(luaL_checktype) X(luaL_checkudata) X(luaL_error) \
	X(luaL_getmetafield) X(luaL_gsub) X(luaL_loadbuffer) \
	X(luaL_loadfile) X(luaL_loadstring) X(luaL_newmetatable) \
	X(luaL_newstate) X(luaL_openlibs) X(luaL_optinteger) \
	X(luaL_optlstring) X(luaL_optnumber) X(luaL_prepbuffer) \
	X(luaL_pushresult) X(luaL_ref) X(luaL_register) X(luaL_typerror) \
	X(luaL_unref) X(luaL_where) X(lua_atpanic) X(lua_call) \
	X(lua_checkstack) X(lua_close) X(lua_concat) X(lua_cpcall) \
	X(lua_createtable) X(lua_dump) X(lua_equal) X(lua_error) \
	X(lua_gc) X(lua_getallocf) X(lua_getfenv) X(lua_getfield) \
	X(lua_gethook) X(lua_gethookcount) X(lua_gethookmask) \
	X(lua_getinfo) X(lua_getlocal) X(lua_getmetatable) \
	X(lua_getstack) X(lua_gettable) X(lua_gettop) X(lua_getupvalue) \
	X(lua_insert) X(lua_iscfunction) X(lua_isnumber) X(lua_isstring) \
	X(lua_isuserdata) X(lua_lessthan) X(lua_load) X(lua_newstate) \
	X(lua_newthread) X(lua_newuserdata) X(lua_next) X(lua_objlen) \
	X(lua_pcall) X(lua_pushboolean) X(lua_pushcclosure) \
	X(lua_pushfstring) X(lua_pushinteger) X(lua_pushlightuserdata) \
	X(lua_pushlstring) X(lua_pushnil) X(lua_pushnumber) \
	X(lua_pushstring) X(lua_pushthread) X(lua_pushvalue) \
	X(lua_pushvfstring) X(lua_rawequal) X(lua_rawget) X(lua_rawgeti) \
	X(lua_rawset) X(lua_rawseti) X(lua_remove) X(lua_replace) \
	X(lua_resume) X(lua_setallocf) X(lua_setfenv) X(lua_setfield) \
	X(lua_sethook) X(lua_setlocal) X(lua_setmetatable) \
	X(lua_settable) X(lua_settop) X(lua_setupvalue) X(lua_status) \
	X(lua_toboolean) X(lua_tocfunction) X(lua_tointeger) \
	X(lua_tolstring) X(lua_tonumber) X(lua_topointer) \
	X(lua_tothread) X(lua_touserdata) X(lua_type) X(lua_typename) \
	X(lua_xmove) X(lua_yield)
/* clang-format on */

/* The pointer, and the jump that has the function's name. */
#define JUMP(name)                                                             \
	__attribute__((visibility("hidden"))) void *private_##name;            \
	__asm__(".pushsection .text\n"                                         \
		".globl " #name "\n"                                           \
		".hidden " #name "\n"                                          \
		".type " #name ", @function\n" #name ":\n"                     \
		"	endbr64\n"                                                   \
		"	jmp *private_" #name "(%rip)\n"                        \
		".size " #name ", . - " #name "\n"                             \
		".popsection\n");

LUA_FUNCTIONS(JUMP)

#define ENTRY(name) {#name, &private_##name},

static const struct {
	const char *name;
	void **to;
} functions[] = {LUA_FUNCTIONS(ENTRY)};

/*
 * Leads all functions to a library, the handle of one that stays loaded.
 * Returns NULL, or what is missing there. The first library is the last: the
 * module's VMs are all of one LuaJIT.
 */
EXPORT const char *ljmemprof_bind(void *library);
EXPORT const char *ljmemprof_bind(void *library)
{
	size_t i, n = sizeof functions / sizeof *functions;
	if (*functions[0].to)
		return dlsym(library, functions[0].name) == *functions[0].to
			       ? NULL
			       : "a second LuaJIT is not profiled";
	for (i = 0; i < n; i++)
		if (!dlsym(library, functions[i].name))
			return functions[i].name;
	/* In one thread at a time: the one whose VM is the first. */
	for (i = n; i-- > 0;)
		*functions[i].to = dlsym(library, functions[i].name);
	return NULL;
}
