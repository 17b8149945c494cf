/*
 * host.c - a small program that embeds LuaJIT, with our module linked in.
 *
 *   lua-host SCRIPT [ARGUMENT...]
 *
 * Linked in, so that sanitizers see it without LD_PRELOAD. Under the VM lies
 * an allocator of our own that counts: an oracle that knows nothing of the
 * recorder. Besides misc and ljmemprof a script finds the table "host":
 *
 *   host.counts()   allocs, alloc bytes, reallocs, old bytes, new bytes,
 *                   frees, free bytes; of calls that succeeded
 *   host.wrap()     puts a counting allocator on top of what is there
 *   host.unwrap()   takes it away again if it is on top; true if it was
 *   host.bypass()   puts the VM's first allocator in everyone's place
 *   host.wrapped()  calls that passed through it
 *   host.top()      the allocator and its ud, as a text
 *   host.call(f)    calls f through lua_pcall with no results
 *   host.table([n]) n allocations by a C function; the last one is returned
 *   host.keep()     a C function that leaves a table behind
 *   host.fail_at(n, forever)  the n-th attempt from now to allocate or grow
 *                   fails, and all later ones if forever; 0: none
 *   host.attempts() attempts since the last fail_at or act_at
 *   host.act_at(n, what)  at the n-th attempt from now the allocator does
 *                   what: "throw" a Lua error, "jump" to main(), which ends
 *                   with status 7, "sleep" for two seconds, "kill" with 9,
 *                   "usr2" with SIGUSR2
 *   host.resume(f)  resumes f in a new thread, then returns a userdata
 *                   of 7,777 bytes
 *   host.forbid()   makes process_vm_readv fail, as containers do
 *   host.script_vm(text, argument)  runs text in a VM of its own, closes it
 *   host.thread_vms(n, text)  the same in n threads at once, argument 1..n
 *   host.malloc_vm(text)  the same in a VM that lua_newstate() made
 *   host.handed_vm(text)  the same, made and run in another thread, closed here
 *   host.leave_vm(text)   the same in another thread, without waiting for it
 *   host.visit(path)      loads a library, calls its function "visit" in a
 *                   thread without Lua callers, unloads the library
 *   host.exit_on_alarm(us)  a signal whose handler calls exit(5)
 *   host.vfork(path)      vfork(), and exec() of path in the child
 */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_misc(lua_State *L);
int luaopen_ljmemprof(lua_State *L);
int luaopen_ljmemprof_check(lua_State *L);

struct counts {
	uint64_t allocs, alloc_bytes;
	uint64_t reallocs, old_bytes, new_bytes;
	uint64_t frees, free_bytes;
};

struct allocator {
	lua_Alloc below;
	void *below_ud;
	struct counts counts;
	uint64_t attempts; /* since fail_at() */
	uint64_t fail_at;  /* 0: never */
	int fail_forever;
	uint64_t act_at; /* 0: never */
	char act;	 /* first letter of what to do then */
	lua_State *L;
};

static jmp_buf in_main;

static void act(struct allocator *a)
{
	switch (a->act) {
	case 't':
		luaL_error(a->L, "thrown");
		break;
	case 'j':
		longjmp(in_main, 1);
	case 's':
		sleep(2);
		break;
	case 'u':
		raise(SIGUSR2);
		break;
	default:
		kill(getpid(), SIGKILL);
	}
}

static int must_fail(struct allocator *a)
{
	a->attempts++;
	if (a->act_at && a->attempts == a->act_at)
		act(a);
	return a->fail_at && (a->fail_forever ? a->attempts >= a->fail_at
					      : a->attempts == a->fail_at);
}

