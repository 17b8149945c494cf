/*
 * process_vm.c - what this process's LuaJIT is, measured once.
 */
#include "process_vm.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "process_lock.h"
#include "vm_layout.h"
#include "vm_stack.h"
#include "vm_trace.h"

/* How long a fork() waits for another thread to have measured. */
#define PATIENCE_MILLISECONDS 1000

#if defined(__x86_64__) && defined(__linux__) && defined(__LP64__)
#define PLATFORM_SUPPORTED 1
#else
#define PLATFORM_SUPPORTED 0
#endif

/* The layout of this process's LuaJIT: measured once, when it succeeds. */
static struct {
	struct process_lock lock; /* a child measures anew what is half done */
	bool measured;
	struct vm_layout layout;
	struct vm_traces primed; /* what the measurement learnt */
	struct vm_stack_facts facts;
	char version[64];
	char description[128];
} vm;

/*
 * No child is forked while another thread measures: that thread raises and
 * compiles, which takes a lock of libgcc's that the child would inherit for
 * ever.
 */
static __thread bool forks_locked;

static void before_fork(void)
{
	forks_locked = process_lock_within(&vm.lock, PATIENCE_MILLISECONDS);
}

static void after_fork_in_parent(void)
{
	if (forks_locked)
		process_unlock(&vm.lock);
}

/* When loaded, not with the first VM: a fork may have begun by then. */
static __attribute__((constructor)) void prepare_for_fork(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, NULL);
}

static const struct recorder_vm recorder_vm = {&vm.layout, &vm.primed,
					       &vm.facts, vm.description};

static void describe(void)
{
	snprintf(vm.description, sizeof vm.description, "%s x86-64%s%s",
		 vm.version, vm.layout.gc64 ? " GC64" : "",
		 vm.layout.has_jit ? " JIT" : "");
}

/* Measures the layout; false with a sentence about what was found. */
static bool get_layout(char *message, size_t size)
{
	char error[160] = "";
	struct utsname host;
	bool ok;
	if (!PLATFORM_SUPPORTED) {
		if (uname(&host) != 0)
			memset(&host, 0, sizeof host);
		snprintf(message, size,
			 "profiling needs Linux on x86-64, this is %s on %s",
			 host.sysname, host.machine);
		return false;
	}
	process_lock(&vm.lock);
	if (!vm.measured) {
		vm.measured = vm_layout_measure(
			&vm.layout, &vm.primed, &vm.facts, vm.version,
			sizeof vm.version, error, sizeof error);
		describe();
	}
	ok = vm.measured;
	if (!ok)
		snprintf(message, size, "cannot profile %s: %s", vm.version,
			 error);
	process_unlock(&vm.lock);
	return ok;
}

const struct recorder_vm *process_vm(lua_State *L, uint32_t depth,
				     char *message, size_t size)
{
	char error[160] = "";
	if (!get_layout(message, size))
		return NULL;
	if (!vm_layout_verify(&vm.layout, L, error, sizeof error)) {
		snprintf(message, size, "cannot profile this VM (%s): %s",
			 vm.version, error);
		return NULL;
	}
	if (depth && !vm.facts.verified) {
		snprintf(message, size, "cannot record the stacks of %s",
			 vm.version);
		return NULL;
	}
	return &recorder_vm;
}

const char *process_vm_description(void)
{
	return vm.description;
}
