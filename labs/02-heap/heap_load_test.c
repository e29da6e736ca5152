/* SPDX-License-Identifier: MIT */
/*
 * heap_load_test.c: the heap under load: a random trace, and what it costs.
 *
 * The sentences of heap.h that are tested here:
 *
 *     all of kmalloc, krealloc, kfree    trace
 *     HEAP_PAIR_INSTRUCTIONS             cost, cost_when_full; in heap_exhaustion_test.c:
 *                                        cost_of_the_only_hole
 *     HEAP_FOOTPRINT_PERCENT             footprint
 */
#include "clock.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
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

	ktest_feed_heap();
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
	size_t before, live_bytes = 0, nr_failed = 0, used_bytes;

	ktest_feed_heap();
	before = pages_in_use();
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
	CHECK(used_bytes * 100 <= live_bytes * HEAP_FOOTPRINT_PERCENT, "%zu %% of what was asked for",
	      used_bytes * 100 / live_bytes);
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
		for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
			objects[i] = kmalloc(bytes + i * step_bytes);
			CHECK(objects[i], "%zu bytes", bytes + i * step_bytes);
		}
		for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
			kfree(objects[i * 5 % ARRAY_LENGTH(objects)]);
		ktest_progress();
	}
	return (clock_instructions() - start) / (nr_rounds * ARRAY_LENGTH(objects));
}

KTEST(heap, cost)
{
	uint64_t cost;

	ktest_feed_heap();
	cost = cost_of_pair(0, 4);
	ktest_note("%lu instructions for a kmalloc and a kfree", cost);
	CHECK(cost <= HEAP_PAIR_INSTRUCTIONS, "%lu instructions", cost);
}

/* With many objects of the same size live, and small holes between them. */
KTEST(heap, cost_when_full)
{
	static void *objects[900], *holes[300];
	uint64_t empty, full;
	size_t nr_failed = 0;

	ktest_feed_heap();
	empty = cost_of_pair(100, 0);
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
	CHECK(full <= HEAP_PAIR_INSTRUCTIONS, "%lu instructions", full);
}
