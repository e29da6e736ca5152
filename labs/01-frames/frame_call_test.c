/* SPDX-License-Identifier: MIT */
/*
 * frame_call_test.c: lab 1's tests of a call of frame.h's functions: what it costs,
 * which locks it takes, and what it leaves alone.
 *
 * The sentences of frame.h that are tested here; alloc_… are to pass before frame_free() is
 * written, and so give nothing back:
 *
 *     FRAME_CALL_INSTRUCTIONS           cost_with_all_memory_free, cost_whatever_is_in_use,
 *                                       cost_with_memory_in_pieces
 *     FRAME_INIT_INSTRUCTIONS           each test of a boot with 6 GiB: the watchdog
 *     FRAME_METADATA_BYTES,             metadata_is_small
 *     FRAME_STATIC_BYTES
 *     takes a lock                      alloc_takes_a_lock, free_takes_a_lock
 *     … which it holds all the time     a_handler_may_allocate_at_any_instruction
 *     leaves interrupts as they were    alloc_leaves_interrupts_alone, free_leaves_…
 *     neither heap nor log, also with   alloc_neither_logs_nor_allocates,
 *     heap_lock held                    exhaustion_neither_logs_nor_allocates
 */
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "frame.h"
#include "heap.h"
#include "image.h"
#include "ktest.h"
#include "ktest_step.h"
#include "log.h"
#include "memmap.h"
#include "string.h"
#include "watchdog.h"

#define MANY 4096

/* Blocks that tests hold. The first test of the cost gives back what they leave. */
static struct { paddr_t base; unsigned order; } held[MANY];
static size_t nr_held;

static void keep(paddr_t base, unsigned order)
{
	if (base != PADDR_NONE) {
		held[nr_held].base = base;
		held[nr_held++].order = order;
	}
}

/* Takes a block that is there. */
static void take(unsigned order)
{
	paddr_t base = frame_alloc(order);

	CHECK(base != PADDR_NONE, "no block of order %u to test with", order);
	keep(base, order);
}

/* ---- metadata, locks, interrupts, the log */

/* Page tables are early memory, too (Intel SDM volume 3A, "4-Level Paging"). */
static size_t count_tables(const uint64_t *table, unsigned level)
{
	enum { PRESENT = 1 << 0, LARGE = 1 << 7 };
	size_t nr_tables = 1;

	for (size_t i = 0; level > 0 && i < PAGE_BYTES / sizeof(*table); i++)
		if ((table[i] & (PRESENT | LARGE)) == PRESENT)
			nr_tables += count_tables(phys_to_virt(table[i] & 0x000ffffffffff000), level - 1);
	return nr_tables;
}

KTEST(frame, metadata_is_small)
{
	size_t nr_ranges, early_bytes = 0, nr_frames = memmap_top() / PAGE_BYTES;
	size_t static_bytes = (size_t)(data_end - data_start);
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	take(0);
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == MEM_EARLY)
			early_bytes += ranges[i].end - ranges[i].base;
	early_bytes -= PAGE_BYTES * count_tables(phys_to_virt(ROUND_DOWN(read_cr3(), PAGE_BYTES)), 3);
	ktest_note("%zu bytes for %zu frames, %zu of variables", early_bytes, nr_frames, static_bytes);
	CHECK(early_bytes <= nr_frames * FRAME_METADATA_BYTES, "%zu bytes for %zu frames", early_bytes,
	      nr_frames);
	CHECK(static_bytes <= FRAME_STATIC_BYTES, "%zu bytes of variables", static_bytes);
}

extern struct spinlock spinlocks_start[], spinlocks_end[];

/* A lock remembers where it was taken last. Makes all of them forget. */
static void forget_locks(void)
{
	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		if (!spin_is_held(lock))
			lock->taken_at = NULL;
}

/* Has frame.c taken a lock since forget_locks(), and given it back? */
static void check_lock(const char *function)
{
	struct spinlock *taken = NULL;

	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		if (lock->taken_at != NULL && strcmp(lock->taken_at->file, "frame.c") == 0)
			taken = lock;
	CHECK(taken != NULL, "%s has taken no lock of frame.c", function);
	CHECK(!spin_is_held(taken), "%s has kept %s", function, taken->name);
	forget_locks();
}

KTEST(frame, alloc_takes_a_lock)
{
	struct frame_stats stats;

	forget_locks();
	take(0);
	check_lock("frame_alloc");
	frame_stats(&stats);
	check_lock("frame_stats");
	frame_check();
	check_lock("frame_check");
}

KTEST(frame, free_takes_a_lock)
{
	paddr_t base = frame_alloc(0);

	CHECK(base != PADDR_NONE, "there is no frame at all");
	forget_locks();
	frame_free(base, 0);
	check_lock("frame_free");
}

