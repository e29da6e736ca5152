/* SPDX-License-Identifier: MIT */
/*
 * heap_test.c: what heap.h promises to callers that make no mistake.
 *
 * The tests know nothing of how the heap works. Other objects may live in it, so each compares
 * with the heap at its start. A design may keep much of the first reserve for itself, so a
 * test that needs room feeds the heap first. The tests of the first half free nothing, as they
 * are to pass before kfree() works.
 *
 * The sentences of heap.h that are tested here:
 *
 *     16-byte aligned                         alignment, krealloc_grows
 *     distinct, also if bytes is 0            distinct, contents, large
 *     NULL if bytes > HEAP_MAX_BYTES          absurd
 *     makes nr_pages pages the heap's         grows
 *     takes heap_lock, does not return with   kmalloc_takes_the_lock, kfree_takes_…,
 *     it, leaves interrupts as they were      krealloc_takes_…
 *     … holds it all the time                 a_handler_may_allocate_at_any_instruction
 *     kmalloc(count * bytes), zeroed          kzalloc
 *     NULL also if the product overflows      kzalloc
 *     keeps its contents                      krealloc_grows, krealloc_shrinks
 *     krealloc(NULL, n) is kmalloc(n)         krealloc_grows
 *     keeps less than a page                  krealloc_shrinks
 *     may keep one empty slab                 slabs_return, runs_return
 *     nr_calls, nr_live, live_bytes           counts, krealloc_counts
 *     nr_pages, nr_free_pages                 grows, slabs_return
 *     at most two do not count as free        grows
 *     finds nothing where nothing is wrong    heap_check() in most of them
 */
#include "cpu.h"
#include "frame.h"
#include "heap.h"
#include "image.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_step.h"
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

/* ---- before kfree() works */

KTEST(heap, alignment)
{
	ktest_feed_heap();
	for (size_t bytes = 0; bytes < LARGE_BYTES; bytes += bytes < 300 ? 1 : bytes / 8) {
		uint8_t *object = kmalloc(bytes);

		CHECK(object, "%zu bytes", bytes);
		CHECK((uintptr_t)object % HEAP_ALIGN_BYTES == 0, "%zu bytes at %p", bytes, object);
		ktest_progress();
	}
}

KTEST(heap, distinct)
{
	ktest_feed_heap();
	for (size_t i = 0; i < MANY; i++) {
		objects[i] = kmalloc(0);
		CHECK(objects[i], "object %zu of 0 bytes", i);
		for (size_t j = 0; j < i; j++)
			CHECK(objects[i] != objects[j], "%p is object %zu and %zu", objects[i],
			      i, j);
	}
}

KTEST(heap, large)
{
	uint8_t *first, *second;

	ktest_feed_heap();
	first = kmalloc(LARGE_BYTES);
	second = kmalloc(2 * LARGE_BYTES);
	CHECK(first && second, "%p and %p", first, second);
	memset(first, 1, LARGE_BYTES);
	memset(second, 2, 2 * LARGE_BYTES);
	CHECK(is_filled(first, LARGE_BYTES, 1), "the first one is overwritten");
	ktest_progress();
	CHECK(is_filled(second, 2 * LARGE_BYTES, 2), "the second one is overwritten");
}

/* Has each call since forget_lock() taken heap_lock, given it back, and left interrupts alone? */
static void check_lock(const char *call, bool interrupts_on)
{
	CHECK(heap_lock.taken_at, "%s has not taken heap_lock", call);
	heap_lock.taken_at = NULL;
	check_no_lock(call);
	CHECK(!!(read_rflags() & RFLAGS_IF) == interrupts_on,
	      "%s was called with interrupts %s, and left them otherwise", call,
	      interrupts_on ? "on" : "masked");
}

static void begin_lock(bool interrupts_on)
{
	heap_lock.taken_at = NULL;      /* a lock remembers where it was taken last */
	if (interrupts_on)
		irq_unmask();
	else
		irq_mask();
}

