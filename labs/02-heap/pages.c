/* SPDX-License-Identifier: MIT */
/*
 * pages.c: the heap's stock of page runs.
 *
 * Free pages lie in runs as long as can be. A run describes itself, in its own
 * first and last page, so the stock needs no memory but the tags:
 *
 *       first page                               last page
 *     +--------------------------+-- ... --+------------------------+
 *     | next, prev, nr_pages     |         |                  first |
 *     +--------------------------+-- ... --+------------------------+
 *
 * A run of one page is both at once. Runs hang in bins by the power of two of
 * their length, and a bit mask knows the bins that are not empty. A run that is
 * given back looks at the tags on both sides and merges with what is free there.
 * Neither direction searches: both are O(1), but for one tag byte a page.
 *
 * Limits: of the request's own bin only the first run is looked at, so a fitting
 * one behind it can be missed when no longer run exists. The tags are one block
 * of frames, 4 MiB at most, as the memory map has no RAM above MEMMAP_LIMIT.
 *
 * Locks: heap_lock, held by the caller. Allocates: frames, in pages_init().
 * Callable from: the heap only.
 */
#include "pages.h"

#include "frame.h"
#include "memmap.h"
#include "panic.h"
#include "string.h"

#define NR_BINS 23              /* runs of up to 2^23 - 1 pages, more than there are tags */

struct free_run {
	struct free_run *next, *prev;   /* neighbours in the bin; in the first page */
	size_t nr_pages;                /* length of the run; in the first page */
	struct free_run *first;         /* the run's first page; in the last page */
};

uint8_t *page_tags;                     /* enum page_tag, by physical frame number */
size_t nr_page_tags;

static struct free_run *bins[NR_BINS];  /* bin b: runs of 2^b … 2^(b+1) - 1 pages */
static uint32_t filled_bins;            /* bit b is set if bins[b] is not empty */
static size_t nr_free, nr_total;

static inline unsigned bin_of(size_t nr_pages)
{
	return 63 - (unsigned)__builtin_clzl(nr_pages);
}

static inline size_t frame_number(const void *pointer)
{
	return virt_to_phys(pointer) >> PAGE_SHIFT;
}

static inline void *page_after(void *base, ptrdiff_t nr_pages)
{
	return (char *)base + nr_pages * (ptrdiff_t)PAGE_BYTES;
}

static inline struct free_run *last_page(struct free_run *run)
{
	return page_after(run, run->nr_pages - 1);
}

_Static_assert(MEMMAP_LIMIT >> PAGE_SHIFT <= PAGE_BYTES << FRAME_MAX_ORDER,
	       "the tags of all RAM fit the largest block");

void pages_init(void)
{
	unsigned order = 0;
	paddr_t base;

	nr_page_tags = memmap_top() >> PAGE_SHIFT;
	while (PAGE_BYTES << order < nr_page_tags)
		order++;
	base = frame_alloc(order);
	if (base == PADDR_NONE)
		panic("pages_init: no block of order %u for the tags", order);
	page_tags = phys_to_virt(base);
	memset(page_tags, PAGE_FOREIGN, nr_page_tags);
}

static void run_insert(struct free_run *run, size_t nr_pages)
{
	unsigned bin = bin_of(nr_pages);

	run->nr_pages = nr_pages;
	last_page(run)->first = run;
	run->prev = NULL;
	run->next = bins[bin];
	if (run->next)
		run->next->prev = run;
	bins[bin] = run;
	filled_bins |= 1u << bin;
}

static void run_remove(struct free_run *run)
{
	unsigned bin = bin_of(run->nr_pages);

	if (run->next)
		run->next->prev = run->prev;
	if (run->prev)
		run->prev->next = run->next;
	else
		bins[bin] = run->next;
	if (!bins[bin])
		filled_bins &= ~(1u << bin);
}

void pages_free(void *base, size_t nr_pages)
{
	size_t frame = frame_number(base);
	struct free_run *run = base, *neighbour;

	if (frame >= nr_page_tags || nr_pages > nr_page_tags - frame)
		panic("pages_free: %p: %zu pages that are not RAM", base, nr_pages);
	if (page_tags[frame] == PAGE_FREE)
		panic("pages_free: %p: already free", base);
	if (page_tags[frame] == PAGE_FOREIGN)
		nr_total += nr_pages;
	nr_free += nr_pages;
	memset(&page_tags[frame], PAGE_FREE, nr_pages);

	neighbour = page_after(run, nr_pages);
	if (page_tag(neighbour) == PAGE_FREE) {
		run_remove(neighbour);
		nr_pages += neighbour->nr_pages;
	}
	neighbour = page_after(run, -1);
	if (page_tag(neighbour) == PAGE_FREE) {
		run = neighbour->first;
		run_remove(run);
		nr_pages += run->nr_pages;
	}
	run_insert(run, nr_pages);
}

/* A run of at least nr_pages pages: the first of the request's bin, or one of a higher bin. */
static struct free_run *run_find(size_t nr_pages)
{
	unsigned bin = bin_of(nr_pages);
	uint32_t higher;

	if (bin >= NR_BINS)
		return NULL;
	if (bins[bin] && bins[bin]->nr_pages >= nr_pages)
		return bins[bin];
	higher = filled_bins & ~((2u << bin) - 1);
	return higher ? bins[__builtin_ctz(higher)] : NULL;
}

void *pages_alloc(size_t nr_pages)
{
	struct free_run *run = run_find(nr_pages);

	if (!run)
		return NULL;
	run_remove(run);
	if (run->nr_pages > nr_pages)
		run_insert(page_after(run, nr_pages), run->nr_pages - nr_pages);
	memset(&page_tags[frame_number(run)], PAGE_TAIL, nr_pages);
	nr_free -= nr_pages;
	return run;
}

size_t pages_nr_free(void)
{
	return nr_free;
}

size_t pages_nr_total(void)
{
	return nr_total;
}

/* Checks one free run: its tags, its neighbours, and its links in bin `bin`. */
static void run_check(struct free_run *run, unsigned bin)
{
	for (size_t i = 0; i < run->nr_pages; i++)
		if (page_tag(page_after(run, i)) != PAGE_FREE)
			panic("pages_check: page %zu of the free run at %p is in use", i, run);
	if (page_tag(page_after(run, -1)) == PAGE_FREE ||
	    page_tag(page_after(run, run->nr_pages)) == PAGE_FREE)
		panic("pages_check: the free run at %p has not merged with a neighbour", run);
	if (last_page(run)->first != run)
		panic("pages_check: the last page of the free run at %p leads elsewhere", run);
	if (bin_of(run->nr_pages) != bin || (run->prev ? run->prev->next : bins[bin]) != run)
		panic("pages_check: the free run at %p is in the wrong bin", run);
}

void pages_check(void)
{
	size_t nr_found = 0;

	for (unsigned bin = 0; bin < NR_BINS; bin++) {
		if ((filled_bins >> bin & 1) != (bins[bin] != NULL))
			panic("pages_check: the mask is wrong about bin %u", bin);
		for (struct free_run *run = bins[bin]; run; run = run->next) {
			run_check(run, bin);
			nr_found += run->nr_pages;
		}
	}
	if (nr_found != nr_free)
		panic("pages_check: %zu pages in free runs, %zu counted", nr_found, nr_free);
}
