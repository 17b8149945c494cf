/*
 * vm_probe.h - photographs of a scratch LuaJIT VM in known situations.
 *
 * A scene is a moment at which it is known what the VM is doing: inside a C
 * function, in Lua code, on a trace. A photograph is a copy of what can be
 * reached then. vm_layout.c looks for the places that fit all of them.
 */
#ifndef LJMEMPROF_VM_PROBE_H
#define LJMEMPROF_VM_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "peek.h"

enum probe_scene {
	PROBE_C,	    /* in a C function, main thread */
	PROBE_C_COROUTINE,  /* in a C function, in a coroutine */
	PROBE_C_COROUTINE2, /* the same, other number of arguments */
	PROBE_C_ALLOC,	    /* a C function allocates */
	PROBE_LUA,	    /* Lua code allocates, main thread */
	PROBE_LUA_COROUTINE,
	PROBE_BUILTIN, /* an assembler built-in allocates */
	PROBE_GC,      /* the collector frees */
	PROBE_CALL,    /* in a C function called through lua_pcall */
	PROBE_CALL2,   /* the same, called from within PROBE_CALL */
	PROBE_TRACE,   /* compiled code allocates */
	PROBE_TRACE2,  /* the same, with more stack of its own */
	PROBE_EXIT,  /* leaving functions[3]'s trace allocates what it saved */
	PROBE_EXIT2, /* the same of functions[4] */
	PROBE_SCENES,
};

/* Results wanted by the lua_pcall of PROBE_CALL; one more of PROBE_CALL2. */
#define PROBE_CALL_RESULTS 40

#define PROBE_GLOBAL_SIZE 2048
#define PROBE_STATE_SIZE  192
#define PROBE_FRAME_SIZE  160
#define PROBE_FRAMES	  4
#define PROBE_STACK_SIZE  4096
#define PROBE_BELOW_SIZE  1024

/* jit_State lies behind global_State, within this many bytes. */
#define PROBE_JIT_SIZE 16384

struct probe_photo {
	bool taken;
	lua_State *L;  /* the running thread */
	int arguments; /* lua_gettop() in C scenes */
	const void
		*function; /* running C function, or Lua function that arms */
	int line;	   /* line that armed the scene */
	uint8_t global[PROBE_GLOBAL_SIZE];
	uint8_t state[PROBE_STATE_SIZE];
	struct {
		int offset;	   /* in state: points to the C stack */
		uintptr_t address; /* where to, flags removed */
		uint8_t bytes[PROBE_FRAME_SIZE];
	} frames[PROBE_FRAMES];
	int frame_count;
	int stack_offset; /* in state: points to the Lua stack; -1 unknown */
	uintptr_t stack;  /* bottom of the Lua stack */
	uint8_t stack_bytes[PROBE_STACK_SIZE];
	size_t stack_size; /* bytes copied */
	/* What lies below the first C frame, the last byte next to it. */
	uint8_t below[PROBE_BELOW_SIZE];
};

/* A function whose figures are known from jit.util. */
struct probe_function {
	const void *address;
	int first_line, last_line;
	int instructions;
	int lines[64]; /* of instruction 1, 2, ... */
	int trace;     /* number of the trace that starts in it; 0 none */
};

/* What jit.util tells of the trace that starts in a function. */
#define PROBE_IR_MAX   256
#define PROBE_SNAP_MAX 32
struct probe_trace {
	bool known;
	uint64_t mcode;
	uint32_t szmcode, nsnap, nins; /* nins: of instructions, unbiased */
	uint16_t types[PROBE_IR_MAX];  /* of instruction 1, 2, ... */
	uint32_t snap_ref[PROBE_SNAP_MAX];
	uint32_t snap_nent[PROBE_SNAP_MAX];
};

/* A level of the stack as the debug API has it. */
#define PROBE_NAME_SIZE 32
struct probe_level {
	const void *function;
	int line;		    /* -1 in a C function */
	char name[PROBE_NAME_SIZE]; /* as called; "" for none */
};
#define PROBE_LEVELS 64

