/* SPDX-License-Identifier: MIT */
/*
 * watchdog.h: QEMU's ib700 watchdog, and what to say when it bites.
 *
 * If it is not petted for WATCHDOG_SECONDS of the machine's time, the machine
 * raises an NMI (qemu: -device ib700 -action watchdog=inject-nmi). The kernel
 * pets it where it makes progress: when kmain begins, at each entry of the
 * initramfs, each command, each object that `alloc` and `fill` take, each test
 * and its steps, and at each piece of output.
 *
 * An ib700 answers no read, so nothing tells whether it is there. Its ports are
 * written only in a virtual machine, and only if no other device answers there.
 * Then, where there is none, writing to them does nothing.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 *
 * Source: QEMU hw/watchdog/wdt_ib700.c; IB700 manual "Watchdog timer".
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdbool.h>

#define WATCHDOG_SECONDS     2
#define WATCHDOG_MAX_SECONDS 30         /* the device counts no further */

struct trap_frame;

/* Starts the count for the first time, if the watchdog's ports may be touched. */
void watchdog_init(void);

/* Starts the count, or starts it again. */
void watchdog_pet(void);

/*
 * The next step may take long: counts `seconds`, WATCHDOG_MAX_SECONDS at the most, this once.
 */
void watchdog_allow(unsigned seconds);

/* Work gets on: starts the count again if it runs. For a step of any work that may take long. */
void watchdog_progress(void);

/* Stops the count: while waiting for a person, and after a panic. */
void watchdog_stop(void);

/*
 * Is an NMI the watchdog's? Not if the count does not run, nor well before its time is over.
 * Such an NMI is somebody else's; the watchdog will bite all the same. Where the time is not
 * known, or in doubt, each NMI during the count is taken for the watchdog's.
 */
bool watchdog_has_bitten(void);

/*
 * An NMI that came early has been reported. Until work gets on, the time is in doubt: a clock that was
 * measured on a busy host may be so slow that the watchdog always seems early.
 */
void watchdog_doubt(void);

/* The NMI handler's work: says that the CPU makes no progress, and why (lockup.h). Then stops. */
_Noreturn void lockup_report(const struct trap_frame *frame);

#endif
