/*
 * hook_live.h - the hook's way into the table of live blocks.
 */
#ifndef LJMEMPROF_HOOK_LIVE_H
#define LJMEMPROF_HOOK_LIVE_H

#include "hook_compact.h"

/* Any call while r->live watches; busy is set, and is taken back. */
hook_record_fn hook_live_record;

#endif
