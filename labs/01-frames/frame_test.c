/* SPDX-License-Identifier: MIT */
/*
 * frame_test.c: lab 1's tests of which frames there are, and that none is lost.
 *
 * They know the contract in frame.h and nothing of how it is kept. Memory that a
 * test holds is chained through the first words of its blocks, so that a test can
 * hold all there is, on a machine of any size. A block says in its first word that
 * it is held: a walk through the map finds all of them.
 *
 * The tests of the first half give nothing back, as they are to pass before frame_free() is
 * written. Each goes on with the memory that the ones before it have left. The tests of the
 * second half begin by giving back all that is held.
 *
 * The sentences of frame.h that are tested here:
 *
 *     its base is a multiple of its size      blocks_are_aligned_to_their_size
 *     owns exactly the frames of MEM_FREE     every_free_frame_of_the_map_is_managed
 *     never hands out any other               all_memory_handed_out_is_free_ram
 *     2^order frames, and nobody else's       no_frame_is_handed_out_twice,
 *                                             blocks_of_all_orders_do_not_overlap
 *     PADDR_NONE if no block is large enough  every_free_block_can_be_had,
 *                                             exhaustion_is_a_return_value
 *     … or order is too large                 orders_that_are_too_large_fail
 *     all memory free means the same blocks   the_first_blocks_are_the_largest_that_fit,
 *                                             buddies_merge_however_they_are_freed
 *     Free buddies merge at once              free_blocks_are_as_large_as_can_be_…
 *     Gives back a block                      the_count_of_free_frames_is_exact,
 *                                             recovers_from_exhaustion_frame_by_frame
 *     nr_frames, nr_free, nr_free_blocks      every_free_frame_…, every_free_block_…
 */
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "memmap.h"
#include "memory.h"
#include "string.h"
#include "watchdog.h"

/* What stands at the start of a block while a test holds it. */
struct chained {
	uint64_t stamp;                 /* stamp_of() the block */
	struct chained *previous;       /* the block that was taken before it, or NULL */
	size_t index;                   /* how many were taken before it */
	unsigned order;
};

/* Blocks that a test holds. */
struct chain {
	struct chained *last;           /* the block taken last, or NULL */
	size_t nr_blocks;               /* taken */
	size_t nr_frames;               /* of all blocks together */
};

static struct chain chain, odd;

static uint64_t stamp_of(const struct chained *block)
{
	return (uint64_t)block ^ 0x6c65682079656874;
}

static bool is_chained(const struct chained *block)
{
	return block->stamp == stamp_of(block);
}

static uint64_t block_bytes(unsigned order)
{
	return PAGE_BYTES << order;
}

/* Before a block is written to: is it aligned, all of it free RAM, and nobody's yet? */
static void check_block(paddr_t base, unsigned order)
{
	const struct memmap_range *range = memmap_find(base);

	CHECK(base % block_bytes(order) == 0, "a block of order %u at %#lx", order, base);
	CHECK(range != NULL && range->owner == MEM_FREE, "frame %#lx is %s", base,
	      range == NULL ? "no RAM" : memmap_owner_name(range->owner));
	CHECK(base + block_bytes(order) <= range->end, "a block of order %u at %#lx reaches past %#lx",
	      order, base, range->end);
	CHECK(!is_chained(phys_to_virt(base)), "%#lx was handed out twice", base);
}

/* Takes up to `most` blocks of one order. */
static void chain_take(unsigned order, size_t most)
{
	for (; most > 0; most--) {
		paddr_t base = frame_alloc(order);
		struct chained *block = phys_to_virt(base);

		if (base == PADDR_NONE)
			return;
		check_block(base, order);
		*block = (struct chained){ stamp_of(block), chain.last, chain.nr_blocks, order };
		chain.last = block;
		chain.nr_blocks++;
		chain.nr_frames += 1ul << order;
		if (chain.nr_blocks % 1024 == 0)
			ktest_progress();
	}
}

static void give_back(struct chain *blocks)
{
	while (blocks->last != NULL) {
		struct chained *block = blocks->last;

		blocks->last = block->previous;
		block->stamp = 0;
		if (block->index % 1024 == 0)
			ktest_progress();
		frame_free(virt_to_phys(block), block->order);
	}
	*blocks = (struct chain){ 0 };
}

static struct frame_stats stats_now(void)
{
	struct frame_stats stats;

	watchdog_allow(WATCHDOG_MAX_SECONDS);
	frame_stats(&stats);
	ktest_progress();
	return stats;
}

static void check_now(void)
{
	watchdog_allow(WATCHDOG_MAX_SECONDS);
	frame_check();
	ktest_progress();
}

static size_t nr_free(void)
{
	return stats_now().nr_free;
}

/* Moves every other block of `chain` to `odd`. */
static void chain_move_odd(void)
{
	struct chained **link = &chain.last;

	while (*link != NULL) {
		struct chained *block = *link;

		if (block->index % 2 == 0) {
			link = &block->previous;
			continue;
		}
		*link = block->previous;
		block->previous = odd.last;
		odd.last = block;
	}
}

