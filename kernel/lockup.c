/* SPDX-License-Identifier: MIT */
/*
 * lockup.c: names the lock that the CPU waits for. Lab 3 has a version that explains more.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "lockup.h"

#include "console.h"
#include "cpu.h"
#include "image.h"
#include "spinlock.h"

void lockup_explain(struct backtrace start)
{
	const struct spinlock *lock = this_cpu.waits_for;

	if (lock == NULL) {
		console_printf("cpu%u waits for no lock\n", this_cpu.id);
		console_printf("backtrace, innermost first:\n");
		backtrace_print(start);
		return;
	}
	for (const struct spinlock *each = spinlocks_start; each < spinlocks_end; each++)
		if (each == lock && image_is_constant(lock->name, 1))
			console_printf("cpu%u waits for %s\n", this_cpu.id, lock->name);
}
