/* SPDX-License-Identifier: MIT */
/*
 * heap_damage_test.c: what lab 2's heap says of memory that somebody has written to who should
 * not: headers of slabs, free runs, freed objects.
 */
#include "clock.h"
#include "heap.h"
#include "ktest.h"
#include "pages.h"
#include "slab.h"

/* Values that lead nowhere, somewhere else, or nearly where the right one did. */
static const uint64_t bad_values[] = {
	0, 1, 7, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0xffffffff, 0x4141414141414141,
	0xffff7fffffffffff, 0xffff800000000000, 0xffff8000000000f8, 0xfffffffffffffff8, UINT64_MAX,
};

/* A check looks at what the heap has: on a machine of 6 GiB it costs no more than on one of 64 MiB. */
KTEST(heap_cost, of_a_check)
{
	uint64_t begin = clock_instructions(), cost;

	if (begin == 0)
		SKIP("this machine does not count instructions");
	heap_check();
	cost = clock_instructions() - begin;
	ktest_note("%lu instructions", cost);
	CHECK(cost < 10000, "%lu instructions for a heap with nothing in it", cost);
}

static struct slab *slab_at(const void *object)
{
	return (struct slab *)ROUND_DOWN((uintptr_t)object, PAGE_BYTES);
}

/* heap_check() must name the flaw that a wrong value of `field` is, whatever the value. */
static void check_damage(void *field, size_t bytes, const char *where)
{
	uint64_t right = 0;

	heap_check();
	memcpy(&right, field, bytes);
	for (size_t i = 0; i < ARRAY_LENGTH(bad_values) + 2 * 64; i++) {
		uint64_t bad = i < 128 ? right ^ 1ul << i % 64 : bad_values[i - 128];

		if (memcmp(&bad, &right, bytes) == 0 || (i < 128 && i % 64 >= bytes * 8))
			continue;
		memcpy(field, &bad, bytes);
		EXPECT_PANIC(where, heap_check());
		memcpy(field, &right, bytes);
		ktest_progress();
	}
	heap_check();
}

#define CHECK_DAMAGE(thing, field) check_damage(&(thing)->field, sizeof((thing)->field), "_check: ")

static void check_header(struct slab *slab)
{
	CHECK_DAMAGE(slab, class);
	CHECK_DAMAGE(slab, first_slot);
	CHECK_DAMAGE(slab, slot_bytes);
	CHECK_DAMAGE(slab, reciprocal);
	CHECK_DAMAGE(slab, nr_slots);
	CHECK_DAMAGE(slab, nr_free);
	CHECK_DAMAGE(slab, nr_used);
	CHECK_DAMAGE(slab, nr_pages);
}

KTEST(heap_damage, a_slabs_header_is_named)
{
	void *small = kmalloc(20), *second = kmalloc(20), *large = kmalloc(20000);

	CHECK(small && second && large, "three objects");
	kfree(small);
	check_header(slab_at(second));
	CHECK_DAMAGE(slab_at(second), next);
	CHECK_DAMAGE(slab_at(second), prev);
	CHECK_DAMAGE(slab_at(second), free);
	check_header(slab_at(large));
	kfree(second);
	kfree(large);
}

/* A wrong link or length is noticed when the slab would be given back, and nothing has happened yet. */
static void check_delete(struct slab *slab, void *field, size_t bytes)
{
	uint64_t right = 0, bad;

	memcpy(&right, field, bytes);
	for (size_t i = 0; i < ARRAY_LENGTH(bad_values) + 64; i++) {
		bad = i < 64 ? right ^ 1ul << i : bad_values[i - 64];
		if (memcmp(&bad, &right, bytes) == 0)
			continue;
		memcpy(field, &bad, bytes);
		EXPECT_PANIC("slab_delete: ", slab_delete(slab));
		memcpy(field, &right, bytes);
		ktest_progress();
	}
	heap_check();
}

KTEST(heap_damage, a_slabs_header_is_named_before_it_is_given_back)
{
	void *object = kmalloc(5000);
	struct slab *slab = slab_at(object);

	CHECK(object, "an object with a slab to itself");
	check_delete(slab, &slab->next, sizeof(slab->next));
	check_delete(slab, &slab->prev, sizeof(slab->prev));
	check_delete(slab, &slab->nr_pages, sizeof(slab->nr_pages));
	check_delete(slab, &slab->slot_bytes, sizeof(slab->slot_bytes));
	kfree(object);
}

