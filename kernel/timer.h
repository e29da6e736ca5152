/* SPDX-License-Identifier: MIT */
/*
 * timer.h: a tick, by IRQ 0 of the PC's interval timer. It is off until somebody wants it.
 *
 * Source: Intel 8254 data sheet (mode 2, "rate generator").
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler.
 */
#ifndef TIMER_H
#define TIMER_H

#define TIMER_MIN_HZ 19         /* the counter has 16 bits */
#define TIMER_MAX_HZ 10000

/*
 * From now on calls `tick` so many times a second, with interrupts masked. Where interrupts are
 * masked for longer than that, ticks are lost. A rate out of bounds counts as the nearest one.
 */
void timer_start(unsigned hz, void (*tick)(void));

void timer_stop(void);

#endif
