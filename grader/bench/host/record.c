/* SPDX-License-Identifier: MIT */
/* record.c: the record that a rescue writes, which is the one this project is about. */
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <valgrind/callgrind.h>

#include "format.h"
#include "frame.h"
#include "heap.h"
#include "log.h"
#include "machine.h"

/* The same record for all. volatile: the compiler shall not know the arguments. */
static volatile struct {
	unsigned nr_rescues;
	size_t bytes;
	unsigned long kib;
} said = { 12, 4096, 64 };

#define MESSAGE "heap: rescue %u: no room for %zu bytes, taking %lu KiB"
#define STAMP   "[%5lu %2lu.%03lu] %-5s "

#define RAM_BYTES (64ul << 20)
#define NR_BEFORE 1000          /* records that fill the ring */
#define NR_ROUNDS 200

static char text[256];

static __attribute__((noinline)) void by_log(void)
{
	log_debug(MESSAGE, said.nr_rescues, said.bytes, said.kib);
}

static __attribute__((noinline)) void by_format(void)
{
	format_string(text, sizeof(text), STAMP MESSAGE "\n", 1001ul, 0ul, 61ul, "debug",
		      said.nr_rescues, said.bytes, said.kib);
}

static __attribute__((noinline)) void by_snprintf(void)
{
	snprintf(text, sizeof(text), STAMP MESSAGE "\n", 1001ul, 0ul, 61ul, "debug",
		 said.nr_rescues, said.bytes, said.kib);
}

static const struct {
	const char *name;
	void (*write)(void);
} ways[] = {
	{ "log", by_log }, { "format", by_format }, { "snprintf", by_snprintf },
};

/* Nanoseconds a record in one round. */
static double time_of(void (*write)(void))
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 0; i < NR_BEFORE; i++)
		write();
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / NR_BEFORE;
}

static double smaller(double a, double b)
{
	return a < b ? a : b;
}

/* The best of NR_ROUNDS, beside snprintf()'s: in turns, as a busy machine is so for both then. */
static void print_times(void (*write)(void))
{
	double best = INFINITY, best_of_snprintf = INFINITY;

	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		best = smaller(best, time_of(write));
		best_of_snprintf = smaller(best_of_snprintf, time_of(by_snprintf));
	}
	printf("%.0f nanoseconds, %.0f by snprintf\n", best, best_of_snprintf);
}

bool record_write(const char *name, bool is_timed)
{
	struct heap_stats before, after;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].name, name) != 0)
			continue;
		log_level = LOG_DEBUG;
		machine_init(RAM_BYTES);
		frame_init();
		heap_init();
		for (unsigned j = 0; j < NR_BEFORE; j++)
			ways[i].write();
		if (is_timed) {
			print_times(ways[i].write);
			return true;
		}
		nr_port_writes = nr_port_reads = 0;
		heap_stats(&before);
		CALLGRIND_TOGGLE_COLLECT;
		ways[i].write();
		CALLGRIND_TOGGLE_COLLECT;
		CALLGRIND_DUMP_STATS_AT("record");
		heap_stats(&after);
		if (ways[i].write == by_log)
			memcpy(text, log_storage.line, sizeof(text) - 1);
		*strchr(text, '\n') = '\0';
		printf("%zu bytes, %lu port writes, %lu port reads, %zu heap calls: %s\n",
		       strlen(text) + 1, nr_port_writes, nr_port_reads,
		       after.nr_calls - before.nr_calls, text);
		return true;
	}
	return false;
}
