/*
 * vm_frame.c - the way down from a C function to the line that called it.
 */
#include "vm_frame.h"

#include <errno.h>
#include <string.h>

#include "peek.h"

/* C frames are nested by the host's own recursion; far beyond any real one. */
#define CFRAMES_MAX 10000

/*
 * The PC of a Lua function right below a C boundary (a hook, a finalizer, an
 * error handler): it is saved in an older C frame. Goes down the frames of
 * the stack and the C frames side by side. 0 when unknown.
 */
static uintptr_t pc_below_boundary(const struct vm_layout *y, uintptr_t L,
				   uintptr_t above, uintptr_t bottom)
{
	bool gc64 = y->gc64;
	uintptr_t cframe = vm_cframe(y, L);
	uintptr_t stack = vm_ref(gc64, L + (unsigned)y->l_stack);
	uintptr_t frame = vm_u64(L + (unsigned)y->l_base) - 8;
	int guard = 0;
	for (;;) {
		int64_t link;
		int32_t nres;
		bool callback;
		if (!cframe || guard++ > CFRAMES_MAX)
			return 0;
		/* A cpcall has no frame; nres is minus its stack position. */
		while ((nres = *(const int32_t *)(cframe +
						  (unsigned)y->cf_nres)) < 0) {
			if (frame >= stack + (uintptr_t)(-(int64_t)nres))
				break;
			cframe = vm_u64(cframe + (unsigned)y->cf_prev) &
				 ~(uint64_t)3;
			if (!cframe || guard++ > CFRAMES_MAX)
				return 0;
		}
		if (frame < above)
			break;
		link = vm_frame_link(gc64, frame);
		callback = (link & VM_FRAME_TYPEP) == VM_FRAME_CONT &&
			   (gc64 ? vm_u64(frame - 24) : vm_u32(frame - 8)) ==
				   VM_CONT_FFI_CALLBACK;
		if ((link & VM_FRAME_TYPE) == VM_FRAME_C || callback)
			cframe = vm_u64(cframe + (unsigned)y->cf_prev) &
				 ~(uint64_t)3;
		frame = vm_frame_below(y, gc64, frame, bottom, cframe);
		if (!frame)
			break;
	}
	if (!cframe)
		return 0;
	cframe = vm_cframe_pc(y, gc64, cframe);
	return cframe == L ? 0 : cframe;
}

uintptr_t vm_frame_caller_pc(const struct vm_layout *y, uintptr_t L,
			     uintptr_t above, uintptr_t bottom,
			     uintptr_t cframe)
{
	bool gc64 = y->gc64;
	int64_t link = vm_frame_link(gc64, above);
	if (link < 0)
		return gc64 ? 0 : vm_cframe_pc(y, gc64, cframe);
	if ((link & VM_FRAME_TYPE) == VM_FRAME_LUA)
		return (uintptr_t)link;
	if ((link & VM_FRAME_TYPEP) == VM_FRAME_CONT)
		return gc64 ? vm_u64(above - 16) : vm_u32(above - 4);
	return pc_below_boundary(y, L, above, bottom);
}

void vm_frame_slow_place(const struct vm_layout *y, uintptr_t L,
			 uintptr_t frame, uintptr_t bottom, uintptr_t cframe,
			 struct vm_place *place)
{
	bool gc64 = y->gc64;
	uintptr_t function = vm_frame_function(gc64, frame);
	uintptr_t c_function = 0, above;
	if (function)
		c_function = vm_u64(function + (unsigned)y->fn_c);
	for (;;) {
		above = frame;
		frame = vm_frame_below(y, gc64, frame, bottom, cframe);
		if (!frame)
			break;
		/* Below a vararg frame lies its own function once more. */
		if ((vm_frame_link(gc64, above) & VM_FRAME_TYPEP) ==
		    VM_FRAME_VARG)
			continue;
		function = vm_frame_function(gc64, frame);
		if (!function ||
		    *(const uint8_t *)(function + (unsigned)y->fn_ffid))
			continue;
		place->pc = (const uint32_t *)vm_frame_caller_pc(
			y, L, above, bottom, cframe);
		if (!place->pc)
			return;
		place->where = VM_LUA;
		place->proto = vm_ref(gc64, function + (unsigned)y->fn_pc) -
			       (unsigned)y->pt_size;
		return;
	}
	if (c_function) {
		place->where = VM_C;
		place->c_function = c_function;
	}
}