static void *count_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct allocator *a = ud;
	struct counts *c = &a->counts;
	void *block;
	/* Shrinking must not fail, says Lua. */
	if (nsize > osize && must_fail(a))
		return NULL;
	block = a->below(a->below_ud, ptr, osize, nsize);
	if (nsize == 0) {
		c->frees += ptr != NULL;
		c->free_bytes += ptr ? osize : 0;
	} else if (block && !ptr) {
		c->allocs++;
		c->alloc_bytes += nsize;
	} else if (block) {
		c->reallocs++;
		c->old_bytes += osize;
		c->new_bytes += nsize;
	}
	return block;
}

static struct allocator *upvalue_allocator(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

static int host_counts(lua_State *L)
{
	const struct counts *c = &upvalue_allocator(L)->counts;
	lua_pushnumber(L, (double)c->allocs);
	lua_pushnumber(L, (double)c->alloc_bytes);
	lua_pushnumber(L, (double)c->reallocs);
	lua_pushnumber(L, (double)c->old_bytes);
	lua_pushnumber(L, (double)c->new_bytes);
	lua_pushnumber(L, (double)c->frees);
	lua_pushnumber(L, (double)c->free_bytes);
	return 7;
}

static int host_fail_at(lua_State *L)
{
	struct allocator *a = upvalue_allocator(L);
	a->attempts = 0;
	a->fail_at = (uint64_t)luaL_checkinteger(L, 1);
	a->fail_forever = lua_toboolean(L, 2);
	return 0;
}

static int host_act_at(lua_State *L)
{
	struct allocator *a = upvalue_allocator(L);
	a->attempts = 0;
	a->act_at = (uint64_t)luaL_checkinteger(L, 1);
	a->act = *luaL_optstring(L, 2, "kill");
	a->L = L;
	return 0;
}

static int host_attempts(lua_State *L)
{
	lua_pushnumber(L, (double)upvalue_allocator(L)->attempts);
	return 1;
}

/* The wrapper of host.wrap(): one of the process is enough for the tests. */
static struct allocator wrapper;

static int host_wrap(lua_State *L)
{
	wrapper.below = lua_getallocf(L, &wrapper.below_ud);
	lua_setallocf(L, count_alloc, &wrapper);
	return 0;
}

static int host_unwrap(lua_State *L)
{
	void *ud;
	int on_top = lua_getallocf(L, &ud) == count_alloc && ud == &wrapper;
	if (on_top)
		lua_setallocf(L, wrapper.below, wrapper.below_ud);
	lua_pushboolean(L, on_top);
	return 1;
}

static int host_bypass(lua_State *L)
{
	lua_setallocf(L, count_alloc, upvalue_allocator(L));
	return 0;
}

static int host_wrapped(lua_State *L)
{
	const struct counts *c = &wrapper.counts;
	lua_pushnumber(L, (double)(c->allocs + c->reallocs + c->frees));
	return 1;
}

static int host_top(lua_State *L)
{
	void *ud;
	lua_Alloc f = lua_getallocf(L, &ud);
	lua_pushfstring(L, "%p %p", (void *)(uintptr_t)f, ud);
	return 1;
}

static int host_call(lua_State *L)
{
	lua_settop(L, 1);
	if (lua_pcall(L, 0, 0, 0))
		return lua_error(L);
	return 0;
}

static int host_table(lua_State *L)
{
	int n = (int)luaL_optinteger(L, 1, 1);
	while (n-- > 0) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	return 1;
}

static int host_keep(lua_State *L)
{
	lua_newtable(L);
	luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int host_resume(lua_State *L)
{
	lua_State *co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_resume(co, 0);
	/* LuaJIT still believes that co runs. */
	lua_newuserdata(L, 7777);
	return 1;
}

static int host_forbid(lua_State *L)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return luaL_error(L, "no seccomp");
	return 0;
}

/* No Lua function is on the new thread: the C function stands for itself. */
static int host_visit(lua_State *L)
{
	void *library = dlopen(luaL_checkstring(L, 1), RTLD_NOW);
	lua_State *co = lua_newthread(L);
	lua_CFunction visit = NULL;
	if (library)
		*(void **)&visit = dlsym(library, "visit");
	if (!visit)
		return luaL_error(L, "%s", dlerror());
	lua_pushcfunction(co, visit);
	lua_resume(co, 0);
	lua_pushfstring(L, "%p", (void *)(uintptr_t)visit);
	dlclose(library);
	return 1;
}

static int host_vfork(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	int status = -1;
	pid_t pid = vfork();
	if (pid == 0) {
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	lua_pushinteger(L, status);
	return 1;
}

static void exit_now(int number)
{
	(void)number;
	exit(5);
}

static int host_exit_on_alarm(lua_State *L)
{
	signal(SIGALRM, exit_now);
	ualarm((useconds_t)luaL_checkinteger(L, 1), 0);
	return 0;
}

static int host_script_vm(lua_State *L);
static int host_thread_vms(lua_State *L);
static int host_malloc_vm(lua_State *L);
static int host_handed_vm(lua_State *L);
static int host_leave_vm(lua_State *L);

static void set_function(lua_State *L, const char *name, lua_CFunction f,
			 struct allocator *a)
{
	lua_pushlightuserdata(L, a);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, -2, name);
}

static void *malloc_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	(void)ud;
	(void)osize;
	if (nsize)
		return realloc(ptr, nsize);
	free(ptr);
	return NULL;
}