/* Takes all memory, in the largest blocks there are. */
static void take_everything(void)
{
	for (unsigned order = FRAME_MAX_ORDER + 1; order-- > 0;)
		chain_take(order, SIZE_MAX);
}

/* What a walk through the free memory of the map finds. */
struct survey {
	size_t nr_chained;                      /* held blocks, none of them inside another */
	size_t nr_others;                       /* frames in none of them */
	size_t nr_blocks[FRAME_MAX_ORDER + 1];  /* the fewest blocks that make up what is held */
};

/* Adds a run of held memory, cut into the largest aligned blocks. */
static void survey_run(struct survey *survey, paddr_t base, paddr_t end)
{
	while (base < end) {
		unsigned order = FRAME_MAX_ORDER;

		while (base % block_bytes(order) != 0 || base + block_bytes(order) > end)
			order--;
		survey->nr_blocks[order]++;
		base += block_bytes(order);
	}
}

static void survey_range(struct survey *survey, paddr_t base, paddr_t end)
{
	paddr_t run = base;

	while (base < end) {
		const struct chained *block = phys_to_virt(base);

		if (is_chained(block)) {
			survey->nr_chained++;
			base += block_bytes(block->order);
		} else {
			survey->nr_others++;
			survey_run(survey, run, base);
			base += PAGE_BYTES;
			run = base;
		}
	}
	survey_run(survey, run, base);
}

static struct survey survey_map(void)
{
	struct survey survey = { 0 };
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			survey_range(&survey, ranges[i].base, ranges[i].end);
	return survey;
}

/* Is nobody else here to take frames? The heap of the later labs is the first. */
static bool heap_has_none(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats.nr_pages == 0;
}

/* ---- before frame_free() is written */

KTEST(frame, every_free_frame_of_the_map_is_managed)
{
	size_t nr_ranges, nr_expected = 0;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			nr_expected += (ranges[i].end - ranges[i].base) / PAGE_BYTES;
	CHECK(stats_now().nr_frames == nr_expected, "%zu frames, the map has %zu",
	      stats_now().nr_frames, nr_expected);
	check_now();
}

/* When nobody has taken a frame yet: are the free blocks the largest that the map has room for? */
KTEST(frame, the_first_blocks_are_the_largest_that_fit)
{
	struct survey fits = { 0 };
	struct frame_stats stats = stats_now();
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	if (!heap_has_none())
		SKIP("the heap has some already");
	CHECK(stats.nr_free == stats.nr_frames, "%zu frames are free of %zu", stats.nr_free,
	      stats.nr_frames);
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_FREE)
			survey_run(&fits, ranges[i].base, ranges[i].end);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		CHECK(stats.nr_free_blocks[order] == fits.nr_blocks[order],
		      "%zu free blocks of order %u, there could be %zu",
		      stats.nr_free_blocks[order], order, fits.nr_blocks[order]);
	chain_take(0, 1);
	CHECK(chain.nr_blocks == 1 && nr_free() == stats.nr_free - 1,
	      "%zu frames were free, and %zu after %zu was taken", stats.nr_free, nr_free(),
	      chain.nr_blocks);
}

KTEST(frame, orders_that_are_too_large_fail)
{
	static const unsigned orders[] = { FRAME_MAX_ORDER + 1, FRAME_MAX_ORDER + 2, 31, 32, 63, 64, ~0u };

	chain_take(0, 1);
	CHECK(chain.nr_blocks > 0, "order 0 gave none");
	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++)
		CHECK(frame_alloc(orders[i]) == PADDR_NONE, "order %u gave memory", orders[i]);
	check_now();
}

KTEST(frame, blocks_are_aligned_to_their_size)
{
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		chain_take(order, 1);   /* which looks at each block */
	for (unsigned order = FRAME_MAX_ORDER; order-- > 0;)
		chain_take(order, 2);
	CHECK(chain.nr_blocks > FRAME_MAX_ORDER, "%zu blocks could be taken", chain.nr_blocks);
}

KTEST(frame, no_frame_is_handed_out_twice)
{
	size_t nr_held = chain.nr_blocks, before = nr_free(), wanted = before < 4096 ? before : 4096;

	CHECK(wanted > 0, "no frame is free");
	chain_take(0, wanted);          /* which knows a frame that it has seen before */
	CHECK(chain.nr_blocks - nr_held == wanted, "%zu frames instead of %zu",
	      chain.nr_blocks - nr_held, wanted);
	CHECK(nr_free() == before - wanted, "%zu frames were free, and %zu after %zu were taken",
	      before, nr_free(), wanted);
}