/* How far up the native stack to look: some calls of C functions. */
#define RUNNING_REACH 2048
/* Of the head of an object that may be a thread; holds l_glref. */
#define THREAD_HEAD 24
/* No object of the VM lies nearer to the running frames: most of their words
 * that are addresses lead to one another. */
#define STACK_NEAR (64u << 10)
/* What is on a page with something that is there, is there. */
#define PAGE_SIZE ((uintptr_t)4096)

/* Is it a thread of this VM whose C frame is this one? */
static bool owns_cframe(const struct vm_layout *y, uintptr_t thread,
			uintptr_t cframe)
{
	uint8_t word[8];
	if (peek_memory((const void *)(thread + (unsigned)y->l_cframe), word,
			sizeof word) != sizeof word)
		return false;
	return (peek_u64(word) & ~(uint64_t)3) == cframe;
}

/* The first thread of this VM among these that owns its C frame; or 0. */
static uintptr_t first_owner(const struct vm_layout *y, uintptr_t global,
			     const uintptr_t *threads, const uintptr_t *cframes,
			     size_t count)
{
	uint8_t heads[PEEK_EACH_MAX * THREAD_HEAD];
	bool there[PEEK_EACH_MAX];
	size_t i;
	if (y->l_glref > THREAD_HEAD - 8)
		return 0;
	peek_each(threads, count, heads, THREAD_HEAD, there);
	for (i = 0; i < count; i++) {
		const uint8_t *head = heads + i * THREAD_HEAD;
		if (there[i] && head[y->gc64 ? 9 : 5] == VM_GCT_THREAD &&
		    peek_ref(y->gc64, head + y->l_glref) == global &&
		    owns_cframe(y, threads[i], cframes[i]))
			return threads[i];
	}
	return 0;
}

/* A word that may be an address of the VM, aligned as these are. */
static bool may_be_address(uint64_t word, uint64_t align)
{
	return word >= 65536 && !(word & (align - 1)) && !(word >> 47);
}

/* A slot of the C frame whose thread is at this place; 0 beyond the copy. */
static uint64_t slot_of(const uint8_t *stack, size_t size, size_t at,
			int32_t slot, int32_t cf_L)
{
	size_t from = at + (unsigned)slot - (unsigned)cf_L;
	return from + 8 <= size ? peek_u64(stack + from) : 0;
}

/* Results wanted, or where on the stack a cpcall was made. */
#define NRES_MAX (1 << 20)

/*
 * May the word at this place of the copied stack be a C frame's thread? C
 * frames lie as calls of C functions demand it, at multiples of 16; so does
 * the one below, which is 0 if there is none.
 */
static bool may_be_thread(const struct vm_layout *y, const uint8_t *stack,
			  size_t size, size_t at, uintptr_t here,
			  uintptr_t named)
{
	uintptr_t thread = peek_ref(y->gc64, stack + at);
	uint64_t below, pc;
	int32_t nres;
	if (!may_be_address(thread, 8) || thread == named ||
	    thread - here + STACK_NEAR <= 2 * STACK_NEAR)
		return false;
	below = slot_of(stack, size, at, y->cf_prev, y->cf_L) & ~(uint64_t)3;
	nres = (int32_t)slot_of(stack, size, at, y->cf_nres, y->cf_L);
	pc = slot_of(stack, size, at, y->cf_pc, y->cf_L);
	if (!y->gc64)
		pc = (uint32_t)pc;
	return (!below || may_be_address(below, 16)) &&
	       (!pc || may_be_address(pc, 4)) && nres > -NRES_MAX &&
	       nres < NRES_MAX;
}

typedef uint64_t frame_word __attribute__((may_alias));

/*
 * Copies frames of others, in words. memcpy() would do, but not in a host that
 * is built with a sanitizer: it would be stopped there.
 */
