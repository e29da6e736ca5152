/* SPDX-License-Identifier: MIT */
/*
 * paging.h: the final page tables.
 *
 * Source: Intel SDM volume 3A, section 4.5 "4-level paging".
 *
 * Locks: none. Allocates: early memory. Callable from: boot; paging_lookup() from
 * anywhere.
 */
#ifndef PAGING_H
#define PAGING_H

#include <stdbool.h>

#include "memory.h"

/*
 * Replaces the boot page tables: the image by section (text r-x, rodata r--,
 * data and stacks rw-, guard pages absent), the direct map of all RAM and of the
 * text screen rw-, and nothing else. No page is both writable and executable. Needs memmap_init().
 */
void paging_init(void);

/*
 * What the tables say of the page at `address`.
 * Return: false if it is not mapped; otherwise the permissions in the pointers.
 */
bool paging_lookup(vaddr_t address, bool *writable, bool *executable);

#endif