KTEST(heap, kmalloc_takes_the_lock)
{
	struct heap_stats stats;

	ktest_feed_heap();
	for (int on = 0; on <= 1; on++) {
		begin_lock(on);
		CHECK(kmalloc(10) && kmalloc(LARGE_BYTES), "memory");
		check_lock("kmalloc", on);
		CHECK(!kmalloc(HEAP_MAX_BYTES), "%lu bytes", HEAP_MAX_BYTES);
		check_lock("kmalloc that fails", on);
		CHECK(kzalloc(2, 10), "memory");
		check_lock("kzalloc", on);
		heap_stats(&stats);
		check_lock("heap_stats", on);
		heap_check();
		check_lock("heap_check", on);
	}
}

KTEST(heap, grows)
{
	const unsigned order = 5;
	struct heap_stats before = stats_now();
	char *run, *object;

	spin_lock(&heap_lock);
	run = ktest_add_locked(order);
	spin_unlock(&heap_lock);
	if (!run)
		SKIP("the heap has all memory already");
	CHECK(stats_now().nr_pages == before.nr_pages + (1ul << order),
	      "%zu pages before, %zu after", before.nr_pages, stats_now().nr_pages);
	CHECK(stats_now().nr_free_pages <= before.nr_free_pages + (1ul << order) &&
	      stats_now().nr_free_pages + 2 >= before.nr_free_pages + (1ul << order),
	      "%zu free pages before, %zu after", before.nr_free_pages, stats_now().nr_free_pages);
	do
		object = kmalloc(LARGE_BYTES);
	while (object && (object < run || object >= run + (PAGE_BYTES << order)));
	CHECK(object, "no object of %u bytes comes from the %u pages at %p", LARGE_BYTES, 1u << order,
	      run);
	heap_check();
}

/* ---- and after */

KTEST(heap, contents)
{
	ktest_feed_heap();
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

KTEST(heap, absurd)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 4095,
					SIZE_MAX / 2 + 1, SIZE_MAX / 2, HEAP_MAX_BYTES + 1 };
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

/* Objects of as many bytes as before, whose memory is not all zero. */
static void check_zeroed(size_t i, size_t count, size_t bytes)
{
	objects[i] = kzalloc(count, bytes);
	CHECK(objects[i], "%zu times %zu bytes", count, bytes);
	CHECK(is_filled(objects[i], count * bytes, 0), "%zu times %zu bytes", count, bytes);
	ktest_progress();
}

KTEST(heap, kzalloc)
{
	ktest_feed_heap();
	take_many();
	free_many();
	for (size_t i = 0; i < MANY; i++)
		check_zeroed(i, i % 2 ? size_of(i) : 1, i % 2 ? 1 : size_of(i));
	free_many();
	take_many();
	free_many();
	for (size_t i = 0; i < MANY; i++)
		check_zeroed(i, i, 6);
	free_many();
	CHECK(!kzalloc(SIZE_MAX / 8 + 2, 8), "the product overflows to 8");
	CHECK(!kzalloc(1ul << 33, 1ul << 33), "the product overflows to 4");
	check_no_lock("kzalloc");
}

KTEST(heap, kfree_takes_the_lock)
{
	for (int on = 0; on <= 1; on++) {
		void *object = kmalloc(10);

		CHECK(object, "10 bytes");
		begin_lock(on);
		kfree(object);
		check_lock("kfree", on);
	}
}

