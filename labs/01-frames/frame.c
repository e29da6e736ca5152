/* SPDX-License-Identifier: MIT */
/*
 * frame.c: owns all free physical memory. A binary buddy allocator.
 *
 * A block is 2^k frames, and its first frame's number a multiple of 2^k. Free
 * blocks are on one list per order k. The two halves of a block are buddies:
 * their numbers differ in one bit, b and b ^ 2^k.
 *
 *     order 2   |       4       |
 *     order 1   |   4   |   6   |      4 and 6 are buddies and make 4 of order 2
 *     order 0   | 4 | 5 | 6 | 7 |
 *
 * To allocate, take a block of the lowest order that has one, and put its upper
 * half back until the rest fits. To free, merge with the buddy for as long as
 * that is free as well. Either takes FRAME_MAX_ORDER steps at most. There is no
 * search, not even for a request that cannot be met.
 *
 * Notes on frames lie in tables, nine bytes a frame, and never in the frame. So a
 * write to a free frame spoils its next owner's data, but not the lists.
 *
 * Limits: 16 TiB. A request for 3 frames costs 4. One frame in use keeps the
 * 4 MiB around it from becoming one block; nothing is ever moved.
 *
 * Locks: takes frame_lock. Allocates: early memory (in frame_init()). Callable from:
 * anywhere but an NMI handler; frame_init() from boot.
 */
#include "frame.h"

#include <stdbool.h>

#include "memmap.h"
#include "panic.h"
#include "spinlock.h"
#include "string.h"
#include "watchdog.h"

#define NR_ORDERS (FRAME_MAX_ORDER + 1)
#define BAD_FREE  "frame_free: base %#lx, order %u: "

/* What a frame is. The first frame of a block speaks for all of it. */
enum tag {
	TAG_FOREIGN,            /* not ours to hand out; what memmap_alloc() leaves */
	TAG_INSIDE,             /* in a block, but not its first frame */
	TAG_FREE      = 0x10,   /* + order: a free block starts here */
	TAG_ALLOCATED = 0x20,   /* + order: an allocated block starts here */
};

/* A free block's neighbours in the list of its order, by frame number. */
struct link {
	uint32_t next;          /* NO_BLOCK after the last one */
	uint32_t prev;          /* undefined in the first one */
};

#define NO_BLOCK 0              /* frame 0 is in the first MiB, which is never ours */

static DEFINE_SPINLOCK(frame_lock);

static uint32_t heads[NR_ORDERS];       /* by order: the first free block, or NO_BLOCK */
static uint32_t free_orders;    /* bit k is set while the list of order k has a block */
static struct link *links;      /* by frame: valid for a free block's first */
static uint8_t *tags;           /* by frame: enum tag */
static size_t nr_tags;          /* a multiple of twice the largest block: every buddy has one */
static size_t nr_managed;       /* frames that are ours, free or not */

static inline size_t buddy_of(size_t block, unsigned order)
{
	return block ^ 1ul << order;
}

/* Does a free block of this order start here? */
static inline bool is_free(size_t block, unsigned order)
{
	return tags[block] == TAG_FREE + order;
}

/* Exercise 1.1: tags a block as free and puts it first in the list of its order. */
static inline void list_push(size_t block, unsigned order)
{
	/* BEGIN SOLUTION 1.1 */
	size_t next = heads[order];

	links[block].next = next;
	if (next != NO_BLOCK)
		links[next].prev = block;
	else
		free_orders |= 1u << order;
	heads[order] = block;
	tags[block] = TAG_FREE + order;
	/* END SOLUTION */
}

/* Exercise 1.1: takes the first block off a list that is not empty. The caller gives it a tag. */
static inline size_t list_pop(unsigned order)
{
	/* BEGIN SOLUTION 1.1 */
	size_t block = heads[order];

	heads[order] = links[block].next;
	if (heads[order] == NO_BLOCK)
		free_orders &= ~(1u << order);
	return block;
	/* END SOLUTION */
}

