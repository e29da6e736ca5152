/* SPDX-License-Identifier: MIT */
/*
 * main.c: runs one workload, or writes one record, to be counted by callgrind.
 *
 *     bench heap ALLOCATOR WORKLOAD
 *     bench frames ALLOCATOR WORKLOAD
 *     bench record NAME
 *     bench time NAME
 *     bench footprint ALLOCATOR WORKLOAD [OPERATIONS]
 *     bench time-heap ALLOCATOR WORKLOAD
 *     bench time-frames ALLOCATOR WORKLOAD
 *
 * Callgrind counts what a call costs by the place of the call. So operations are
 * called from NR_SITES places one after the other, and the counts written out after
 * each round: what every single operation costs is then known. `footprint` is not
 * for callgrind: it fills every object with a pattern, looks whether that is still
 * there in the end, and says how much memory was taken at the most. It does so for
 * the first OPERATIONS only, if it is told a number. `time-heap` and `time-frames` are
 * not for callgrind either: they time whole workloads, and print the best of some
 * rounds. Every object is written to when it has been taken, as a program would.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <valgrind/callgrind.h>

#include "machine.h"
#include "record.h"
#include "subjects.h"
#include "workload.h"

#define NR_SITES        1024
#define HEAP_RAM_BYTES  (64ul << 20)
#define MOST_ROUNDS     20              /* to be timed; fewer if they take longer than */
#define ENOUGH_NS       5e8

static const struct heap_subject *const heaps[] = {
	&heap_ouroboros, &heap_empty, &heap_malloc,
	&heap_first_fit, &heap_address_ordered, &heap_knr, &heap_buddy,
};

static const struct frame_subject *const frames[] = {
	&frames_ouroboros, &frames_empty, &frames_list, &frames_bitmap,
};

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct op ops[WORKLOAD_MAX_OPS + NR_SITES];
static struct workload workload;
static const struct op *next;

static const struct heap_subject *heap;
static void *objects[WORKLOAD_MAX_SLOTS];

static const struct frame_subject *frame;
static uint64_t bases[WORKLOAD_MAX_SLOTS];

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	fputs("bench: ", stderr);
	vfprintf(stderr, message, arguments);
	fputc('\n', stderr);
	exit(2);
}

/* ---- one operation, called from NR_SITES places */

static __attribute__((noinline)) void step_heap(void)
{
	const struct op *op = next++;

	if (op->kind == OP_TAKE)
		objects[op->slot] = heap->take(op->size);
	else if (op->kind == OP_GIVE)
		heap->give(objects[op->slot]);
}

static __attribute__((noinline)) void step_frames(void)
{
	const struct op *op = next++;

	if (op->kind == OP_TAKE)
		bases[op->slot] = frame->take(op->size);
	else if (op->kind == OP_GIVE)
		frame->give(bases[op->slot], op->size);
}

#define FOUR_TIMES(statement)   statement statement statement statement
#define NR_SITES_TIMES(statement) \
	FOUR_TIMES(FOUR_TIMES(FOUR_TIMES(FOUR_TIMES(FOUR_TIMES(statement)))))

static void round_of_heap(void)
{
	NR_SITES_TIMES(step_heap();)
}

static void round_of_frames(void)
{
	NR_SITES_TIMES(step_frames();)
}

static void count_rounds(void (*round)(void))
{
	for (size_t done = workload.nr_setup; done < workload.nr_ops; done += NR_SITES) {
		CALLGRIND_TOGGLE_COLLECT;
		round();
		CALLGRIND_TOGGLE_COLLECT;
		CALLGRIND_DUMP_STATS_AT("round");
	}
}

/* ---- all operations, by the clock */

/* An object that was taken becomes full of something. */
static void step_heap_and_fill(void)
{
	const struct op *op = next;

	step_heap();
	if (op->kind == OP_TAKE && objects[op->slot])
		memset(objects[op->slot], 1, op->size);
}

static double nanoseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Gives back what is in use after all operations. */
static void give_all_back(void (*step)(void))
{
	static struct op last[WORKLOAD_MAX_SLOTS];      /* by slot: what was done with it last */

	memset(last, 0, sizeof(last));
	for (const struct op *op = ops; op < ops + workload.nr_ops; op++)
		last[op->slot] = *op;
	for (struct op *op = last; op < last + WORKLOAD_MAX_SLOTS; op++) {
		bool is_in_use = op->kind == OP_TAKE && bases[op->slot] != UINT64_MAX;

		op->kind = is_in_use ? OP_GIVE : OP_NONE;
		next = op;
		step();
	}
}

static void time_rounds(void (*step)(void))
{
	double best = INFINITY, all = 0, begin, taken;

	for (unsigned round = 0; round < MOST_ROUNDS && all < ENOUGH_NS; round++) {
		for (next = ops; next < ops + workload.nr_setup;)
			step();
		begin = nanoseconds_now();
		while (next < ops + workload.nr_ops)
			step();
		taken = nanoseconds_now() - begin;
		all += taken;
		best = taken < best ? taken : best;
		give_all_back(step);
	}
	printf("%.0f picoseconds an operation\n",
	       best * 1000 / (double)(workload.nr_ops - workload.nr_setup));
}

