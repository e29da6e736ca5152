/* SPDX-License-Identifier: MIT */
/*
 * ktest_step.h: a handler that runs behind a chosen instruction of a function.
 *
 * The CPU raises a debug exception behind each instruction while the trap flag is set (Intel
 * SDM volume 3B, "Single-Step Exception Condition"). A test that tries each instruction in
 * turn sees whether a lock is held, with interrupts masked, all the time that it is needed.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler.
 */
#ifndef KTEST_STEP_H
#define KTEST_STEP_H

#include <stdbool.h>

/*
 * Runs `subject` with interrupts on, and `handler` once, with interrupts masked, behind the
 * step-th instruction (from 1) that leaves them on. Return: false if there are fewer.
 */
bool ktest_interrupt(unsigned long step, void (*subject)(void), void (*handler)(void));

/* The same, but only up to the first instruction that masks interrupts: for a long subject. */
bool ktest_interrupt_before_mask(unsigned long step, void (*subject)(void), void (*handler)(void));

#endif