KTEST(heap_damage, a_free_run_is_named)
{
	struct { void *next, *prev; size_t nr_pages; void *first; } *run, *last;
	void *object = kmalloc(3 * PAGE_BYTES - 64), *neighbour = kmalloc(5500);

	CHECK(object && neighbour, "two runs side by side");
	kfree(object);
	run = (void *)ROUND_DOWN((uintptr_t)object, PAGE_BYTES);
	last = (void *)((char *)run + 2 * PAGE_BYTES);
	CHECK_DAMAGE(run, next);
	CHECK_DAMAGE(run, prev);
	CHECK_DAMAGE(run, nr_pages);
	CHECK_DAMAGE(last, first);
	kfree(neighbour);
}

/* Who takes the run, or gives back the page behind it, must name it, whatever the value. */
static void check_run_damage(uint64_t *field, size_t nr_pages, void *page_behind)
{
	uint64_t right = *field, bad;

	for (size_t i = 0; i < ARRAY_LENGTH(bad_values) + 64; i++) {
		bad = i < 64 ? right ^ 1ul << i : bad_values[i - 64];
		if (bad == right)
			continue;
		*field = bad;
		EXPECT_PANIC("pages: ", pages_alloc(nr_pages));
		EXPECT_PANIC("pages: ", pages_free(page_behind, 1));
		*field = right;
		ktest_progress();
	}
	pages_check();
}

KTEST(heap_damage, a_free_run_is_named_before_it_is_used)
{
	struct { uint64_t next, prev, nr_pages, first; } *run, *last;
	size_t nr_pages = 3;
	void *page_behind;

	spin_lock(&heap_lock);
	run = pages_alloc(nr_pages + 2);
	last = (void *)((char *)run + (nr_pages - 1) * PAGE_BYTES);
	page_behind = (char *)last + PAGE_BYTES;
	pages_free(run, nr_pages);
	spin_unlock(&heap_lock);
	check_run_damage(&run->next, nr_pages, page_behind);
	check_run_damage(&run->prev, nr_pages, page_behind);
	check_run_damage(&run->nr_pages, nr_pages, page_behind);
	check_run_damage(&last->first, nr_pages, page_behind);
	spin_lock(&heap_lock);
	pages_free(page_behind, 2);
	spin_unlock(&heap_lock);
}

KTEST(heap_damage, a_freed_object_is_junk)
{
	uint64_t *object = kmalloc(64), *neighbour = kmalloc(64);

	CHECK(object && neighbour, "two objects");
	kfree(object);
	CHECK(object[0] == 0xdbdbdbdbdbdbdbdb && object[7] == object[0], "%#lx", object[0]);
	kfree(neighbour);
}

/* Wherever in a freed object a byte is written, the next who would get its slot learns of it. */
static void check_write_after_free(size_t bytes)
{
	uint8_t *object = kmalloc(bytes), *neighbour = kmalloc(bytes);
	struct heap_stats before, after;

	CHECK(object && neighbour, "two objects of %zu bytes", bytes);
	kfree(object);
	heap_stats(&before);
	for (size_t i = 0; i <= bytes; i += bytes < 300 ? 1 : 97) {
		uint8_t *freed = object + (i < bytes ? i : bytes - (bytes > 0));

		*freed ^= 1;
		EXPECT_PANIC("written to after it was freed", kmalloc(bytes));
		EXPECT_PANIC("written to after it was freed", heap_check());
		*freed ^= 1;
		ktest_progress();
	}
	heap_stats(&after);
	CHECK(after.nr_live == before.nr_live, "%zu objects more", after.nr_live - before.nr_live);
	CHECK(kmalloc(bytes) == object, "the slot is not the next one");
	kfree(object);
	kfree(neighbour);
	heap_check();
}

KTEST(heap_damage, a_write_to_a_freed_object_is_noticed)
{
	static const size_t sizes[] = { 0, 1, 8, 16, 40, 64, 200, 1000, 4096, 5440 };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
		check_write_after_free(sizes[i]);
}

/* A panic keeps heap_lock: the report names it, and nobody else goes on. */
KTEST(heap_damage, a_panic_keeps_the_lock)
{
	bool was_held = false;
	struct ktest_catch catch;

	ktest_catch_begin(&catch, "not from the heap");
	if (__builtin_setjmp(catch.context) == 0)
		kfree(&catch);
	was_held = spin_is_held(&heap_lock);
	ktest_catch_end(PLACE(), "kfree of what is on the stack");
	CHECK(was_held, "heap_lock is free");
}
