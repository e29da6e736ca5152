/* SPDX-License-Identifier: MIT */
/*
 * catch_test.c: tests of your own, that tell a heap which keeps heap.h from one which does not.
 *
 * Exercise 2.6. HEAP= puts a heap in the place of heap.c that you cannot look into. Each of
 * broken-1, broken-2 … breaks one sentence of heap.h; sound-1, sound-2 … break none, and differ in
 * all that heap.h leaves open. A test counts if it passes on every sound heap; a broken one is
 * caught when a test that counts fails on it, or its kernel panics or hangs. The grader has more
 * heaps of both kinds, so test sentences, for all sizes and for all the ways to come there.
 *
 * The names below are not more than a beginning: any KTEST(catch, …) in this file counts.
 * No test may need another one, and each gives back what it takes. A heap that is caught may be
 * damaged: do not walk on.
 *
 * kernel/ktest.h has CHECK, EXPECT_PANIC, ktest_random and ktest_rescue, with which a test plays
 * the rescue; kernel/ktest_heap.h gives the heap more pages. docs/verdicts.md lists what else a
 * file may use. Anything more costs the points of catch.*, and no others.
 */
#include "cpu.h"
#include "format.h"
#include "heap.h"
#include "ktest.h"
#include "memory.h"
#include "panic.h"
#include "string.h"

/* BEGIN SOLUTION 2.6 */
#define MANY 48

static const size_t sizes[] = { 0, 1, 8, 15, 16, 17, 31, 40, 64, 70, 80, 90, 100, 150, 170, 200, 300, 450, 600,
				900, 1000, 1500, 1700, 2500, 3000, 3600, 4096, 5000, 6000, 8100, 8192,
				12000, 20000, 30000, 60001 };
static uint8_t *objects[MANY];

/* So many objects of a size need more than one slab, and no more than the first reserve. */
static size_t count_of(size_t bytes)
{
	return bytes > 20000 ? 2 : bytes > 4000 ? 5 : bytes > 2000 ? 10 : bytes > 1000 ? 20 : MANY;
}

static bool is_filled(const uint8_t *object, size_t bytes, uint8_t value)
{
	for (size_t i = 0; i < bytes; i++)
		if (object[i] != value)
			return false;
	return true;
}

static struct heap_stats stats_now(void)
{
	struct heap_stats now;

	heap_stats(&now);
	return now;
}

static size_t pages_in_use(void)
{
	return stats_now().nr_pages - stats_now().nr_free_pages;
}

/* Takes `nr` objects of a size, and fills each with its number. */
static void take(size_t nr, size_t bytes)
{
	for (size_t i = 0; i < nr; i++) {
		objects[i] = kmalloc(bytes);
		CHECK(objects[i], "object %zu of %zu bytes", i, bytes);
		memset(objects[i], (uint8_t)(i + 1), bytes);
	}
}

/* Looks at `nr` objects of a size, and gives them back. */
static void check_and_free(size_t nr, size_t bytes)
{
	for (size_t i = 0; i < nr; i++) {
		CHECK((uintptr_t)objects[i] % HEAP_ALIGN_BYTES == 0, "object %zu at %p", i, objects[i]);
		CHECK(is_filled(objects[i], bytes, (uint8_t)(i + 1)), "%zu bytes, object %zu", bytes, i);
		for (size_t j = 0; j < i; j++)
			CHECK(objects[i] != objects[j], "%zu and %zu at %p", i, j, objects[i]);
	}
	for (size_t i = 0; i < nr; i++)
		kfree(objects[i]);
	ktest_progress();
}

/* Takes all that there is, in objects of `most` bytes and less. Return: a chain of them. */
static void **exhaust(size_t most)
{
	void **chain = NULL, **object;

	for (size_t bytes = most; bytes >= sizeof(object); bytes /= 2)
		while ((object = kmalloc(bytes)) != NULL) {
			*object = chain;
			chain = object;
			ktest_progress();
		}
	return chain;
}

static void free_chain(void **chain)
{
	for (void **next; chain; chain = next) {
		next = *chain;
		kfree(chain);
		ktest_progress();
	}
}

/* The panic that was just caught must begin with the function, and name the pointer. */
static void check_said(const char *function, const void *object)
{
	const char *message = panic_record.message;
	char pointer[20];

	format_string(pointer, sizeof(pointer), "%p", object);
	CHECK(starts_with(message, function) && strstr(message, pointer), "\"%s\"", message);
}

/* kfree and krealloc must both refuse it, in these words. */
static void expect_refusal(uint8_t *object, const char *words)
{
	EXPECT_PANIC(words, kfree(object));
	check_said("kfree: ", object);
	EXPECT_PANIC(words, krealloc(object, 50));
	check_said("krealloc: ", object);
}
/* END SOLUTION */

