/* SPDX-License-Identifier: MIT */
/*
 * watchdog.h: QEMU's ib700 watchdog, and what to say when it bites.
 *
 * If it is not petted for WATCHDOG_SECONDS of the machine's time, the machine
 * raises an NMI (qemu: -device ib700 -action watchdog=inject-nmi). The kernel
 * pets it where it makes progress: when kmain begins, at each entry of the
 * initramfs, each command, each object that `alloc` and `fill` take, each test
 * and its steps.
 * Where there is no such device, writing to its ports does nothing.
 *
 * Source: QEMU hw/watchdog/wdt_ib700.c; IB700 manual "Watchdog timer".
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#define WATCHDOG_SECONDS 2

struct trap_frame;

/* Starts the count, or starts it again. */
void watchdog_pet(void);

/* Stops the count: while waiting for a person, and after a panic. */
void watchdog_stop(void);

/*
 * The NMI handler's work: says what the CPU was doing, which lock it waits for,
 * who holds that and since where, and the backtrace. Then stops.
 */
_Noreturn void lockup_report(const struct trap_frame *frame);

#endif
