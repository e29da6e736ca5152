/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c: the ib700 watchdog and the lockup report.
 *
 * The report says in one sentence what a student otherwise works out with GDB.
 * It comes from an NMI, so it may interrupt anything: it takes no lock, believes
 * no list, and goes straight to the serial port.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "watchdog.h"

#include "console.h"
#include "cpu.h"
#include "panic.h"
#include "spinlock.h"
#include "trap.h"

#define IB700_DISARM  0x441     /* any value */
#define IB700_ARM     0x443     /* the timeout as a code: 15 - seconds / 2 */
#define TIMEOUT_CODE  (15 - WATCHDOG_SECONDS / 2)

void watchdog_pet(void)
{
	outb(IB700_ARM, TIMEOUT_CODE);
}

void watchdog_stop(void)
{
	outb(IB700_DISARM, 0);
}

/* Stands in for a place that is not known: the NMI may come at any instruction. */
static const struct place nowhere = { "?", "?", 0 };

_Noreturn void lockup_report(const struct trap_frame *frame)
{
	struct spinlock *lock = this_cpu.waits_for;
	const struct place *waits = this_cpu.waits_at, *taken;

	if (lock == NULL)
		panic_stop(PANIC_LOCKUP, frame, "cpu%u makes no progress, and waits for no lock",
			   this_cpu.id);
	taken = lock->taken_at != NULL ? lock->taken_at : &nowhere;
	panic_stop(PANIC_LOCKUP, frame,
		   "cpu%u waits for %s in %s (%s:%u), which cpu%u%s holds since %s (%s:%u)",
		   this_cpu.id, lock->name, waits->function, waits->file, waits->line, lock->owner,
		   lock->owner == this_cpu.id ? " itself" : "", taken->function, taken->file,
		   taken->line);
}
