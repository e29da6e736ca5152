/* SPDX-License-Identifier: MIT */
/*
 * heap_exhaustion_test.c: what heap.h and rescue.h promise when the heap has nothing left.
 *
 * `heap_exhaustion` eats all that the heap can get, which is all RAM once there is a rescue: not
 * for a stage that cannot bear a failing rescue (lab 3). `heap_rescue` plays the rescue, where
 * the base one is in place. The first tests free nothing: they are to pass before kfree() works.
 *
 * The sentences that are tested here:
 *
 *     starts with HEAP_RESERVE_PAGES,     heap.reserve
 *     from frame_alloc(…)
 *     grows only when heap_rescue() gives heap.reserve
 *     calls heap_rescue() once            heap_rescue.is_asked_with_the_lock_held,
 *                                         heap_exhaustion.asks_once
 *     with heap_lock held                 heap_rescue.is_asked_with_the_lock_held,
 *                                         heap_rescue.krealloc_asks_with_the_lock_held
 *     for a run in which it has room      heap_rescue.is_asked_with_…, heap_rescue.what_it_brings_…
 *     … if it has no room                 heap_rescue.is_not_asked_while_there_is_room
 *     NULL, and no call, for what is more heap_rescue.is_not_asked_while_there_is_room
 *     than HEAP_MAX_BYTES
 *     never gives them back               heap_exhaustion.recovers
 *     tries once more                     heap_rescue.what_it_brings_is_used
 *     whatever that returns: somebody     heap_rescue.a_slot_freed_meanwhile_is_found
 *     may have freed an object
 *     or used up what was brought         heap_rescue.a_slab_made_meanwhile_is_used,
 *                                         heap_rescue.what_was_brought_may_be_gone
 *     may drop heap_lock in between       heap_rescue.may_drop_the_lock, and those above
 *     NULL when that did not help         heap_exhaustion.recovers
 *     (krealloc) the old object is as     heap_exhaustion.krealloc
 *     it was
 *     Its memory serves objects of any    heap_exhaustion.repeats, heap_exhaustion.other_size
 *     size
 *     nr_rescues                          heap_rescue.is_asked_with_the_lock_held
 *     HEAP_PAIR_INSTRUCTIONS              heap_exhaustion.cost_of_the_only_hole
 */
#include "clock.h"
#include "cpu.h"
#include "format.h"
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "memory.h"
#include "rescue.h"
#include "string.h"

static struct heap_stats stats_now(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats;
}

static size_t nr_free_frames(void)
{
	struct frame_stats stats;

	frame_stats(&stats);
	return stats.nr_free;
}

/* More than all pages of the heap's have. */
static size_t too_many_bytes(void)
{
	return (stats_now().nr_pages + 1) * PAGE_BYTES;
}

/* ---- a rescue that the tests play */

static struct {
	unsigned nr_calls;              /* of heap_rescue() */
	size_t bytes;                   /* wanted by the last one */
	bool was_locked, was_masked;    /* heap_lock and interrupts, at the last one */
	bool brings_double;             /* twice the pages that are wanted */
	char *brought;                  /* the pages that it gave the heap */
	size_t brought_bytes;
	void *freed;                    /* what somebody else frees meanwhile */
	void *other;                    /* what somebody else gets meanwhile */
} played;

static bool play(size_t bytes)
{
	played.nr_calls++;
	played.bytes = bytes;
	played.was_locked = spin_is_held(&heap_lock);
	played.was_masked = !(read_rflags() & RFLAGS_IF);
	return false;
}

/* Begins a test that plays the rescue. Ends it where another one is in place. */
static void begin_play(bool (*rescue)(size_t bytes))
{
	memset(&played, 0, sizeof(played));
	ktest_rescue = play;
	spin_lock(&heap_lock);
	heap_rescue(PAGE_BYTES);
	spin_unlock(&heap_lock);
	if (played.nr_calls == 0)
		SKIP("this stage has a rescue of its own");
	memset(&played, 0, sizeof(played));
	ktest_rescue = rescue;
}

