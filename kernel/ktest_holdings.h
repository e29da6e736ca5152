/* SPDX-License-Identifier: MIT */
/* ktest_holdings.h: what a kernel holds, for tests that see whether an operation has left something. */
#ifndef KTEST_HOLDINGS_H
#define KTEST_HOLDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "spinlock.h"

struct holdings {
	size_t nr_live, live_bytes;     /* objects of the heap, and their bytes */
	size_t nr_frames;               /* that are free, or the heap's: a rescue moves them */
};

static inline struct holdings holdings_now(void)
{
	struct frame_stats frames;
	struct heap_stats heap;

	frame_stats(&frames);
	heap_stats(&heap);
	return (struct holdings){ heap.nr_live, heap.live_bytes, frames.nr_free + heap.nr_pages };
}

/* Fails the test that has left a lock held, or lost a frame since `before`. */
static inline void check_locks_and_frames(struct holdings before, const char *what)
{
	struct spinlock *lock = spinlock_next_held(NULL);
	struct holdings now = holdings_now();

	CHECK(!lock, "%s has left %s held", what, lock->name);
	CHECK(now.nr_frames == before.nr_frames, "%s: %zu frames are free or the heap's, %zu before", what,
	      now.nr_frames, before.nr_frames);
}

/* The same for objects. */
static inline void check_objects(struct holdings before, const char *what)
{
	struct holdings now = holdings_now();

	CHECK(now.nr_live == before.nr_live && now.live_bytes == before.live_bytes,
	      "%s: %zu objects of %zu bytes, %zu of %zu before", what, now.nr_live, now.live_bytes,
	      before.nr_live, before.live_bytes);
}

#endif
