/* SPDX-License-Identifier: MIT */
/*
 * frame.c: the base frame allocator: there are no frames. Lab 1 replaces it.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "frame.h"

#include "panic.h"

void frame_init(void)
{
}

paddr_t frame_alloc(unsigned order)
{
	return PADDR_NONE;
}

void frame_free(paddr_t base, unsigned order)
{
	panic("frame_free: %#lx (order %u) is not managed: there is no allocator yet", base, order);
}

void frame_stats(struct frame_stats *stats)
{
	*stats = (struct frame_stats){ 0 };
}

void frame_check(void)
{
}
