/* SPDX-License-Identifier: MIT */
/*
 * nmi_test.c: NMIs that return, also in the midst of each other; traps that tests handle; the tick.
 */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "image.h"
#include "ktest.h"
#include "ktest_step.h"
#include "layout.h"
#include "memory.h"
#include "nmi.h"
#include "panic.h"
#include "timer.h"
#include "trap.h"

#define NR_WORDS 15             /* registers in a trap frame */

static unsigned nr_nmis, depth, deepest, wanted_depth;
static uint64_t frames_at[NR_NMI_STACKS + 1];   /* where the NMI at each depth has its trap frame */

static void send_nmi(void)
{
	if (!apic_send_nmi())
		SKIP("this machine has no local APIC that sends NMIs");
}

/* What an exception that returns does: from here on another NMI may come. */
static void unblock_nmis(void)
{
	uint64_t rsp, ss = KERNEL_DS, cs = KERNEL_CS;

	__asm__ volatile("movq %%rsp, %0\n\tpushq %1\n\tpushq %0\n\tpushfq\n\tpushq %2\n\t"
			 "leaq 1f(%%rip), %0\n\tpushq %0\n\tiretq\n1:"
			 : "=&r"(rsp) : "r"(ss), "r"(cs) : "memory");
}

static bool count_nmi(struct trap_frame *frame)
{
	nr_nmis++;
	return true;
}

/* Has another NMI come in its midst, and so on, down to the depth that is wanted. */
static bool nest(struct trap_frame *frame)
{
	struct trap_frame before = *frame;

	nr_nmis++;
	frames_at[depth++] = (uint64_t)frame;
	deepest = depth > deepest ? depth : deepest;
	if (depth < wanted_depth) {
		unblock_nmis();
		send_nmi();
	}
	depth--;
	CHECK(__builtin_memcmp(&before, frame, sizeof(before)) == 0, "at depth %u the frame was overwritten",
	      depth);
	return true;
}

static void nest_down_to(unsigned nr_handlers)
{
	trap_install(TRAP_NMI, nest);
	nr_nmis = depth = deepest = 0;
	wanted_depth = nr_handlers;
	send_nmi();
}

KTEST(nmi, comes_and_returns_with_all_registers)
{
	uint64_t words[NR_WORDS], flags = read_rflags();

	trap_install(TRAP_NMI, count_nmi);
	nr_nmis = 0;
	for (unsigned i = 0; i < NR_WORDS; i++)
		words[i] = i * 0x0101010101010101;
	send_nmi();
	for (unsigned i = 0; i < NR_WORDS; i++)
		CHECK(words[i] == i * 0x0101010101010101, "word %u of the stack is %#lx", i, words[i]);
	CHECK(nr_nmis == 1, "%u NMIs", nr_nmis);
	CHECK((read_rflags() & RFLAGS_IF) == (flags & RFLAGS_IF), "interrupts are not as before");
}

/* The second comes at once, although the first is at work, as it has executed IRETQ. */
KTEST(nmi, one_in_the_midst_of_another_has_a_stack_of_its_own)
{
	nest_down_to(2);
	CHECK(nr_nmis == 2 && deepest == 2, "%u NMIs, %u deep", nr_nmis, deepest);
	CHECK(frames_at[0] - frames_at[1] + STACK_BYTES > 2 * STACK_BYTES, "frames at %#lx and %#lx",
	      frames_at[0], frames_at[1]);
}

static unsigned nr_in_midst;

static bool send_another(struct trap_frame *frame)
{
	if (++nr_nmis == 1) {
		send_nmi();
		nr_in_midst = nr_nmis;
	}
	return true;
}

KTEST(nmi, one_that_the_cpu_holds_back_is_not_lost)
{
	trap_install(TRAP_NMI, send_another);
	nr_nmis = nr_in_midst = 0;
	send_nmi();
	CHECK(nr_in_midst == 1, "%u NMIs before the first one's IRETQ", nr_in_midst);
	CHECK(nr_nmis == 2, "%u NMIs", nr_nmis);
}

KTEST(nmi, stacks_are_free_again_afterwards)
{
	for (unsigned i = 0; i < 20; i++)
		nest_down_to(1 + i % (NR_NMI_STACKS - 1));
	CHECK(nr_nmis == 2 && deepest == 2, "%u NMIs, %u deep", nr_nmis, deepest);
}

KTEST(nmi, one_too_many_in_the_midst_of_others_is_a_panic)
{
	EXPECT_PANIC("3 handlers in the midst of each other", nest_down_to(NR_NMI_STACKS));
	unblock_nmis();
	nest_down_to(1);
	CHECK(nr_nmis == 1, "%u NMIs after that", nr_nmis);
}

static bool break_and_send(struct trap_frame *frame)
{
	if (++nr_nmis == 1) {
		__asm__ volatile("int3");
		send_nmi();
	}
	return true;
}

static unsigned nr_breakpoints;

static bool count_breakpoint(struct trap_frame *frame)
{
	nr_breakpoints++;
	return true;
}

KTEST(nmi, a_breakpoint_in_a_handler_lets_another_one_come)
{
	trap_install(TRAP_NMI, break_and_send);
	trap_install(TRAP_BREAKPOINT, count_breakpoint);
	nr_nmis = nr_breakpoints = 0;
	send_nmi();
	CHECK(nr_nmis == 2 && nr_breakpoints == 1, "%u NMIs, %u breakpoints", nr_nmis, nr_breakpoints);
}

KTEST(trap, a_test_handles_breakpoints)
{
	trap_install(TRAP_BREAKPOINT, count_breakpoint);
	nr_breakpoints = 0;
	__asm__ volatile("int3");
	CHECK(nr_breakpoints == 1, "%u breakpoints", nr_breakpoints);
}

static volatile unsigned nr_ticks;

static void tick(void)
{
	nr_ticks++;
}

KTEST(timer, ticks_until_it_is_stopped)
{
	enum { HZ = 1000, NR_TICKS = 5, MANY = 10000000 };
	uint64_t begin = clock_ms();
	unsigned nr_at_stop;

	nr_ticks = 0;
	timer_start(HZ, tick);
	for (unsigned i = 0; i < MANY && nr_ticks < NR_TICKS; i++)
		cpu_relax();
	timer_stop();
	nr_at_stop = nr_ticks;
	CHECK(nr_at_stop == NR_TICKS, "%u ticks", nr_at_stop);
	CHECK(!clock_is_known() || clock_ms() - begin >= NR_TICKS - 1, "%lu ms", clock_ms() - begin);
	for (unsigned i = 0; i < MANY / 100; i++)
		cpu_relax();
	CHECK(nr_ticks == nr_at_stop, "%u ticks after the stop", nr_ticks - nr_at_stop);
}
