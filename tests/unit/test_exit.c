/*
 * test_exit.c - which request of its plan an exit has come to: where it is
 * certain, and where it must not be.
 */
#include "cmocka_all.h"

#include <string.h>

#include "vm_exit.h"
#include "vm_exit_plan.h"
#include "vm_exit_table.h"

/* The exits' snapshots; they are all of one trace. */
#define TRACE	  0x1000u
#define ALIKE	  0x2000u /* three alike blocks */
#define DIFFERENT 0x3000u
#define GROWS	  0x4000u /* an array that moves */
#define NO_PLAN	  0x5000u

static void plan(struct vm_exit_plan *p, uint32_t size, uint16_t ref,
		 bool moves)
{
	struct vm_exit_request *r = &p->requests[p->count++];
	r->size = size;
	r->ref = ref;
	r->moves = moves;
}

/* In place of that which reads a trace. */
void vm_exit_plan_make(struct vm_exit_plan *p, const struct vm_layout *y)
{
	uint16_t ref;
	(void)y;
	switch (p->snapshot) {
	case ALIKE:
		for (ref = 0x8001; ref <= 0x8003; ref++)
			plan(p, 96, ref, false);
		break;
	case DIFFERENT:
		plan(p, 64, 0x8011, false);
		plan(p, 800, 0x8011, false);
		plan(p, 64, 0x8012, false);
		plan(p, 0, 0x8013, false); /* cdata */
		break;
	case GROWS:
		plan(p, 64, 0x8021, false);
		plan(p, 168, 0x8021, false);
		plan(p, 264, 0x8022, true);
		break;
	}
}

static struct vm_layout layout = {.has_exit_plans = true};

static uint32_t see(struct vm_exits *e, uintptr_t snapshot, bool moves,
		    size_t size)
{
	if (!vm_exits_knows(e, TRACE, snapshot))
		vm_exits_learn(e, &layout, TRACE, snapshot);
	return vm_exits_see(e, TRACE, snapshot, moves, size);
}

static void begin(struct vm_exits *e, bool inside)
{
	memset(e, 0, sizeof *e);
	vm_exits_begin(e, inside);
}

static void test_in_order(void **state)
{
	struct vm_exits e;
	uint32_t i;
	(void)state;
	begin(&e, false);
	for (i = 0; i < 9; i++)
		assert_int_equal(see(&e, ALIKE, false, 96), 0x8001 + i % 3);
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0x8011);
	assert_int_equal(see(&e, DIFFERENT, false, 800), 0x8011);
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0x8012);
	assert_int_equal(see(&e, DIFFERENT, false, 12345), 0x8013);
	assert_int_equal(see(&e, GROWS, false, 64), 0x8021);
	assert_int_equal(see(&e, GROWS, false, 168), 0x8021);
	assert_int_equal(see(&e, GROWS, true, 264), 0x8022);
	assert_int_equal(see(&e, NO_PLAN, false, 96), 0);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_false(e.wrong);
	vm_exits_free(&e);
}

static void test_from_inside(void **state)
{
	struct vm_exits e;
	uint32_t i;
	(void)state;
	begin(&e, true);
	for (i = 0; i < 7; i++)
		assert_int_equal(see(&e, ALIKE, false, 96), 0);
	/* Another exit: there can be no doubt any more. */
	assert_int_equal(see(&e, NO_PLAN, false, 1), 0);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8002);
	vm_exits_begin(&e, true);
	/* What only one can have asked for says where it is. */
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0);
	assert_int_equal(see(&e, DIFFERENT, false, 800), 0);
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0);
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0x8013);
	vm_exits_begin(&e, true);
	assert_int_equal(see(&e, GROWS, false, 168), 0x8021);
	assert_int_equal(see(&e, GROWS, true, 264), 0x8022);
	assert_false(e.wrong);
	vm_exits_free(&e);
}

static void test_refused(void **state)
{
	struct vm_exits e;
	(void)state;
	begin(&e, false);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8002);
	vm_exits_refused(&e);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8002);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8003);
	vm_exits_free(&e);
}

