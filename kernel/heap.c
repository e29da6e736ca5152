/* SPDX-License-Identifier: MIT */
/*
 * heap.c: the base heap: it is always exhausted. Lab 2 replaces it.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "heap.h"

#include "panic.h"

DEFINE_SPINLOCK(heap_lock);

static size_t nr_calls;         /* of kmalloc, krealloc and kfree: lab 1 must make none */

void heap_init(void)
{
}

void heap_add_locked(void *base, size_t nr_pages)
{
	panic("heap_add_locked: %zu pages at %p, but there is no heap yet", nr_pages, base);
}

void *kmalloc(size_t bytes)
{
	nr_calls++;
	return NULL;
}

void *kzalloc(size_t count, size_t bytes)
{
	return kmalloc(bytes);
}

void *krealloc(void *object, size_t bytes)
{
	return kmalloc(bytes);
}

void kfree(void *object)
{
	nr_calls++;
	if (object != NULL)
		panic("kfree: %p is not from the heap: there is no heap yet", object);
}

void heap_stats(struct heap_stats *stats)
{
	*stats = (struct heap_stats){ .nr_calls = nr_calls };
}

void heap_check(void)
{
}
