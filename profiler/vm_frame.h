/*
 * vm_frame.h - which line, C function or trace is the VM running right now.
 *
 * Called from inside the allocator: reads memory, calls nothing of Lua's (the
 * debug API crashes there: coroutine.resume of a dead coroutine overwrites its
 * frame's function slot before it allocates). Must run before the original
 * allocator, which may move the very stack that is read.
 *
 * Reads only what the calibrated layout vouches for; every link is checked to
 * lead strictly down and to stay on the stack, every position to lie within
 * its prototype. What does not check out is INTERNAL.
 */
#ifndef LJMEMPROF_VM_FRAME_H
#define LJMEMPROF_VM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm_layout.h"

enum vm_where {
	VM_INTERNAL, /* the VM for itself, or the host without any frame */
	VM_LUA,	     /* proto, pc */
	VM_C,	     /* c_function; no Lua function below it */
	VM_TRACE,    /* trace */
	VM_EXIT,     /* trace: it is being left, what it saved is made now */
};

struct vm_place {
	enum vm_where where;
	uint32_t trace;
	uintptr_t proto;
	const uint32_t *pc; /* the instruction after the one that runs */
	uintptr_t c_function;
};

#define VM_LIKELY(x)   __builtin_expect(!!(x), 1)
#define VM_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define VM_INLINE      static inline __attribute__((always_inline))

/* ---- reading fields; gc64 is a constant wherever these are inlined */

VM_INLINE uint64_t vm_u64(uintptr_t at)
{
	return *(const uint64_t *)at;
}

VM_INLINE uint32_t vm_u32(uintptr_t at)
{
	return *(const uint32_t *)at;
}

VM_INLINE uintptr_t vm_ref(bool gc64, uintptr_t at)
{
	return gc64 ? (uintptr_t)vm_u64(at) : (uintptr_t)vm_u32(at);
}

/* ---- frames: a frame is the address of the slot below its base, which
 * holds the link (GC64: the function is in the slot under that one) */

#define VM_FRAME_TYPE  3
#define VM_FRAME_TYPEP 7
enum vm_frame_type {
	VM_FRAME_LUA = 0, /* the link is a PC, a multiple of four */
	VM_FRAME_C = 1,
	VM_FRAME_CONT = 2,
	VM_FRAME_VARG = 3,
};
/* The continuation of an FFI callback. */
#define VM_CONT_FFI_CALLBACK 1

VM_INLINE int64_t vm_frame_link(bool gc64, uintptr_t frame)
{
	return gc64 ? (int64_t)vm_u64(frame)
		    : (int64_t)(int32_t)vm_u32(frame + 4);
}

/*
 * The function of a frame. 0: the slot holds none (results may overwrite it
 * before an allocation), or the thread itself at the bottom.
 */
VM_INLINE uintptr_t vm_frame_function(bool gc64, uintptr_t frame)
{
	if (gc64) {
		uint64_t slot = vm_u64(frame - 8);
		/* Type tags are negative, the object is in the low 47 bits. */
		if ((int64_t)slot >> 47 != ~(int64_t)VM_GCT_FUNC)
			return 0;
		return slot & (((uint64_t)1 << 47) - 1);
	} else {
		uintptr_t object = vm_u32(frame);
		/* A result that overwrote the slot need not be an address. */
		if (object < 65536 || (object & 7) ||
		    *(const uint8_t *)(object + 5) != VM_GCT_FUNC)
			return 0;
		return object;
	}
}

VM_INLINE uintptr_t vm_cframe(const struct vm_layout *y, uintptr_t L)
{
	return vm_u64(L + (unsigned)y->l_cframe) & ~(uint64_t)3;
}

VM_INLINE uintptr_t vm_cframe_pc(const struct vm_layout *y, bool gc64,
				 uintptr_t cframe)
{
	return vm_ref(gc64, cframe + (unsigned)y->cf_pc);
}

/* A PC as a link or a C frame holds it, or 0 when it cannot be one. */
VM_INLINE uintptr_t vm_checked_pc(bool gc64, uintptr_t pc)
{
	if (pc < 65536 || (pc & 3) || (gc64 && pc >> 47))
		return 0;
	return pc;
}

/*
 * The frame below, or 0 at the bottom or when the link is not sound. bottom
 * is the address of the lowest frame. Built-ins of the narrow VM overwrite
 * their link with a result; the C frame still holds the PC then.
 */
