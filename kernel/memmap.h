/* SPDX-License-Identifier: MIT */
/*
 * memmap.h: who owns which physical memory, before there is an allocator.
 *
 * The map is a sorted list of disjoint ranges on frame boundaries; neighbours
 * with the same owner are one range. It starts as the boot loader's memory map
 * and is then carved up: the first MiB, the image, the boot information and the
 * modules each get their owner. What is left as MEM_FREE is what the frame
 * allocator may hand out. Memory in no range at all is not RAM.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere; memmap_init() and
 * memmap_alloc() from boot.
 */
#ifndef MEMMAP_H
#define MEMMAP_H

#include <stddef.h>

#include "memory.h"

enum mem_owner {
	MEM_FREE,               /* RAM that nobody owns yet */
	MEM_LOW,                /* the first MiB: BIOS data, video, option ROMs */
	MEM_KERNEL,             /* the kernel image */
	MEM_BOOTINFO,           /* the multiboot2 information */
	MEM_MODULE,             /* a boot module: the initramfs */
	MEM_EARLY,              /* handed out by memmap_alloc() */
	MEM_HIDDEN,             /* left alone because the command line says so */
	MEM_FIRMWARE,           /* not available, by the boot loader's word */
};

struct memmap_range {
	paddr_t base;           /* first byte, frame aligned */
	paddr_t end;            /* one past the last byte, frame aligned */
	enum mem_owner owner;
};

/* Builds the map from the global `bootinfo` and `options`. */
void memmap_init(void);

/*
 * RAM above this is left alone, so that a table of one byte a frame fits into the
 * largest block of frames, which the heap relies on.
 */
#define MEMMAP_LIMIT GIB(16)

/* The ranges, sorted by base; *nr_ranges receives their number. */
const struct memmap_range *memmap_ranges(size_t *nr_ranges);

/* The first range that ends above `address`, or NULL where there is none. */
const struct memmap_range *memmap_next(paddr_t address);

/* The range that holds `address`, or NULL where there is none. */
const struct memmap_range *memmap_find(paddr_t address);

/* One past the last byte of RAM that is MEM_FREE or was before memmap_alloc(). */
paddr_t memmap_top(void);

/*
 * Takes `bytes` (rounded up to frames) of free memory for good, from the top of
 * the highest free range below BOOT_MAP_BYTES that is large enough. Zeroed.
 * For the tables that must exist before frames can be allocated: to be called
 * no later than in frame_init(), and there before the map is read.
 *
 * Return: a direct-map pointer. Panics when no range is large enough.
 */
void *memmap_alloc(size_t bytes);

/* "free", "kernel", …: an owner's name in the monitor's table. */
const char *memmap_owner_name(enum mem_owner owner);

#endif
