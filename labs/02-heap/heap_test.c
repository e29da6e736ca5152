/* SPDX-License-Identifier: MIT */
/*
 * heap_test.c: what heap.h promises to callers that make no mistake.
 *
 * The tests know nothing of how the heap works, and need no more than its first
 * reserve. Other objects may live in it, so each compares with how it began.
 */
#include "frame.h"
#include "heap.h"
#include "image.h"
#include "ktest.h"
#include "string.h"

#define MANY        100         /* objects that a test has at once */
#define LARGE_BYTES 20000       /* more than any size class is likely to have */

static uint8_t *objects[MANY];

/* Sizes that differ a lot, the same in every call: 0 … 600 bytes. */
static size_t size_of(size_t i)
{
	return i * i * 7 % 601;
}

static bool is_filled(const uint8_t *object, size_t bytes, uint8_t stamp)
{
	for (size_t i = 0; i < bytes; i++)
		if (object[i] != stamp)
			return false;
	return true;
}

static struct heap_stats stats_now(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats;
}

static size_t pages_in_use(void)
{
	struct heap_stats stats = stats_now();

	return stats.nr_pages - stats.nr_free_pages;
}

static void free_many(void)
{
	for (size_t i = 0; i < MANY; i++)
		kfree(objects[i]);
	ktest_progress();
}

/* Allocates MANY objects and fills each with its number. */
static void take_many(void)
{
	size_t nr_taken = 0;

	for (size_t i = 0; i < MANY; i++) {
		objects[i] = kmalloc(size_of(i));
		if (!objects[i])
			continue;
		memset(objects[i], (uint8_t)i, size_of(i));
		nr_taken++;
	}
	if (nr_taken < MANY)
		free_many();            /* for the tests that follow */
	CHECK(nr_taken == MANY, "%zu objects of %u", nr_taken, MANY);
	ktest_progress();
}

static void check_no_lock(const char *after)
{
	struct spinlock *lock = spinlock_next_held(NULL);

	CHECK(!lock, "%s is held after %s", lock->name, after);
}

KTEST(heap, reserve)
{
	CHECK(stats_now().nr_pages >= HEAP_RESERVE_PAGES, "the heap owns %zu pages",
	      stats_now().nr_pages);
	heap_check();
}

KTEST(heap, alignment)
{
	for (size_t bytes = 0; bytes < LARGE_BYTES; bytes += bytes < 1024 ? 1 : 61) {
		for (size_t i = 0; i < 3; i++) {
			objects[i] = kmalloc(bytes);
			CHECK(objects[i], "%zu bytes", bytes);
			CHECK((uintptr_t)objects[i] % HEAP_ALIGN_BYTES == 0, "%zu bytes at %p",
			      bytes, objects[i]);
		}
		for (size_t i = 0; i < 3; i++)
			kfree(objects[i]);
		ktest_progress();
	}
}

KTEST(heap, distinct)
{
	for (size_t i = 0; i < MANY; i++) {
		objects[i] = kmalloc(0);
		CHECK(objects[i], "object %zu of 0 bytes", i);
		for (size_t j = 0; j < i; j++)
			CHECK(objects[i] != objects[j], "%p is object %zu and %zu", objects[i],
			      i, j);
	}
	free_many();
}

KTEST(heap, contents)
{
	take_many();
	for (size_t i = 0; i < MANY; i += 2)
		kfree(objects[i]);
	for (size_t i = 0; i < MANY; i += 2) {
		objects[i] = kmalloc(size_of(i));
		CHECK(objects[i], "object %zu again", i);
		memset(objects[i], (uint8_t)i, size_of(i));
	}
	for (size_t i = 0; i < MANY; i++) {
		CHECK(is_filled(objects[i], size_of(i), (uint8_t)i), "object %zu, %zu bytes at %p",
		      i, size_of(i), objects[i]);
		ktest_progress();
	}
	heap_check();
	free_many();
}

KTEST(heap, large)
{
	uint8_t *first = kmalloc(LARGE_BYTES), *second = kmalloc(2 * LARGE_BYTES);

	CHECK(first && second, "%p and %p", first, second);
	memset(first, 1, LARGE_BYTES);
	memset(second, 2, 2 * LARGE_BYTES);
	CHECK(is_filled(first, LARGE_BYTES, 1), "the first one is overwritten");
	ktest_progress();
	CHECK(is_filled(second, 2 * LARGE_BYTES, 2), "the second one is overwritten");
	kfree(first);
	kfree(second);
}