KTEST(heap, reserve)
{
	struct heap_stats before = stats_now();
	size_t nr_frames = nr_free_frames();
	char allocated[32], *object = kmalloc(10);
	paddr_t block = ROUND_DOWN(virt_to_phys(object), PAGE_BYTES << HEAP_RESERVE_ORDER);

	CHECK(object, "10 bytes of %zu free pages", before.nr_free_pages);
	CHECK(before.nr_pages >= HEAP_RESERVE_PAGES, "the heap owns %zu pages", before.nr_pages);
	begin_play(play);
	CHECK(before.nr_rescues > 0 || before.nr_pages == HEAP_RESERVE_PAGES,
	      "the heap owns %zu pages, and nobody has given it any", before.nr_pages);
	if (before.nr_pages == HEAP_RESERVE_PAGES) {
		format_string(allocated, sizeof(allocated), "allocated with order %u", HEAP_RESERVE_ORDER);
		EXPECT_PANIC(allocated, frame_free(block, HEAP_RESERVE_ORDER - 1));
	}
	CHECK(!kmalloc(HEAP_MAX_BYTES), "%lu bytes", HEAP_MAX_BYTES);
	CHECK(played.nr_calls > 0, "heap_rescue was not asked");
	CHECK(stats_now().nr_pages == before.nr_pages && nr_free_frames() == nr_frames,
	      "%zu pages before, %zu after; %zu frames were free, now %zu", before.nr_pages,
	      stats_now().nr_pages, nr_frames, nr_free_frames());
	heap_check();
}

/* ---- what the rescue is asked for */

/* After one call that asked the rescue, for at least `bytes`. */
static void check_asked(size_t bytes, size_t nr_rescues)
{
	CHECK(played.nr_calls == 1, "heap_rescue was called %u times", played.nr_calls);
	CHECK(played.was_locked, "heap_rescue was called without heap_lock");
	CHECK(played.was_masked, "heap_rescue was called with interrupts on");
	CHECK(played.bytes >= bytes, "heap_rescue was asked for %zu bytes, and %zu are wanted",
	      played.bytes, bytes);
	CHECK(stats_now().nr_rescues == nr_rescues + 1, "%zu calls of heap_rescue were counted",
	      stats_now().nr_rescues - nr_rescues);
	CHECK(!spin_is_held(&heap_lock), "heap_lock is still held");
	played.nr_calls = 0;
}

KTEST(heap_rescue, is_asked_with_the_lock_held)
{
	const size_t sizes[] = { too_many_bytes(), MIB(64), HEAP_MAX_BYTES };

	begin_play(play);
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		size_t nr_rescues = stats_now().nr_rescues;

		CHECK(!kmalloc(sizes[i]), "%zu bytes", sizes[i]);
		check_asked(sizes[i], nr_rescues);
		nr_rescues = stats_now().nr_rescues;
		CHECK(!kzalloc(2, sizes[i] / 2), "%zu bytes", sizes[i]);
		check_asked(sizes[i] / 2 * 2, nr_rescues);
	}
}

/* Drops heap_lock, and takes it again elsewhere. */
static bool play_and_drop(size_t bytes)
{
	play(bytes);
	spin_unlock(&heap_lock);
	heap_check();
	spin_lock(&heap_lock);
	return false;
}

KTEST(heap_rescue, may_drop_the_lock)
{
	size_t bytes = too_many_bytes(), nr_rescues = stats_now().nr_rescues;

	begin_play(play_and_drop);
	CHECK(!kmalloc(bytes), "%zu bytes", bytes);
	check_asked(bytes, nr_rescues);
	heap_check();
}

static bool play_and_bring(size_t bytes)
{
	unsigned order = played.brings_double;

	play(bytes);
	while (PAGE_BYTES << (order - played.brings_double) < bytes)
		order++;
	played.brought = ktest_add_locked(order);
	played.brought_bytes = PAGE_BYTES << order;
	return played.brought != NULL;
}

