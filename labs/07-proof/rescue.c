/* SPDX-License-Identifier: MIT */
/*
 * rescue.c: lab 3's rescue, which takes what there is, and says more when there is nothing.
 *
 * It takes the largest block of frames that there is, from RESCUE_MIN_ORDER down to the order that
 * the request needs. If there is none, it says so in the log, and in a note, which a debugger finds
 * when the log has moved on: "failed for want of B bytes". It runs when memory has run out, with
 * heap_lock held, so it must have all that it needs from the start.
 * Limits: one rescue brings at most the largest block, FRAME_MAX_ORDER. The note is the last one's.
 *
 * Locks: takes frame_lock; the caller holds heap_lock (and it stays held, so that nobody
 * else takes the pages before the caller does). Allocates: frames.
 * Callable from: the heap.
 */
#include "rescue.h"

#include "format.h"
#include "frame.h"
#include "heap.h"
#include "log.h"
#include "memory.h"

#define RESCUE_MIN_ORDER 4
#define NOTE_BYTES       128            /* more than the longest has, with its NUL */

/* Rescues so far; the log numbers them. */
static unsigned nr_rescues;

/* What the last rescue that failed had to say. */
static char note[NOTE_BYTES];

/* The smallest order whose blocks would hold `bytes`, which may be more than FRAME_MAX_ORDER. */
static unsigned order_for(size_t bytes)
{
	return bytes <= PAGE_BYTES ? 0 : 64 - PAGE_SHIFT - (unsigned)__builtin_clzl(bytes - 1);
}

/* Exercise 7.2: takes the largest block there is, from `order` down to `least`, which it then is. */
static paddr_t take(unsigned *order, unsigned least)
{
	paddr_t frames = frame_alloc(*order);

	while (frames == PADDR_NONE && *order > least)
		frames = frame_alloc(--*order);
	return frames;
}

/* Exercise 7.2: says in the log and in the note that a rescue has failed, and why. */
static void report(size_t bytes, const char *why)
{
	format_string(note, sizeof(note), "failed for want of %zu bytes%s", bytes, why);
	log_error("heap: out of memory, rescue %u %s", nr_rescues, note);
}

bool heap_rescue(size_t bytes)
{
	unsigned needed = order_for(bytes);
	unsigned order = needed > RESCUE_MIN_ORDER ? needed : RESCUE_MIN_ORDER;
	paddr_t frames;

	nr_rescues++;
	log_debug("heap: rescue %u: no room for %zu bytes, taking %lu KiB", nr_rescues, bytes,
		  (PAGE_BYTES << order) / KIB(1));
	frames = take(&order, needed);
	if (frames == PADDR_NONE) {
		report(bytes, needed > FRAME_MAX_ORDER ? ": no block of frames is that large" : "");
		return false;
	}
	heap_add_locked(phys_to_virt(frames), 1ul << order);
	return true;
}
