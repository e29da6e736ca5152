/* SPDX-License-Identifier: MIT */
/*
 * nmi.c: which stack is free for the next NMI.
 *
 * The CPU begins an NMI at the top of the stack that the TSS names, whatever lies there. So the
 * handler's first act is to name another stack, one that no handler uses. Nothing is to be done at
 * its end: at its IRETQ, and up to its very last byte, its stack is in use, and the TSS names
 * another one. Which stacks are in use is read off the stacks themselves:
 *
 *      nmi_stack_2_top ─► | ss rsp rflags cs rip |   what the NMI there has interrupted: its rsp
 *                         | …                    |   lies on nmi_stack, so that one is in use, too
 *      nmi_stack_top ───► | ss rsp rflags cs rip |   this rsp lies on the boot stack: the end
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "nmi.h"

#include <stdbool.h>

#include "cpu.h"
#include "image.h"
#include "layout.h"
#include "panic.h"
#include "trap.h"

/* System control port B. */
#define SYSTEM_CONTROL  0x61
#define PARITY_ERROR    0x80
#define CHANNEL_ERROR   0x40
#define PARITY_OFF      0x04    /* clears its error as well */
#define CHANNEL_OFF     0x08
#define WRITABLE        0x0f

static char *const tops[NR_NMI_STACKS] = { nmi_stack_top, nmi_stack_2_top, nmi_stack_3_top };

/* The NMI stack that `address` lies on, or NR_NMI_STACKS. An empty stack's is one past its end. */
static unsigned stack_at(uint64_t address)
{
	for (unsigned i = 0; i < NR_NMI_STACKS; i++)
		if ((uint64_t)tops[i] - address < STACK_BYTES)
			return i;
	return NR_NMI_STACKS;
}

uint64_t nmi_first_stack(void)
{
	return (uint64_t)tops[0];
}

uint64_t nmi_next_stack(const struct trap_frame *frame)
{
	bool in_use[NR_NMI_STACKS] = { false };
	unsigned stack = stack_at((uint64_t)frame);

	while (stack < NR_NMI_STACKS && !in_use[stack]) {
		in_use[stack] = true;
		stack = stack_at(((const struct trap_frame *)tops[stack] - 1)->rsp);
	}
	for (stack = 0; stack < NR_NMI_STACKS; stack++)
		if (!in_use[stack])
			return (uint64_t)tops[stack];
	panic("NMI: %u handlers in the midst of each other, no stack is left", NR_NMI_STACKS);
}

const char *nmi_cause(void)
{
	uint8_t status = inb(SYSTEM_CONTROL), off = 0;

	if (status == 0xff || (status & (PARITY_ERROR | CHANNEL_ERROR)) == 0)
		return "from outside, for no reason that the board tells";
	if (status & PARITY_ERROR)
		off |= PARITY_OFF;
	if (status & CHANNEL_ERROR)
		off |= CHANNEL_OFF;
	outb(SYSTEM_CONTROL, (status & WRITABLE) | off);
	return status & PARITY_ERROR ? "a parity or system error" : "an error of the I/O channel";
}
