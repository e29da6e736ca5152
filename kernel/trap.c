/* SPDX-License-Identifier: MIT */
/*
 * trap.c: the CPU's tables, and what happens on an exception.
 *
 * NMI (nmi.c) and double fault run on stacks of their own, so that they can report also
 * when the stack they interrupt is the problem. A stack that runs into its guard
 * page cannot hold the page fault's frame, which makes a double fault.
 *
 * Locks: none. Allocates: nothing. Callable from: boot; irq_install(),
 * trap_install() and trap_uninstall_all() from anywhere but an NMI handler; trap_dispatch() from
 * anywhere.
 */
#include "trap.h"

#include <stddef.h>

#include "backtrace.h"
#include "cpu.h"
#include "fail.h"
#include "image.h"
#include "layout.h"
#include "memory.h"
#include "nmi.h"
#include "panic.h"
#include "pic.h"
#include "ubsan.h"
#include "watchdog.h"

#define NR_VECTORS      48
#define NR_EXCEPTIONS   32
#define STUB_BYTES      16      /* distance of two stubs in entry.S */

#define IST_FAULT       1
#define IST_NMI         2

#define GATE_INTERRUPT  0x8e    /* present, ring 0, interrupts masked inside */
#define TSS_AVAILABLE   0x89

/* SDM volume 3A, figure 6-8. */
struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

/* SDM volume 3A, figure 8-11. */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];        /* ist[n - 1] is used by gates with IST n */
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern const char trap_vectors[];

static struct gate idt[NR_VECTORS];
static struct tss tss;
static uint64_t gdt[5] = {
	[KERNEL_CS / 8] = 0x00af9a000000ffff,
	[KERNEL_DS / 8] = 0x00cf92000000ffff,
};
static void (*irq_handlers[NR_IRQS])(void);
static bool (*trap_handlers[NR_EXCEPTIONS])(struct trap_frame *frame);

static const char *const names[NR_EXCEPTIONS] = {
	[0] = "divide error", [1] = "debug exception", [2] = "NMI", [3] = "breakpoint",
	[4] = "overflow", [5] = "bound range exceeded", [6] = "invalid opcode",
	[7] = "device not available", [8] = "double fault", [9] = "coprocessor overrun",
	[10] = "invalid TSS", [11] = "segment not present", [12] = "stack fault",
	[13] = "general protection fault", [14] = "page fault", [16] = "x87 exception",
	[17] = "alignment check", [18] = "machine check", [19] = "SIMD exception",
	[20] = "virtualization exception", [21] = "control protection exception",
	[28] = "hypervisor injection exception", [29] = "VMM communication exception",
	[30] = "security exception",
};

static void set_gate(unsigned vector, uint8_t ist)
{
	uint64_t stub = (uint64_t)trap_vectors + vector * STUB_BYTES;

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)stub, .offset_middle = (uint16_t)(stub >> 16),
		.offset_high = (uint32_t)(stub >> 32), .selector = KERNEL_CS,
		.ist = ist, .type = GATE_INTERRUPT,
	};
}

static void load_tables(void)
{
	struct table_pointer gdtr = { sizeof(gdt) - 1, (uint64_t)gdt };
	struct table_pointer idtr = { sizeof(idt) - 1, (uint64_t)idt };

	__asm__ volatile("lgdt %0" : : "m"(gdtr) : "memory");
	__asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
	__asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR) : "memory");
}

void trap_init(void)
{
	uint64_t base = (uint64_t)&tss;

	tss.ist[IST_FAULT - 1] = (uint64_t)fault_stack_top;
	tss.ist[IST_NMI - 1] = nmi_first_stack();
	tss.io_map = sizeof(tss);               /* none */
	gdt[TSS_SELECTOR / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
				(uint64_t)TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
	gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
	for (unsigned vector = 0; vector < NR_VECTORS; vector++)
		set_gate(vector, 0);
	set_gate(TRAP_DOUBLE_FAULT, IST_FAULT);
	set_gate(TRAP_NMI, IST_NMI);
	load_tables();
	pic_init(TRAP_IRQ_BASE);
}

void irq_install(unsigned irq, void (*handler)(void))
{
	irq_handlers[irq] = handler;
	pic_unmask(irq);
}

void trap_install(unsigned vector, bool (*handler)(struct trap_frame *frame))
{
	trap_handlers[vector] = handler;
}

void trap_uninstall_all(void)
{
	for (unsigned vector = 0; vector < NR_EXCEPTIONS; vector++)
		trap_handlers[vector] = NULL;
}

static void dispatch_irq(unsigned irq)
{
	if (pic_is_spurious(irq))
		return;
	if (irq_handlers[irq] != NULL)
		irq_handlers[irq]();
	pic_acknowledge(irq);
}

static _Noreturn void report_fault(const struct trap_frame *frame)
{
	uint64_t address = read_cr2(), offset = 0;
	const char *function = symbol_find(frame->rip, &offset);
	const char *stack = stack_guard_name(address);
	const char *name = names[frame->vector] != NULL ? names[frame->vector] : "unknown";
	const char *action = frame->error & 16 ? "executing" : frame->error & 2 ? "writing" : "reading";

	ubsan_report(frame);
	if (function == NULL)
		function = "no function";
	if (stack != NULL &&
	    (frame->vector == TRAP_DOUBLE_FAULT || frame->vector == TRAP_PAGE_FAULT))
		panic_stop(PANIC_STACK_OVERFLOW, frame, "%s overflowed in %s+%#lx", stack, function,
			   offset);
	if (frame->vector == TRAP_PAGE_FAULT)
		panic_stop(PANIC_FAULT, frame, "page fault %s %#lx (%s) in %s+%#lx", action, address,
			   frame->error & 1 ? "not permitted" : "not mapped", function, offset);
	panic_stop(PANIC_FAULT, frame, "%s (vector %lu, error %#lx) in %s+%#lx",
		   name, frame->vector, frame->error, function, offset);
}

static void dispatch_exception(struct trap_frame *frame)
{
	bool (*handler)(struct trap_frame *) = trap_handlers[frame->vector];

	if (handler != NULL && handler(frame))
		return;
	if (frame->vector == TRAP_DEBUG && fail_at(frame))
		return;
	if (frame->vector != TRAP_NMI)
		report_fault(frame);
	if (watchdog_has_bitten())
		lockup_report(frame);
	nmi_report(frame);
	watchdog_doubt();               /* after the output, which counts as progress */
}

void trap_dispatch(struct trap_frame *frame)
{
	if (frame->vector == TRAP_NMI)          /* first of all, see nmi.h */
		tss.ist[IST_NMI - 1] = nmi_next_stack(frame);
	if (frame->vector >= TRAP_IRQ_BASE)
		dispatch_irq((unsigned)(frame->vector - TRAP_IRQ_BASE));
	else
		dispatch_exception(frame);
}
