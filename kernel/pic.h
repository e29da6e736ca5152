/* SPDX-License-Identifier: MIT */
/*
 * pic.h: the two 8259A interrupt controllers of the PC.
 *
 * Source: Intel 8259A data sheet.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (with interrupts masked);
 * pic_init() from boot.
 */
#ifndef PIC_H
#define PIC_H

#include <stdbool.h>
#include <stdint.h>

#define NR_IRQS 16

/* Sends IRQ n to vector first_vector + n (a multiple of 8), all masked. */
void pic_init(uint8_t first_vector);

void pic_unmask(unsigned irq);
void pic_mask(unsigned irq);

/* Was IRQ 7 or 15 only noise? Such an interrupt must not be acknowledged as usual. */
bool pic_is_spurious(unsigned irq);

/* Says that the interrupt has been dealt with. */
void pic_acknowledge(unsigned irq);

#endif