KTEST(heap, counts)
{
	struct heap_stats before, during, after;
	size_t bytes = 0;

	ktest_feed_heap();
	before = stats_now();
	take_many();
	for (size_t i = 0; i < MANY; i++)
		bytes += size_of(i);
	during = stats_now();
	CHECK(during.nr_live == before.nr_live + MANY, "%zu live",
	      during.nr_live - before.nr_live);
	CHECK(during.live_bytes == before.live_bytes + bytes, "%zu bytes instead of %zu",
	      during.live_bytes - before.live_bytes, bytes);
	CHECK(during.nr_calls == before.nr_calls + MANY, "%zu calls counted of %u",
	      during.nr_calls - before.nr_calls, MANY);
	CHECK(!kmalloc(HEAP_MAX_BYTES), "%lu bytes", HEAP_MAX_BYTES);
	CHECK(stats_now().nr_calls == during.nr_calls + 1, "a call that failed was not counted once");
	free_many();
	after = stats_now();
	CHECK(after.nr_live == before.nr_live && after.live_bytes == before.live_bytes,
	      "%zu objects and %zu bytes before, %zu and %zu after", before.nr_live,
	      before.live_bytes, after.nr_live, after.live_bytes);
	CHECK(after.nr_calls == during.nr_calls + 1 + MANY, "%zu calls counted of %u",
	      after.nr_calls - during.nr_calls - 1, MANY);
	kfree(kzalloc(2, 10));
	CHECK(stats_now().nr_calls >= after.nr_calls + 2 && stats_now().nr_calls <= after.nr_calls + 3,
	      "%zu calls counted of kzalloc, kfree, and what they call", stats_now().nr_calls - after.nr_calls);
}

/* Of what the heap took for objects of one size, a single slab may stay: the largest step. */
static void check_slabs_return(size_t bytes)
{
	size_t before, during, after, step = 0;

	ktest_feed_heap();
	before = during = pages_in_use();
	for (size_t i = 0; i < MANY; i++) {
		size_t last = during;

		objects[i] = kmalloc(bytes);
		CHECK(objects[i], "object %zu of %zu bytes", i, bytes);
		during = pages_in_use();
		if (during > last + step)
			step = during - last;
	}
	free_many();
	after = pages_in_use();
	CHECK(during + 8 >= before + MANY * bytes / PAGE_BYTES,
	      "%zu pages in use before, %zu with %u objects of %zu bytes", before, during, MANY, bytes);
	CHECK(after <= before + step, "%zu bytes: %zu pages in use before, %zu after, and %zu at a time",
	      bytes, before, after, step);
}

KTEST(heap, slabs_return)
{
	static const size_t sizes[] = { 100, 500, 900, 1300, 2000, 3000, 4000 };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
		check_slabs_return(sizes[i]);
	heap_check();
}

KTEST(heap, runs_return)
{
	size_t before, nr_pages = 2 * LARGE_BYTES / PAGE_BYTES;

	ktest_feed_heap();
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
 * objects grow out of it. A heap that then reads more than there was reads into the gap.
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
	uint8_t *object;

	ktest_feed_heap();
	object = krealloc(NULL, bytes);
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
	size_t before, after;

	ktest_feed_heap();
	before = pages_in_use();
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

/* A large object that gets smaller, and stays large, keeps less than a page that it needs no more. */
static void check_pages_return_when_shrunk(void)
{
	static const size_t sizes[] = { 60000, 40000, 20000, 12000 };
	uint8_t *object;
	size_t before;

	ktest_feed_heap();
	kfree(kmalloc(sizes[0]));               /* whatever the heap keeps from the first one */
	before = pages_in_use();
	object = kmalloc(sizes[0]);
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		object = krealloc(object, sizes[i]);
		CHECK(object, "%zu bytes", sizes[i]);
		CHECK(pages_in_use() <= before + ROUND_UP(sizes[i], PAGE_BYTES) / PAGE_BYTES + 1,
		      "an object that has shrunk to %zu bytes keeps %zu pages", sizes[i],
		      pages_in_use() - before);
	}
	kfree(object);
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
	check_pages_return_when_shrunk();
}

KTEST(heap, krealloc_takes_the_lock)
{
	for (int on = 0; on <= 1; on++) {
		uint8_t *object = kmalloc(10);

		CHECK(object, "10 bytes");
		begin_lock(on);
		object = krealloc(object, 9);
		check_lock("krealloc in place", on);
		object = krealloc(object, 1000);
		check_lock("krealloc", on);
		CHECK(object, "1000 bytes");
		kfree(object);
	}
}

