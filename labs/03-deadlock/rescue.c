/* SPDX-License-Identifier: MIT */
/*
 * rescue.c: gives the heap more pages when it has run out.
 *
 * A rescue takes one block of frames, RESCUE_MIN_ORDER at least so that rescues
 * stay rare, or what the request needs if memory is too short for that. It says
 * in the log what it does, because a heap that grows is worth knowing about.
 * Limit: one rescue brings at most the largest block, FRAME_MAX_ORDER.
 *
 * Locks: takes frame_lock and log_lock; the caller holds heap_lock (and it stays held,
 * so that nobody else takes the pages before the caller does). Allocates: frames.
 * Callable from: the heap.
 */
#include "rescue.h"

#include "frame.h"
#include "heap.h"
#include "log.h"
#include "memory.h"

#define RESCUE_MIN_ORDER 4

/* Rescues so far; the log numbers them. */
static unsigned nr_rescues;

/* The smallest order whose blocks would hold `bytes`, which may be more than FRAME_MAX_ORDER. */
static unsigned order_for(size_t bytes)
{
	return bytes <= PAGE_BYTES ? 0 : 64 - PAGE_SHIFT - (unsigned)__builtin_clzl(bytes - 1);
}

bool heap_rescue(size_t bytes)
{
	unsigned needed = order_for(bytes);
	unsigned order = needed > RESCUE_MIN_ORDER ? needed : RESCUE_MIN_ORDER;
	paddr_t frames;

	nr_rescues++;
	log_debug("heap: rescue %u: no room for %zu bytes, taking %lu KiB", nr_rescues, bytes,
		  (PAGE_BYTES << order) / KIB(1));
	frames = frame_alloc(order);
	if (frames == PADDR_NONE && order > needed) {
		order = needed;
		frames = frame_alloc(order);
	}
	if (frames == PADDR_NONE) {
		log_error("heap: rescue %u: out of memory, no %zu bytes in a row%s", nr_rescues, bytes,
			  needed > FRAME_MAX_ORDER ? ": no block of frames is that large" : "");
		return false;
	}
	heap_add_locked(phys_to_virt(frames), 1ul << order);
	return true;
}