KTEST(heap, absurd)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 4095,
					SIZE_MAX / 2 + 1, SIZE_MAX / 2 };
	uint8_t *object = kmalloc(100);

	CHECK(object, "100 bytes");
	memset(object, 1, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		CHECK(!kmalloc(sizes[i]), "%#zx bytes", sizes[i]);
		check_no_lock("kmalloc");
		CHECK(!krealloc(object, sizes[i]), "%#zx bytes", sizes[i]);
		check_no_lock("krealloc");
	}
	CHECK(is_filled(object, 100, 1), "krealloc failed, and the object has changed");
	kfree(object);
}

KTEST(heap, kzalloc)
{
	take_many();
	free_many();
	for (size_t i = 0; i < MANY; i++) {
		objects[i] = kzalloc(1, size_of(i));
		CHECK(objects[i], "object %zu", i);
		CHECK(is_filled(objects[i], size_of(i), 0), "object %zu, %zu bytes", i, size_of(i));
		ktest_progress();
	}
	free_many();
	CHECK(!kzalloc(SIZE_MAX / 8 + 2, 8), "the product overflows to 8");
	CHECK(!kzalloc(1ul << 33, 1ul << 33), "the product overflows to 4");
	check_no_lock("kzalloc");
}

/* Takes one frame of all there are. Return: false if somebody has it. */
static bool take_frame(paddr_t wanted)
{
	paddr_t frame, last = PADDR_NONE;       /* each frame on the way names the one before */

	while ((frame = frame_alloc(0)) != PADDR_NONE && frame != wanted) {
		*(paddr_t *)phys_to_virt(frame) = last;
		last = frame;
		ktest_progress();
	}
	while (last != PADDR_NONE) {
		paddr_t previous = *(paddr_t *)phys_to_virt(last);

		frame_free(last, 0);
		last = previous;
		ktest_progress();
	}
	return frame == wanted;
}

/*
 * Gives the heap the page below the image, where the direct map has a gap, and lets
 * objects grow out of it: whoever then reads more than there was reads into the gap.
 */
static void check_grows_below_a_gap(void)
{
	uint8_t *page = phys_to_virt(image_to_phys(image_start) - PAGE_BYTES);

	if (take_frame(virt_to_phys(page))) {
		spin_lock(&heap_lock);
		heap_add_locked(page, 1);
		spin_unlock(&heap_lock);
	}
	for (size_t i = 0; i < MANY; i++)
		objects[i] = kmalloc(900);
	for (size_t i = 0; i < MANY; i++) {
		if (objects[i] < page || objects[i] >= page + PAGE_BYTES)
			continue;
		objects[i] = krealloc(objects[i], 2 * PAGE_BYTES);
		CHECK(objects[i], "object %zu of %lu bytes", i, 2 * PAGE_BYTES);
	}
	free_many();
}

KTEST(heap, krealloc_grows)
{
	size_t bytes = 1;
	uint8_t *object = krealloc(NULL, bytes);

	CHECK(object, "krealloc(NULL, 1)");
	memset(object, 0x77, bytes);
	while (bytes < LARGE_BYTES) {
		size_t more = bytes + bytes / 4 + 1;

		object = krealloc(object, more);
		CHECK(object, "%zu bytes", more);
		CHECK((uintptr_t)object % HEAP_ALIGN_BYTES == 0, "%zu bytes at %p", more, object);
		CHECK(is_filled(object, bytes, 0x77), "%zu bytes, grown to %zu", bytes, more);
		memset(object, 0x77, more);
		bytes = more;
		ktest_progress();
	}
	kfree(object);
	check_grows_below_a_gap();
}

/* Objects that were large and are small now keep a page each at most, and not their runs. */
static void check_runs_return_when_shrunk(void)
{
	enum { NR_LARGE = 6, SLACK_PAGES = 8 };
	size_t before = pages_in_use(), after;

	for (size_t i = 0; i < NR_LARGE; i++) {
		objects[i] = kmalloc(LARGE_BYTES);
		CHECK(objects[i], "object %zu of %u bytes", i, LARGE_BYTES);
	}
	for (size_t i = 0; i < NR_LARGE; i++) {
		objects[i] = krealloc(objects[i], 10);
		CHECK(objects[i], "object %zu, shrunk to 10 bytes", i);
	}
	after = pages_in_use();
	for (size_t i = 0; i < NR_LARGE; i++)
		kfree(objects[i]);
	CHECK(after <= before + NR_LARGE + SLACK_PAGES,
	      "%zu pages in use before, %zu with %u objects that have shrunk to 10 bytes",
	      before, after, NR_LARGE);
}

