/* SPDX-License-Identifier: MIT */
/*
 * image.h: the boundaries that boot/kernel.ld gives names to.
 *
 * Declared as arrays, so that the symbol's address is the value. Every section
 * starts and ends on a page boundary, as each has permissions of its own.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char image_start[], image_end[];
extern const char text_start[], text_end[];
extern const char rodata_start[], rodata_end[];
extern const char data_start[], data_end[];     /* .data, .bss and the stacks */
extern const char bss_start[], bss_end[];

/* One guard page lies directly below each stack; the stack ends at its _top. */
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];
extern char fault_stack_guard[], fault_stack[], fault_stack_top[];
extern char nmi_stack_guard[], nmi_stack[], nmi_stack_top[];
extern char nmi_stack_2_guard[], nmi_stack_2[], nmi_stack_2_top[];
extern char nmi_stack_3_guard[], nmi_stack_3[], nmi_stack_3_top[];

/* Are these bytes constants of the kernel? Nothing that runs can have changed them. */
static inline bool image_is_constant(const void *start, size_t nr_bytes)
{
	uint64_t offset = (uint64_t)start - (uint64_t)rodata_start;
	uint64_t all_bytes = (uint64_t)rodata_end - (uint64_t)rodata_start;

	return offset < all_bytes && nr_bytes <= all_bytes - offset;
}

#endif
