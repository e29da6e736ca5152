/* SPDX-License-Identifier: MIT */
/*
 * pages_test.c: tests of the stock of page runs. They borrow from the heap's, and are skipped where
 * a heap of another design keeps its pages elsewhere.
 *
 * The sentences of pages.h that are tested here; students get the module complete:
 *
 *     merge with their neighbours         merge, merge_parts
 *     exactly nr_pages pages              disjoint, merge
 *     its pages are tagged PAGE_TAIL      disjoint
 *     NULL if no run is that long         too_long
 *     page_tag: FOREIGN for any pointer   foreign
 *     that is not the heap's
 *     pages_next: the next page that has  next_finds_each_page_with_a_tag
 *     this tag
 *     pages_alloc costs the same always   cost_of_a_short_run
 */
#include "clock.h"
#include "heap.h"
#include "ktest.h"
#include "pages.h"

#define MANY 12

static void *runs[MANY];

static size_t pages_of(size_t i)
{
	return i % 4 + 1;
}

/* Takes heap_lock, unless the heap keeps its pages elsewhere than in the stock. */
static void lock_stock(void)
{
	if (pages_nr_total() == 0)
		SKIP("this heap does not keep its pages in the stock of pages.h");
	spin_lock(&heap_lock);
}

static void take_runs(void)
{
	for (size_t i = 0; i < MANY; i++) {
		runs[i] = pages_alloc(pages_of(i));
		CHECK(runs[i], "run %zu of %zu pages", i, pages_of(i));
	}
}

/* Neighbours are given back in an order that makes them merge on every side. */
static void give_runs_back(void)
{
	for (size_t i = 0; i < MANY; i++)
		pages_free(runs[i * 5 % MANY], pages_of(i * 5 % MANY));
}

KTEST(pages, disjoint)
{
	lock_stock();
	take_runs();
	for (size_t i = 0; i < MANY; i++)
		for (size_t page = 0; page < pages_of(i); page++) {
			void *pointer = (char *)runs[i] + page * PAGE_BYTES;

			CHECK(page_tag(pointer) == PAGE_TAIL, "page %zu of run %zu", page, i);
			*page_tags_of(pointer) = (uint8_t)(PAGE_USER + i);
		}
	for (size_t i = 0; i < MANY; i++)
		for (size_t byte = 0; byte < pages_of(i) * PAGE_BYTES; byte += 512)
			CHECK(page_tag((char *)runs[i] + byte) == PAGE_USER + i, "run %zu", i);
	pages_check();
	give_runs_back();
	spin_unlock(&heap_lock);
}

KTEST(pages, merge)
{
	size_t nr_free;

	lock_stock();
	nr_free = pages_nr_free();
	take_runs();
	pages_check();
	CHECK(pages_nr_free() == nr_free - MANY / 4 * (1 + 2 + 3 + 4),
	      "%zu pages before, %zu after", nr_free, pages_nr_free());
	give_runs_back();
	pages_check();
	CHECK(pages_nr_free() == nr_free, "%zu pages before, %zu after", nr_free, pages_nr_free());
	spin_unlock(&heap_lock);
}

/* A run given back in parts is one run again. */
KTEST(pages, merge_parts)
{
	char *run;

	lock_stock();
	run = pages_alloc(16);
	CHECK(run, "16 pages");
	pages_free(run + 4 * PAGE_BYTES, 5);
	pages_free(run, 3);
	pages_free(run + 9 * PAGE_BYTES, 7);
	pages_check();
	pages_free(run + 3 * PAGE_BYTES, 1);
	pages_check();
	run = pages_alloc(16);
	CHECK(run, "16 pages again");
	pages_free(run, 16);
	spin_unlock(&heap_lock);
}

KTEST(pages, too_long)
{
	lock_stock();
	CHECK(!pages_alloc(pages_nr_total() + 1), "more pages than there are");
	CHECK(!pages_alloc(1ul << 23), "more pages than there can be");
	CHECK(!pages_alloc(SIZE_MAX), "SIZE_MAX pages");
	pages_check();
	spin_unlock(&heap_lock);
}

KTEST(pages, foreign)
{
	static uint8_t in_image;

	lock_stock();
	CHECK(page_tag(NULL) == PAGE_FOREIGN, "NULL");
	CHECK(page_tag(&in_image) == PAGE_FOREIGN, "the image");
	CHECK(page_tag((void *)UINTPTR_MAX) == PAGE_FOREIGN, "the last byte there is");
	CHECK(page_tag(phys_to_virt(0)) == PAGE_FOREIGN, "the first frame");
	CHECK(page_tag((char *)phys_to_virt(0) - 1) == PAGE_FOREIGN, "below the first frame");
	spin_unlock(&heap_lock);
}

KTEST(pages, next_finds_each_page_with_a_tag)
{
	const uint8_t tag = 0xee;       /* that no heap is likely to use */
	void *found = NULL;
	size_t nr_found = 0;

	lock_stock();
	take_runs();
	CHECK(!pages_next(NULL, tag), "%p has the tag already", pages_next(NULL, tag));
	for (size_t i = 0; i < MANY; i++)
		*page_tags_of(runs[i]) = tag;
	while ((found = pages_next(found, tag)) != NULL) {
		CHECK(page_tag(found) == tag, "%p has another tag", found);
		nr_found++;
	}
	CHECK(nr_found == MANY, "%zu pages of %u", nr_found, MANY);
	give_runs_back();
	CHECK(!pages_next(NULL, tag), "%p still has the tag", pages_next(NULL, tag));
	spin_unlock(&heap_lock);
}

/* Whether there are few free runs or many, none of which is long enough but one. */
KTEST(pages, cost_of_a_short_run)
{
	uint64_t begin = clock_instructions(), few, many;

	if (begin == 0)
		SKIP("this machine does not count instructions");
	lock_stock();
	pages_free(pages_alloc(3), 3);
	few = clock_instructions() - begin;
	for (size_t i = 0; i < MANY; i++)
		runs[i] = pages_alloc(1);
	for (size_t i = 0; i < MANY; i += 2)
		pages_free(runs[i], 1);
	begin = clock_instructions();
	pages_free(pages_alloc(3), 3);
	many = clock_instructions() - begin;
	for (size_t i = 1; i < MANY; i += 2)
		pages_free(runs[i], 1);
	spin_unlock(&heap_lock);
	CHECK(many <= few + 100, "%lu instructions with %u runs, %lu before", many, MANY / 2, few);
}

KTEST(pages, double_free)
{
	void *run;

	lock_stock();
	run = pages_alloc(2);
	CHECK(run, "two pages");
	pages_free(run, 2);
	EXPECT_PANIC("already free", pages_free(run, 2));
	pages_check();
}
