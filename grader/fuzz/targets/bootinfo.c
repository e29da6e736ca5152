/* SPDX-License-Identifier: MIT */
/*
 * bootinfo.c: the boot loader's information, and the map of memory that is made of it.
 *
 * An input is where the structure lies in physical memory (4 bytes), and the structure.
 * What bootinfo.h forbids must be a panic by that name, and what it allows must make a map
 * as memmap.h has it: then early tables are taken from it, until there is no room for more.
 */
#include <stdlib.h>
#include <string.h>

#include "bootinfo.h"
#include "fuzz.h"
#include "image.h"
#include "options.h"

/* A machine boots once, and memmap.c needs no way back to the start. Here it boots again. */
#include "memmap.c"

#define BASE_BYTES 4            /* of an input: the physical address */

static void boot_again(void)
{
	nr_ranges = 0;
	top = 0;
}

struct structure {
	paddr_t base;
	void *bytes;
};

static void parse(void *argument)
{
	const struct structure *structure = argument;

	bootinfo_parse(&bootinfo, structure->base, structure->bytes);
}

static void must_be_sound(const struct structure *structure, uint32_t nr_bytes)
{
	MUST(bootinfo.base == structure->base && bootinfo.bytes == nr_bytes, "%#lx, %u bytes",
	     bootinfo.base, bootinfo.bytes);
	MUST(memchr(bootinfo.command_line, '\0', sizeof(bootinfo.command_line)) != NULL, "no end");
	MUST(memchr(bootinfo.loader_name, '\0', sizeof(bootinfo.loader_name)) != NULL, "no end");
	MUST(bootinfo.nr_ranges <= BOOTINFO_MAX_RANGES, "%zu ranges", bootinfo.nr_ranges);
	MUST(bootinfo.nr_modules <= BOOTINFO_MAX_MODULES, "%zu modules", bootinfo.nr_modules);
	for (size_t i = 0; i < bootinfo.nr_ranges; i++)
		MUST(bootinfo.ranges[i].bytes > 0 && bootinfo.ranges[i].base <=
		     UINT64_MAX - bootinfo.ranges[i].bytes, "range %zu wraps", i);
	for (size_t i = 0; i < bootinfo.nr_modules; i++) {
		const struct bootinfo_module *module = &bootinfo.modules[i];

		MUST(module->start <= module->end, "module %zu", i);
		MUST(memchr(module->name, '\0', sizeof(module->name)) != NULL, "module %zu: no end",
		     i);
	}
}

/* Does [base, end) have a frame that is free by the map? */
static bool is_partly_free(paddr_t base, paddr_t end)
{
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE && ranges[i].base < end && ranges[i].end > base)
			return true;
	return false;
}

/* Is this byte RAM, by the boot loader's word? */
static bool is_available(paddr_t address)
{
	for (size_t i = 0; i < bootinfo.nr_ranges; i++)
		if (bootinfo.ranges[i].type == BOOTINFO_AVAILABLE &&
		    bootinfo.ranges[i].base <= address &&
		    bootinfo.ranges[i].base + bootinfo.ranges[i].bytes > address)
			return true;
	return false;
}

static void must_be_ram(const struct memmap_range *range)
{
	MUST(range->base >= MIB(1), "the first MiB is free from %#lx on", range->base);
	MUST(is_available(range->base) && is_available(range->end - 1), "%#lx to %#lx is free",
	     range->base, range->end);
	MUST(range->end <= memmap_top(), "%#lx is above the top, %#lx", range->end, memmap_top());
	MUST(range->end <= options.mem_bytes, "%#lx is free in spite of mem=%#lx", range->end,
	     options.mem_bytes);
}