KTEST(heap_rescue, what_it_brings_is_used)
{
	size_t bytes = too_many_bytes();
	struct heap_stats before = stats_now();
	char *object;

	begin_play(play_and_bring);
	object = kmalloc(bytes);
	check_asked(bytes, before.nr_rescues);
	CHECK(played.brought, "no frames are left to test with");
	CHECK(object, "NULL, though the rescue brought all that it was asked for");
	CHECK(object < played.brought + played.brought_bytes && object + bytes > played.brought,
	      "%zu bytes at %p use nothing of the rescue's run at %p", bytes, object, played.brought);
	CHECK(stats_now().nr_pages == before.nr_pages + played.brought_bytes / PAGE_BYTES,
	      "%zu pages before, %zu after %zu bytes came", before.nr_pages, stats_now().nr_pages,
	      played.brought_bytes);
	heap_check();
}

/* ---- all that there is */

/*
 * Takes objects of `bytes` until there are none, as a chain. Return: how many.
 * Tests give the chain back before they check: a failure must not starve the next test.
 */
static size_t exhaust(void ***chain, size_t bytes)
{
	struct spinlock *lock;
	size_t nr_objects = 0;
	void **object;

	while ((object = kmalloc(bytes)) != NULL) {
		*object = *chain;
		*chain = object;
		nr_objects++;
		ktest_progress();
	}
	lock = spinlock_next_held(NULL);
	CHECK(!lock, "%s is held after kmalloc has failed", lock->name);
	return nr_objects;
}

static void free_chain(void **chain)
{
	while (chain) {
		void **next = *chain;

		kfree(chain);
		chain = next;
		ktest_progress();
	}
}

static size_t exhaust_and_free(size_t bytes)
{
	void **chain = NULL;
	size_t nr_objects = exhaust(&chain, bytes);

	free_chain(chain);
	return nr_objects;
}

KTEST(heap_exhaustion, recovers)
{
	const size_t smallest = sizeof(void *);
	void **chain = NULL, *more;
	size_t nr_pages, nr_frames;

	for (size_t bytes = 1ul << 20; bytes >= smallest; bytes /= 2)
		exhaust(&chain, bytes);
	heap_check();
	more = kmalloc(smallest);
	nr_pages = stats_now().nr_pages;
	nr_frames = nr_free_frames();
	free_chain(chain);
	CHECK(stats_now().nr_pages == nr_pages && nr_free_frames() == nr_frames,
	      "%zu pages and %zu free frames before all was freed, %zu and %zu after", nr_pages,
	      nr_frames, stats_now().nr_pages, nr_free_frames());
	CHECK(!more, "there was more after kmalloc had failed");
	chain = kmalloc(20000);
	CHECK(chain, "all was given back, and there is nothing");
	kfree(chain);
	heap_check();
}

KTEST(heap_exhaustion, repeats)
{
	size_t first = exhaust_and_free(1000), second = exhaust_and_free(1000);

	CHECK(first > 0 && second >= first, "%zu objects, then %zu", first, second);
}

/* Pages go from one size to another. */
KTEST(heap_exhaustion, other_size)
{
	size_t large = exhaust_and_free(4000), small = exhaust_and_free(490);

	CHECK(large > 0 && small * 490 >= large * 4000 / 10 * 6,
	      "%zu objects of 4000 bytes, then %zu of 490", large, small);
}

KTEST(heap_exhaustion, asks_once)
{
	struct heap_stats before, after;
	void **chain = NULL, *more;

	exhaust(&chain, 5000);
	CHECK(chain, "nothing was left to begin with");
	heap_stats(&before);
	more = kmalloc(5000);
	heap_stats(&after);
	free_chain(chain);
	CHECK(!more, "there was more after kmalloc had failed");
	CHECK(after.nr_rescues == before.nr_rescues + 1, "%zu calls of heap_rescue",
	      after.nr_rescues - before.nr_rescues);
}

