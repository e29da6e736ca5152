/* SPDX-License-Identifier: MIT */
/*
 * frame_test.c: lab 1's tests of which frames there are, and that none is lost.
 *
 * They know the contract in frame.h and nothing of how it is kept. Memory that a
 * test holds is chained through the first words of its blocks, so that a test can
 * hold all there is, on a machine of any size.
 */
#include "clock.h"
#include "frame.h"
#include "ktest.h"
#include "memmap.h"
#include "memory.h"
#include "string.h"

/* What stands at the start of a block while a test holds it. */
struct chained {
	struct chained *previous;       /* the block that was taken before it, or NULL */
	size_t index;                   /* how many were taken before it */
	unsigned order;
};

/* Blocks that a test holds. */
struct chain {
	struct chained *last;           /* the block taken last, or NULL */
	size_t nr_blocks;
	size_t nr_frames;               /* of all blocks together */
};

/* Takes up to `most` blocks of one order. */
static void chain_take(struct chain *chain, unsigned order, size_t most)
{
	for (; most > 0; most--) {
		paddr_t base = frame_alloc(order);
		struct chained *block = phys_to_virt(base);

		if (base == PADDR_NONE)
			return;
		*block = (struct chained){ chain->last, chain->nr_blocks, order };
		chain->last = block;
		chain->nr_blocks++;
		chain->nr_frames += 1ul << order;
		if (chain->nr_blocks % 1024 == 0)
			ktest_progress();
	}
}

/* A block that was handed out twice has been written to twice, which breaks the chain. */
static void chain_check(const struct chain *chain)
{
	size_t index = chain->nr_blocks;

	for (struct chained *block = chain->last; block != NULL; block = block->previous) {
		index--;
		CHECK(block->index == index, "%#lx was handed out as number %zu and again as %zu",
		      virt_to_phys(block), index, block->index);
	}
	CHECK(index == 0, "%zu blocks are missing", index);
}

static void chain_give_back(struct chain *chain)
{
	while (chain->last != NULL) {
		struct chained *block = chain->last;

		chain->last = block->previous;
		frame_free(virt_to_phys(block), block->order);
		if (block->index % 1024 == 0)
			ktest_progress();
	}
	*chain = (struct chain){ 0 };
}

/* Moves every other block to the end of another chain. */
static void chain_move_odd(struct chain *chain, struct chain *odd)
{
	struct chained **link = &chain->last;

	while (*link != NULL) {
		struct chained *block = *link;

		if (block->index % 2 == 0) {
			link = &block->previous;
			continue;
		}
		*link = block->previous;
		block->previous = odd->last;
		odd->last = block;
	}
}

static size_t nr_free(void)
{
	struct frame_stats stats;

	frame_stats(&stats);
	return stats.nr_free;
}

static uint64_t block_bytes(unsigned order)
{
	return PAGE_BYTES << order;
}

/* Takes all memory, in the largest blocks there are. */
static void take_everything(struct chain *chain)
{
	for (unsigned order = FRAME_MAX_ORDER + 1; order-- > 0;)
		chain_take(chain, order, SIZE_MAX);
}

KTEST(frame, blocks_are_aligned_to_their_size)
{
	struct chain chain = { 0 };

	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		chain_take(&chain, order, 3);
	for (struct chained *block = chain.last; block != NULL; block = block->previous)
		CHECK(virt_to_phys(block) % block_bytes(block->order) == 0,
		      "a block of order %u at %#lx", block->order, virt_to_phys(block));
	chain_give_back(&chain);
}

KTEST(frame, all_memory_handed_out_is_free_ram)
{
	struct chain chain = { 0 };

	take_everything(&chain);
	for (struct chained *block = chain.last; block != NULL; block = block->previous) {
		paddr_t base = virt_to_phys(block);
		const struct memmap_range *range = memmap_find(base);

		CHECK(range != NULL && range->owner == MEM_FREE, "frame %#lx is %s", base,
		      range == NULL ? "no RAM" : memmap_owner_name(range->owner));
		CHECK(base + block_bytes(block->order) <= range->end,
		      "a block of order %u at %#lx reaches past %#lx", block->order, base, range->end);
	}
	chain_give_back(&chain);
}

KTEST(frame, no_frame_is_handed_out_twice)
{
	struct chain chain = { 0 };
	size_t wanted = nr_free() < 65536 ? nr_free() : 65536;

	chain_take(&chain, 0, wanted);
	CHECK(chain.nr_blocks == wanted, "%zu frames instead of %zu", chain.nr_blocks, wanted);
	chain_check(&chain);
	chain_give_back(&chain);
}

KTEST(frame, blocks_of_all_orders_do_not_overlap)
{
	struct chain chain = { 0 };

	for (unsigned round = 0; round < 4; round++)
		for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
			chain_take(&chain, order, 1 + random_below(&ktest_random, 3));
	for (struct chained *a = chain.last; a != NULL; a = a->previous)
		for (struct chained *b = a->previous; b != NULL; b = b->previous)
			CHECK((char *)a >= (char *)b + block_bytes(b->order) ||
			      (char *)b >= (char *)a + block_bytes(a->order),
			      "order %u at %#lx and order %u at %#lx", a->order, virt_to_phys(a),
			      b->order, virt_to_phys(b));
	chain_give_back(&chain);
}

