/*
 * vm_stack.c - the stack of the VM that runs: who called whom, to the bottom.
 */
#include "vm_stack.h"

/* C frames of one thread; far beyond any real nesting. */
#define CFRAMES_MAX 10000

/* A walk at one of its frames. */
struct walk {
	const struct vm_layout *y;
	const struct vm_stack_facts *facts;
	bool gc64;
	uintptr_t L, cframe, bottom;
	uint32_t max;
	struct vm_stack *stack;
	uintptr_t *objects;
};

VM_INLINE void enter_thread(struct walk *w, uintptr_t L)
{
	w->L = L;
	w->cframe = vm_cframe(w->y, L);
	w->bottom = vm_ref(w->gc64, L + (unsigned)w->y->l_stack) +
		    (w->gc64 ? 8 : 0);
}

static bool is_lua(const struct walk *w, uintptr_t function)
{
	return *(const uint8_t *)(function + (unsigned)w->y->fn_ffid) == 0;
}

/* The prototype of a Lua function, or another function; 0: none. */
static uintptr_t object_of(const struct walk *w, uintptr_t frame)
{
	uintptr_t function = vm_frame_function(w->gc64, frame);
	if (!function || !is_lua(w, function))
		return function;
	return vm_ref(w->gc64, function + (unsigned)w->y->fn_pc) -
	       (unsigned)w->y->pt_size;
}

/* Adds a frame; false when there is no room for it. */
VM_INLINE bool add(struct walk *w, uint64_t key, uintptr_t frame, bool detail)
{
	if (VM_UNLIKELY(w->stack->count >= w->max)) {
		if (detail)
			w->objects[w->stack->count] = 0;
		vm_stack_push(w->stack, VM_KEY_GAP(LJM_GAP_DEPTH));
		return false;
	}
	if (detail)
		w->objects[w->stack->count] = frame ? object_of(w, frame) : 0;
	vm_stack_push(w->stack, key);
	return true;
}

static uint64_t key_of_function(const struct walk *w, uintptr_t function)
{
	uint8_t ffid = *(const uint8_t *)(function + (unsigned)w->y->fn_ffid);
	if (ffid > 1)
		return VM_KEY(VM_KEY_SMALL, ffid);
	return VM_KEY(VM_KEY_C, vm_u64(function + (unsigned)w->y->fn_c));
}

/* Is the thread itself in the function's slot, as in a frame of no function? */
static bool holds_thread(const struct walk *w, uintptr_t frame)
{
	if (w->gc64)
		return vm_u64(frame - 8) << 17 >> 17 == w->L;
	return vm_u32(frame) == w->L;
}

/*
 * The frame below one whose link is no PC, and its key, 0 for none. Returns 0
 * at the end, with the key of a gap if that is not the bottom.
 */
static __attribute__((noinline)) uintptr_t slow_step(const struct walk *w,
						     uintptr_t frame,
						     uint64_t *key)
{
	int64_t link = vm_frame_link(w->gc64, frame);
	uintptr_t below, function, pc;
	*key = VM_KEY_GAP(LJM_GAP_UNKNOWN);
	if ((link & VM_FRAME_TYPE) != VM_FRAME_LUA && link >= 0 &&
	    frame - (uintptr_t)(link & ~(int64_t)VM_FRAME_TYPEP) == w->bottom) {
		*key = 0;
		return 0;
	}
	below = vm_frame_below(w->y, w->gc64, frame, w->bottom, w->cframe);
	if (!below)
		return 0;
	/* Below a vararg frame lies its own function once more. */
	if ((link & VM_FRAME_TYPEP) == VM_FRAME_VARG) {
		*key = 0;
		return below;
	}
	function = vm_frame_function(w->gc64, below);
	if (!function) {
		if (holds_thread(w, below))
			*key = 0;
	} else if (!is_lua(w, function)) {
		*key = key_of_function(w, function);
	} else {
		pc = vm_checked_pc(w->gc64,
				   vm_frame_caller_pc(w->y, w->L, frame,
						      w->bottom, w->cframe));
		if (pc)
			*key = pc;
	}
	return below;
}

/*
 * The thread that resumed this one from the built-in coroutine.resume or
 * .wrap; 0 when a C function did, or nobody.
 */
