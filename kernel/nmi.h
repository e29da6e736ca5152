/* SPDX-License-Identifier: MIT */
/*
 * nmi.h: interrupts that cannot be masked, and that return.
 *
 * An NMI may come in front of any instruction. Until its handler executes IRETQ the CPU holds back
 * the next one; but a handler executes an IRETQ early where an exception in it returns, as a
 * breakpoint or a single step does. From then on an NMI may come in the midst of the handler. So:
 *
 *  - Each NMI begins at the top of an NMI stack on which no other NMI's handler is at work.
 *  - A handler in the midst of another runs to its end first. None is lost or waits for a handler.
 *  - NR_NMI_STACKS handlers in the midst of each other are one too many: a panic.
 *
 * Sources: Intel SDM volume 3A, section 6.7.1 "Handling multiple NMIs"; IBM PC AT technical
 * reference, "I/O channel check".
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#ifndef NMI_H
#define NMI_H

#include <stdint.h>

#define NR_NMI_STACKS 3

struct trap_frame;

/* The top of the stack on which the CPU is to begin the first NMI. */
uint64_t nmi_first_stack(void);

/*
 * The same for the next NMI, while the one that pushed `frame` is at work. To be called before
 * anything in its handler can execute IRETQ.
 */
uint64_t nmi_next_stack(const struct trap_frame *frame);

/*
 * What the board says it has raised an NMI for; of two sources, the first. They are off from then on,
 * or a line would stay up and no other NMI come through.
 */
const char *nmi_cause(void);

/* Says that an NMI has come that nobody waited for, and what it has interrupted. Returns. */
void nmi_report(const struct trap_frame *frame);

#endif
