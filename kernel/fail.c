/* SPDX-License-Identifier: MIT */
/*
 * fail.c: allocations that fail on purpose.
 *
 * The CPU has four debug registers, and there are four functions that allocate. While a plan is in
 * force each register holds the address of one, and the CPU raises a debug exception before it
 * carries out the first instruction there:
 *
 *      caller ── call ──► kmalloc ──► debug exception ──► fail_at: counts
 *                            │                               │         │
 *                            └──────── is to succeed ◄───────┘         └──► is to fail:
 *                                                                      allocation_fails
 *
 * An allocation that is to fail goes on in allocation_fails(), as if its caller had called that
 * function in the allocator's place. Source: Intel SDM volume 3B, section 18.2 "Debug registers"
 * and 18.3.1.1 "Instruction-breakpoint exception condition".
 *
 * Limits: GDB's hardware breakpoints take these registers under KVM, not under TCG. A test
 * that breaks in at an instruction (ktest_step.h) takes them from a plan. One CPU.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler; fail_at() from
 * anywhere.
 */
#include "fail.h"

#include "cpu.h"
#include "frame.h"
#include "heap.h"
#include "options.h"
#include "trap.h"

/* DR7: all four enabled, each for instructions, which have no length. Bit 10 is always 1. */
#define DR7_NONE          0x400ull
#define DR7_INSTRUCTIONS  (DR7_NONE | 0xaaull)

uint64_t fail_number;

static enum fail_plan plan;
static uint64_t plan_nth;
static struct fail_count count;
static uint64_t value_of_failure;       /* what allocation_fails() returns */

/* Runs in the place of an allocation that fails. Its caller is the allocation's. */
static __attribute__((noinline)) uint64_t allocation_fails(void)
{
	return value_of_failure;
}

static void set_breakpoints(uint64_t control)
{
	write_dr(0, (uint64_t)kmalloc);
	write_dr(1, (uint64_t)kzalloc);
	write_dr(2, (uint64_t)krealloc);
	write_dr(3, (uint64_t)frame_alloc);
	write_dr7(control);
}

void fail_begin(enum fail_plan new_plan, uint64_t nth)
{
	plan = new_plan;
	plan_nth = nth;
	count = (struct fail_count){ 0 };
	set_breakpoints(plan == FAIL_NONE ? DR7_NONE : DR7_INSTRUCTIONS);
}

struct fail_count fail_count(void)
{
	return count;
}

struct fail_count fail_end(void)
{
	if (plan != FAIL_NONE)
		set_breakpoints(DR7_NONE);
	plan = FAIL_NONE;
	return count;
}

void fail_init(void)
{
	fail_number = 0;
	if (options.fail_nth > 0)
		fail_begin(FAIL_NTH, options.fail_nth);
	else if (options.fail_every > 0)
		fail_begin(FAIL_EVERY_NTH, options.fail_every);
	else
		fail_end();
}

/* Is the allocation that was counted last to fail? */
static bool is_to_fail(void)
{
	switch (plan) {
	case FAIL_NTH:
		return count.nr_allocations == plan_nth;
	case FAIL_FROM_NTH:
		return count.nr_allocations >= plan_nth;
	case FAIL_EVERY_NTH:
		return count.nr_allocations % plan_nth == 0;
	default:
		return false;
	}
}

bool fail_at(struct trap_frame *frame)
{
	bool is_of_heap = frame->rip == (uint64_t)kmalloc || frame->rip == (uint64_t)kzalloc ||
			  frame->rip == (uint64_t)krealloc;

	if (plan == FAIL_NONE || (!is_of_heap && frame->rip != (uint64_t)frame_alloc))
		return false;
	count.nr_allocations++;
	if (is_to_fail()) {
		count.nr_failed++;
		fail_number++;
		value_of_failure = is_of_heap ? (uint64_t)NULL : PADDR_NONE;
		frame->rip = (uint64_t)allocation_fails;
	} else {
		frame->rflags |= RFLAGS_RF;
	}
	return true;
}