static void must_be_a_map(void)
{
	size_t nr;
	const struct memmap_range *range = memmap_ranges(&nr);

	for (size_t i = 0; i < nr; i++, range++) {
		MUST(range->base % PAGE_BYTES == 0 && range->end % PAGE_BYTES == 0 &&
		     range->base < range->end && range->end <= MEMMAP_LIMIT, "%#lx to %#lx",
		     range->base, range->end);
		MUST(i == 0 || range[-1].end < range->base ||
		     (range[-1].end == range->base && range[-1].owner != range->owner),
		     "%#lx to %#lx, then %#lx", range[-1].base, range[-1].end, range->base);
		MUST(memmap_find(range->base) == range && memmap_find(range->end - 1) == range &&
		     memmap_next(range->end - 1) == range, "%#lx is not found", range->base);
		MUST(memmap_owner_name(range->owner) != NULL, "owner %d", range->owner);
		if (range->owner == MEM_FREE)
			must_be_ram(range);
	}
}

static void must_be_taken(paddr_t base, paddr_t end, const char *what)
{
	MUST(base == end || !is_partly_free(base, end), "%s: %#lx to %#lx is free", what, base,
	     end);
}

static void must_have_owners(void)
{
	for (size_t i = 0; i < bootinfo.nr_ranges; i++)
		if (bootinfo.ranges[i].type != BOOTINFO_AVAILABLE)
			must_be_taken(bootinfo.ranges[i].base, bootinfo.ranges[i].base +
				      bootinfo.ranges[i].bytes, "not available");
	must_be_taken(KERNEL_PHYSICAL, image_to_phys(image_end), "the kernel");
	must_be_taken(bootinfo.base, bootinfo.base + bootinfo.bytes, "the boot information");
	for (size_t i = 0; i < bootinfo.nr_modules; i++)
		must_be_taken(bootinfo.modules[i].start, bootinfo.modules[i].end, "a module");
	for (size_t i = 0; i < options.nr_reserved; i++)
		must_be_taken(options.reserved[i].base,
			      options.reserved[i].base + options.reserved[i].bytes, "reserve=");
}

static void make_map(void *argument)
{
	memmap_init();
}

static void take_tables(void *argument)
{
	for (size_t bytes = 1; bytes < KIB(64); bytes *= 100) {
		uint8_t *table = memmap_alloc(bytes);
		uint64_t taken = ROUND_UP(bytes, PAGE_BYTES);
		paddr_t base = virt_to_phys(table);

		MUST(base % PAGE_BYTES == 0 && base + taken <= BOOT_MAP_BYTES, "%#lx", base);
		MUST(memmap_find(base)->owner == MEM_EARLY, "%#lx", base);
		must_be_taken(base, base + taken, "a table");
		MUST(table[0] == 0 && table[taken - 1] == 0, "not zeroed");
		ram_clear(table, taken);
		must_be_a_map();
	}
}

/* Does it panic? The message has to begin so. */
static bool panics(void (*work)(void *argument), void *argument, const char *begin)
{
	const char *message = panic_of(work, argument);

	MUST(message == NULL || strncmp(message, begin, strlen(begin)) == 0, "panic: %s", message);
	return message != NULL;
}

static void try_map(void)
{
	boot_again();
	ram_map();
	options_init();
	if (panics(make_map, NULL, "memmap: "))
		return;
	must_be_a_map();
	must_have_owners();
	panics(take_tables, NULL, "memmap: ");
}

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	struct structure structure = { 0 };
	uint32_t total_bytes = (uint32_t)(nr_bytes - BASE_BYTES);

	if (nr_bytes < BASE_BYTES + sizeof(uint64_t))
		return;
	memcpy(&structure.base, bytes, BASE_BYTES);
	structure.bytes = exact_copy(bytes + BASE_BYTES, total_bytes);
	/* No more bytes than there are: bootinfo_init() has seen to that. */
	memcpy(structure.bytes, &total_bytes, sizeof(total_bytes));
	if (!panics(parse, &structure, "bootinfo: ")) {
		must_be_sound(&structure, total_bytes);
		try_map();
	}
	free(structure.bytes);
}
