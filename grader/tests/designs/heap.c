/* SPDX-License-Identifier: MIT */
/*
 * heap.c: a heap unlike lab 2's, for the tests that the labs ask for no design: boundary tags.
 *
 * Memory is regions, a region is blocks side by side, and each block knows its own length and
 * that of the one before it. So a block that comes back merges with its neighbours at once.
 *
 *     +--------+-------+--------+-------+-- … --+-------+--------+-- … --+-------+-----+
 *     | region | block | object         | block | free           | block | object| END |
 *     +--------+-------+----------------+-------+----------------+-------+-------+-----+
 *
 * Free blocks hang in bins: one a length for short ones, one a power of two for long ones.
 * A word of bits knows which bins are filled. The stock of pages.h is not used, but its tags.
 *
 * Limits: in a bin of long blocks it looks for the first that fits.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (the last two in heap_rescue()). Allocates:
 * frames. Callable from: see heap.h.
 */
#include "heap.h"

#include <stdbool.h>

#include "frame.h"
#include "pages.h"
#include "panic.h"
#include "rescue.h"
#include "string.h"

#define UNIT     16ul                   /* bytes; lengths are in units */
#define NR_EXACT 40u                    /* bins of one length */
#define NR_BINS  64u
#define GUARD    0x77                   /* the byte behind an object that does not fill its block */

enum state { LIVE = 0x11111111, FREE = 0x22222222, END = 0x33333333 };

struct block {
	uint32_t units;                 /* with this header */
	uint32_t units_before;          /* of the block before; 0 = the first one */
	uint32_t seal;                  /* seal_of() it: tells a block from any other memory */
	uint32_t left_over;             /* live: bytes behind the object */
};

/* Behind the header of a free block: its neighbours in the bin. */
struct links {
	struct block *next, *prev;
};

struct region {
	struct region *next;
	size_t nr_pages;
};

_Static_assert(sizeof(struct block) == UNIT && sizeof(struct region) == UNIT, "objects are aligned");

DEFINE_SPINLOCK(heap_lock);

static struct block *bins[NR_BINS];
static uint64_t filled_bins;            /* bit b is set if bins[b] is not empty */
static struct region *regions;
static struct heap_stats stats;         /* but for the pages */

static uint32_t seal_of(const struct block *block, enum state state)
{
	return (uint32_t)((uintptr_t)block / UNIT * 0x9e3779b1) ^ state;
}

static bool is(const struct block *block, enum state state)
{
	return block->seal == seal_of(block, state);
}

static struct block *behind(struct block *block)
{
	return block + block->units;
}

static struct links *links_of(struct block *block)
{
	return (struct links *)(block + 1);
}

static size_t bytes_of(const struct block *block)
{
	return (block->units - 1) * UNIT - block->left_over;
}

static unsigned bin_of(uint32_t units)
{
	return units < NR_EXACT ? units : NR_EXACT - 5 + 31 - (unsigned)__builtin_clz(units);
}

static void bin_add(struct block *block)
{
	unsigned bin = bin_of(block->units);

	block->seal = seal_of(block, FREE);
	*links_of(block) = (struct links){ .next = bins[bin] };
	if (bins[bin])
		links_of(bins[bin])->prev = block;
	bins[bin] = block;
	filled_bins |= 1ul << bin;
}

static void bin_remove(struct block *block)
{
	unsigned bin = bin_of(block->units);
	struct links *links = links_of(block);

	if (links->next)
		links_of(links->next)->prev = links->prev;
	if (links->prev)
		links_of(links->prev)->next = links->next;
	else
		bins[bin] = links->next;
	if (!bins[bin])
		filled_bins &= ~(1ul << bin);
}

static struct block *bin_find(uint32_t units)
{
	unsigned bin = bin_of(units);
	uint64_t longer = filled_bins & ~0ul << (bin + 1);

	for (struct block *block = bins[bin]; block; block = links_of(block)->next)
		if (block->units >= units)
			return block;
	return longer ? bins[__builtin_ctzl(longer)] : NULL;
}

void heap_init(void)
{
	paddr_t reserve;

	pages_init();
	reserve = frame_alloc(HEAP_RESERVE_ORDER);
	if (reserve == PADDR_NONE)
		panic("heap_init: no reserve");
	spin_lock(&heap_lock);
	heap_add_locked(phys_to_virt(reserve), HEAP_RESERVE_PAGES);
	spin_unlock(&heap_lock);
}

/* A region, one block, and the END. */
void heap_add_locked(void *base, size_t nr_pages)
{
	struct region *region = base;
	struct block *first = (struct block *)(region + 1), *end;

	memset(page_tags_of(base), PAGE_USER, nr_pages);
	*region = (struct region){ regions, nr_pages };
	regions = region;
	*first = (struct block){ .units = (uint32_t)(nr_pages * PAGE_BYTES / UNIT - 2) };
	end = behind(first);
	*end = (struct block){ .units_before = first->units, .seal = seal_of(end, END) };
	bin_add(first);
}

/* Makes a block free, merged with the free blocks on both sides. */
static void block_release(struct block *block)
{
	struct block *next = behind(block), *before = block - block->units_before;

	block->seal = seal_of(block, FREE);
	if (is(next, FREE)) {
		bin_remove(next);
		block->units += next->units;
	}
	if (block->units_before > 0 && is(before, FREE)) {
		bin_remove(before);
		before->units += block->units;
		block = before;
	}
	behind(block)->units_before = block->units;
	bin_add(block);
}

