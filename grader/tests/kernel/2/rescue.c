/* SPDX-License-Identifier: MIT */
/*
 * rescue.c: a rescue that brings nothing, but drops heap_lock, as rescue.h allows. Meanwhile it
 * does what a test wants done, as another CPU might.
 *
 * Locks: called with heap_lock held; drops it and takes it again. Allocates: nothing.
 * Callable from: the heap.
 */
#include "rescue.h"

#include "heap.h"

void (*rescue_meanwhile)(void);

bool heap_rescue(size_t bytes)
{
	if (rescue_meanwhile) {
		spin_unlock(&heap_lock);
		rescue_meanwhile();
		spin_lock(&heap_lock);
	}
	return false;
}