KTEST(heap, krealloc_counts)
{
	struct heap_stats before, after;
	uint8_t *first = kmalloc(10), *second = kmalloc(100);

	CHECK(first && second, "two objects");
	before = stats_now();
	first = krealloc(first, 1010);
	second = krealloc(second, 99);
	after = stats_now();
	CHECK(first && second, "krealloc");
	CHECK(after.nr_live == before.nr_live, "%zu objects more", after.nr_live - before.nr_live);
	CHECK(after.live_bytes == before.live_bytes + 999, "%zu bytes more instead of 999",
	      after.live_bytes - before.live_bytes);
	CHECK(after.nr_calls >= before.nr_calls + 2 && after.nr_calls <= before.nr_calls + 6,
	      "%zu calls counted of 2, and what they call", after.nr_calls - before.nr_calls);
	kfree(first);
	kfree(second);
}

/* An object of the test's, and one of the handler's. */
static uint8_t *interrupted, *from_handler;
static size_t wanted_bytes;

static void kmalloc_interrupted(void)
{
	interrupted = kmalloc(wanted_bytes);
}

static void kmalloc_from_handler(void)
{
	from_handler = kmalloc(wanted_bytes);
}

/* A large one is not made larger: it would be copied, instruction by instruction. */
static void krealloc_interrupted(void)
{
	interrupted = krealloc(interrupted, wanted_bytes < PAGE_BYTES ? 2 * wanted_bytes : wanted_bytes);
}

static void kfree_interrupted(void)
{
	kfree(interrupted);
}

static void kfree_from_handler(void)
{
	kfree(from_handler);
}

static void check_after_handler(unsigned long step, const char *call, size_t nr_live)
{
	struct heap_stats stats = stats_now();

	heap_check();
	CHECK(stats.nr_live == nr_live, "%s, interrupted by a handler at instruction %lu: %zu objects, not %zu",
	      call, step, stats.nr_live, nr_live);
}

/* A handler allocates behind the step-th instruction of each call. Return: whether any had as many. */
static bool interrupt_heap(unsigned long step)
{
	size_t nr_live = stats_now().nr_live;
	bool in_kmalloc, in_krealloc, in_kfree;

	in_kmalloc = ktest_interrupt(step, kmalloc_interrupted, kmalloc_from_handler);
	if (!in_kmalloc)
		kmalloc_from_handler();
	CHECK(interrupted && from_handler, "%zu bytes: %p and %p", wanted_bytes, interrupted, from_handler);
	memset(interrupted, 1, wanted_bytes);
	memset(from_handler, 2, wanted_bytes);
	CHECK(is_filled(interrupted, wanted_bytes, 1),
	      "kmalloc, interrupted by a handler at instruction %lu: %p and %p overlap", step, interrupted,
	      from_handler);
	check_after_handler(step, "kmalloc", nr_live + 2);
	kfree_from_handler();
	in_krealloc = ktest_interrupt(step, krealloc_interrupted, kmalloc_from_handler);
	if (!in_krealloc)
		kmalloc_from_handler();
	CHECK(interrupted && from_handler, "%zu bytes: %p and %p", wanted_bytes, interrupted, from_handler);
	memset(from_handler, 2, wanted_bytes);
	CHECK(is_filled(interrupted, wanted_bytes, 1),
	      "krealloc, interrupted by a handler at instruction %lu: %p and %p overlap", step, interrupted,
	      from_handler);
	check_after_handler(step, "krealloc", nr_live + 2);
	in_kfree = ktest_interrupt(step, kfree_interrupted, kfree_from_handler);
	if (!in_kfree)
		kfree_from_handler();
	check_after_handler(step, "kfree", nr_live);
	return in_kmalloc || in_krealloc || in_kfree;
}

KTEST(heap, a_handler_may_allocate_at_any_instruction)
{
	static const size_t sizes[] = { 24, LARGE_BYTES };

	ktest_feed_heap();
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		unsigned long step = 1;

		wanted_bytes = sizes[i];
		while (interrupt_heap(step))
			step++;
		ktest_note("%zu bytes: %lu instructions with interrupts on", wanted_bytes, step);
	}
}
