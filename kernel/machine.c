/* SPDX-License-Identifier: MIT */
/*
 * machine.c: ending: by status, by reset, or by announcing a panic.
 *
 * Sources: QEMU hw/misc/debugexit.c, docs/specs/pvpanic; IBM PC AT technical
 * reference (keyboard controller command 0xfe).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "machine.h"

#include "cpu.h"

#define DEBUG_EXIT           0xf4
#define PVPANIC              0x505
#define PVPANIC_PANICKED     0x01
#define KEYBOARD_STATUS      0x64
#define KEYBOARD_FULL        0x02
#define KEYBOARD_RESET       0xfe

_Noreturn void machine_exit(enum machine_status status)
{
	outb(DEBUG_EXIT, (uint8_t)status);
	machine_reboot();
}

_Noreturn void machine_reboot(void)
{
	while (inb(KEYBOARD_STATUS) & KEYBOARD_FULL)
		cpu_relax();
	outb(KEYBOARD_STATUS, KEYBOARD_RESET);
	cpu_stop();
}

void machine_announce_panic(void)
{
	outb(PVPANIC, PVPANIC_PANICKED);
}
