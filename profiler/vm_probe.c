/*
 * vm_probe.c - photographs of a scratch LuaJIT VM in known situations.
 */
#define _GNU_SOURCE
#include "vm_probe.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "vm_layout.h"

/* How far above our own frame a frame of the interpreter may be. */
#define C_STACK_REACH 65536

/* Within this many bytes global_State has its allocator. */
#define ALLOCF_REACH 256

/* What is there is there by the page. */
size_t probe_read(const void *address, void *out, size_t n)
{
	size_t done = 0;
	while (done < n) {
		size_t page = 4096 - ((uintptr_t)address + done) % 4096;
		size_t part = n - done < page ? n - done : page;
		size_t got = peek_memory((const char *)address + done,
					 (char *)out + done, part);
		done += got;
		if (got < part)
			break;
	}
	return done;
}

static void photograph_stack(struct probe *probe, struct probe_photo *photo)
{
	int step = probe->gc64 ? 8 : 4;
	int offset;
	photo->stack_offset = -1;
	for (offset = 16; offset + step <= 128; offset += step) {
		uint64_t at = peek_ref(probe->gc64, photo->state + offset);
		uint8_t first[8];
		uint64_t bottom;
		if (at < 65536 || (at & 7) || at >> 47 ||
		    peek_memory((void *)at, first, 8) != 8)
			continue;
		/* The first slot of a stack holds its thread. */
		bottom = probe->gc64 ? peek_u64(first) << 17 >> 17
				     : peek_u32(first);
		if (bottom != (uintptr_t)photo->L)
			continue;
		photo->stack_offset = offset;
		photo->stack = at;
		photo->stack_size = probe_read((void *)at, photo->stack_bytes,
					       sizeof photo->stack_bytes);
		return;
	}
}

static void photograph_frames(struct probe_photo *photo, uintptr_t here)
{
	int offset;
	for (offset = 0; offset + 8 <= PROBE_STATE_SIZE; offset += 8) {
		uint64_t at = peek_u64(photo->state + offset) & ~(uint64_t)3;
		int i = photo->frame_count;
		if (at < here || at >= here + C_STACK_REACH)
			continue;
		if (i == PROBE_FRAMES ||
		    peek_memory((void *)at, photo->frames[i].bytes,
				PROBE_FRAME_SIZE) != PROBE_FRAME_SIZE)
			continue;
		photo->frames[i].offset = offset;
		photo->frames[i].address = at;
		photo->frame_count++;
		if (i == 0)
			peek_memory((char *)at - PROBE_BELOW_SIZE, photo->below,
				    PROBE_BELOW_SIZE);
	}
}

void probe_photograph(struct probe *probe, enum probe_scene scene, lua_State *L)
{
	struct probe_photo *photo = &probe->photo[scene];
	if (photo->taken)
		return;
	photo->taken = true;
	photo->L = L;
	memcpy(photo->global, probe->global, PROBE_GLOBAL_SIZE);
	probe_read(L, photo->state, PROBE_STATE_SIZE);
	photograph_stack(probe, photo);
	photograph_frames(photo, (uintptr_t)__builtin_frame_address(0));
	if (scene >= PROBE_EXIT)
		probe_read(probe->global,
			   probe->exit_states[scene - PROBE_EXIT],
			   PROBE_JIT_SIZE);
}

/* The scratch VM's allocator: takes the scene that is armed. */
static void *probe_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct probe *probe = ud;
	if (probe->watch_armed || probe->watch_all) {
		probe->watch_armed = false;
		probe->watch(probe->watch_arg, probe);
	}
	if (probe->on_free && !nsize)
		probe->on_free(probe->watch_arg, ptr);
	if (probe->armed >= 0 && probe->skip-- <= 0) {
		enum probe_scene scene = (enum probe_scene)probe->armed;
		probe->armed = -1;
		probe_photograph(probe, scene, probe->photo[scene].L);
	}
	return probe->alloc(probe->alloc_ud, ptr, osize, nsize);
}

