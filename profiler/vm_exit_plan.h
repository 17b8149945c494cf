/*
 * vm_exit_plan.h - all that an exit from a trace will ask the allocator for.
 */
#ifndef LJMEMPROF_VM_EXIT_PLAN_H
#define LJMEMPROF_VM_EXIT_PLAN_H

#include "vm_exit.h"

/*
 * Fills the requests of the plan whose trace and snapshot are set; leaves
 * count 0 where something cannot be foreseen.
 */
void vm_exit_plan_make(struct vm_exit_plan *plan, const struct vm_layout *y);

#endif
