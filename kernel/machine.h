/* SPDX-License-Identifier: MIT */
/*
 * machine.h: ways to end, through devices that QEMU has.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/* Statuses of machine_exit(), for `make run`. The grader goes by ktests_outcome (ktest.h). */
enum machine_status {
	MACHINE_TESTS_PASSED = 0x10,
	MACHINE_TESTS_FAILED = 0x11,
};

/*
 * isa-debug-exit, port 0xf4: QEMU exits with status 2 * status + 1. Where there is none, a
 * reset, at which the grader's QEMU stops and leaves memory as it is.
 */
_Noreturn void machine_exit(enum machine_status status);

/* Resets the machine through the keyboard controller. */
_Noreturn void machine_reboot(void);

/* pvpanic, port 0x505: tells the machine that the kernel is done for. */
void machine_announce_panic(void);

#endif
