/* SPDX-License-Identifier: MIT */
/*
 * frame_misuse_test.c: lab 1's tests of what callers get wrong, and a long random
 * trace against a model.
 *
 * The sentences of frame.h about frame_free() that are tested here:
 *
 *     "already free"                     double_free_panics, …_of_a_block_that_has_merged_panics,
 *                                        …_with_a_neighbour_in_use_panics,
 *                                        …_with_an_absurd_order_panics
 *     (a frame anywhere in a free block) double_free_of_a_block_that_has_merged_panics
 *     "not the base of a block"          freeing_the_inside_of_a_block_panics
 *     "allocated with order N"           freeing_with_the_wrong_order_panics
 *     "not managed"                      freeing_what_is_not_managed_panics
 *     names base and order               a_panic_names_base_and_order,
 *                                        a_double_free_names_base_and_order
 *     starts with "frame_free: "         a_panic_names_base_and_order
 *     Nothing has been changed by then   all of these
 *     all of them, and frame_alloc()     a_random_trace_agrees_with_the_model
 */
#include "format.h"
#include "frame.h"
#include "image.h"
#include "ktest.h"
#include "memmap.h"
#include "memory.h"
#include "panic.h"
#include "string.h"
#include "trace.h"
#include "watchdog.h"

static struct frame_stats before;

static paddr_t take(unsigned order)
{
	paddr_t base = frame_alloc(order);

	CHECK(base != PADDR_NONE, "no block of order %u to test with", order);
	return base;
}

/* What tests leave allocated that are to pass before frame_free() is whole. */
static struct { paddr_t base; unsigned order; } left[2 * FRAME_MAX_ORDER + 8];
static size_t nr_left;

static paddr_t take_and_leave(unsigned order)
{
	paddr_t base = take(order);

	if (nr_left < ARRAY_LENGTH(left)) {
		left[nr_left].base = base;
		left[nr_left++].order = order;
	}
	return base;
}

static void free_what_is_left(void)
{
	while (nr_left > 0) {
		nr_left--;
		frame_free(left[nr_left].base, left[nr_left].order);
	}
}

/* A mistake must be noticed before anything has changed. */
static void check_unchanged(void)
{
	struct frame_stats after;

	watchdog_allow(WATCHDOG_MAX_SECONDS);
	frame_check();
	watchdog_allow(WATCHDOG_MAX_SECONDS);
	frame_stats(&after);
	ktest_progress();
	CHECK(memcmp(&before, &after, sizeof(before)) == 0, "%zu frames were free, now %zu",
	      before.nr_free, after.nr_free);
}

KTEST(frame, double_free_panics)
{
	paddr_t base = take(0);

	frame_free(base, 0);
	frame_stats(&before);
	EXPECT_PANIC("frame_free: ", frame_free(base, 0));
	EXPECT_PANIC("already free", frame_free(base, 0));
	check_unchanged();
}

/* Of two buddies the one that is freed last merges: the upper one, or the lower one. */
static void check_merged(bool last_taken_first)
{
	static paddr_t frames[64];
	const size_t nr_frames = ARRAY_LENGTH(frames);

	for (size_t i = 0; i < nr_frames; i++)
		frames[last_taken_first ? nr_frames - 1 - i : i] = take(0);
	for (size_t i = 0; i < nr_frames; i++)
		frame_free(frames[i], 0);
	frame_stats(&before);
	for (size_t i = 0; i < nr_frames; i++)
		EXPECT_PANIC("already free", frame_free(frames[i], 0));
	check_unchanged();
}

KTEST(frame, double_free_of_a_block_that_has_merged_panics)
{
	paddr_t base = take(1);

	frame_free(base, 1);
	frame_stats(&before);
	EXPECT_PANIC("already free", frame_free(base, 1));
	EXPECT_PANIC("already free", frame_free(base + PAGE_BYTES, 0));
	check_unchanged();
	check_merged(false);
	check_merged(true);
}

