/* SPDX-License-Identifier: MIT */
/*
 * heap_misuse_test.c: what heap.h promises to callers that do make a mistake.
 *
 * Every mistake must panic in the words of heap.h, before anything has changed:
 * each test goes on using the heap afterwards, and heap_check() has a look at it. The tests of
 * the first half free nothing, as they are to pass before kfree() works.
 *
 * The sentences of heap.h that are tested here:
 *
 *     "already free"                   double_free, double_free_later
 *     "not the start of an object"     interior, interior_of_run
 *     "not from the heap"              foreign
 *     "overrun"                        overrun, overrun_of_run, overrun_after_krealloc
 *     starts with "kfree: "            all of these
 *     (or "krealloc: ")                krealloc_refuses
 *     names the pointer                all of these
 *     a refused call changes nothing   all of these
 *     kfree(NULL) does nothing         free_null
 */
#include "format.h"
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "panic.h"
#include "string.h"

#define LARGE_BYTES 20000

/* The panic that was just caught must begin with the function and name the pointer. */
static void check_message(const char *function, const void *object)
{
	char digits[24];

	format_string(digits, sizeof(digits), "%lx", (uintptr_t)object);
	CHECK(starts_with(panic_record.message, function), "\"%s\"", panic_record.message);
	CHECK(strstr(panic_record.message, digits), "\"%s\" does not name %s",
	      panic_record.message, digits);
}

/* kfree() must refuse `object`, and leave the heap as it is. */
static void check_not_freed(void *object, const char *reason)
{
	struct heap_stats before, after;

	heap_stats(&before);
	EXPECT_PANIC(reason, kfree(object));
	check_message("kfree: ", object);
	heap_stats(&after);
	CHECK(after.nr_live == before.nr_live && after.live_bytes == before.live_bytes &&
	      after.nr_free_pages == before.nr_free_pages, "%s, and the heap has changed", reason);
	ktest_progress();
}

/* ---- before kfree() works */

KTEST(heap, foreign)
{
	static uint8_t in_image[64] __attribute__((aligned(HEAP_ALIGN_BYTES)));
	uint8_t on_stack[64] __attribute__((aligned(HEAP_ALIGN_BYTES)));
	paddr_t frame = frame_alloc(0);

	CHECK(kmalloc(10), "10 bytes");         /* the heap does know what is its own */
	if (frame == PADDR_NONE)
		SKIP("the heap has all memory already");
	check_not_freed(in_image, "not from the heap");
	check_not_freed(on_stack, "not from the heap");
	check_not_freed(phys_to_virt(frame), "not from the heap");
	check_not_freed((char *)phys_to_virt(frame) + 16, "not from the heap");
	check_not_freed((void *)&check_not_freed, "not from the heap");
	check_not_freed((void *)16, "not from the heap");
	check_not_freed((void *)0x4141414141414140, "not from the heap");
	check_not_freed((void *)UINTPTR_MAX, "not from the heap");
	frame_free(frame, 0);
}

KTEST(heap, interior)
{
	static const size_t sizes[] = { 32, 100, 1000, 3000, 5000, LARGE_BYTES };

	ktest_feed_heap();
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		uint8_t *object = kmalloc(sizes[i]);

		CHECK(object, "%zu bytes", sizes[i]);
		memset(object, 0, sizes[i]);
		check_not_freed(object + 1, "not the start of an object");
		check_not_freed(object + 16, "not the start of an object");
		check_not_freed(object + sizes[i] / 2, "not the start of an object");
		check_not_freed(object + sizes[i] - 1, "not the start of an object");
	}
	heap_check();
}

KTEST(heap, interior_of_run)
{
	uint8_t *object;

	ktest_feed_heap();
	object = kmalloc(LARGE_BYTES);
	CHECK(object, "%u bytes", LARGE_BYTES);
	memset(object, 0, LARGE_BYTES);
	for (size_t offset = 16; offset < LARGE_BYTES; offset += 496)
		check_not_freed(object + offset, "not the start of an object");
	for (uintptr_t page = ROUND_UP((uintptr_t)object + 1, PAGE_BYTES);
	     page < (uintptr_t)object + LARGE_BYTES; page += PAGE_BYTES)
		check_not_freed((void *)page, "not the start of an object");
	heap_check();
}

/* May the byte behind an object of this size be another object's? */
static bool may_fill_its_slot(size_t bytes)
{
	return bytes > 0 && bytes % HEAP_ALIGN_BYTES == 0;
}

