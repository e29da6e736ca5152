/* SPDX-License-Identifier: MIT */
/*
 * heap_short_test.c: what lab 2's heap finds when memory is short, before it says NULL.
 *
 * heap.h leaves this to a heap's design, so no lab asks for it. Each test takes all that the
 * heap has, gives back a little, and wants something for which just that will do.
 */
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "memory.h"
#include "pages.h"
#include "string.h"

#define MANY 4096

static void *held[MANY];
static size_t nr_held;

/* An object that takes a run of so many pages. */
static size_t run_bytes(size_t nr_pages)
{
	return nr_pages * PAGE_BYTES - 64;
}

static void *hold(size_t bytes)
{
	void *object = nr_held < MANY ? kmalloc(bytes) : NULL;

	if (object)
		held[nr_held++] = object;
	return object;
}

static void hold_all(size_t bytes)
{
	while (hold(bytes))
		ktest_progress();
}

static void drop_all(void)
{
	ktest_rescue = NULL;
	while (nr_held > 0)
		kfree(held[--nr_held]);
	heap_check();
}

/* Objects that take a run each, with one between any two, and then all there is. */
static void hold_runs(void **runs, const size_t *lengths, size_t nr_runs)
{
	drop_all();
	for (size_t i = 0; i < nr_runs; i++) {
		runs[i] = kmalloc(run_bytes(lengths[i]));
		CHECK(runs[i] && hold(run_bytes(2)), "%zu pages", lengths[i]);
	}
	hold_all(run_bytes(2));
	hold_all(1);
}

/* Of three runs the middle one fits: is it found, wherever the others lie? */
static void check_fitting_run(size_t shorter, size_t fitting, size_t wanted)
{
	const size_t orders[][3] = {
		{ fitting, shorter, shorter }, { shorter, fitting, shorter }, { shorter, shorter, fitting },
	};
	void *runs[3], *object;

	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
		hold_runs(runs, orders[i], 3);
		for (size_t j = 0; j < 3; j++)
			kfree(runs[j]);
		object = kmalloc(run_bytes(wanted));
		CHECK(object, "a run of %zu pages is free, and %zu are not to be had", fitting, wanted);
		kfree(object);
		drop_all();
	}
}

KTEST(heap_short, a_run_that_fits_is_found_behind_shorter_ones)
{
	check_fitting_run(5, 7, 6);
	check_fitting_run(3, 4, 4);
	check_fitting_run(8, 15, 11);
}

/* The same with runs that are so long that a bin has many lengths. */
KTEST(heap_short, a_long_run_that_fits_is_found_behind_shorter_ones)
{
	const size_t shorter = PAGES_EXACT + 1, wanted = PAGES_EXACT + 5;
	void *first, *second, *found, *page;

	drop_all();
	spin_lock(&heap_lock);
	heap_add_locked(phys_to_virt(frame_alloc(7)), 128);
	first = pages_alloc(wanted);
	held[nr_held++] = pages_alloc(1);
	second = pages_alloc(shorter);
	while ((page = pages_alloc(1)) != NULL)
		held[nr_held++] = page;
	pages_free(first, wanted);
	pages_free(second, shorter);            /* now the first one of its bin */
	found = pages_alloc(wanted);
	if (found)
		pages_free(found, wanted);
	while (nr_held > 0)
		pages_free(held[--nr_held], 1);
	pages_check();
	spin_unlock(&heap_lock);
	CHECK(found == first, "a run of %zu pages is free, and not found", wanted);
}

KTEST(heap_short, an_empty_slab_goes_before_null)
{
	static const size_t wanted[] = { 1, 100, 3000, 16000 };
	void *slab[3], *object;         /* three objects of 5000 bytes fill a slab of four pages */

	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		drop_all();
		for (size_t j = 0; j < 3; j++)
			slab[j] = kmalloc(5000);
		hold_all(5000);
		hold_all(run_bytes(2));
		hold_all(1);
		for (size_t j = 0; j < 3; j++)
			kfree(slab[j]);
		object = kmalloc(wanted[i]);
		kfree(object);
		drop_all();
		CHECK(object, "NULL for %zu bytes, and a slab of four pages is empty", wanted[i]);
	}
}

