/* SPDX-License-Identifier: MIT */
/*
 * ktest_step.c: what runs at a debug exception, for as long as a test steps or waits for one.
 *
 * To stop at a step with the trap flag, all steps before it must be taken, by thousands of
 * exceptions. A debug register needs one each time that its instruction is executed. So a sweep over
 * all steps of a subject traces it once, and from then on uses a debug register.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler; on_step(),
 * on_traced_step() and on_break(), which the debug exception calls, from anywhere.
 */
#include "ktest_step.h"

#include <stddef.h>

#include "cpu.h"
#include "image.h"
#include "ktest.h"
#include "trap.h"

#define RFLAGS_TF       (1ull << 8)
#define DR7_ENABLE(n)   (1ull << 2 * (n))       /* an instruction breakpoint, at DR0 … DR3 */
#define DR6_HIT(n)      (1ull << (n))

static unsigned long nr_steps;          /* instructions since the start, with interrupts on */
static unsigned long step_of_handler;   /* the one behind which step_handler() runs */
static void (*step_handler)(void);
static bool ends_when_masked;           /* no step is taken behind one with interrupts masked */

static struct ktest_steps *traced;      /* by on_traced_step() */

/* Breakpoints: that of a subject, that of a handler's own subject, and so on. One register each. */
#define NR_BREAKS 4
static unsigned nr_breaks;              /* in use */
static struct {
	unsigned long nr_passes;        /* of the instruction, up to the one where the handler runs */
	void (*handler)(void);
} breaks[NR_BREAKS];

static bool on_step(struct trap_frame *frame)
{
	bool is_masked = !(frame->rflags & RFLAGS_IF);

	if (!is_masked && ++nr_steps == step_of_handler)
		step_handler();
	if (nr_steps == step_of_handler || (ends_when_masked && is_masked))
		frame->rflags &= ~RFLAGS_TF;
	return true;
}

static void set_flags(uint64_t flags)
{
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

/* Runs `subject` with interrupts on, and with `more` flags. */
static __attribute__((noinline)) void run(void (*subject)(void), uint64_t more)
{
	uint64_t flags = read_rflags();

	set_flags(flags | RFLAGS_IF | more);
	subject();
	set_flags(flags);
}

bool ktest_interrupt(unsigned long step, void (*subject)(void), void (*handler)(void))
{
	step_handler = handler;
	step_of_handler = step;
	nr_steps = 0;
	trap_install(TRAP_DEBUG, on_step);
	run(subject, RFLAGS_TF);
	trap_install(TRAP_DEBUG, NULL);
	ktest_progress();
	return nr_steps >= step;
}

bool ktest_interrupt_before_mask(unsigned long step, void (*subject)(void), void (*handler)(void))
{
	bool has_run;

	ends_when_masked = true;
	has_run = ktest_interrupt(step, subject, handler);
	ends_when_masked = false;
	return has_run;
}

/* A string instruction is interrupted in the midst, again and again: it is one step all the same. */
static bool on_traced_step(struct trap_frame *frame)
{
	uint32_t at = (uint32_t)(frame->rip - (uint64_t)text_start);

	if (traced->nr_steps > 0 && traced->at[traced->nr_steps - 1] == at)
		return true;
	if (traced->nr_steps == KTEST_MAX_STEPS) {
		frame->rflags &= ~RFLAGS_TF;
		return true;
	}
	traced->at[traced->nr_steps++] = at;
	traced->nr_masked += !(frame->rflags & RFLAGS_IF);
	return true;
}

void ktest_trace(struct ktest_steps *steps, void (*subject)(void))
{
	steps->nr_steps = steps->nr_masked = 0;
	traced = steps;
	trap_install(TRAP_DEBUG, on_traced_step);
	run(subject, RFLAGS_TF);
	trap_install(TRAP_DEBUG, NULL);
	ktest_progress();
}

static bool on_break(struct trap_frame *frame)
{
	unsigned last = nr_breaks - 1;

	frame->rflags |= RFLAGS_RF;             /* or the breakpoint would be hit again at once */
	if (!(read_dr6() & DR6_HIT(last)))
		return true;
	write_dr6(0);
	if (--breaks[last].nr_passes > 0)
		return true;
	write_dr7(0);
	breaks[last].handler();
	return true;
}

static unsigned long count_passes(const struct ktest_steps *steps, unsigned long step)
{
	unsigned long nr_passes = 0;

	for (unsigned long i = 0; i <= step; i++)
		nr_passes += steps->at[i] == steps->at[step];
	return nr_passes;
}

bool ktest_break(const struct ktest_steps *steps, unsigned long step, void (*subject)(void),
		 void (*handler)(void))
{
	unsigned own = nr_breaks++;
	bool has_run;

	CHECK(own < NR_BREAKS, "only %u breakpoints", NR_BREAKS);
	breaks[own].nr_passes = count_passes(steps, step);
	breaks[own].handler = handler;
	write_dr(own, (uint64_t)ktest_address(steps, step));
	trap_install(TRAP_DEBUG, on_break);
	write_dr6(0);
	write_dr7(DR7_ENABLE(own));
	run(subject, 0);
	write_dr7(0);
	has_run = breaks[own].nr_passes == 0;
	nr_breaks = own;
	if (own == 0)
		trap_install(TRAP_DEBUG, NULL);
	ktest_progress();
	return has_run;
}

bool ktest_is_first(const struct ktest_steps *steps, unsigned long step)
{
	for (unsigned long i = step; i-- > 0;)
		if (steps->at[i] == steps->at[step])
			return false;
	return true;
}

void *ktest_address(const struct ktest_steps *steps, unsigned long step)
{
	return (void *)((uint64_t)text_start + steps->at[step]);
}

void ktest_step_end(void)
{
	write_dr7(0);
	nr_breaks = 0;
	ends_when_masked = false;
	set_flags(read_rflags() & ~RFLAGS_TF);
}
