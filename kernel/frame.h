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
 * Each function but frame_init() takes a lock, holds it for as long as it looks at what is
 * shared, and leaves interrupts as they were.
 *
 * A panic may keep the lock, as the reference's does: the report takes none (panic.h), and
 * nobody else gets to see frames that contradict each other. The heap does the same.
 *
 * Each sentence has a test by name (frame_call_test.c, frame_misuse_test.c, frame_test.c
 * list them).
 */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>

#include "memory.h"

#define FRAME_MAX_ORDER  10     /* 4 MiB */

/*
 * The most that a call of frame_alloc() or frame_free() may cost, with however much memory, of
 * which however much is in use. That is enough for a few steps an order, or for a way down
 * a tree, but not for a search.
 */
#define FRAME_CALL_INSTRUCTIONS  4000

/*
 * The most that frame_init(), frame_stats() or frame_check() may cost for each frame below
 * memmap_top(), or the watchdog bites.
 */
#define FRAME_INIT_INSTRUCTIONS  100

/* The most metadata for each frame below memmap_top(), in early memory. */
#define FRAME_METADATA_BYTES     64

/* The most that all variables of the kernel may take, those of frame.c and the stacks included. */
#define FRAME_STATIC_BYTES       MIB(2)

/* Takes over all MEM_FREE memory. Metadata comes from memmap_alloc(). */
void frame_init(void);

/*
 * Allocates 2^order frames, 0 <= order <= FRAME_MAX_ORDER. Their contents are
 * undefined.
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
 * A caller's mistake is a panic whose message starts with "frame_free: ", names base (in
 * hexadecimal) and order, and says one of: "already free" (a frame anywhere in a free block),
 * "not the base of a block" (misaligned, or inside an allocated one), "allocated
 * with order N", "not managed" (outside RAM, or reserved). Nothing has been
 * changed by then. Where two of them are true, any of the two will do.
 */
void frame_free(paddr_t base, unsigned order);

struct frame_stats {
	size_t nr_frames;                               /* managed in all */
	size_t nr_free;                                 /* of these, free */
	size_t nr_free_blocks[FRAME_MAX_ORDER + 1];     /* free blocks of each order */
};

/* Counts. For tests and the monitor. */
void frame_stats(struct frame_stats *stats);

/*
 * Panics if the allocator's own data contradict each other. How much it looks at is its design's
 * choice: tests only see that it finds nothing where nothing is wrong. For tests and the monitor.
 */
void frame_check(void);

#endif
