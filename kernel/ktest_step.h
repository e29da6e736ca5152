/* SPDX-License-Identifier: MIT */
/*
 * ktest_step.h: a handler that runs at a chosen instruction of a function.
 *
 * A test that tries each instruction in turn sees whether a lock is held, with interrupts masked,
 * all the time that it is needed (ktest_interrupt), or whether something can be interrupted
 * anywhere, as by an NMI (ktest_trace and ktest_break).
 *
 * The CPU raises a debug exception behind each instruction while the trap flag is set, and in front
 * of the instruction that a debug register points to (Intel SDM volume 3B, sections 18.3.1.4
 * "Single-Step Exception Condition" and 18.3.1.1 "Instruction-Breakpoint Exception Condition").
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler.
 */
#ifndef KTEST_STEP_H
#define KTEST_STEP_H

#include <stdbool.h>
#include <stdint.h>

#define KTEST_MAX_STEPS 16384

/*
 * Runs `subject` with interrupts on, and `handler` once, with interrupts masked, behind the
 * step-th instruction (from 1) that leaves them on. Return: false if there are fewer.
 */
bool ktest_interrupt(unsigned long step, void (*subject)(void), void (*handler)(void));

/* The same, but only up to the first instruction that masks interrupts: for a long subject. */
bool ktest_interrupt_before_mask(unsigned long step, void (*subject)(void), void (*handler)(void));

/* What a subject executes, from its first instruction on, each as often as it does. */
struct ktest_steps {
	unsigned long nr_steps;         /* instructions; of an endless or a long subject, the first */
	unsigned long nr_masked;        /* of these, with interrupts masked */
	uint32_t at[KTEST_MAX_STEPS];   /* where each is, as an offset into the kernel's text */
};

/* Runs `subject` with interrupts on, and notes its steps. */
void ktest_trace(struct ktest_steps *steps, void (*subject)(void));

/*
 * Runs `subject` with interrupts on, and `handler` once, with interrupts masked, in front of the
 * instruction that is steps->at[step], when it is executed for as many times as in the steps up to
 * there. A handler may do the same with a subject of its own, four deep in all. Return: false if it did
 * not run, as the subject took another way.
 */
bool ktest_break(const struct ktest_steps *steps, unsigned long step, void (*subject)(void),
		 void (*handler)(void));

/* Is a step the first that is at its instruction? */
bool ktest_is_first(const struct ktest_steps *steps, unsigned long step);

/* Where a step is. For messages: "%p", and the grader adds the line. */
void *ktest_address(const struct ktest_steps *steps, unsigned long step);

/* For ktest.c, when a test has ended, maybe in the midst of a subject. */
void ktest_step_end(void);

#endif