static uintptr_t resumer(const struct walk *w)
{
	const struct vm_stack_facts *f = w->facts;
	uintptr_t cframe = w->cframe, up, from, L;
	int guard = 0;
	if (!f->resume_distance)
		return 0;
	while ((up = vm_u64(cframe + (unsigned)w->y->cf_prev) & ~(uint64_t)3)) {
		if (up <= cframe || guard++ > CFRAMES_MAX)
			return 0;
		cframe = up;
	}
	up = cframe + f->resume_distance;
	from = vm_u64(up - 8);
	if (from != f->resume_returns[0] && from != f->resume_returns[1])
		return 0;
	L = vm_ref(w->gc64, up + (unsigned)w->y->cf_L);
	return vm_cframe(w->y, L) == up ? L : 0;
}

static bool is_main(const struct walk *w)
{
	uintptr_t global = vm_ref(w->gc64, w->L + (unsigned)w->y->l_glref);
	return global - w->facts->main_distance == w->L;
}

/* The frame on top of a thread; false when there is no room for it. */
VM_INLINE bool add_top(struct walk *w, uintptr_t *frame, bool detail)
{
	uint64_t key = VM_KEY_GAP(LJM_GAP_UNKNOWN);
	uintptr_t function, pc;
	*frame = vm_u64(w->L + (unsigned)w->y->l_base) - 8;
	function = vm_frame_function(w->gc64, *frame);
	if (VM_LIKELY(function && is_lua(w, function))) {
		pc = vm_checked_pc(w->gc64,
				   vm_cframe_pc(w->y, w->gc64, w->cframe));
		if (pc && pc != w->L)
			key = pc;
	} else if (function) {
		key = key_of_function(w, function);
	}
	return add(w, key, *frame, detail);
}

/* Adds the frames below this one, of this thread. false: no room. */
VM_INLINE bool add_below(struct walk *w, uintptr_t frame, bool detail)
{
	for (;;) {
		int64_t link = vm_frame_link(w->gc64, frame);
		uintptr_t below;
		uint64_t key;
		if (VM_LIKELY((link & VM_FRAME_TYPE) == VM_FRAME_LUA &&
			      vm_checked_pc(w->gc64, (uintptr_t)link) &&
			      (w->gc64 || link > 0))) {
			key = (uint64_t)link;
			/* Operand A of the call. */
			below = frame -
				8 * (uintptr_t)(1 + w->gc64 +
						(vm_u32((uintptr_t)link - 4) >>
							 8 &
						 0xff));
			if (VM_UNLIKELY(below <= w->bottom)) {
				key = VM_KEY_GAP(LJM_GAP_UNKNOWN);
				below = 0;
			}
		} else {
			below = slow_step(w, frame, &key);
		}
		if (key && !add(w, key, below, detail))
			return false;
		if (VM_UNLIKELY(!below))
			return true;
		frame = below;
	}
}

VM_INLINE void add_threads(struct walk *w, uintptr_t frame, bool detail)
{
	uintptr_t L;
	for (;;) {
		if (!add_below(w, frame, detail) || is_main(w))
			return;
		L = resumer(w);
		if (!L)
			break;
		enter_thread(w, L);
		if (!add_top(w, &frame, detail))
			return;
	}
	/* A C function of the host resumed it, from wherever it was called. */
	if (!w->stack->count ||
	    w->stack->keys[w->stack->count - 1] != VM_KEY_GAP(LJM_GAP_UNKNOWN))
		add(w, VM_KEY_GAP(LJM_GAP_UNKNOWN), 0, detail);
}

VM_INLINE void walk(const struct vm_layout *y,
		    const struct vm_stack_facts *facts, bool gc64, uintptr_t L,
		    uintptr_t base, uint32_t max, struct vm_stack *stack,
		    uintptr_t *objects, bool detail)
{
	struct walk w = {y, facts, gc64, 0, 0, 0, max, stack, objects};
	uintptr_t frame = base - 8;
	enter_thread(&w, L);
	if (base ? frame > w.bottom : add_top(&w, &frame, detail))
		add_threads(&w, frame, detail);
}

void vm_stack_walk_below(const struct vm_layout *y,
			 const struct vm_stack_facts *facts, uintptr_t L,
			 uintptr_t base, uint32_t max, struct vm_stack *stack,
			 uintptr_t *objects)
{
	if (objects)
		walk(y, facts, y->gc64, L, base, max, stack, objects, true);
	else if (y->gc64)
		walk(y, facts, true, L, base, max, stack, NULL, false);
	else
		walk(y, facts, false, L, base, max, stack, NULL, false);
}

void vm_stack_walk(const struct vm_layout *y,
		   const struct vm_stack_facts *facts, uintptr_t L,
		   uint32_t max, struct vm_stack *stack, uintptr_t *objects)
{
	vm_stack_walk_below(y, facts, L, 0, max, stack, objects);
}
