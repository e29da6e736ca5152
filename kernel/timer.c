/* SPDX-License-Identifier: MIT */
/*
 * timer.c: channel 0 of the interval timer. (Channel 2 is clock.c's.)
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler.
 */
#include "timer.h"

#include <stdint.h>

#include "cpu.h"
#include "pic.h"
#include "trap.h"

#define PIT_HZ        1193182
#define PIT_CHANNEL0  0x40
#define PIT_COMMAND   0x43
#define PIT_RATE      0x34      /* channel 0, low byte then high byte, mode 2, binary */
#define TIMER_IRQ     0

void timer_start(unsigned hz, void (*tick)(void))
{
	unsigned rate = hz < TIMER_MIN_HZ ? TIMER_MIN_HZ : hz > TIMER_MAX_HZ ? TIMER_MAX_HZ : hz;
	unsigned count = PIT_HZ / rate;
	uint64_t flags = irq_save();

	outb(PIT_COMMAND, PIT_RATE);
	outb(PIT_CHANNEL0, (uint8_t)count);
	outb(PIT_CHANNEL0, (uint8_t)(count >> 8));
	irq_install(TIMER_IRQ, tick);
	irq_restore(flags);
}

void timer_stop(void)
{
	uint64_t flags = irq_save();

	pic_mask(TIMER_IRQ);
	irq_restore(flags);
}