/* kmalloc: aligned; distinct, also if bytes is 0; and no object reaches into another. */
KTEST(catch, objects)
{
	/* BEGIN SOLUTION 2.6 */
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		size_t nr = count_of(sizes[i]);

		take(nr, sizes[i]);
		for (size_t j = 0; j < nr; j += 2)
			kfree(objects[j]);
		for (size_t j = 0; j < nr; j += 2) {
			objects[j] = kmalloc(sizes[i]);
			CHECK(objects[j], "object %zu of %zu bytes again", j, sizes[i]);
			memset(objects[j], (uint8_t)(j + 1), sizes[i]);
		}
		check_and_free(nr, sizes[i]);
	}
	objects[0] = krealloc(NULL, 0);
	CHECK(objects[0], "krealloc(NULL, 0)");
	kfree(objects[0]);
	heap_check();
	/* END SOLUTION */
}

/* kzalloc, krealloc: what a caller finds in an object. */
KTEST(catch, contents)
{
	/* BEGIN SOLUTION 2.6 */
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		uint8_t *object, *neighbour;

		take(count_of(sizes[i]), sizes[i]);
		check_and_free(count_of(sizes[i]), sizes[i]);
		object = sizes[i] % 3 == 0 ? kzalloc(3, sizes[i] / 3) : kzalloc(1, sizes[i]);
		CHECK(object && is_filled(object, sizes[i], 0), "%zu bytes are not zero", sizes[i]);
		neighbour = kmalloc(sizes[i]);
		CHECK(neighbour, "%zu bytes", sizes[i]);
		memset(object, 0x5a, sizes[i]);
		memset(neighbour, 0xa5, sizes[i]);
		for (size_t j = 0; j < ARRAY_LENGTH(sizes); j++) {
			size_t before = j ? sizes[j - 1] : sizes[i];

			object = krealloc(object, sizes[j]);
			CHECK(object, "%zu bytes", sizes[j]);
			CHECK(is_filled(object, before < sizes[j] ? before : sizes[j], 0x5a),
			      "%zu bytes, then %zu", before, sizes[j]);
			memset(object, 0x5a, sizes[j]);
			ktest_progress();
		}
		object = krealloc(object, sizes[i]);
		CHECK(object && is_filled(object, sizes[i], 0x5a), "shrunk to %zu bytes", sizes[i]);
		CHECK(is_filled(neighbour, sizes[i], 0xa5), "the neighbour has changed");
		kfree(object);
		kfree(neighbour);
	}
	CHECK(!kzalloc(SIZE_MAX / 16 + 2, 16), "a product that overflows to 16");
	heap_check();
	/* END SOLUTION */
}

/* kfree, krealloc: a caller's mistake is a panic in the words of heap.h; kfree(NULL) is none. */
KTEST(catch, mistakes)
{
	/* BEGIN SOLUTION 2.6 */
	kfree(NULL);
	expect_refusal((uint8_t *)objects, "not from the heap");
	expect_refusal((uint8_t *)0x4141414141414140, "not from the heap");
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		size_t bytes = sizes[i];
		uint8_t *object = kmalloc(bytes), *neighbour = kmalloc(bytes);

		CHECK(object && neighbour, "%zu bytes", bytes);
		memset(object, 0, bytes);
		for (size_t at = HEAP_ALIGN_BYTES; at < bytes; at += bytes / 3 + HEAP_ALIGN_BYTES)
			expect_refusal(object + at, "not the start of an object");
		expect_refusal(object + 1, "not the start of an object");
		if (bytes == 0 || bytes % HEAP_ALIGN_BYTES != 0) {
			object[bytes] ^= 0xff;
			expect_refusal(object, "overrun");
			object[bytes] ^= 0xff;
		}
		bytes = bytes / 2 | 1;
		object = krealloc(object, bytes);
		CHECK(object, "shrunk to %zu bytes", bytes);
		object[bytes] ^= 0xff;
		expect_refusal(object, "overrun");
		object[bytes] ^= 0xff;
		kfree(object);
		expect_refusal(object, "already free");
		kfree(neighbour);
		expect_refusal(neighbour, "already free");
		ktest_progress();
	}
	heap_check();
	/* END SOLUTION */
}

