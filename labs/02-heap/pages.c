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
 * A run of one page is both at once. Runs hang in bins: those of fewer than
 * PAGES_EXACT pages by their length, longer ones by its power of two. A bit mask
 * knows the bins that are not empty. When a run is given back, it merges with free
 * runs on both sides, which the tags name. No run that fits is ever missed: each run
 * in the bin of a short one fits. The bin of a long one is searched, which takes few
 * steps, as no run in it is short.
 *
 * The words in free pages may be damaged, if somebody has written to a page that is not theirs.
 * So a run that is taken out, or merged, must be whole first.
 *
 * Limits: the tags are one block of frames, 4 MiB at most, as the memory map has no
 * RAM above MEMMAP_LIMIT.
 *
 * Locks: takes frame_lock (in pages_init()); the caller holds heap_lock. Allocates:
 * frames (in pages_init()). Callable from: the heap.
 */
#include "pages.h"

#include <stdbool.h>

#include "frame.h"
#include "memmap.h"
#include "panic.h"
#include "string.h"

#define EXACT_ORDER 5           /* PAGES_EXACT is 2^5 */
#define NR_BINS     (PAGES_EXACT + 23 - EXACT_ORDER)    /* up to 2^23 - 1 pages: more than tags */

_Static_assert(PAGES_EXACT == 1 << EXACT_ORDER, "bins go on by powers of two where exact ones end");

struct free_run {
	struct free_run *next, *prev;   /* neighbours in the bin; in the first page */
	size_t nr_pages;                /* length of the run; in the first page */
	struct free_run *first;         /* the run's first page; in the last page */
};

uint8_t *page_tags;                     /* enum page_tag, by physical frame number */
size_t nr_page_tags;

static struct free_run *bins[NR_BINS];  /* runs of 0, 1, … 31, 32 … 63, 64 … 127, … pages */
static uint64_t filled_bins;            /* bit b is set if bins[b] is not empty */
static size_t nr_free, nr_total;
static size_t first_frame = SIZE_MAX;   /* the heap's first; end_frame is behind its last */
static size_t end_frame;

static inline unsigned bin_of(size_t nr_pages)
{
	if (nr_pages < PAGES_EXACT)
		return (unsigned)nr_pages;
	return PAGES_EXACT - EXACT_ORDER + 63 - (unsigned)__builtin_clzl(nr_pages);
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
	filled_bins |= 1ul << bin;
}

static bool is_free(const void *page)
{
	return page_tag(page) == PAGE_FREE;
}

/* Do the run's neighbours in the bin, and its last page, lead back to it? Follows no link blindly. */
static bool is_whole(struct free_run *run)
{
	return run->nr_pages - 1 < nr_free && is_free(last_page(run)) && last_page(run)->first == run &&
	       (!run->next || (is_free(run->next) && run->next->prev == run)) &&
	       (run->prev ? is_free(run->prev) && run->prev->next == run
			  : bins[bin_of(run->nr_pages)] == run);
}

static void run_remove(struct free_run *run)
{
	unsigned bin;

	if (!is_free(run) || !is_whole(run))
		panic("pages: %p: the free run is damaged", run);
	bin = bin_of(run->nr_pages);
	if (run->next)
		run->next->prev = run->prev;
	if (run->prev)
		run->prev->next = run->next;
	else
		bins[bin] = run->next;
	if (!bins[bin])
		filled_bins &= ~(1ul << bin);
}

/* Counts pages that were not the heap's before. */
static void add_foreign(size_t frame, size_t nr_pages)
{
	if (frame < first_frame)
		first_frame = frame;
	if (frame + nr_pages > end_frame)
		end_frame = frame + nr_pages;
	nr_total += nr_pages;
}

void pages_free(void *base, size_t nr_pages)
{
	size_t frame = frame_number(base), run_pages = nr_pages;
	struct free_run *run = base, *neighbour;

	if (frame >= nr_page_tags || nr_pages > nr_page_tags - frame)
		panic("pages_free: %p: %zu pages that are not RAM", base, nr_pages);
	if (page_tags[frame] == PAGE_FREE)
		panic("pages_free: %p: already free", base);
	neighbour = page_after(run, nr_pages);
	if (page_tag(neighbour) == PAGE_FREE) {
		run_remove(neighbour);
		run_pages += neighbour->nr_pages;
	}
	neighbour = page_after(run, -1);
	if (page_tag(neighbour) == PAGE_FREE) {
		run = neighbour->first;
		run_remove(run);
		run_pages += run->nr_pages;
	}
	if (page_tags[frame] == PAGE_FOREIGN)
		add_foreign(frame, nr_pages);
	nr_free += nr_pages;
	memset(&page_tags[frame], PAGE_FREE, nr_pages);
	run_insert(run, run_pages);
}

/* A run of at least nr_pages pages: of the request's own bin, or else of a higher one. */
static struct free_run *run_find(size_t nr_pages)
{
	unsigned bin = bin_of(nr_pages);
	uint64_t higher;

	if (bin >= NR_BINS)
		return NULL;
	for (struct free_run *run = bins[bin]; run; run = run->next)
		if (bin < PAGES_EXACT || !is_free(run) || run->nr_pages >= nr_pages)
			return run;
	higher = filled_bins & ~((2ul << bin) - 1);
	return higher ? bins[__builtin_ctzl(higher)] : NULL;
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

void *pages_next(const void *page, uint8_t tag)
{
	size_t frame = page ? frame_number(page) + 1 : first_frame;
	const uint8_t *found = frame < end_frame ? memchr(&page_tags[frame], tag, end_frame - frame)
						 : NULL;

	return found ? phys_to_virt((paddr_t)(found - page_tags) << PAGE_SHIFT) : NULL;
}

size_t pages_nr_free(void)
{
	return nr_free;
}

size_t pages_nr_total(void)
{
	return nr_total;
}

/* Checks one free run that was found in bin `bin` behind `previous`, before following its links. */
static void run_check(struct free_run *run, struct free_run *previous, unsigned bin)
{
	if ((uintptr_t)run % PAGE_BYTES != 0 || !is_free(run))
		panic("pages_check: bin %u leads to %p, which is no free page", bin, run);
	if (run->nr_pages == 0 || bin_of(run->nr_pages) != bin || run->prev != previous)
		panic("pages_check: the free run at %p is in the wrong bin", run);
	for (size_t i = 0; i < run->nr_pages; i++)
		if (page_tag(page_after(run, i)) != PAGE_FREE)
			panic("pages_check: page %zu of the free run at %p is in use", i, run);
	if (page_tag(page_after(run, -1)) == PAGE_FREE ||
	    page_tag(page_after(run, run->nr_pages)) == PAGE_FREE)
		panic("pages_check: the free run at %p has not merged with a neighbour", run);
	if (last_page(run)->first != run)
		panic("pages_check: the last page of the free run at %p leads elsewhere", run);
}

/* It ends: no run is behind two others, as each leads back to one. */
void pages_check(void)
{
	size_t nr_found = 0;

	for (unsigned bin = 0; bin < NR_BINS; bin++) {
		struct free_run *previous = NULL;

		if ((filled_bins >> bin & 1) != (bins[bin] != NULL))
			panic("pages_check: the mask is wrong about bin %u", bin);
		for (struct free_run *run = bins[bin]; run; run = run->next) {
			run_check(run, previous, bin);
			previous = run;
			nr_found += run->nr_pages;
		}
	}
	if (nr_found != nr_free)
		panic("pages_check: %zu pages in free runs, %zu counted", nr_found, nr_free);
}
