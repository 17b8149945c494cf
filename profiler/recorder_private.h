/*
 * recorder_private.h - what recorder.c shares with watch.c.
 */
#ifndef LJMEMPROF_RECORDER_PRIVATE_H
#define LJMEMPROF_RECORDER_PRIVATE_H

#include "recorder.h"

/* All that a recording or a watch needed. */
void recorder_free_buffers(struct recorder *r);

/* Returns false without memory. The buffer r->out must be open. */
bool recorder_open_compact(struct recorder *r, uint32_t depth);

/* Makes the recorder one of L's VM. */
void recorder_set_vm(struct recorder *r, lua_State *L,
		     const struct recorder_vm *vm);

/* What is asked for on leaving traces is seen from now on. */
void recorder_begin_exits(struct recorder *r);

/*
 * Put the hook into the VM's allocator chain, unless it is there; and take it
 * out, if it is on top.
 */
void recorder_install(struct recorder *r, lua_State *L,
		      enum recorder_mode mode);
void recorder_uninstall(struct recorder *r, lua_State *L);

/*
 * Does a call of the VM's allocator still come through our hook? Allocates and
 * frees eight bytes.
 */
bool recorder_in_chain(struct recorder *r, lua_State *L);

#endif
