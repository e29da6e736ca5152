/* SPDX-License-Identifier: MIT */
/*
 * acpi.h: what the firmware's tables say of the local APIC, if they can be believed.
 *
 * RSDP -> RSDT -> MADT ("APIC"). No address, length or sum in them is believed before it has been
 * checked. A table that breaks the specification counts as not there: the kernel can do without.
 *
 * Source: ACPI Specification 6.5, sections 5.2.5 (RSDP), 5.2.6 (header), 5.2.7 (RSDT) and 5.2.12 (MADT).
 *
 * Locks: none. Allocates: nothing. Callable from: boot; acpi_find_apic() and acpi_apic_page() from
 * anywhere.
 */
#ifndef ACPI_H
#define ACPI_H

#include <stdint.h>

#include "memory.h"

/*
 * Where the MADT says that the local APICs' registers are: PADDR_NONE if there is no sound MADT.
 * `rsdp` has BOOTINFO_RSDP_BYTES. The tables are looked for in physical memory, of which the first
 * memory_bytes can be read, at `memory` and behind it.
 */
paddr_t acpi_find_apic(const uint8_t *rsdp, const uint8_t *memory, uint64_t memory_bytes);

/* Looks for it in what the boot loader has brought. Before paging_init(), which maps no tables. */
void acpi_init(void);

/* What acpi_init() has found. */
paddr_t acpi_apic_page(void);

#endif
