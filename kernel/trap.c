/* SPDX-License-Identifier: MIT */
/*
 * trap.c: the CPU's tables, and what happens on an exception.
 *
 * NMI and double fault run on stacks of their own, so that they can report also
 * when the stack they interrupt is the problem. A stack that runs into its guard
 * page cannot hold the page fault's frame, which makes a double fault.
 *
 * Locks: none. Allocates: nothing. Callable from: boot; trap_dispatch() from anywhere.
 */
#include "trap.h"

#include <stddef.h>

#include "backtrace.h"
#include "console.h"
#include "cpu.h"
#include "image.h"
#include "layout.h"
#include "memory.h"
#include "panic.h"
#include "pic.h"
#include "ubsan.h"
#include "watchdog.h"

#define NR_VECTORS      48
#define NR_EXCEPTIONS   32
#define STUB_BYTES      16      /* distance of two stubs in entry.S */

#define IST_FAULT       1
#define IST_NMI         2

/* System control port B. Source: IBM PC AT technical reference, "I/O channel check". */
#define SYSTEM_CONTROL  0x61
#define PARITY_ERROR    0x80
#define CHANNEL_ERROR   0x40
#define PARITY_OFF      0x04    /* clears its error as well */
#define CHANNEL_OFF     0x08
#define WRITABLE        0x0f

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
	tss.ist[IST_NMI - 1] = (uint64_t)nmi_stack_top;
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

static void dispatch_irq(unsigned irq)
{
	if (pic_is_spurious(irq))
		return;
	if (irq_handlers[irq] != NULL)
		irq_handlers[irq]();
	pic_acknowledge(irq);
}

/*
 * What the board says it has raised an NMI for. That source is off from then on, or its line would
 * stay up and no other NMI come through.
 */
static const char *nmi_cause(void)
{
	uint8_t status = inb(SYSTEM_CONTROL);

	if (status == 0xff || (status & (PARITY_ERROR | CHANNEL_ERROR)) == 0)
		return "from outside, for no reason that the board tells";
	outb(SYSTEM_CONTROL, (status & WRITABLE) |
			     (status & PARITY_ERROR ? PARITY_OFF : CHANNEL_OFF));
	return status & PARITY_ERROR ? "a parity or system error" : "an error of the I/O channel";
}

/* For an NMI that is not the watchdog's. Returns: nothing says that the kernel cannot go on. */
static void report_nmi(const struct trap_frame *frame)
{
	console_printf("\nNMI: %s; interrupted, innermost first:\n", nmi_cause());
	backtrace_print((struct backtrace){ frame->rip, frame->rbp, frame->rsp });
	watchdog_doubt();               /* after the output, which counts as progress */
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

void trap_dispatch(struct trap_frame *frame)
{
	if (frame->vector >= TRAP_IRQ_BASE)
		dispatch_irq((unsigned)(frame->vector - TRAP_IRQ_BASE));
	else if (frame->vector == TRAP_NMI && watchdog_has_bitten())
		lockup_report(frame);
	else if (frame->vector == TRAP_NMI)
		report_nmi(frame);
	else
		report_fault(frame);
}
