/* SPDX-License-Identifier: MIT */
/*
 * bootinfo.h: what the boot loader told us, copied out of its own structures.
 *
 * Source: Multiboot2 Specification 2.0, section 3.6 "Boot information".
 *
 * Locks: none. Allocates: nothing. Callable from: boot.
 */
#ifndef BOOTINFO_H
#define BOOTINFO_H

#include <stddef.h>
#include <stdint.h>

#include "memory.h"

#define MULTIBOOT2_BOOT_MAGIC    0x36d76289     /* in EAX at entry, section 3.3 */

#define BOOTINFO_MAX_RANGES      128
#define BOOTINFO_MAX_MODULES     8
#define BOOTINFO_MAX_STRING      512            /* bytes, with the final NUL */
#define BOOTINFO_RSDP_BYTES      20             /* of ACPI's root pointer, in its first version */

/* Memory types of the memory map tag, section 3.6.8. Any other value means reserved. */
enum bootinfo_memory {
	BOOTINFO_AVAILABLE    = 1,
	BOOTINFO_RESERVED     = 2,
	BOOTINFO_ACPI_RECLAIM = 3,
	BOOTINFO_ACPI_NVS     = 4,
	BOOTINFO_DEFECTIVE    = 5,
};

struct bootinfo_range {
	paddr_t base;           /* first byte */
	uint64_t bytes;         /* length; never 0, base + bytes never wraps */
	uint32_t type;          /* enum bootinfo_memory, or a value we do not know */
};

struct bootinfo_module {
	paddr_t start;          /* first byte */
	paddr_t end;            /* one past the last byte; never below start */
	char name[64];          /* the module's own command line, cut to fit */
};

struct bootinfo {
	paddr_t base;           /* where the boot loader's structure lies */
	uint32_t bytes;         /* and its whole length */
	char command_line[BOOTINFO_MAX_STRING];
	char loader_name[64];   /* "GRUB 2.06-…", or "" */
	size_t nr_ranges;
	struct bootinfo_range ranges[BOOTINFO_MAX_RANGES];      /* in the loader's order */
	uint8_t rsdp[BOOTINFO_RSDP_BYTES];      /* a copy of ACPI's root pointer (acpi.h); 0s: none */
	size_t nr_modules;
	struct bootinfo_module modules[BOOTINFO_MAX_MODULES];
};

extern struct bootinfo bootinfo;

/*
 * Reads the information structure that lies at `base` (mapped at `pointer`) into
 * `info`. Tags of unknown type are skipped.
 *
 * A structure that breaks the specification is a panic that names the tag, its
 * offset and what is wrong with it: too short, past the end, a string without a
 * NUL, a module that ends before it starts, no memory map, no end tag.
 */
void bootinfo_parse(struct bootinfo *info, paddr_t base, const void *pointer);

/* Checks the loader's magic number and fills the global `bootinfo`. */
void bootinfo_init(uint32_t magic, paddr_t base);

#endif
