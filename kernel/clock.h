/* SPDX-License-Identifier: MIT */
/*
 * clock.h: time since start, and the cost of code in instructions.
 *
 * Under QEMU's -icount the time-stamp counter advances by 2^shift for every
 * guest instruction, so that differences are instruction counts.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Measures the time-stamp counter against the PIT, and whether it counts instructions. */
void clock_init(void);

/* Milliseconds since clock_init(); 0 before it. */
uint64_t clock_ms(void);

/* Instructions executed so far, 0 <= result; always 0 where the machine does not count them. */
uint64_t clock_instructions(void);

#endif
