/* SPDX-License-Identifier: MIT */
/*
 * memmap.c: the owners of physical memory, as a sorted array of ranges.
 *
 * Memory changes hands once: assign() takes it from MEM_FREE, which cuts a range
 * in up to three pieces. Where the boot loader's ranges overlap, the word of one
 * that is not available counts.
 * Limit: MAX_RANGES pieces.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere; memmap_init() and
 * memmap_alloc() from boot.
 */
#include "memmap.h"

#include <stdbool.h>

#include "bootinfo.h"
#include "console.h"
#include "image.h"
#include "options.h"
#include "panic.h"
#include "string.h"
#include "watchdog.h"

#define MAX_RANGES 256

static struct memmap_range ranges[MAX_RANGES];
static size_t nr_ranges;
static paddr_t top;

static const char *const owner_names[] = {
	[MEM_FREE] = "free", [MEM_LOW] = "low", [MEM_KERNEL] = "kernel",
	[MEM_BOOTINFO] = "bootinfo", [MEM_MODULE] = "module", [MEM_EARLY] = "early",
	[MEM_HIDDEN] = "hidden", [MEM_FIRMWARE] = "firmware",
};

const char *memmap_owner_name(enum mem_owner owner)
{
	return owner_names[owner];
}

const struct memmap_range *memmap_ranges(size_t *nr)
{
	*nr = nr_ranges;
	return ranges;
}

const struct memmap_range *memmap_next(paddr_t address)
{
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].end > address)
			return &ranges[i];
	return NULL;
}

const struct memmap_range *memmap_find(paddr_t address)
{
	const struct memmap_range *range = memmap_next(address);

	return range != NULL && range->base <= address ? range : NULL;
}

paddr_t memmap_top(void)
{
	return top;
}

static void insert(size_t at, paddr_t base, paddr_t end, enum mem_owner owner)
{
	if (nr_ranges == MAX_RANGES)
		panic("memmap: more than %u ranges of memory", MAX_RANGES);
	memmove(&ranges[at + 1], &ranges[at], (nr_ranges - at) * sizeof(ranges[0]));
	ranges[at] = (struct memmap_range){ base, end, owner };
	nr_ranges++;
}

/* Joins neighbours that have the same owner. */
static void join(void)
{
	size_t kept = 0;

	for (size_t i = 1; i < nr_ranges; i++) {
		if (ranges[i].base == ranges[kept].end && ranges[i].owner == ranges[kept].owner)
			ranges[kept].end = ranges[i].end;
		else
			ranges[++kept] = ranges[i];
	}
	nr_ranges = nr_ranges == 0 ? 0 : kept + 1;
}

/* Gives [base, end) to `owner`, as far as it is free now. Of an empty range nothing is to be given. */
static void assign(paddr_t base, paddr_t end, enum mem_owner owner)
{
	if (base >= end)
		return;
	for (size_t i = 0; i < nr_ranges; i++) {
		if (ranges[i].end <= base || ranges[i].base >= end || ranges[i].owner != MEM_FREE)
			continue;
		if (ranges[i].base < base) {
			insert(i, ranges[i].base, base, ranges[i].owner);
			i++;
		}
		if (ranges[i].end > end)
			insert(i + 1, end, ranges[i].end, ranges[i].owner);
		ranges[i].base = base > ranges[i].base ? base : ranges[i].base;
		ranges[i].end = end < ranges[i].end ? end : ranges[i].end;
		ranges[i].owner = owner;
	}
	join();
}

/* Adds [base, end) to the map: what is not in it yet, as `owner`. */
static void add(paddr_t base, paddr_t end, enum mem_owner owner)
{
	size_t i = 0;

	while (base < end) {
		while (i < nr_ranges && ranges[i].end <= base)
			i++;
		if (i == nr_ranges || ranges[i].base >= end) {
			insert(i, base, end, owner);
			return;
		}
		if (ranges[i].base > base)
			insert(i, base, ranges[i].base, owner);
		base = ranges[i].end;
	}
}

/* base + bytes, but no further than to MEMMAP_LIMIT: below that no rounding wraps. */
static paddr_t end_of(paddr_t base, uint64_t bytes)
{
	if (base >= MEMMAP_LIMIT || bytes > MEMMAP_LIMIT - base)
		return MEMMAP_LIMIT;
	return base + bytes;
}