KTEST(heap_exhaustion, krealloc)
{
	uint8_t *object = kmalloc(100);
	void **chain = NULL, *moved, *zeroed;

	CHECK(object, "100 bytes");
	memset(object, 0x5a, 100);
	exhaust(&chain, 5000);
	moved = krealloc(object, 5000);
	CHECK(!spinlock_next_held(NULL), "a lock is held after krealloc has failed");
	zeroed = kzalloc(5, 1000);
	CHECK(!spinlock_next_held(NULL), "a lock is held after kzalloc has failed");
	free_chain(chain);
	CHECK(!moved && !zeroed, "there was more after kmalloc had failed");
	for (size_t i = 0; i < 100; i++)
		CHECK(object[i] == 0x5a, "byte %zu of the old object has changed", i);
	kfree(object);
	heap_check();
}

/* ---- what may become of the memory meanwhile */

KTEST(heap_rescue, krealloc_asks_with_the_lock_held)
{
	size_t bytes = too_many_bytes(), nr_rescues;
	uint8_t *object = kmalloc(10), *moved;

	CHECK(object, "10 bytes");
	memset(object, 0x5a, 10);
	nr_rescues = stats_now().nr_rescues;
	begin_play(play);
	moved = krealloc(object, bytes);
	CHECK(!moved, "%zu bytes", bytes);
	check_asked(bytes, nr_rescues);
	nr_rescues = stats_now().nr_rescues;
	ktest_rescue = play_and_bring;
	moved = krealloc(object, bytes);
	check_asked(bytes, nr_rescues);
	CHECK(moved, "NULL, though the rescue brought all that it was asked for");
	CHECK(moved[0] == 0x5a && moved[9] == 0x5a, "the contents have changed");
	kfree(moved);
}

KTEST(heap_rescue, is_not_asked_while_there_is_room)
{
	static const size_t sizes[] = { 24, 400, 3000, 20000 };
	enum { AMPLE_PAGES = 64 };
	static void *objects[512];
	size_t nr_objects = 0;

	ktest_feed_heap();
	begin_play(play);
	while (nr_objects < ARRAY_LENGTH(objects) && stats_now().nr_free_pages > AMPLE_PAGES) {
		size_t bytes = sizes[nr_objects % ARRAY_LENGTH(sizes)];

		objects[nr_objects] = kmalloc(bytes);
		CHECK(objects[nr_objects], "%zu bytes, with %zu free pages", bytes,
		      stats_now().nr_free_pages);
		nr_objects++;
	}
	objects[0] = krealloc(objects[0], 20000);
	CHECK(!kmalloc(HEAP_MAX_BYTES + 1) && !kzalloc(2, HEAP_MAX_BYTES) &&
	      !krealloc(objects[1], HEAP_MAX_BYTES + 1), "more than %lu bytes", HEAP_MAX_BYTES);
	while (nr_objects > 0)
		kfree(objects[--nr_objects]);
	CHECK(played.nr_calls == 0, "heap_rescue was called %u times, the last time for %zu bytes",
	      played.nr_calls, played.bytes);
}

/* Somebody else frees an object while the lock is free. */
static bool play_and_free(size_t bytes)
{
	play(bytes);
	spin_unlock(&heap_lock);
	kfree(played.freed);
	spin_lock(&heap_lock);
	return false;
}

KTEST(heap_rescue, a_slot_freed_meanwhile_is_found)
{
	static const size_t sizes[] = { 24, 100, 400 };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		void **chain = NULL, **object;
		size_t nr_rescues;

		begin_play(play);
		exhaust(&chain, sizes[i]);
		CHECK(chain, "no object of %zu bytes", sizes[i]);
		memset(&played, 0, sizeof(played));
		played.freed = chain;
		chain = *chain;
		nr_rescues = stats_now().nr_rescues;
		ktest_rescue = play_and_free;
		object = kmalloc(sizes[i]);
		kfree(object);
		free_chain(chain);
		CHECK(object, "%zu bytes: NULL, though somebody freed as many during the rescue",
		      sizes[i]);
		check_asked(sizes[i], nr_rescues);
		heap_check();
	}
}