static void test_the_stack_grows(void **state)
{
	struct vm_exits e;
	(void)state;
	begin(&e, false);
	assert_int_equal(see(&e, ALIKE, true, 3000), 0);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8002);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8003);
	assert_int_equal(see(&e, ALIKE, true, 6000), 0);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	/* It may be the array that moves, or the stack of the next exit. */
	vm_exits_begin(&e, true);
	assert_int_equal(see(&e, GROWS, true, 264), 0);
	assert_int_equal(see(&e, GROWS, false, 64), 0x8021);
	assert_false(e.wrong);
	vm_exits_free(&e);
}

static void test_the_stack_overflows(void **state)
{
	struct vm_exits e;
	(void)state;
	begin(&e, false);
	assert_int_equal(see(&e, ALIKE, true, 524392), VM_EXIT_STRAY);
	assert_int_equal(see(&e, ALIKE, false, 96), VM_EXIT_STRAY);
	assert_int_equal(see(&e, ALIKE, false, 96), VM_EXIT_STRAY);
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0x8011);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_int_equal(see(&e, NO_PLAN, true, 524392), VM_EXIT_STRAY);
	assert_int_equal(see(&e, NO_PLAN, false, 96), VM_EXIT_STRAY);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_false(e.wrong);
	vm_exits_free(&e);
}

/* cdata is of any size once only. */
static void test_size_of_cdata(void **state)
{
	struct vm_exits e;
	(void)state;

	begin(&e, false);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(see(&e, DIFFERENT, false, 64), 0x8011);
		assert_int_equal(see(&e, DIFFERENT, false, 800), 0x8011);
		assert_int_equal(see(&e, DIFFERENT, false, 64), 0x8012);
		assert_int_equal(see(&e, DIFFERENT, false, i ? 40 : 32),
				 i ? 0 : 0x8013);
	}
	vm_exits_free(&e);
}

/* After requests that were not seen nothing is known but what fits. */
static void test_missed(void **state)
{
	struct vm_exits e;
	(void)state;

	begin(&e, false);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	vm_exits_missed(&e);
	assert_int_equal(see(&e, ALIKE, false, 96), 0);
	vm_exits_missed(&e);
	assert_int_equal(see(&e, GROWS, false, 168), 0x8021);
	assert_int_equal(see(&e, GROWS, true, 264), 0x8022);
	vm_exits_free(&e);
}

/* A key is taken for no other one. */
static void test_keys(void **state)
{
	struct vm_table_key key;
	(void)state;

	assert_true(vm_table_number(-0.0, &key) && key.is_integer);
	assert_int_equal(key.id, 0);
	assert_true(vm_table_number(1023, &key) && key.is_integer);
	assert_false(vm_table_number(1024, &key));
	assert_true(vm_table_number(-1, &key) && !key.is_integer);
	assert_true(vm_table_number(0.5, &key) && !key.is_integer);
	/* The bits of these are those of an address, or of a reference. */
	assert_false(vm_table_number(1.61881e-319, &key));
	assert_false(vm_table_number(-1.61881e-319, &key));
	assert_false(vm_table_number(6.9e-310, &key));
	assert_false(vm_table_number(__builtin_nan(""), &key));
}

static void test_a_plan_that_is_wrong(void **state)
{
	struct vm_exits e;
	(void)state;
	begin(&e, false);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	assert_int_equal(see(&e, ALIKE, false, 104), 0);
	assert_true(e.wrong);
	assert_int_equal(see(&e, DIFFERENT, false, 64), 0);
	assert_int_equal(see(&e, ALIKE, false, 96), 0);
	vm_exits_free(&e);
}

static void test_a_trace_that_is_freed(void **state)
{
	struct vm_exits e;
	(void)state;
	begin(&e, false);
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	vm_exits_forget(&e, TRACE + 8);
	assert_true(vm_exits_knows(&e, TRACE, ALIKE));
	vm_exits_forget(&e, TRACE);
	assert_false(vm_exits_knows(&e, TRACE, ALIKE));
	assert_int_equal(see(&e, ALIKE, false, 96), 0x8001);
	vm_exits_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_from_inside),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_the_stack_grows),
		cmocka_unit_test(test_the_stack_overflows),
		cmocka_unit_test(test_size_of_cdata),
		cmocka_unit_test(test_missed),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_a_plan_that_is_wrong),
		cmocka_unit_test(test_a_trace_that_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