/* Fills probe->version; true when it is a LuaJIT 2.1. */
static bool identify(struct probe *probe, char *error, size_t error_size)
{
	lua_State *L = probe->L;
	double number = 0;
	lua_getfield(L, LUA_GLOBALSINDEX, "jit");
	if (!lua_istable(L, -1)) {
		lua_getfield(L, LUA_GLOBALSINDEX, "_VERSION");
		snprintf(probe->version, sizeof probe->version, "%s",
			 lua_isstring(L, -1) ? lua_tostring(L, -1)
					     : "an unknown Lua");
		lua_settop(L, 0);
		snprintf(error, error_size, "it is not LuaJIT");
		return false;
	}
	lua_getfield(L, -1, "version");
	lua_getfield(L, -2, "version_num");
	number = lua_tonumber(L, -1);
	snprintf(probe->version, sizeof probe->version, "%s",
		 lua_isstring(L, -2) ? lua_tostring(L, -2)
				     : "an unknown LuaJIT");
	lua_settop(L, 0);
	if (number < 20100 || number >= 20200) {
		snprintf(error, error_size, "it is not LuaJIT 2.1");
		return false;
	}
	return true;
}

/* Type and function-id bytes of a thread tell how wide references are. */
static bool find_width(struct probe *probe, char *error, size_t error_size)
{
	uint8_t head[16];
	bool wide, narrow;
	if (peek_memory(probe->L, head, sizeof head) != sizeof head) {
		snprintf(error, error_size, "its lua_State cannot be read");
		return false;
	}
	wide = head[9] == VM_GCT_THREAD && head[10] == 1 && head[11] <= 4;
	narrow = head[5] == VM_GCT_THREAD && head[6] == 1 && head[7] <= 4;
	if (wide == narrow) {
		snprintf(error, error_size,
			 "its lua_State has no known header");
		return false;
	}
	probe->gc64 = wide;
	return true;
}

/*
 * global_State hangs off lua_State; the allocator's two words, which the API
 * tells, say that it is the right one.
 */
static bool find_global(struct probe *probe, char *error, size_t error_size)
{
	uint8_t reference[8], start[PROBE_GLOBAL_SIZE];
	int i, found = 0;
	peek_memory((char *)probe->L + (probe->gc64 ? 16 : 8), reference, 8);
	probe->global = (uint8_t *)peek_ref(probe->gc64, reference);
	probe->global_readable =
		probe_read(probe->global, start, PROBE_GLOBAL_SIZE);
	if (probe->global_readable < PROBE_GLOBAL_SIZE) {
		snprintf(error, error_size, "its global_State was not found");
		return false;
	}
	for (i = 0; i < ALLOCF_REACH; i += 8) {
		if (peek_u64(start + i) != (uintptr_t)probe->alloc ||
		    peek_u64(start + i + 8) != (uintptr_t)probe->alloc_ud)
			continue;
		probe->allocf_offset = i;
		found++;
	}
	if (found != 1) {
		snprintf(error, error_size,
			 "the allocator was found %d times in global_State",
			 found);
		return false;
	}
	return true;
}

bool probe_open(struct probe *probe, char *error, size_t error_size)
{
	memset(probe, 0, sizeof *probe);
	probe->armed = -1;
	snprintf(probe->version, sizeof probe->version, "an unknown Lua");
	snprintf(probe->chunkname, sizeof probe->chunkname, "@ljmemprof probe");
	probe->L = luaL_newstate();
	if (!probe->L) {
		snprintf(error, error_size, "no scratch VM could be created");
		return false;
	}
	luaL_openlibs(probe->L);
	if (!identify(probe, error, error_size) ||
	    !find_width(probe, error, error_size))
		return false;
	probe->alloc = lua_getallocf(probe->L, &probe->alloc_ud);
	if (!find_global(probe, error, error_size))
		return false;
	lua_setallocf(probe->L, probe_alloc, probe);
	if (peek_u64(probe->global + probe->allocf_offset) !=
	    (uintptr_t)probe_alloc) {
		snprintf(error, error_size,
			 "the allocator's place was not confirmed");
		return false;
	}
	return probe_play_scenes(probe, error, error_size);
}

void probe_close(struct probe *probe)
{
	if (!probe->L)
		return;
	probe->armed = -1;
	probe->watch_armed = false;
	/* LuaJIT frees its arena whole only under its own allocator. */
	if (probe->alloc)
		lua_setallocf(probe->L, probe->alloc, probe->alloc_ud);
	lua_close(probe->L);
	probe->L = NULL;
}