/* Available ranges shrink to whole frames, all others grow. */
static void add_boot_ranges(void)
{
	for (size_t i = 0; i < bootinfo.nr_ranges; i++) {
		const struct bootinfo_range *range = &bootinfo.ranges[i];

		if (range->type == BOOTINFO_AVAILABLE && range->base < MEMMAP_LIMIT)
			add(ROUND_UP(range->base, PAGE_BYTES),
			    ROUND_DOWN(end_of(range->base, range->bytes), PAGE_BYTES), MEM_FREE);
	}
	for (size_t i = 0; i < bootinfo.nr_ranges; i++) {
		const struct bootinfo_range *range = &bootinfo.ranges[i];
		paddr_t base = ROUND_DOWN(range->base, PAGE_BYTES);
		paddr_t end = ROUND_UP(end_of(range->base, range->bytes), PAGE_BYTES);

		if (range->type != BOOTINFO_AVAILABLE && base < MEMMAP_LIMIT) {
			assign(base, end, MEM_FIRMWARE);
			add(base, end, MEM_FIRMWARE);
		}
	}
}

/* Takes [base, base + bytes), rounded outwards to frames, as far as it is free. */
static void reserve(paddr_t base, uint64_t bytes, enum mem_owner owner)
{
	assign(ROUND_DOWN(base, PAGE_BYTES), ROUND_UP(end_of(base, bytes), PAGE_BYTES), owner);
}

static uint64_t bytes_above_limit(void)
{
	uint64_t above = 0;

	for (size_t i = 0; i < bootinfo.nr_ranges; i++) {
		const struct bootinfo_range *range = &bootinfo.ranges[i];

		if (range->type == BOOTINFO_AVAILABLE && range->base >= MEMMAP_LIMIT)
			above += range->bytes;
		else if (range->type == BOOTINFO_AVAILABLE)
			above += range->base + range->bytes - end_of(range->base, range->bytes);
	}
	return above;
}

static void find_top(void)
{
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			top = ranges[i].end;
	if (top == 0)
		panic("memmap: the boot loader left no memory free");
}

static void report(void)
{
	uint64_t free_bytes = 0, above_bytes = bytes_above_limit();

	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			free_bytes += ranges[i].end - ranges[i].base;
	console_printf("memory: %lu KiB free, up to %#lx\n", free_bytes / KIB(1), top);
	if (above_bytes > 0)
		console_printf("memory: %lu KiB above %lu GiB are left alone\n",
			       above_bytes / KIB(1), MEMMAP_LIMIT / GIB(1));
}

void memmap_init(void)
{
	add_boot_ranges();
	reserve(0, MIB(1), MEM_LOW);
	reserve(KERNEL_PHYSICAL, image_to_phys(image_end) - KERNEL_PHYSICAL, MEM_KERNEL);
	reserve(bootinfo.base, bootinfo.bytes, MEM_BOOTINFO);
	for (size_t i = 0; i < bootinfo.nr_modules; i++)
		reserve(bootinfo.modules[i].start,
			bootinfo.modules[i].end - bootinfo.modules[i].start, MEM_MODULE);
	reserve(options.mem_bytes, PADDR_NONE - options.mem_bytes, MEM_HIDDEN);
	for (size_t i = 0; i < options.nr_reserved; i++)
		reserve(options.reserved[i].base, options.reserved[i].bytes, MEM_HIDDEN);
	find_top();
	report();
	watchdog_allow(WATCHDOG_SECONDS + top / MIB(256));      /* frame_init() may look at each frame */
}

void *memmap_alloc(size_t bytes)
{
	uint64_t wanted = ROUND_UP(bytes, PAGE_BYTES);

	for (size_t i = nr_ranges; i-- > 0;) {
		paddr_t end = ranges[i].end < BOOT_MAP_BYTES ? ranges[i].end : BOOT_MAP_BYTES;
		void *memory;

		if (ranges[i].owner != MEM_FREE || end < ranges[i].base + wanted)
			continue;
		assign(end - wanted, end, MEM_EARLY);
		memory = phys_to_virt(end - wanted);
		memset(memory, 0, wanted);
		return memory;
	}
	panic("memmap: no %zu bytes in a row below 4 GiB for early tables", bytes);
}