struct probe {
	lua_State *L; /* the scratch VM, its main thread */
	lua_Alloc alloc;
	void *alloc_ud;
	bool gc64;
	uint8_t *global; /* the global_State */
	size_t global_readable;
	int allocf_offset;
	char version[64];
	char chunkname[32];
	bool has_jit;
	struct probe_photo photo[PROBE_SCENES];
	/* [0] plain; the others hold compiled loops: see PROBE_TRACE*, EXIT* */
	struct probe_function functions[5];
	struct probe_trace traces[3]; /* of functions */
	char irnames[6 * 256 + 1];    /* from jit.vmdef; "" without it */
	/* jit_State at two moments while functions[1] was recorded. */
	uint8_t jit_states[2][PROBE_JIT_SIZE];
	int jit_state_count;
	uint8_t exit_states[2][PROBE_JIT_SIZE]; /* at PROBE_EXIT, PROBE_EXIT2 */
	/* armed: the next allocation but skip is taken as this scene */
	int armed, skip;
	/* Set while a trial runs: sees the next allocation of each step. */
	void (*watch)(void *arg, struct probe *probe);
	void *watch_arg;
	bool watch_armed;
	bool watch_all; /* every allocation, not only the armed ones */
	void (*on_free)(void *arg, const void *block); /* or NULL */
	void (*on_record)(void *arg, struct probe *probe, lua_State *L);
	int watch_line;
	const void *watch_function;
	/* The whole stack then, across coroutines. */
	struct probe_level levels[PROBE_LEVELS];
	int level_count;
	void (*on_builtin)(void *arg, const void *function, const char *name);
	void (*on_resumed)(void *arg, struct probe *probe, lua_State *L,
			   int kind);
	void (*on_named)(void *arg, const void *function, int kind);
	void (*on_made)(void *arg, const void *object, int line);
};

/* How the functions of probe_names() call another, of this name. */
#define PROBE_NAME "zzname"
enum probe_name {
	PROBE_NAME_GLOBAL,
	PROBE_NAME_FIELD,  /* of their first argument */
	PROBE_NAME_METHOD, /* the same */
	PROBE_NAME_UPVALUE,
	PROBE_NAME_LOCAL, /* the second one, after "a" */
	PROBE_NAME_MANY,  /* a global with "..." */
	PROBE_NAME_LOADS, /* hands over all sorts of arguments */
	PROBE_NAME_PARAMETERS,
	PROBE_NAME_JUMP, /* if its argument is true */
};
#define PROBE_NAMES 9

/* The lua_CFunction that runs in the scenes PROBE_C* and PROBE_CALL. */
uintptr_t probe_shoot_address(void);

/*
 * Creates the scratch VM and plays all scenes. Returns true, or false with a
 * sentence in error; version is set in either case. The caller closes it.
 */
bool probe_open(struct probe *probe, char *error, size_t error_size);
void probe_close(struct probe *probe);

/*
 * Runs a Lua program of many known allocations; before each, watch is called
 * from inside the allocator with watch_line and watch_function set to what
 * the debug API names. Returns false with a sentence when it fails to run.
 */
bool probe_trial(struct probe *probe,
		 void (*watch)(void *arg, struct probe *probe), void *arg,
		 char *error, size_t error_size);

/*
 * Tells every built-in function that a program can reach by on_builtin; and
 * calls on_resumed from inside coroutines that the main thread resumed, kind 0
 * by coroutine.resume, 1 by coroutine.wrap. Returns false with a sentence when
 * it fails to run.
 */
bool probe_builtins(struct probe *probe,
		    void (*on_builtin)(void *arg, const void *function,
				       const char *name),
		    void (*on_resumed)(void *arg, struct probe *probe,
				       lua_State *L, int kind),
		    void *arg, char *error, size_t error_size);

/*
 * Tells one function of each kind of enum probe_name by on_named, in that
 * order. Returns false with a sentence when it fails to run.
 */
bool probe_names(struct probe *probe,
		 void (*on_named)(void *arg, const void *function, int kind),
		 void *arg, char *error, size_t error_size);

/*
 * Compiles small loops, each with one allocating line; watch is called at
 * every allocation, with watch_line set to that line, and on_record at every
 * instruction the recorder comes to (arguments as jit.attach "record" has
 * them). Returns false with a sentence when it fails to run.
 */
bool probe_trace_trial(struct probe *probe,
		       void (*watch)(void *arg, struct probe *probe),
		       void (*on_record)(void *arg, struct probe *probe,
					 lua_State *L),
		       void *arg, char *error, size_t error_size);

/*
 * Compiles loops whose code saves itself objects of several lines, and makes
 * them anew on being left; then tells each object and its line by on_made.
 * on_record: as above. Returns false with a sentence when it fails to run.
 */
bool probe_exit_trial(struct probe *probe,
		      void (*on_made)(void *arg, const void *object, int line),
		      void (*on_record)(void *arg, struct probe *probe,
					lua_State *L),
		      void *arg, char *error, size_t error_size);

/* Between vm_probe.c and vm_probe_run.c. */

/* Copies as much as can be read, up to n bytes, and returns how much. */
size_t probe_read(const void *address, void *out, size_t n);
/* Takes a scene, of the thread that runs in it, unless it is taken. */
void probe_photograph(struct probe *probe, enum probe_scene scene,
		      lua_State *L);
/* Plays all scenes. Returns false with a sentence when one fails to run. */
bool probe_play_scenes(struct probe *probe, char *error, size_t error_size);

/* The programs, in Lua: see vm_probe_programs.c. */
extern const char probe_scenes_program[];
extern const char probe_trial_program[];
extern const char probe_builtins_program[];
extern const char probe_names_program[];
extern const char probe_traces_program[];
extern const char probe_exits_program[];

#endif