VM_INLINE uintptr_t vm_frame_below(const struct vm_layout *y, bool gc64,
				   uintptr_t frame, uintptr_t bottom,
				   uintptr_t cframe)
{
	int64_t link = vm_frame_link(gc64, frame);
	uintptr_t below, pc;
	if ((link & VM_FRAME_TYPE) == VM_FRAME_LUA || link < 0) {
		pc = gc64 || link >= 0 ? (uintptr_t)link
				       : vm_cframe_pc(y, gc64, cframe);
		pc = vm_checked_pc(gc64, pc);
		if (VM_UNLIKELY(!pc))
			return 0;
		/* Operand A of the call: the slot of the called function. */
		below = frame - 8 * (uintptr_t)(1 + gc64 +
						(vm_u32(pc - 4) >> 8 & 0xff));
	} else {
		below = frame - (uintptr_t)(link & ~(int64_t)VM_FRAME_TYPEP);
	}
	return below < frame && below > bottom ? below : 0;
}

/*
 * Looks for the running place when the VM interprets: *place is VM_LUA, VM_C
 * or VM_INTERNAL. recording: the trace recorder may be what runs.
 */
void vm_frame_slow_place(const struct vm_layout *y, uintptr_t L,
			 uintptr_t frame, uintptr_t bottom, uintptr_t cframe,
			 struct vm_place *place);

/*
 * The instruction behind the one that a Lua function runs, told by the frame
 * above it. 0 when unknown.
 */
uintptr_t vm_frame_caller_pc(const struct vm_layout *y, uintptr_t L,
			     uintptr_t above, uintptr_t bottom,
			     uintptr_t cframe);

/* The line of the pos-th instruction; 0 when stripped. */
uint32_t vm_line(const struct vm_layout *y, uintptr_t proto, uint32_t pos);

/* The line where a trace starts. */
uint32_t vm_trace_start_line(const struct vm_layout *y, uintptr_t trace);

/*
 * The line of a VM_LUA place; false when its PC does not belong to its
 * prototype.
 */
bool vm_place_line(const struct vm_layout *y, const struct vm_place *place,
		   uint32_t *line);

/*
 * The thread that really runs when the one the VM names has no C frame: after
 * a C function resumed another thread, the VM names that one until the C
 * function returns. Looks for the innermost C frame on the native stack, near
 * by; 0 when there is none.
 */
uintptr_t vm_running_thread(const struct vm_layout *y, uintptr_t global);

/*
 * What every event reads of a layout: in one cache line, the global_State's
 * fields as addresses. The calibration's trials run on it, too.
 */
struct vm_near {
	uintptr_t vmstate;  /* address of the int32_t */
	uintptr_t cur_L;    /* address of the reference */
	uintptr_t jit_base; /* address of the reference; 0: no JIT */
	uintptr_t parent;   /* address of the uint32_t; 0: not found */
	uintptr_t trace;    /* address of the pointer */
	int32_t state_gc;
	/* Offsets, as in the layout. */
	uint16_t l_base, l_stack, l_cframe;
	uint16_t cf_pc;
	uint16_t fn_ffid, fn_pc;
	uint16_t pt_size;
	uint16_t trace_spadjust, return_offset;
};

VM_INLINE void vm_near_init(struct vm_near *n, const struct vm_layout *y,
			    uintptr_t global)
{
	n->vmstate = global + (unsigned)y->g_vmstate;
	n->cur_L = global + (unsigned)y->g_cur_L;
	n->jit_base = y->has_jit ? global + (unsigned)y->g_jit_base : 0;
	n->parent = y->g_parent ? global + (unsigned)y->g_parent : 0;
	n->trace = global + (unsigned)y->g_trace;
	n->state_gc = y->state_gc;
	n->l_base = (uint16_t)y->l_base;
	n->l_stack = (uint16_t)y->l_stack;
	n->l_cframe = (uint16_t)y->l_cframe;
	n->cf_pc = (uint16_t)y->cf_pc;
	n->fn_ffid = (uint16_t)y->fn_ffid;
	n->fn_pc = (uint16_t)y->fn_pc;
	n->pt_size = (uint16_t)y->pt_size;
	n->trace_spadjust = (uint16_t)y->trace_spadjust;
	n->return_offset = (uint16_t)y->return_offset;
}

