/* SPDX-License-Identifier: MIT */
/*
 * frame.h: the frame allocator's contract. Lab 1 implements it.
 *
 * A block of order k is 2^k frames (4 KiB << k bytes) whose base is a multiple
 * of its size. The allocator owns exactly the frames that memmap.h calls
 * MEM_FREE; it never hands out any other.
 *
 * Locks: takes frame_lock. Allocates: early memory (in frame_init()). Callable from:
 * anywhere but an NMI handler (with or without heap_lock held); frame_init() from boot.
 * It must not allocate from the heap and must not log: the heap's rescue calls it.
 *
 * A panic keeps the lock. The report takes none (panic.h) and names this one and
 * its holder, and nobody else gets to see frames that contradict each other. The
 * heap does the same.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>

#include "memory.h"

#define FRAME_MAX_ORDER  10     /* 4 MiB */

/* Takes over all MEM_FREE memory. Metadata comes from memmap_alloc(). */
void frame_init(void);

/*
 * Allocates 2^order frames, 0 <= order <= FRAME_MAX_ORDER. Their contents are
 * undefined. The cost depends neither on how much memory there is nor on how
 * much of it is in use.
 *
 * Return: the block's base, a multiple of its size; PADDR_NONE if no free block
 * is large enough or order is too large.
 */
paddr_t frame_alloc(unsigned order);

/*
 * Gives back a block, with the base and the order that frame_alloc() used.
 * Free buddies merge at once, so that all memory free means the same blocks as
 * after frame_init().
 *
 * A caller's mistake is a panic whose message starts with "frame_free: ", names
 * base and order, and says one of: "already free" (anywhere in a free block),
 * "not the base of a block" (misaligned, or inside an allocated one), "allocated
 * with order N", "not managed" (outside RAM, or reserved). Nothing has been
 * changed by then.
 */
void frame_free(paddr_t base, unsigned order);

struct frame_stats {
	size_t nr_frames;                               /* managed in all */
	size_t nr_free;                                 /* of these, free */
	size_t nr_free_blocks[FRAME_MAX_ORDER + 1];     /* free blocks of each order */
};

/* Counts, by walking every free list. For tests and the monitor. */
void frame_stats(struct frame_stats *stats);

/* Walks every free list and panics on the first contradiction. For tests and the monitor. */
void frame_check(void);

#endif