KTEST(frame, double_free_with_a_neighbour_in_use_panics)
{
	paddr_t base = take(1);

	frame_free(base, 1);
	base = take(0);
	paddr_t neighbour = take(0);

	frame_free(base, 0);
	frame_stats(&before);
	EXPECT_PANIC("already free", frame_free(base, 0));
	check_unchanged();
	frame_free(neighbour, 0);
}

/* No order is so far out of range that it becomes right by an overflow, whatever the frame is. */
static void check_absurd_orders(paddr_t base)
{
	for (unsigned i = 0; i < 256; i++) {
		EXPECT_PANIC("frame_free: ", frame_free(base, ~i));
		EXPECT_PANIC("frame_free: ", frame_free(base, FRAME_MAX_ORDER + 1 + i));
	}
	ktest_progress();
}

KTEST(frame, double_free_with_an_absurd_order_panics)
{
	paddr_t base = take(2);

	frame_free(base, 2);
	frame_stats(&before);
	check_absurd_orders(base);
	check_absurd_orders(base + PAGE_BYTES);
	check_absurd_orders(0);
	check_unchanged();
}

KTEST(frame, freeing_the_inside_of_a_block_panics)
{
	paddr_t base = take_and_leave(3);

	frame_stats(&before);
	EXPECT_PANIC("not the base of a block", frame_free(base + PAGE_BYTES, 0));
	EXPECT_PANIC("not the base of a block", frame_free(base + 4 * PAGE_BYTES, 2));
	EXPECT_PANIC("not the base of a block", frame_free(base + 1, 3));
	EXPECT_PANIC("not the base of a block", frame_free(base + PAGE_BYTES / 2, 3));
	check_unchanged();
}

static bool has_more_digits(const char *rest)
{
	return *rest >= '0' && *rest <= '9';
}

static void check_wrong_order(paddr_t base, unsigned right, unsigned wrong)
{
	char reason[40];

	format_string(reason, sizeof(reason), "allocated with order %u", right);
	EXPECT_PANIC(reason, frame_free(base, wrong));
	CHECK(!has_more_digits(strstr(panic_record.message, reason) + strlen(reason)), "\"%s\"",
	      panic_record.message);
}

KTEST(frame, freeing_with_the_wrong_order_panics)
{
	paddr_t base = 0;

	for (unsigned right = 0; right <= FRAME_MAX_ORDER; right++) {
		base = take_and_leave(right);
		frame_stats(&before);
		for (unsigned wrong = 0; wrong <= FRAME_MAX_ORDER; wrong++)
			if (wrong != right)
				check_wrong_order(base, right, wrong);
		check_unchanged();
	}
	check_absurd_orders(base);
	check_absurd_orders(base + PAGE_BYTES);
	check_unchanged();
}

static bool is_word_byte(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z');
}

/* Is the number in the text, with no digit or letter beside it? It does not stand at the start. */
static bool has_number(const char *text, unsigned number)
{
	char digits[12];
	const char *found = text;

	format_string(digits, sizeof(digits), "%u", number);
	while ((found = strstr(found, digits)) != NULL) {
		if (!is_word_byte(found[-1]) && !is_word_byte(found[strlen(digits)]))
			return true;
		found++;
	}
	return false;
}

static void check_names(paddr_t base, unsigned order)
{
	const char *message = panic_record.message;
	char digits[24];

	EXPECT_PANIC("frame_free: ", frame_free(base, order));
	CHECK(starts_with(message, "frame_free: "), "\"%s\"", message);
	format_string(digits, sizeof(digits), "%lx", base);
	CHECK(strstr(message, digits) != NULL, "\"%s\" does not name base %#lx", message, base);
	CHECK(has_number(message, order), "\"%s\" does not name order %u", message, order);
}

KTEST(frame, a_panic_names_base_and_order)
{
	paddr_t base = take_and_leave(3);

	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		check_names(image_to_phys(text_start), order);
		check_names(base + PAGE_BYTES, order);
		check_names(base + PAGE_BYTES / 2, order);
		if (order != 3)
			check_names(base, order);
	}
}

KTEST(frame, a_double_free_names_base_and_order)
{
	paddr_t base = take(3);

	frame_free(base, 3);
	check_names(base, 3);
	check_names(base + 2 * PAGE_BYTES, 1);
}

