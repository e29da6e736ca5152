/* SPDX-License-Identifier: MIT */
/*
 * rescue.c: the base rescue: it brings nothing, unless a test plays one. Lab 3 replaces it.
 *
 * Locks: the caller holds heap_lock. Allocates: nothing. Callable from: the heap.
 */
#include "rescue.h"

#include "ktest.h"

bool heap_rescue(size_t bytes)
{
	return ktest_rescue != NULL && ktest_rescue(bytes);
}