/* Exercise 1.1: takes a free block out of the list of its order. The caller gives it a new tag. */
static inline void list_remove(size_t block, unsigned order)
{
	/* BEGIN SOLUTION 1.1 */
	size_t next = links[block].next, prev = links[block].prev;

	if (block == heads[order]) {
		list_pop(order);
		return;
	}
	links[prev].next = next;
	if (next != NO_BLOCK)
		links[next].prev = prev;
	/* END SOLUTION */
}

/* Exercise 1.1: makes frames [frame, end) ours, in the largest free blocks that fit there. */
static void range_add(size_t frame, size_t end)
{
	/* BEGIN SOLUTION 1.1 */
	nr_managed += end - frame;
	memset(&tags[frame], TAG_INSIDE, end - frame);
	while (frame < end) {
		unsigned order = __builtin_ctzl(frame | 1ul << FRAME_MAX_ORDER);

		while (frame + (1ul << order) > end)
			order--;
		list_push(frame, order);
		frame += 1ul << order;
	}
	/* END SOLUTION */
}

/* BEGIN SOLUTION 1.2 */
/*
 * Allocates the lower end of a larger block, as the list of this order is empty. Return: as
 * block_take(). Rarely needed, like block_merge(); inlined, they would slow the usual way down.
 */
static __attribute__((noinline)) paddr_t block_split(unsigned order)
{
	unsigned found;
	size_t block;

	if (free_orders >> order == 0)
		return PADDR_NONE;
	found = order + __builtin_ctz(free_orders >> order);
	block = list_pop(found);
	while (found > order) {
		found--;
		list_push(buddy_of(block, found), found);
	}
	tags[block] = TAG_ALLOCATED + order;
	return block << PAGE_SHIFT;
}
/* END SOLUTION */

/* Exercise 1.2: allocates a block. Return: its base; PADDR_NONE if none is large enough. */
static paddr_t block_take(unsigned order)
{
	/* BEGIN SOLUTION 1.2 */
	size_t block;

	if (heads[order] == NO_BLOCK)
		return block_split(order);
	block = list_pop(order);
	tags[block] = TAG_ALLOCATED + order;
	return block << PAGE_SHIFT;
	/* END SOLUTION */
}

/* Exercise 1.3: is this just what frame_alloc(order) returned, and nobody gave back yet? */
static inline bool is_allocated(paddr_t base, unsigned order)
{
	/* BEGIN SOLUTION 1.3 */
	size_t frame = base >> PAGE_SHIFT;

	/* In 64 bits no order, however absurd, makes the sum another tag. */
	return base % PAGE_BYTES == 0 && frame < nr_tags &&
	       tags[frame] == TAG_ALLOCATED + (size_t)order;
	/* END SOLUTION */
}

/* The block that holds a frame of ours: clears low bits until a tag is found that is not INSIDE. */
static inline size_t block_of(size_t frame)
{
	for (unsigned order = 0; tags[frame] == TAG_INSIDE; order++)
		frame &= ~(1ul << order);
	return frame;
}

/* Exercise 1.3: says why a block is not is_allocated(). */
static _Noreturn __attribute__((cold, noinline)) void free_panic(paddr_t base, unsigned order)
{
	/* BEGIN SOLUTION 1.3 */
	size_t frame = base >> PAGE_SHIFT, block;

	if (frame >= nr_tags || tags[frame] == TAG_FOREIGN)
		panic(BAD_FREE "not managed", base, order);
	block = block_of(frame);
	if (tags[block] < TAG_ALLOCATED)
		panic(BAD_FREE "already free", base, order);
	if (base != block << PAGE_SHIFT)
		panic(BAD_FREE "not the base of a block", base, order);
	panic(BAD_FREE "allocated with order %u", base, order, tags[block] - TAG_ALLOCATED);
	/* END SOLUTION */
}

/* BEGIN SOLUTION 1.4 */
/* Is the buddy free as a whole? A block of the largest order has a buddy, too, but does not merge. */
static inline bool can_merge(size_t block, unsigned order)
{
	return is_free(buddy_of(block, order), order) && order < FRAME_MAX_ORDER;
}

