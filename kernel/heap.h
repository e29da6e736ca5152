/* SPDX-License-Identifier: MIT */
/*
 * heap.h: the heap's contract. Lab 2 implements it.
 *
 * In the reference small sizes come from slabs, one size class each, and large ones are runs
 * of pages; the tests ask for no design. The heap starts with a reserve of HEAP_RESERVE_PAGES
 * and grows only when heap_rescue() gives it more.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (the last two in heap_rescue(), which
 * may log). Allocates: frames. Callable from: anywhere but an NMI handler (without
 * heap_lock); heap_init() from boot; heap_add_locked() from the heap. No function
 * returns with heap_lock held, but those that end in _locked are called with it. Each holds
 * it for as long as it looks at what is shared, and leaves interrupts as they were.
 *
 * A panic may keep the lock, as the reference's does: the report takes none (panic.h), and
 * nobody else gets to use a heap that contradicts itself. The frame allocator does the same.
 *
 * Each sentence has a test by name (the heads of lab 2's heap_*_test.c list them).
 */
#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "spinlock.h"

#define HEAP_ALIGN_BYTES    16
#define HEAP_MAX_BYTES      (1ul << 30) /* of one object; what asks for more is a mistake */
#define HEAP_RESERVE_ORDER  6           /* the first reserve: one block of frames */
#define HEAP_RESERVE_PAGES  (1ul << HEAP_RESERVE_ORDER)

/*
 * 1: freed objects are filled with junk, and a write to one is a panic, "kmalloc: …: written to
 * after it was freed", when its memory is handed out again. 0: they are not, which is faster.
 * It costs a few instructions a word. A heap of another design need not do anything of this.
 */
#ifndef HEAP_JUNK
#define HEAP_JUNK 1
#endif

/*
 * The most that a kmalloc() and its kfree() may cost on average, for objects of less than 512
 * bytes: with however many other objects, and however many holes between them.
 */
#define HEAP_PAIR_INSTRUCTIONS  2000

/* The most that 600 objects of 24 to 440 bytes may take of pages, in percent of what was asked for. */
#define HEAP_FOOTPRINT_PERCENT  150

extern struct spinlock heap_lock;

/* Takes the reserve from frame_alloc(HEAP_RESERVE_ORDER) and starts the heap on it. */
void heap_init(void);

/*
 * Mechanism of growth: makes nr_pages pages of the direct map at `base` the
 * heap's. Called with heap_lock held. The heap never gives them back.
 */
void heap_add_locked(void *base, size_t nr_pages);

/*
 * Allocates `bytes` of memory, 16-byte aligned, contents undefined; distinct
 * from every other live object also if bytes is 0.
 *
 * When the heap has no room for it, it calls heap_rescue() once, with heap_lock held,
 * for a run of pages in which the object has room, and tries once more, whatever that
 * returns: while the lock was free, somebody else may have freed a small object of the
 * same size, or used up what the rescue has brought. Whether a heap also looks for pages
 * after `false`, and whether it uses an empty slab or a longer slot that it still holds,
 * is its design's choice; no test asks.
 *
 * Return: NULL when that did not help; NULL without a call of heap_rescue() if `bytes` is more
 * than HEAP_MAX_BYTES.
 */
void *kmalloc(size_t bytes) __attribute__((noinline));  /* backtraces shall show it */

/* kmalloc(count * bytes), zeroed. Return: NULL also if the product overflows. */
void *kzalloc(size_t count, size_t bytes);

/*
 * Changes an object's size; it may move, and keeps its contents, as far as it still has
 * room for them. krealloc(NULL, n) is kmalloc(n). An object that gets smaller keeps less than a
 * page that it needs no more, also if it is large and stays so.
 * Return: NULL when exhausted, and then the old object is as it was. The heap of lab 2's
 * solution is never exhausted for an object that gets smaller; another may be.
 */
void *krealloc(void *object, size_t bytes);

/*
 * Gives an object back. kfree(NULL) does nothing. Its memory serves objects of any size: a
 * slab whose last object goes gives its pages back, except that a size class may keep one
 * empty slab.
 *
 * A caller's mistake is a panic whose message starts with "kfree: " (or
 * "krealloc: "), names the pointer, and says one of: "already free", "not the
 * start of an object", "not from the heap", "overrun" (the byte behind the object
 * was written to; a heap need not notice that if the object's size is a multiple
 * of HEAP_ALIGN_BYTES but not 0, as the byte may be another object's). A call that is refused
 * changes nothing: no object, and no number of heap_stats() but nr_calls.
 */
void kfree(void *object);

struct heap_stats {
	/*
	 * Calls of kmalloc, kzalloc, krealloc and kfree, ever, those that fail included. A call that
	 * one of them makes of another may count, too; a kzalloc whose product overflows need not.
	 */
	size_t nr_calls;
	size_t nr_live;         /* objects allocated and not freed */
	size_t live_bytes;      /* bytes their callers asked for */
	size_t nr_pages;        /* owned */
	size_t nr_free_pages;   /* of these, those in no slab and no object; see below */
	size_t nr_rescues;      /* calls of heap_rescue */
};

/*
 * A page in which the heap has words of its own, and no object and no slab, counts as free or not,
 * always the same way. Of the pages that heap_add_locked() brings, at most two do not count as free.
 */
void heap_stats(struct heap_stats *stats);

/*
 * Panics if the heap's own data contradict each other. How much it looks at, and what that costs,
 * is its design's choice: tests only see that it finds nothing where nothing is wrong. The
 * reference walks every slab and run, also where following it would have been a fault, and its
 * cost grows with what the heap has, not with the machine. For tests and the monitor.
 */
void heap_check(void);

#endif
