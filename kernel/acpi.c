/* SPDX-License-Identifier: MIT */
/*
 * acpi.c: from the root pointer to one address in one table.
 *
 * Limits: the RSDT only, which has 32-bit addresses; every machine with a BIOS has one. Of entries
 * in the MADT only that with a 64-bit address is read.
 *
 * Locks: none. Allocates: nothing. Callable from: boot; acpi_find_apic() and acpi_apic_page() from
 * anywhere.
 */
#include "acpi.h"

#include <stdbool.h>
#include <stddef.h>

#include "bootinfo.h"
#include "string.h"

#define MAX_TABLE_BYTES  0x10000        /* believed */

/* Offsets in the RSDP, in the header of each table, and in the MADT. */
#define RSDP_RSDT        16
#define HEADER_LENGTH    4
#define HEADER_BYTES     36
#define MADT_ADDRESS     36
#define MADT_ENTRIES     44
#define ENTRY_LENGTH     1              /* after the type, one byte */
#define ENTRY_OVERRIDE   5              /* type: a 64-bit address instead */
#define OVERRIDE_BYTES   12
#define OVERRIDE_ADDRESS 4

static paddr_t apic = PADDR_NONE;

static uint32_t word_at(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static uint64_t long_at(const uint8_t *bytes)
{
	return word_at(bytes) | (uint64_t)word_at(bytes + sizeof(uint32_t)) << 32;
}

static bool sum_is_zero(const uint8_t *bytes, size_t nr_bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < nr_bytes; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum == 0;
}

/* Return: the table at `address`, all of which can be read, or NULL if it is none. */
static const uint8_t *sound_table(const uint8_t *memory, uint64_t memory_bytes, uint64_t address,
				  size_t least_bytes)
{
	uint32_t nr_bytes;

	if (address == 0 || address > memory_bytes || memory_bytes - address < HEADER_BYTES)
		return NULL;
	nr_bytes = word_at(memory + address + HEADER_LENGTH);
	if (nr_bytes < least_bytes || nr_bytes > MAX_TABLE_BYTES || nr_bytes > memory_bytes - address ||
	    !sum_is_zero(memory + address, nr_bytes))
		return NULL;
	return memory + address;
}

/* The address of a MADT, or that of the entry that says another. */
static paddr_t read_madt(const uint8_t *madt)
{
	const uint8_t *end = madt + word_at(madt + HEADER_LENGTH), *entry = madt + MADT_ENTRIES;
	paddr_t found = word_at(madt + MADT_ADDRESS);

	while (end - entry > ENTRY_LENGTH) {
		uint8_t nr_bytes = entry[ENTRY_LENGTH];

		if (nr_bytes <= ENTRY_LENGTH || nr_bytes > end - entry)
			return PADDR_NONE;
		if (entry[0] == ENTRY_OVERRIDE && nr_bytes >= OVERRIDE_BYTES)
			found = long_at(entry + OVERRIDE_ADDRESS);
		entry += nr_bytes;
	}
	return found;
}

paddr_t acpi_find_apic(const uint8_t *rsdp, const uint8_t *memory, uint64_t memory_bytes)
{
	const uint8_t *rsdt, *table;

	if (memcmp(rsdp, "RSD PTR ", 8) != 0 || !sum_is_zero(rsdp, BOOTINFO_RSDP_BYTES))
		return PADDR_NONE;
	rsdt = sound_table(memory, memory_bytes, word_at(rsdp + RSDP_RSDT), HEADER_BYTES);
	if (rsdt == NULL || memcmp(rsdt, "RSDT", 4) != 0)
		return PADDR_NONE;
	for (size_t at = HEADER_BYTES; at + sizeof(uint32_t) <= word_at(rsdt + HEADER_LENGTH);
	     at += sizeof(uint32_t)) {
		table = sound_table(memory, memory_bytes, word_at(rsdt + at), HEADER_BYTES);
		if (table == NULL || memcmp(table, "APIC", 4) != 0)
			continue;
		return word_at(table + HEADER_LENGTH) < MADT_ENTRIES ? PADDR_NONE : read_madt(table);
	}
	return PADDR_NONE;
}

void acpi_init(void)
{
	apic = acpi_find_apic(bootinfo.rsdp, phys_to_virt(0), BOOT_MAP_BYTES);
}

paddr_t acpi_apic_page(void)
{
	return apic;
}
