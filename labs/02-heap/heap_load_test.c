/* SPDX-License-Identifier: MIT */
/*
 * heap_load_test.c: the heap under load: a random trace, what it costs, and what
 * it does when nothing is left.
 *
 * The suite `heap` is content with the first reserve. `heap_exhaustion` eats all
 * that the heap can get, which is all RAM once there is a rescue: not for a stage
 * that cannot bear a failing rescue (lab 3).
 */
#include "clock.h"
#include "heap.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"
#include "trace.h"

#define NR_SLOTS 160

/* One object of a test's model: what the heap must still know about it. */
static struct tracked {
	uint8_t *object;                /* NULL = the slot is empty */
	size_t bytes;
	uint8_t stamp;                  /* what all of its bytes are */
} tracked[NR_SLOTS];

static size_t pages_in_use(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats.nr_pages - stats.nr_free_pages;
}

/* 0 … 1023 bytes, half of the time rather small; sometimes a few pages. */
static size_t random_size(void)
{
	switch (random_below(&ktest_random, 64)) {
	case 0:
		return 4000 + random_below(&ktest_random, 6000);
	case 1 ... 31:
		return random_below(&ktest_random, 1024);
	default:
		return random_below(&ktest_random, 1u << random_below(&ktest_random, 11));
	}
}

static void check_stamp(const struct tracked *item)
{
	CHECK(item->bytes == 0 || (item->object[0] == item->stamp &&
	      memcmp(item->object, item->object + 1, item->bytes - 1) == 0),
	      "%zu bytes at %p have changed", item->bytes, item->object);
}

static void check_distance(const struct tracked *item)
{
	for (const struct tracked *other = tracked; other < tracked + NR_SLOTS; other++)
		CHECK(other == item || !other->object ||
		      other->object + other->bytes <= item->object ||
		      item->object + item->bytes <= other->object,
		      "%zu bytes at %p overlap %zu at %p", item->bytes, item->object,
		      other->bytes, other->object);
}

/* The calls of the trace: grader/judging/replay.py makes the same choices in the same order. */
static struct trace heap_trace;

static void *traced_krealloc(void *object, size_t bytes)
{
	void *result = krealloc(object, bytes);

	trace_add(&heap_trace, (struct trace_call){
		TRACE_KREALLOC, { (uint64_t)object, bytes }, (uint64_t)result });
	return result;
}

static void traced_kfree(void *object)
{
	kfree(object);
	trace_add(&heap_trace, (struct trace_call){ TRACE_KFREE, { (uint64_t)object }, 0 });
}

/* Changes one slot of the model at random, and the heap with it. Return: false if out of memory. */
static bool trace_step(void)
{
	struct tracked *item = &tracked[random_below(&ktest_random, NR_SLOTS)];
	size_t bytes = random_size(), kept = bytes < item->bytes ? bytes : item->bytes;
	uint8_t *object;

	if (item->object)
		check_stamp(item);
	if (item->object && random_below(&ktest_random, 4) != 0) {
		traced_kfree(item->object);
		*item = (struct tracked){ 0 };
		return true;
	}
	object = traced_krealloc(item->object, bytes);
	if (!object)
		return false;
	*item = (struct tracked){ object, kept, item->stamp };
	check_stamp(item);
	*item = (struct tracked){ object, bytes, (uint8_t)random_next(&ktest_random) };
	memset(object, item->stamp, bytes);
	check_distance(item);
	return true;
}

static void trace_end(void)
{
	for (struct tracked *item = tracked; item < tracked + NR_SLOTS; item++) {
		traced_kfree(item->object);
		*item = (struct tracked){ 0 };
	}
}

KTEST(heap, trace)
{
	const unsigned nr_steps = 2000;
	unsigned nr_failed = 0;

	trace_begin(&heap_trace);
	memset(tracked, 0, sizeof(tracked));
	for (unsigned step = 0; step < nr_steps; step++) {
		nr_failed += !trace_step();
		if (step % 256 == 0)
			heap_check();
		ktest_progress();
	}
	CHECK(nr_failed <= nr_steps / 20, "%u of %u steps found no memory", nr_failed, nr_steps);
	trace_end();
	heap_check();
}

