/* SPDX-License-Identifier: MIT */
/*
 * fail_test.c: tests of allocations that fail on purpose. They ask no allocator for memory that it
 * need have: whatever frame.c and heap.c are, a call that fails on purpose does not reach them.
 */
#include "cpu.h"
#include "fail.h"
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "memory.h"

#define NR_CALLS  12

/* Allocates, gives it back. Return: did it get something? */
static bool allocate(void)
{
	void *object = kmalloc(40);

	kfree(object);
	return object != NULL;
}

static size_t nr_heap_calls(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats.nr_calls;
}

/* Which of NR_CALLS allocations the plan lets through to the heap, as bits. */
static unsigned let_through(enum fail_plan plan, uint64_t nth)
{
	unsigned through = 0;

	fail_begin(plan, nth);
	for (unsigned i = 0; i < NR_CALLS; i++) {
		size_t nr_calls = nr_heap_calls();
		void *object = kmalloc(40);

		if (nr_heap_calls() != nr_calls)
			through |= 1u << i;
		else
			CHECK(object == NULL, "call %u has something, and the heap was not asked", i + 1);
		kfree(object);
	}
	fail_end();
	return through;
}

KTEST(fail, a_plan_says_which_allocations_fail)
{
	static const struct { enum fail_plan plan; uint64_t nth; unsigned through; } plans[] = {
		{ FAIL_NONE, 1, 0xfff },
		{ FAIL_NTH, 1, 0xffe }, { FAIL_NTH, 5, 0xfef }, { FAIL_NTH, 12, 0x7ff }, { FAIL_NTH, 13, 0xfff },
		{ FAIL_FROM_NTH, 1, 0 }, { FAIL_FROM_NTH, 5, 0xf }, { FAIL_FROM_NTH, 13, 0xfff },
		{ FAIL_EVERY_NTH, 1, 0 }, { FAIL_EVERY_NTH, 2, 0x555 }, { FAIL_EVERY_NTH, 5, 0xdef },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(plans); i++) {
		unsigned through = let_through(plans[i].plan, plans[i].nth);

		CHECK(through == plans[i].through, "plan %u of %lu: %#x went through, not %#x",
		      plans[i].plan, plans[i].nth, through, plans[i].through);
	}
}

KTEST(fail, each_function_that_allocates_is_counted)
{
	void *object;
	paddr_t frame;

	fail_begin(FAIL_FROM_NTH, 1);
	CHECK(!kmalloc(1) && fail_count().nr_failed == 1, "kmalloc");
	CHECK(!kzalloc(1, 1) && fail_count().nr_failed == 2, "kzalloc");
	CHECK(!krealloc(NULL, 1) && fail_count().nr_failed == 3, "krealloc");
	CHECK(frame_alloc(0) == PADDR_NONE && fail_count().nr_failed == 4, "frame_alloc");
	CHECK(fail_count().nr_allocations == 4, "%lu allocations", fail_count().nr_allocations);
	fail_end();
	fail_begin(FAIL_NTH, UINT64_MAX);
	object = kmalloc(1);
	object = krealloc(object, 2);
	kfree(object);
	frame = frame_alloc(0);
	if (frame != PADDR_NONE)
		frame_free(frame, 0);
	CHECK(fail_end().nr_allocations >= 3 && fail_count().nr_failed == 0, "%lu allocations, %lu failed",
	      fail_count().nr_allocations, fail_count().nr_failed);
}

KTEST(fail, a_plan_ends_when_it_is_told_to)
{
	size_t nr_calls;

	fail_begin(FAIL_FROM_NTH, 1);
	fail_end();
	nr_calls = nr_heap_calls();
	allocate();
	CHECK(nr_heap_calls() > nr_calls, "the heap was not asked");
	CHECK(fail_count().nr_allocations == 0, "%lu were counted", fail_count().nr_allocations);
}

KTEST(fail, a_new_plan_counts_from_the_start)
{
	fail_begin(FAIL_NTH, 3);
	allocate();
	allocate();
	fail_begin(FAIL_NTH, 2);
	allocate();
	CHECK(fail_count().nr_failed == 0, "the first has failed");
	allocate();
	CHECK(fail_end().nr_failed == 1, "the second has not failed");
}

KTEST(fail, failures_are_numbered)
{
	CHECK(fail_number == 0, "a test begins at %lu", fail_number);
	fail_begin(FAIL_EVERY_NTH, 2);
	for (unsigned i = 0; i < 4; i++)
		allocate();
	fail_begin(FAIL_NTH, 1);
	allocate();
	fail_end();
	CHECK(fail_number == 3, "%lu", fail_number);
}

KTEST(fail, it_does_not_depend_on_interrupts)
{
	uint64_t flags = irq_save();

	fail_begin(FAIL_NTH, 1);
	allocate();
	CHECK(!(read_rflags() & RFLAGS_IF), "it has allowed interrupts");
	irq_unmask();
	fail_begin(FAIL_NTH, 1);
	allocate();
	CHECK(read_rflags() & RFLAGS_IF, "it has masked interrupts");
	irq_mask();
	irq_restore(flags);
	CHECK(fail_end().nr_failed == 1, "none has failed");
	irq_unmask();
	fail_begin(FAIL_NTH, 2);
	allocate();
	CHECK(read_rflags() & RFLAGS_IF, "one that succeeds has masked interrupts");
	irq_mask();
	irq_restore(flags);
	fail_end();
}
