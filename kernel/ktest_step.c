/* SPDX-License-Identifier: MIT */
/*
 * ktest_step.c: the handler of debug exceptions, for as long as a test steps.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler.
 */
#include "ktest_step.h"

#include <stdint.h>

#include "cpu.h"
#include "ktest.h"

#define RFLAGS_TF  (1ull << 8)

/* What the CPU pushes for an exception. */
struct pushed {
	uint64_t rip, cs, rflags, rsp, ss;
};

/* An entry of the interrupt descriptor table. */
struct gate {
	uint16_t offset_low, selector, type, offset_middle;
	uint32_t offset_high, reserved;
};

static unsigned long nr_steps;          /* instructions since the start, with interrupts on */
static unsigned long step_of_handler;   /* the one behind which step_handler() runs */
static void (*step_handler)(void);
static bool ends_when_masked;           /* no step is taken behind one with interrupts masked */

static __attribute__((interrupt)) void on_step(struct pushed *pushed)
{
	bool is_masked = !(pushed->rflags & RFLAGS_IF);

	if (!is_masked && ++nr_steps == step_of_handler)
		step_handler();
	if (nr_steps == step_of_handler || (ends_when_masked && is_masked))
		pushed->rflags &= ~RFLAGS_TF;
}

/* The gate of debug exceptions. */
static struct gate *step_gate(void)
{
	enum { TRAP_DEBUG = 1 };
	struct __attribute__((packed)) { uint16_t limit; struct gate *gates; } idt;

	__asm__ volatile("sidt %0" : "=m"(idt));
	return &idt.gates[TRAP_DEBUG];
}

static void set_flags(uint64_t flags)
{
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

bool ktest_interrupt(unsigned long step, void (*subject)(void), void (*handler)(void))
{
	struct gate *gate = step_gate(), before = *gate;
	uint64_t address = (uint64_t)on_step, flags = read_rflags();

	*gate = (struct gate){
		.offset_low = (uint16_t)address, .selector = before.selector, .type = before.type,
		.offset_middle = (uint16_t)(address >> 16), .offset_high = (uint32_t)(address >> 32),
	};
	step_handler = handler;
	step_of_handler = step;
	nr_steps = 0;
	set_flags(flags | RFLAGS_IF | RFLAGS_TF);
	subject();
	set_flags(flags);
	*gate = before;
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
