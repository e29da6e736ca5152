/* SPDX-License-Identifier: MIT */
/* ktest_heap.h: more memory for the heap, for tests that need more than its reserve. */
#ifndef KTEST_HEAP_H
#define KTEST_HEAP_H

#include <stdbool.h>

#include "frame.h"
#include "heap.h"
#include "memory.h"
#include "string.h"

/*
 * Makes 2^order frames the heap's, none of whose bytes is 0. Called with heap_lock held.
 * Return: their base, or NULL if there is no such block.
 */
static inline void *ktest_add_locked(unsigned order)
{
	paddr_t base = frame_alloc(order);

	if (base == PADDR_NONE)
		return NULL;
	memset(phys_to_virt(base), 0xc3, PAGE_BYTES << order);
	heap_add_locked(phys_to_virt(base), 1ul << order);
	return phys_to_virt(base);
}

/* Sees to it that the heap has 256 pages that are free, if there are frames for that. */
static inline void ktest_feed_heap(void)
{
	const unsigned order = 8;
	struct heap_stats stats;

	heap_stats(&stats);
	if (stats.nr_free_pages >= 1ul << order)
		return;
	spin_lock(&heap_lock);
	ktest_add_locked(order);
	spin_unlock(&heap_lock);
}

#endif
