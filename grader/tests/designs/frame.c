/* SPDX-License-Identifier: MIT */
/*
 * frame.c: a frame allocator unlike lab 1's, for the tests that the labs ask for no design:
 * a stack of free blocks for each order, in an array.
 *
 * A free block's first frame knows where in its stack the block is. A block that leaves from
 * the middle is replaced by the one on top. Nothing is linked, and nothing is searched.
 *
 * Limits: 13 bytes a frame.
 *
 * Locks: takes stacks_lock. Allocates: early memory (in frame_init()). Callable from: see frame.h.
 */
#include "frame.h"

#include <stdbool.h>

#include "memmap.h"
#include "panic.h"
#include "spinlock.h"
#include "string.h"

enum kind { OUTSIDE, INNER, FREE = 0x40, USED = 0x80 };        /* FREE and USED: + order */

static DEFINE_SPINLOCK(stacks_lock);

static struct { uint32_t *blocks, nr_blocks; } stacks[FRAME_MAX_ORDER + 1];
static uint32_t *places;        /* by frame: where a free block is in its stack */
static uint8_t *kinds;          /* by frame */
static size_t nr_frames, nr_ours;

static void push(size_t block, unsigned order)
{
	kinds[block] = (uint8_t)(FREE + order);
	places[block] = stacks[order].nr_blocks;
	stacks[order].blocks[stacks[order].nr_blocks++] = (uint32_t)block;
}

static void remove(size_t block, unsigned order)
{
	uint32_t top = stacks[order].blocks[--stacks[order].nr_blocks];

	stacks[order].blocks[places[block]] = top;
	places[top] = places[block];
	kinds[block] = INNER;
}

/* Makes a block free, merged. Frame by frame this also takes over all memory at the start. */
static void release(size_t block, unsigned order)
{
	for (; order < FRAME_MAX_ORDER; order++) {
		size_t buddy = block ^ 1ul << order;

		if (buddy >= nr_frames || kinds[buddy] != FREE + order)
			break;
		remove(buddy, order);
		kinds[block] = INNER;
		block &= buddy;
	}
	push(block, order);
}

void frame_init(void)
{
	const struct memmap_range *ranges;
	size_t nr_ranges;

	nr_frames = memmap_top() >> PAGE_SHIFT;
	kinds = memmap_alloc(nr_frames);
	places = memmap_alloc(nr_frames * sizeof(places[0]));
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		stacks[order].blocks = memmap_alloc(((nr_frames >> order) + 1) * sizeof(uint32_t));
	ranges = memmap_ranges(&nr_ranges);
	for (size_t i = 0; i < nr_ranges; i++)
		for (size_t frame = ranges[i].base >> PAGE_SHIFT;
		     ranges[i].owner == MEM_FREE && frame < ranges[i].end >> PAGE_SHIFT; frame++) {
			nr_ours++;
			release(frame, 0);
		}
}

paddr_t frame_alloc(unsigned order)
{
	unsigned found = order;
	size_t block;

	if (order > FRAME_MAX_ORDER)
		return PADDR_NONE;
	spin_lock(&stacks_lock);
	while (found <= FRAME_MAX_ORDER && stacks[found].nr_blocks == 0)
		found++;
	if (found > FRAME_MAX_ORDER) {
		spin_unlock(&stacks_lock);
		return PADDR_NONE;
	}
	block = stacks[found].blocks[stacks[found].nr_blocks - 1];
	remove(block, found);
	while (found-- > order)
		push(block + (1ul << found), found);
	kinds[block] = (uint8_t)(USED + order);
	spin_unlock(&stacks_lock);
	return block << PAGE_SHIFT;
}

static _Noreturn void refuse(paddr_t base, unsigned order)
{
	size_t frame = base >> PAGE_SHIFT, block = frame;

	if (frame >= nr_frames || kinds[frame] == OUTSIDE)
		panic("frame_free: %#lx of order %u is not managed", base, order);
	for (unsigned bit = 0; kinds[block] == INNER; bit++)
		block &= ~(1ul << bit);
	if (kinds[block] < USED)
		panic("frame_free: %#lx of order %u is already free", base, order);
	if (base != block << PAGE_SHIFT)
		panic("frame_free: %#lx of order %u is not the base of a block", base, order);
	panic("frame_free: %#lx of order %u was allocated with order %d", base, order, kinds[block] - USED);
}

void frame_free(paddr_t base, unsigned order)
{
	size_t frame = base >> PAGE_SHIFT;

	spin_lock(&stacks_lock);
	if (base % PAGE_BYTES != 0 || frame >= nr_frames || order > FRAME_MAX_ORDER ||
	    kinds[frame] != USED + order)
		refuse(base, order);
	release(frame, order);
	spin_unlock(&stacks_lock);
}

void frame_stats(struct frame_stats *stats)
{
	*stats = (struct frame_stats){ .nr_frames = nr_ours };
	spin_lock(&stacks_lock);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		stats->nr_free_blocks[order] = stacks[order].nr_blocks;
		stats->nr_free += (size_t)stacks[order].nr_blocks << order;
	}
	spin_unlock(&stacks_lock);
}

void frame_check(void)
{
	spin_lock(&stacks_lock);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		for (uint32_t place = 0; place < stacks[order].nr_blocks; place++)
			if (places[stacks[order].blocks[place]] != place)
				panic("frame_check: a block of order %u is not where it says", order);
	spin_unlock(&stacks_lock);
}