/* Is the collector at work? Then the place is VM_INTERNAL. */
VM_INLINE bool vm_near_collecting(const struct vm_near *n)
{
	return (int32_t)vm_u32(n->vmstate) == n->state_gc;
}

/* The trace of that number; 0 when there is none. */
VM_INLINE uintptr_t vm_near_trace(const struct vm_near *n, bool gc64,
				  uint32_t number)
{
	return vm_ref(gc64,
		      vm_u64(n->trace) + (gc64 ? 8 : 4) * (uintptr_t)number);
}

/*
 * The return address into the trace that runs, read off the C stack; 0 when
 * there is no C frame.
 */
VM_INLINE uintptr_t vm_near_return_address(const struct vm_near *n, bool gc64,
					   uintptr_t trace)
{
	uintptr_t L = vm_ref(gc64, n->cur_L);
	uintptr_t cframe = L ? vm_u64(L + n->l_cframe) & ~(uint64_t)3 : 0;
	uint16_t adjust = *(const uint16_t *)(trace + n->trace_spadjust);
	return cframe ? vm_u64(cframe - n->return_offset - adjust) : 0;
}

VM_INLINE void vm_interpreted_place(const struct vm_near *n,
				    const struct vm_layout *y, bool gc64,
				    uintptr_t L, bool recording,
				    struct vm_place *place)
{
	uintptr_t cframe = vm_u64(L + n->l_cframe) & ~(uint64_t)3;
	uintptr_t frame, bottom, function;
	place->where = VM_INTERNAL;
	if (VM_UNLIKELY(!cframe))
		return; /* host code: nothing runs on this thread */
	frame = vm_u64(L + n->l_base) - 8;
	bottom = vm_ref(gc64, L + n->l_stack) + (gc64 ? 8 : 0);
	if (VM_UNLIKELY(frame <= bottom))
		return;
	function = vm_frame_function(gc64, frame);
	if (VM_LIKELY(function && !*(const uint8_t *)(function + n->fn_ffid))) {
		uintptr_t pc = vm_ref(gc64, cframe + n->cf_pc);
		/* The thread in place of a PC: recorder or trace exit. */
		if (VM_UNLIKELY(pc == L || !pc))
			return;
		place->where = VM_LUA;
		place->proto = vm_ref(gc64, function + n->fn_pc) - n->pt_size;
		place->pc = (const uint32_t *)pc;
		return;
	}
	/* The recorder in its own C frame, called for a built-in on top. */
	if (VM_UNLIKELY(recording) &&
	    *(const int32_t *)(cframe + (unsigned)y->cf_nres) < 0)
		return;
	vm_frame_slow_place(y, L, frame, bottom, cframe, place);
}

/*
 * Where the VM of this global_State is; n was made of y and global.
 * Cost: a few nanoseconds with a Lua function on top.
 */
VM_INLINE void vm_near_place(const struct vm_near *n, const struct vm_layout *y,
			     bool gc64, uintptr_t global,
			     struct vm_place *place)
{
	int32_t state = (int32_t)vm_u32(n->vmstate);
	uintptr_t L;
	place->where = VM_INTERNAL;
	if (state > 0) {
		if (!n->jit_base)
			return;
		/* Without jit_base the state is stale: interpreted. */
		if (vm_ref(gc64, n->jit_base)) {
			place->where = VM_TRACE;
			place->trace = (uint32_t)state;
			return;
		}
	} else if (VM_UNLIKELY(state <= n->state_gc)) {
		if (state == n->state_gc - 1 && n->parent) {
			place->where = VM_EXIT;
			place->trace = vm_u32(n->parent);
			return;
		}
		/*
		 * Collector, trace exit, optimiser, assembler. The recorder
		 * (-2) leaves its state set while the interpreter goes on.
		 */
		if (state != n->state_gc - 2)
			return;
	}
	L = vm_ref(gc64, n->cur_L);
	if (VM_UNLIKELY(!L || vm_u64(L + n->l_cframe) < 4)) {
		L = vm_running_thread(y, global);
		if (!L)
			return;
	}
	vm_interpreted_place(n, y, gc64, L, state == n->state_gc - 2, place);
}

/* The same for once. */
VM_INLINE void vm_place(const struct vm_layout *y, bool gc64, uintptr_t global,
			struct vm_place *place)
{
	struct vm_near n;
	vm_near_init(&n, y, global);
	vm_near_place(&n, y, gc64, global, place);
}

#endif
