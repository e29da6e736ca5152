/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c: the chain of frame pointers, with names.
 *
 *      rbp -> | caller's rbp |      every function pushes rbp and points rbp at it,
 *             | return addr. |      so the saved ones form a list up the stack
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "backtrace.h"

#include <stdbool.h>
#include <stddef.h>

#include "console.h"
#include "image.h"
#include "memory.h"

#define NR_FIRST  24            /* frames printed before and, if it is longer, … */
#define NR_LAST   8             /* … at the end of a backtrace */

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
};

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

/* Do the two words of a frame at `rbp` lie on one of the kernel's stacks? */
static bool is_on_stack(uint64_t rbp)
{
	if (rbp % sizeof(uint64_t) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		if (rbp >= (uint64_t)stacks[i].guard + PAGE_BYTES &&
		    rbp + 2 * sizeof(uint64_t) <= (uint64_t)stacks[i].top)
			return true;
	return false;
}

static void print_frame(uint64_t pc)
{
	uint64_t offset;
	const char *name = symbol_find(pc, &offset);

	if (name == NULL)
		console_printf("  %p\n", (void *)pc);
	else
		console_printf("  %p %s+%#lx\n", (void *)pc, name, offset);
}

/* Moves from a frame to its caller's. Return: false at the end of the chain. */
static bool step(uint64_t *pc, uint64_t *rbp)
{
	const uint64_t *frame = (const uint64_t *)*rbp;

	if (!is_on_stack(*rbp) || frame[1] == 0)
		return false;
	*pc = frame[1];
	if (frame[0] <= *rbp)           /* the chain must lead up the stack */
		*rbp = 0;
	else
		*rbp = frame[0];
	return true;
}

void backtrace_print(uint64_t pc, uint64_t rbp)
{
	uint64_t walk_pc = pc, walk_rbp = rbp;
	unsigned nr_frames = 1;

	while (step(&walk_pc, &walk_rbp))
		nr_frames++;
	for (unsigned i = 0; i < nr_frames; i++) {
		if (i < NR_FIRST || nr_frames - i <= NR_LAST)
			print_frame(pc);
		else if (i == NR_FIRST)
			console_printf("  ... %u more ...\n", nr_frames - NR_FIRST - NR_LAST);
		step(&pc, &rbp);
	}
}