/* Somebody else makes a slab of what the rescue has brought. */
static bool play_bring_and_take(size_t bytes)
{
	bool has_brought = play_and_bring(bytes);

	ktest_rescue = play;
	spin_unlock(&heap_lock);
	played.other = kmalloc(100);
	spin_lock(&heap_lock);
	return has_brought;
}

static void check_slab_made_meanwhile(bool brings_double)
{
	void **chain = NULL;
	uint8_t *object, *other;

	begin_play(play);
	exhaust(&chain, 100);
	ktest_rescue = play_bring_and_take;
	played.brings_double = brings_double;
	object = kmalloc(100);
	other = played.other;
	CHECK(object && other, "%p, and %p for somebody else", object, other);
	CHECK(object >= other + 100 || other >= object + 100, "%p and %p overlap", object, other);
	heap_check();
	kfree(object);
	kfree(other);
	free_chain(chain);
	heap_check();
}

KTEST(heap_rescue, a_slab_made_meanwhile_is_used)
{
	check_slab_made_meanwhile(false);       /* of all pages that came */
	check_slab_made_meanwhile(true);        /* or there are others */
}

/* Somebody else uses up all that the rescue has brought. */
static bool play_bring_and_eat(size_t bytes)
{
	bool has_brought = play_and_bring(bytes);

	ktest_rescue = play;
	spin_unlock(&heap_lock);
	exhaust((void ***)&played.other, 100);
	spin_lock(&heap_lock);
	return has_brought;
}

KTEST(heap_rescue, what_was_brought_may_be_gone)
{
	void **chain = NULL, *object;

	begin_play(play);
	exhaust(&chain, 100);
	ktest_rescue = play_bring_and_eat;
	object = kmalloc(100);
	CHECK(chain && played.other, "no object of 100 bytes, or none of what was brought");
	CHECK(!spin_is_held(&heap_lock), "heap_lock is still held");
	heap_check();
	kfree(object);
	free_chain(played.other);
	free_chain(chain);
	heap_check();
}

/* ---- cost */

/* Takes up to `most` objects, as a chain. */
static void take(void ***chain, size_t bytes, size_t most)
{
	void **object;

	while (most-- > 0 && (object = kmalloc(bytes)) != NULL) {
		*object = *chain;
		*chain = object;
		ktest_progress();
	}
}

/* Frees every other object of a chain. */
static void make_holes(void **chain)
{
	for (void **object = chain; object && *object; object = *object) {
		void **hole = *object;

		*object = *hole;
		kfree(hole);
		ktest_progress();
	}
}

/*
 * All memory is in use, but for thousands of holes that are too small, and one that fits. A heap
 * that looks through holes, slabs or objects pays for each.
 */
KTEST(heap_exhaustion, cost_of_the_only_hole)
{
	static void *objects[64];
	void **same_size = NULL, **smaller = NULL;
	uint64_t cost = 0, small_cost = 0;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	spin_lock(&heap_lock);
	ktest_add_locked(FRAME_MAX_ORDER);
	spin_unlock(&heap_lock);
	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
		objects[i] = kmalloc(400);
	take(&same_size, 400, 6000);
	exhaust(&smaller, 64);
	make_holes(smaller);
	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
		uint64_t begin = clock_instructions();

		kfree(objects[i]);
		objects[i] = kmalloc(400);
		cost += clock_instructions() - begin;
		CHECK(objects[i], "400 bytes again");
		begin = clock_instructions();
		kfree(kmalloc(64));
		small_cost += clock_instructions() - begin;
	}
	free_chain(smaller);
	free_chain(same_size);
	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
		kfree(objects[i]);
	cost /= ARRAY_LENGTH(objects);
	small_cost /= ARRAY_LENGTH(objects);
	ktest_note("%lu instructions for the only hole, %lu for one of thousands", cost, small_cost);
	CHECK(cost <= HEAP_PAIR_INSTRUCTIONS, "%lu instructions for the only hole", cost);
	CHECK(small_cost <= HEAP_PAIR_INSTRUCTIONS, "%lu instructions for one of thousands", small_cost);
}