/* Makes everything open in it, on a counting allocator over its own. */
static lua_State *open_vm(lua_State *L, struct allocator *a)
{
	if (!L)
		return NULL;
	luaL_openlibs(L);
	a->below = lua_getallocf(L, &a->below_ud);
	lua_setallocf(L, count_alloc, a);
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	lua_pushcfunction(L, luaopen_misc);
	lua_setfield(L, -2, "misc");
	lua_pushcfunction(L, luaopen_ljmemprof);
	lua_setfield(L, -2, "ljmemprof");
	lua_pushcfunction(L, luaopen_ljmemprof_check);
	lua_setfield(L, -2, "ljmemprof.check");
	lua_pop(L, 2);
	lua_newtable(L);
	set_function(L, "counts", host_counts, a);
	set_function(L, "wrap", host_wrap, a);
	set_function(L, "unwrap", host_unwrap, a);
	set_function(L, "bypass", host_bypass, a);
	set_function(L, "wrapped", host_wrapped, a);
	set_function(L, "top", host_top, a);
	set_function(L, "call", host_call, a);
	set_function(L, "table", host_table, a);
	set_function(L, "keep", host_keep, a);
	set_function(L, "fail_at", host_fail_at, a);
	set_function(L, "attempts", host_attempts, a);
	set_function(L, "act_at", host_act_at, a);
	set_function(L, "visit", host_visit, a);
	set_function(L, "vfork", host_vfork, a);
	set_function(L, "exit_on_alarm", host_exit_on_alarm, a);
	set_function(L, "malloc_vm", host_malloc_vm, a);
	set_function(L, "handed_vm", host_handed_vm, a);
	set_function(L, "leave_vm", host_leave_vm, a);
	set_function(L, "resume", host_resume, a);
	set_function(L, "forbid", host_forbid, a);
	set_function(L, "script_vm", host_script_vm, a);
	set_function(L, "thread_vms", host_thread_vms, a);
	lua_setglobal(L, "host");
	return L;
}

static void close_vm(lua_State *L, struct allocator *a)
{
	void *ud;
	/* Left on top, it would keep LuaJIT from freeing its arena. */
	lua_gc(L, LUA_GCCOLLECT, 0);
	if (lua_getallocf(L, &ud) == count_alloc && ud == a)
		lua_setallocf(L, a->below, a->below_ud);
	lua_close(L);
}

static int run_text(lua_State *L, const char *text, int argument)
{
	int failed = luaL_loadstring(L, text);
	if (!failed) {
		lua_pushinteger(L, argument);
		failed = lua_pcall(L, 1, 0, 0);
	}
	if (failed)
		fprintf(stderr, "VM %d: %s\n", argument, lua_tostring(L, -1));
	return failed;
}