static void set_interrupts(bool on)
{
	if (on)
		irq_unmask();
	else
		irq_mask();
}

static void check_interrupts(bool on, const char *function)
{
	bool is_on = read_rflags() & RFLAGS_IF;

	CHECK(is_on == on, "%s was called with interrupts %s and left them %s", function,
	      on ? "on" : "masked", is_on ? "on" : "masked");
}

KTEST(frame, alloc_leaves_interrupts_alone)
{
	struct frame_stats stats;

	for (int on = 0; on <= 1; on++) {
		set_interrupts(on);
		take(0);
		check_interrupts(on, "frame_alloc");
		keep(frame_alloc(FRAME_MAX_ORDER + 1), 0);
		check_interrupts(on, "frame_alloc of a too large order");
		frame_stats(&stats);
		check_interrupts(on, "frame_stats");
		frame_check();
		check_interrupts(on, "frame_check");
	}
}

KTEST(frame, free_leaves_interrupts_alone)
{
	for (int on = 0; on <= 1; on++) {
		paddr_t first = frame_alloc(0), second = frame_alloc(0);

		CHECK(first != PADDR_NONE && second != PADDR_NONE, "two frames");
		set_interrupts(on);
		frame_free(first, 0);
		check_interrupts(on, "frame_free");
		frame_free(second, 0);
		check_interrupts(on, "frame_free");
	}
}

static struct buffer_sink heard;        /* what the console says meanwhile */
static size_t nr_heap_calls;
static enum log_level usual_level;

/* From now on everything that is logged is heard, and whoever asks the heap waits for ever. */
static void listen(void)
{
	static char text[512];
	struct heap_stats stats;

	heap_stats(&stats);
	nr_heap_calls = stats.nr_calls;
	buffer_sink_init(&heard, text, sizeof(text));
	usual_level = log_level;
	log_level = LOG_DEBUG;
	console_copy_to(&heard);
	spin_lock(&heap_lock);
}

static void check_nothing_heard(void)
{
	struct heap_stats stats;

	spin_unlock(&heap_lock);
	console_copy_to(NULL);
	log_level = usual_level;
	heap_stats(&stats);
	CHECK(heard.nr_bytes == 0, "\"%.*s\"", (int)heard.nr_bytes, heard.text);
	CHECK(stats.nr_calls == nr_heap_calls, "the heap was called");
}

KTEST(frame, alloc_neither_logs_nor_allocates)
{
	size_t nr_before = nr_held;

	listen();
	for (unsigned order = FRAME_MAX_ORDER + 2; order-- > 0;)
		for (unsigned i = 0; i < 3; i++)        /* the last one has to be split off */
			keep(frame_alloc(order), order);
	check_nothing_heard();
	CHECK(nr_held > nr_before, "no block could be taken");
}

/* Gives all memory to a list through the first words of its frames, and then back. */
KTEST(frame, exhaustion_neither_logs_nor_allocates)
{
	paddr_t last = PADDR_NONE, base;
	unsigned order = FRAME_MAX_ORDER;
	size_t nr_blocks = 0;

	listen();
	for (;;) {
		base = frame_alloc(order);
		if (base == PADDR_NONE && order-- == 0)
			break;
		if (base == PADDR_NONE)
			continue;
		nr_blocks++;
		((paddr_t *)phys_to_virt(base))[0] = last;
		((paddr_t *)phys_to_virt(base))[1] = order;
		last = base;
	}
	while (last != PADDR_NONE) {
		const paddr_t *words = phys_to_virt(last);
		paddr_t previous = words[0];

		frame_free(last, (unsigned)words[1]);
		last = previous;
	}
	check_nothing_heard();
	CHECK(nr_blocks > 0, "no block could be taken");
}

/* A block of the test's, and one of the handler's. */
static paddr_t interrupted, from_handler;

static void alloc_interrupted(void)
{
	interrupted = frame_alloc(0);
}

static void alloc_from_handler(void)
{
	from_handler = frame_alloc(0);
}

static void free_interrupted(void)
{
	frame_free(interrupted, 0);
}

static void free_from_handler(void)
{
	frame_free(from_handler, 0);
}

/* Both take a frame, and then both give it back; the handler does so behind each instruction. */
KTEST(frame, a_handler_may_allocate_at_any_instruction)
{
	struct frame_stats before, after;
	unsigned long step = 0;
	bool in_alloc, in_free;

	frame_free(frame_alloc(0), 0);          /* if that is not written yet, the test ends here */
	frame_stats(&before);
	do {
		step++;
		in_alloc = ktest_interrupt(step, alloc_interrupted, alloc_from_handler);
		if (!in_alloc)
			alloc_from_handler();
		CHECK(interrupted != PADDR_NONE && from_handler != PADDR_NONE && interrupted != from_handler,
		      "interrupted by a handler at instruction %lu: frames %#lx and %#lx", step,
		      interrupted, from_handler);
		in_free = ktest_interrupt(step, free_interrupted, free_from_handler);
		if (!in_free)
			free_from_handler();
		frame_check();
		frame_stats(&after);
		CHECK(memcmp(&before, &after, sizeof(before)) == 0,
		      "interrupted by a handler at instruction %lu: %zu frames were free, now %zu", step,
		      before.nr_free, after.nr_free);
	} while (in_alloc || in_free);
	ktest_note("%lu instructions with interrupts on", step);
}