KTEST(frame, freeing_what_is_not_managed_panics)
{
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	watchdog_allow(WATCHDOG_MAX_SECONDS);
	frame_stats(&before);
	ktest_progress();
	EXPECT_PANIC("not managed", frame_free(0, 0));
	EXPECT_PANIC("not managed", frame_free(image_to_phys(text_start), 0));
	EXPECT_PANIC("not managed", frame_free(memmap_top(), 0));
	EXPECT_PANIC("not managed", frame_free(GIB(1024), 0));
	EXPECT_PANIC("frame_free: ", frame_free(PADDR_NONE, 0));
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner != MEM_FREE)
			EXPECT_PANIC("not managed", frame_free(ranges[i].base, 0));
	check_unchanged();
}

/* The calls of the trace: grader/judging/replay.py makes the same choices in the same order. */
static struct trace frame_trace;

/* The model: the blocks that are live, each frame of which carries its block's stamp. */
#define NR_LIVE        192
#define TRACE_ORDERS   6
#define NR_STEPS       4000

static struct {
	paddr_t base;           /* PADDR_NONE = this place is vacant */
	unsigned order;
	uint64_t stamp;
} live[NR_LIVE];

static uint64_t *frame_words(size_t i, size_t frame)
{
	return phys_to_virt(live[i].base + frame * PAGE_BYTES);
}

static void model_take(size_t i)
{
	live[i].order = random_below(&ktest_random, TRACE_ORDERS);
	live[i].base = frame_alloc(live[i].order);
	trace_add(&frame_trace, (struct trace_call){
		TRACE_FRAME_ALLOC, { live[i].order }, live[i].base });
	live[i].stamp = random_next(&ktest_random);
	if (live[i].base == PADDR_NONE)
		return;
	CHECK(live[i].base % (PAGE_BYTES << live[i].order) == 0, "%#lx, order %u", live[i].base,
	      live[i].order);
	for (size_t frame = 0; frame < 1ul << live[i].order; frame++) {
		frame_words(i, frame)[0] = live[i].stamp;
		frame_words(i, frame)[PAGE_BYTES / sizeof(uint64_t) - 1] = live[i].stamp;
	}
}

static void model_give_back(size_t i)
{
	for (size_t frame = 0; frame < 1ul << live[i].order; frame++)
		CHECK(frame_words(i, frame)[0] == live[i].stamp &&
		      frame_words(i, frame)[PAGE_BYTES / sizeof(uint64_t) - 1] == live[i].stamp,
		      "frame %zu of the block at %#lx was given to somebody else too", frame,
		      live[i].base);
	frame_free(live[i].base, live[i].order);
	trace_add(&frame_trace, (struct trace_call){
		TRACE_FRAME_FREE, { live[i].base, live[i].order }, 0 });
	live[i].base = PADDR_NONE;
}

static size_t model_nr_frames(void)
{
	size_t nr_frames = 0;

	for (size_t i = 0; i < NR_LIVE; i++)
		if (live[i].base != PADDR_NONE)
			nr_frames += 1ul << live[i].order;
	return nr_frames;
}

KTEST(frame, a_random_trace_agrees_with_the_model)
{
	struct frame_stats stats;

	free_what_is_left();
	trace_begin(&frame_trace);
	frame_stats(&before);
	for (size_t i = 0; i < NR_LIVE; i++)
		live[i].base = PADDR_NONE;
	for (unsigned step = 0; step < NR_STEPS; step++) {
		size_t i = random_below(&ktest_random, NR_LIVE);

		if (live[i].base == PADDR_NONE)
			model_take(i);
		else
			model_give_back(i);
		if (step % 256 != 0)
			continue;
		ktest_progress();
		frame_check();
		frame_stats(&stats);
		CHECK(stats.nr_free + model_nr_frames() == before.nr_free,
		      "step %u: %zu frames free and %zu live, of %zu", step, stats.nr_free,
		      model_nr_frames(), before.nr_free);
	}
	for (size_t i = 0; i < NR_LIVE; i++)
		if (live[i].base != PADDR_NONE)
			model_give_back(i);
	check_unchanged();
}