/* No memory left: NULL, one call of heap_rescue(), no lock held, and the object is as it was. */
KTEST(catch, exhaustion)
{
	/* BEGIN SOLUTION 2.6 */
	uint8_t *object = kmalloc(100);
	size_t nr_rescues = stats_now().nr_rescues, live_bytes;
	uint64_t interrupts = read_rflags() & RFLAGS_IF;
	void **chain, *more;

	CHECK(object, "100 bytes");
	memset(object, 0x3c, 100);
	CHECK(!kmalloc(HEAP_MAX_BYTES) && stats_now().nr_rescues == nr_rescues + 1, "%zu rescues",
	      stats_now().nr_rescues - nr_rescues);
	CHECK(!kmalloc(SIZE_MAX) && !kmalloc(SIZE_MAX - PAGE_BYTES), "SIZE_MAX bytes");
	chain = exhaust(8 * PAGE_BYTES);
	for (size_t bytes = sizeof(chain); bytes < PAGE_BYTES * 2; bytes *= 2) {
		nr_rescues = stats_now().nr_rescues;
		more = kmalloc(bytes);
		CHECK(!more && stats_now().nr_rescues == nr_rescues + 1, "%zu bytes: %zu rescues", bytes,
		      stats_now().nr_rescues - nr_rescues);
	}
	CHECK((read_rflags() & RFLAGS_IF) == interrupts, "interrupts are not as they were");
	live_bytes = stats_now().live_bytes;
	CHECK(!krealloc(object, 20000) && !kzalloc(2, 10000), "there was more");
	CHECK(!spinlock_next_held(NULL), "a lock is held");
	CHECK(is_filled(object, 100, 0x3c) && stats_now().live_bytes == live_bytes,
	      "krealloc failed, and the object has changed");
	free_chain(chain);
	kfree(object);
	heap_check();
	/* END SOLUTION */
}

/* kfree: a slab whose last object goes gives its pages back, but one empty slab a size class. */
KTEST(catch, pages)
{
	/* BEGIN SOLUTION 2.6 */
	enum { SPARE = 4 };             /* pages of an empty slab */
	void *run;

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		size_t nr = count_of(sizes[i]), before = pages_in_use(), during;

		take(nr, sizes[i]);
		during = pages_in_use();
		CHECK(during + SPARE >= before + nr * sizes[i] / PAGE_BYTES, "%zu pages", during - before);
		check_and_free(nr, sizes[i]);
		CHECK(pages_in_use() <= before + SPARE, "%zu bytes: %zu pages in use before, %zu after",
		      sizes[i], before, pages_in_use());
	}
	for (size_t bytes = sizeof(run); bytes <= 8 * PAGE_BYTES; bytes *= 4) {
		size_t before = pages_in_use();

		free_chain(exhaust(bytes));
		CHECK(pages_in_use() <= before + 2 * SPARE, "%zu bytes: %zu pages in use before, %zu after",
		      bytes, before, pages_in_use());
	}
	for (unsigned i = 0; i < 2 * SPARE; i++) {
		size_t before = pages_in_use(), during;

		run = kmalloc(20 * PAGE_BYTES);
		CHECK(run, "all was given back, and there are no 20 pages");
		during = pages_in_use();
		run = krealloc(run, 10 * PAGE_BYTES);
		CHECK(run && pages_in_use() + 9 <= during, "%zu pages, then %zu", during, pages_in_use());
		kfree(run);
		run = kmalloc(20 * PAGE_BYTES);
		kfree(run);
		CHECK(run && pages_in_use() <= before, "20 pages: %zu pages in use before, %zu after", before,
		      pages_in_use());
	}
	heap_check();
	/* END SOLUTION */
}

/* heap_stats: what is counted. */
KTEST(catch, counts)
{
	/* BEGIN SOLUTION 2.6 */
	struct heap_stats before = stats_now(), during, after;

	take(10, 100);
	objects[3] = krealloc(objects[3], 110);
	objects[4] = krealloc(objects[4], 3000);
	objects[5] = krealloc(objects[5], 40);
	CHECK(objects[3] && objects[4] && objects[5], "krealloc");
	during = stats_now();
	CHECK(during.nr_live == before.nr_live + 10, "%zu objects", during.nr_live - before.nr_live);
	CHECK(during.live_bytes == before.live_bytes + 700 + 110 + 3000 + 40, "%zu bytes",
	      during.live_bytes - before.live_bytes);
	CHECK(during.nr_calls >= before.nr_calls + 13, "%zu calls", during.nr_calls - before.nr_calls);
	for (size_t i = 0; i < 10; i++)
		kfree(objects[i]);
	after = stats_now();
	CHECK(before.live_bytes == after.live_bytes && before.nr_live == after.nr_live,
	      "%zu objects, %zu bytes", after.nr_live - before.nr_live, after.live_bytes - before.live_bytes);
	CHECK(after.nr_calls >= during.nr_calls + 10 && after.nr_pages == before.nr_pages, "%zu calls, %zu pages",
	      after.nr_calls - during.nr_calls, after.nr_pages);
	kfree(NULL);
	CHECK(stats_now().nr_calls == after.nr_calls + 1, "kfree(NULL) is a call");
	objects[0] = kmalloc(50000);
	CHECK(objects[0] && stats_now().live_bytes == after.live_bytes + 50000, "%zu bytes of 50000",
	      stats_now().live_bytes - after.live_bytes);
	kfree(objects[0]);
	after = stats_now();
	CHECK(!kmalloc(SIZE_MAX) && stats_now().nr_calls == after.nr_calls + 1, "%zu calls",
	      stats_now().nr_calls - after.nr_calls);
	/* END SOLUTION */
}
