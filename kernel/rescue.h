/* SPDX-License-Identifier: MIT */
/*
 * rescue.h: the policy of the heap's growth. Lab 3 provides it.
 *
 * The heap calls this when it has no run of pages long enough for `bytes`.
 * heap_lock is held on entry and on return; the rescue may drop it in between
 * and take it again, and the heap must bear that: whatever it knew about its
 * lists before the call may have changed.
 *
 * Return: true if it gave the heap (heap_add_locked) at least one run of `bytes`.
 *
 * Locks: takes frame_lock and log_lock; the caller holds heap_lock. Allocates: frames.
 * Callable from: the heap.
 */
#ifndef RESCUE_H
#define RESCUE_H

#include <stdbool.h>
#include <stddef.h>

bool heap_rescue(size_t bytes);

#endif
