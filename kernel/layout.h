/* SPDX-License-Identifier: MIT */
/*
 * layout.h: where things lie in the 64-bit address space.
 *
 *   image_start       the kernel image (text, rodata, data, bss, stacks)
 *   ffffffff80000000  KERNEL_BASE: image address = KERNEL_BASE + physical
 *          ...        nothing
 *   ffff8xxxxxxxxxxx  the direct map: every frame of RAM but the image's, the text screen,
 *                     and the local APIC
 *   ffff800000000000  DIRECT_MAP_BASE: address = DIRECT_MAP_BASE + physical
 *          ...        nothing, page 0 included: a null pointer faults
 *
 * Plain constants only: the assembler and the linker script read this too.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define KERNEL_BASE       0xffffffff80000000
#define DIRECT_MAP_BASE   0xffff800000000000

/* Physical address that the image is loaded at: above the first MiB, 2 MiB aligned. */
#define KERNEL_PHYSICAL   0x200000

/* What boot/start.S maps before paging_init() makes the final tables. */
#define BOOT_MAP_BYTES    0x100000000

#define PAGE_SHIFT        12
#define STACK_BYTES       0x4000

/* Segment selectors, the same in the boot GDT and in the final one. */
#define KERNEL_CS         0x08
#define KERNEL_DS         0x10
#define TSS_SELECTOR      0x18

#endif
