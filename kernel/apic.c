/* SPDX-License-Identifier: MIT */
/*
 * apic.c: a few registers of the local APIC.
 *
 * Limits: no x2APIC mode. The firmware has left the APIC in that mode on machines with more than
 * 255 CPUs, seldom on others.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere; apic_init() from boot.
 */
#include "apic.h"

#include "acpi.h"
#include "console.h"
#include "cpu.h"
#include "memmap.h"

#define MSR_APIC_BASE   0x1b
#define APIC_X2         (1u << 10)
#define APIC_ENABLED    (1u << 11)
#define APIC_ADDRESS    0x000ffffffffff000ull

/* Registers, as offsets into the page; each is one 32-bit word. */
#define APIC_ID         0x20    /* in bits 24 to 31 */
#define APIC_VERSION    0x30    /* low byte 0x10 … 0x1f: not a chip of its own */
#define APIC_ICR_LOW    0x300   /* writing it sends an interrupt */
#define APIC_ICR_HIGH   0x310   /* to the CPU with the ID in bits 24 to 31 */

#define ICR_NMI         0x400
#define ICR_ASSERT      0x4000
#define ICR_PENDING     0x1000  /* not accepted yet */

#define PATIENCE_READS  100000

static volatile uint32_t *registers;    /* NULL: none to be used */

static uint32_t apic_read(unsigned offset)
{
	return registers[offset / sizeof(uint32_t)];
}

static void apic_write(unsigned offset, uint32_t value)
{
	registers[offset / sizeof(uint32_t)] = value;
}

/* Does the direct map have RAM there? */
static bool is_memory(paddr_t page)
{
	const struct memmap_range *range = memmap_find(page);

	return range != NULL && range->owner != MEM_FIRMWARE && range->owner != MEM_HIDDEN;
}

paddr_t apic_page(void)
{
	uint64_t base;

	if (!cpu_has_apic())
		return PADDR_NONE;
	base = read_msr(MSR_APIC_BASE);
	if (!(base & APIC_ENABLED) || (base & APIC_X2) || is_memory(base & APIC_ADDRESS))
		return PADDR_NONE;
	return base & APIC_ADDRESS;
}

void apic_init(void)
{
	paddr_t page = apic_page(), firmwares = acpi_apic_page();

	if (page == PADDR_NONE)
		return;
	if (firmwares != PADDR_NONE && firmwares != page) {
		console_printf("apic: at %#lx, says the firmware, at %#lx, says the CPU; it is not used\n",
			       firmwares, page);
		return;
	}
	registers = phys_to_virt(page);
	if ((apic_read(APIC_VERSION) & 0xf0) != 0x10)
		registers = NULL;
}

bool apic_send_nmi(void)
{
	if (registers == NULL)
		return false;
	apic_write(APIC_ICR_HIGH, apic_read(APIC_ID));
	apic_write(APIC_ICR_LOW, ICR_NMI | ICR_ASSERT);
	for (unsigned reads = 0; reads < PATIENCE_READS && (apic_read(APIC_ICR_LOW) & ICR_PENDING); reads++)
		cpu_relax();
	return true;
}