KTEST(heap, krealloc_shrinks)
{
	size_t bytes = LARGE_BYTES;
	uint8_t *object = kmalloc(bytes);

	CHECK(object, "%zu bytes", bytes);
	memset(object, 0x66, bytes);
	while (bytes > 0) {
		bytes -= bytes / 3 + 1;
		object = krealloc(object, bytes);
		CHECK(object, "%zu bytes", bytes);
		CHECK(is_filled(object, bytes, 0x66), "shrunk to %zu bytes", bytes);
		ktest_progress();
	}
	kfree(object);
	check_runs_return_when_shrunk();
}

KTEST(heap, counts)
{
	struct heap_stats before = stats_now(), during, after;
	size_t bytes = 0;

	take_many();
	for (size_t i = 0; i < MANY; i++)
		bytes += size_of(i);
	during = stats_now();
	CHECK(during.nr_live == before.nr_live + MANY, "%zu live",
	      during.nr_live - before.nr_live);
	CHECK(during.live_bytes == before.live_bytes + bytes, "%zu bytes instead of %zu",
	      during.live_bytes - before.live_bytes, bytes);
	objects[0] = krealloc(objects[0], size_of(0) + 1000);
	objects[1] = krealloc(objects[1], size_of(1) + 1);
	CHECK(objects[0] && objects[1], "krealloc");
	CHECK(stats_now().live_bytes == during.live_bytes + 1001,
	      "krealloc made it %zu bytes more", stats_now().live_bytes - during.live_bytes);
	free_many();
	after = stats_now();
	CHECK(after.nr_live == before.nr_live && after.live_bytes == before.live_bytes,
	      "%zu objects and %zu bytes before, %zu and %zu after", before.nr_live,
	      before.live_bytes, after.nr_live, after.live_bytes);
	CHECK(after.nr_calls > before.nr_calls + 2 * MANY, "%zu calls counted of %u",
	      after.nr_calls - before.nr_calls, 2 * MANY + 1);
}

KTEST(heap, slabs_return)
{
	size_t before = pages_in_use(), during, after;

	for (size_t round = 0; round < 4; round++) {
		for (size_t i = 0; i < MANY; i++)
			objects[i] = kmalloc(900 + round);
		during = pages_in_use();
		free_many();
		after = pages_in_use();
		CHECK(during >= before + MANY * 900 / PAGE_BYTES - 8,
		      "%zu pages in use before, %zu with %u objects", before, during, MANY);
		CHECK(after <= before + 8, "%zu pages in use before, %zu after", before, after);
	}
	heap_check();
}

KTEST(heap, runs_return)
{
	size_t before, nr_pages = 2 * LARGE_BYTES / PAGE_BYTES;

	kfree(kmalloc(LARGE_BYTES));            /* whatever the heap keeps from the first one */
	before = pages_in_use();
	for (size_t i = 0; i < 50; i++) {
		void *first = kmalloc(LARGE_BYTES), *second = kmalloc(LARGE_BYTES);

		CHECK(first && second, "round %zu: %p and %p", i, first, second);
		CHECK(pages_in_use() >= before + nr_pages, "%zu pages for two",
		      pages_in_use() - before);
		kfree(i % 2 ? first : second);
		kfree(i % 2 ? second : first);
		CHECK(pages_in_use() == before, "%zu pages in use before, %zu after", before,
		      pages_in_use());
		ktest_progress();
	}
}

KTEST(heap, grows)
{
	const unsigned order = 4;
	struct heap_stats before = stats_now();
	paddr_t frames = frame_alloc(order);

	if (frames == PADDR_NONE)
		SKIP("the heap has all memory already");
	spin_lock(&heap_lock);
	heap_add_locked(phys_to_virt(frames), 1ul << order);
	spin_unlock(&heap_lock);
	CHECK(stats_now().nr_pages == before.nr_pages + (1ul << order),
	      "%zu pages before, %zu after", before.nr_pages, stats_now().nr_pages);
	CHECK(stats_now().nr_free_pages == before.nr_free_pages + (1ul << order),
	      "%zu free pages before, %zu after", before.nr_free_pages, stats_now().nr_free_pages);
	heap_check();
}