/* Writes one byte too many, and takes it back after the heap has noticed. */
static void check_overrun(size_t bytes)
{
	uint8_t *object;

	if (may_fill_its_slot(bytes))
		return;
	object = kmalloc(bytes);
	CHECK(object, "%zu bytes", bytes);
	memset(object, 0, bytes);
	object[bytes] ^= 0xff;
	EXPECT_PANIC("overrun", kfree(object));
	check_message("kfree: ", object);
	object[bytes] ^= 0xff;
	ktest_progress();
}

KTEST(heap, overrun)
{
	ktest_feed_heap();
	for (size_t bytes = 0; bytes < 300; bytes++)
		check_overrun(bytes);
	for (size_t bytes = 300; bytes < 5000; bytes += 101)
		check_overrun(bytes);
	heap_check();
}

KTEST(heap, overrun_of_run)
{
	ktest_feed_heap();
	for (size_t bytes = 2 * PAGE_BYTES - 64; bytes < 2 * PAGE_BYTES + 16; bytes++)
		check_overrun(bytes);
	check_overrun(LARGE_BYTES + 1);
	heap_check();
}

/* ---- and after */

KTEST(heap, free_null)
{
	void *object = kmalloc(0);

	CHECK(object, "0 bytes");
	kfree(NULL);
	kfree(object);
	kfree(NULL);
	heap_check();
}

KTEST(heap, double_free)
{
	static const size_t sizes[] = { 0, 1, 16, 100, 1000, 4096, LARGE_BYTES };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		void *object = kmalloc(sizes[i]), *neighbour = kmalloc(sizes[i]);

		CHECK(object && neighbour, "%zu bytes", sizes[i]);
		kfree(object);
		check_not_freed(object, "already free");
		kfree(neighbour);
		check_not_freed(neighbour, "already free");
		check_not_freed(object, "already free");
	}
	heap_check();
}

/* A double free that went through would hand out the object twice. */
KTEST(heap, double_free_later)
{
	void *first = kmalloc(40), *second = kmalloc(40), *third = kmalloc(40);

	CHECK(first && second && third, "three objects");
	kfree(second);
	kfree(first);
	check_not_freed(second, "already free");
	check_not_freed(first, "already free");
	first = kmalloc(40);
	second = kmalloc(40);
	CHECK(first != second && second != third, "%p, %p and %p", first, second, third);
	kfree(first);
	kfree(second);
	kfree(third);
	heap_check();
}

/* An object that krealloc() left in place ends elsewhere now. */
KTEST(heap, overrun_after_krealloc)
{
	for (size_t bytes = 1; bytes < 200; bytes += 3) {
		uint8_t *object;

		if (may_fill_its_slot(bytes))
			continue;
		object = krealloc(kmalloc(100), bytes);
		CHECK(object, "%zu bytes", bytes);
		object[bytes] ^= 0xff;
		EXPECT_PANIC("overrun", kfree(object));
		EXPECT_PANIC("overrun", krealloc(object, 300));
		object[bytes] ^= 0xff;
		kfree(object);
		ktest_progress();
	}
}

/* krealloc() must refuse `object` as kfree() does. */
static void check_not_resized(void *object, const char *reason)
{
	struct heap_stats before, after;

	heap_stats(&before);
	EXPECT_PANIC(reason, krealloc(object, 50));
	check_message("krealloc: ", object);
	heap_stats(&after);
	CHECK(after.nr_live == before.nr_live && after.live_bytes == before.live_bytes &&
	      after.nr_free_pages == before.nr_free_pages, "%s, and the heap has changed", reason);
}

KTEST(heap, krealloc_refuses)
{
	static const size_t sizes[] = { 1, 100, 1000, LARGE_BYTES + 1 };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		uint8_t *object = kmalloc(sizes[i]), *neighbour = kmalloc(sizes[i]);

		CHECK(object && neighbour, "%zu bytes", sizes[i]);
		check_not_resized(object + 1, "not the start of an object");
		object[sizes[i]] ^= 0xff;
		EXPECT_PANIC("overrun", krealloc(object, 50));
		check_message("krealloc: ", object);
		object[sizes[i]] ^= 0xff;
		kfree(object);
		check_not_resized(object, "already free");
		kfree(neighbour);
	}
	check_not_resized((void *)sizes, "not from the heap");
	heap_check();
}