__attribute__((noinline, no_sanitize("address"))) static void copy_frames(
	uintptr_t here, uint8_t *out, size_t size)
{
	const volatile frame_word *from = (const volatile frame_word *)here;
	frame_word *to = (frame_word *)(void *)out;
	size_t i;
	for (i = 0; i < size / sizeof *to; i++)
		to[i] = from[i];
}

/* Copies what is above here on the native stack; returns how much. */
static size_t copy_stack(uintptr_t here, uint8_t *stack, size_t size)
{
	size_t near = PAGE_SIZE - (here & (PAGE_SIZE - 1));
	if (near > size)
		near = size;
	copy_frames(here, stack, near);
	return near + (near < size ? peek_memory((const void *)(here + near),
						 stack + near, size - near)
				   : 0);
}

/*
 * A C frame holds its thread, the thread its C frame: the pair cannot be
 * left over from an earlier call, since a thread that stops has none. Any word
 * of the stack may be meant, it need not be an address. Hosts that make objects
 * while no Lua runs come here with every event: few system calls must do.
 */
__attribute__((noinline)) uintptr_t vm_running_thread(const struct vm_layout *y,
						      uintptr_t global)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)15;
	uintptr_t named = vm_ref(y->gc64, global + (unsigned)y->g_cur_L);
	_Alignas(8) uint8_t stack[RUNNING_REACH];
	uintptr_t threads[PEEK_EACH_MAX], cframes[PEEK_EACH_MAX], found = 0;
	uintptr_t step = (unsigned)y->cf_L;
	size_t size, at, count = 0;
	int saved = errno; /* the host's, and system calls follow */
	size = copy_stack(here, stack, sizeof stack);
	for (at = step; at + 8 <= size && !found; at += 16) {
		if (!may_be_thread(y, stack, size, at, here, named))
			continue;
		threads[count] = peek_ref(y->gc64, stack + at);
		cframes[count++] = here + at - step;
		if (count < PEEK_EACH_MAX)
			continue;
		found = first_owner(y, global, threads, cframes, count);
		count = 0;
	}
	if (!found && count)
		found = first_owner(y, global, threads, cframes, count);
	errno = saved;
	return found;
}

uint32_t vm_line(const struct vm_layout *y, uintptr_t proto, uint32_t pos)
{
	uintptr_t info = vm_ref(y->gc64, proto + (unsigned)y->pt_lineinfo);
	uint32_t first = vm_u32(proto + (unsigned)y->pt_firstline);
	uint32_t lines = vm_u32(proto + (unsigned)y->pt_firstline + 4);
	if (!info)
		return 0;
	if (pos == vm_u32(proto + (unsigned)y->pt_sizebc))
		return first + lines;
	if (pos == 0)
		return first;
	pos--;
	if (lines < 256)
		return first + ((const uint8_t *)info)[pos];
	if (lines < 65536)
		return first + ((const uint16_t *)info)[pos];
	return first + ((const uint32_t *)info)[pos];
}

uint32_t vm_trace_start_line(const struct vm_layout *y, uintptr_t trace)
{
	uintptr_t proto = vm_ref(y->gc64, trace + (unsigned)y->trace_startpt);
	uintptr_t pc = vm_ref(y->gc64, trace + (unsigned)y->trace_startpc);
	uintptr_t start = proto + (unsigned)y->pt_size;
	uint32_t count = vm_u32(proto + (unsigned)y->pt_sizebc);
	if (pc >= start && pc - start < 4 * (uintptr_t)count)
		return vm_line(y, proto, (uint32_t)((pc - start) / 4));
	return vm_u32(proto + (unsigned)y->pt_firstline);
}

bool vm_place_line(const struct vm_layout *y, const struct vm_place *place,
		   uint32_t *line)
{
	uintptr_t start = place->proto + (unsigned)y->pt_size;
	uintptr_t pc = (uintptr_t)place->pc;
	uint32_t count = vm_u32(place->proto + (unsigned)y->pt_sizebc);
	if ((pc & 3) || pc <= start || pc - start > 4 * (uintptr_t)count)
		return false;
	*line = vm_line(y, place->proto, (uint32_t)((pc - start) / 4 - 1));
	return true;
}
