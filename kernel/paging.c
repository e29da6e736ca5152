/* SPDX-License-Identifier: MIT */
/*
 * paging.c: builds the final page tables in one go.
 *
 * map() walks the four levels, making tables as it goes, and uses a 2 MiB page
 * wherever address, size and alignment allow one. Tables come from
 * memmap_alloc(), one frame each; they are never changed or freed afterwards.
 *
 * Locks: none. Allocates: early memory. Callable from: boot; paging_lookup() from
 * anywhere.
 */
#include "paging.h"

#include "apic.h"
#include "cpu.h"
#include "image.h"
#include "memmap.h"
#include "screen.h"

#define PTE_PRESENT   (1ull << 0)
#define PTE_WRITE     (1ull << 1)
#define PTE_LARGE     (1ull << 7)
#define PTE_NX        (1ull << 63)
#define PTE_ADDRESS   0x000ffffffffff000ull

#define READ_ONLY     (PTE_PRESENT | PTE_NX)
#define READ_WRITE    (PTE_PRESENT | PTE_WRITE | PTE_NX)
#define READ_EXECUTE  PTE_PRESENT

#define NR_LEVELS     4
#define LARGE_LEVEL   1                 /* 2 MiB pages stand one level above 4 KiB ones */
#define INDEX_BITS    9
#define NR_ENTRIES    (1u << INDEX_BITS)

static uint64_t *root;

/* Bytes that one entry at `level` (0 = lowest) stands for. */
static uint64_t entry_bytes(unsigned level)
{
	return PAGE_BYTES << level * INDEX_BITS;
}

static uint64_t *entry_for(uint64_t *table, vaddr_t address, unsigned level)
{
	return &table[address >> (PAGE_SHIFT + level * INDEX_BITS) & (NR_ENTRIES - 1)];
}

static uint64_t *next_table(uint64_t *entry)
{
	if (!(*entry & PTE_PRESENT))
		*entry = virt_to_phys(memmap_alloc(PAGE_BYTES)) | PTE_PRESENT | PTE_WRITE;
	return phys_to_virt(*entry & PTE_ADDRESS);
}

/* Maps one page of the size of `level`. */
static void map_page(vaddr_t address, paddr_t frame, uint64_t permissions, unsigned level)
{
	uint64_t *table = root;

	for (unsigned above = NR_LEVELS - 1; above > level; above--)
		table = next_table(entry_for(table, address, above));
	*entry_for(table, address, level) = frame | permissions | (level > 0 ? PTE_LARGE : 0);
}

static void map(vaddr_t address, paddr_t base, paddr_t end, uint64_t permissions)
{
	while (base < end) {
		unsigned level = LARGE_LEVEL;

		if ((address | base) % entry_bytes(level) != 0 || end - base < entry_bytes(level))
			level = 0;
		map_page(address, base, permissions, level);
		address += entry_bytes(level);
		base += entry_bytes(level);
	}
}

static void map_image(const char *start, const char *end, uint64_t permissions)
{
	map((vaddr_t)start, image_to_phys(start), image_to_phys(end), permissions);
}

/* Data and stacks, but not the pages that guard the stacks. */
static void map_data(void)
{
	map_image(data_start, boot_stack_guard, READ_WRITE);
	map_image(boot_stack, boot_stack_top, READ_WRITE);
	map_image(fault_stack, fault_stack_top, READ_WRITE);
	map_image(nmi_stack, nmi_stack_top, READ_WRITE);
	map_image(nmi_stack_2, nmi_stack_2_top, READ_WRITE);
	map_image(nmi_stack_3, nmi_stack_3_top, READ_WRITE);
}

/* The direct map: RAM that somebody owns or may own, but not the image, whose text is executable. */
static void map_ram(void)
{
	const struct memmap_range *next;
	struct memmap_range range = { 0 };

	/* By address and by copy: the tables that map() makes cut the map's ranges. */
	while ((next = memmap_next(range.end)) != NULL) {
		range = *next;
		if (range.owner != MEM_KERNEL && range.owner != MEM_FIRMWARE &&
		    range.owner != MEM_HIDDEN)
			map((vaddr_t)phys_to_virt(range.base), range.base, range.end, READ_WRITE);
	}
}

/* A device's memory. The CPU does not cache it: the firmware has told it so, by its range (MTRR). */
static void map_screen(void)
{
	map((vaddr_t)phys_to_virt(SCREEN_PHYSICAL), SCREEN_PHYSICAL,
	    SCREEN_PHYSICAL + SCREEN_BYTES, READ_WRITE);
}

static void map_apic(void)
{
	paddr_t page = apic_page();

	if (page != PADDR_NONE)
		map((vaddr_t)phys_to_virt(page), page, page + PAGE_BYTES, READ_WRITE);
}

void paging_init(void)
{
	root = memmap_alloc(PAGE_BYTES);
	map_image(text_start, text_end, READ_EXECUTE);
	map_image(rodata_start, rodata_end, READ_ONLY);
	map_data();
	map_ram();
	map_screen();
	map_apic();
	write_cr3(virt_to_phys(root));
}

bool paging_lookup(vaddr_t address, bool *writable, bool *executable)
{
	uint64_t *table = phys_to_virt(read_cr3() & PTE_ADDRESS);

	*writable = true;
	*executable = true;
	for (unsigned level = NR_LEVELS; level-- > 0;) {
		uint64_t entry = *entry_for(table, address, level);

		if (!(entry & PTE_PRESENT))
			return false;
		*writable = *writable && (entry & PTE_WRITE);
		*executable = *executable && !(entry & PTE_NX);
		if (entry & PTE_LARGE && level > 0)
			break;
		table = phys_to_virt(entry & PTE_ADDRESS);
	}
	return true;
}