static int run_in_vm(lua_State *L, const char *text, int argument)
{
	struct allocator a;
	int failed;
	memset(&a, 0, sizeof a);
	L = open_vm(L, &a);
	if (!L)
		return 1;
	failed = run_text(L, text, argument);
	close_vm(L, &a);
	return failed;
}

static int host_script_vm(lua_State *L)
{
	lua_pushboolean(L, run_in_vm(luaL_newstate(), luaL_checkstring(L, 1),
				     (int)luaL_optinteger(L, 2, 0)) == 0);
	return 1;
}

struct job {
	pthread_t thread;
	const char *text;
	int argument, failed;
};

static void *run_job(void *arg)
{
	struct job *job = arg;
	job->failed = run_in_vm(luaL_newstate(), job->text, job->argument);
	return NULL;
}

static int host_thread_vms(lua_State *L)
{
	struct job jobs[16];
	int n = (int)luaL_checkinteger(L, 1), i, failed = 0;
	const char *text = luaL_checkstring(L, 2);
	luaL_argcheck(L, n >= 1 && n <= 16, 1, "1 to 16 threads");
	for (i = 0; i < n; i++) {
		jobs[i].text = text;
		jobs[i].argument = i + 1;
		if (pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]))
			return luaL_error(L, "no thread");
	}
	for (i = 0; i < n; i++) {
		pthread_join(jobs[i].thread, NULL);
		failed |= jobs[i].failed;
	}
	lua_pushboolean(L, !failed);
	return 1;
}

static int host_malloc_vm(lua_State *L)
{
	lua_pushboolean(L, run_in_vm(lua_newstate(malloc_alloc, NULL),
				     luaL_checkstring(L, 1), 0) == 0);
	return 1;
}

struct handed {
	lua_State *L;
	struct allocator a;
	const char *text;
	int failed;
};

static void *make_and_run(void *arg)
{
	struct handed *h = arg;
	h->L = open_vm(luaL_newstate(), &h->a);
	h->failed = !h->L || run_text(h->L, h->text, 0);
	return NULL;
}

static int host_handed_vm(lua_State *L)
{
	struct handed h;
	pthread_t thread;
	memset(&h, 0, sizeof h);
	h.text = luaL_checkstring(L, 1);
	if (pthread_create(&thread, NULL, make_and_run, &h))
		return luaL_error(L, "no thread");
	pthread_join(thread, NULL);
	if (h.L)
		close_vm(h.L, &h.a);
	lua_pushboolean(L, !h.failed);
	return 1;
}

/* Left to itself: the process ends while it works. */
static int host_leave_vm(lua_State *L)
{
	static struct job job;
	job.text = strdup(luaL_checkstring(L, 1));
	if (pthread_create(&job.thread, NULL, run_job, &job))
		return luaL_error(L, "no thread");
	return 0;
}

int main(int argc, char **argv)
{
	static struct allocator a;
	lua_State *L;
	int i, failed;
	if (setjmp(in_main))
		return 7; /* the VM cannot go on */
	L = argc > 1 ? open_vm(luaL_newstate(), &a) : NULL;
	if (!L) {
		fprintf(stderr, "usage: lua-host SCRIPT [ARGUMENT...]\n");
		return 2;
	}
	lua_newtable(L);
	for (i = 0; i + 1 < argc; i++) {
		lua_pushstring(L, argv[i + 1]);
		lua_rawseti(L, -2, i);
	}
	lua_setglobal(L, "arg");
	failed = luaL_loadfile(L, argv[1]) || lua_pcall(L, 0, 0, 0);
	if (failed)
		fprintf(stderr, "lua-host: %s\n", lua_tostring(L, -1));
	close_vm(L, &a);
	return failed ? 1 : 0;
}