/* Frees what a live block does not need for its object, if that can be a block. */
static void block_trim(struct block *block, uint32_t units)
{
	uint32_t rest = block->units - units;

	if (rest < 2)
		return;
	block->units = units;
	*behind(block) = (struct block){ .units = rest, .units_before = units };
	block_release(behind(block));
}

static void set_bytes(struct block *block, size_t bytes)
{
	block->seal = seal_of(block, LIVE);
	block->left_over = (uint32_t)((block->units - 1) * UNIT - bytes);
	if (block->left_over > 0)
		((uint8_t *)(block + 1))[bytes] = GUARD;
}

/* How long a block an object of `bytes` needs: its links must fit when it is free. */
static uint32_t units_for(size_t bytes)
{
	return bytes == 0 ? 2 : (uint32_t)((bytes + UNIT - 1) / UNIT + 1);
}

static void *take(size_t bytes)
{
	uint32_t units;
	struct block *block;

	if (bytes > HEAP_MAX_BYTES)
		return NULL;
	units = units_for(bytes);
	block = bin_find(units);
	if (!block) {
		stats.nr_rescues++;
		heap_rescue((units + 2) * UNIT);
		block = bin_find(units);
	}
	if (!block)
		return NULL;
	bin_remove(block);
	block->seal = seal_of(block, LIVE);
	block_trim(block, units);
	set_bytes(block, bytes);
	stats.nr_live++;
	stats.live_bytes += bytes;
	return block + 1;
}

static void give(struct block *block)
{
	stats.nr_live--;
	stats.live_bytes -= bytes_of(block);
	block_release(block);
}

/* The block of an object that is live and whole. */
static struct block *block_of(const char *caller, void *object)
{
	struct block *block = (struct block *)object - 1;
	const char *wrong = NULL;

	if (page_tag(object) != PAGE_USER)
		wrong = "not from the heap";
	else if ((uintptr_t)object % UNIT != 0 || page_tag(block) != PAGE_USER)
		wrong = "not the start of an object";
	else if (is(block, FREE))
		wrong = "already free";
	else if (!is(block, LIVE))
		wrong = "not the start of an object";
	else if (block->left_over > 0 && ((uint8_t *)object)[bytes_of(block)] != GUARD)
		wrong = "overrun";
	if (wrong)
		panic("%s: %p: %s", caller, object, wrong);
	return block;
}

void *kmalloc(size_t bytes)
{
	void *object;

	spin_lock(&heap_lock);
	stats.nr_calls++;
	object = take(bytes);
	spin_unlock(&heap_lock);
	return object;
}

void *kzalloc(size_t count, size_t bytes)
{
	size_t total_bytes;
	void *object = __builtin_mul_overflow(count, bytes, &total_bytes) ? NULL : kmalloc(total_bytes);

	return object ? memset(object, 0, total_bytes) : NULL;
}

void *krealloc(void *object, size_t bytes)
{
	struct block *block;
	size_t old_bytes;
	void *moved;

	if (!object)
		return kmalloc(bytes);
	spin_lock(&heap_lock);
	stats.nr_calls++;
	block = block_of("krealloc", object);
	old_bytes = bytes_of(block);
	if (bytes <= HEAP_MAX_BYTES && units_for(bytes) <= block->units) {
		block_trim(block, units_for(bytes));
		set_bytes(block, bytes);
		stats.live_bytes += bytes - old_bytes;
		moved = object;
	} else {
		moved = take(bytes);
		if (moved) {
			memcpy(moved, object, old_bytes < bytes ? old_bytes : bytes);
			give(block);
		}
	}
	spin_unlock(&heap_lock);
	return moved;
}

void kfree(void *object)
{
	spin_lock(&heap_lock);
	stats.nr_calls++;
	if (object)
		give(block_of("kfree", object));
	spin_unlock(&heap_lock);
}

/* Whole pages in a free block; the region's own words at both ends are nobody's. */
static size_t free_pages(const struct region *region, struct block *block)
{
	uintptr_t begin = (uintptr_t)block, end = (uintptr_t)behind(block);

	if (block->units_before == 0)
		begin = (uintptr_t)region;
	if (is(behind(block), END))
		end += UNIT;
	begin = ROUND_UP(begin, PAGE_BYTES);
	end = ROUND_DOWN(end, PAGE_BYTES);
	return end > begin ? (end - begin) / PAGE_BYTES : 0;
}

void heap_stats(struct heap_stats *found)
{
	spin_lock(&heap_lock);
	*found = stats;
	for (struct region *region = regions; region; region = region->next) {
		found->nr_pages += region->nr_pages;
		for (struct block *block = (struct block *)(region + 1); !is(block, END); block = behind(block))
			if (is(block, FREE))
				found->nr_free_pages += free_pages(region, block);
	}
	spin_unlock(&heap_lock);
}

void heap_check(void)
{
	spin_lock(&heap_lock);
	for (struct region *region = regions; region; region = region->next)
		for (struct block *block = (struct block *)(region + 1); !is(block, END); block = behind(block))
			if ((!is(block, LIVE) && !is(block, FREE)) || behind(block)->units_before != block->units ||
			    (is(block, FREE) && is(behind(block), FREE)))
				panic("heap_check: %p: no block, or not merged", block);
	spin_unlock(&heap_lock);
}
