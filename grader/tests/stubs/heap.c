/* SPDX-License-Identifier: MIT */
/*
 * heap.c: a heap that never allocates. It takes its reserve and asks the rescue as it should, and
 * complains of whatever is given back.
 *
 * Locks: takes heap_lock. Allocates: frames (in heap_init()). Callable from: anywhere but an NMI
 * handler.
 */
#include "heap.h"

#include "frame.h"
#include "pages.h"
#include "panic.h"
#include "rescue.h"

DEFINE_SPINLOCK(heap_lock);

static size_t nr_calls, nr_rescues;

void heap_init(void)
{
	pages_init();
	spin_lock(&heap_lock);
	heap_add_locked(phys_to_virt(frame_alloc(HEAP_RESERVE_ORDER)), HEAP_RESERVE_PAGES);
	spin_unlock(&heap_lock);
}

void heap_add_locked(void *base, size_t nr_pages)
{
	pages_free(base, nr_pages);
}

void *kmalloc(size_t bytes)
{
	spin_lock(&heap_lock);
	nr_calls++;
	if (bytes <= HEAP_MAX_BYTES) {
		nr_rescues++;
		heap_rescue(bytes);
	}
	spin_unlock(&heap_lock);
	return NULL;
}

void *kzalloc(size_t count, size_t bytes)
{
	size_t total_bytes;

	return __builtin_mul_overflow(count, bytes, &total_bytes) ? NULL : kmalloc(total_bytes);
}

void *krealloc(void *object, size_t bytes)
{
	if (object != NULL)
		panic("krealloc: %p: not from the heap", object);
	return kmalloc(bytes);
}

void kfree(void *object)
{
	spin_lock(&heap_lock);
	nr_calls++;
	if (object != NULL)
		panic("kfree: %p: not from the heap", object);
	spin_unlock(&heap_lock);
}

void heap_stats(struct heap_stats *stats)
{
	spin_lock(&heap_lock);
	*stats = (struct heap_stats){
		.nr_calls = nr_calls, .nr_rescues = nr_rescues,
		.nr_pages = pages_nr_total(), .nr_free_pages = pages_nr_free(),
	};
	spin_unlock(&heap_lock);
}

void heap_check(void)
{
	spin_lock(&heap_lock);
	spin_unlock(&heap_lock);
}
