/* SPDX-License-Identifier: MIT */
/*
 * trap.h: exceptions, interrupts, and the descriptor tables behind them.
 *
 * Source: Intel SDM volume 3A, chapter 6 "Interrupt and exception handling".
 *
 * Locks: none. Allocates: nothing. Callable from: boot; irq_install(),
 * trap_install() and trap_uninstall_all() from anywhere but an NMI handler; trap_dispatch() from
 * anywhere.
 */
#ifndef TRAP_H
#define TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* The stack as entry.S leaves it, lowest address first. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector;        /* 0 … 255 */
	uint64_t error;         /* the CPU's error code, or 0 */
	uint64_t rip, cs, rflags, rsp, ss;      /* pushed by the CPU */
};

enum {
	TRAP_DEBUG = 1, TRAP_NMI = 2, TRAP_BREAKPOINT = 3, TRAP_DOUBLE_FAULT = 8, TRAP_PAGE_FAULT = 14,
	TRAP_IRQ_BASE = 32,     /* the legacy IRQs 0 … 15, moved out of the exceptions' way */
};

/* Loads GDT, TSS (NMI and double fault on their own stacks) and IDT; masks all IRQs. */
void trap_init(void);

/* Unmasks a legacy IRQ and calls `handler` for it, with interrupts off. */
void irq_install(unsigned irq, void (*handler)(void));

/*
 * For tests, which install it and whose end uninstalls it: `handler` is asked first when exception
 * `vector`, below TRAP_IRQ_BASE, comes. If it returns true, that was all, and what was interrupted
 * goes on with the registers that `frame` has then. NULL: none.
 *
 * An NMI handler may be interrupted by exceptions that return, and from then on by other NMIs: nmi.h.
 */
void trap_install(unsigned vector, bool (*handler)(struct trap_frame *frame));
void trap_uninstall_all(void);

/* Called by entry.S with what it has saved, which lies on the stack right above the call. */
void trap_dispatch(struct trap_frame *frame);

/* Where trap_dispatch() returns to: by this a backtrace knows that call. */
extern const char trap_return[];

#endif
