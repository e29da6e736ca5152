/* SPDX-License-Identifier: MIT */
/*
 * frame.c: a frame allocator that never allocates. It counts what the map has, as if it had sorted
 * that into blocks, and complains of whatever is given back.
 *
 * Locks: takes frame_lock. Allocates: nothing. Callable from: anywhere but an NMI handler.
 */
#include "frame.h"

#include "memmap.h"
#include "panic.h"
#include "spinlock.h"

static DEFINE_SPINLOCK(frame_lock);

void frame_init(void)
{
}

paddr_t frame_alloc(unsigned order)
{
	spin_lock(&frame_lock);
	spin_unlock(&frame_lock);
	return PADDR_NONE;
}

void frame_free(paddr_t base, unsigned order)
{
	const struct memmap_range *range = memmap_find(base);

	panic("frame_free: base %#lx, order %u: %s", base, order,
	      range != NULL && range->owner == MEM_FREE ? "already free" : "not managed");
}

static void count_range(struct frame_stats *stats, paddr_t base, paddr_t end)
{
	stats->nr_frames += (end - base) / PAGE_BYTES;
	while (base < end) {
		unsigned order = FRAME_MAX_ORDER;

		while (base % (PAGE_BYTES << order) != 0 || base + (PAGE_BYTES << order) > end)
			order--;
		stats->nr_free_blocks[order]++;
		base += PAGE_BYTES << order;
	}
}

void frame_stats(struct frame_stats *stats)
{
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	*stats = (struct frame_stats){ 0 };
	spin_lock(&frame_lock);
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			count_range(stats, ranges[i].base, ranges[i].end);
	stats->nr_free = stats->nr_frames;
	spin_unlock(&frame_lock);
}

void frame_check(void)
{
	spin_lock(&frame_lock);
	spin_unlock(&frame_lock);
}