static void make_workload(const char *name)
{
	if (!workload_make(&workload, name, ops, NR_FRAMES))
		fail("there is no workload \"%s\"", name);
	next = ops;
	printf("%zu operations\n", workload.nr_ops - workload.nr_setup);
}

static void shorten_workload(size_t nr_ops)
{
	if (nr_ops < workload.nr_ops)
		workload.nr_ops = nr_ops;
}

/* ---- heap */

static void choose_heap(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(heaps); i++)
		if (strcmp(heaps[i]->name, name) == 0)
			heap = heaps[i];
	if (!heap)
		fail("there is no heap \"%s\"", name);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	machine_init(HEAP_RAM_BYTES);
	if (heap->init)
		heap->init(machine_ram(), HEAP_RAM_BYTES);
}

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long nr_all, nr_resident;

	if (!file || fscanf(file, "%lu %lu", &nr_all, &nr_resident) != 2)
		fail("/proc/self/statm: cannot be read");
	fclose(file);
	return nr_resident * FRAME_BYTES;
}

/*
 * What becomes resident after a first object has come and gone counts as the allocator's,
 * in all designs alike. It is looked at every so many operations, as asking takes long.
 */
static void measure_footprint(void)
{
	size_t live_bytes = 0, most_live_bytes = 0, most_bytes = 0, first_bytes, now_bytes;

	heap->give(heap->take(16));
	memset(objects, 0, sizeof(objects));
	resident_bytes();
	first_bytes = resident_bytes();
	for (const struct op *op = ops; op < ops + workload.nr_ops; op++) {
		unsigned char pattern = (unsigned char)(op->slot * 251 + op->size);
		unsigned char *object = objects[op->slot];

		if (op->kind == OP_TAKE) {
			objects[op->slot] = heap->take(op->size);
			if (!objects[op->slot])
				fail("%s gave NULL for %u bytes, after %zd operations with %zu bytes live",
				     heap->name, op->size, op - ops, live_bytes);
			memset(objects[op->slot], pattern, op->size);
			live_bytes += op->size;
		} else {
			for (size_t i = 0; i < op->size; i++)
				if (object[i] != pattern)
					fail("%s: an object of %u bytes has changed", heap->name, op->size);
			heap->give(object);
			live_bytes -= op->size;
		}
		if (live_bytes > most_live_bytes)
			most_live_bytes = live_bytes;
		if ((op - ops) % 100 != 0)
			continue;
		now_bytes = resident_bytes();
		if (now_bytes > first_bytes + most_bytes)
			most_bytes = now_bytes - first_bytes;
	}
	printf("%zu bytes, %zu live\n", most_bytes, most_live_bytes);
}

/* ---- frames */

static void choose_frames(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(frames); i++)
		if (strcmp(frames[i]->name, name) == 0)
			frame = frames[i];
	if (!frame)
		fail("there is no frame allocator \"%s\"", name);
	machine_init(NR_FRAMES * FRAME_BYTES);
	if (frame->init)
		frame->init(machine_ram(), NR_FRAMES);
	printf("%zu bytes of tables for %lu of RAM\n", machine_tables_bytes(), NR_FRAMES * FRAME_BYTES);
}

static void set_up(void)
{
	for (size_t i = 0; i < workload.nr_setup; i++)
		step_frames();
}

int main(int nr_arguments, char **arguments)
{
	const char *what = nr_arguments > 1 ? arguments[1] : "";

	bool is_timed = strcmp(what, "time") == 0;

	if ((is_timed || strcmp(what, "record") == 0) && nr_arguments == 3) {
		if (!record_write(arguments[2], is_timed))
			fail("there is no record \"%s\"", arguments[2]);
	} else if (strcmp(what, "heap") == 0 && nr_arguments == 4) {
		choose_heap(arguments[2]);
		make_workload(arguments[3]);
		count_rounds(round_of_heap);
	} else if (strcmp(what, "time-heap") == 0 && nr_arguments == 4) {
		choose_heap(arguments[2]);
		make_workload(arguments[3]);
		time_rounds(step_heap_and_fill);
	} else if (strcmp(what, "time-frames") == 0 && nr_arguments == 4) {
		choose_frames(arguments[2]);
		make_workload(arguments[3]);
		time_rounds(step_frames);
	} else if (strcmp(what, "footprint") == 0 && (nr_arguments == 4 || nr_arguments == 5)) {
		choose_heap(arguments[2]);
		make_workload(arguments[3]);
		if (nr_arguments == 5)
			shorten_workload(strtoul(arguments[4], NULL, 10));
		measure_footprint();
	} else if (strcmp(what, "frames") == 0 && nr_arguments == 4) {
		choose_frames(arguments[2]);
		make_workload(arguments[3]);
		set_up();
		count_rounds(round_of_frames);
	} else {
		fail("usage: [time-]heap|frames ALLOCATOR WORKLOAD, or: footprint ALLOCATOR WORKLOAD "
		     "[OPERATIONS], or: record|time NAME");
	}
	return 0;
}
