/* SPDX-License-Identifier: MIT */
/*
 * machine.c: ending: by status, by reset, or by announcing a panic.
 *
 * Sources: QEMU hw/misc/debugexit.c, docs/specs/pvpanic; IBM PC AT technical
 * reference (keyboard controller command 0xfe); Intel PIIX3 data sheet (port 0xcf9).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "machine.h"

#include <stdbool.h>

#include "cpu.h"

#define DEBUG_EXIT           0xf4
#define DEBUG_EXIT_ANSWER    0       /* what it reads as */
#define PVPANIC              0x505   /* reads as the events that it knows */
#define PVPANIC_PANICKED     0x01
#define PVPANIC_UNKNOWN      0xf0    /* no event; a port without a device reads as 0xff */
#define KEYBOARD_STATUS      0x64
#define KEYBOARD_FULL        0x02
#define KEYBOARD_RESET       0xfe
#define RESET                0xcf9
#define RESET_HARD           0x02
#define RESET_NOW            0x04

/* Reads of a port, of which each takes a microsecond or so: how long a reset may take. */
#define PATIENCE_READS       100000

static bool debug_exit_is_there(void)
{
	return cpu_is_virtual() && inb(DEBUG_EXIT) == DEBUG_EXIT_ANSWER;
}

static bool pvpanic_is_there(void)
{
	return cpu_is_virtual() && (inb(PVPANIC) & (PVPANIC_PANICKED | PVPANIC_UNKNOWN)) ==
				   PVPANIC_PANICKED;
}

_Noreturn void machine_exit(enum machine_status status)
{
	if (debug_exit_is_there())
		outb(DEBUG_EXIT, (uint8_t)status);
	machine_reboot();
}

/* Waits until the keyboard controller takes a command; one that is not there never does. */
static void wait_for_keyboard(void)
{
	for (unsigned reads = 0; reads < PATIENCE_READS; reads++)
		if ((inb(KEYBOARD_STATUS) & KEYBOARD_FULL) == 0)
			return;
}

/* Gives a reset the time to happen. */
static void wait_for_reset(void)
{
	for (unsigned reads = 0; reads < PATIENCE_READS; reads++)
		inb(KEYBOARD_STATUS);
}

/* Without an interrupt table an exception is a triple fault, at which a CPU shuts down. */
static _Noreturn void reset_by_triple_fault(void)
{
	static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none;

	__asm__ volatile("lidt %0; int3" : : "m"(none) : "memory");
	cpu_stop();
}

_Noreturn void machine_reboot(void)
{
	wait_for_keyboard();
	outb(KEYBOARD_STATUS, KEYBOARD_RESET);
	wait_for_reset();
	outb(RESET, RESET_HARD);
	outb(RESET, RESET_HARD | RESET_NOW);
	wait_for_reset();
	reset_by_triple_fault();
}

void machine_announce_panic(void)
{
	if (pvpanic_is_there())
		outb(PVPANIC, PVPANIC_PANICKED);
}