KTEST(frame, every_free_frame_of_the_map_is_managed)
{
	size_t nr_ranges, nr_expected = 0;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);
	struct frame_stats stats;

	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			nr_expected += (ranges[i].end - ranges[i].base) / PAGE_BYTES;
	frame_stats(&stats);
	CHECK(stats.nr_frames == nr_expected, "%zu frames, the map has %zu", stats.nr_frames, nr_expected);
}

KTEST(frame, the_count_of_free_frames_is_exact)
{
	struct chain chain = { 0 };
	size_t before = nr_free(), nr_taken;

	take_everything(&chain);
	nr_taken = chain.nr_frames;
	CHECK(nr_taken == before, "%zu frames were free, %zu could be taken", before, nr_taken);
	CHECK(nr_free() == 0, "%zu are free after all were taken", nr_free());
	chain_give_back(&chain);
	CHECK(nr_free() == before, "%zu are free after all came back, not %zu", nr_free(), before);
}

KTEST(frame, exhaustion_is_a_return_value)
{
	struct chain chain = { 0 };
	paddr_t frame;

	take_everything(&chain);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		frame = frame_alloc(order);
		CHECK(frame == PADDR_NONE, "order %u gave %#lx with nothing free", order, frame);
	}
	chain_give_back(&chain);
}

KTEST(frame, recovers_from_exhaustion_frame_by_frame)
{
	struct chain chain = { 0 };
	paddr_t single, again;

	single = frame_alloc(0);
	CHECK(single != PADDR_NONE, "there is no frame at all");
	take_everything(&chain);
	frame_free(single, 0);
	again = frame_alloc(0);
	CHECK(again == single, "got %#lx, only %#lx is free", again, single);
	CHECK(frame_alloc(0) == PADDR_NONE, "got one more");
	frame_free(again, 0);
	chain_give_back(&chain);
}

KTEST(frame, orders_that_are_too_large_fail)
{
	static const unsigned orders[] = { FRAME_MAX_ORDER + 1, FRAME_MAX_ORDER + 2, 31, 32, 63, 64, ~0u };

	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++)
		CHECK(frame_alloc(orders[i]) == PADDR_NONE, "order %u gave memory", orders[i]);
	frame_check();
}

/* What frame_init() must have made of the map: the largest aligned blocks that fit. */
static void expect_blocks(struct frame_stats *stats)
{
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	memset(stats, 0, sizeof(*stats));
	for (size_t i = 0; i < nr_ranges; i++) {
		paddr_t base = ranges[i].base;

		while (ranges[i].owner == MEM_FREE && base < ranges[i].end) {
			unsigned order = FRAME_MAX_ORDER;

			while (base % block_bytes(order) != 0 || base + block_bytes(order) > ranges[i].end)
				order--;
			stats->nr_free_blocks[order]++;
			base += block_bytes(order);
		}
	}
}

KTEST(frame, free_memory_is_in_the_largest_blocks_possible)
{
	struct frame_stats stats, expected;

	frame_stats(&stats);
	if (stats.nr_free != stats.nr_frames)
		SKIP("some frames are in use");
	expect_blocks(&expected);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		CHECK(stats.nr_free_blocks[order] == expected.nr_free_blocks[order],
		      "%zu free blocks of order %u, the map makes %zu", stats.nr_free_blocks[order],
		      order, expected.nr_free_blocks[order]);
}

KTEST(frame, buddies_merge_however_they_are_freed)
{
	struct chain all = { 0 }, odd = { 0 };
	struct frame_stats before, after;

	frame_stats(&before);
	chain_take(&all, 0, before.nr_free < 16384 ? before.nr_free : 16384);
	chain_move_odd(&all, &odd);
	chain_give_back(&all);
	frame_check();
	chain_give_back(&odd);
	frame_check();
	frame_stats(&after);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0,
	      "%zu blocks of the largest order before, %zu after",
	      before.nr_free_blocks[FRAME_MAX_ORDER], after.nr_free_blocks[FRAME_MAX_ORDER]);
}

static uint64_t cost_of_pairs(unsigned order, unsigned nr_pairs)
{
	uint64_t begin = clock_instructions();

	for (unsigned i = 0; i < nr_pairs; i++)
		frame_free(frame_alloc(order), order);
	return (clock_instructions() - begin) / nr_pairs;
}

KTEST(frame, cost_does_not_grow_as_memory_fills)
{
	struct chain chain = { 0 };
	uint64_t empty, full;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	empty = cost_of_pairs(0, 64);
	chain_take(&chain, 0, nr_free() - nr_free() / 100 - 1);
	full = cost_of_pairs(0, 64);
	chain_give_back(&chain);
	ktest_note("%lu instructions a pair with all free, %lu with 1 %% free", empty, full);
	CHECK(full <= 3 * empty, "%lu instructions, then %lu", empty, full);
	CHECK(empty <= 1500, "%lu instructions for an alloc and a free", empty);
}

KTEST(frame, a_request_that_cannot_be_met_fails_fast)
{
	struct chain chain = { 0 }, odd = { 0 };
	uint64_t begin, cost;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	chain_take(&chain, 0, SIZE_MAX);
	chain_move_odd(&chain, &odd);
	chain_give_back(&odd);          /* half of memory is free, in pieces */
	begin = clock_instructions();
	for (unsigned i = 0; i < 64; i++)
		CHECK(frame_alloc(FRAME_MAX_ORDER) == PADDR_NONE, "it was met");
	cost = (clock_instructions() - begin) / 64;
	chain_give_back(&chain);
	ktest_note("%lu instructions", cost);
	CHECK(cost <= 300, "%lu instructions", cost);
}
