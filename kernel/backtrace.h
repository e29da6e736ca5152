/* SPDX-License-Identifier: MIT */
/*
 * backtrace.h: who called whom, by name.
 *
 * The kernel carries the table of its own functions (made from the linked image,
 * see the Makefile) and follows the chain of frame pointers. Both are believed
 * only as far as they can be checked: a frame must lie on one of the kernel's
 * stacks and above the frame before it.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#ifndef BACKTRACE_H
#define BACKTRACE_H

#include <stdbool.h>
#include <stdint.h>

/* The function that holds `address`, and how far into it; NULL if there is none. */
const char *symbol_find(uint64_t address, uint64_t *offset);

/* Where a walk up the stack is: in the function at pc. */
struct backtrace {
	uint64_t pc;
	uint64_t rbp;           /* that function's frame pointer */
	uint64_t rsp;           /* its stack pointer if known, else 0 */
};

/* Prints the functions from `start` on, innermost first, cut in the middle if endless. */
void backtrace_print(struct backtrace start);

/*
 * May a frame pointer be `rbp`? The two words that lie there then, the caller's frame pointer
 * and the return address, are on one of the kernel's stacks.
 */
bool stack_has_frame(uint64_t rbp);

/* The name of the stack whose guard page holds `address`, or NULL. */
const char *stack_guard_name(uint64_t address);

#endif
