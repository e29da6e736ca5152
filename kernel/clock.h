/* SPDX-License-Identifier: MIT */
/*
 * clock.h: time since start, and the cost of code in instructions.
 *
 * Under QEMU's -icount the time-stamp counter advances by 2^shift for every
 * guest instruction, so that differences are instruction counts.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Measures the time-stamp counter against the PIT, and whether it counts instructions. A timer
 * that is not there, or says what cannot be, costs a message: then the time is not known.
 */
void clock_init(void);

/* Is the time known? */
bool clock_is_known(void);

/* Milliseconds since clock_init(); 0 before it, and always if the time is not known. */
uint64_t clock_ms(void);

/* Instructions executed so far, 0 <= result; always 0 where the machine does not count them. */
uint64_t clock_instructions(void);

#endif
