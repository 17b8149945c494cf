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

#define LUA_FUNCTIONS(X)                                                                                                                                                                                                                                                                                                                                                                                                                                                               \
	X(luaL_error)                                                                                                                                                                                                                                                                                                                                                                                                                                                                  \
	X(luaL_loadbuffer) X(luaL_newstate) X(luaL_openlibs) X(luaL_optlstring) X(lua_call) X(                                                                                                                                                                                                                                                                                                                                                                                         \
		lua_checkstack) X(lua_close) X(lua_cpcall) X(lua_createtable) X(lua_error) X(lua_getallocf)                                                                                                                                                                                                                                                                                                                                                                            \
		X(lua_getfield) X(lua_getinfo) X(lua_getstack) X(lua_gettop) X(lua_insert) X(                                                                                                                                                                                                                                                                                                                                                                                          \
			lua_isstring) X(lua_isuserdata) X(lua_newthread) X(lua_newuserdata) X(lua_next)                                                                                                                                                                                                                                                                                                                                                                                \
			X(lua_pcall) X(lua_pushboolean) X(lua_pushcclosure) X(lua_pushinteger) X(                                                                                                                                                                                                                                                                                                                                                                                      \
				lua_pushlightuserdata) X(lua_pushlstring) X(lua_pushnil) X(lua_pushstring)                                                                                                                                                                                                                                                                                                                                                                             \
				X(lua_pushvalue) X(lua_rawequal) X(lua_rawget) X(lua_rawgeti) X(                                                                                                                                                                                                                                                                                                                                                                                       \
					lua_rawset) X(lua_rawseti) X(lua_remove) X(lua_resume)                                                                                                                                                                                                                                                                                                                                                                                         \
					X(lua_setallocf) X(lua_setfield) X(lua_setmetatable) X(                                                                                                                                                                                                                                                                                                                                                                                        \
						lua_settop) X(lua_toboolean) X(lua_tointeger)                                                                                                                                                                                                                                                                                                                                                                                          \
						X(lua_tolstring) X(lua_tonumber) X(                                                                                                                                                                                                                                                                                                                                                                                                    \
							lua_topointer) X(lua_touserdata) X(lua_type) X(lua_xmove) X(lua_concat) X(lua_equal) X(lua_gc) X(lua_getmetatable) X(lua_getupvalue) X(lua_iscfunction) X(lua_isnumber) X(lua_objlen) X(lua_pushfstring) X(lua_pushnumber) X(lua_pushthread) X(lua_pushvfstring) X(lua_replace) X(lua_sethook) X(lua_settable) X(lua_gettable) X(lua_status) X(lua_tothread) X(lua_tocfunction) X(lua_yield) X(luaL_argerror) X(luaL_checkany) \
							X(luaL_checkinteger) X(luaL_checklstring) X(                                                                                                                                                                                                                                                                                                                                                                                   \
								luaL_checknumber) X(luaL_checkoption)                                                                                                                                                                                                                                                                                                                                                                                  \
								X(luaL_checktype) X(luaL_loadstring) X(                                                                                                                                                                                                                                                                                                                                                                                \
									luaL_optinteger) X(luaL_optnumber)                                                                                                                                                                                                                                                                                                                                                                             \
									X(luaL_ref) X(luaL_unref) X(                                                                                                                                                                                                                                                                                                                                                                                   \
										luaL_checkstack) X(luaL_newmetatable)                                                                                                                                                                                                                                                                                                                                                                  \
										X(luaL_checkudata) X(                                                                                                                                                                                                                                                                                                                                                                                  \
											luaL_traceback)                                                                                                                                                                                                                                                                                                                                                                                \
											X(luaL_where)                                                                                                                                                                                                                                                                                                                                                                                  \
												X(luaL_typerror)

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
