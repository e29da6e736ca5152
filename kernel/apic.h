/* SPDX-License-Identifier: MIT */
/*
 * apic.h: the CPU's local interrupt controller, by which it can send an NMI to itself.
 *
 * Interrupts of devices still come by the two 8259A (pic.h), also where there is a local APIC: it
 * passes them on as the firmware has set it up, and nothing here changes that. So a machine
 * without one lacks nothing but apic_send_nmi().
 *
 * Source: Intel SDM volume 3A, chapter 11 "Advanced programmable interrupt controller (APIC)".
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere; apic_init() from boot.
 */
#ifndef APIC_H
#define APIC_H

#include <stdbool.h>

#include "memory.h"

/*
 * Where the local APIC's registers are, one page of them, as the CPU says. PADDR_NONE if it has
 * none, if it is off, if it is in x2APIC mode, in which it has no such page, or if there is RAM.
 * After memmap_init().
 */
paddr_t apic_page(void);

/*
 * Finds out whether that page answers as a local APIC does, and whether the firmware says the same of it
 * (acpi.h). It is mapped: after paging_init().
 */
void apic_init(void);

/*
 * Sends this CPU an NMI, which has come when this returns, unless one is at work.
 * Return: false if there is no APIC to do it.
 */
bool apic_send_nmi(void);

#endif
