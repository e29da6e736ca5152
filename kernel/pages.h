/* SPDX-License-Identifier: MIT */
/*
 * pages.h: the heap's stock of page runs, and what each page is used for.
 *
 * The heap's raw material. A run is one or more adjacent pages of the direct
 * map. A tag, one byte a page, says what a page is in use as; from any pointer
 * at all, page_tag() finds out whether the heap knows its page.
 *
 * Lab 2 gives this module to the students complete.
 *
 * Locks: takes frame_lock (in pages_init()); the caller holds heap_lock (but for
 * pages_init()). Allocates: frames (in pages_init()). Callable from: the heap.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdint.h>

#include "memory.h"

/* Tags. The heap chooses among those from PAGE_USER on; the others belong to this module. */
enum page_tag {
	PAGE_FOREIGN,           /* not the heap's */
	PAGE_FREE,              /* in the stock */
	PAGE_TAIL,              /* part of a run, but not its first page */
	PAGE_USER,              /* first value that the heap may use */
};

#define PAGES_EXACT 32

/* Sets up an empty stock. Takes one byte of every 4 KiB of RAM, from frame_alloc(). */
void pages_init(void);

/*
 * Puts `nr_pages` pages at `base` into the stock, where they merge with their neighbours. A free run
 * that was written to is a panic that names it, here and in pages_alloc(), before it is followed.
 */
void pages_free(void *base, size_t nr_pages);

/*
 * Takes a run of exactly nr_pages > 0 pages; its pages are tagged PAGE_TAIL.
 * Return: its first page, or NULL if no run is that long. A request for fewer than
 * PAGES_EXACT costs the same always. For a longer one it looks through runs of about that
 * length: one step for each PAGES_EXACT pages that are free, at the most.
 */
void *pages_alloc(size_t nr_pages);

extern uint8_t *page_tags;       /* by physical frame number */
extern size_t nr_page_tags;

/* The tag of the page that holds `pointer`; PAGE_FOREIGN for any pointer that is not the heap's. */
static inline uint8_t page_tag(const void *pointer)
{
	size_t frame = virt_to_phys(pointer) >> PAGE_SHIFT;

	return frame < nr_page_tags ? page_tags[frame] : PAGE_FOREIGN;
}

/* Where the tags of an allocated run are, one after the other, to be set. */
static inline uint8_t *page_tags_of(const void *run)
{
	return &page_tags[virt_to_phys(run) >> PAGE_SHIFT];
}

/*
 * The next page of the heap's behind `page` (NULL: the first one) that has this tag, or NULL.
 * Looks at one byte for each page between the heap's first and its last.
 */
void *pages_next(const void *page, uint8_t tag);

size_t pages_nr_free(void);
size_t pages_nr_total(void);

/* Walks all free runs and panics on the first contradiction. */
void pages_check(void);

#endif