/* With all larger blocks taken, none of an order's can come from a split. */
KTEST(frame, every_free_block_can_be_had)
{
	struct frame_stats stats = stats_now();

	for (unsigned order = FRAME_MAX_ORDER + 1; order-- > 0;) {
		size_t before = chain.nr_blocks;

		chain_take(order, SIZE_MAX);
		CHECK(chain.nr_blocks - before == stats.nr_free_blocks[order],
		      "%zu blocks of order %u were free, %zu could be taken",
		      stats.nr_free_blocks[order], order, chain.nr_blocks - before);
	}
	CHECK(nr_free() == 0, "%zu frames are free after all were taken", nr_free());
	CHECK(chain.nr_blocks > 0, "no block could be taken");
}

KTEST(frame, all_memory_handed_out_is_free_ram)
{
	size_t nr_others = stats_now().nr_frames - nr_free() - chain.nr_frames;

	take_everything();              /* which looks where each block lies */
	CHECK(chain.nr_blocks > 0, "no block could be taken");
	CHECK(chain.nr_frames + nr_others == stats_now().nr_frames,
	      "%zu frames were taken, of %zu that are managed and %zu that others have",
	      chain.nr_frames, stats_now().nr_frames, nr_others);
}

KTEST(frame, blocks_of_all_orders_do_not_overlap)
{
	struct survey survey;

	for (unsigned round = 0; round < 4; round++)
		for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
			chain_take(order, 1 + random_below(&ktest_random, 3));
	take_everything();
	survey = survey_map();
	CHECK(chain.nr_blocks > 0, "no block could be taken");
	CHECK(survey.nr_chained == chain.nr_blocks, "%zu blocks, of which %zu lie apart",
	      chain.nr_blocks, survey.nr_chained);
}

KTEST(frame, exhaustion_is_a_return_value)
{
	take_everything();
	CHECK(chain.nr_blocks > 0, "there was nothing from the start");
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		paddr_t frame = frame_alloc(order);

		CHECK(frame == PADDR_NONE, "order %u gave %#lx with nothing free", order, frame);
	}
}

/* ---- and after */

/* At the start of a test of this half, and at its end. */
static void give_all_back(void)
{
	give_back(&odd);
	give_back(&chain);
	CHECK(nr_free() > 0, "no memory is left to test with");
}

KTEST(frame, the_count_of_free_frames_is_exact)
{
	size_t before, nr_taken;

	give_all_back();
	before = nr_free();
	take_everything();
	nr_taken = chain.nr_frames;
	CHECK(nr_taken == before, "%zu frames were free, %zu could be taken", before, nr_taken);
	CHECK(nr_free() == 0, "%zu are free after all were taken", nr_free());
	give_all_back();
	CHECK(nr_free() == before, "%zu are free after all came back, not %zu", nr_free(), before);
}

KTEST(frame, recovers_from_exhaustion_frame_by_frame)
{
	paddr_t single, again;

	give_all_back();
	single = frame_alloc(0);
	CHECK(single != PADDR_NONE, "there is no frame at all");
	take_everything();
	frame_free(single, 0);
	again = frame_alloc(0);
	CHECK(again == single, "got %#lx, only %#lx is free", again, single);
	CHECK(frame_alloc(0) == PADDR_NONE, "got one more");
	frame_free(again, 0);
	give_all_back();
}

/* Compares the free blocks with the largest that the map, and what is in use, leave room for. */
static void check_free_blocks(void)
{
	struct frame_stats stats = stats_now();
	struct survey survey;

	take_everything();
	survey = survey_map();
	give_all_back();
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		CHECK(stats.nr_free_blocks[order] == survey.nr_blocks[order],
		      "%zu free blocks of order %u, there could be %zu", stats.nr_free_blocks[order],
		      order, survey.nr_blocks[order]);
	CHECK(survey.nr_others == stats.nr_frames - stats.nr_free,
	      "%zu frames could not be taken, %zu are in use", survey.nr_others,
	      stats.nr_frames - stats.nr_free);
	check_now();
}

KTEST(frame, buddies_merge_however_they_are_freed)
{
	struct frame_stats before, after;
	size_t wanted;

	give_all_back();
	before = stats_now();
	wanted = before.nr_free < 16384 ? before.nr_free : 16384;
	chain_take(0, wanted);
	CHECK(chain.nr_blocks == wanted, "%zu frames of %zu", chain.nr_blocks, wanted);
	chain_move_odd();
	give_back(&chain);
	check_now();
	give_back(&odd);
	check_now();
	after = stats_now();
	CHECK(memcmp(&before, &after, sizeof(before)) == 0,
	      "%zu blocks of the largest order before, %zu after",
	      before.nr_free_blocks[FRAME_MAX_ORDER], after.nr_free_blocks[FRAME_MAX_ORDER]);
}

KTEST(frame, free_blocks_are_as_large_as_can_be_whatever_came_before)
{
	static paddr_t kept[256];

	give_all_back();
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
		kept[i] = frame_alloc(i % 4);
		CHECK(kept[i] != PADDR_NONE, "no block of order %zu", i % 4);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
		if (i % 3 != 0)
			frame_free(kept[i], i % 4);
	check_free_blocks();
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i += 3)
		frame_free(kept[i], i % 4);
	check_free_blocks();
}
