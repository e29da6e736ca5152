/* SPDX-License-Identifier: MIT */
/*
 * frame.c: a frame allocator for the tests of the labs after it: the lowest block that is free.
 *
 * A word on each frame says what it is. frame_alloc() looks at one block after the other, from the
 * lowest free frame on. So what is taken later lies right behind what was taken before, and whoever
 * merges neighbours will merge them. A block that is free is frames that are: nothing is merged here.
 *
 * Limits: a call takes a step for each frame below the block that it finds, too many for lab 1.
 *
 * Locks: takes words_lock. Allocates: early memory (in frame_init()). Callable from: see frame.h.
 */
#include "frame.h"

#include "memmap.h"
#include "panic.h"
#include "spinlock.h"
#include "string.h"

enum word { FOREIGN, FREE, INNER, USED };       /* USED: + order */

static DEFINE_SPINLOCK(words_lock);

static uint8_t *words;                          /* by frame */
static size_t nr_frames, nr_ours, nr_free, lowest;

void frame_init(void)
{
	const struct memmap_range *ranges;
	size_t nr_ranges;

	nr_frames = lowest = memmap_top() >> PAGE_SHIFT;
	words = memmap_alloc(nr_frames);
	ranges = memmap_ranges(&nr_ranges);
	for (size_t i = 0; i < nr_ranges; i++)
		for (size_t frame = ranges[i].base >> PAGE_SHIFT;
		     ranges[i].owner == MEM_FREE && frame < ranges[i].end >> PAGE_SHIFT; frame++) {
			words[frame] = FREE;
			lowest = frame < lowest ? frame : lowest;
			nr_ours++;
		}
	nr_free = nr_ours;
}

static bool block_is(size_t block, unsigned order, enum word word)
{
	for (size_t frame = block; frame < block + (1ul << order); frame++)
		if (frame >= nr_frames || words[frame] != word)
			return false;
	return true;
}

paddr_t frame_alloc(unsigned order)
{
	size_t nr = 1ul << order, block;

	if (order > FRAME_MAX_ORDER)
		return PADDR_NONE;
	spin_lock(&words_lock);
	block = ROUND_DOWN(lowest, nr);
	while (block < nr_frames && !block_is(block, order, FREE))
		block += nr;
	if (block < nr_frames) {
		memset(words + block, INNER, nr);
		words[block] = (uint8_t)(USED + order);
		nr_free -= nr;
		while (lowest < nr_frames && words[lowest] != FREE)
			lowest++;
	}
	spin_unlock(&words_lock);
	return block < nr_frames ? block << PAGE_SHIFT : PADDR_NONE;
}

static _Noreturn void refuse(paddr_t base, unsigned order)
{
	size_t frame = base >> PAGE_SHIFT;

	if (frame >= nr_frames || words[frame] == FOREIGN)
		panic("frame_free: %#lx of order %u is not managed", base, order);
	if (words[frame] == FREE)
		panic("frame_free: %#lx of order %u is already free", base, order);
	if (base % PAGE_BYTES != 0 || words[frame] == INNER)
		panic("frame_free: %#lx of order %u is not the base of a block", base, order);
	panic("frame_free: %#lx of order %u was allocated with order %d", base, order, words[frame] - USED);
}

void frame_free(paddr_t base, unsigned order)
{
	size_t block = base >> PAGE_SHIFT;

	spin_lock(&words_lock);
	if (base % PAGE_BYTES != 0 || block >= nr_frames || order > FRAME_MAX_ORDER ||
	    words[block] != USED + order)
		refuse(base, order);
	memset(words + block, FREE, 1ul << order);
	nr_free += 1ul << order;
	lowest = block < lowest ? block : lowest;
	spin_unlock(&words_lock);
}

void frame_stats(struct frame_stats *stats)
{
	spin_lock(&words_lock);
	*stats = (struct frame_stats){ .nr_frames = nr_ours, .nr_free = nr_free };
	for (size_t block = lowest; block < nr_frames;) {
		unsigned order = FRAME_MAX_ORDER;

		while (order > 0 && (block % (1ul << order) != 0 || !block_is(block, order, FREE)))
			order--;
		stats->nr_free_blocks[order] += words[block] == FREE;
		block += 1ul << order;
	}
	spin_unlock(&words_lock);
}

void frame_check(void)
{
	size_t nr_found = 0;

	spin_lock(&words_lock);
	for (size_t frame = 0; frame < nr_frames; frame++)
		nr_found += words[frame] == FREE;
	if (nr_found != nr_free)
		panic("frame_check: %zu frames are free, and %zu were counted", nr_found, nr_free);
	spin_unlock(&words_lock);
}
