/* SPDX-License-Identifier: MIT */
/*
 * bench_test.c: the benchmark's workloads inside the kernel, with its locks and all
 * checks, those of the compiler too. Counts instructions, so it needs -icount. One boot
 * serves for one of these tests: what a workload leaves behind stays.
 *
 * They print "# bench: 40018 operations, 4001800 instructions, 500 at most": net, as an
 * empty allocator has been counted as well.
 */
#include "clock.h"
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "log.h"
#include "watchdog.h"
#include "../workload.h"

static struct op ops[WORKLOAD_MAX_OPS];
static struct workload workload;

static void *objects[WORKLOAD_MAX_SLOTS];
static void *(*heap_take)(size_t bytes);
static void (*heap_give)(void *object);

static paddr_t bases[WORKLOAD_MAX_SLOTS];
static paddr_t (*frames_take)(unsigned order);
static void (*frames_give)(paddr_t base, unsigned order);

static void heap_step(const struct op *op)
{
	if (op->kind == OP_TAKE)
		objects[op->slot] = heap_take(op->size);
	else
		heap_give(objects[op->slot]);
}

static void frames_step(const struct op *op)
{
	if (op->kind == OP_TAKE)
		bases[op->slot] = frames_take(op->size);
	else
		frames_give(bases[op->slot], op->size);
}

static void *no_take(size_t bytes)
{
	return NULL;
}

static void no_give(void *object)
{
}

static paddr_t no_frames_take(unsigned order)
{
	return 0;
}

static void no_frames_give(paddr_t base, unsigned order)
{
}

static void choose_empty(void)
{
	heap_take = no_take;
	heap_give = no_give;
	frames_take = no_frames_take;
	frames_give = no_frames_give;
}

static void choose_ours(void)
{
	heap_take = kmalloc;
	heap_give = kfree;
	frames_take = frame_alloc;
	frames_give = frame_free;
}

static uint64_t cost_of(void (*step)(const struct op *), const struct op *op)
{
	uint64_t begin = clock_instructions();

	step(op);
	return clock_instructions() - begin;
}

static void report(size_t nr_ops, uint64_t total, uint64_t most)
{
	ktest_note("bench: %zu operations, %lu instructions, %lu at most", nr_ops, total, most);
}

static void run(const char *name, void (*step)(const struct op *))
{
	struct frame_stats frames;
	uint64_t total = 0, most = 0, nothing[OP_GIVE + 1];

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	frame_stats(&frames);
	watchdog_stop();                /* making it takes longer than the watchdog waits */
	workload_make(&workload, name, ops, frames.nr_free);
	watchdog_pet();
	choose_empty();
	for (uint32_t kind = OP_TAKE; kind <= OP_GIVE; kind++)
		nothing[kind] = cost_of(step, &(struct op){ .kind = kind });
	choose_ours();
	for (size_t i = 0; i < workload.nr_ops; i++) {
		uint64_t cost = cost_of(step, &ops[i]) - nothing[ops[i].kind];

		if (i % 1000 == 0)
			ktest_progress();
		if (i < workload.nr_setup)
			continue;
		total += cost;
		if (cost > most)
			most = cost;
	}
	report(workload.nr_ops - workload.nr_setup, total, most);
}

KTEST(bench, heap_a)
{
	run("a", heap_step);
}

KTEST(bench, heap_b)
{
	run("b", heap_step);
}

KTEST(bench, heap_c)
{
	run("c", heap_step);
}

KTEST(bench, frames_fresh)
{
	run("fresh", frames_step);
}

KTEST(bench, frames_full)
{
	run("full", frames_step);
}

KTEST(bench, frames_runs)
{
	run("runs", frames_step);
}

KTEST(bench, frames_refused)
{
	run("refused", frames_step);
}

KTEST(bench, frames_drain)
{
	run("drain", frames_step);
}

/* The record of record.c, with the ring full; a byte sent to the port counts as an instruction. */
KTEST(bench, record)
{
	uint64_t begin, cost = 0;

	log_level = LOG_DEBUG;
	for (unsigned i = 0; i < LOG_RING_BYTES / 64; i++) {
		begin = clock_instructions();
		log_debug("heap: rescue %u: no room for %zu bytes, taking %lu KiB", 12u,
			  (size_t)4096, 64ul);
		cost = clock_instructions() - begin;
		ktest_progress();
	}
	report(1, cost, cost);
}

/* How many instructions the machine has carried out since it was switched on. */
KTEST(bench, boot)
{
	uint64_t now = clock_instructions();

	report(1, now, now);
}
