/* SPDX-License-Identifier: MIT */
/*
 * other_heap.c: a heap unlike lab 2's, for the test that lab 3 works on any heap.
 *
 * Powers of two, a header before and a word behind each object, one free list a
 * size. Pages of small objects are never given back.
 *
 * Locks: heap_lock. Allocates: frames, in heap_init(). Callable from: see heap.h.
 */
#include "heap.h"

#include "frame.h"
#include "pages.h"
#include "panic.h"
#include "rescue.h"
#include "string.h"

#define NR_SIZES    7                   /* blocks of 64 bytes … 4 KiB, header included */
#define LARGE       NR_SIZES            /* a run of pages of its own */
#define LIVE        0x6c697665u
#define DEAD        0x64656164u
#define BEHIND      0x5aa55aa55aa55aa5ull

struct header {
	struct header *next;            /* free block of the same size; valid while it is free */
	size_t bytes;                   /* that the caller asked for */
	size_t nr_pages;                /* of a large object */
	uint32_t size;                  /* 0 … NR_SIZES - 1, or LARGE */
	uint32_t state;                 /* LIVE or DEAD */
};

DEFINE_SPINLOCK(heap_lock);

static struct header *free_blocks[NR_SIZES];
static struct heap_stats stats;

void heap_init(void)
{
	pages_init();
	spin_lock(&heap_lock);
	heap_add_locked(phys_to_virt(frame_alloc(HEAP_RESERVE_ORDER)), HEAP_RESERVE_PAGES);
	spin_unlock(&heap_lock);
}

void heap_add_locked(void *base, size_t nr_pages)
{
	pages_free(base, nr_pages);
}

static void *take_pages(size_t nr_pages)
{
	void *pages = pages_alloc(nr_pages);

	if (pages != NULL)
		return pages;
	stats.nr_rescues++;
	heap_rescue(nr_pages * PAGE_BYTES);
	return pages_alloc(nr_pages);
}

static void refill(uint32_t size)
{
	char *page = take_pages(1);

	for (size_t at = 0; page != NULL && at < PAGE_BYTES; at += 64ul << size) {
		struct header *block = (struct header *)(page + at);

		*block = (struct header){ .next = free_blocks[size], .size = size, .state = DEAD };
		free_blocks[size] = block;
	}
}

static struct header *take_block(size_t whole_bytes)
{
	struct header *block;
	uint32_t size = 0;
	size_t nr_pages;

	while (size < NR_SIZES && 64ul << size < whole_bytes)
		size++;
	if (size == LARGE) {
		nr_pages = ROUND_UP(whole_bytes, PAGE_BYTES) / PAGE_BYTES;
		block = take_pages(nr_pages);
		if (block != NULL)
			*block = (struct header){ .nr_pages = nr_pages, .size = LARGE };
		return block;
	}
	if (free_blocks[size] == NULL)
		refill(size);
	block = free_blocks[size];
	if (block != NULL)
		free_blocks[size] = block->next;
	return block;
}

void *kmalloc(size_t bytes)
{
	const uint64_t behind = BEHIND;
	struct header *block = NULL;

	spin_lock(&heap_lock);
	stats.nr_calls++;
	if (bytes <= HEAP_MAX_BYTES)
		block = take_block(sizeof(*block) + bytes + sizeof(behind));
	if (block != NULL) {
		block->bytes = bytes;
		block->state = LIVE;
		memcpy((char *)(block + 1) + bytes, &behind, sizeof(behind));
		stats.nr_live++;
		stats.live_bytes += bytes;
	}
	spin_unlock(&heap_lock);
	return block == NULL ? NULL : block + 1;
}

void *kzalloc(size_t count, size_t bytes)
{
	void *object;

	if (__builtin_mul_overflow(count, bytes, &bytes))
		return NULL;
	object = kmalloc(bytes);
	if (object != NULL)
		memset(object, 0, bytes);
	return object;
}

void *krealloc(void *object, size_t bytes)
{
	void *moved = kmalloc(bytes);
	size_t old_bytes = object == NULL ? 0 : ((struct header *)object - 1)->bytes;

	if (moved != NULL) {
		memcpy(moved, object, bytes < old_bytes ? bytes : old_bytes);
		kfree(object);
	}
	return moved;
}

void kfree(void *object)
{
	const uint64_t behind = BEHIND;
	struct header *block = (struct header *)object - 1;

	if (object == NULL)
		return;
	if (block->state != LIVE)
		panic("kfree: %p: already free", object);
	if (memcmp((char *)object + block->bytes, &behind, sizeof(behind)) != 0)
		panic("kfree: %p: overrun", object);
	spin_lock(&heap_lock);
	stats.nr_calls++;
	stats.nr_live--;
	stats.live_bytes -= block->bytes;
	block->state = DEAD;
	if (block->size == LARGE) {
		pages_free(block, block->nr_pages);
	} else {
		block->next = free_blocks[block->size];
		free_blocks[block->size] = block;
	}
	spin_unlock(&heap_lock);
}

void heap_stats(struct heap_stats *copy)
{
	spin_lock(&heap_lock);
	*copy = stats;
	copy->nr_pages = pages_nr_total();
	copy->nr_free_pages = pages_nr_free();
	spin_unlock(&heap_lock);
}

void heap_check(void)
{
	spin_lock(&heap_lock);
	pages_check();
	spin_unlock(&heap_lock);
}