/* Makes an allocated block free, merged with its buddies for as long as they are free. */
static __attribute__((noinline)) void block_merge(size_t block, unsigned order)
{
	while (can_merge(block, order)) {
		size_t buddy = buddy_of(block, order);

		list_remove(buddy, order);
		tags[block] = tags[buddy] = TAG_INSIDE;
		block &= ~(1ul << order);       /* the lower one stands for both */
		order++;
	}
	list_push(block, order);
}
/* END SOLUTION */

/* Exercise 1.4: makes an allocated block free, merged with its buddies. */
static inline void block_release(size_t block, unsigned order)
{
	/* BEGIN SOLUTION 1.4 */
	if (can_merge(block, order))
		block_merge(block, order);
	else
		list_push(block, order);
	/* END SOLUTION */
}

/* Makes the tables: no frame is ours yet, and every list is empty. */
static void tables_init(void)
{
	nr_tags = ROUND_UP(memmap_top() >> PAGE_SHIFT, 2ul << FRAME_MAX_ORDER);
	links = memmap_alloc(nr_tags * sizeof(links[0]));
	tags = memmap_alloc(nr_tags * sizeof(tags[0]));
}

void frame_init(void)
{
	const struct memmap_range *ranges;
	size_t nr_ranges;

	tables_init();
	ranges = memmap_ranges(&nr_ranges);     /* now that the tables have taken their share */
	for (size_t i = 0; i < nr_ranges; i++) {
		if (ranges[i].owner == MEM_FREE)
			range_add(ranges[i].base >> PAGE_SHIFT, ranges[i].end >> PAGE_SHIFT);
	}
}

paddr_t frame_alloc(unsigned order)
{
	paddr_t base;

	if (order > FRAME_MAX_ORDER)
		return PADDR_NONE;
	spin_lock(&frame_lock);
	base = block_take(order);
	spin_unlock(&frame_lock);
	return base;
}

void frame_free(paddr_t base, unsigned order)
{
	spin_lock(&frame_lock);
	if (!is_allocated(base, order))
		free_panic(base, order);
	block_release(base >> PAGE_SHIFT, order);
	spin_unlock(&frame_lock);
}

void frame_stats(struct frame_stats *stats)
{
	*stats = (struct frame_stats){ 0 };
	spin_lock(&frame_lock);
	stats->nr_frames = nr_managed;
	for (unsigned order = 0; order < NR_ORDERS; order++)
		for (size_t block = heads[order]; block != NO_BLOCK; block = links[block].next) {
			stats->nr_free_blocks[order]++;
			stats->nr_free += 1ul << order;
		}
	spin_unlock(&frame_lock);
}

/* What is wrong with a block that was found in the list of `order` behind `prev`, or NULL. */
static const char *block_flaw(size_t block, size_t prev, unsigned order)
{
	if (block >= nr_tags)
		return "there is no such frame";
	if (block % (1ul << order) != 0)
		return "not aligned to its size";
	if (!is_free(block, order))
		return "not tagged as free";
	if (prev != NO_BLOCK && (block == heads[order] || links[block].prev != prev))
		return "not linked back to the block before it";
	if (order < FRAME_MAX_ORDER && is_free(buddy_of(block, order), order))
		return "not merged with its buddy";
	return NULL;
}

/*
 * Walks one list. It must end: if a block were found twice, it would be the first one, or linked
 * back to two blocks.
 */
static void list_check(unsigned order)
{
	bool is_marked = free_orders >> order & 1;
	size_t prev = NO_BLOCK;

	for (size_t block = heads[order]; block != NO_BLOCK; block = links[block].next) {
		const char *flaw = block_flaw(block, prev, order);

		if (flaw != NULL)
			panic("frame_check: frame %#lx in the list of order %u: %s", block, order, flaw);
		prev = block;
	}
	if (is_marked != (prev != NO_BLOCK))
		panic("frame_check: the list of order %u is %sempty, but not marked so", order,
		      is_marked ? "" : "not ");
}

void frame_check(void)
{
	spin_lock(&frame_lock);
	for (unsigned order = 0; order < NR_ORDERS; order++) {
		watchdog_progress();
		list_check(order);
	}
	spin_unlock(&frame_lock);
}