KTEST(heap, footprint)
{
	static const size_t sizes[] = { 24, 56, 100, 200, 440 };
	static void *objects[600];
	size_t before = pages_in_use(), live_bytes = 0, nr_failed = 0, used_bytes;

	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
		objects[i] = kmalloc(sizes[i % ARRAY_LENGTH(sizes)]);
		nr_failed += !objects[i];
		live_bytes += sizes[i % ARRAY_LENGTH(sizes)];
	}
	used_bytes = (pages_in_use() - before) * PAGE_BYTES;
	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
		kfree(objects[i]);
	ktest_note("%zu bytes in %zu bytes of pages", live_bytes, used_bytes);
	CHECK(nr_failed == 0, "%zu objects failed", nr_failed);
	CHECK(used_bytes * 100 <= live_bytes * 135, "more than 1.35 times as much");
}

/* Instructions for a kmalloc and a kfree with their loops, on average over 64 sizes. */
static uint64_t cost_of_pair(size_t bytes, size_t step_bytes)
{
	static void *objects[64];
	const size_t nr_rounds = 16;
	uint64_t start = clock_instructions();

	if (start == 0)
		SKIP("this machine does not count instructions");
	for (size_t round = 0; round < nr_rounds; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
			objects[i] = kmalloc(bytes + i * step_bytes);
		for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
			kfree(objects[i * 5 % ARRAY_LENGTH(objects)]);
		ktest_progress();
	}
	return (clock_instructions() - start) / (nr_rounds * ARRAY_LENGTH(objects));
}

KTEST(heap, cost)
{
	uint64_t cost = cost_of_pair(0, 4);

	ktest_note("%lu instructions for a kmalloc and a kfree", cost);
	CHECK(cost <= 600, "%lu instructions", cost);
}

/* With many objects of the same size live, and small holes between them. */
KTEST(heap, cost_when_full)
{
	static void *objects[900], *holes[300];
	uint64_t empty = cost_of_pair(100, 0), full;
	size_t nr_failed = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
		objects[i] = kmalloc(100);
		nr_failed += !objects[i];
		if (i % 3 == 0)
			holes[i / 3] = kmalloc(10);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(holes); i++)
		kfree(holes[i]);
	full = cost_of_pair(100, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
		kfree(objects[i]);
	ktest_note("%lu instructions, %lu with objects around", empty, full);
	CHECK(nr_failed == 0, "%zu objects failed", nr_failed);
	CHECK(full * 2 <= empty * 3, "more than 1.5 times as many");
}

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

/* The most that one may ask for, on a machine that has not got it. */
KTEST(heap_exhaustion, too_large)
{
	struct heap_stats before, after;

	heap_stats(&before);
	CHECK(!kmalloc(HEAP_MAX_BYTES), "%lu bytes", HEAP_MAX_BYTES);
	heap_stats(&after);
	CHECK(after.nr_rescues == before.nr_rescues + 1, "%zu calls of heap_rescue",
	      after.nr_rescues - before.nr_rescues);
}

KTEST(heap_exhaustion, recovers)
{
	const size_t smallest = sizeof(void *);
	void **chain = NULL, *more;

	for (size_t bytes = 1ul << 20; bytes >= smallest; bytes /= 2)
		exhaust(&chain, bytes);
	heap_check();
	more = kmalloc(smallest);
	free_chain(chain);
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
	struct tracked item = { kmalloc(100), 100, 0x5a };
	void **chain = NULL, *moved, *zeroed;

	CHECK(item.object, "100 bytes");
	memset(item.object, item.stamp, item.bytes);
	exhaust(&chain, 5000);
	moved = krealloc(item.object, 5000);
	CHECK(!spinlock_next_held(NULL), "a lock is held after krealloc has failed");
	zeroed = kzalloc(5, 1000);
	CHECK(!spinlock_next_held(NULL), "a lock is held after kzalloc has failed");
	free_chain(chain);
	CHECK(!moved && !zeroed, "there was more after kmalloc had failed");
	check_stamp(&item);
	kfree(item.object);
	heap_check();
}