/* ---- cost */

static void check_cost(uint64_t begin, const char *call, unsigned order)
{
	uint64_t cost = clock_instructions() - begin;

	CHECK(cost <= FRAME_CALL_INSTRUCTIONS, "%s, order %u: %lu instructions", call, order, cost);
	ktest_progress();
}

static paddr_t timed_alloc(unsigned order)
{
	uint64_t begin = clock_instructions();
	paddr_t base = frame_alloc(order);

	check_cost(begin, base == PADDR_NONE ? "frame_alloc, which fails" : "frame_alloc", order);
	return base;
}

static void timed_free(paddr_t base, unsigned order)
{
	uint64_t begin = clock_instructions();

	frame_free(base, order);
	check_cost(begin, "frame_free", order);
}

/* Takes up to `most` blocks of one order. */
static void hold(unsigned order, size_t most)
{
	for (; most > 0 && nr_held < MANY; most--) {
		paddr_t base = timed_alloc(order);

		if (base == PADDR_NONE)
			return;
		keep(base, order);
	}
}

/* Gives back every step-th of the held blocks, from the last or from the first one on. */
static void drop(size_t step, bool from_last)
{
	for (size_t i = 0; i < nr_held; i += step) {
		size_t at = from_last ? nr_held - 1 - i : i;

		if (held[at].base != PADDR_NONE)
			timed_free(held[at].base, held[at].order);
		held[at].base = PADDR_NONE;
	}
	if (step == 1)
		nr_held = 0;
}

static void begin_cost(void)
{
	paddr_t base;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	base = frame_alloc(0);                  /* if that is not written yet, the test ends here */
	CHECK(base != PADDR_NONE, "no frame is free");
	frame_free(base, 0);
	for (size_t i = 0; i < nr_held; i++)
		if (held[i].base != PADDR_NONE)
			frame_free(held[i].base, held[i].order);
	nr_held = 0;
}

/* Asks for a block of each order, whether there is one or not. */
static void try_each_order(void)
{
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		paddr_t base = timed_alloc(order);

		if (base != PADDR_NONE)
			timed_free(base, order);
	}
}

KTEST(frame, cost_with_all_memory_free)
{
	begin_cost();
	try_each_order();
	hold(FRAME_MAX_ORDER, SIZE_MAX);
	drop(2, false);
	drop(1, true);
	hold(FRAME_MAX_ORDER, SIZE_MAX);
	drop(1, true);
	hold(FRAME_MAX_ORDER, SIZE_MAX);
	drop(1, false);
}

/* With one hole in memory, wherever it is: first whole, then with a frame of it in use. */
KTEST(frame, cost_whatever_is_in_use)
{
	const unsigned nr_holes = 5;

	begin_cost();
	hold(FRAME_MAX_ORDER, SIZE_MAX);
	for (unsigned order = FRAME_MAX_ORDER; order-- > 0;)
		hold(order, SIZE_MAX);
	CHECK(nr_held > nr_holes && nr_held < MANY, "%zu blocks make up all memory", nr_held);
	for (unsigned i = 0; i < 2 * nr_holes; i++) {
		size_t at = (i < nr_holes ? i : 2 * nr_holes - 1 - i) * (nr_held - 1) / nr_holes;
		paddr_t single;

		timed_free(held[at].base, held[at].order);
		try_each_order();
		single = timed_alloc(0);
		try_each_order();
		timed_free(single, 0);
		CHECK(timed_alloc(held[at].order) == held[at].base, "the only free block is another one");
	}
	try_each_order();               /* now that nothing is free */
	drop(1, false);
}

/* Thousands of single frames are free, and any larger block is elsewhere, or nowhere. */
KTEST(frame, cost_with_memory_in_pieces)
{
	struct frame_stats stats;

	begin_cost();
	watchdog_allow(WATCHDOG_MAX_SECONDS);
	frame_stats(&stats);
	ktest_progress();
	hold(0, stats.nr_free / 2 < MANY / 2 ? stats.nr_free / 2 : MANY / 2);
	drop(2, false);
	try_each_order();
	for (unsigned order = FRAME_MAX_ORDER; order > 0; order--)
		hold(order, SIZE_MAX);
	try_each_order();
	drop(1, true);
	try_each_order();
}
