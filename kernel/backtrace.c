/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c: the chain of frame pointers, with names.
 *
 *      rbp -> | caller's rbp |      every function pushes rbp and points rbp at it,
 *             | return addr. |      so the saved ones form a list up the stack
 *
 *      function:  push %rbp         the return address is at 0(%rsp)
 *                 mov %rsp, %rbp                          8(%rsp)
 *                 ...                                     8(%rbp)
 *                 pop %rbp                                8(%rbp)
 *                 ret                                     0(%rsp)
 *
 * An interrupt may come at any of these. Every function is like this, as the compiler
 * is told to move nothing between them (Makefile); a test holds it against what the
 * compiler says of each instruction.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "backtrace.h"

#include <stdbool.h>
#include <stddef.h>

#include "console.h"
#include "image.h"
#include "memory.h"
#include "trap.h"

#define NR_FIRST  24            /* frames printed before and, if it is longer, … */
#define NR_LAST   8             /* … at the end of a backtrace */
#define RET       0xc3          /* the instruction */
#define PUSH_RBP_BYTES 1

/* Made from the linked image by the Makefile, sorted by address. */
struct symbol {
	uint64_t address;
	const char *name;
};

extern const struct symbol symbols_start[], symbols_end[];

static const struct {
	const char *name;
	const char *guard, *top;
} stacks[] = {
	{ "boot stack", boot_stack_guard, boot_stack_top },
	{ "double fault stack", fault_stack_guard, fault_stack_top },
	{ "NMI stack", nmi_stack_guard, nmi_stack_top },
	{ "second NMI stack", nmi_stack_2_guard, nmi_stack_2_top },
	{ "third NMI stack", nmi_stack_3_guard, nmi_stack_3_top },
};

/* As many as the stacks have room for: a damaged chain may lead round in a circle. */
#define MAX_FRAMES (ARRAY_LENGTH(stacks) * STACK_BYTES / (2 * sizeof(uint64_t)))

const char *symbol_find(uint64_t address, uint64_t *offset)
{
	size_t low = 0, high = (size_t)(symbols_end - symbols_start);

	if (address < (uint64_t)text_start || address >= (uint64_t)text_end)
		return NULL;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (symbols_start[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	*offset = address - symbols_start[low - 1].address;
	return symbols_start[low - 1].name;
}

const char *stack_guard_name(uint64_t address)
{
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		if (address - (uint64_t)stacks[i].guard < PAGE_BYTES)
			return stacks[i].name;
	return NULL;
}

bool stack_has_frame(uint64_t rbp)
{
	if (rbp % sizeof(uint64_t) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		if (rbp >= (uint64_t)stacks[i].guard + PAGE_BYTES &&
		    rbp <= (uint64_t)stacks[i].top - 2 * sizeof(uint64_t))
			return true;
	return false;
}

/*
 * The function that `walk` is in. A return address belongs to the call before it,
 * which may be the last instruction of its function.
 */
static const char *function_at(const struct backtrace *walk, uint64_t *offset)
{
	bool is_return_address = walk->rsp == 0;
	const char *name = symbol_find(walk->pc - is_return_address, offset);

	*offset += is_return_address;
	return name;
}

static void print_frame(const struct backtrace *walk)
{
	uint64_t offset = 0;
	const char *name = function_at(walk, &offset);

	if (name == NULL)
		console_printf("  %p\n", (void *)walk->pc);
	else
		console_printf("  %p %s+%#lx\n", (void *)walk->pc, name, offset);
}

/*
 * Where the return address lies, if the interrupted function at `walk` has no frame yet, or none
 * any more: then rbp is the caller's. Return: 0 if it has a frame.
 */
static uint64_t frameless_return(const struct backtrace *walk)
{
	uint64_t offset;

	if (walk->rsp == 0)
		return 0;               /* not interrupted, but in a call */
	if (symbol_find(walk->pc, &offset) == NULL)
		return walk->rsp;       /* a call that led nowhere */
	if (offset == 0 || *(const uint8_t *)walk->pc == RET)
		return walk->rsp;
	return offset == PUSH_RBP_BYTES ? walk->rsp + sizeof(uint64_t) : 0;
}

/* Moves on to what was interrupted, from the handler whose frame is at rbp. */
static void step_out_of_trap(struct backtrace *walk)
{
	const struct trap_frame *trap = (const void *)(walk->rbp + 2 * sizeof(uint64_t));

	*walk = (struct backtrace){ trap->rip, trap->rbp, trap->rsp };
}

/* Moves on to the caller. Return: false at the end of the chain. */
static bool step(struct backtrace *walk)
{
	const uint64_t *frame = (const uint64_t *)walk->rbp;
	uint64_t at = frameless_return(walk);

	if (at != 0 && stack_has_frame(at)) {
		*walk = (struct backtrace){ *(const uint64_t *)at, walk->rbp, 0 };
		return true;
	}
	if (!stack_has_frame(walk->rbp) || frame[1] == 0)
		return false;
	if (frame[1] == (uint64_t)trap_return &&
	    stack_has_frame(walk->rbp + sizeof(struct trap_frame))) {
		step_out_of_trap(walk);
		return true;
	}
	/* The chain must lead up the stack. */
	*walk = (struct backtrace){ frame[1], frame[0] > walk->rbp ? frame[0] : 0, 0 };
	return true;
}

void backtrace_print(struct backtrace start)
{
	struct backtrace walk = start;
	unsigned nr_frames = 1;

	while (nr_frames < MAX_FRAMES && step(&walk))
		nr_frames++;
	walk = start;
	for (unsigned i = 0; i < nr_frames; i++) {
		if (i < NR_FIRST || nr_frames - i <= NR_LAST)
			print_frame(&walk);
		else if (i == NR_FIRST)
			console_printf("  ... %u more ...\n", nr_frames - NR_FIRST - NR_LAST);
		step(&walk);
	}
}
