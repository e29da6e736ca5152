/* SPDX-License-Identifier: MIT */
/*
 * memory.h: units and kinds of addresses.
 *
 * A frame is 4 KiB of physical memory, a page 4 KiB of virtual memory. Physical
 * addresses are integers (paddr_t), virtual ones are pointers; only code that
 * edits page tables does arithmetic on virtual addresses (vaddr_t).
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

typedef uint64_t paddr_t;
typedef uint64_t vaddr_t;

#define PAGE_BYTES  (1ul << PAGE_SHIFT)
#define PADDR_NONE  (~(paddr_t)0)      /* "no such frame": never aligned, never RAM */

#define KIB(n)      ((uint64_t)(n) << 10)
#define MIB(n)      ((uint64_t)(n) << 20)
#define GIB(n)      ((uint64_t)(n) << 30)

/* Rounds to a multiple of `unit`, a power of two. */
#define ROUND_DOWN(value, unit) ((value) & ~((__typeof__(value))(unit) - 1))
#define ROUND_UP(value, unit)   ROUND_DOWN((value) + (unit) - 1, unit)

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The direct map's view of a physical address. Valid for RAM outside the kernel image. */
static inline void *phys_to_virt(paddr_t address)
{
	return (void *)(DIRECT_MAP_BASE + address);
}

/* The physical address behind a direct-map pointer (not one into the kernel image). */
static inline paddr_t virt_to_phys(const void *pointer)
{
	return (paddr_t)pointer - DIRECT_MAP_BASE;
}

/* The physical address behind a pointer into the kernel image. */
static inline paddr_t image_to_phys(const void *pointer)
{
	return (paddr_t)pointer - KERNEL_BASE;
}

#endif