static void *reserve;

/* A rescue that brings nothing, but drops heap_lock, and meanwhile somebody frees the reserve. */
static bool free_reserve(size_t bytes)
{
	spin_unlock(&heap_lock);
	kfree(reserve);
	reserve = NULL;
	spin_lock(&heap_lock);
	return false;
}

static void check_seen_after_rescue(size_t reserve_bytes, size_t wanted_bytes)
{
	struct heap_stats before, after;
	void *object;

	drop_all();
	reserve = kmalloc(reserve_bytes);
	CHECK(reserve, "%zu bytes", reserve_bytes);
	hold_all(run_bytes(2));
	hold_all(wanted_bytes);
	hold_all(1);
	ktest_rescue = free_reserve;
	heap_stats(&before);
	object = kmalloc(wanted_bytes);
	heap_stats(&after);
	drop_all();
	CHECK(object, "%zu bytes came back during the rescue, and %zu are NULL", reserve_bytes,
	      wanted_bytes);
	CHECK(after.nr_rescues == before.nr_rescues + 1, "%zu calls of heap_rescue",
	      after.nr_rescues - before.nr_rescues);
	kfree(object);
}

KTEST(heap_short, what_came_back_during_a_rescue_that_failed_is_seen)
{
	check_seen_after_rescue(run_bytes(10), run_bytes(6));
	check_seen_after_rescue(run_bytes(3), 100);
	check_seen_after_rescue(100, 100);      /* not a run, but a slot of the very class */
}

KTEST(heap_short, a_small_object_makes_do_with_another_slab)
{
	void *run, *object;

	drop_all();
	run = kmalloc(run_bytes(2));
	hold_all(run_bytes(2));
	hold_all(1);
	kfree(run);
	object = kmalloc(4500);                 /* its class takes four pages, and two are free */
	CHECK(object, "two pages are free");
	CHECK(!kmalloc(2000), "the last pages were taken");
	kfree(object);
	object = kmalloc(2000);                 /* of a slab of two slots */
	CHECK(object && hold(1500), "2000 and 1500 bytes");
	CHECK(!kmalloc(3000), "a longer object than any slot left over");
	kfree(object);
	drop_all();
}

static void check_shrinks(size_t bytes, size_t fewer)
{
	uint8_t *object, *smaller;
	size_t nr_wrong = 0;

	drop_all();
	object = kmalloc(bytes);
	CHECK(object, "%zu bytes", bytes);
	memset(object, 0x3c, bytes);
	hold_all(run_bytes(2));
	for (size_t size = 5440; size > 0; size -= 16)
		hold_all(size);
	smaller = krealloc(object, fewer);
	for (size_t i = 0; smaller && i < fewer; i++)
		nr_wrong += smaller[i] != 0x3c;
	if (smaller) {
		smaller[fewer] ^= 0xff;
		EXPECT_PANIC("overrun", kfree(smaller));
		smaller[fewer] ^= 0xff;
	}
	heap_check();
	kfree(smaller);
	drop_all();
	CHECK(smaller, "krealloc from %zu bytes to %zu is NULL", bytes, fewer);
	CHECK(nr_wrong == 0, "%zu bytes have changed", nr_wrong);
}

KTEST(heap_short, an_object_that_gets_smaller_needs_no_memory)
{
	check_shrinks(run_bytes(10), run_bytes(5) + 1);
	check_shrinks(run_bytes(10), 10);
	check_shrinks(run_bytes(2), 0);
	check_shrinks(5000, 900);
	check_shrinks(5000, 1);
	check_shrinks(100, 99);
}

KTEST(heap_short, a_large_object_shrinks_in_place_and_gives_pages_back)
{
	struct heap_stats before, after;
	char *object;

	drop_all();
	object = kmalloc(run_bytes(20));
	heap_stats(&before);
	CHECK(krealloc(object, run_bytes(8)) == object, "it has moved");
	heap_stats(&after);
	CHECK(after.nr_free_pages == before.nr_free_pages + 12, "%zu pages came back",
	      after.nr_free_pages - before.nr_free_pages);
	CHECK(krealloc(object, run_bytes(8) - 5) == object, "it has moved");
	kfree(object);
	heap_check();
}
