/* SPDX-License-Identifier: MIT */
/*
 * pic.c: the legacy interrupt controllers, moved away from the exceptions.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (with interrupts masked);
 * pic_init() from boot.
 */
#include "pic.h"

#include "cpu.h"

#define MASTER           0x20
#define SLAVE            0xa0
#define DATA             1       /* the data port follows the command port */
#define CASCADE_IRQ      2       /* where the slave is connected */

#define ICW1_INIT        0x11    /* edge triggered, cascaded, ICW4 follows */
#define ICW4_8086        0x01
#define OCW2_EOI         0x20
#define OCW3_READ_ISR    0x0b

void pic_init(uint8_t first_vector)
{
	outb(MASTER, ICW1_INIT);
	outb(SLAVE, ICW1_INIT);
	outb(MASTER + DATA, first_vector);
	outb(SLAVE + DATA, first_vector + 8);
	outb(MASTER + DATA, 1 << CASCADE_IRQ);
	outb(SLAVE + DATA, CASCADE_IRQ);
	outb(MASTER + DATA, ICW4_8086);
	outb(SLAVE + DATA, ICW4_8086);
	outb(MASTER + DATA, (uint8_t)~(1 << CASCADE_IRQ));
	outb(SLAVE + DATA, 0xff);
}

void pic_unmask(unsigned irq)
{
	uint16_t port = (irq < 8 ? MASTER : SLAVE) + DATA;

	outb(port, inb(port) & (uint8_t)~(1u << irq % 8));
}

void pic_mask(unsigned irq)
{
	uint16_t port = (irq < 8 ? MASTER : SLAVE) + DATA;

	outb(port, inb(port) | (uint8_t)(1u << irq % 8));
}

bool pic_is_spurious(unsigned irq)
{
	uint16_t port = irq < 8 ? MASTER : SLAVE;

	if (irq % 8 != 7)
		return false;
	outb(port, OCW3_READ_ISR);
	if (inb(port) & 1 << 7)
		return false;
	if (irq >= 8)
		outb(MASTER, OCW2_EOI);         /* the cascade itself was real */
	return true;
}

void pic_acknowledge(unsigned irq)
{
	if (irq >= 8)
		outb(SLAVE, OCW2_EOI);
	outb(MASTER, OCW2_EOI);
}
